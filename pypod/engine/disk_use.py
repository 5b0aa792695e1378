# SPDX-License-Identifier: Apache-2.0
"""What the store takes on the disk, by kind: images, containers, volumes.

Blobs are stat(2)ed; unpacked layers never change, so each is weighed once and its size kept in
`cache/sizes.json`; what containers and volumes hold is weighed each time, by one pypod-files.
"""

from __future__ import annotations

import os

from pypod.engine import image_list, images, ps, volume_list
from pypod.kernel import fastjson
from pypod.runtime import files
from pypod.store import blobs
from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pypod.engine.ps import Row
    from pypod.kernel.paths import Places
    from pypod.oci.image import ImageRecord
    from pypod.spec.facts import HostFacts
    from pypod.store.volumes import Volume


class ImageUse(Value):
    """One image: `size` is all that it has, `shared` what other images have too."""

    image: ImageRecord
    entries: tuple[dict[str, Any], ...]
    size: int
    shared: int
    containers: int


class DiskUse(Value):
    """Everything. Sizes are bytes."""

    images: tuple[ImageUse, ...]
    images_size: int
    """Each layer once: as it came, and unpacked."""
    packed: int
    """The part of it that `image prune --blobs` would drop."""
    containers: tuple[tuple[Row, int], ...]
    volumes: tuple[tuple[Volume, int, int], ...]
    """(volume, size, how many containers use it)"""

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each kind: Type, Total, Active, RawSize, RawReclaimable."""
        idle = [one for one in self.images if not one.containers]
        ended = [size for row, size in self.containers if not row.status.alive]
        unused = [size for _, size, links in self.volumes if not links]
        return [
            _row(
                "Images",
                len(self.images),
                len(self.images) - len(idle),
                self.images_size,
                min(self.images_size, sum(one.size - one.shared for one in idle)),
            ),
            _row(
                "Containers",
                len(self.containers),
                len(self.containers) - len(ended),
                sum(size for _, size in self.containers),
                sum(ended),
            ),
            _row(
                "Local Volumes",
                len(self.volumes),
                len(self.volumes) - len(unused),
                sum(size for _, size, _ in self.volumes),
                sum(unused),
            ),
        ]


def _row(kind: str, total: int, active: int, size: int, reclaimable: int) -> dict[str, Any]:
    return {
        "Type": kind,
        "Total": total,
        "Active": active,
        "RawSize": size,
        "RawReclaimable": reclaimable,
    }


def measure(places: Places, facts: HostFacts) -> DiskUse:
    """Weigh the store. Raises PypodError."""
    containers = ps.rows(places)
    volumes = volume_list.chosen(places, ())
    uppers = [f"{row.container.directory}/upper" for row in containers]
    mounts = [volume.mountpoint for volume in volumes]
    layers = _layers(places)
    known = _read_cache(places)
    fresh = [name for name in layers if name not in known]
    asked = [*uppers, *mounts, *(f"{places.layers}/{name}" for name in fresh)]
    sizes = _weigh(facts, asked)
    kept = {name: known[name] for name in layers if name in known}
    kept.update(zip(fresh, sizes[len(uppers) + len(mounts) :], strict=True))
    if fresh or len(kept) != len(known):
        _write_cache(places, kept)
    used = volume_list.users(places)
    found, total, packed = _images(places, kept)
    return DiskUse(
        images=found,
        images_size=total,
        packed=packed,
        containers=tuple(zip(containers, sizes, strict=False)),
        volumes=tuple(
            (volume, size, len(used.get(volume.name, ())))
            for volume, size in zip(volumes, sizes[len(uppers) :], strict=False)
        ),
    )


def _weigh(facts: HostFacts, paths: list[str]) -> list[int]:
    if not paths:
        return []
    answer = files.run(facts, ["size", *paths], "cannot weigh the store")
    return [int(line) for line in answer.split()]


def _layers(places: Places) -> list[str]:
    found = []
    for kind in sorted(os.listdir(places.layers)) if os.path.isdir(places.layers) else ():
        for name in os.listdir(f"{places.layers}/{kind}"):
            if len(name) == 64:
                found.append(f"{kind}/{name}")
    return found


def _images(places: Places, layers: dict[str, int]) -> tuple[tuple[ImageUse, ...], int, int]:
    """Return each image's use, the size of all together, and that of the packed layers."""
    pairs = images.list_images(places)
    parts: list[dict[str, int]] = []
    for image, _entries in pairs:
        own = {}
        for descriptor in image.layers:
            if blobs.exists(places, descriptor.digest):
                own[descriptor.digest] = descriptor.size
        for chain in image.chain_ids:
            for name in (f"full/{chain}", f"single/{chain}"):
                if name in layers:
                    own[name] = layers[name]
        parts.append(own)
    holders: dict[str, int] = {}
    for own in parts:
        for name in own:
            holders[name] = holders.get(name, 0) + 1
    containers = image_list.containers_of(places)
    found = tuple(
        ImageUse(
            image=image,
            entries=tuple(entries),
            size=sum(own.values()),
            shared=sum(size for name, size in own.items() if holders[name] > 1),
            containers=containers.get(image.id, 0),
        )
        for (image, entries), own in zip(pairs, parts, strict=True)
    )
    every = {name: size for own in parts for name, size in own.items()}
    packed = sum(size for name, size in every.items() if name.startswith("sha256:"))
    return found, sum(every.values()), packed


def _read_cache(places: Places) -> dict[str, int]:
    try:
        with open(f"{places.cache}/sizes.json", "rb") as file:
            found = fastjson.loads(file.read())
    except (OSError, fastjson.BadJson):
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: size for name, size in found.items() if isinstance(size, int)}


def _write_cache(places: Places, sizes: dict[str, int]) -> None:
    staged = f"{places.cache}/sizes.json.{os.getpid()}"
    try:
        with open(staged, "wb") as file:
            file.write(fastjson.dumps(sizes).encode())
        os.rename(staged, f"{places.cache}/sizes.json")
    except OSError:
        pass  # a full disk: weighed again next time
