# SPDX-License-Identifier: Apache-2.0
"""The functions of templates: Go's own, and those that podman and docker add."""

from __future__ import annotations

from pypod.text.go_values import go_text, printf, type_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class TemplateError(ValueError):
    """The template is wrong, or asks for what the value does not have."""


_UNESCAPES = {
    "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v",
    "\\": "\\", '"': '"', "'": "'",
}  # fmt: skip


def field(value: Any, name: str) -> Any:
    """Return a field of a document. Raises TemplateError for one that is not there."""
    if isinstance(value, dict):
        if name in value:
            return value[name]
        if all(isinstance(inner, str) for inner in value.values()):
            return None  # a map (labels), not a struct: a missing key is no error in Go
        raise TemplateError(f"can't evaluate field {name} in type interface {{}}")
    if value is None:
        if not name[:1].isupper():
            return None  # a nil map: only the fields of structs are capitalised
        raise TemplateError(f"nil pointer evaluating interface {{}}.{name}")
    raise TemplateError(f"can't evaluate field {name} in type {type_name(value)}")


def call_field(value: Any, name: str, argument: Any) -> Any:
    """Return `.Label "key"`: the value of a label."""
    if name == "Label":
        return (field(value, "Labels") or {}).get(argument, "")
    raise TemplateError(f"{name} has arguments but cannot be invoked as function")


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


def unquote(word: str) -> str:
    """Return the text of a "quoted" or `raw` word of a template."""
    inner = word[1:-1]
    if word[0] == "`" or "\\" not in inner:
        return inner
    out, at = [], 0
    while at < len(inner):
        char = inner[at]
        at += 1
        if char == "\\":
            char = inner[at]
            at += 1
            length = {"x": 2, "u": 4, "U": 8}.get(char, 0)
            if length:
                try:
                    char = chr(int(inner[at : at + length], 16))
                except (ValueError, OverflowError):
                    raise TemplateError(f"invalid syntax: {word}") from None
                at += length
            elif char in _UNESCAPES:
                char = _UNESCAPES[char]
            else:
                raise TemplateError(f"invalid syntax: {word}")
        out.append(char)
    return "".join(out)


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        if isinstance(value, dict):
            if not isinstance(key, str):
                raise TemplateError(
                    f"error calling index: value has type {type_name(key)}; should be string"
                )
            empty = "" if all(isinstance(inner, str) for inner in value.values()) else None
            value = value.get(key, empty)
        elif isinstance(value, (list, tuple, str)):
            if not isinstance(key, int) or isinstance(key, bool):
                raise TemplateError(
                    f"error calling index: cannot index slice/array with type {type_name(key)}"
                )
            if not 0 <= key < len(value):
                raise TemplateError(f"error calling index: index out of range: {key}")
            value = value.encode()[key] if isinstance(value, str) else value[key]
        elif value is None:
            if not isinstance(key, str):
                raise TemplateError("error calling index: index of nil pointer")
            value = ""  # a nil map of labels
        else:
            raise TemplateError(f"error calling index: can't index item of type {type_name(value)}")
    return value


def _slice(value: Any, *bounds: int) -> Any:
    if not isinstance(value, (str, list, tuple)):
        raise TemplateError(f"error calling slice: can't slice item of type {type_name(value)}")
    first, last = (*bounds, *(0, len(value))[len(bounds) :])
    if not 0 <= first <= last <= len(value):
        raise TemplateError(f"error calling slice: index out of range: {first}:{last}")
    return value[first:last]


def _kind(name: str, value: Any) -> str:
    if isinstance(value, (dict, list, tuple)):
        raise TemplateError(f"error calling {name}: non-comparable type {type_name(value)}")
    return type_name(value)


def _equal(name: str, first: Any, second: Any) -> bool:
    if first is None or second is None:
        return first is second
    if _kind(name, first) != _kind(name, second):
        raise TemplateError(f"error calling {name}: incompatible types for comparison")
    return bool(first == second)


def _eq(first: Any, *others: Any) -> bool:
    if not others:
        raise TemplateError("error calling eq: missing argument for comparison")
    return any(_equal("eq", first, other) for other in others)


def _order(name: str, test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def compare(left: Any, right: Any) -> bool:
        if _kind(name, left) != _kind(name, right):
            raise TemplateError(f"error calling {name}: incompatible types for comparison")
        if left is None or isinstance(left, bool):
            raise TemplateError(f"error calling {name}: invalid type for comparison")
        return test(left, right)

    return compare


def _length(value: Any) -> int:
    if isinstance(value, str):
        return len(value.encode("utf-8", "surrogateescape"))
    if isinstance(value, (list, tuple, dict)):
        return len(value)
    if value is None:
        raise TemplateError("error calling len: len of nil pointer")
    raise TemplateError(f"error calling len: len of type {type_name(value)}")


def _print(*values: Any) -> str:
    """fmt.Sprint: a space between two operands when neither is text."""
    out = ""
    for number, value in enumerate(values):
        spaced = number and not isinstance(value, str) and not isinstance(values[number - 1], str)
        out += (" " if spaced else "") + go_text(value, "<nil>")
    return out


def _println(*values: Any) -> str:
    return " ".join(go_text(value, "<nil>") for value in values) + "\n"


def _escaped(table: dict[int, str]) -> Callable[..., str]:
    return lambda *values: _print(*values).translate(table)


_HTML = {0: "\ufffd", 34: "&#34;", 38: "&amp;", 39: "&#39;", 60: "&lt;", 62: "&gt;"}
_JS = {
    34: '\\"', 38: "\\u0026", 39: "\\'", 60: "\\u003C", 61: "\\u003D", 62: "\\u003E", 92: "\\\\",
}  # fmt: skip


def _urlquery(*values: Any) -> str:
    out = ""
    for byte in _print(*values).encode("utf-8", "surrogateescape"):
        char = chr(byte)
        plain = byte < 128 and (char.isalnum() or char in "-_.~")
        out += char if plain else "+" if char == " " else f"%{byte:02X}"
    return out


def _title(text: str) -> str:
    out = ""
    for at, char in enumerate(text):
        starts = at == 0 or not (text[at - 1].isalnum() or text[at - 1] in "_'")
        out += char.upper() if starts else char
    return out


def _join(values: Any, separator: str) -> str:
    return separator.join(go_text(value) for value in values or ())


def _split(text: str, separator: str) -> list[str]:
    return text.split(separator) if separator else list(text)


def _pad_text(text: str, before: int, after: int) -> str:
    return " " * before + text + " " * after if text else text


def _truncate(text: str, length: int) -> str:
    return text[: max(length, 0)]


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "eq": _eq,
    "ge": _order("ge", lambda left, right: left >= right),
    "gt": _order("gt", lambda left, right: left > right),
    "html": _escaped(_HTML),
    "index": _index,
    "join": _join,
    "js": _escaped(_JS),
    "le": _order("le", lambda left, right: left <= right),
    "len": _length,
    "lower": lambda text: text.lower(),
    "lt": _order("lt", lambda left, right: left < right),
    "ne": lambda left, right: not _equal("ne", left, right),
    "not": lambda value: not truth(value),
    "pad": _pad_text,
    "print": _print,
    "printf": printf,
    "println": _println,
    "slice": _slice,
    "split": _split,
    "title": _title,
    "truncate": _truncate,
    "upper": lambda text: text.upper(),
    "urlquery": _urlquery,
}
"""All but `and`, `or` (which stop early) and `json` (whose writer is chosen by the caller)."""


def call(name: str, values: list[Any]) -> Any:
    """Call a function of templates. Raises TemplateError for wrong arguments."""
    try:
        return FUNCTIONS[name](*values)
    except (TypeError, AttributeError, ValueError, OverflowError) as error:
        if isinstance(error, TemplateError):
            raise
        raise TemplateError(f"error calling {name}: wrong type or number of arguments") from None
