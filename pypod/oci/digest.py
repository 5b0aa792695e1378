# SPDX-License-Identifier: Apache-2.0
"""Digests: checked before any use in a path or a URL (CVE-2024-3727).

Source: OCI image-spec, descriptor.md.
"""

from __future__ import annotations

from pypod.errors import IntegrityError

_HEX = frozenset("0123456789abcdef")


def check(text: object) -> str:
    """Return a `sha256:` digest that is well formed. Raises IntegrityError for anything else."""
    if isinstance(text, str):
        algorithm, colon, value = text.partition(":")
        if algorithm == "sha256" and colon and len(value) == 64 and _HEX.issuperset(value):
            return text
    raise IntegrityError(f"{ascii(text)[:100]} is not a sha256 digest")


def is_digest(text: str) -> bool:
    """Say whether `text` is a well-formed `sha256:` digest."""
    try:
        check(text)
    except IntegrityError:
        return False
    return True


def hex_of(digest: str) -> str:
    """Return the hexadecimal part of a checked digest."""
    return check(digest)[7:]
