# SPDX-License-Identifier: Apache-2.0
"""JSON from strangers: small, UTF-8, and no key twice, so that no two readers can disagree (A55).

Not on the start-up path: `kernel/fastjson` reads what pypod itself has checked and written.
"""

from __future__ import annotations

from pypod.errors import IntegrityError
from pypod.kernel import fastjson

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SIZE_MOST = 4 << 20
"""Bytes; containers/image has the same limit for manifests."""


class _Twice(ValueError):
    """A key is there twice."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _Twice(f"the key {ascii(key)[:100]} is there twice")
            seen.add(key)
    return found


def loads(data: bytes, noun: str) -> Any:
    """Parse one JSON document (RFC 8259, section 4: names SHOULD be unique; here they must be).

    `noun` begins the message: "the manifest". Raises IntegrityError.
    """
    import json

    if len(data) > SIZE_MOST:
        raise IntegrityError(f"{noun} has {len(data)} bytes, {SIZE_MOST} are the most")
    try:
        return json.loads(
            data.decode("utf-8"), object_pairs_hook=_object, parse_constant=_no_constant
        )
    except RecursionError:
        raise IntegrityError(f"{noun} is nested too deeply") from None
    except _Twice as error:
        raise IntegrityError(f"{noun} is ambiguous: {error}") from None
    except ValueError as error:
        raise IntegrityError(f"{noun} is not JSON: {str(error)[:200]}") from None


def _no_constant(name: str) -> Any:
    raise fastjson.BadJson(f"{name} is not JSON")
