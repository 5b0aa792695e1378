# SPDX-License-Identifier: Apache-2.0
"""A digest is checked before it becomes a path or a URL."""

from __future__ import annotations

import pytest

from pypod.errors import IntegrityError
from pypod.oci import digest

GOOD = "sha256:" + "0123456789abcdef" * 4


def test_a_good_digest_passes_and_gives_its_hex() -> None:
    assert digest.check(GOOD) == GOOD
    assert digest.hex_of(GOOD) == "0123456789abcdef" * 4


@pytest.mark.parametrize(
    "text",
    [
        "sha256:../../../../etc/passwd",
        "sha256:" + "A" * 64,
        "sha256:" + "a" * 63,
        "sha256:" + "a" * 65,
        "sha256:" + "a" * 63 + "\n",
        "sha512:" + "a" * 128,
        "md5:" + "a" * 32,
        "a" * 64,
        "",
        None,
        7,
        ["sha256:" + "a" * 64],
    ],
)
def test_anything_else_is_refused(text: object) -> None:
    with pytest.raises(IntegrityError):
        digest.check(text)


def test_the_message_is_short_and_shows_no_control_character() -> None:
    with pytest.raises(IntegrityError) as caught:
        digest.check("\x1b]0;title\x07" * 100)
    assert len(caught.value.message) < 200
    assert caught.value.message.isprintable()
