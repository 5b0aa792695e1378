# SPDX-License-Identifier: Apache-2.0
"""volume create, ls, inspect, rm, prune, exists."""

from __future__ import annotations

import os
import sys

from pypod.cli.lifecycle import report
from pypod.engine import volume_list
from pypod.errors import NameInUse, NoSuchVolume, PypodError, UsageError
from pypod.kernel import paths
from pypod.kernel.facts import facts as host_facts
from pypod.output import columns, listing
from pypod.store import volumes as store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.cli.parse import Args


def create(args: Args) -> int:
    """Make a volume and print its name."""
    from pypod.engine import volume_options
    from pypod.spec.volumes import check_name

    if args.driver != "local":
        raise PypodError(f"the volume driver {args.driver} is not there", hint="local is")
    name = check_name(args.name, "volume create") if args.name else os.urandom(32).hex()
    labels = volume_options.labels(args.label)
    options = volume_options.check(args.opt, "volume create")
    paths.prepare(args.places)
    try:
        volume, lock = store.create(args.places, name, labels=labels, options=options)
    except NameInUse:
        if not args.ignore:
            raise
    else:
        try:
            volume_options.apply_owner(volume, host_facts())
        finally:
            lock.close()
    print(name)
    return 0


def list_(args: Args) -> int:
    """List volumes."""
    if args.quiet and args.format:
        raise UsageError("--quiet and --format cannot be used together")
    found = volume_list.chosen(args.places, args.filter)
    if args.quiet:
        sys.stdout.write("".join(f"{volume.name}\n" for volume in found))
        return 0
    if args.format:
        used = volume_list.users(args.places)
        shown = [volume_list.describe(volume, used) for volume in found]
        listing.show(
            shown,
            args.format,
            shown,
            heading=not args.noheading,
            headings={"Name": "VOLUME NAME"},
        )
        return 0
    table = [] if args.noheading else [["DRIVER", "VOLUME NAME"]]
    columns.print_table([*table, *(["local", volume.name] for volume in found)])
    return 0


def inspect(args: Args) -> int:
    """Print the documents of volumes."""
    from pypod.cli.inspect import show

    names = list(args.volumes)
    if args.all:
        if names:
            raise UsageError("--all and volumes cannot be used together")
        names = [volume.name for volume in store.every(args.places)]
        if not names:
            if not args.format:
                print("[]")
            return 0
    return show(args, names, "volume")


def rm(args: Args) -> int:
    """Remove volumes: exit 1 when one is missing, 2 when one is in use."""
    names = list(args.volumes)
    if args.all == bool(names):
        raise UsageError("choose either one or more volumes or all")
    facts = host_facts()
    every = [volume.name for volume in store.every(args.places)] if args.all else names
    seconds = 10 if args.time is None else args.time
    code = 0
    for name in every:
        try:
            volume = store.find(args.places, name)
            volume_list.remove(args.places, facts, volume, force=args.force, seconds=seconds)
        except NoSuchVolume as error:
            if not (args.force or args.all):
                report(error)
                code = max(code, 1)
        except PypodError as error:
            report(error)
            code = max(code, error.code)
        else:
            print(name)
    return code


def prune(args: Args) -> int:
    """Remove volumes that no container uses, the anonymous ones or all."""
    filters = [word for word in args.filter if word.partition("=")[0] != "all"]
    every = args.all or any(word in ("all=1", "all=true") for word in args.filter)
    found = volume_list.prunable(args.places, filters, every=every)
    if not args.force:
        kind = "all volumes" if every else "all anonymous volumes"
        listed = "".join(f"{columns.harmless(volume.name)}\n" for volume in found)
        question = (
            f"WARNING! This will remove {kind} not used by at least one container."
            + (f" The following volumes will be removed:\n{listed}" if found else "\n")
            + "Are you sure you want to continue? [y/N] "
        )
        os.write(2, question.encode("utf-8", "surrogateescape"))
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            return 0
    facts = host_facts()
    code = 0
    for volume in found:
        try:
            volume_list.remove(args.places, facts, volume)
        except NoSuchVolume:
            continue
        except PypodError as error:
            report(error)
            code = max(code, error.code)
        else:
            print(volume.name)
    return code


def exists(args: Args) -> int:
    """End 0 when the volume exists, 1 when it does not."""
    return 0 if store.get(args.places, args.volume) is not None else 1
