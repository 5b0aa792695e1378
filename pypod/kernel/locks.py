# SPDX-License-Identifier: Apache-2.0
"""Locks: flock(2) on a file or directory descriptor, released by close and by death.

Readers never lock. There is no shared memory and no lock number to run out of.
"""

from __future__ import annotations

import fcntl
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType


class Lock:
    """An exclusive lock for a `with` block; `fd` is the descriptor it is held on."""

    def __init__(self, path: str, *, create: bool = False) -> None:
        flags = os.O_RDWR | os.O_CREAT if create else os.O_RDONLY
        self.fd = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)

    def take(self, *, wait: bool = True, shared: bool = False) -> bool:
        """Take the lock; False when it is held by another and `wait` is false."""
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        try:
            fcntl.flock(self.fd, kind | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            return False
        return True

    def is_of(self, path: str) -> bool:
        """Say whether the path still is what was opened: it may be gone, or another one, by now."""
        try:
            here, there = os.fstat(self.fd), os.stat(path, follow_symlinks=False)
        except OSError:
            return False
        return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)

    def close(self) -> None:
        """Release the lock."""
        os.close(self.fd)

    def __enter__(self) -> Lock:
        self.take()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
