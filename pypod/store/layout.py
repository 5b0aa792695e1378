# SPDX-License-Identifier: Apache-2.0
"""The OCI image layout of the store: index.json is the only truth for names (image-spec, image-layout.md).

Writers hold images/.lock from read to rename and no longer; readers never lock.
"""

from __future__ import annotations

import os

from pypod.errors import CorruptStore
from pypod.kernel import fastjson
from pypod.kernel.locks import Lock
from pypod.oci.manifest import OCI_INDEX, OCI_MANIFEST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from pypod.kernel.paths import Places
    from pypod.oci.image import ImageRecord

REF_NAME = "org.opencontainers.image.ref.name"
INDEX = "io.pypod.index"
"""Annotation: the digest of the index that the image was chosen from."""
ORIGINAL = "io.pypod.original"
"""Annotation: the digest of the docker v2s2 manifest that the image was pulled as."""
CONFIG = "io.pypod.config"
"""Annotation: the image id, so that listing reads no manifest."""

_LAYOUT = '{"imageLayoutVersion":"1.0.0"}'


def read(places: Places) -> list[dict[str, Any]]:
    """Return the descriptors of index.json, oldest first. Raises CorruptStore."""
    try:
        with open(places.images + "/index.json", "rb", buffering=0) as file:
            document = fastjson.loads(file.read())
        return list(document["manifests"])
    except FileNotFoundError:
        return []
    except (fastjson.BadJson, KeyError, TypeError) as error:
        raise CorruptStore(
            f"{places.images}/index.json cannot be read: {error}",
            hint="put a good copy in its place; images and blobs are still there",
        ) from None


def change(
    places: Places, edit: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]
) -> None:
    """Replace the descriptors by what `edit` makes of them, atomically and durably."""
    with Lock(places.images + "/.lock", create=True):
        _write(places, edit(read(places)))


def _write(places: Places, descriptors: list[dict[str, Any]]) -> None:
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": descriptors}
    _replace(places, "index.json", fastjson.dumps(document))
    if not os.path.exists(places.images + "/oci-layout"):
        _replace(places, "oci-layout", _LAYOUT)


def _replace(places: Places, name: str, text: str) -> None:
    staged = f"{places.images}/.{name}.new"
    with open(staged, "wb", buffering=0) as file:
        file.write(text.encode())
        os.fsync(file.fileno())
    os.rename(staged, f"{places.images}/{name}")
    directory = os.open(places.images, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    os.fsync(directory)
    os.close(directory)


def annotations(descriptor: dict[str, Any]) -> dict[str, str]:
    """Return the annotations of a descriptor, an empty object when it has none."""
    found = descriptor.get("annotations")
    return found if isinstance(found, dict) else {}


def name_of(descriptor: dict[str, Any]) -> str:
    """Return the name that a descriptor gives its image, empty for a dangling one."""
    return annotations(descriptor).get(REF_NAME, "")


def image_of(descriptor: dict[str, Any]) -> str:
    """Return the id of the image that a descriptor means."""
    return annotations(descriptor).get(CONFIG, "")


def describe(image: ImageRecord, manifest_size: int, name: str = "") -> dict[str, Any]:
    """Return the descriptor of an image under a name."""
    notes = {CONFIG: image.id}
    if name:
        notes[REF_NAME] = name
    if image.index:
        notes[INDEX] = image.index
    if image.original:
        notes[ORIGINAL] = image.original
    return {
        "mediaType": OCI_MANIFEST,
        "digest": image.manifest,
        "size": manifest_size,
        "annotations": notes,
        "platform": {"os": image.os, "architecture": image.architecture},
    }


def digests(descriptor: dict[str, Any]) -> set[str]:
    """Return every digest that an image answers to, its id left out."""
    notes = annotations(descriptor)
    found = {descriptor.get("digest", ""), notes.get(INDEX, ""), notes.get(ORIGINAL, "")}
    return found - {""}


def set_names(places: Places, descriptor: dict[str, Any], names: Iterable[str]) -> list[str]:
    """Give an image names, taking each from the image that had it; return the ids that lost one.

    An image that loses its last name stays, dangling. Without names the image is only made known.
    """
    lost: list[str] = []
    wanted = list(names)

    def edit(descriptors: list[dict[str, Any]]) -> list[dict[str, Any]]:
        kept = []
        for entry in descriptors:
            if name_of(entry) and name_of(entry) in wanted:
                if image_of(entry) != image_of(descriptor):
                    lost.append(image_of(entry))
                    if not any(
                        other is not entry and image_of(other) == image_of(entry)
                        for other in descriptors
                    ):
                        kept.append(_unnamed(entry))
                continue
            kept.append(entry)
        for name in wanted:
            notes = {**annotations(descriptor), REF_NAME: name}
            kept = [
                entry
                for entry in kept
                if name_of(entry) or image_of(entry) != image_of(descriptor)
            ]
            kept.append({**descriptor, "annotations": notes})
        known = any(image_of(entry) == image_of(descriptor) for entry in kept)
        return kept if known else [*kept, _unnamed(descriptor)]

    change(places, edit)
    return lost


def _unnamed(descriptor: dict[str, Any]) -> dict[str, Any]:
    notes = {key: value for key, value in annotations(descriptor).items() if key != REF_NAME}
    return {**descriptor, "annotations": notes}


def drop_names(places: Places, names: Iterable[str]) -> None:
    """Take names away; an image that loses its last one stays, dangling."""
    gone = set(names)

    def edit(descriptors: list[dict[str, Any]]) -> list[dict[str, Any]]:
        kept = [entry for entry in descriptors if name_of(entry) not in gone]
        for entry in descriptors:
            if name_of(entry) in gone and not any(
                image_of(other) == image_of(entry) for other in kept
            ):
                kept.append(_unnamed(entry))
        return kept

    change(places, edit)


def drop_image(places: Places, image_id: str) -> None:
    """Take an image and all its names out of the index."""
    change(
        places,
        lambda descriptors: [entry for entry in descriptors if image_of(entry) != image_id],
    )
