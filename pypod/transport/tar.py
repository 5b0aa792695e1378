# SPDX-License-Identifier: Apache-2.0
"""The outer tar of an archive of images: an index of its members, and a writer.

Sources: POSIX ustar and pax (IEEE 1003.1, pax), GNU tar's long names. The archive is a stranger's:
everything in it is bounded, a name is a key and never a path, what is not understood is refused.
Python's tarfile reads a header of any size into memory, and resolves links that we want to see.
"""

from __future__ import annotations

import os
import threading

from pypod.errors import IntegrityError, PypodError
from pypod.transport.files import SMALL_MOST, Piece, pour, wrong
from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_BLOCK = 512
_ENTRIES_MOST = 65_536
_HEADER_MOST = 1 << 20
"""Bytes of a long name or of pax records."""
_LINKS_MOST = 8
_REGULAR = (b"0", b"\0", b"7")
_LINKS = (b"1", b"2")


class Member(Value):
    """An entry: where its bytes are, or what it links to."""

    offset: int
    size: int
    regular: bool
    link: str = ""
    """The name that a symbolic link leads to within the archive."""


class Archive:
    """A tar that can be read at any place; use its members by name. Raises IntegrityError."""

    def __init__(self, fd: int, noun: str) -> None:
        """Read every header; `fd` is closed by `close`."""
        self.noun, self._fd = noun, fd
        self._size = os.fstat(fd).st_size
        self.members: dict[str, Member] = {}
        self._read()

    def has(self, name: str) -> bool:
        """Say whether there is such a file."""
        member = self.members.get(name)
        return member is not None and member.regular

    def find(self, name: str, *, follow: bool = False) -> Member:
        """Return a regular member. Raises PypodError.

        `follow` takes symbolic links to other members, which docker wrote for layers until 2023.
        """
        key = name
        for _hop in range(_LINKS_MOST):
            member = self.members.get(key)
            if member is None:
                raise PypodError(f"{self.noun}: it has no {_shown(name)}")
            if member.regular:
                return member
            if not follow or not member.link:
                break
            key = member.link
        raise PypodError(f"{self.noun}: {_shown(name)} is not a regular file")

    def small(self, name: str) -> bytes:
        """Return a small member. Raises PypodError, IntegrityError."""
        member = self.find(name)
        if member.size > SMALL_MOST:
            raise IntegrityError(
                f"{self.noun}: {_shown(name)} has {member.size} bytes, {SMALL_MOST} are the most"
            )
        return b"".join(self.part(member, 0))

    def piece(self, name: str, offset: int) -> Piece:
        """Return a member from an offset on."""
        return self.part(self.find(name), offset)

    def part(self, member: Member, offset: int) -> Piece:
        """Return a member from an offset on."""
        return Piece(self._fd, member.offset, member.size, offset, own=False)

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _read(self) -> None:
        at, entries = 0, 0
        long_name = long_link = ""
        records: dict[str, str] = {}
        while at + _BLOCK <= self._size:
            header = os.pread(self._fd, _BLOCK, at)
            if not header.strip(b"\0"):
                break
            at += _BLOCK
            self._check_sum(header)
            entries += 1
            if entries > _ENTRIES_MOST:
                raise self._refused(f"more than {_ENTRIES_MOST} entries")
            kind, size = header[156:157], _number(header[124:136])
            if kind in (b"L", b"K", b"x", b"g"):
                if size < 0 or size > _HEADER_MOST:
                    raise self._refused(f"a header of {size} bytes")
                data = os.pread(self._fd, size, at)
                at += _padded(size)
                if kind == b"L":
                    long_name = _text(data)
                elif kind == b"K":
                    long_link = _text(data)
                elif kind == b"x":
                    records = self._pax(data)
                continue
            if "size" in records:
                size = _decimal(records["size"])
            name = records.get("path") or long_name or _name(header)
            link = records.get("linkpath") or long_link or _text(header[157:257])
            if any(key.startswith("GNU.sparse") for key in records) or kind == b"S":
                raise self._refused("a sparse file")
            self._add(name, kind, link, at, size)
            long_name = long_link = ""
            records = {}
            at += _padded(size) if kind in _REGULAR else 0
        if not self.members:
            raise IntegrityError(f"{self.noun}: not an archive of images")

    def _add(self, name: str, kind: bytes, link: str, at: int, size: int) -> None:
        plain = self._plain(name)
        if kind == b"5" or not plain:
            return
        if plain in self.members:
            raise self._refused(f"{_shown(plain)} is there twice")
        regular = kind in _REGULAR
        if regular and (size < 0 or at + size > self._size):
            raise IntegrityError(f"{self.noun}: {_shown(plain)} ends too early")
        target = ""
        if kind == b"2":
            target = _joined(plain, link)
        elif not regular and kind not in _LINKS:
            size = 0
        self.members[plain] = Member(at, size if regular else 0, regular, target)

    def _plain(self, name: str) -> str:
        """Return a name in its shortest form. Raises IntegrityError for one that leads outside."""
        if name.startswith("/") or ".." in name.split("/") or "\0" in name:
            raise self._refused(f"the name {_shown(name)} leads out of it")
        return "/".join(part for part in name.split("/") if part not in ("", "."))

    def _pax(self, data: bytes) -> dict[str, str]:
        found: dict[str, str] = {}
        while data:
            length, space, _ = data[:20].partition(b" ")
            if not space or not length.isdigit() or not len(length) + 3 < int(length) <= len(data):
                raise self._refused("a damaged pax header")
            record, data = data[len(length) + 1 : int(length)], data[int(length) :]
            key, equals, value = record.removesuffix(b"\n").partition(b"=")
            if equals:
                found[_text(key)] = value.decode("utf-8", "surrogateescape")
        return found

    def _check_sum(self, header: bytes) -> None:
        # The sum counts its own field as spaces (ustar).
        if _number(header[148:156]) != sum(header[:148]) + sum(header[156:]) + 8 * 32:
            raise IntegrityError(f"{self.noun}: not a tar archive, or damaged")

    def _refused(self, what: str) -> IntegrityError:
        return IntegrityError(f"{self.noun}: refused, {what}")


class Writer:
    """Writes a tar to a descriptor: the same members in the same order give the same bytes."""

    def __init__(self, fd: int, noun: str, owner: tuple[int, int] = (0, 0)) -> None:
        self._fd, self._noun, self._owner = fd, noun, owner
        self._names: set[str] = set()
        self._lock = threading.Lock()

    def has(self, name: str) -> bool:
        """Say whether a member is written."""
        return name in self._names

    def add(self, name: str, size: int, chunks: Iterable[bytes]) -> None:
        """Append a file; one that is there already is left out. Raises PypodError."""
        with self._lock:
            if name in self._names:
                return
            self._names.add(name)
            left = size
            self._pour(_header(name, size, self._owner))
            for chunk in chunks:
                left -= len(chunk)
                if left < 0:
                    raise IntegrityError(f"{name} is longer than {size} bytes")
                self._pour(chunk)
            if left:
                raise IntegrityError(f"{name} ended {left} bytes too early")
            self._pour(bytes(-size % _BLOCK))

    def directory(self, name: str) -> None:
        """Append a directory."""
        self._pour(_header(f"{name}/", 0, self._owner, kind=b"5", mode=b"0000755\0"))

    def end(self) -> None:
        """Write the end of the archive."""
        self._pour(bytes(2 * _BLOCK))

    def _pour(self, data: bytes) -> None:
        try:
            pour(self._fd, data)
        except OSError as error:
            raise wrong(self._noun, error) from None


def _header(
    name: str,
    size: int,
    owner: tuple[int, int],
    *,
    kind: bytes = b"0",
    mode: bytes = b"0000644\0",
) -> bytes:
    raw = name.encode()
    assert len(raw) <= 100
    head = raw.ljust(100, b"\0") + mode
    head += _field(owner[0], 8) + _field(owner[1], 8) + _field(size, 12) + _field(0, 12)
    tail = kind + bytes(100) + b"ustar\00000" + bytes(64) + b"0000000\0" * 2 + bytes(167)
    return head + b"%06o\0 " % (sum(head) + sum(tail) + 8 * 32) + tail


def _field(number: int, width: int) -> bytes:
    """Return a number in octal, where it is too large for that in base 256 (GNU)."""
    if number < 8 ** (width - 1):
        return b"%0*o\0" % (width - 1, number)
    return b"\x80" + number.to_bytes(width - 1, "big")


def _number(field: bytes) -> int:
    """Return a number of a header: octal, or base 256 (GNU); -1 when it is none."""
    if field[0] & 0x80:
        value = int.from_bytes(field, "big") & ~(1 << (8 * len(field) - 1))
        return value if value < 1 << 62 else -1
    digits = field.strip(b" \0")
    try:
        return int(digits, 8) if digits else 0
    except ValueError:
        return -1


def _decimal(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else -1


def _padded(size: int) -> int:
    return size + -size % _BLOCK


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def _name(header: bytes) -> str:
    prefix = _text(header[345:500]) if header[257:262] == b"ustar" and header[262] == 0 else ""
    return f"{prefix}/{_text(header[:100])}" if prefix else _text(header[:100])


def _joined(name: str, link: str) -> str:
    """Return what a symbolic link leads to within the archive, nothing when that is outside."""
    parts = name.split("/")[:-1] if not link.startswith("/") else [""]
    for part in link.split("/"):
        if part == "..":
            if not parts:
                return ""
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def _shown(name: str) -> str:
    return ascii(name)[1:-1][:120]


