# SPDX-License-Identifier: Apache-2.0
"""A directory as one file: a tar, packed with gzip; the same files give the same bytes."""

from __future__ import annotations

import os
import stat
from tarfile import DIRTYPE, PAX_FORMAT, SYMTYPE, TarInfo

from pypod.engine import packing
from pypod.errors import PypodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pypod.engine.scratch import Scratch

_CHUNK = 1 << 18
_BLOCK = 512


def pack(path: str, scratch: Scratch) -> None:
    """Write a directory's archive. Its files belong to nobody, and keep modes, times and links.

    Raises PypodError for what cannot be read, and for sockets, pipes and devices.
    """
    name = os.path.basename(os.path.abspath(path))
    # A link that leads to the directory is not what it holds.
    packing.repack(_tar(os.path.realpath(path), name), "", "gzip", scratch.write)


def _tar(top: str, base: str) -> Iterator[bytes]:
    for path in _walk(top):
        inside = os.path.relpath(path, top)
        name = base if inside == "." else f"{base}/{inside}"
        try:
            yield from _entry(path, name)
        except OSError as error:
            raise PypodError(f"{path}: {error.strerror}") from None
    yield bytes(2 * _BLOCK)


def _walk(top: str) -> Iterator[str]:
    def fail(error: OSError) -> None:
        raise PypodError(f"{error.filename}: {error.strerror}") from None

    for directory, inner, names in os.walk(top, onerror=fail):
        yield directory
        links = [name for name in inner if os.path.islink(f"{directory}/{name}")]
        inner.sort()  # os.walk goes on in this order, and does not follow links
        for name in sorted([*names, *links]):
            yield f"{directory}/{name}"


def _entry(path: str, name: str) -> Iterator[bytes]:
    found = os.lstat(path)
    info = TarInfo(name)
    info.mode, info.mtime = stat.S_IMODE(found.st_mode), int(found.st_mtime)
    if stat.S_ISDIR(found.st_mode):
        info.type = DIRTYPE
    elif stat.S_ISLNK(found.st_mode):
        info.type, info.linkname = SYMTYPE, os.readlink(path)
    elif stat.S_ISREG(found.st_mode):
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            info.size = os.fstat(fd).st_size
            yield info.tobuf(PAX_FORMAT)
            yield from _content(fd, path, info.size)
        finally:
            os.close(fd)
        return
    else:
        raise PypodError(f"{path}: not a file, a directory or a symbolic link")
    yield info.tobuf(PAX_FORMAT)


def _content(fd: int, path: str, size: int) -> Iterator[bytes]:
    left = size
    while left:
        chunk = os.read(fd, min(_CHUNK, left))
        if not chunk:
            raise PypodError(f"{path}: it became shorter meanwhile")
        left -= len(chunk)
        yield chunk
    yield bytes(-size % _BLOCK)
