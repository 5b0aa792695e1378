# SPDX-License-Identifier: Apache-2.0
"""The functions of templates, and how Go prints and compares values."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class TemplateError(ValueError):
    """The template is wrong, or asks for what the value does not have."""


def field(value: Any, name: str) -> Any:
    """Return a field of a document. Raises TemplateError for one that is not there."""
    if isinstance(value, dict):
        if name in value:
            return value[name]
        if not value or all(isinstance(inner, str) for inner in value.values()):
            return None  # a map (labels): a missing key is no error in Go
        raise TemplateError(f"can't evaluate field {name} in type map")
    if value is None:
        raise TemplateError(f"nil pointer evaluating .{name}")
    raise TemplateError(f"can't evaluate field {name} in type {type_name(value)}")


def call_field(value: Any, name: str, argument: Any) -> Any:
    """Return `.Label "key"`: the value of a label."""
    if name == "Label":
        return (field(value, "Labels") or {}).get(argument, "")
    raise TemplateError(f"{name} has arguments but cannot be invoked as function")


def type_name(value: Any) -> str:
    """Return what Go would call the type of a value."""
    names = {bool: "bool", int: "int", float: "float64", str: "string", list: "[]interface {}"}
    return names.get(type(value), "interface {}")


def truth(value: Any) -> bool:
    """Say whether Go's templates take a value for true: not zero, not empty."""
    return bool(value)


def items(value: Any) -> list[tuple[Any, Any]]:
    """Return the (key, item) pairs that `range` walks; keys of a map are sorted."""
    if isinstance(value, dict):
        return [(key, value[key]) for key in sorted(value)]
    if isinstance(value, (list, tuple)):
        return list(enumerate(value))
    if value is None:
        return []
    if isinstance(value, int) and not isinstance(value, bool):
        return [(number, number) for number in range(value)]
    raise TemplateError(f"range can't iterate over {go_text(value)}")


def go_text(value: Any) -> str:
    """Return a value as Go's fmt prints it with %v."""
    if value is None:
        return "<no value>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{go_text(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, (list, tuple)):
        return "[" + " ".join(go_text(inner) for inner in value) + "]"
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)


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


_ESCAPES = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\b": "\\b", "\f": "\\f"}
_UNESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'", "0": "\0"}


def unquote(word: str) -> str:
    """Return the text of a quoted word of a template."""
    inner = word[1:-1]
    if word[0] == "`" or "\\" not in inner:
        return inner
    out, at = [], 0
    while at < len(inner):
        if inner[at] == "\\" and at + 1 < len(inner):
            at += 1
            out.append(_UNESCAPES.get(inner[at], inner[at]))
        else:
            out.append(inner[at])
        at += 1
    return "".join(out)


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
    """Return Go's fmt.Sprintf for %s %d %q %v %t %x %f, with width, `-` and precision."""
    out, at, used = [], 0, 0
    while at < len(template):
        if template[at] != "%":
            out.append(template[at])
            at += 1
            continue
        end = at + 1
        while end < len(template) and template[end] in "-+ #0123456789.":
            end += 1
        verb, flags = template[end : end + 1], template[at + 1 : end]
        at = end + 1
        if verb == "%":
            out.append("%")
            continue
        if used >= len(values):
            out.append(f"%!{verb}(MISSING)")
            continue
        out.append(_pad(_format(verb, flags, values[used]), flags))
        used += 1
    return "".join(out)


def _format(verb: str, flags: str, value: Any) -> str:
    precision = flags.partition(".")[2]
    if verb == "q":
        return quote(go_text(value))
    if verb == "f":
        return f"{float(value):.{precision or 6}f}"
    if verb == "x":
        return f"{value:x}" if isinstance(value, int) else go_text(value).encode().hex()
    text = go_text(value)
    return text[: int(precision)] if precision and verb == "s" else text


def _pad(text: str, flags: str) -> str:
    plain = flags.partition(".")[0]
    width = plain.lstrip("-+ #")
    if not width:
        return text
    if plain.startswith("-"):
        return text.ljust(int(width))
    return text.rjust(int(width), "0" if width.startswith("0") else " ")


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, (list, tuple, str)) and isinstance(key, int):
            if not 0 <= key < len(value):
                raise TemplateError(f"error calling index: index out of range: {key}")
            value = value[key]
        elif value is None:
            raise TemplateError("error calling index: index of untyped nil")
        else:
            raise TemplateError(f"error calling index: can't index item of type {type_name(value)}")
    return value


def _slice(value: Any, *bounds: int) -> Any:
    return value[slice(*bounds)] if len(bounds) > 1 else value[bounds[0] :] if bounds else value


def _pad_text(text: str, before: int, after: int) -> str:
    return " " * before + text + " " * after if text else text


def _compare(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def compare(left: Any, right: Any) -> bool:
        try:
            return test(left, right)
        except TypeError:
            raise TemplateError("incompatible types for comparison") from None

    return compare


def _length(value: Any) -> int:
    if isinstance(value, (str, list, tuple, dict)):
        return len(value)
    raise TemplateError(f"error calling len: len of type {type_name(value)}")


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "eq": lambda first, *others: any(first == other for other in others),
    "ge": _compare(lambda left, right: left >= right),
    "gt": _compare(lambda left, right: left > right),
    "html": lambda *values: "".join(go_text(value) for value in values),
    "index": _index,
    "join": lambda values, separator: separator.join(go_text(value) for value in values or ()),
    "le": _compare(lambda left, right: left <= right),
    "len": _length,
    "lower": lambda text: text.lower(),
    "lt": _compare(lambda left, right: left < right),
    "ne": lambda left, right: left != right,
    "not": lambda value: not truth(value),
    "pad": _pad_text,
    "print": lambda *values: "".join(go_text(value) for value in values),
    "printf": printf,
    "println": lambda *values: " ".join(go_text(value) for value in values) + "\n",
    "slice": _slice,
    "split": lambda text, separator: text.split(separator),
    "title": lambda text: text[:1].upper() + text[1:],
    "truncate": lambda text, length: text[:length],
    "upper": lambda text: text.upper(),
}


def call(name: str, values: list[Any]) -> Any:
    """Call a function of templates. Raises TemplateError for wrong arguments."""
    try:
        return FUNCTIONS[name](*values)
    except (TypeError, AttributeError, ValueError) as error:
        if isinstance(error, TemplateError):
            raise
        raise TemplateError(f"error calling {name}: wrong type or number of arguments") from None
