# SPDX-License-Identifier: Apache-2.0
"""Removing images: first the name, then the summary, then what nobody else needs."""

from __future__ import annotations

import os

from pypod.engine import images
from pypod.errors import NoSuchContainer, ObjectInUse, PypodError
from pypod.kernel import fastjson
from pypod.oci import manifest as oci_manifest
from pypod.store import blobs, layers, layout, objects, summary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pypod.kernel.paths import Places
    from pypod.oci.image import ImageRecord
    from pypod.oci.manifest import Index, Manifest
    from pypod.spec.facts import HostFacts


def users(places: Places) -> dict[str, list[str]]:
    """Return the ids of the containers of each image id."""
    found: dict[str, list[str]] = {}
    for container in objects.every(places):
        try:
            found.setdefault(container.summary["image_id"], []).append(container.id)
        except NoSuchContainer:
            continue
        except (PypodError, KeyError):
            raise ObjectInUse(
                f"container {container.id[:12]} may need the image: its record cannot be read",
                hint=f"pypod rm -f {container.id[:12]} removes it",
                code=2,
            ) from None
    return found


def remove(
    places: Places,
    facts: HostFacts,
    word: str,
    *,
    force: bool = False,
    every_name: bool = False,
    remove_container: Callable[[str], None] | None = None,
) -> list[str]:
    """Take a name from an image, and the image with its last name; return podman's lines.

    An id with several names needs `force` or `every_name` (of --all). `remove_container` takes the
    containers that are in the way; without it they keep the image. Raises ImageNotKnown, and
    ObjectInUse, whose exit code is 2 when a container needs the image.
    """
    from pypod.engine import list_names

    one = list_names.known(places, word)
    if one is not None:
        return list_names.remove(places, word, one, every_name=force or every_name)
    found = images.resolve(places, word)
    held = images.names_of(places, found.id)
    if found.name and len(held) > 1:
        layout.drop_names(places, [found.name])
        return [f"Untagged: {found.name}"]
    if len(held) > 1 and not force and not every_name:
        raise ObjectInUse(
            f'unable to delete image "{found.id[7:]}" by ID with more than one tag'
            f" ([{' '.join(held)}]): please force removal"
        )
    for container in users(places).get(found.id, []):
        if remove_container is None:
            raise ObjectInUse(
                f"image used by {container}: image is in use by a container",
                hint=f"pypod rm {container[:12]} first, or use --force",
                code=2,
            )
        remove_container(container)
    _delete(places, facts, found.descriptor)
    return [*(f"Untagged: {name}" for name in held), f"Deleted: {found.id[7:]}"]


def _delete(places: Places, facts: HostFacts, descriptor: dict[str, Any]) -> None:
    """Delete an image. Killed on the way it leaves trash and nameless blobs."""
    from pypod.engine import image_mount
    from pypod.engine.remove_tree import remove_tree

    image_id = layout.image_of(descriptor)
    try:
        image = images.load(places, descriptor)
    except PypodError:
        image = None  # damaged: its name still has to go
    entries = [entry for entry in layout.read(places) if layout.image_of(entry) == image_id]
    own = _digests(places, entries, image)
    trash: list[str] = []

    def after(left: list[dict[str, Any]]) -> None:
        summary.remove(places, image_id)
        chains, digests = needed(places, left)
        if image is not None:
            trash.extend(_drop_layers(places, image, chains))
        for digest in own - digests:
            blobs.remove(places, digest)

    layout.drop_image(
        places, image_id, after, lambda: image_mount.check_unused(places, image_id)
    )
    for path in trash:
        remove_tree(places, path, facts)


def needed(places: Places, entries: list[dict[str, Any]]) -> tuple[set[str], set[str]]:
    """Return the chain ids and the blobs' digests that images and containers need."""
    chains: set[str] = set()
    digests: set[str] = set()
    seen: dict[str, ImageRecord | None] = {}
    for entry in entries:
        image_id = layout.image_of(entry)
        if image_id and image_id not in seen:
            try:
                seen[image_id] = images.load(places, entry)
            except PypodError:
                seen[image_id] = None
        image = seen.get(image_id)
        digests |= _digests(places, [entry], image)
        if image is not None:
            chains.update(image.chain_ids)
    for container in objects.every(places):
        try:
            chains.update(container.create.get("chain_ids", ()))
        except PypodError:
            continue
    return chains, digests


def drop_others(
    places: Places,
    image: ImageRecord,
    entries: list[dict[str, Any]],
    left: list[dict[str, Any]],
) -> None:
    """Delete what entries of one image had that none of `left` has; the caller holds the lock.

    The same image came again, packed differently: one of its manifests has no entry any more.
    """
    if all(entry.get("digest") != image.manifest for entry in left):
        summary.remove(places, image.id)  # it was written for a manifest that nobody asked to keep
    for digest in _digests(places, entries, None) - needed(places, left)[1]:
        blobs.remove(places, digest)


def _digests(
    places: Places, entries: list[dict[str, Any]], image: ImageRecord | None
) -> set[str]:
    """Return every blob of some entries; `image` spares reading the manifest that it was made from.

    One image may have come twice, packed differently: the same id, other layers' blobs.
    """
    found: set[str] = set()
    if image is not None:
        found |= {image.id, *(layer.digest for layer in image.layers)}
        found |= {image.manifest, image.index, image.original} - {""}
    for index in {layout.index_of(entry) for entry in entries} - {""}:
        found |= _below(places, index)
    for entry in entries:
        found |= layout.digests(entry)
        digest = entry.get("digest")
        if isinstance(digest, str) and (image is None or digest != image.manifest):
            found |= _below(places, digest)  # a list of images names what it needs
    return found


def blobs_below(places: Places, digest: str) -> set[str]:
    """Return a manifest or index, and every blob below it that is here."""
    return {digest, *_below(places, digest)}


def _below(places: Places, digest: str, depth: int = 0) -> set[str]:
    """Return what an index names and is here: other machines' images too, copied with --all."""
    parsed = _parsed(places, digest)
    if not isinstance(parsed, oci_manifest.Index):
        return _blobs_of(parsed)
    found: set[str] = set()
    for entry in parsed.manifests:
        # Of most indexes only one image is here.
        if depth < oci_manifest.INDEX_DEPTH_MOST and blobs.exists(places, entry.digest):
            found |= {entry.digest, *_below(places, entry.digest, depth + 1)}
    return found


def _parsed(places: Places, digest: str) -> Manifest | Index | None:
    try:
        return oci_manifest.parse(fastjson.loads(blobs.read(places, digest)), "")
    except (PypodError, fastjson.BadJson):
        return None


def _blobs_of(parsed: Manifest | Index | None) -> set[str]:
    if not isinstance(parsed, oci_manifest.Manifest):
        return set()
    return {parsed.config.digest, *(layer.digest for layer in parsed.layers)}


def _drop_layers(places: Places, image: ImageRecord, needed: set[str]) -> list[str]:
    """Put the layers that nothing else needs in the trash, top first; return where they are now."""
    gone = []
    # Those of other maps first: their data is in `full`.
    for kind in sorted(os.listdir(places.layers), key=lambda one: (one in layers.MAPS, one)):
        for chain in reversed(image.chain_ids):
            directory = f"{places.layers}/{kind}/{chain}"
            if chain in needed or not os.path.isdir(directory):
                continue
            path = f"{places.trash}/{chain}.{os.urandom(4).hex()}"
            os.rename(directory, path)
            gone.append(path)
            for suffix in layers.BESIDE:
                try:
                    os.unlink(directory + suffix)
                except FileNotFoundError:
                    pass
    return gone
