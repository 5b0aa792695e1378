# SPDX-License-Identifier: Apache-2.0
"""Ending containers: signals, the patience of `stop`, waiting for the exit to be on record.

No record lock is taken: a signal goes through a pidfd of the very process, so that nothing here can
hang behind a slow `start` and no stranger is ever hit.
"""

from __future__ import annotations

import os
import select
import time
from _signal import pidfd_send_signal

from pypod.errors import PypodError, WrongState
from pypod.kernel import procfs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.store.objects import Container, Status

SIGKILL = 9
_ASKED = "stop"
"""The file of the record that says so; the monitor looks for it."""
_RECORD_SECONDS = 5.0
"""How long a monitor may take to write the exit of a dead payload before it counts as lost."""


def kill(container: Container, signal: int) -> None:
    """Send a signal to the container's process. Raises WrongState when it does not run."""
    status = container.status()
    if not status.alive or not _signal(status, signal):
        raise WrongState(
            f"can only kill running containers. {container.id} is in state {status.name}:"
            " container state improper"
        )
    if signal == SIGKILL:
        settle(container, status)


def stop(container: Container, signal: int, seconds: float) -> bool:
    """End the container: `signal`, then SIGKILL after `seconds`.

    Returns False when SIGKILL was needed; a container that does not run is left as it is.
    """
    status = container.status()
    if not status.alive:
        return True
    ask(container)
    _signal(status, signal)
    if signal != SIGKILL and not _gone(status, seconds):
        _signal(status, SIGKILL)
        settle(container, status)
        return False
    settle(container, status)
    return True


def ask(container: Container) -> None:
    """Leave word that the container is to end: then its monitor ends 0, whatever the exit code.

    A service manager that watches the monitor takes it for a stop and not for a failure. Where the
    word cannot be left (a full disk) nothing else is lost.
    """
    try:
        os.close(os.open(f"{container.directory}/{_ASKED}", os.O_WRONLY | os.O_CREAT, 0o600))
    except OSError:
        pass


def forget(container: Container) -> None:
    """Take that word back: the container starts again."""
    try:
        os.unlink(f"{container.directory}/{_ASKED}")
    except OSError:
        pass


def settle(container: Container, status: Status, seconds: float | None = 10.0) -> None:
    """Wait until the dead container's exit is on record, or its monitor is known to be lost.

    `seconds` is the patience for the process to die, None for ever.

    Raises PypodError when the process does not die: one in uninterruptible sleep.
    """
    pids = status.pids
    if pids is None:
        return
    if not _gone(status, seconds):
        raise PypodError(
            f"container {container.id[:12]} (pid {pids.pid}) did not die within 10 seconds",
            hint="it may hang in the kernel; look at /proc/PID/stack",
        )
    monitor = procfs.open_process(pids.monitor, pids.monitor_start)
    if monitor is None:
        return
    try:
        deadline = time.monotonic() + _RECORD_SECONDS
        while time.monotonic() < deadline:
            ended = container.exit()
            if ended is not None and ended.run >= pids.run:
                # The record is there; the monitor itself goes within a millisecond or two.
                _readable(monitor, 0.2)
                return
            if _readable(monitor, 0.02):
                return
    finally:
        os.close(monitor)


def _signal(status: Status, signal: int) -> bool:
    """Signal the container's process through a pidfd; False when it has gone."""
    pids = status.pids
    if pids is None:
        return False
    fd = procfs.open_process(pids.pid, pids.start)
    if fd is None:
        return status.name == "stopping"
    try:
        pidfd_send_signal(fd, signal)
    except ProcessLookupError:
        return False
    finally:
        os.close(fd)
    return True


def _gone(status: Status, seconds: float | None) -> bool:
    """Wait until the container's process is dead (a zombie counts)."""
    pids = status.pids
    if pids is None:
        return True
    fd = procfs.open_process(pids.pid, pids.start)
    if fd is None:
        return True
    try:
        return _readable(fd, seconds)
    finally:
        os.close(fd)


def _readable(fd: int, seconds: float | None) -> bool:
    """Wait for a pidfd: readable when the process has ended (pidfd_open(2))."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(None if seconds is None else min(max(0, int(seconds * 1000)), 2**31 - 1)))
