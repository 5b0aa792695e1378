# SPDX-License-Identifier: Apache-2.0
"""Titles of an artifact's files are names of one directory, or nothing."""

from __future__ import annotations

import pytest

from pypod.oci import artifact


@pytest.mark.parametrize(
    "title",
    ["", ".", "..", "/", "a/b", "/etc/passwd", "../x", "a\0b", "a\nb", "\x1b[2J", "x" * 256],
)
def test_what_is_not_the_name_of_a_file_is_no_title(title: str) -> None:
    assert artifact.safe_title(title) == ""


@pytest.mark.parametrize("title", ["a", ".hidden", "...", "two words", "grün", "x" * 255])
def test_a_name_of_a_file_is_a_title(title: str) -> None:
    assert artifact.safe_title(title) == title


@pytest.mark.parametrize("layer", [{}, {"annotations": None}, {"annotations": {artifact.TITLE: 7}}])
def test_a_layer_without_a_title_has_none(layer: dict[str, object]) -> None:
    assert artifact.title_of(layer) == ""


@pytest.mark.parametrize(
    ("name", "first", "kind"),
    [
        ("a", b"words", "text/plain; charset=utf-8"),
        ("a.json", b"{}", "application/json"),
        ("a", b"\x1f\x8b\x08\x00", "application/gzip"),
        ("a", b"a\0b", "application/octet-stream"),
        ("a", b"\xff\xfe\xfd\xfc", "application/octet-stream"),
        ("a", ("ü" * 300).encode()[:511], "text/plain; charset=utf-8"),
        ("a", b"", "text/plain; charset=utf-8"),
    ],
)
def test_first_bytes_tell_the_type(name: str, first: bytes, kind: str) -> None:
    assert artifact.file_type(name, first) == kind
