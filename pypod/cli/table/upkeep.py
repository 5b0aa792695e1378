# SPDX-License-Identifier: Apache-2.0
"""What changed, what is not used, what it takes: diff, the prunes, system df."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.cli.table import Command, Option

_FILTER: Option = ("--filter", "filter", "csv", "KEY=VALUE", "Those of a label, or until a time")
_FORCE: Option = ("--force -f", "force", "bool", "", "Do not ask")
_JSON: Option = ("--format", "format", "str", "FORMAT", "json instead of lines")
_LATEST: Option = ("--latest -l", "latest", "bool", "", "The container that was made last")

CONTAINER_COMMANDS: dict[str, Command] = {
    "container diff": (
        "pypod.cli.diff:container_diff",
        "Show what a container changed, or how it differs from another",
        "[CONTAINERS...]",
        (_JSON, _LATEST),
    ),
    "container prune": (
        "pypod.cli.upkeep:container_prune",
        "Remove containers that do not run",
        "",
        (_FILTER, _FORCE),
    ),
}

IMAGE_COMMANDS: dict[str, Command] = {
    "image diff": (
        "pypod.cli.diff:image_diff",
        "Show what the last layer of an image changes, or how it differs from another image",
        "IMAGES...",
        (_JSON,),
    ),
    "image prune": (
        "pypod.cli.upkeep:image_prune",
        "Remove images that nothing needs",
        "",
        (
            ("--all -a", "all", "bool", "", "Also those with a name that no container has"),
            ("--blobs", "blobs", "bool", "", "Also the packed copies of unpacked layers"),
            _FILTER,
            _FORCE,
        ),
    ),
}

SYSTEM_COMMANDS: dict[str, Command] = {
    "diff": (
        "pypod.cli.diff:diff",
        "Show what a container or the last layer of an image changes, or how two of them differ",
        "[OBJECTS...]",
        (_JSON, _LATEST),
    ),
    "system check": (
        "pypod.cli.check:check",
        "Look for damage in the store",
        "",
        (
            ("--quick -q", "quick", "bool", "", "Compare sizes, not digests"),
            ("--repair -r", "repair", "bool", "", "Fetch what is bad again"),
        ),
    ),
    "system df": (
        "pypod.cli.upkeep:df",
        "Show what images, containers and volumes take on the disk",
        "",
        (
            ("--format", "format", "str", "TEMPLATE", "json, or a Go template"),
            ("--verbose -v", "verbose", "bool", "", "One line for each of them"),
        ),
    ),
    "system prune": (
        "pypod.cli.upkeep:system_prune",
        "Remove what is not used",
        "",
        (
            ("--all -a", "all", "bool", "", "Also images with a name that no container has"),
            _FILTER,
            _FORCE,
            ("--volumes", "volumes", "bool", "", "Also anonymous volumes that nobody uses"),
        ),
    ),
}
