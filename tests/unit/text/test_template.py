# SPDX-License-Identifier: Apache-2.0
"""Go templates: the same text as podman's, the same mistakes refused."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from pypod.text import go_values, template

ORACLE = json.loads(Path(__file__).with_name("template_oracle.json").read_text())
"""What podman 4.3 made of each template for `document`; see record_template_oracle.py."""

DIFFERENT = {
    "{{range .Config.Cmd}}{{$.Name}} {{end}}": "podman's $ is its list of documents, ours the one",
    "{{$}}": "podman's $ is its list of documents, ours the one",
    "{{.Mounts}}": "Go prints a struct by its values; JSON does not tell a struct from a map",
    '{{"a\\tb\\n\\"c\\""}}': "the end of the line is the command's",
    "\\t{{.Name}}\\n": "the end of the line is the command's",
    "{{call .Name}}": "no value here is a function, so there is no call",
    '{{define "t"}}T{{.}}{{end}}{{template "t" .Name}}': "no define",
    '{{block "b" .Name}}B{{.}}{{end}}': "no block",
    "{{.Name": "podman reads on into the template that it puts around ours",
}


@pytest.mark.parametrize("row", ORACLE["rows"], ids=lambda row: row["template"])
def test_a_template_gives_what_podman_gives(row: dict[str, str]) -> None:
    text = row["template"].removeprefix("table ")
    try:
        got = template.render(text, ORACLE["document"])
    except template.TemplateError as error:
        if row["template"] not in DIFFERENT:
            # podman names Go types that JSON does not have
            assert str(error).partition(" in type ")[0] in row["error"]
        return
    if row["template"] not in DIFFERENT:
        assert got + "\n" == row.get("text")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{.ID}}\\t{{.Names}}\\n", "1\ta b\n"),
        ("{{.Nested.Deep.Value}}", "v"),
        ("{{(index .List 1).x}}", "2"),
        ("{{range $i, $v := .List}}{{if $i}},{{end}}{{$v.x}}{{end}}", "1,2"),
        ("{{range $k, $v := .Labels}}{{$k}}={{$v}} {{end}}", "a=1 b=2 "),
        ("{{range .Empty}}x{{else}}none{{end}}", "none"),
        ("{{with .Nothing}}x{{else with .ID}}{{.}}{{end}}", "1"),
        ("{{if eq .ID 2}}two{{else if eq .ID 1}}one{{else}}many{{end}}", "one"),
        ('{{join (split "a:b:c" ":") "-"}}', "a-b-c"),
        ("{{.Flag}} {{.Nothing}} {{.List}}", "true <no value> [map[x:1] map[x:2]]"),
        ("{{json .}}", None),
        ("{{json .Labels}}", '{"a":"1","b":"2"}'),
        ('{{.Label "a"}}|{{.Label "z"}}', "1|"),
        ('{{$x := "a"}}{{with "b"}}{{$x = "c"}}{{end}}{{$x}}', "c"),
        ('{{printf "%-6s|%4d|%v" "ab" 7 .Flag}}', "ab    |   7|true"),
        ("{{len .List}}{{len .Labels}}{{len .Names}}", "223"),
        ('{{truncate .Names 1}}{{pad "x" 1 0}}{{title "one two"}}', "a xOne Two"),
        ("  {{- .ID -}}  ", "1"),
        ("{{- /* nothing */ -}}", ""),
        ("{{range .List}}{{range $.List}}{{.x}}{{end}};{{end}}", "12;12;"),
        ("{{range .List}}{{if eq .x 2}}{{break}}{{end}}{{.x}}{{end}}", "1"),
        ('[{{index .Nothing "a.b"}}{{.Nothing.ab}}]', "[<no value>]"),
        ("plain", "plain"),
        ("", ""),
    ],
)
def test_scripts_templates(text: str, expected: str | None) -> None:
    value = {
        "ID": 1,
        "Names": "a b",
        "Flag": True,
        "Nothing": None,
        "Empty": [],
        "List": [{"x": 1}, {"x": 2}],
        "Labels": {"a": "1", "b": "2"},
        "Nested": {"Deep": {"Value": "v"}, "n": 1},
    }
    got = template.render(text, value)
    if expected is None:
        assert json.loads(got) == value
    else:
        assert got == expected


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("{{.Nope}}", "can't evaluate field Nope"),
        ("{{.ID.Nope}}", "can't evaluate field Nope in type int"),
        ("{{.Nothing.Nope}}", "nil pointer evaluating"),
        ("{{nope}}", 'function "nope" not defined'),
        ("{{.ID", "unclosed action"),
        ('{{"a}}', "unterminated quoted string"),
        ("{{if .ID}}", "unexpected EOF"),
        ("{{end}}", "unexpected {{end}}"),
        ("{{(.ID}}", "unclosed left paren"),
        ("{{.ID)}}", "unexpected )"),
        ("{{/* a }}", "unclosed comment"),
        ("{{$x}}", "undefined variable"),
        ("{{with 1}}{{$y := 2}}{{end}}{{$y}}", "undefined variable"),
        ("{{.ID | }}", "missing value for command"),
        ("{{}}", "missing value for command"),
        ("{{range .ID}}{{.}}{{end}}{{len 1}}", "len of type int"),
        ("{{index 1 1}}", "can't index item"),
        ("{{.ID 1}}", "has arguments but cannot be invoked"),
        ("{{upper 1}}", "error calling upper"),
        ("{{1x}}", "bad number syntax"),
    ],
)
def test_a_wrong_template_says_what_is_wrong(text: str, error: str) -> None:
    with pytest.raises(template.TemplateError) as caught:
        template.render(text, {"ID": 1, "Nothing": None})
    assert error in str(caught.value)


def test_noise_is_text_or_a_template_error() -> None:
    rng = random.Random(3)
    pieces = (
        "{{", "}}", "{{-", "-}}", " ", ".a", ".", "$x", ":=", "=", "if", "range", "end", "else",
        "with", "(", ")", "|", '"s"', "`r`", "'c'", "1", "-1", "1e9", "nil", "eq", "index",
        "printf", "%d",
        "json", "/*", "*/", ",", "x", "\\n", "break", "slice", "and", "len", "\x00", "é", "%5.2f",
        '"%*d"',
    )  # fmt: skip
    document: dict[str, Any] = {"a": {"a": [1, "x", None]}, "b": 1.5}
    for _ in range(6000):
        text = "".join(rng.choices(pieces, k=rng.randint(1, 14)))
        try:
            template.render("{{" + text + "}}" if rng.random() < 0.5 else text, document)
        except template.TemplateError:
            pass


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0.0, "0"), (1.0, "1"), (0.1, "0.1"), (100000.0, "100000"), (1e6, "1e+06"),
        (123456.7, "123456.7"), (123456789.0, "1.23456789e+08"), (1e21, "1e+21"),
        (1.5e-7, "1.5e-07"), (-2.5, "-2.5"),
        (0.0001, "0.0001"), (float("inf"), "+Inf"),
    ],
)  # fmt: skip
def test_floats_are_as_short_as_in_go(number: float, expected: str) -> None:
    assert go_values.go_float(number) == expected
