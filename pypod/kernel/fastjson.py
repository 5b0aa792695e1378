# SPDX-License-Identifier: Apache-2.0
"""JSON through CPython's C accelerator, without importing `json` (5 ms, most of it `re`).

Falls back to `json` where the accelerator is missing. Only layers 2 and up parse JSON.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class BadJson(ValueError):
    """The text is not one JSON document."""


def _no_constant(name: str) -> Any:
    raise BadJson(f"{name} is not JSON")


try:
    from _json import encode_basestring as _quote
    from _json import make_encoder as _make_encoder
    from _json import make_scanner as _make_scanner

    class _Context:
        strict = True
        object_hook = None
        object_pairs_hook = None
        parse_float = float
        parse_int = int
        parse_constant = staticmethod(_no_constant)
        memo: dict[str, str] = {}

    # The C scanner reads these attributes off any object; typeshed knows only json's own decoder.
    _scan: Any = _make_scanner(_Context)  # type: ignore[arg-type]
except ImportError:  # pragma: no cover - another Python implementation
    import json

    _quote = json.encoder.encode_basestring
    _make_encoder = None  # type: ignore[assignment,misc]
    _scan = json.JSONDecoder(parse_constant=_no_constant).scan_once  # type: ignore[attr-defined]

_SPACE = " \t\n\r"


def loads(text: str | bytes) -> Any:
    """Parse one JSON document (RFC 8259). Raises BadJson."""
    try:
        if isinstance(text, bytes):
            # Our own records hold what argv held, which may be any bytes; what strangers send is
            # read by `strictjson`.
            text = text.decode("utf-8", "surrogateescape")
        start = len(text) - len(text.lstrip(_SPACE))
        value, end = _scan(text, start)
    except StopIteration:
        raise BadJson("no JSON document") from None
    except RecursionError:
        raise BadJson("nested too deeply") from None
    except (ValueError, SystemError) as error:
        # 3.11's scanner needs json.decoder loaded to make its error, else SystemError: bad input
        # alone pays for the import.
        raise BadJson(_explain(text) or str(error)) from None
    if text[end:].strip(_SPACE):
        raise BadJson(f"extra data at character {end}")
    return value


def _explain(text: str | bytes) -> str:
    import json

    try:
        json.loads(text)
    except ValueError as error:
        return str(error)
    return ""


def _default(value: object) -> Any:
    raise TypeError(f"{type(value).__name__} is not a JSON value")


def dumps(value: Any, *, sort_keys: bool = False) -> str:
    """Serialise on one line, without spaces, UTF-8 kept as it is."""
    if _make_encoder is None:  # pragma: no cover
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=sort_keys)
    encode = _make_encoder(None, _default, _quote, None, ":", ",", sort_keys, False, False)
    return "".join(encode(value, 0))


def pretty(value: Any, indent: int = 4, _level: int = 0) -> str:
    """Serialise for people: one key a line, as podman's and docker's `inspect` print it."""
    pad, end = " " * (indent * (_level + 1)), " " * (indent * _level)
    if isinstance(value, dict) and value:
        rows = [
            f"{pad}{_quote(str(key))}: {pretty(inner, indent, _level + 1)}"
            for key, inner in value.items()
        ]
        return "{\n" + ",\n".join(rows) + f"\n{end}}}"
    if isinstance(value, (list, tuple)) and value:
        rows = [pad + pretty(inner, indent, _level + 1) for inner in value]
        return "[\n" + ",\n".join(rows) + f"\n{end}]"
    return dumps(value)
