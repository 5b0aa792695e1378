# SPDX-License-Identifier: Apache-2.0
"""--help, from the option table, through Typer: the only module that knows it.

A correct command line never comes here. Each command of the table becomes a Typer command whose
options are made from the same tuples, so that help cannot say what the parser does not do.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from pypod.cli import table

_SECOND_SPELLINGS = ("list",)
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
    saved = sys.stdout
    if to_stderr:
        sys.stdout = sys.stderr
    try:
        application()(
            [*(words if known else ()), "--help"], prog_name="pypod", standalone_mode=False
        )
    finally:
        sys.stdout = saved


def application() -> typer.Typer:
    """Return the Typer application of the whole table."""
    top = typer.Typer(
        name="pypod",
        help="Containers without root and without a daemon.",
        add_completion=False,
        rich_markup_mode=None,
        no_args_is_help=True,
    )
    top.callback()(_callback())
    groups = {
        name: typer.Typer(help=text, rich_markup_mode=None, no_args_is_help=True)
        for name, text in table.GROUPS.items()
    }
    commands = table.every()
    for name in sorted(table.TOP_LEVEL):
        _add(top, name, commands[name])
    for (group, verb), name in sorted(table.IN_GROUP.items()):
        _add(groups[group], verb, commands[name], hidden=verb in _SECOND_SPELLINGS)
    for name, app in groups.items():
        top.add_typer(app, name=name)
    return top


def _add(app: typer.Typer, name: str, command: table.Command, hidden: bool = False) -> None:
    _handler, summary, positionals, options = command
    # The table's own usage words: Typer would write `{IMAGE} [[COMMAND...]]...`.
    app.command(
        name,
        help=summary,
        options_metavar=f"[OPTIONS] {positionals}".rstrip(),
        hidden=hidden or not summary,
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

    by_name = sorted(options, key=lambda one: one[1])
    command.__signature__ = inspect.Signature([_option(one) for one in by_name])  # type: ignore[attr-defined]
    command.__doc__ = None
    return command


def _option(option: table.Option) -> inspect.Parameter:
    flags, dest, kind, metavar, text = option[:5]
    default = option[5] if len(option) > 5 else None
    names = flags.split()
    if kind == "bool":
        if default:
            text += f" [default: true; {names[0]}=false]"
        default = bool(default)
    shown = kind != "bool" and default not in (None, -1)
    declared = typer.Option(*names, help=text, metavar=metavar or None, show_default=shown)
    annotation = _TYPES[kind]
    return inspect.Parameter(
        dest,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[annotation if kind == "bool" else annotation | None, declared],
    )
