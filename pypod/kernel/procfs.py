# SPDX-License-Identifier: Apache-2.0
"""What /proc says of processes. A process is (boot id, pid, start time), never a bare pid."""

from __future__ import annotations

import _signal
import errno
import os


def boot_id() -> str:
    """Return the identity of this boot (proc_sys_kernel(5), random/boot_id)."""
    with open("/proc/sys/kernel/random/boot_id", "rb", buffering=0) as file:
        return file.read(64).decode().strip()


def start_time(pid: int) -> int | None:
    """Return the start time of a live process in clock ticks since boot; None when it is gone.

    A zombie (Z) or dying (X) process counts as gone: pid 1 of a test machine may never reap it.
    Source: proc_pid_stat(5), fields 3 and 22.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
            fields = file.read(4096).rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # A first thread that ended alone is Z, too, while others live: field 20 counts them.
    if not fields or fields[0] == b"X" or (fields[0] == b"Z" and int(fields[17]) <= 1):
        return None
    return int(fields[19])


def is_alive(pid: int, started: int) -> bool:
    """Say whether the very process that started at `started` is still alive."""
    return pid > 0 and start_time(pid) == started


def open_process(pid: int, started: int) -> int | None:
    """Return a pidfd of that very process, or None: no signal ever reaches a stranger."""
    try:
        fd = os.pidfd_open(pid)
    except OSError as error:
        # ESRCH is "no such process". One that is being reaped at this moment, and the number of a
        # thread, are EINVAL (Linux 5.12 to 6.14) or ENOENT.
        if error.errno in (errno.ESRCH, errno.EINVAL, errno.ENOENT):
            return None
        raise
    if is_alive(pid, started):
        return fd
    os.close(fd)
    return None


def kill(pid: int, started: int) -> None:
    """End that very process, if it is still alive and ours."""
    fd = open_process(pid, started)
    if fd is None:
        return
    try:
        _signal.pidfd_send_signal(fd, _signal.SIGKILL)
    except OSError:
        pass
    finally:
        os.close(fd)


def loginuid() -> int | None:
    """Return the audit user id of the caller, None when it is unset or the kernel has no audit."""
    try:
        with open("/proc/self/loginuid", "rb", buffering=0) as file:
            value = int(file.read(32))
    except (OSError, ValueError):
        return None
    return None if value == 0xFFFFFFFF else value
