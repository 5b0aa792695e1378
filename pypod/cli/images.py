# SPDX-License-Identifier: Apache-2.0
"""images, rmi, tag, untag, image exists: the images of this store."""

from __future__ import annotations

import sys
import time

from pypod.cli.lifecycle import report
from pypod.engine import images as engine_images
from pypod.errors import ImageNotKnown, PypodError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.cli.parse import Args

_HEADINGS = {"ID": "IMAGE ID", "CreatedSince": "CREATED"}


def images(args: Args) -> int:
    """List images, a line for each name."""
    from pypod.engine import image_list
    from pypod.output import columns, listing

    if args.quiet and args.format:
        raise UsageError("--quiet and --format cannot be used together")
    found = image_list.rows(args.places, args.name, args.filter, args.sort or "created")
    if args.quiet:
        ids = (row.image.id if args.no_trunc else row.image.id[7:19] for row in found)
        sys.stdout.write("".join(f"{one}\n" for one in dict.fromkeys(ids)))
        return 0
    now = time.time()
    if args.format:
        containers = image_list.containers_of(args.places)
        shown = [
            image_list.describe(
                row, now, containers.get(row.image.id, 0), short=not args.no_trunc
            )
            for row in found
        ]
        as_json = image_list.documents(found, containers) if "json" in args.format else []
        listing.show(
            shown, args.format, as_json, heading=not args.noheading, id_heading="IMAGE ID"
        )
        return 0
    shown_keys = ("Repository", "Tag", "Digest", "ID", "CreatedSince", "Size")
    keys = [key for key in shown_keys if args.digests or key != "Digest"]
    if args.history:
        keys.append("History")
    headings = [_HEADINGS.get(key, key.upper()) for key in keys]
    table = [] if args.noheading else [headings]
    for row in found:
        cells = image_list.shown(row, now, short=not args.no_trunc)
        if args.history:
            cells["History"] = ", ".join(row.names) or "<none>"
        table.append([cells[key] for key in keys])
    columns.print_table(table)
    return 0


def rmi(args: Args) -> int:
    """Remove images: exit 1 when one is missing, 2 when one is in use."""
    from pypod.engine import image_remove, kept, remove
    from pypod.kernel.facts import facts as host_facts
    from pypod.store import objects

    facts, places = host_facts(), args.places
    names = list(args.images)
    if args.all:
        if names:
            raise UsageError(
                "when using the --all switch, you may not pass any images names or IDs"
            )
        # Lists first, by name: an image's rows need not wait for what names it.
        names = [one.name or one.id for one in kept.every(places, kept.LIST)]
        names += [image.id for image, _ in engine_images.list_images(places)]
    elif not names:
        raise UsageError("image name or ID must be specified")

    def remove_container(id: str) -> None:
        remove.discard_ended(objects.Container(places, id), facts)

    codes = []
    for name in names:
        try:
            lines = image_remove.remove(
                places,
                facts,
                name,
                force=args.force,
                every_name=args.all,
                remove_container=remove_container if args.force else None,
            )
        except ImageNotKnown as error:
            if not (args.ignore or args.force or args.all):
                report(error)
                codes.append(1)
        except PypodError as error:
            report(error)
            codes.append(error.code)
        else:
            sys.stdout.write("".join(f"{line}\n" for line in lines))
    return max(codes, default=0)


def tag(args: Args) -> int:
    """Give an image more names."""
    from pypod.engine import list_names

    one = list_names.known(args.places, args.image)
    if one is not None:
        list_names.tag(args.places, one, args.names)
    else:
        engine_images.tag(args.places, args.image, args.names)
    return 0


def untag(args: Args) -> int:
    """Take names from an image, all of them when none is given."""
    from pypod.engine import list_names

    one = list_names.known(args.places, args.image)
    if one is not None:
        list_names.untag(args.places, one, args.names)
    else:
        engine_images.untag(args.places, args.image, args.names)
    return 0


def exists(args: Args) -> int:
    """End 0 when the image is here, 1 when it is not."""
    from pypod.engine import list_names

    try:
        list_names.known(args.places, args.image)
    except ImageNotKnown:
        return 1
    return 0
