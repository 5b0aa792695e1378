# SPDX-License-Identifier: Apache-2.0
"""`pypod completion SHELL`: scripts for bash, zsh and fish, made of the option table.

The scripts know commands, options and closed values by themselves and ask `pypod internal
complete` for names of containers, images and volumes. `completions/` holds what this prints
(`make generated`).
"""

from __future__ import annotations

import sys

from pypod.cli import table
from pypod.cli.table import completers
from pypod.errors import PypodError, UsageError
from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container

    from pypod.cli.parse import Args
    from pypod.cli.table import Option
    from pypod.cli.table.completers import Completer

FILES = {"bash": "pypod.bash", "zsh": "_pypod", "fish": "pypod.fish"}
"""Shells, and the names of their scripts in completions/."""


class Choice(Value):
    """One option, as a shell sees it."""

    flags: tuple[str, ...]
    text: str
    metavar: str
    """Empty: it takes no value of its own word."""
    completer: Completer
    repeats: bool

    @property
    def valued(self) -> bool:
        """Whether the next word is its value."""
        return bool(self.metavar)


class Line(Value):
    """One command, however it is spelled."""

    key: str
    """Its name in the table."""
    spellings: tuple[tuple[str, ...], ...]
    text: str
    choices: tuple[Choice, ...]
    places: tuple[Completer, ...]
    """A completer for each word that is no option."""
    names: tuple[str, ...]
    """How the usage line calls them."""
    repeats: bool
    """The last place takes any number of words."""
    stops: bool
    """Options end at the first word that is none."""


def completion(args: Args) -> int:
    """Print the script of a shell, or write it to a file."""
    if args.shell not in FILES:
        raise UsageError(
            f'no completion for shell "{args.shell}"', hint="there are " + ", ".join(FILES)
        )
    text = script(args.shell)
    if not args.file:
        sys.stdout.write(text)
        return 0
    try:
        with open(args.file, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise PypodError(f"--file {args.file}: {error.strerror}") from None
    return 0


def script(shell: str) -> str:
    """Return the script of a shell of FILES."""
    if shell == "bash":
        from pypod.cli.completion.bash import script as make
    elif shell == "zsh":
        from pypod.cli.completion.zsh import script as make
    else:
        from pypod.cli.completion.fish import script as make
    return make()


def lines() -> list[Line]:
    """Return every command that help shows."""
    found = []
    for key, (_handler, text, positionals, options) in sorted(table.every().items()):
        if not text:
            continue
        typed: list[tuple[str, ...]] = [(name,) for name in table.TOP_LEVEL if name == key]
        typed += [spelling for spelling, name in table.IN_GROUP.items() if name == key]
        own = {flag for option in options for flag in option[0].split()}
        more = [one for one in table.GLOBAL_OPTIONS if one[1] != "version"]
        places, repeats = completers.of_places(key, positionals)
        found.append(
            Line(
                key,
                tuple(typed),
                text,
                (*(_choice(key, one) for one in options), *(_choice("", one, own) for one in more)),
                places,
                tuple(place.strip("[].") for place in positionals.split()),
                repeats,
                key in table.STOP_AT_FIRST,
            )
        )
    return found


def global_choices() -> tuple[Choice, ...]:
    """Return the options before the command."""
    return tuple(_choice("", option) for option in table.GLOBAL_OPTIONS)


def groups() -> dict[str, str]:
    """Return the groups that help shows, with their texts."""
    return {name: text for name, text in table.GROUPS.items() if text}


def verbs(group: str) -> dict[str, str]:
    """Return the commands of a group, or of pypod itself for ""; with their texts."""
    commands = table.every()
    if not group:
        return {name: commands[name][1] for name in table.TOP_LEVEL if commands[name][1]} | groups()
    return {
        verb: commands[key][1]
        for (one, verb), key in table.IN_GROUP.items()
        if one == group and commands[key][1]
    }


def _choice(key: str, option: Option, taken: Container[str] = ()) -> Choice:
    flags, _dest, kind, metavar, text = option[:5]
    switch = kind in ("bool", "optbool")
    return Choice(
        tuple(flag for flag in flags.split() if flag not in taken),
        text,
        "" if switch else metavar or "VALUE",
        completers.of_option(key, option),
        kind in ("list", "csv"),
    )
