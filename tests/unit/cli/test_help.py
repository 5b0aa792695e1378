# SPDX-License-Identifier: Apache-2.0
"""--help: panels that fit 80 columns, examples that the parser reads, every option in its place."""

from __future__ import annotations

import contextlib
import io
import re
import shlex

import pytest

from pypod.cli import parse, table, typer_app
from pypod.cli.table import completers, panels
from pypod.engine import ps, volume_list

SHOWN = sorted(name for name, command in table.every().items() if command[1])


def shown_help(monkeypatch: pytest.MonkeyPatch, name: str, columns: int = 200) -> str:
    """Return what `pypod NAME --help` prints."""
    monkeypatch.setenv("COLUMNS", str(columns))
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        typer_app.show_help(name.split())
    return out.getvalue()


@pytest.mark.parametrize("name", ["", *SHOWN, *(one for one, text in table.GROUPS.items() if text)])
def test_help_is_readable_in_80_columns_without_colour(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    text = shown_help(monkeypatch, name, 80)
    first = f" Usage: pypod {name}".rstrip() + " [OPTIONS]"
    assert text.split("\n")[1].startswith(first)
    assert "\x1b" not in text
    below = text.index(" Examples\n") if " Examples\n" in text else len(text)
    assert max(map(len, text[:below].splitlines())) <= 80
    for option in table.every()[name][3] if name in SHOWN else ():
        assert option[0].split()[0] in text  # long flags are never cut
    assert not re.search(r"\S…", text), "a word of a text or metavar is too long for 80 columns"


@pytest.mark.parametrize("name", SHOWN)
def test_help_says_what_the_table_says_and_no_more(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    _handler, summary, positionals, options = table.every()[name]
    text = shown_help(monkeypatch, name)
    assert text.split("\n")[1].strip() == f"Usage: pypod {name} [OPTIONS] {positionals}".rstrip()
    assert f"\n {summary} " in text
    for option in options:
        row = next(
            row for row in text.splitlines() if re.match(rf"│ {option[0].split()[0]}[ ,]", row)
        )
        assert option[3] in row
        assert option[4] in row
    known = {flag for option in options for flag in option[0].split()}
    assert flags(text) == (known | {"--help"}) - {"-h"}


def test_help_of_pypod_itself_has_the_global_options_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = {flag for option in table.GLOBAL_OPTIONS for flag in option[0].split()}
    assert flags(shown_help(monkeypatch, "")) == (known | {"--help"}) - {"-h"}


def flags(text: str) -> set[str]:
    """Return the flags at the beginning of the rows of a help, without -h, which is its own."""
    rows = re.findall(r"^│ (--\S+) +(-\S\b|  )", text, re.MULTILINE)
    return {flag for long, short in rows for flag in (*long.split(","), short)} - {"  ", "-h"}


@pytest.mark.parametrize("name", ["run", "create"])
def test_every_option_of_run_has_a_panel(name: str) -> None:
    options = table.every()[name][3]
    without = [one[1] for one in options if panels.panel_of(one[1], len(options)) == panels.OTHER]
    assert not without, (
        "put these dests under a heading of PANELS in pypod/cli/table/panels.py, then run"
        f" `make generated`: {' '.join(without)}"
    )


def test_every_command_has_a_panel_and_no_name_is_in_two() -> None:
    for name in (*table.TOP_LEVEL, *(one for one, text in table.GROUPS.items() if text)):
        assert panels.command_panel(name) in panels.COMMANDS, (
            f"put {name} under a heading of COMMANDS in pypod/cli/table/panels.py"
        )
    for headings in (panels.PANELS, panels.COMMANDS):
        words = " ".join(headings.values()).split()
        assert len(words) == len(set(words))


@pytest.mark.parametrize(
    ("name", "line"),
    [(name, line) for name, rows in panels.EXAMPLES.items() for line, _text in rows],
)
def test_an_example_is_a_line_that_the_parser_reads(name: str, line: str) -> None:
    words = shlex.split(line)
    if "--help" in words:
        with pytest.raises(parse.Help):
            parse.parse(words)
        return
    args = parse.parse(words)
    assert name in ("", *SHOWN)
    found = table.find(words)
    assert found is not None and (not name or found[1] == name)
    assert args.handler == found[2][0]


def test_examples_are_below_the_help_of_the_commands_that_people_look_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("run", "exec", "ps", "logs", "pull", "container run"):
        assert "\n   pypod " in shown_help(monkeypatch, name).split(" Examples\n")[1]


def test_filters_that_are_completed_are_those_that_ps_has() -> None:
    option = next(one for one in table.every()["ps"][3] if one[1] == "filter")
    keys = {word.partition("=")[0] for word in completers.of_option("ps", option)[1:]}
    assert keys == set(ps._FILTERS)
    for state in (word.partition("=")[2] for word in completers.of_option("ps", option)[1:]):
        assert not state or state in ps.STATES


def test_filters_that_are_completed_are_those_that_volumes_have() -> None:
    option = next(one for one in table.every()["volume ls"][3] if one[1] == "filter")
    words = completers.of_option("volume ls", option)[1:]
    assert {word.partition("=")[0] for word in words} == set(volume_list._FILTERS)


def test_brackets_in_a_text_are_text(monkeypatch: pytest.MonkeyPatch) -> None:
    option = ("--odd", "odd", "str", "[A]", "Not [bold]markup[/bold]", "[x]")
    monkeypatch.setitem(
        __import__("pypod.cli.table.system", fromlist=["COMMANDS"]).COMMANDS,
        "info",
        ("x:y", "A [red]summary[/red]", "", (option,)),
    )
    text = shown_help(monkeypatch, "info")
    assert "A [red]summary[/red]" in text
    assert "Not [bold]markup[/bold]" in text


def test_a_group_lists_its_verbs_and_no_hidden_one(monkeypatch: pytest.MonkeyPatch) -> None:
    every = table.every()
    shown = {group: shown_help(monkeypatch, group) for group, text in table.GROUPS.items() if text}
    for group, verb in table.IN_GROUP:
        hidden = verb in ("list", "remove") or not every[table.IN_GROUP[group, verb]][1]
        if group in shown:
            assert (f"│ {verb} " in shown[group]) is not hidden, (group, verb)
    assert "internal" not in shown_help(monkeypatch, "")
