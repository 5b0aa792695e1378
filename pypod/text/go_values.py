# SPDX-License-Identifier: Apache-2.0
"""How Go prints values: fmt's %v and its other verbs, and JSON. Source: Go's packages fmt, strconv.

Values are what JSON has. Go's types are not known here: every dict prints as a map.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_TYPES = {bool: "bool", int: "int", float: "float64", str: "string", list: "[]interface {}"}
_ESCAPES = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\b": "\\b", "\f": "\\f"}
_VERBS = {
    str: "svqxX",
    bool: "tv",
    int: "dvboxXcqU",
    float: "eEfFgGv",
}
"""Which verbs a type takes; any other prints as `%!d(string=x)`."""


def type_name(value: Any) -> str:
    """Return what Go would call the type of a value."""
    return _TYPES.get(type(value), "interface {}")


def go_text(value: Any, none: str = "<no value>") -> str:
    """Return a value as %v prints it; a missing value is `none`."""
    if isinstance(value, str):
        return value
    if value is None:
        return none
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return go_float(value)
    if isinstance(value, dict):
        pairs = (f"{key}:{go_text(value[key], '<nil>')}" for key in sorted(value))
        return "map[" + " ".join(pairs) + "]"
    if isinstance(value, (list, tuple)):
        return "[" + " ".join(go_text(inner, "<nil>") for inner in value) + "]"
    return str(value)


def go_float(value: float) -> str:
    """Return the shortest text that reads back as the number: `0.1`, `1e+06` (strconv: 'g', -1)."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "+Inf" if value > 0 else "-Inf"
    digits = repr(value).partition("e")[0].lstrip("-").replace(".", "").strip("0") or "0"
    scientific = f"{value:.{len(digits) - 1}e}"
    exponent = int(scientific.partition("e")[2])
    if exponent < -4 or exponent >= 6:
        return scientific
    return f"{value:.{max(len(digits) - 1 - exponent, 0)}f}"


def quote(text: str) -> str:
    """Return text as a JSON string."""
    out = []
    for char in text:
        if char in '"\\':
            out.append("\\" + char)
        elif char in _ESCAPES:
            out.append(_ESCAPES[char])
        elif ord(char) < 32:
            out.append(f"\\u{ord(char):04x}")
        else:
            out.append(char)
    return '"' + "".join(out) + '"'


def to_json(value: Any) -> str:
    """Return compact JSON, keys in their order."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{quote(str(key))}:{to_json(value[key])}" for key in value) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(to_json(inner) for inner in value) + "]"
    return repr(value)


def printf(template: str, *values: Any) -> str:
    """Return fmt.Sprintf: its verbs, flags, width and precision, and its marks for mistakes."""
    out, at, used = [], 0, 0
    while at < len(template):
        start = template.find("%", at)
        if start < 0:
            out.append(template[at:])
            break
        out.append(template[at:start])
        end = start + 1
        while end < len(template) and template[end] in "-+ #0123456789.":
            end += 1
        verb, flags = template[end : end + 1], template[start + 1 : end]
        at = end + 1
        if verb == "%":
            out.append("%")
        elif not verb:
            out.append("%!(NOVERB)")
        elif used >= len(values):
            out.append(f"%!{verb}(MISSING)")
        else:
            out.append(_one(verb, flags, values[used]))
            used += 1
    if used < len(values):
        extra = (f"{type_name(value)}={go_text(value, '<nil>')}" for value in values[used:])
        out.append("%!(EXTRA " + ", ".join(extra) + ")")
    return "".join(out)


def _one(verb: str, flags: str, value: Any) -> str:
    if verb == "T":
        return _pad("<nil>" if value is None else type_name(value), flags, False)
    if isinstance(value, (list, tuple)):
        return "[" + " ".join(_one(verb, flags, inner) for inner in value) + "]"
    if isinstance(value, dict):
        pairs = (
            f"{_one(verb, flags, key)}:{_one(verb, flags, value[key])}" for key in sorted(value)
        )
        return "map[" + " ".join(pairs) + "]"
    if value is None:
        return _pad("<nil>", flags, False) if verb == "v" else f"%!{verb}(<nil>)"
    if verb not in _VERBS.get(type(value), "v"):
        return f"%!{verb}({type_name(value)}={go_text(value)})"
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return _pad(_verb(verb, flags, value), flags, number and verb not in "cqU")


def _verb(verb: str, flags: str, value: Any) -> str:
    precision = flags.partition(".")[2]
    cut = int(precision or 0) if "." in flags else None
    if isinstance(value, str):
        text = value if cut is None else value[:cut]
        if verb == "q":
            return quote(text)
        if verb in "xX":
            digits = text.encode("utf-8", "surrogateescape").hex()
            return digits.upper() if verb == "X" else digits
        return text
    if isinstance(value, float):
        text = go_float(value) if verb == "v" and cut is None else _float(verb, cut, value)
    elif isinstance(value, int) and not isinstance(value, bool):
        if verb in "cqU":
            return {"c": chr(value), "q": f"'{chr(value)}'", "U": f"U+{value:04X}"}[verb]
        text = format(value, "d" if verb == "v" else verb)
        if "#" in flags.partition(".")[0] and verb in "xXo":
            text = {"x": "0x", "X": "0X", "o": "0"}[verb] + text
    else:
        return go_text(value)
    if "+" in flags and not text.startswith("-"):
        return "+" + text
    return " " + text if " " in flags and not text.startswith("-") else text


def _float(verb: str, precision: int | None, value: float) -> str:
    if verb in "gGv" and precision is None:
        text = go_float(value)
        return text.upper() if verb == "G" else text
    return format(value, f".{6 if precision is None else precision}{verb.replace('v', 'g')}")


def _pad(text: str, flags: str, number: bool) -> str:
    plain = flags.partition(".")[0]
    width = plain.lstrip("-+ #0")
    if not width:
        return text
    if "-" in plain:
        return text.ljust(int(width))
    if "0" in plain[: len(plain) - len(width)]:
        sign = text[0] if number and text[:1] in ("+", "-") else ""
        return sign + text[len(sign) :].rjust(int(width) - len(sign), "0")
    return text.rjust(int(width))
