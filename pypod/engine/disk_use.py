# SPDX-License-Identifier: Apache-2.0
"""What the store takes on the disk, by kind: images, containers, volumes.

An image takes what `images` shows of it, from its summary; blobs, the packed copies of its layers,
are stat(2)ed; what containers and volumes hold is weighed each time, by one pypod-files.
"""

from __future__ import annotations

from pypod.engine import image_list, images, ps, volume_list
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
    """Each unpacked layer once, and the configurations."""
    images_idle: int
    """The part of it that only images without containers have."""
    packed: tuple[int, int]
    """How many packed layers lie beside, and their bytes: `image prune --blobs` drops them."""
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
                self.images_idle,
            ),
            _row("Image Blobs", self.packed[0], 0, self.packed[1], self.packed[1]),
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
    sizes = _weigh(facts, [*uppers, *(volume.mountpoint for volume in volumes)])
    used = volume_list.users(places)
    found, total, idle = _images(places)
    return DiskUse(
        images=found,
        images_size=total,
        images_idle=idle,
        packed=_packed(places, found),
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


def _images(places: Places) -> tuple[tuple[ImageUse, ...], int, int]:
    """Return each image's use, the size of all together, and what only idle ones have of it."""
    pairs = images.list_images(places)
    counts = image_list.containers_of(places)
    holders: dict[str, int] = {}
    every: dict[str, int] = {}
    active: set[str] = set()
    for image, _entries in pairs:
        own = _parts(image)
        every.update(own)
        if counts.get(image.id):
            active.update(own)
        for name in own:
            holders[name] = holders.get(name, 0) + 1
    found = tuple(
        ImageUse(
            image=image,
            entries=tuple(entries),
            size=image.size,
            shared=sum(size for name, size in _parts(image).items() if holders[name] > 1),
            containers=counts.get(image.id, 0),
        )
        for image, entries in pairs
    )
    idle = sum(size for name, size in every.items() if name not in active)
    return found, sum(every.values()), idle


def _parts(image: ImageRecord) -> dict[str, int]:
    """Return what an image is made of: its layers by chain id, and the rest."""
    own = dict(zip(image.chain_ids, image.sizes, strict=True))
    own[image.id] = image.size - sum(image.sizes)
    return own


def _packed(places: Places, found: tuple[ImageUse, ...]) -> tuple[int, int]:
    sizes = {
        layer.digest: layer.size
        for one in found
        for layer in one.image.layers
        if blobs.exists(places, layer.digest)
    }
    return len(sizes), sum(sizes.values())
