# SPDX-License-Identifier: Apache-2.0
"""Lists of objects as --format asks for them: columns, json, a template, a table of a template."""

from __future__ import annotations

import sys

from pypod.errors import PypodError
from pypod.kernel import fastjson
from pypod.output import columns
from pypod.text import template

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


def render(text: str, value: Any) -> str:
    """Return a template's text. Raises PypodError for a wrong template."""
    return _all(text, [value])[0]


def line(text: str, value: Any) -> str:
    """Return a template's text as whole lines: a template may end its line by itself."""
    return _whole(render(text, value))


def _whole(text: str) -> str:
    return text if text.endswith("\n") else text + "\n"


def _all(text: str, values: Sequence[Any]) -> list[str]:
    try:
        read_once = template.Template(text)
        return [read_once.render(value) for value in values]
    except RecursionError:
        raise PypodError("template: nested too deeply") from None
    except template.TemplateError as error:
        raise PypodError(
            f"template: {error}", hint="Go templates: {{.Field}}, {{json .}}"
        ) from None


def show_document(text: str, document: Any) -> None:
    """Print one document through --format."""
    if text == "json":
        print(fastjson.pretty(document))
    else:
        sys.stdout.write(line(text, document))


def show(
    rows: Sequence[dict[str, Any]],
    text: str,
    json_rows: Sequence[dict[str, Any]],
    *,
    heading: bool = True,
    id_heading: str = "CONTAINER ID",
    headings: dict[str, str] | None = None,
) -> None:
    """Print rows through --format; a `table` template gets headings made of its fields."""
    if text in ("json", "{{json .}}"):
        if text == "json":
            print(fastjson.pretty(list(json_rows)) if json_rows else "[]")
        else:
            sys.stdout.write("".join(fastjson.dumps(row) + "\n" for row in json_rows))
        return
    if not text.startswith("table"):
        sys.stdout.write("".join(_whole(out) for out in _all(text, rows)))
        return
    cells = _columns(text.removeprefix("table").strip())
    known = {"ID": id_heading, **(headings or {})}
    lines = [_headings(cells, known)] if heading else []
    lines += _all(cells, rows)
    columns.print_table([line.split("\t") for line in lines])


def _columns(text: str) -> str:
    """Return a template with a tab for spaces between its fields: each is a column (podman's)."""
    out, rest = "", text
    while "{{" in rest:
        before, _, after = rest.partition("{{")
        inside, _, rest = after.partition("}}")
        while "  " in before:
            before = before.replace("  ", " ")
        out += before.replace(" ", "\t") + "{{" + inside + "}}"
    return out + rest


def _headings(text: str, own: dict[str, str]) -> str:
    """Return the heading of a template: each field's name in capitals."""
    known = {**_KNOWN, **own}
    out, rest = "", template.expand_escapes(text)
    while "{{" in rest:
        before, _, after = rest.partition("{{")
        inside, _, rest = after.partition("}}")
        name = "".join(char for char in inside.split(".")[-1] if char.isalpha())
        out += before + (known.get(name) or _split(name))
    return out + rest


_KNOWN = {"RunningFor": "CREATED", "CreatedSince": "CREATED"}


def _split(name: str) -> str:
    out = ""
    for at, char in enumerate(name):
        if char.isupper() and at and not name[at - 1].isupper():
            out += " "
        out += char.upper()
    return out
