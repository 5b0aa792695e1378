# SPDX-License-Identifier: Apache-2.0
"""Transports and what stands behind them."""

from __future__ import annotations

import pytest

from pypod.errors import UsageError
from pypod.oci.location import Location, is_elsewhere, parse


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("docker://a.b/c", Location("docker", "", "a.b/c:latest")),
        ("oci:/x", Location("oci", "/x")),
        ("oci:/x:a:b", Location("oci", "/x", "a:b")),
        ("oci-archive:x.tar:n", Location("oci-archive", "x.tar", "n")),
        ("docker-archive:x:a/b", Location("docker-archive", "x", "docker.io/a/b:latest")),
        ("docker-archive:x:@2", Location("docker-archive", "x", "@2")),
        ("docker-daemon:busybox:1", Location("docker-daemon", "", "busybox:1")),
        ("dir:/a:b", Location("dir", "/a:b")),
        ("containers-storage:x", Location("containers-storage", "", "x")),
        ("localhost:5000/x:1", Location("containers-storage", "", "localhost:5000/x:1")),
    ],
)
def test_a_word_means_a_place(text: str, expected: Location) -> None:
    assert parse(text) == expected


def test_a_word_without_a_transport_has_the_default_one() -> None:
    assert parse("x/y", "docker") == Location("docker", "", "docker.io/x/y:latest")
    assert parse("localhost:5000/x", "docker").reference == "localhost:5000/x:latest"


@pytest.mark.parametrize(
    "text",
    ["docker:x", "docker://X", "oci:", "oci::x", "dir:", "ostree:x", "sif:x", "docker-daemon:"]
    + ["docker-archive:x:a@sha256:" + "0" * 64, "docker-daemon:a@sha256:" + "0" * 64]
    + ["containers-storage:[overlay@/x]y", "containers-storage:"],
)
def test_a_word_that_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse(text)


def test_what_is_not_in_the_store_is_told_by_its_transport() -> None:
    assert is_elsewhere("docker://x") and is_elsewhere("oci:x") and is_elsewhere("dir:/x")
    assert not is_elsewhere("docker:x") and not is_elsewhere("x:1")
    assert not is_elsewhere("containers-storage:x")


def test_a_place_is_shown_as_it_was_written() -> None:
    for text in ("docker://a.b/c:1", "oci:/x:a", "dir:/x", "docker-daemon:busybox:1"):
        assert str(parse(text)) == text
