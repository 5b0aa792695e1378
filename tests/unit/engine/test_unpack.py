# SPDX-License-Identifier: Apache-2.0
"""Inflating: any cut of the bytes gives the same, a little at a time, and a lie is an error."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable

import pytest

from pypod.engine import unpack
from pypod.errors import IntegrityError

DATA = os.urandom(3000) + bytes(700_000) + b"end"


def zstd(data: bytes) -> bytes:
    """Return one zstd frame."""
    import zstandard

    return zstandard.ZstdCompressor().compress(data)


def inflate(compression: str, packed: bytes, step: int) -> list[bytes]:
    """Return the pieces that come out."""
    pieces: list[bytes] = []
    inflater = unpack._INFLATERS[compression](lambda piece: pieces.append(bytes(piece)))
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
