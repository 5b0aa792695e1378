# SPDX-License-Identifier: Apache-2.0
"""Images of the store: finding, adding, naming and removing them."""

from __future__ import annotations

import os

from pypod.errors import AmbiguousId, ImageNotKnown, ObjectInUse, PypodError
from pypod.kernel import fastjson, paths
from pypod.oci import digest as oci_digest
from pypod.oci import manifest as oci_manifest
from pypod.oci import reference
from pypod.oci.image import ImageRecord, record
from pypod.store import blobs, layout, objects, summary
from pypod.store.layers import Layers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from pypod.kernel.paths import Places
    from pypod.spec.facts import HostFacts

_HEX = frozenset("0123456789abcdef")
_POLICIES = ("missing", "always", "never", "newer", "ifnewer")


def find(places: Places, name: str) -> ImageRecord:
    """Return the image of a name, a digest, an id or an unambiguous id prefix; a name wins.

    Raises ImageNotKnown, AmbiguousId.
    """
    return _load(places, find_descriptor(places, name))


def find_descriptor(places: Places, name: str) -> dict[str, Any]:
    """Return the index entry that `name` means. Raises ImageNotKnown, AmbiguousId."""
    descriptors = layout.read(places)
    bare = name.removeprefix("sha256:")
    is_id = len(bare) <= 64 and bool(bare) and _HEX.issuperset(bare)
    if not (name.startswith("sha256:") and is_id):
        wanted = _names(name)
        by_name = {layout.name_of(entry): entry for entry in descriptors if layout.name_of(entry)}
        for candidate in wanted:
            if candidate in by_name:
                return by_name[candidate]
        found = _by_digest(name, descriptors)
        if found is not None:
            return found
    if is_id:
        matches = {}
        for entry in descriptors:
            if layout.image_of(entry).removeprefix("sha256:").startswith(bare):
                matches.setdefault(layout.image_of(entry), entry)
        if len(matches) > 1:
            shown = ", ".join(sorted(match[7:19] for match in matches))
            raise AmbiguousId(f'more than one image has an id that begins with "{bare}": {shown}')
        for entry in matches.values():
            return entry
        if len(bare) == 64:
            for entry in descriptors:
                if "sha256:" + bare in layout.digests(entry):
                    return entry
    raise ImageNotKnown(name)


def _names(name: str) -> list[str]:
    try:
        return reference.candidates(name)
    except PypodError:
        return []


def _by_digest(name: str, descriptors: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the entry of `name@digest`: any of the image's digests, under that repository."""
    try:
        wanted = reference.parse(name)
    except PypodError:
        return None
    if not wanted.digest:
        return None
    for entry in descriptors:
        own = layout.name_of(entry)
        if wanted.digest in layout.digests(entry) and own:
            if reference.parse(own).repository == wanted.repository:
                return entry
    return None


def _load(places: Places, descriptor: dict[str, Any]) -> ImageRecord:
    return summary.read(places, layout.image_of(descriptor), descriptor["digest"])


def names_of(places: Places, image_id: str) -> list[str]:
    """Return the names of an image."""
    return [
        layout.name_of(entry)
        for entry in layout.read(places)
        if layout.image_of(entry) == image_id and layout.name_of(entry)
    ]


def full_name(places: Places, image: ImageRecord, typed: str) -> str:
    """Return the image's name to show for what the user typed: that name in full, or the first."""
    names = names_of(places, image.id)
    for candidate in _names(typed):
        if candidate in names:
            return candidate
    return names[0] if names else image.id.removeprefix("sha256:")


def list_images(places: Places) -> list[tuple[ImageRecord, list[dict[str, Any]]]]:
    """Return each image with its index entries, newest first. Damaged ones are left out."""
    entries: dict[str, list[dict[str, Any]]] = {}
    for entry in layout.read(places):
        entries.setdefault(layout.image_of(entry), []).append(entry)
    found = []
    for own in entries.values():
        try:
            found.append((_load(places, own[0]), own))
        except PypodError:
            continue
    found.sort(key=lambda pair: pair[0].created, reverse=True)
    return found


def add_image(
    places: Places,
    manifest: bytes,
    config: bytes,
    names: Iterable[str],
    *,
    content_type: str = "",
    index: bytes = b"",
) -> ImageRecord:
    """Make an image known whose layers are unpacked: blobs, summary, and the names last.

    A docker v2s2 manifest is kept byte for byte and gets an OCI twin. Raises PypodError.
    """
    parsed = oci_manifest.parse(fastjson.loads(manifest), content_type)
    if not isinstance(parsed, oci_manifest.Manifest):
        raise PypodError("an index is not an image")
    original = ""
    if parsed.media_type == oci_manifest.DOCKER_MANIFEST:
        original = blobs.put(places, manifest)
        manifest = fastjson.dumps(oci_manifest.oci_twin(parsed)).encode()
    digest = blobs.put(places, manifest)
    blobs.put(places, config)
    image = record(
        parsed,
        digest,
        fastjson.loads(config),
        blobs.sha256_hex,
        index=blobs.put(places, index) if index else "",
        original=original,
    )
    summary.write(places, image)
    layout.set_names(places, layout.describe(image, len(manifest), ""), names)
    return image


def ensure(
    places: Places,
    name: str,
    policy: str,
    facts: HostFacts,
    pull: Callable[[str], ImageRecord],
) -> ImageRecord:
    """Return an image that can be run at once, pulling and unpacking by the policy.

    Raises ImageNotKnown for `never`, and what `pull` raises.
    """
    if policy not in _POLICIES:
        raise PypodError(f'--pull: unknown policy "{policy}"', hint=" ".join(_POLICIES[:4]))
    image = None
    if policy in ("missing", "never") or _is_embedded(name):
        image = _here(places, name)
    if image is None and policy == "never":
        raise ImageNotKnown(name, hint="--pull=missing fetches it")
    if image is None and policy in ("newer", "ifnewer"):
        image = _newer(places, name, pull)
    if image is None:
        image = pull(name)
    if Layers(places, facts).missing(image.chain_ids):
        from pypod.engine import unpack

        unpack.unpack_stored(places, facts, image)
    return image


def _here(places: Places, name: str) -> ImageRecord | None:
    try:
        return find(places, name)
    except ImageNotKnown:
        return embedded(places) if _is_embedded(name) else None


def _newer(
    places: Places, name: str, pull: Callable[[str], ImageRecord]
) -> ImageRecord | None:
    here = _here(places, name)
    try:
        return pull(name)
    except PypodError:
        if here is None:
            raise
        return here


def _is_embedded(name: str) -> bool:
    return reference.EMBEDDED in _names(name)


def embedded(places: Places) -> ImageRecord:
    """Put the image that comes with pypod into the store; no network is needed."""
    source = paths.Places(graph=paths.LIBEXEC + "/hello", run="")
    source_blobs = f"{source.graph}/blobs/sha256/"

    def blob(digest: str) -> bytes:
        with open(source_blobs + oci_digest.hex_of(digest), "rb") as file:
            return file.read()

    try:
        with open(source.graph + "/index.json", "rb") as file:
            descriptor = fastjson.loads(file.read())["manifests"][0]
        manifest = blob(descriptor["digest"])
        parsed = oci_manifest.parse(fastjson.loads(manifest), descriptor["mediaType"])
        assert isinstance(parsed, oci_manifest.Manifest)
        for layer in parsed.layers:
            blobs.put(places, blob(layer.digest))
        return add_image(places, manifest, blob(parsed.config.digest), [reference.EMBEDDED])
    except OSError as error:
        raise PypodError(
            f"the image that comes with pypod is missing: {error.filename}: {error.strerror}",
            hint="reinstall pypod; in a checkout run make",
        ) from None


def tag(places: Places, name: str, new_names: Iterable[str]) -> None:
    """Give an image more names. Raises ImageNotKnown, UsageError."""
    descriptor = find_descriptor(places, name)
    wanted = []
    for new in new_names:
        parsed = reference.parse(local_name(new))
        if parsed.digest:
            raise PypodError(f"{new}: tag by digest not supported")
        wanted.append(str(parsed))
    layout.set_names(places, descriptor, wanted)


def local_name(name: str) -> str:
    """Return a new name in full: without a registry it is of localhost (podman's rule)."""
    return f"localhost/{name}" if reference.is_short(name) else name


def untag(places: Places, name: str, names: list[str]) -> None:
    """Take names from an image, all of them when none is given. Raises ImageNotKnown."""
    image = find(places, name)
    held = names_of(places, image.id)
    gone = []
    for one in names or held:
        match = next((candidate for candidate in _names(one) if candidate in held), None)
        if match is None:
            raise PypodError(f"{one}: tag not known", hint=f"names of the image: {' '.join(held)}")
        gone.append(match)
    layout.drop_names(places, gone)


def users(places: Places) -> dict[str, list[str]]:
    """Return the ids of the containers of each image id."""
    found: dict[str, list[str]] = {}
    for container in objects.every(places):
        try:
            found.setdefault(container.summary["image_id"], []).append(container.id)
        except (PypodError, KeyError):
            continue
    return found


def remove(
    places: Places,
    facts: HostFacts,
    name: str,
    *,
    force: bool = False,
    remove_container: Callable[[str], None] | None = None,
) -> list[str]:
    """Take a name from an image, and the image with its last name; return podman's lines.

    Raises ImageNotKnown, and ObjectInUse (exit code 2) when a container needs the image.
    """
    descriptor = find_descriptor(places, name)
    image_id = layout.image_of(descriptor)
    held = names_of(places, image_id)
    typed = next((candidate for candidate in _names(name) if candidate in held), None)
    if typed is not None and len(held) > 1:
        layout.drop_names(places, [typed])
        return [f"Untagged: {typed}"]
    if typed is None and len(held) > 1 and not force:
        raise ObjectInUse(
            f"unable to delete image {image_id[7:]!r} by ID with more than one tag ({held}):"
            " please force removal",
            code=2,
        )
    needed = users(places).get(image_id, [])
    if needed and not force:
        raise ObjectInUse(
            f"image used by {needed[0]}: image is in use by a container",
            hint="remove the container first, or use --force",
            code=2,
        )
    for container in needed:
        if remove_container is not None:
            remove_container(container)
    image = _load(places, descriptor)
    lines = [f"Untagged: {one}" for one in held]
    layout.drop_image(places, image_id)
    summary.remove(places, image_id)
    collect(places, facts, image)
    return [*lines, f"Deleted: {image_id[7:]}"]


def collect(places: Places, facts: HostFacts, image: ImageRecord) -> None:
    """Delete the layers and blobs of a removed image that no other image needs."""
    from pypod.engine.remove_tree import remove_tree

    kept_chains: set[str] = set()
    kept_blobs: set[str] = set()
    for other, entries in list_images(places):
        kept_chains.update(other.chain_ids)
        kept_blobs.update(layer.digest for layer in other.layers)
        kept_blobs.add(other.id)
        for entry in entries:
            kept_blobs |= layout.digests(entry)
    for container in objects.every(places):
        # A container outlives the name of its image, never its layers.
        try:
            kept_chains.update(container.create.get("chain_ids", ()))
        except PypodError:
            continue
    for kind in ("full", "single"):
        for chain in reversed(image.chain_ids):
            directory = f"{places.layers}/{kind}/{chain}"
            if chain in kept_chains or not os.path.isdir(directory):
                continue
            gone = f"{places.trash}/{chain}.{os.urandom(4).hex()}"
            os.rename(directory, gone)
            for suffix in (".passwd", ".group"):
                if os.path.exists(directory + suffix):
                    os.unlink(directory + suffix)
            remove_tree(places, gone, facts)
    gone_blobs = {layer.digest for layer in image.layers} | {image.id, image.manifest}
    gone_blobs |= {image.index, image.original} - {""}
    for digest in gone_blobs - kept_blobs:
        try:
            os.unlink(blobs.path(places, digest))
        except FileNotFoundError:
            pass
