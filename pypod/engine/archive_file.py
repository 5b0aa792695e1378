# SPDX-License-Identifier: Apache-2.0
"""An archive ready to be read at any place: a file as it is, a stream or a packed one inflated."""

from __future__ import annotations

import os
import stat

from pypod.engine import packing
from pypod.engine.scratch import Scratch
from pypod.errors import NoSpace, PypodError, UsageError
from pypod.transport.tar import Archive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 1 << 18
_RESERVE, _LOOK_EVERY = 1 << 26, 1 << 26
"""Inflating stops while 64 MiB are still free, as unpacking does."""


def open_archive(path: str, scratch: str) -> Archive:
    """Return the tar in a file, `-` being stdin. Raises PypodError, IntegrityError."""
    noun = "standard input" if path == "-" else path
    try:
        fd = os.dup(0) if path == "-" else os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        mode = os.fstat(fd).st_mode
    except OSError as error:
        raise PypodError(f"{noun}: {error.strerror}") from None
    try:
        if stat.S_ISDIR(mode):
            raise PypodError(f"{noun}: is a directory")
        if os.isatty(fd):
            raise UsageError("cannot read an archive from a terminal", hint="-i FILE, or < FILE")
        whole = stat.S_ISREG(mode) and os.lseek(fd, 0, os.SEEK_CUR) == 0
        head = os.pread(fd, 6, 0) if whole else _first(fd)
        kind = packing.compression_of(head)
        if whole and not kind:
            return Archive(os.dup(fd), noun)
        return Archive(_inflated(fd, b"" if whole else head, kind, scratch), noun)
    except OSError as error:
        raise PypodError(f"{noun}: {error.strerror}") from None
    finally:
        os.close(fd)


def _first(fd: int) -> bytes:
    head = b""
    while len(head) < 6 and (data := os.read(fd, 6 - len(head))):
        head += data
    return head


def _inflated(fd: int, head: bytes, kind: str, directory: str) -> int:
    """Write the plain bytes to a file without a name; return its descriptor."""
    looked = 0
    with Scratch(directory, hashed=False) as scratch:

        def write(data: bytes) -> None:
            nonlocal looked
            if scratch.size >= looked:
                looked = scratch.size + _LOOK_EVERY
                room = os.statvfs(directory)
                if room.f_bavail * room.f_frsize < _RESERVE:
                    raise NoSpace(f"no space left in {directory} to unpack the archive")
            scratch.write(data)

        packing.repack(_chunks(fd, head), kind, "", write)
        return os.dup(scratch.fd)


def _chunks(fd: int, head: bytes) -> Iterator[bytes]:
    if head:
        yield head
    while data := os.read(fd, _CHUNK):
        yield data
