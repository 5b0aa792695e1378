# SPDX-License-Identifier: Apache-2.0
"""Addresses as text, held to what the system's own parser says."""

from __future__ import annotations

import _socket
import random

import pytest

from pypod.spec.addresses import family, is_loopback, packed


def by_the_system(text: str) -> bytes:
    try:
        return _socket.inet_pton(_socket.AF_INET6 if ":" in text else _socket.AF_INET, text)
    except OSError:
        return b""


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0", "255.255.255.255", "10.0.2.3", "1.2.3", "1.2.3.256", "1.2.3.4.5", "01.2.3.4",
        "1.2.3.", "", " 1.2.3.4", "1.2.3.4 ", "٣.1.1.1",
        "::", "::1", "1::", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7::",
        "::2:3:4:5:6:7:8",
        "1::2::3", ":::", ":1", "1:", "12345::", "g::", "::1.2.3.4", "::ffff:127.0.0.1",
        "1.2.3.4::",
        "::1.2.3.4:5", "1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:7:1.2.3.4", "fe80::1",
        "1:2:3::4:5:6:7:8",
    ],
)  # fmt: skip
def test_an_address_is_what_the_system_takes_for_one(text: str) -> None:
    assert packed(text) == by_the_system(text)


def test_random_words_are_read_as_the_system_reads_them() -> None:
    dice = random.Random(4)
    for _ in range(20000):
        text = "".join(dice.choices("01f9:.", k=dice.randrange(1, 16)))
        assert packed(text) == by_the_system(text), text


@pytest.mark.parametrize(("text", "answer"), [("1.2.3.4", 4), ("fd00::1", 6), ("fe80::1%eth0", 0)])
def test_a_scoped_address_has_no_family(text: str, answer: int) -> None:
    assert family(text) == answer


@pytest.mark.parametrize(
    "text", ["127.0.0.1", "127.0.0.53", "127.9.9.9", "::1", "::ffff:127.0.0.1", "0.0.0.0", "::"]
)
def test_what_stays_within_its_namespace_is_loopback(text: str) -> None:
    assert is_loopback(text)


@pytest.mark.parametrize("text", ["128.0.0.1", "10.0.0.1", "::2", "fe80::1", "localhost", ""])
def test_the_rest_is_not(text: str) -> None:
    assert not is_loopback(text)
