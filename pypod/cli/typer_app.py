# SPDX-License-Identifier: Apache-2.0
"""--help, from the option table, through Typer and rich: the only module that knows Typer.

A correct command line never comes here. Each command of the table becomes a Typer command whose
options are made from the same tuples, so that help cannot say what the parser does not do.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from pypod.cli import table
from pypod.cli.table import panels

_SECOND_SPELLINGS = ("list", "remove")
_WIDEST = 110
"""Lines longer than this are hard to read, however wide the terminal is."""
_TYPES: dict[str, Any] = {
    "bool": bool,
    "optbool": bool,
    "str": str,
    "opt": str,
    "int": int,
    "uint": int,
    "optuint": int,
    "list": list[str],
    "csv": list[str],
}


def show_help(words: Sequence[str] = (), *, to_stderr: bool = False) -> None:
    """Print the help of a command, a group, or of pypod itself when there are no such words."""
    known = bool(words) and (words[0] in table.GROUPS or table.find(list(words)) is not None)
    stream = sys.stderr if to_stderr else sys.stdout
    saved, before = sys.stdout, os.environ.get("COLUMNS")
    width = Console(file=stream).width
    sys.stdout = stream
    os.environ["COLUMNS"] = str(min(width, _WIDEST) if before is None else width)
    try:
        application()(
            [*(words if known else ()), "--help"], prog_name="pypod", standalone_mode=False
        )
        _examples(list(words) if known else [])
    finally:
        sys.stdout = saved
        if before is None:
            del os.environ["COLUMNS"]


def _examples(words: list[str]) -> None:
    """Print example lines below the panels, never broken: they are there to be copied."""
    found = table.find(words) if words else None
    rows = panels.EXAMPLES.get(found[1] if found else "", ()) if found or not words else ()
    if not rows:
        return
    console = Console(highlight=False, soft_wrap=True)
    console.print(" Examples", style="bold")
    for line, text in rows:
        console.print(f"   # {escape(text)}", style="dim")
        console.print(f"   pypod {escape(line)}")
    console.print()


class _Help:
    """The help option in our words."""

    def get_help_option(self, ctx: Any) -> Any:
        """Return Typer's own, with another text and without a type."""
        option = super().get_help_option(ctx)  # type: ignore[misc]
        if option is not None:
            option.help, option.metavar = "Show this text", " "
        return option


class _Command(_Help, typer.core.TyperCommand):
    pass


class _Group(_Help, typer.core.TyperGroup):
    pass


def application() -> typer.Typer:
    """Return the Typer application of the whole table."""
    top = typer.Typer(
        name="pypod",
        cls=_Group,
        help="Containers without root and without a daemon.",
        add_completion=False,
        rich_markup_mode="rich",
        no_args_is_help=True,
        context_settings={"help_option_names": ["--help", "-h"]},
    )
    top.callback()(_callback())
    groups = {
        name: _group(text)
        for name, text in table.GROUPS.items()
    }
    commands = table.every()
    for name in sorted(table.TOP_LEVEL, key=_place):
        _add(top, name, commands[name], panel=panels.command_panel(name))
    for (group, verb), name in sorted(table.IN_GROUP.items()):
        _add(groups[group], verb, commands[name], hidden=verb in _SECOND_SPELLINGS)
    for name, app in groups.items():
        hidden = not table.GROUPS[name]
        top.add_typer(app, name=name, rich_help_panel=panels.command_panel(name), hidden=hidden)
    return top


def _group(text: str) -> typer.Typer:
    return typer.Typer(
        cls=_Group, help=escape(text), rich_markup_mode="rich", no_args_is_help=True
    )


def _place(name: str) -> tuple[int, str]:
    """Return where a command stands in `pypod --help`: panels in their order, then by name."""
    order = list(panels.COMMANDS)
    panel = panels.command_panel(name)
    return (order.index(panel) if panel in order else len(order), name)


def _add(
    app: typer.Typer, name: str, command: table.Command, *, panel: str = "", hidden: bool = False
) -> None:
    _handler, summary, positionals, options = command
    short = any("-h" in option[0].split() for option in options)
    # The table's own usage words: Typer would write `{IMAGE} [[COMMAND...]]...`.
    app.command(
        name,
        cls=_Command,
        help=escape(summary),
        options_metavar=f"[OPTIONS] {positionals}".rstrip(),
        hidden=hidden or not summary,
        rich_help_panel=panel or None,
        context_settings={"help_option_names": ["--help"] if short else ["--help", "-h"]},
    )(_function(options))


def _callback() -> Any:
    def callback(**_values: Any) -> None:
        """Stand for the global options; parsing them is cli/parse.py's."""

    options = [one for one in table.GLOBAL_OPTIONS if one[1] != "help"]
    callback.__signature__ = inspect.Signature([_option(one) for one in options])  # type: ignore[attr-defined]
    callback.__doc__ = None
    return callback


def _function(options: tuple[table.Option, ...]) -> Any:
    def command(**_values: Any) -> None:
        """Stand for the command; running it is its handler's."""

    order = [*panels.PANELS, panels.OTHER]
    panel = {one[1]: panels.panel_of(one[1], len(options)) for one in options}
    sorted_options = sorted(options, key=lambda one: (order.index(panel[one[1]]), one[1]))
    command.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [_option(one, panel[one[1]]) for one in sorted_options]
    )
    command.__doc__ = None
    return command


def _option(option: table.Option, panel: str = panels.PLAIN) -> inspect.Parameter:
    flags, dest, kind, metavar, text = option[:5]
    default = option[5] if len(option) > 5 else None
    names = flags.split()
    if kind == "bool":
        if default:
            text += " [default: true; off with =false]"
        default = bool(default)
    shown = kind != "bool" and default not in (None, -1, "")
    declared = typer.Option(
        *names,
        help=escape(text),
        metavar=metavar or " ",
        show_default=shown,
        rich_help_panel=None if panel == panels.PLAIN else panel,
    )
    annotation = _TYPES[kind]
    return inspect.Parameter(
        dest,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[annotation if kind == "bool" else annotation | None, declared],
    )
