# SPDX-License-Identifier: Apache-2.0
"""The declaration of every command and option, as plain tuples.

An option is (flags, dest, kind, metavar, help) and perhaps a default; kinds are in cli/parse.py. A
command is (handler, summary, positionals, options). Positionals are the words of the usage line:
`NAME` one, `[NAME]` none or one, `[NAME...]` any number, `NAME...` at least one; after `WORDS...` in
`STOP_AT_FIRST` commands nothing is an option any more.

Everything reads this table and only this: the parser, help, completion, the tests.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    Option = tuple[str, str, str, str, str] | tuple[str, str, str, str, str, object]
    Command = tuple[str, str, str, tuple[Option, ...]]

GLOBAL_OPTIONS: tuple[Option, ...] = (
    ("--help -h", "help", "bool", "", "Show this text"),
    ("--log-level", "log_level", "str", "LEVEL", "Show messages from this level: debug, info, warn"),
    ("--root", "root", "str", "PATH", "Keep images and containers in this directory"),
    ("--runroot", "runroot", "str", "PATH", "Keep sockets in this directory"),
    ("--version -v", "version", "bool", "", "Show the version"),
)

GROUPS = {
    "container": "Manage containers",
    "image": "Manage images",
    "system": "Manage pypod itself",
}
"""First words that are followed by a verb."""

TOP_LEVEL = {
    "attach": "container",
    "create": "container",
    "exec": "container",
    "images": "image",
    "info": "system",
    "inspect": "system",
    "kill": "container",
    "logs": "container",
    "ps": "container",
    "pull": "image",
    "rename": "container",
    "rm": "container",
    "rmi": "image",
    "run": "container",
    "start": "container",
    "stop": "container",
    "tag": "image",
    "unshare": "system",
    "untag": "image",
    "version": "system",
    "wait": "container",
}
"""Commands that need no group, and whose table they are in."""

ALIASES = {
    ("container", "ls"): "ps",
    ("container", "list"): "ps",
    ("container", "ps"): "ps",
    ("image", "ls"): "images",
    ("image", "list"): "images",
    ("image", "rm"): "rmi",
}
"""Other spellings inside a group."""

NOT_YET = frozenset(
    (
        "artifact auto-update build buildx builder commit compose container-checkpoint cp diff events"
        " export farm generate healthcheck history import init kube load login logout machine"
        " manifest mount network pause play pod port prune push quadlet restart save search secret"
        " stats system-service top umount unmount unpause update volume"
    ).split()
)
"""Commands of podman and docker that pypod does not have yet."""


def find(words: list[str]) -> tuple[str, Command, int] | None:
    """Return (name, command, words used) of the command that `words` begin with, or None.

    Imports the one table that it needs.
    """
    first = words[0]
    if first in GROUPS:
        if len(words) < 2:
            return None
        verb = ALIASES.get((first, words[1]), words[1])
        command = _table(first).get(f"{first} {verb}") or (
            _table(first).get(verb) if TOP_LEVEL.get(verb) in (first, None) else None
        )
        if command is None and verb == "inspect":
            command = _table(first).get(f"{first} inspect")
        return (f"{first} {words[1]}", command, 2) if command else None
    group = TOP_LEVEL.get(first)
    if group is None:
        return None
    command = _table(group).get(first)
    return (first, command, 1) if command else None


def _table(group: str) -> dict[str, Command]:
    if group == "container":
        from pypod.cli.table.container import COMMANDS
    elif group == "image":
        from pypod.cli.table.image import COMMANDS
    else:
        from pypod.cli.table.system import COMMANDS
    return COMMANDS


def every() -> dict[str, Command]:
    """Return all commands by name, hidden ones too."""
    found: dict[str, Command] = {}
    for group in GROUPS:
        found.update(_table(group))
    return found
