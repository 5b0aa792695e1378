# SPDX-License-Identifier: Apache-2.0
"""What no image has: blobs, layers and summaries that killed commands left, parts of blobs, names
that lead nowhere, and on request the blobs of layers that are unpacked.

While another command takes an image in, nothing is touched: what it brought has no name yet.
"""

from __future__ import annotations

import os

from pypod.engine import arrival, idmaps, image_remove, images
from pypod.engine.remove_tree import remove_tree
from pypod.errors import NoSuchContainer, PypodError
from pypod.kernel.locks import Lock
from pypod.oci import digest as oci_digest
from pypod.store import blobs, layout, objects, summary
from pypod.store.layers import Layers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pypod.kernel.paths import Places
    from pypod.spec.facts import HostFacts

_HEX = frozenset("0123456789abcdef")


def collect(places: Places, facts: HostFacts) -> int:
    """Delete what no image and no container needs; return the bytes of blobs and parts.

    Unpacked layers are not weighed. Raises PypodError.
    """
    freed = 0
    trash: list[str] = []
    if arrival.under_way(places):
        return 0

    def act(descriptors: list[dict[str, Any]]) -> None:
        nonlocal freed
        if arrival.under_way(places):
            return
        chains, digests = _digests(places, descriptors)
        for digest, size in _stored(places):
            if digest not in digests:
                blobs.remove(places, digest)
                freed += size
        for size in _drop_parts(places):
            freed += size
        layout.clear_staged(places)
        for size in summary.remove_others(places, {layout.image_of(one) for one in descriptors}):
            freed += size
        if _all_known(places):
            trash.extend(_drop_layers(places, chains))
        trash.extend(_drop_other_maps(places))

    layout.locked(places, act)
    for path in trash:
        remove_tree(places, path, facts)
    for name in objects.known_names(places):
        objects.free_dead_name(places, name)
    return freed


def weigh(places: Places) -> int:
    """Return the bytes of blobs that no image has, and of parts of blobs."""
    size = 0

    def act(descriptors: list[dict[str, Any]]) -> None:
        nonlocal size
        digests = _digests(places, descriptors)[1]
        size = sum(one for digest, one in _stored(places) if digest not in digests)

    layout.locked(places, act)
    directory = f"{places.images}/{blobs.PARTIALS}"
    for name in _entries(directory):
        try:
            size += os.stat(f"{directory}/{name}").st_size
        except FileNotFoundError:
            continue
    return size


def _digests(
    places: Places, descriptors: list[dict[str, Any]]
) -> tuple[set[str], set[str]]:
    """Return the chain ids and digests that something needs."""
    chains, digests = image_remove.needed(places, descriptors)
    for entry in descriptors:  # other tools' entries too, and lists of manifests
        digest = entry.get("digest")
        if isinstance(digest, str) and oci_digest.is_digest(digest):
            digests |= image_remove.blobs_below(places, digest)
    return chains, digests


def drop_packed(places: Places, facts: HostFacts) -> int:
    """Delete the blobs of unpacked layers; return their bytes.

    push, save and other id maps then need a pull.
    """
    layers = Layers(places, facts)
    freed = 0

    def act(descriptors: list[dict[str, Any]]) -> None:
        nonlocal freed
        if arrival.under_way(places):
            return
        for image, _entries in images.list_images(places, descriptors):
            for layer, chain in zip(image.layers, image.chain_ids, strict=True):
                if layers.has(chain) and blobs.exists(places, layer.digest):
                    blobs.remove(places, layer.digest)
                    freed += layer.size

    layout.locked(places, act)
    return freed


def _all_known(places: Places) -> bool:
    """Say whether every container tells its layers: one that cannot be read may run on some."""
    for container in objects.every(places):
        try:
            container.create["chain_ids"]
        except NoSuchContainer:
            continue
        except (PypodError, KeyError):
            return False
    return True


def _entries(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except FileNotFoundError:
        return []


def _stored(places: Places) -> list[tuple[str, int]]:
    """Return (digest, size) of every blob."""
    directory = f"{places.images}/blobs/sha256"
    found = []
    for name in _entries(directory):
        if len(name) == 64 and _HEX.issuperset(name):
            try:
                found.append((f"sha256:{name}", os.stat(f"{directory}/{name}").st_size))
            except FileNotFoundError:
                continue
    return found


def _drop_parts(places: Places) -> list[int]:
    sizes = []
    directory = f"{places.images}/{blobs.PARTIALS}"
    for name in _entries(directory):
        path = f"{directory}/{name}"
        try:
            lock = Lock(path)
        except OSError:
            continue
        try:
            if lock.take(wait=False) and lock.is_of(path):
                sizes.append(os.fstat(lock.fd).st_size)
                os.unlink(path)
        finally:
            lock.close()
    return sizes


def _drop_other_maps(places: Places) -> list[str]:
    """Put layers under other id maps in the trash where no container has them: they are remade."""
    names, lock = idmaps.unused(places)
    gone = []
    for name in names:
        path = f"{places.trash}/{name.rpartition('/')[2]}.{os.urandom(4).hex()}"
        os.rename(f"{places.layers}/{name}", path)
        gone.append(path)
    for kind in _entries(places.layers):
        if kind.startswith(idmaps.OTHERS):
            try:
                os.rmdir(f"{places.layers}/{kind}")
            except OSError:
                pass  # there are layers in it
    if lock is not None:
        lock.close()
    return gone


def _drop_layers(places: Places, needed: set[str]) -> list[str]:
    gone = []
    for kind in _entries(places.layers):
        directory = f"{places.layers}/{kind}"
        for name in _entries(directory):
            if len(name) != 64 or not _HEX.issuperset(name) or name in needed:
                continue
            path = f"{places.trash}/{name}.{os.urandom(4).hex()}"
            os.rename(f"{directory}/{name}", path)
            gone.append(path)
        for name in _entries(directory):  # of those, and of layers that came or went halfway
            chain, dot, _kind = name.partition(".")
            if dot and len(chain) == 64 and not os.path.isdir(f"{directory}/{chain}"):
                os.unlink(f"{directory}/{name}")
    return gone
