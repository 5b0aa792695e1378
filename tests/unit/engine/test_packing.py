# SPDX-License-Identifier: Apache-2.0
"""Inflating: any cut of the bytes gives the same, a little at a time, and a lie is an error."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable

import pytest

from pypod.engine import packing
from pypod.errors import IntegrityError, UsageError

DATA = os.urandom(3000) + bytes(700_000) + b"end"


def zstd(data: bytes) -> bytes:
    """Return one zstd frame."""
    import zstandard

    return zstandard.ZstdCompressor().compress(data)


def inflate(compression: str, packed: bytes, step: int) -> list[bytes]:
    """Return the pieces that come out."""
    pieces: list[bytes] = []
    inflater = packing.inflater(compression, lambda piece: pieces.append(bytes(piece)))
    for at in range(0, len(packed), step):
        inflater.write(packed[at : at + step])
    inflater.end()
    return pieces


@pytest.mark.parametrize("step", [1, 700, 1 << 20])
@pytest.mark.parametrize(("compression", "pack"), [("gzip", gzip.compress), ("zstd", zstd)])
def test_any_cut_gives_the_same_in_small_pieces(
    compression: str, pack: Callable[[bytes], bytes], step: int
) -> None:
    for packed in (pack(DATA), pack(DATA[:999]) + pack(DATA[999:])):
        pieces = inflate(compression, packed, step)
        assert b"".join(pieces) == DATA
        assert max(map(len, pieces)) <= 1 << 18


def test_plain_data_is_passed_on() -> None:
    assert b"".join(inflate("", DATA, 1000)) == DATA


@pytest.mark.parametrize("padding", [b"", bytes(1), bytes(5000)])
def test_zeros_behind_gzip_are_padding(padding: bytes) -> None:
    assert b"".join(inflate("gzip", gzip.compress(DATA) + padding, 100)) == DATA


@pytest.mark.parametrize(
    "packed",
    [
        b"",
        b"no gzip",
        gzip.compress(DATA)[:-9],
        gzip.compress(DATA)[:-1],
        gzip.compress(DATA) + b"rubbish",
        gzip.compress(DATA)[:-8] + bytes(8),
    ],
)
def test_what_is_no_whole_gzip_is_an_error(packed: bytes) -> None:
    with pytest.raises(IntegrityError, match="gzip"):
        inflate("gzip", packed, 100)


def test_what_is_no_zstd_is_an_error() -> None:
    with pytest.raises(IntegrityError, match="zstd"):
        inflate("zstd", b"no zstd at all", 100)


@pytest.mark.parametrize("before", ["", "gzip", "zstd"])
@pytest.mark.parametrize("after", ["", "gzip", "zstd"])
def test_what_is_packed_anew_has_the_same_content(before: str, after: str) -> None:
    packed = {"": DATA, "gzip": gzip.compress(DATA), "zstd": zstd(DATA)}[before]
    seen: list[bytes] = []
    made: list[bytes] = []
    packing.repack([packed[:500], packed[500:]], before, after, made.append, seen=seen.append)
    assert b"".join(seen) == DATA
    assert b"".join(inflate(after, b"".join(made), 1000)) == DATA


def test_packing_gives_the_same_bytes_each_time_and_smaller_ones_at_a_higher_level() -> None:
    text = b"".join(b"%d %d\n" % (n * n % 977, n) for n in range(30_000))

    def size(compression: str, level: int | None) -> bytes:
        made: list[bytes] = []
        packing.repack([text], "", compression, made.append, level=level)
        return b"".join(made)

    assert size("gzip", None) == size("gzip", None)
    assert len(size("gzip", 9)) < len(size("gzip", 1))
    assert len(size("zstd", 19)) < len(size("zstd", 1))


@pytest.mark.parametrize(("compression", "level"), [("gzip", 0), ("gzip", 10), ("zstd", 21)])
def test_a_level_that_a_compression_has_not_is_refused(compression: str, level: int) -> None:
    with pytest.raises(UsageError, match=f"--compression-level {level}: {compression} has"):
        packing.check_level(compression, level)


def test_a_bomb_is_refused_before_it_fills_the_disk() -> None:
    written = 0

    def write(data: bytes) -> None:
        nonlocal written
        written += len(data)

    bomb = zstd(bytes(1 << 27))
    with pytest.raises(IntegrityError, match="more than 200 times its size"):
        packing.repack([bomb] * 20, "zstd", "", write)
    assert written <= (1 << 30) + (1 << 18)


def test_a_tar_that_is_called_gzip_passes() -> None:
    plain = b"name" + bytes(253) + b"ustar" + bytes(1000)
    out: list[bytes] = []
    inflater = packing.inflater("gzip", out.append)
    inflater.write(plain)
    inflater.write(b"more")
    inflater.end()
    assert b"".join(out) == plain + b"more"
