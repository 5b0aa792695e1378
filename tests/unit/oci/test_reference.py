# SPDX-License-Identifier: Apache-2.0
"""Names of images: docker's normal form, podman's rule for short names."""

from __future__ import annotations

import pytest

from pypod.errors import UsageError
from pypod.oci import reference

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("typed", "full"),
    [
        ("busybox", "docker.io/library/busybox:latest"),
        ("busybox:1", "docker.io/library/busybox:1"),
        ("a/b", "docker.io/a/b:latest"),
        ("docker.io/busybox", "docker.io/library/busybox:latest"),
        ("index.docker.io/a/b:1", "docker.io/a/b:1"),
        ("localhost/a", "localhost/a:latest"),
        ("localhost:5000/a", "localhost:5000/a:latest"),
        ("127.0.0.1:5000/a/b/c:V1.2-x", "127.0.0.1:5000/a/b/c:V1.2-x"),
        ("[::1]:5000/a", "[::1]:5000/a:latest"),
        ("quay.io/a__b/c---d/e.f_g", "quay.io/a__b/c---d/e.f_g:latest"),
        (f"busybox@{DIGEST}", f"docker.io/library/busybox@{DIGEST}"),
        (f"busybox:1@{DIGEST}", f"docker.io/library/busybox:1@{DIGEST}"),
        ("HOST/a", "HOST/a:latest"),
        ("a:5", "docker.io/library/a:5"),
    ],
)
def test_a_name_has_one_full_form(typed: str, full: str) -> None:
    parsed = reference.parse(typed)
    assert str(parsed) == full
    assert reference.parse(full) == parsed


@pytest.mark.parametrize(
    "typed",
    [
        "",
        ":1",
        "a:",
        "a/",
        "/a",
        "a//b",
        "a/../b",
        "Busybox",
        "quay.io/A",
        "a b",
        "a\x1b[31m",
        "-a",
        "a-",
        "a..b",
        "a___b",
        "a._b",
        "a:-x",
        "a:" + "x" * 129,
        "a" * 256,
        "a" * 64,
        f"a@{DIGEST[:-1]}",
        "a@sha256:../../x",
        f"a@sha512:{'a' * 128}",
        f"a@{DIGEST}@{DIGEST}",
        "host:port/a",
        "host:70000/a",
        "host:/a",
        "-host.io/a",
        "ho..st/a",
        "[::1/a",
        "user@host.io/a",
        "https://quay.io/a",
        "é/a",
        "a:é",
    ],
)
def test_a_wrong_name_is_one_line_of_error(typed: str) -> None:
    with pytest.raises(UsageError) as caught:
        reference.parse(typed)
    assert caught.value.message.startswith("invalid reference ")
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 450


def test_a_short_name_is_first_one_of_this_host() -> None:
    assert reference.candidates("a") == ["localhost/a:latest", "docker.io/library/a:latest"]
    assert reference.candidates("a/b:1") == ["localhost/a/b:1", "docker.io/a/b:1"]
    assert reference.candidates("quay.io/a") == ["quay.io/a:latest"]


def test_a_name_with_a_digest_stands_for_no_tag() -> None:
    assert reference.candidates(f"a@{DIGEST}") == []
    assert reference.candidates(f"a:1@{DIGEST}") == []


def test_a_new_name_without_a_registry_is_of_this_host() -> None:
    assert reference.local("a").name == "localhost/a:latest"
    assert reference.local("quay.io/a:2").name == "quay.io/a:2"


def test_a_short_name_matches_whole_parts_at_the_end() -> None:
    assert reference.ends_with("quay.io/x/deep:3", "deep:3")
    assert reference.ends_with("quay.io/x/deep:3", "x/deep:3")
    assert reference.ends_with("quay.io/x/deep:latest", "deep")
    assert not reference.ends_with("quay.io/x/deep:3", "deep")
    assert not reference.ends_with("quay.io/x/deep:3", "eep:3")


def test_what_is_pulled_by_digest_is_stored_by_digest() -> None:
    assert reference.parse(f"a:1@{DIGEST}").stored == f"docker.io/library/a@{DIGEST}"
    assert reference.parse("a:1").stored == "docker.io/library/a:1"


@pytest.mark.parametrize("typed", ["a", "localhost:5000/a/b:1", f"a@{DIGEST}", "[::1]:5000/a:2"])
def test_a_stored_name_is_split_without_parsing(typed: str) -> None:
    parsed = reference.parse(typed)
    assert reference.split_stored(parsed.stored) == (parsed.repository, parsed.tag)


@pytest.mark.parametrize(
    ("full", "shown"),
    [
        ("busybox", "busybox:latest"),
        ("a/b:1", "a/b:1"),
        ("quay.io/library/a", "quay.io/library/a:latest"),
    ],
)
def test_the_familiar_form_leaves_dockers_defaults_out(full: str, shown: str) -> None:
    assert reference.parse(full).familiar == shown
