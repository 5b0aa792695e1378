# SPDX-License-Identifier: Apache-2.0
"""The commands of images. The tuples are described in cli/table/__init__.py."""

from __future__ import annotations

from pypod.cli.table import image_move, image_search, image_sync, upkeep
from pypod.cli.table.make_images import IMAGE_COMMANDS
from pypod.cli.table.run_images import PULL_OPTIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.cli.table import Command

COMMANDS: dict[str, Command] = {
    "images": (
        "pypod.cli.images:images",
        "List images",
        "[NAME]",
        (
            ("--all -a", "all", "bool", "", "Also intermediate images (there are none)"),
            ("--digests", "digests", "bool", "", "Show digests"),
            ("--filter -f", "filter", "csv", "KEY=VALUE", "Only those that match"),
            ("--format", "format", "str", "TEMPLATE", "json, or a Go template"),
            ("--history", "history", "bool", "", "Show all names that the image has"),
            ("--no-trunc", "no_trunc", "bool", "", "Show ids in full"),
            ("--noheading -n", "noheading", "bool", "", "Leave the headings out"),
            ("--quiet -q", "quiet", "bool", "", "Show ids only"),
            ("--sort", "sort", "str", "FIELD", "By created, id, repository, size or tag"),
        ),
    ),
    "rmi": (
        "pypod.cli.images:rmi",
        "Remove images",
        "[IMAGES...]",
        (
            ("--all -a", "all", "bool", "", "All images"),
            ("--force -f", "force", "bool", "", "Also their containers and other names"),
            ("--ignore -i", "ignore", "bool", "", "Say nothing of images that are not there"),
        ),
    ),
    "tag": ("pypod.cli.images:tag", "Give an image more names", "IMAGE NAMES...", ()),
    "untag": ("pypod.cli.images:untag", "Take names from an image", "IMAGE [NAMES...]", ()),
    "pull": (
        "pypod.cli.transfer:pull",
        "Pull images from a registry",
        "IMAGES...",
        PULL_OPTIONS,
    ),
    "image exists": (
        "pypod.cli.images:exists",
        "End 0 when the image exists, else 1",
        "IMAGE",
        (),
    ),
    "image mount": (
        "pypod.cli.image_mount:mount",
        "Mount images read-only and show where",
        "[IMAGES...]",
        (
            ("--all -a", "all", "bool", "", "All images"),
            ("--format", "format", "str", "FORMAT", "json instead of lines"),
        ),
    ),
    "image unmount": (
        "pypod.cli.image_mount:unmount",
        "Unmount images",
        "[IMAGES...]",
        (
            ("--all -a", "all", "bool", "", "All that are mounted"),
            ("--force -f", "force", "bool", "", "Also while somebody is in them"),
        ),
    ),
    **image_move.COMMANDS,
    **image_search.COMMANDS,
    **IMAGE_COMMANDS,
    **upkeep.IMAGE_COMMANDS,
    **image_sync.COMMANDS,
}
