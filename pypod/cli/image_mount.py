# SPDX-License-Identifier: Apache-2.0
"""image mount, image unmount: an image's files as a directory, inside of `unshare`."""

from __future__ import annotations

import sys

from pypod.cli.lifecycle import report
from pypod.engine import image_mount, images
from pypod.errors import PypodError, UsageError
from pypod.kernel import fastjson, paths
from pypod.kernel.facts import facts as host_facts
from pypod.output import columns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.cli.parse import Args


def _chosen(args: Args) -> list[str]:
    if args.all and args.images:
        raise UsageError(
            "when using the --all switch, you may not pass any image names or IDs"
        )
    return list(args.images)


def mount(args: Args) -> int:
    """Mount images and print where; without any, print what is mounted."""
    words = _chosen(args)
    if args.format not in ("", "json"):
        raise UsageError(f'unknown --format argument: "{args.format}"')
    facts = host_facts()
    image_mount.check_place(facts, "mount")
    paths.prepare(args.places)
    if args.all:
        words = [image.id for image, _ in images.list_images(args.places)]
    code, ids = 0, []
    for word in words:
        try:
            image = images.find(args.places, word)
            image_mount.mount(args.places, facts, image)
            ids.append(image.id[7:])
        except PypodError as error:
            report(error)
            code = max(code, error.code)
    if words and not ids:
        return code
    known = {one["id"]: one for one in image_mount.documents(args.places)}
    found = [known[id] for id in dict.fromkeys(ids)] if words else list(known.values())
    if args.format == "json":
        print(fastjson.pretty(found) if found else "[]")
    elif len(words) == 1 and not args.all:
        print(found[0]["mountpoint"])
    else:
        rows = [[(one["Repositories"] or [one["id"]])[0], one["mountpoint"]] for one in found]
        columns.print_table(rows)
    return code


def unmount(args: Args) -> int:
    """Unmount images and print their ids. One that is not mounted is no error."""
    words = _chosen(args)
    if not words and not args.all:
        raise UsageError("image name or ID must be specified")
    facts = host_facts()
    image_mount.check_place(facts, "unmount")
    ids = list(image_mount.mounted(args.places)) if args.all else []
    code = 0
    for word in words:
        try:
            ids.append(images.found(args.places, word).id)
        except PypodError as error:
            report(error)
            code = max(code, error.code)
    for image_id in dict.fromkeys(ids):
        try:
            image_mount.unmount(args.places, facts, image_id, lazy=args.force)
        except PypodError as error:
            report(error)
            code = max(code, error.code)
        else:
            sys.stdout.write(f"{image_id[7:]}\n")
    return code
