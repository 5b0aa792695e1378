# SPDX-License-Identifier: Apache-2.0
"""The outer tar of archives: what Python's tarfile writes is read, what lies is refused."""

from __future__ import annotations

import io
import os
import random
import tarfile
from pathlib import Path

import pytest

from pypod.errors import IntegrityError, PypodError
from pypod.transport.tar import Archive, Writer, _header


def opened(tmp_path: Path, data: bytes) -> Archive:
    path = tmp_path / "archive"
    path.write_bytes(data)
    return Archive(os.open(path, os.O_RDONLY), "archive")


def packed(entries: dict[str, bytes], kind: int) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=kind) as tar:
        for name, data in entries.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return out.getvalue()


FILES = {"a": b"1", "./b/c": b"2" * 5000, "l" * 90 + "/" + "m" * 90: b"3", "x/" * 80 + "n": b""}


@pytest.mark.parametrize(
    "kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]
)
def test_every_kind_of_tar_is_read(tmp_path: Path, kind: int) -> None:
    archive = opened(tmp_path, packed(FILES, kind))
    for name, data in FILES.items():
        assert archive.small(name.removeprefix("./")) == data
    with archive.piece("b/c", 4990) as piece:
        assert b"".join(piece) == b"2" * 10
    archive.close()


def test_what_we_write_tarfile_reads(tmp_path: Path) -> None:
    path = tmp_path / "made"
    fd = os.open(path, os.O_RDWR | os.O_CREAT)
    writer = Writer(fd, "made", (3_000_000, 5))
    writer.directory("d")
    writer.add("a", 3, [b"12", b"3"])
    writer.add("a", 9, [b"not again"])
    writer.add("b", 1000, [bytes(1000)])
    assert writer.has("a") and not writer.has("c")
    writer.end()
    os.close(fd)
    with tarfile.open(path) as tar:
        assert [(one.name, one.size, one.uid, one.gid) for one in tar] == [
            ("d", 0, 3_000_000, 5),
            ("a", 3, 3_000_000, 5),
            ("b", 1000, 3_000_000, 5),
        ]


@pytest.mark.parametrize("chunks", [[b"1234"], [b"12"]])
def test_a_member_of_another_size_than_said_is_an_error(
    tmp_path: Path, chunks: list[bytes]
) -> None:
    fd = os.open(tmp_path / "made", os.O_RDWR | os.O_CREAT)
    with pytest.raises(IntegrityError, match=r"longer|too early"):
        Writer(fd, "made").add("a", 3, chunks)
    os.close(fd)


def test_a_large_size_is_written_and_read(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.write(_header("big", 9 << 30, (0, 0)))
        file.truncate(512 + (9 << 30) + 1024)
    archive = Archive(os.open(path, os.O_RDONLY), "large")
    assert archive.find("big").size == 9 << 30
    archive.close()


def pax(records: bytes) -> bytes:
    entry = bytearray(_header("pax", len(records), (0, 0)))
    entry[156:157] = b"x"
    entry[148:156] = b" " * 8
    entry[148:156] = b"%06o\0 " % sum(entry)
    return bytes(entry) + records + bytes(-len(records) % 512)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not an archive"),
        (b"x" * 1024, "not a tar archive"),
        (packed({"../a": b""}, tarfile.PAX_FORMAT), "leads out"),
        (packed({"/a": b""}, tarfile.PAX_FORMAT), "leads out"),
        (packed({"a": b"1"}, tarfile.PAX_FORMAT)[:1024] * 2, "there twice"),
        (packed({"a": b"1" * 2000}, tarfile.PAX_FORMAT)[:1024], "ends too early"),
        (pax(b"99 size=1\n"), "damaged pax header"),
        (pax(b"0 \n"), "damaged pax header"),
        (pax(b"12 size=" + b"9" * 3 + b"\n") + _header("a", 0, (0, 0)), "ends too early"),
        (pax(b"28 GNU.sparse.size=12345678\n") + _header("a", 0, (0, 0)), "a sparse file"),
        (pax(b"".join(b"%d size=%s\n" % (5013, b"9" * 5002) for _ in "x")), "pax|archive"),
        (_header("a", 1 << 61, (0, 0)) + bytes(512), "ends too early"),
    ],
)
def test_what_lies_is_refused(tmp_path: Path, data: bytes, said: str) -> None:
    with pytest.raises(IntegrityError, match=said):
        opened(tmp_path, data)


def test_a_huge_header_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="a header of 2000000 bytes"):
        opened(tmp_path, pax(b"x" * 2_000_000))


def test_no_damage_is_worse_than_an_error(tmp_path: Path) -> None:
    whole = packed(FILES, tarfile.PAX_FORMAT) + packed(FILES, tarfile.GNU_FORMAT)[:0]
    chance = random.Random(7)
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            archive = opened(tmp_path, bytes(data[: chance.randint(1, len(data))]))
            for name in archive.members:
                archive.small(name)
            archive.close()
        except PypodError:
            pass
