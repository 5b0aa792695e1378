# SPDX-License-Identifier: Apache-2.0
"""history and image tree: what an image is made of."""

from __future__ import annotations

import sys
import time

from pypod.engine import image_history, image_list, images
from pypod.errors import UsageError
from pypod.output import columns, listing
from pypod.text import units

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pypod.cli.parse import Args
    from pypod.engine.image_history import Layer, Step

_SHORT = 45
"""Characters of a command that are shown without --no-trunc (podman's)."""


def history(args: Args) -> int:
    """Print the steps of an image, the newest first."""
    if args.quiet and args.format:
        raise UsageError("--quiet and --format cannot be used together")
    found = image_history.steps(args.places, args.image)
    if args.quiet:
        ids = (step.id if args.no_trunc else step.id[:12] for step in found)
        sys.stdout.write("".join(f"{one}\n" for one in ids))
        return 0
    shown = [_cells(step, args) for step in found]
    if args.format:
        listing.show(shown, args.format, [_document(step) for step in found], id_heading="ID")
        return 0
    table = [["ID", "CREATED", "CREATED BY", "SIZE", "COMMENT"]]
    table += [
        [cells[key] for key in ("ID", "Created", "CreatedBy", "Size", "Comment")]
        for cells in shown
    ]
    columns.print_table(table)
    return 0


def _cells(step: Step, args: Args) -> dict[str, Any]:
    command = step.created_by
    if not args.no_trunc and len(command) > _SHORT:
        command = command[: _SHORT - 3] + "..."
    since = image_list.since(step.created, time.time())
    return {
        "ID": step.id if args.no_trunc else step.id[:12],
        "Created": since if args.human else step.created_text,
        "CreatedSince": since,
        "CreatedAt": step.created_text,
        "CreatedBy": command,
        "Size": units.human_size(step.size, 3, " ") if args.human else str(step.size),
        "Comment": step.comment,
        "Tags": list(step.tags),
    }


def _document(step: Step) -> dict[str, Any]:
    return {
        "id": step.id,
        "created": step.created_text,
        "CreatedBy": step.created_by,
        "size": step.size,
        "comment": step.comment,
        **({"tags": list(step.tags)} if step.tags else {}),
    }


def tree(args: Args) -> int:
    """Print the layers of an image, or those that other images put on it."""
    image = images.find(args.places, args.image)
    names = [name for name in images.names_of(args.places, image.id) if "@" not in name]
    size = units.human_size(image.size)
    lines = [f"Image ID: {image.id[7:19]}", f"Tags:     [{' '.join(names)}]", f"Size:     {size}"]
    own = image_history.layers(args.places, image)
    if args.whatrequires and own:
        lines.append(f"Image {_layer(own[-1])}")
        lines += [
            f"{'   ' * depth}└── {_layer(layer)}"
            for depth, layer in image_history.above(args.places, image)
        ]
    else:
        lines.append("Image Layers" if own else "No Image Layers")
        for number, layer in enumerate(own):
            lines.append(f"{'└' if number == len(own) - 1 else '├'}── {_layer(layer)}")
    sys.stdout.write("".join(f"{columns.harmless(line)}\n" for line in lines))
    return 0


def _layer(layer: Layer) -> str:
    top = f" Top Layer of: [{' '.join(layer.top_of)}]" if layer.top_of else ""
    return f"ID: {layer.id[:12]} Size: {units.human_size(layer.size)}{top}"
