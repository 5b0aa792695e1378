# SPDX-License-Identifier: Apache-2.0
"""Files as the other modules here need them: read in pieces, written whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
from hashlib import sha256

from pypod.errors import IntegrityError, NoSpace, PypodError
from pypod.oci import digest as oci_digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pypod.oci.manifest import Descriptor

    Read = Callable[[int], Iterable[bytes]]

CHUNK = 1 << 18
SMALL_MOST = 4 << 20
"""Bytes of a manifest, an index, a configuration."""


class FileSource:
    """What is the same for every place to read from that is made of files."""

    tries = 1

    def connect(self) -> None:
        """Nothing is to be done."""

    def wait(self, attempt: int) -> None:
        """Nothing is ever cut off here."""

    def cancel(self) -> None:
        """Nothing here takes long."""

    def close(self) -> None:
        """Nothing is open."""


class Piece:
    """A part of an open file, or of one that is closed after the `with` block."""

    def __init__(self, fd: int, start: int, size: int, offset: int, *, own: bool) -> None:
        self.offset = offset
        self._fd, self._at, self._end, self._own = fd, start + offset, start + size, own

    def __iter__(self) -> Iterator[bytes]:
        at = self._at
        while at < self._end and (data := os.pread(self._fd, min(CHUNK, self._end - at), at)):
            at += len(data)
            yield data

    def __enter__(self) -> Piece:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if self._own:
            os.close(self._fd)


class Directory:
    """A directory of somebody else's: only regular files are read, and never waited for."""

    def __init__(self, path: str) -> None:
        self.noun = path
        self._path = path

    def has(self, name: str) -> bool:
        """Say whether there is such a file."""
        return os.path.isfile(f"{self._path}/{name}")

    def open(self, name: str) -> tuple[int, int]:
        """Return a descriptor and the size of a file. Raises PypodError."""
        path = f"{self._path}/{name}"
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise PypodError(f"{path}: {error.strerror}") from None
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            os.close(fd)
            raise PypodError(f"{path}: not a regular file")
        return fd, found.st_size

    def small(self, name: str) -> bytes:
        """Return a small file. Raises PypodError."""
        fd, size = self.open(name)
        with open(fd, "rb", buffering=0) as file:
            if size > SMALL_MOST:
                raise IntegrityError(
                    f"{self._path}/{name}: {size} bytes, {SMALL_MOST} are the most"
                )
            return file.read(SMALL_MOST)

    def piece(self, name: str, offset: int) -> Piece:
        """Return a file from an offset on."""
        fd, size = self.open(name)
        return Piece(fd, 0, size, offset, own=True)

    def close(self) -> None:
        """Nothing is open."""


def make_directory(path: str) -> list[str]:
    """Make a directory that images are written to; return what is in it. Raises PypodError."""
    try:
        os.makedirs(path, exist_ok=True)
        return os.listdir(path)
    except OSError as error:
        raise PypodError(f"{path}: {error.strerror}") from None


def write(directory: str, name: str, chunks: Iterable[bytes]) -> None:
    """Write a file under a temporary name, then give it its own. Raises PypodError, NoSpace."""
    staged = f"{directory}/.{name.replace('/', '-')}.{os.urandom(4).hex()}"
    try:
        fd = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            for chunk in chunks:
                pour(fd, chunk)
            os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(staged, f"{directory}/{name}")
    except BaseException as error:
        try:
            os.unlink(staged)
        except OSError:
            pass
        if isinstance(error, OSError):
            raise wrong(directory, error) from None
        raise


def write_blob(directory: str, name: str, blob: Descriptor, read: Read) -> None:
    """Write a blob; nothing is left of one that is wrong. Raises IntegrityError, PypodError."""

    def checked() -> Iterator[bytes]:
        digest, size = sha256(), 0
        for chunk in read(0):
            digest.update(chunk)
            size += len(chunk)
            yield chunk
        found = "sha256:" + digest.hexdigest()
        if (found, size) != (oci_digest.check(blob.digest), blob.size):
            raise IntegrityError(f"blob {blob.digest} arrived as {found}: wrong digest")

    write(directory, name, checked())


def pour(fd: int, data: bytes) -> None:
    """Write all of it."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def wrong(noun: str, error: OSError) -> PypodError:
    """Return the error of a write."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoSpace(f"{noun}: {error.strerror}")
    return PypodError(f"{noun}: {error.strerror}")
