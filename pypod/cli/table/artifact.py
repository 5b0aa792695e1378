# SPDX-License-Identifier: Apache-2.0
"""The commands of artifacts. The tuples are described in cli/table/__init__.py."""

from __future__ import annotations

from pypod.cli.table.image_move import ONE_REGISTRY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.cli.table import Command, Option

_QUIET: Option = ("--quiet -q", "quiet", "bool", "", "Show no progress")

COMMANDS: dict[str, Command] = {
    "artifact add": (
        "pypod.cli.artifact:add",
        "Make an artifact of files",
        "NAME PATHS...",
        (
            ("--annotation", "annotation", "list", "KEY=VALUE", "Set an annotation of the files"),
            ("--append -a", "append", "bool", "", "Add to an artifact that is there"),
            ("--file-type", "file_type", "str", "TYPE", "Media type of the files"),
            ("--replace", "replace", "bool", "", "Make an artifact of this name anew"),
            ("--type", "type", "str", "TYPE", "Type of the artifact"),
        ),
    ),
    "artifact extract": (
        "pypod.cli.artifact:extract",
        "Write the files of an artifact to a directory or a file",
        "NAME PATH",
        (
            ("--digest", "digest", "str", "DIGEST", "Only the file of this digest"),
            ("--title", "title", "str", "TITLE", "Only the file of this name"),
        ),
    ),
    "artifact inspect": (
        "pypod.cli.artifact:inspect",
        "Show an artifact in full",
        "NAME",
        (("--format -f", "format", "str", "TEMPLATE", "json, or a Go template"),),
    ),
    "artifact ls": (
        "pypod.cli.artifact:list_",
        "List artifacts",
        "",
        (
            ("--format", "format", "str", "TEMPLATE", "json, or a Go template"),
            ("--no-trunc", "no_trunc", "bool", "", "Show digests in full"),
            ("--noheading -n", "noheading", "bool", "", "Leave the headings out"),
            ("--quiet -q", "quiet", "bool", "", "Show digests only"),
        ),
    ),
    "artifact pull": (
        "pypod.cli.artifact:pull",
        "Fetch an artifact",
        "NAME",
        (*ONE_REGISTRY, _QUIET),
    ),
    "artifact push": (
        "pypod.cli.artifact:push_",
        "Push an artifact",
        "NAME [DESTINATION...]",
        (
            ("--digestfile", "digestfile", "str", "FILE", "Write the digest to this file"),
            *ONE_REGISTRY,
            _QUIET,
        ),
    ),
    "artifact rm": (
        "pypod.cli.artifact:rm",
        "Remove artifacts",
        "[NAMES...]",
        (
            ("--all -a", "all", "bool", "", "All artifacts"),
            ("--ignore -i", "ignore", "bool", "", "Say nothing of those that are not there"),
        ),
    ),
}
