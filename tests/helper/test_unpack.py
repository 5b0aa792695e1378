# SPDX-License-Identifier: Apache-2.0
"""One honest layer: what its archive says is what lies in its directory."""

from __future__ import annotations

import gzip
import os
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest
from unpacked import (
    MTIME,
    Store,
    archive,
    directory,
    entry,
    file,
    host_id,
    link,
    refused,
    symlink,
)

from pypod.kernel import paths

# What an honest archive says


def test_owner_mode_and_time_are_the_archives(store: Store) -> None:
    layer = store.unpack_one(
        directory("a", mode=0o2750, uid=7, gid=8, mtime=1000),
        file("a/suid", b"x", mode=0o4755, uid=5, gid=6),
        file("b", b"y" * 300_000, mode=0o600),
    )
    top = (layer / "a").stat()
    assert (stat.S_IMODE(top.st_mode), top.st_mtime) == (0o2750, 1000)
    assert top.st_uid == host_id(store, 7)
    inner = store.inside(f"stat -c '%a %u:%g %Y' {layer}/a/suid").strip()
    assert inner == f"4755 5:6 {MTIME}"
    assert (layer / "b").read_bytes() == b"y" * 300_000


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_are_read_in_every_format(store: Store, form: int) -> None:
    part = "d" * 90
    long = part if form == tarfile.USTAR_FORMAT else f"{part}/{part}/{part}"
    target = "t" * (90 if form == tarfile.USTAR_FORMAT else 300)
    layer = store.unpack(archive(file(f"{long}/file", b"1"), symlink("s", target), form=form))[0]
    assert (layer / long / "file").read_bytes() == b"1"
    assert os.readlink(layer / "s") == target


def test_pax_numbers_and_fractions_are_read(store: Store) -> None:
    info, data = file("f", b"1")  # type: ignore[misc]
    info.pax_headers = {"mtime": "1234567890.5", "uid": "12", "comment": "nobody reads this"}
    layer = store.unpack_one((info, data))
    found = (layer / "f").stat()
    assert (found.st_mtime, found.st_uid) == (1234567890.5, host_id(store, 12))


def test_a_later_entry_of_a_name_wins(store: Store) -> None:
    layer = store.unpack_one(
        file("x", b"old"),
        directory("d"),
        file("d/inner"),
        file("x", b"new"),
        file("d", b"file now"),
        symlink("l", "x"),
        directory("l"),
    )
    assert (layer / "x").read_bytes() == b"new"
    assert (layer / "d").read_bytes() == b"file now"
    assert (layer / "l").is_dir() and not (layer / "l").is_symlink()


def test_a_hard_link_is_the_same_file(store: Store) -> None:
    layer = store.unpack_one(file("a", b"1"), link("b", "a"), link("c", "./b"))
    assert (layer / "a").stat().st_nlink == 3


def test_an_empty_archive_is_an_empty_layer(store: Store) -> None:
    for tar in (b"", bytes(1024)):
        assert os.listdir(store.unpack(tar)[0]) == []


def test_many_members_of_gzip_and_padding_are_one_layer(store: Store) -> None:
    tar = archive(file("a", b"1" * 100_000))
    layers = store.unpack(
        tar, compress=lambda data: gzip.compress(data[:999]) + gzip.compress(data[999:]) + bytes(64)
    )
    assert (layers[0] / "a").stat().st_size == 100_000


def test_chunks_of_any_size_are_the_same_layer(store: Store) -> None:
    import zstandard

    tar = archive(file("a", os.urandom(5000) + bytes(600_000)))
    layers = store.unpack(tar, step=7)
    store.remove()
    store = Store(Path(store.places.graph).parent)
    frames = zstandard.ZstdCompressor().compress(tar[:512]) + zstandard.ZstdCompressor().compress(
        tar[512:]
    )
    assert store.unpack(tar, compress=lambda _tar: frames, compression="zstd", step=7) == layers
    assert (layers[0] / "a").stat().st_size == 605_000


# Sparse files: GNU tar's four formats, written here by hand


def sparse_pax(records: list[tuple[str, str]], data: bytes) -> bytes:
    """Return an archive of one file with these PAX records, in their order and repeated."""
    body = b""
    for key, value in records:
        text = f" {key}={value}\n".encode()
        length = len(text) + len(str(len(text) + len(str(len(text)))))
        body += str(length).encode() + text
    header = entry("pax", tarfile.XHDTYPE, size=len(body)).tobuf(tarfile.USTAR_FORMAT)
    info = entry("GNUSparseFile.1/f", tarfile.REGTYPE, size=len(data)).tobuf(tarfile.USTAR_FORMAT)
    return b"".join(part + bytes(-len(part) % 512) for part in (header, body, info, data)) + bytes(
        1024
    )


def sparse_old(extents: list[tuple[int, int]], size: int, data: bytes) -> bytes:
    """Return an archive with an old GNU sparse header and as many extension blocks as it takes."""

    def fields(some: list[tuple[int, int]]) -> bytes:
        return b"".join(b"%011o\0%011o\0" % pair for pair in some)

    block = bytearray(entry("f", b"S", size=len(data)).tobuf(tarfile.GNU_FORMAT))
    block[386:482] = fields(extents[:4]).ljust(96, b"\0")
    block[482] = len(extents) > 4
    block[483:495] = b"%011o\0" % size
    block[148:156] = b"        "
    block[148:156] = b"%06o\0 " % sum(block)
    out = bytes(block)
    rest = extents[4:]
    while rest:
        out += fields(rest[:21]).ljust(504, b"\0") + bytes([len(rest) > 21]) + bytes(7)
        rest = rest[21:]
    return out + data + bytes(-len(data) % 512) + bytes(1024)


EXTENTS = [(number * 8192, 4) for number in range(30)]
SPARSE_SIZE = 1 << 20
SPARSE_DATA = b"".join(b"%04d" % number for number in range(30))


def sparse_forms() -> dict[str, bytes]:
    """Return the same file in each format."""
    pairs = [(str(offset), str(length)) for offset, length in EXTENTS]
    listed = [("GNU.sparse.offset", "GNU.sparse.numbytes")] * len(pairs)
    zero = [
        one
        for keys, pair in zip(listed, pairs, strict=True)
        for one in zip(keys, pair, strict=True)
    ]
    words = ",".join(",".join(pair) for pair in pairs)
    lines = "".join(f"{offset}\n{length}\n" for offset, length in pairs)
    front = f"{len(pairs)}\n{lines}".encode()
    front += bytes(-len(front) % 512)
    size = str(SPARSE_SIZE)
    return {
        "old": sparse_old(EXTENTS, SPARSE_SIZE, SPARSE_DATA),
        "0.0": sparse_pax(
            [("path", "f"), ("GNU.sparse.size", size), ("GNU.sparse.numblocks", "30"), *zero],
            SPARSE_DATA,
        ),
        "0.1": sparse_pax(
            [("GNU.sparse.size", size), ("GNU.sparse.name", "f"), ("GNU.sparse.map", words)],
            SPARSE_DATA,
        ),
        "1.0": sparse_pax(
            [
                ("GNU.sparse.major", "1"),
                ("GNU.sparse.minor", "0"),
                ("GNU.sparse.name", "f"),
                ("GNU.sparse.realsize", size),
            ],
            front + SPARSE_DATA,
        ),
    }


@pytest.mark.parametrize("form", ["old", "0.0", "0.1", "1.0"])
def test_a_sparse_file_is_read_in_every_format(store: Store, form: str) -> None:
    layer = store.unpack(sparse_forms()[form])[0]
    data = (layer / "f").read_bytes()
    assert len(data) == SPARSE_SIZE
    for number, (offset, length) in enumerate(EXTENTS):
        assert data[offset : offset + length] == b"%04d" % number
    assert len(data.replace(b"\0", b"")) == len(SPARSE_DATA)


@pytest.mark.parametrize(
    "words",
    ["0,4,2,4", "0,8", "5,4", "0,4,4", "18446744073709551615,4", "-1,4", "4,1125899906842623"],
)
def test_a_sparse_map_that_lies_is_refused(store: Store, words: str) -> None:
    tar = sparse_pax([("GNU.sparse.size", "8"), ("GNU.sparse.map", words)], b"1234")
    assert "cannot be read" in refused(store, tar)


# What is waited for in the end is begun early


@pytest.mark.parametrize("words, early", [(["durable"], True), ([], False)])
def test_much_is_on_its_way_to_the_disk_before_the_end(
    tmp_path: Path, words: list[str], early: bool
) -> None:
    tar = archive(directory("d"), *(file(f"d/{number}", b"x") for number in range(5000)))
    target, trace = tmp_path / "layer", tmp_path / "trace"
    target.mkdir()
    line = ["/usr/bin/strace", "-f", "-o", str(trace), "-e", "trace=syncfs"]
    line += [f"{paths.LIBEXEC}/pypod-files", "unpack", str(target), "full", *words]
    done = subprocess.run(line, input=tar, capture_output=True, check=True)
    assert done.stdout == b"implied\0\0\0skipped\x000\0\0"  # once, though a child was forked
    assert len(os.listdir(target / "d")) == 5000
    assert (" syncfs(" in trace.read_text()) == early
