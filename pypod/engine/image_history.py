# SPDX-License-Identifier: Apache-2.0
"""How an image came to be, step by step, and which images share its layers."""

from __future__ import annotations

from pypod.engine import image_inspect, images
from pypod.text import units
from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pypod.kernel.paths import Places
    from pypod.oci.image import ImageRecord


class Step(Value):
    """A step of an image's history, the newest first."""

    id: str
    """Of the image that ends with it; `<missing>` where the store has none."""
    created: float
    created_text: str
    created_by: str
    size: int
    """Bytes of the layer as it is unpacked, 0 for a step that made none."""
    comment: str
    tags: tuple[str, ...] = ()


def steps(places: Places, word: str) -> list[Step]:
    """Return the history of an image. Raises ImageNotKnown."""
    image = images.find(places, word)
    names = tuple(name for name in images.names_of(places, image.id) if "@" not in name)
    layers = list(zip(image.sizes, image.chain_ids, strict=True))
    ends = {
        other.top: (other.id[7:], tuple(image_inspect.tagged_names(entries)))
        for other, entries in images.list_images(places)
        if other.top
    }
    found: list[Step] = []
    for entry in image.history:
        if entry.get("empty_layer") or not layers:
            found.append(_step(entry, 0))
        else:
            size, chain = layers.pop(0)
            found.append(_step(entry, size, *ends.get(chain, ())))
    for size, _chain in layers:  # a history that is shorter than the image
        found.append(_step({}, size))
    found.reverse()
    if found:
        found[0] = found[0].replace(id=image.id[7:], tags=names)
    return found


def _step(
    entry: dict[str, Any], size: int, id: str = "", names: tuple[str, ...] = ()
) -> Step:
    text = str(entry.get("created", ""))
    try:
        created = units.parse_time(text, 0) if text else 0.0
    except ValueError:
        created = 0.0
    return Step(
        id=id or "<missing>",
        created=created,
        created_text=text,
        created_by=str(entry.get("created_by", "")),
        size=size,
        comment=str(entry.get("comment", "")),
        tags=names,
    )


class Layer(Value):
    """A layer in a tree: its chain id, its size, the names of the images that end with it."""

    id: str
    size: int
    top_of: tuple[str, ...]


def layers(places: Places, image: ImageRecord) -> list[Layer]:
    """Return the layers of an image, the lowest first."""
    tops = _tops(places)
    return [
        Layer(chain, size, tops.get(chain, ()))
        for chain, size in zip(image.chain_ids, image.sizes, strict=True)
    ]


def above(places: Places, image: ImageRecord) -> list[tuple[int, Layer]]:
    """Return the layers that other images put on this one, with their depth over it."""
    tops = _tops(places)
    found: dict[str, tuple[int, Layer]] = {}
    depth = len(image.chain_ids)
    for other, _entries in images.list_images(places):
        if other.chain_ids[:depth] != image.chain_ids or len(other.chain_ids) == depth:
            continue
        for number in range(depth, len(other.chain_ids)):
            chain = other.chain_ids[number]
            layer = Layer(chain, other.sizes[number], tops.get(chain, ()))
            found.setdefault(chain, (number - depth, layer))
    return list(found.values())


def _tops(places: Places) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for image, entries in images.list_images(places):
        names = tuple(image_inspect.tagged_names(entries)) or ("<none>:<none>",)
        if image.top:
            found[image.top] = found.get(image.top, ()) + names
    return found
