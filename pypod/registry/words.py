# SPDX-License-Identifier: Apache-2.0
"""What registries say beside the bytes: when to come again, and what went wrong."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime

from pypod.kernel import fastjson

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def seconds(retry_after: str) -> float | None:
    """Return what Retry-After asks for: seconds, or a date (RFC 9110 section 10.2.3)."""
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    if not text:
        return None
    try:
        return parsedate_to_datetime(text).timestamp() - time.time()
    except (TypeError, ValueError, OverflowError):
        return None


def next_page(link: str) -> str:
    """Return the target of a Link header of relation `next` (RFC 8288), as registries write it."""
    target, _, rest = link.partition(">")
    is_next = 'rel="next"' in rest.replace(" ", "") or "rel=next" in rest.replace(" ", "")
    return target.strip().removeprefix("<") if is_next else ""


def document(body: bytes) -> dict[str, Any]:
    """Return the JSON object of an answer, an empty one for anything else."""
    try:
        found = fastjson.loads(body)
    except fastjson.BadJson:
        return {}
    return found if isinstance(found, dict) else {}


def error(found: dict[str, Any]) -> tuple[str, str]:
    """Return an error's message, of any length, and its code (distribution-spec)."""
    errors = found.get("errors")
    first = errors[0] if isinstance(errors, list) and errors else None
    if not isinstance(first, dict):
        return "", ""
    code = first.get("code")
    text = first.get("message") or code
    return (
        ascii(text)[1:-1] if isinstance(text, str) else "",
        code if isinstance(code, str) else "",
    )
