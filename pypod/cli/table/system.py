# SPDX-License-Identifier: Apache-2.0
"""The commands of pypod itself. The tuples are described in cli/table/__init__.py."""

from __future__ import annotations

from pypod.cli.table.login import LOGIN_COMMANDS
from pypod.cli.table.upkeep import SYSTEM_COMMANDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.cli.table import Command

_FORMAT = ("--format -f", "format", "str", "TEMPLATE", "json, or a Go template")

COMMANDS: dict[str, Command] = {
    **LOGIN_COMMANDS,
    **SYSTEM_COMMANDS,
    "inspect": (
        "pypod.cli.inspect:inspect",
        "Show containers, images and volumes in full",
        "[NAMES...]",
        (
            _FORMAT,
            ("--latest -l", "latest", "bool", "", "The container that was made last"),
            ("--size -s", "size", "bool", "", "Show sizes"),
            ("--type -t", "type", "str", "TYPE", "container, image, volume or all"),
        ),
    ),
    "version": ("pypod.cli.system:version", "Show the version", "", (_FORMAT,)),
    "info": (
        "pypod.cli.system:info",
        "Show what this host gives and what it lacks",
        "",
        (_FORMAT,),
    ),
    "completion": (
        "pypod.cli.completion:completion",
        "Print the script that completes pypod's command lines in a shell",
        "SHELL",
        (("--file -f", "file", "str", "FILE", "Write it to this file"),),
    ),
    "internal complete": ("pypod.cli.complete:complete", "", "[WORDS...]", ()),
    "unshare": (
        "pypod.cli.unshare:unshare",
        "Run a command in the user namespace of this user's containers",
        "[COMMAND...]",
        (),
    ),
}
