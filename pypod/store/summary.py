# SPDX-License-Identifier: Apache-2.0
"""summary/<image id>.json: what `images` and `run` need of an image, in one small file.

Derived from manifest and configuration, and made again from them when it is missing or damaged.
"""

from __future__ import annotations

import os

from pypod.errors import CorruptStore
from pypod.kernel import fastjson
from pypod.oci import digest as oci_digest
from pypod.oci import manifest as oci_manifest
from pypod.oci.image import ImageRecord, record, weighed
from pypod.store import blobs, layers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.kernel.paths import Places


def path(places: Places, image_id: str) -> str:
    """Return the file of an image's summary."""
    return f"{places.summaries}/{oci_digest.hex_of(image_id)}.json"


def write(places: Places, image: ImageRecord) -> None:
    """Write the summary of an image, atomically and durably."""
    final = path(places, image.id)
    staged = f"{final}.{os.getpid()}.new"
    os.makedirs(places.summaries, mode=0o700, exist_ok=True)
    with open(staged, "wb", buffering=1 << 16) as file:
        file.write(fastjson.dumps(image.to_summary()).encode())
        file.flush()
        if places.durable:
            os.fsync(file.fileno())
    os.rename(staged, final)
    if places.durable:
        directory = os.open(places.summaries, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        os.fsync(directory)
        os.close(directory)


def read(
    places: Places, image_id: str, manifest: str = "", *, index: str = "", original: str = ""
) -> ImageRecord:
    """Return an image; `manifest` is where to make the summary from when it is lost.

    `index` and `original` are then what the index's descriptor says of it. Raises CorruptStore.
    """
    try:
        with open(path(places, image_id), "rb", buffering=0) as file:
            image = ImageRecord.from_summary(fastjson.loads(file.read()))
        if image.id == image_id:
            return image
    except FileNotFoundError:
        pass
    except (fastjson.BadJson, KeyError, TypeError, ValueError):
        pass
    image = _made_again(places, image_id, manifest, index, original)
    try:
        write(places, image)
    except OSError:
        pass  # a full disk keeps nobody from looking at an image
    return image


def _made_again(
    places: Places, image_id: str, manifest: str, index: str, original: str
) -> ImageRecord:
    if not manifest:
        raise CorruptStore(f"image {image_id[7:19]}: its summary is missing")
    try:
        found = oci_manifest.parse(fastjson.loads(blobs.read(places, manifest)), "")
        if not isinstance(found, oci_manifest.Manifest) or found.config.digest != image_id:
            raise CorruptStore(f"image {image_id[7:19]}: {manifest} is not its manifest")
        config = fastjson.loads(blobs.read(places, found.config.digest))
    except fastjson.BadJson as error:
        raise CorruptStore(f"image {image_id[7:19]}: {error}") from None
    image = record(found, manifest, config, blobs.sha256_hex, index=index, original=original)
    return weighed(image, layers.sizes(places, image.chain_ids))


def remove(places: Places, image_id: str) -> None:
    """Delete a summary; a missing one is fine."""
    try:
        os.unlink(path(places, image_id))
    except FileNotFoundError:
        pass


def remove_others(places: Places, image_ids: set[str]) -> list[int]:
    """Delete the summaries of all other images, and half-written ones of the dead; return sizes.

    Whoever is about to add an image may lose one: it is made again by the first reader.
    """
    kept = {os.path.basename(path(places, image_id)) for image_id in image_ids if image_id}
    sizes: list[int] = []
    try:
        names = os.listdir(places.summaries)
    except FileNotFoundError:
        return sizes
    for name in names:
        writer = name.removesuffix(".new").rpartition(".")[2]
        if name in kept or (writer.isdecimal() and os.path.exists(f"/proc/{writer}")):
            continue
        file = f"{places.summaries}/{name}"
        try:
            size = os.stat(file).st_size
            os.unlink(file)
        except FileNotFoundError:
            continue
        sizes.append(size)
    return sizes
