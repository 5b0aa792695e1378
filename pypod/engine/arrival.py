# SPDX-License-Identifier: Apache-2.0
"""What comes into the store and has no name yet: while it does, no prune takes its blobs away.

The mark is a directory `tmp/unpack-…`, locked by its owner, as a layer's staging is; so is the
turn of who pulls an image.
"""

from __future__ import annotations

import errno
import os

from pypod.errors import NoSpace
from pypod.kernel.locks import Lock
from pypod.oci import digest as oci_digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pypod.kernel.paths import Places


def make_directory(path: str, mode: int) -> None:
    """Make a directory. Raises NoSpace where there is no byte or no inode for it."""
    try:
        os.mkdir(path, mode)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoSpace(f"{path}: {error.strerror}") from None
        raise


def begin(places: Places) -> tuple[str, Lock]:
    """Make a staging directory; return it and the lock on it."""
    while True:
        directory = f"{places.tmp}/unpack-{os.getpid()}-{os.urandom(4).hex()}"
        make_directory(directory, 0o700)
        try:
            lock = Lock(directory)
        except FileNotFoundError:
            continue  # a sweep came between
        lock.take()
        if lock.is_of(directory):
            return directory, lock
        lock.close()


class Arrival:
    """The mark; hold it in a `with` block from before the first blob until the name is there."""

    def __init__(self, places: Places) -> None:
        self._directory, self._lock = begin(places)

    def __enter__(self) -> Arrival:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            os.rmdir(self._directory)
        except OSError:
            pass  # the next sweep's
        self._lock.close()


class Turn:
    """One pull of an image at a time: who comes second waits, and finds its layers here.

    Blobs have locks of their own, but two who unpack one image would do all of that twice.
    """

    def __init__(self, places: Places, image_id: str, waiting: Callable[[], None]) -> None:
        """Wait for the turn; `waiting` is called when there is somebody to wait for."""
        # A name that `remove.sweep` takes away when its owner was killed.
        self._path = f"{places.tmp}/unpack-{oci_digest.hex_of(image_id)}"
        while True:
            try:
                make_directory(self._path, 0o700)
            except FileExistsError:
                pass
            try:
                self._lock = Lock(self._path)
            except FileNotFoundError:
                continue
            if not self._lock.take(wait=False):
                waiting()
                self._lock.take()
            if self._lock.is_of(self._path):
                return
            self._lock.close()  # the one we waited for has removed it

    def __enter__(self) -> Turn:
        return self

    def __exit__(self, *_exception: object) -> None:
        try:
            os.rmdir(self._path)
        except FileNotFoundError:
            pass
        self._lock.close()


def under_way(places: Places) -> bool:
    """Say whether something comes in: some staging directory is locked."""
    try:
        names = os.listdir(places.tmp)
    except FileNotFoundError:
        return False
    for name in names:
        if not name.startswith("unpack-"):
            continue
        try:
            lock = Lock(f"{places.tmp}/{name}")
        except OSError:
            continue
        free = lock.take(wait=False)
        lock.close()
        if not free:
            return True
    return False
