# SPDX-License-Identifier: Apache-2.0
"""`pypod internal complete KIND [PREFIX]`: the names that a completion script asks for.

A line is a name, a tab, and what it is. Nobody asked for an answer yet, so that nothing is ever an
error: no text, exit 0.
"""

from __future__ import annotations

import os
import sys

from pypod.output.columns import harmless

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pypod.cli.parse import Args
    from pypod.kernel.paths import Places

SHORT_ID = 12
_SAFE = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-:/@+"  # of names
)
"""A shell puts a word into a command line as it is: what could mean more there is not offered."""


def complete(args: Args) -> int:
    """Print the names of a kind that begin with a prefix."""
    kind, prefix = [*args.words, "", ""][:2]
    found: dict[str, str] = {}
    for names in _sources(args.places, kind, prefix):
        try:
            found.update(names)
        except Exception:  # a part that is missing or damaged does not hide the others
            continue
    for name, text in sorted(found.items()):
        if name.startswith(prefix) and name and _SAFE.issuperset(name):
            sys.stdout.write(f"{name}\t{harmless(text)}\n")
    return 0


def _sources(places: Places, kind: str, prefix: str) -> Iterator[Iterator[tuple[str, str]]]:
    if kind in ("container", "running", "object"):
        yield _containers(places, kind == "running", prefix)
    if kind in ("image", "object"):
        yield _images(places, prefix)
    if kind in ("volume", "object"):
        yield _volumes(places)


def _containers(places: Places, running_only: bool, prefix: str) -> Iterator[tuple[str, str]]:
    """Yield names, and ids for those who have begun to type one."""
    from pypod.kernel import procfs
    from pypod.store import objects

    boot = procfs.boot_id()
    for container in objects.every(places):
        try:
            status = container.status(boot)
            if running_only and not status.alive:
                continue
            name, image = container.name, container.summary["image"]
        except Exception:  # damaged, or removed meanwhile
            continue
        yield name, f"{status.name}, {image}"
        if prefix and container.id.startswith(prefix):
            yield container.id[:SHORT_ID], f"{name}, {status.name}"


def _images(places: Places, prefix: str) -> Iterator[tuple[str, str]]:
    """Yield full names; short ones and ids for those who have begun to type one."""
    from pypod.store import layout

    for entry in layout.ours(places):
        name, id = layout.name_of(entry), layout.image_of(entry).removeprefix("sha256:")
        if name:
            yield name, f"image {id[:SHORT_ID]}"
        if not prefix:
            continue
        parts = name.split("/")
        for short in ("/".join(parts[at:]) for at in range(1, len(parts))):
            yield short, name
            if short.endswith(":latest"):
                yield short.removesuffix(":latest"), name
        if id.startswith(prefix):
            yield id[:SHORT_ID], name or "image without a name"


def _volumes(places: Places) -> Iterator[tuple[str, str]]:
    for name in os.listdir(f"{places.graph}/volumes"):
        yield name, "volume"
