# SPDX-License-Identifier: Apache-2.0
"""JSON of strangers: no key twice, nothing too large or too deep, one error for each."""

from __future__ import annotations

import time

import pytest

from pypod.errors import IntegrityError
from pypod.kernel import strictjson


def test_a_document_is_parsed() -> None:
    assert strictjson.loads(b' {"a": [1, {"b": "\xc3\xa9"}]} ', "it") == {"a": [1, {"b": "é"}]}


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b'{"a":1,"a":1}', "there twice"),
        (b'{"x":[{"a":1,"b":2,"a":3}]}', "there twice"),
        (b'{"a":1,"\\u0061":2}', "there twice"),
        (b"", "not JSON"),
        (b"{}x", "not JSON"),
        (b'{"a":NaN}', "not JSON"),
        (b'\xff\xfe{"a":1}', "not JSON"),
        (b'"\x00"', "not JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b"1" * 5000, "not JSON"),
        (b" " * (strictjson.SIZE_MOST + 1), "are the most"),
    ],
)
def test_what_two_readers_could_read_differently_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(IntegrityError, match=why) as caught:
        strictjson.loads(data, "the manifest")
    assert caught.value.message.startswith("the manifest ")
    assert len(caught.value.message) < 400


def test_a_document_of_the_largest_size_takes_less_than_two_seconds() -> None:
    data = b"[" + b",".join(b'{"a":1,"b":2}' for _ in range(290_000)) + b"]"
    begin = time.monotonic()
    assert len(strictjson.loads(data, "it")) == 290_000
    assert time.monotonic() - begin < 2
