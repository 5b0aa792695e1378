# SPDX-License-Identifier: Apache-2.0
"""Images as read-only directories, mounted in this namespace: that of `unshare`, or root's own.

Nothing is written down: what is mounted is asked of the kernel, and ends with the namespace.
"""

from __future__ import annotations

import os

from pypod.engine import images
from pypod.errors import ObjectInUse, PypodError
from pypod.kernel import mounts
from pypod.plan import tools
from pypod.runtime import files
from pypod.store import layout
from pypod.store.layers import Layers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pypod.kernel.paths import Places
    from pypod.oci.image import ImageRecord
    from pypod.plan.ops import Op
    from pypod.spec.facts import HostFacts


def check_place(facts: HostFacts, verb: str) -> None:
    """Raise PypodError where no mount would be seen: outside of the user's namespaces."""
    if facts.uid != 0:
        raise PypodError(
            f'cannot run command "pypod image {verb}" in rootless mode,'
            " must execute `pypod unshare` first",
            hint=f"run it in `pypod unshare`: pypod unshare sh -c 'ls $(pypod image {verb} IMAGE)'",
        )


def mounted(places: Places) -> dict[str, str]:
    """Return image id -> path of the images that are mounted here."""
    paths = mounts.points(places.mounts)
    return {f"sha256:{path.rpartition('/')[2]}": path for path in paths}


def check_unused(places: Places, image_id: str) -> None:
    """Raise ObjectInUse when an image is mounted, in whatever namespace of this user."""
    if path_of(places, image_id) in mounts.everywhere(places.mounts):
        raise ObjectInUse(
            f"image {image_id[7:19]} is mounted (pypod image mount)",
            hint=f"pypod image unmount {image_id[7:19]}, or leave that `pypod unshare`",
            code=2,
        )


def path_of(places: Places, image_id: str) -> str:
    """Return where an image is mounted, or would be."""
    return f"{places.mounts}/{image_id.removeprefix('sha256:')}"


def mount(places: Places, facts: HostFacts, image: ImageRecord) -> str:
    """Mount an image, unless it is; return the path. Raises PypodError."""
    path = path_of(places, image.id)
    if path in mounts.points(places.mounts):
        return path
    layers = Layers(places, facts)
    noun = f"image {image.id[7:19]}"
    if not image.chain_ids:
        raise PypodError(f"{noun} has no layers: there is nothing to mount")

    def act(entries: list[dict[str, Any]]) -> None:
        # Under the lock that `rmi` deletes under, and looks for mounts.
        if all(layout.image_of(entry) != image.id for entry in entries):
            raise PypodError(f"{noun} was removed meanwhile")
        missing = layers.missing(image.chain_ids)
        if missing:
            raise PypodError(
                f"{noun}: layer {missing[0][:12]} is not unpacked", hint="pull it again"
            )
        lowers = [layers.path(chain) for chain in reversed(image.chain_ids)]
        _run(facts, tools.compile_show(places.mounts, image.id[7:], lowers, *_NOTHING), noun)

    layout.locked(places, act)
    return path


def unmount(places: Places, facts: HostFacts, image_id: str, *, lazy: bool) -> None:
    """Unmount an image; one that is not mounted is fine.

    Raises PypodError while somebody is in it; with `lazy` it goes when nobody is.
    """
    if path_of(places, image_id) in mounts.points(places.mounts):
        plan = tools.compile_hide(places.mounts, image_id[7:], *_NOTHING, lazy=lazy)
        _run(facts, plan, f"image {image_id[7:19]}")


_NOTHING = (["pypod-files", "size", ""], files.PROGRAM)
"""What a plan ends with that has done its work: the size of nothing."""


def _run(facts: HostFacts, plan: list[Op], noun: str) -> None:
    files.Worker(facts, [], plan=plan).wait(noun)


def documents(places: Places) -> list[dict[str, Any]]:
    """Return an object for each mounted image (podman's keys of `--format json`), by name."""
    found = []
    for image_id, path in mounted(places).items():
        if not os.path.isdir(path):
            continue
        try:
            image = images.find(places, image_id)
        except PypodError:
            image = None  # its record is gone or damaged
        found.append(
            {
                "id": image_id[7:],
                "Names": [image.original or image.manifest] if image else [],
                "Repositories": [
                    name for name in images.names_of(places, image_id) if "@" not in name
                ],
                "mountpoint": path,
            }
        )
    return sorted(found, key=lambda one: (one["Repositories"], one["id"]))
