# SPDX-License-Identifier: Apache-2.0
"""Unpacked layers that are not what their blobs say: finding them, and putting good ones there.

Nothing of a layer can be believed by looking at it alone, so its blob is unpacked once more, into
staging, and the two are compared. `system check` remembers what it found in a file beside the
layer, so that the next `pull` replaces it, too.
"""

from __future__ import annotations

import os

from pypod.engine import image_mount, images
from pypod.errors import NoSuchContainer, ObjectInUse, PypodError
from pypod.runtime import files
from pypod.store import layout, objects
from pypod.store.layers import MAPS, Layers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.kernel.paths import Places
    from pypod.spec.facts import HostFacts

_SHOWN = 3


def differences(facts: HostFacts, good: str, chain: str, layers: Layers) -> str:
    """Say where a layer differs from a good one at `good`; empty when it does not."""
    words = ["compare", good, layers.path(chain)]
    answer = files.run(facts, words, f"cannot compare layer {chain[:12]}")
    paths = [ascii(path.decode("utf-8", "surrogateescape"))[1:-1] for path in answer.split(b"\0")]
    paths = [path for path in paths if path]
    if not paths:
        return ""
    shown = ", ".join(paths[:_SHOWN]) + (", …" if len(paths) > _SHOWN else "")
    return f"layer {chain[:12]} is damaged: {shown}"


def replace(places: Places, facts: HostFacts, chain: str, good: str) -> None:
    """Put the layer at `good` in the place of a damaged one, and drop what was made of that.

    Raises ObjectInUse while a container runs on it, or an image with it is mounted: they would lose
    their files.
    """
    from pypod.engine.remove_tree import remove_tree

    layers = Layers(places, facts)
    is_there = layers.has(chain)
    """Not where a command that did this was killed between the two renames."""
    if is_there:
        _check_unused(places, chain)
    old = f"{places.trash}/{chain}.{os.urandom(4).hex()}"
    gone = [*_derived(places, chain), old]
    if is_there:
        os.rename(layers.path(chain), old)
    os.rename(good, layers.path(chain))
    layers.sync()
    layers.unmark(chain)
    for path in gone:
        remove_tree(places, path, facts)


def _check_unused(places: Places, chain: str) -> None:
    users = _running(places, chain)
    if users:
        raise ObjectInUse(
            f"layer {chain[:12]} is damaged and in use by container {users[0][:12]}",
            hint=f"pypod stop {' '.join(user[:12] for user in users)}, then again",
        )
    for image, _entries in images.list_images(places):
        if chain in image.chain_ids:
            try:
                image_mount.check_unused(places, image.id)
            except ObjectInUse as error:
                message = f"layer {chain[:12]} is damaged, and {error.message}"
                raise ObjectInUse(message, hint=error.hint) from None


def _running(places: Places, chain: str) -> list[str]:
    found = []
    for container in objects.every(places):
        try:
            if chain in container.create.get("chain_ids", ()) and container.status().alive:
                found.append(container.id)
        except NoSuchContainer:
            continue
        except PypodError:  # a record that cannot be read says nothing of what it uses
            if container.status().alive:
                found.append(container.id)
    return found


def _derived(places: Places, chain: str) -> list[str]:
    """Take the layers of other id maps away that hold files of this one; return where they are."""
    affected: set[str] = set()
    for entry in layout.ours(places):
        try:
            chains = list(images.load(places, entry).chain_ids)
        except PypodError:
            continue
        if chain in chains:
            affected.update(chains[chains.index(chain) :])
    gone = []
    for kind in os.listdir(places.layers):
        for one in affected if kind not in MAPS else ():
            if os.path.isdir(f"{places.layers}/{kind}/{one}"):
                gone.append(f"{places.trash}/{one}.{os.urandom(4).hex()}")
                os.rename(f"{places.layers}/{kind}/{one}", gone[-1])
    return gone
