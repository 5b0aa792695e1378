# SPDX-License-Identifier: Apache-2.0
"""The commands of volumes. The tuples are described in cli/table/__init__.py."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.cli.table import Command

_FILTER = ("--filter -f", "filter", "csv", "KEY=VALUE", "Only those that match")

COMMANDS: dict[str, Command] = {
    "volume create": (
        "pypod.cli.volume:create",
        "Make a volume",
        "[NAME]",
        (
            ("--driver -d", "driver", "str", "DRIVER", "local is there", "local"),
            ("--ignore", "ignore", "bool", "", "Take a volume of this name that is there"),
            ("--label -l", "label", "list", "NAME=VALUE", "Set a label"),
            ("--opt -o", "opt", "list", "KEY=VALUE", "Option of the driver: type, device, o"),
        ),
    ),
    "volume ls": (
        "pypod.cli.volume:list_",
        "List volumes",
        "",
        (
            _FILTER,
            ("--format", "format", "str", "TEMPLATE", "json, or a Go template"),
            ("--noheading -n", "noheading", "bool", "", "Leave the headings out"),
            ("--quiet -q", "quiet", "bool", "", "Show names only"),
        ),
    ),
    "volume inspect": (
        "pypod.cli.volume:inspect",
        "Show volumes in full",
        "[VOLUMES...]",
        (
            ("--all -a", "all", "bool", "", "All volumes"),
            ("--format -f", "format", "str", "TEMPLATE", "json, or a Go template"),
        ),
    ),
    "volume rm": (
        "pypod.cli.volume:rm",
        "Remove volumes",
        "[VOLUMES...]",
        (
            ("--all -a", "all", "bool", "", "All volumes"),
            ("--force -f", "force", "bool", "", "Also those in use, with their containers"),
            ("--time -t", "time", "optuint", "SECONDS", "Patience of --force before KILL"),
        ),
    ),
    "volume prune": (
        "pypod.cli.volume:prune",
        "Remove anonymous volumes that no container uses",
        "",
        (
            ("--all -a", "all", "bool", "", "Also those with a name"),
            ("--filter", "filter", "csv", "KEY=VALUE", "Only those that match"),
            ("--force -f", "force", "bool", "", "Do not ask"),
        ),
    ),
    "volume exists": (
        "pypod.cli.volume:exists",
        "End 0 when the volume exists, else 1",
        "VOLUME",
        (),
    ),
}
