# SPDX-License-Identifier: Apache-2.0
"""container prune, image prune, system prune, system df: what is not used, and what it takes."""

from __future__ import annotations

import os
import sys
import time

from pypod.cli.lifecycle import report
from pypod.engine import garbage, prune, remove
from pypod.errors import NoSuchVolume, PypodError, UsageError
from pypod.kernel import paths
from pypod.kernel.facts import facts as host_facts
from pypod.output import columns, listing
from pypod.text import units

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pypod.cli.parse import Args
    from pypod.engine.disk_use import DiskUse
    from pypod.spec.facts import HostFacts


def _agreed(args: Args, question: str) -> bool:
    if args.force:
        return True
    os.write(2, f"{question}\nAre you sure you want to continue? [y/N] ".encode())
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def container_prune(args: Args) -> int:
    """Remove the containers that do not run."""
    prune.test_of(args.filter)
    if not _agreed(args, "WARNING! This will remove all non running containers."):
        return 0
    paths.prepare(args.places)
    return _containers(args, host_facts(), print)


def _containers(args: Args, facts: HostFacts, say: Callable[[str], None]) -> int:
    code = 0
    for id, error in prune.remove_containers(args.places, facts, args.filter):
        if error is None:
            say(id)
        else:
            report(error)
            code = max(code, error.code)
    return code


def image_prune(args: Args) -> int:
    """Remove dangling images, or all that no container has, and what killed commands left."""
    prune.test_of(args.filter)
    kind = "all images without at least one container associated with them"
    question = f"WARNING! This command removes {kind if args.all else 'all dangling images'}."
    if args.blobs:
        question += " Layers stay as unpacked files only: push and save then need a pull."
    if not _agreed(args, question):
        return 0
    paths.prepare(args.places)
    facts = host_facts()
    code = _images(args, facts, print)
    remove.sweep(args.places, facts)
    garbage.collect(args.places, facts)
    if args.blobs:
        garbage.drop_packed(args.places, facts)
    return code


def _images(args: Args, facts: HostFacts, say: Callable[[str], None]) -> int:
    code = 0
    for row, error in prune.remove_images(args.places, facts, args.filter, every=args.all):
        if error is None:
            say(row.image.id[7:])
        else:
            report(error)
            code = max(code, error.code)
    return code


def system_prune(args: Args) -> int:
    """Remove containers that do not run, images, on request volumes; say how much came free."""
    from pypod.engine import volume_list

    prune.test_of(args.filter)
    lines = ["all stopped containers"]
    if args.volumes:
        lines.append("all anonymous volumes not used by at least one container")
    lines.append("all images without at least one container" if args.all else "all dangling images")
    question = "WARNING! This command removes:\n" + "\n".join(f"\t- {one}" for one in lines)
    if not _agreed(args, question + "\n"):
        return 0
    paths.prepare(args.places)
    facts = host_facts()
    before = _taken(args, facts)
    for title, act in (("Containers", _containers), ("Images", _images)):
        code = act(args, facts, _under(f"Deleted {title}"))
        if code:
            return code
    if args.volumes:
        say = _under("Deleted Volumes")
        filters = [one for one in args.filter if one.startswith(("label", "until"))]
        for volume in volume_list.prunable(args.places, filters, every=False):
            try:
                volume_list.remove(args.places, facts, volume)
            except NoSuchVolume:
                continue
            say(volume.name)
    remove.sweep(args.places, facts)
    freed = garbage.collect(args.places, facts)
    freed += max(0, before - _taken(args, facts))
    print(f"Total reclaimed space: {units.human_size(freed)}")
    return 0


def _under(title: str) -> Callable[[str], None]:
    """Return what prints lines, and a title before the first: nothing is said of nothing."""
    waiting = [title]

    def say(line: str) -> None:
        while waiting:
            print(waiting.pop())
        print(line)

    return say


def _taken(args: Args, facts: HostFacts) -> int:
    from pypod.engine import disk_use

    return sum(row["RawSize"] for row in disk_use.measure(args.places, facts).rows())


def df(args: Args) -> int:
    """Show what the store takes on the disk."""
    from pypod.engine import disk_use

    if args.verbose and args.format:
        raise UsageError("cannot combine --format and --verbose flags")
    found = disk_use.measure(args.places, host_facts())
    if args.verbose:
        _verbose(found)
        return 0
    rows = [_shown(row) for row in found.rows()]
    if args.format:
        listing.show(rows, args.format, found.rows())
        return 0
    heading = ["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"]
    keys = ("Type", "Total", "Active", "Size", "Reclaimable")
    columns.print_table([heading, *([str(row[key]) for key in keys] for row in rows)])
    if found.packed[1] and sys.stdout.isatty():
        print("\nImage blobs are the packed copies of layers: pypod image prune --blobs drops them")
    return 0


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    size, free = row["RawSize"], row["RawReclaimable"]
    share = round(100 * free / size) if size else 0
    text = f"{units.human_size(free)} ({share}%)"
    return {**row, "Size": units.human_size(size), "Reclaimable": text}


def _verbose(found: DiskUse) -> None:
    from pypod.engine import ps
    from pypod.engine.image_list import Row, shown

    now = time.time()
    table = [
        "REPOSITORY|TAG|IMAGE ID|CREATED|SIZE|SHARED SIZE|UNIQUE SIZE|CONTAINERS".split("|")
    ]
    for one in found.images:
        for name in Row(one.image, "", one.entries).names or [""]:
            cells = shown(Row(one.image, name, one.entries), now)
            row = [cells[key] for key in ("Repository", "Tag", "ID", "CreatedSince")]
            sizes = (one.size, one.shared, one.size - one.shared)
            table.append([*row, *map(units.human_size, sizes), str(one.containers)])
    print("Images space usage:\n")
    columns.print_table(table)
    table = ["CONTAINER ID|IMAGE|COMMAND|LOCAL VOLUMES|SIZE|CREATED|STATUS|NAMES".split("|")]
    for entry, size in found.containers:
        cells = ps.describe(entry, now)
        try:
            records = entry.container.create.get("volumes", ())
        except PypodError:
            records = ()
        volumes = sum(record["kind"] == "volume" for record in records)
        row = [str(cells["ID"])[:12], str(cells["Image"]), str(cells["Command"])]
        more = [str(volumes), units.human_size(size), str(cells["RunningFor"])]
        table.append([*row, *more, entry.status.name, str(cells["Names"])])
    print("\nContainers space usage:\n")
    columns.print_table(table)
    table = ["VOLUME NAME|LINKS|SIZE".split("|")]
    for volume, size, links in found.volumes:
        table.append([volume.name, str(links), units.human_size(size)])
    print("\nLocal Volumes space usage:\n")
    columns.print_table(table)
