# SPDX-License-Identifier: Apache-2.0
"""diff: what a container, or an image's last layer, changes of what is below it."""

from __future__ import annotations

import sys

from pypod.cli.lifecycle import latest
from pypod.engine import container_files, images
from pypod.errors import NoSuchContainer, PypodError, UsageError
from pypod.kernel import fastjson
from pypod.kernel.facts import facts as host_facts
from pypod.output.columns import harmless
from pypod.store import objects
from pypod.store.layers import Layers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.cli.parse import Args
    from pypod.oci.image import ImageRecord
    from pypod.store.objects import Container

    Pairs = list[tuple[str, str]]


def diff(args: Args) -> int:
    """Show the changes of a container or an image."""
    if args.latest:
        if args.object:
            raise UsageError("--latest and containers cannot be used together")
        return _show(args, _of_container(latest(args)))
    if not args.object:
        raise UsageError("container or image must be specified")
    try:
        container = objects.find(args.places, args.object)
    except NoSuchContainer:
        return _show(args, _of_image(args, images.find(args.places, args.object)))
    return _show(args, _of_container(container))


def container_diff(args: Args) -> int:
    """Show the changes of a container."""
    if args.latest == bool(args.container):
        raise UsageError("give a container, or --latest")
    container = latest(args) if args.latest else objects.find(args.places, args.container)
    return _show(args, _of_container(container))


def image_diff(args: Args) -> int:
    """Show the changes of an image's last layer."""
    return _show(args, _of_image(args, images.find(args.places, args.image)))


def _of_container(container: Container) -> Pairs:
    facts = container_files.facts_of(container, host_facts())
    layers = Layers(container.places, facts)
    lowers = [layers.path(chain) for chain in reversed(container.create["chain_ids"])]
    return container_files.changes(
        facts, container_files.upper(container), lowers, container.config
    )


def _of_image(args: Args, image: ImageRecord) -> Pairs:
    facts = host_facts()
    layers = Layers(args.places, facts)
    missing = layers.missing(image.chain_ids)
    if missing:
        raise PypodError(f"layer {missing[0][:12]} is not unpacked", hint="pull the image again")
    paths = [layers.path(chain) for chain in reversed(image.chain_ids)]
    return container_files.changes(facts, paths[0], paths[1:], None) if paths else []


def _show(args: Args, pairs: Pairs) -> int:
    if args.format not in ("", "json"):
        raise UsageError("only supported value for '--format' is 'json'")
    if args.format == "json":
        kinds = {"C": "changed", "A": "added", "D": "deleted"}
        found: dict[str, list[str]] = {}
        for letter, kind in kinds.items():
            names = [path for one, path in pairs if one == letter]
            if names:
                found[kind] = names
        print(fastjson.pretty(found))
    else:
        sys.stdout.write("".join(f"{kind} {harmless(path)}\n" for kind, path in pairs))
    return 0
