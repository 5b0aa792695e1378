# SPDX-License-Identifier: Apache-2.0
"""--help, from the option table, through Typer: the only module that knows it.

A correct command line never comes here. Each command of the table becomes a Typer command whose
options are made from the same tuples, so that help cannot say what the parser does not do.
"""

from __future__ import annotations

import inspect
from typing import Annotated, Any

import typer

from pypod.cli import table

_TYPES: dict[str, Any] = {
    "bool": bool,
    "str": str,
    "opt": str,
    "int": int,
    "optint": int,
    "list": list[str],
    "csv": list[str],
}


def show_help(argv: list[str]) -> int:
    """Print the help of the command that `argv` begins with, or of pypod itself."""
    words = []
    for word in argv:
        if word.startswith("-"):
            break
        words.append(word)
    while words and table.find(words) is None and words[0] not in table.GROUPS:
        words.pop()
    group = words[:1] if words and words[0] in table.GROUPS else []
    found = table.find(words) if words else None
    path = group if found is None else words[: found[2]]
    application()([*path, "--help"], standalone_mode=False)
    return 0


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
    for name, command in sorted(commands.items()):
        group, _, verb = name.rpartition(" ")
        hidden = not command[1]
        if group:
            _add(groups[group], verb, command, hidden)
        else:
            _add(top, name, command, hidden)
            _add(groups[table.TOP_LEVEL[name]], name, command, name == "inspect")
    for (group, alias), verb in table.ALIASES.items():
        if verb in commands and alias != verb:
            _add(groups[group], alias, commands[verb], alias != "ls" and alias != "rm")
    for name, app in groups.items():
        top.add_typer(app, name=name)
    return top


def _add(app: typer.Typer, name: str, command: table.Command, hidden: bool) -> None:
    _handler, summary, positionals, options = command
    app.command(name, help=summary, hidden=hidden)(_function(positionals, options))


def _callback() -> Any:
    def callback(**_values: Any) -> None:
        """Stand for the global options; parsing them is cli/parse.py's."""

    options = [one for one in table.GLOBAL_OPTIONS if one[1] != "help"]
    callback.__signature__ = inspect.Signature([_option(one) for one in options])  # type: ignore[attr-defined]
    callback.__doc__ = None
    return callback


def _function(positionals: str, options: tuple[table.Option, ...]) -> Any:
    def command(**_values: Any) -> None:
        """Stand for the command; running it is its handler's."""

    parameters = [_option(option) for option in options]
    for word in positionals.split():
        name = word.strip("[].").lower()
        many = word.rstrip("]").endswith("...")
        kind: Any = list[str] if many else str
        required = not word.startswith("[")
        argument = typer.Argument(metavar=word, show_default=False)
        parameters.append(
            inspect.Parameter(
                f"word_{name}",
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if required else None,
                annotation=Annotated[kind if required else kind | None, argument],
            )
        )
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__doc__ = None
    return command


def _option(option: table.Option) -> inspect.Parameter:
    flags, dest, kind, metavar, text = option[:5]
    default = option[5] if len(option) > 5 else None
    names = flags.split()
    if kind == "bool":
        names = [names[0] if default is not True else f"{names[0]}/--no-{names[0][2:]}", *names[1:]]
        default = bool(default)
    declared = typer.Option(
        *names, help=text, metavar=metavar or None, show_default=default not in (None, False, -1)
    )
    annotation = _TYPES[kind]
    return inspect.Parameter(
        dest,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[annotation if kind == "bool" else annotation | None, declared],
    )
