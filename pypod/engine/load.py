# SPDX-License-Identifier: Apache-2.0
"""Loading: every image of an archive or directory into the store."""

from __future__ import annotations

from pypod.engine import images, locate, transfer, trust
from pypod.errors import ImageNotKnown, PypodError, UsageError
from pypod.kernel import log, strictjson
from pypod.oci import manifest as oci
from pypod.oci import reference
from pypod.store import blobs
from pypod.store.layers import Layers
from pypod.transport.docker_archive import DockerArchiveSource
from pypod.transport.oci_layout import LayoutSource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pypod.engine.place import Progress
    from pypod.kernel.paths import Places
    from pypod.oci.image import ImageRecord
    from pypod.oci.reference import Reference
    from pypod.spec.facts import HostFacts
    from pypod.transport.plain_dir import PlainDirSource


def load(
    places: Places, facts: HostFacts, path: str, progress: Progress, policy_file: str = ""
) -> Iterator[tuple[ImageRecord, list[str]]]:
    """Yield each image as it is there, with its names; `-` is stdin. Raises PypodError."""
    source = locate.found(path, places)
    try:
        for chosen, names in _images(source):
            if isinstance(source, DockerArchiveSource | LayoutSource):
                source.choose(chosen)
            held = {name: _holder(places, name) for name in names}
            image = _here(places, facts, source, names, progress, policy_file)
            if image is None:
                image = transfer.take(
                    places, facts, source, "", names, None, progress, policy_file=policy_file
                )
            for name, holder in held.items():
                if holder not in ("", image.id):
                    log.warn(f"{name} was image {holder[7:19]}, and is {image.id[7:19]} now")
            yield image, names
    finally:
        source.close()


def _images(
    source: LayoutSource | DockerArchiveSource | PlainDirSource,
) -> list[tuple[str, list[str]]]:
    """Return what chooses each image, and the names that it gets."""
    if isinstance(source, DockerArchiveSource):
        return [(chosen, _names(names, reference.parse)) for chosen, names in source.images]
    if isinstance(source, LayoutSource):
        return [(chosen, _names((name,), reference.local)) for chosen, name in source.images]
    return [("", [])]  # a directory has no names


def _here(
    places: Places,
    facts: HostFacts,
    source: LayoutSource | DockerArchiveSource | PlainDirSource,
    names: list[str],
    progress: Progress,
    policy_file: str,
) -> ImageRecord | None:
    """Give names to an image that is here whole; None when it must be taken in.

    A docker archive has no manifest of its own: the one that would be made of it, and plain layers,
    are no reason to lose those that the image came with, and by which its registry knows it.
    """
    if not isinstance(source, DockerArchiveSource):
        return None
    body, _kind, _promised = source.manifest("")
    parsed = oci.parse(strictjson.loads(body, "the manifest"), "")
    if not isinstance(parsed, oci.Manifest):
        return None
    try:
        found = images.resolve(places, parsed.config.digest)
        image = images.load(places, found.descriptor)
    except PypodError:
        return None
    whole = all(blobs.exists(places, layer.digest, layer.size) for layer in image.layers)
    if not whole or Layers(places, facts).missing(image.chain_ids):
        return None
    trust.check(source, "", [blobs.digest_of(body)], policy_file=policy_file)
    for layer in image.layers:
        progress.begin(layer, here=True)
    progress.note(f"Copying config {image.id}")
    progress.note("Writing manifest to image destination")
    held = images.names_of(places, image.id)
    images.tag(places, image.id, [name for name in names if name not in held])
    return image


def _names(words: tuple[str, ...], parse: Callable[[str], Reference]) -> list[str]:
    found = []
    for word in words:
        try:
            named = parse(word) if word else None
        except UsageError:
            log.warn(f"the image calls itself {ascii(word)[:100]}, which is no name")
            continue
        if named is not None:
            found.append(named.stored)
    return list(dict.fromkeys(found))


def _holder(places: Places, name: str) -> str:
    try:
        return images.resolve(places, name).id
    except ImageNotKnown:
        return ""
