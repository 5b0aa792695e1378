# SPDX-License-Identifier: Apache-2.0
"""What is mounted where, as the kernel says it (proc_pid_mountinfo(5))."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def points(below: str, pid: str = "self") -> list[str]:
    """Return the mount points below a directory that a process sees; nothing of one that is gone.

    One that is covered by another stands twice. The kernel knows no symbolic links, as /home may
    be one: the paths begin with `below` as it is given.
    """
    real = os.path.realpath(below)
    try:
        with open(f"/proc/{pid}/mountinfo", "rb") as file:
            lines = file.read().split(b"\n")
    except OSError:
        return []
    found = [os.fsdecode(_plain(line.split(b" ")[4])) for line in lines if line]
    return [below + path[len(real) :] for path in found if path.startswith(real + "/")]


def _plain(field: bytes) -> bytes:
    r"""Undo the escapes of mountinfo: `\040` is a space."""
    first, *rest = field.split(b"\\")
    return first + b"".join(bytes([int(part[:3], 8)]) + part[3:] for part in rest)


def everywhere(below: str) -> Iterator[str]:
    """Yield the mount points below a directory in every mount namespace that we may look into."""
    seen = set()
    for pid in os.listdir("/proc"):
        if not pid.isdigit():
            continue
        try:
            namespace = os.readlink(f"/proc/{pid}/ns/mnt")
        except OSError:
            continue  # gone, or another user's
        if namespace not in seen:
            seen.add(namespace)
            yield from points(below, pid)
