# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import random

import pytest

from pypod.registry.challenge import Challenge, parse

HUB = (
    'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",'
    'scope="repository:library/busybox:pull,push"'
)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", []),
        ("Basic", [Challenge("basic", {})]),
        ('Basic realm="a b"', [Challenge("basic", {"realm": "a b"})]),
        ("Basic realm=a", [Challenge("basic", {"realm": "a"})]),
        ('basic  REALM = "a"', [Challenge("basic", {"realm": "a"})]),
        (r'Basic realm="say \"hi\", \\x"', [Challenge("basic", {"realm": r'say "hi", \x'})]),
        (
            HUB,
            [
                Challenge(
                    "bearer",
                    {
                        "realm": "https://auth.docker.io/token",
                        "service": "registry.docker.io",
                        "scope": "repository:library/busybox:pull,push",
                    },
                )
            ],
        ),
        (
            'Negotiate, Basic realm="a", Bearer realm="b",service="c"',
            [
                Challenge("negotiate", {}),
                Challenge("basic", {"realm": "a"}),
                Challenge("bearer", {"realm": "b", "service": "c"}),
            ],
        ),
        ('Basic realm="first", realm="second"', [Challenge("basic", {"realm": "first"})]),
        ('realm="of no scheme"', []),
        (",,, ,Basic,,", [Challenge("basic", {})]),
        ('Basic realm="never closed', [Challenge("basic", {"realm": "never closed"})]),
    ],
)
def test_a_header_is_read(header: str, expected: list[Challenge]) -> None:
    assert parse(header) == expected


def test_a_token68_of_another_scheme_does_not_hide_what_follows() -> None:
    found = parse('NTLM TlRMTVNTUAAB==, Basic realm="x"')
    assert found[-1] == Challenge("basic", {"realm": "x"})


def test_any_header_ends_and_is_no_error() -> None:
    rng = random.Random(3)
    for _ in range(3000):
        parse("".join(rng.choice('Basic realm="x",= \t\\()éÿ') for _ in range(rng.randrange(60))))
    assert len(parse("a," * 100_000)) <= 16
