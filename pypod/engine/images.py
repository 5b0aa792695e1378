# SPDX-License-Identifier: Apache-2.0
"""Images of the store: finding, adding and naming them."""

from __future__ import annotations

from pypod.errors import (
    AmbiguousId,
    CorruptStore,
    ImageNotKnown,
    IntegrityError,
    PypodError,
    UsageError,
)
from pypod.kernel import config, paths
from pypod.oci import digest as oci_digest
from pypod.oci import manifest as oci_manifest
from pypod.oci import reference, registries
from pypod.oci.image import ImageRecord, record, weighed
from pypod.store import blobs, layers, layout, summary
from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from pypod.kernel.paths import Places
    from pypod.oci.reference import Reference

_HEX = frozenset("0123456789abcdef")


class Found(Value):
    """What a word on the command line means."""

    descriptor: dict[str, Any]
    """The image's entry in index.json."""
    name: str = ""
    """The stored name that was meant; empty when the word was an id or a digest."""

    @property
    def id(self) -> str:
        """The image's id, `sha256:…`."""
        return layout.image_of(self.descriptor)


def find(places: Places, name: str) -> ImageRecord:
    """Return the image of a name, a digest, an id or an unambiguous id prefix; a name wins.

    Of a list of images it is this machine's. Raises ImageNotKnown, AmbiguousId, CorruptStore.
    """
    return load(places, found(places, name).descriptor)


def found(places: Places, word: str) -> Found:
    """Return what `resolve` finds, else this machine's image of the list that `word` means.

    Raises ImageNotKnown, AmbiguousId, and PypodError for a list whose image is not here.
    """
    try:
        return resolve(places, word)
    except ImageNotKnown:
        from pypod.engine import list_names

        one = list_names.instance(places, word)
        if one is None:
            raise
        return one


def resolve(places: Places, word: str) -> Found:
    """Return what `word` means: full name, name@digest, id, digest, short name, in this order.

    `b:1` is localhost/b:1, else its alias or the first of the search list (registries.conf), else
    the one image whose name ends in /b:1 (podman's rule, but several such images are an error).
    Raises ImageNotKnown, AmbiguousId.
    """
    descriptors = layout.ours(places)
    bare = word.removeprefix("sha256:")
    is_id = 0 < len(bare) <= 64 and _HEX.issuperset(bare)
    if not (word.startswith("sha256:") and is_id):
        named = {layout.name_of(entry): entry for entry in descriptors}
        for candidate in candidates(word, places):
            if candidate in named:
                return Found(named[candidate], candidate)
        found = _by_digest(places, word, descriptors)
        if found is not None:
            return found
    found = _by_id(bare, descriptors) if is_id else None
    if found is None and "@" not in word and reference.is_short(word):
        found = _by_end(word, descriptors)
    if found is None:
        raise ImageNotKnown(word, known=lambda: known_names(places))
    return found


def known_names(places: Places) -> list[str]:
    """Return the names of images as people may type them: less a beginning, less `:latest`."""
    found: list[str] = []
    names = [
        layout.notes_of(entry).get(layout.LIST) or layout.name_of(entry)
        for entry in layout.read(places)
    ]
    for name in filter(None, names):
        parts = name.split("/")
        for short in ("/".join(parts[at:]) for at in range(len(parts))):
            found += dict.fromkeys((short, short.removesuffix(":latest")))
    return found


def candidates(word: str, places: Places | None = None) -> Iterator[str]:
    """Yield the stored names that a word may stand for; none when it is no name at all.

    With `places` by the configuration, which is read only when localhost/ is not what was meant.
    Raises PypodError for a configuration that makes no sense.
    """
    try:
        names = reference.candidates(word)
    except UsageError:
        return
    if places is None or len(names) < 2:
        yield from names
        return
    yield names[0]
    yield from (one.name for one in _meant(places, word))


def _meant(places: Places, word: str) -> list[Reference]:
    """Return what a short name means on registries."""
    try:
        return registries.short_names(config.load(places).registries, word)[0]
    except UsageError:
        return []


def _by_digest(places: Places, word: str, descriptors: list[dict[str, Any]]) -> Found | None:
    """Find `name@digest`: any of the image's digests, under that repository."""
    if "@" not in word:
        return None
    try:
        wanted = reference.parse(word)
        repositories = [wanted.repository]
        if reference.is_short(word):
            repositories = [one.repository for one in _meant(places, word)]
            repositories.insert(0, reference.local(word).repository)
    except UsageError:
        return None
    for entry in descriptors:
        name = layout.name_of(entry)
        if not name or wanted.digest not in layout.digests(entry):
            continue
        if reference.split_stored(name)[0] in repositories:
            return Found(entry, name if name.endswith("@" + wanted.digest) else "")
    return None


def _by_id(bare: str, descriptors: list[dict[str, Any]]) -> Found | None:
    matches: dict[str, dict[str, Any]] = {}
    for entry in descriptors:
        if layout.image_of(entry)[7:].startswith(bare):
            matches.setdefault(layout.image_of(entry), entry)
    if len(matches) > 1:
        shown = ", ".join(sorted(match[7:19] for match in matches))
        raise AmbiguousId(
            f'more than one image has an id that begins with "{bare}": {shown}',
            hint="give more characters of the id, or a name",
        )
    for entry in matches.values():
        return Found(entry)
    if len(bare) == 64:
        for entry in descriptors:
            if "sha256:" + bare in layout.digests(entry):
                return Found(entry)
    return None


def _by_end(word: str, descriptors: list[dict[str, Any]]) -> Found | None:
    found: dict[str, Found] = {}
    for entry in descriptors:
        name = layout.name_of(entry)
        if reference.ends_with(name, word):
            found.setdefault(layout.image_of(entry), Found(entry, name))
    if len(found) > 1:
        names = " and ".join(sorted(one.name for one in found.values()))
        raise AmbiguousId(f'"{word}" may be {names}', hint="give the full name")
    for one in found.values():
        return one
    return None


def load(places: Places, descriptor: dict[str, Any]) -> ImageRecord:
    """Return the image of an index entry. Raises CorruptStore."""
    return summary.read(
        places,
        layout.image_of(descriptor),
        str(descriptor.get("digest", "")),
        index=layout.index_of(descriptor),
        original=layout.original_of(descriptor),
    )


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
    for candidate in candidates(typed, places):
        if candidate in names:
            return candidate
    for name in names:
        if reference.is_short(typed) and reference.ends_with(name, typed):
            return name
    return names[0] if names else image.id.removeprefix("sha256:")


def list_images(
    places: Places, descriptors: list[dict[str, Any]] | None = None
) -> list[tuple[ImageRecord, list[dict[str, Any]]]]:
    """Return each image with its index entries, newest first. Damaged ones are left out.

    `descriptors` are those of index.json, where they have been read.
    """
    entries: dict[str, list[dict[str, Any]]] = {}
    for entry in layout.read(places) if descriptors is None else descriptors:
        if layout.image_of(entry):
            entries.setdefault(layout.image_of(entry), []).append(entry)
    found = []
    for own in entries.values():
        try:
            found.append((load(places, own[0]), own))
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
    sizes: tuple[int, ...] = (),
    dropped: frozenset[str] = frozenset(),
) -> ImageRecord:
    """Make an image known whose layers are in the store: blobs, summary, and the names last.

    A docker v2s2 manifest is kept byte for byte and gets an OCI twin, always the same one.
    `sizes` are those of layers that are not unpacked yet, where they are known; blobs in `dropped`
    need not be there. Raises IntegrityError, RegistryError for what is not an image, and
    CorruptStore when another command removed a blob meanwhile.
    """
    from pypod.kernel import fastjson, strictjson

    parsed = oci_manifest.parse(strictjson.loads(manifest, "the manifest"), content_type)
    if not isinstance(parsed, oci_manifest.Manifest):
        raise PypodError("an index is not an image")
    document = strictjson.loads(config, "the image's configuration")
    if (blobs.digest_of(config), len(config)) != (parsed.config.digest, parsed.config.size):
        raise IntegrityError("the configuration is not the one that the manifest names")
    original, stored = "", manifest
    if parsed.media_type == oci_manifest.DOCKER_MANIFEST:
        original = blobs.digest_of(manifest)
        stored = fastjson.dumps(oci_manifest.oci_twin(parsed)).encode()
    image = record(
        parsed,
        blobs.digest_of(stored),
        document,
        blobs.sha256_hex,
        index=blobs.digest_of(index) if index else "",
        original=original,
    )
    image = weighed(image, sizes or layers.sizes(places, image.chain_ids))
    small = [data for data in (config, manifest, stored, index) if data]
    for data in small:
        blobs.put(places, data)
    summary.write(places, image)

    replaced: list[dict[str, Any]] = []

    def check(descriptors: list[dict[str, Any]]) -> None:
        # Under the lock that `rmi` deletes under: nothing goes after this, the image counts.
        for layer in image.layers:
            if layer.digest not in dropped and not blobs.exists(places, layer.digest):
                raise CorruptStore(
                    f"blob {layer.digest[:19]} was removed while image {image.id[7:19]} came in",
                    hint="pull the image again",
                )
        for data in small:
            blobs.put(places, data)
        own = [entry for entry in descriptors if layout.image_of(entry) == image.id]
        replaced.extend(entry for entry in own if entry.get("digest") != image.manifest)

    descriptor = layout.describe(image, len(stored))

    def after(left: list[dict[str, Any]]) -> None:
        if replaced:
            from pypod.engine import image_remove

            image_remove.drop_others(places, image, [*replaced, descriptor], left)

    layout.set_names(places, descriptor, names, check, after)
    return image


def is_embedded(name: str) -> bool:
    """Say whether a name means the image that comes with pypod."""
    return reference.EMBEDDED in candidates(name)


def embedded(places: Places) -> ImageRecord:
    """Put the image that comes with pypod into the store; no network is needed."""
    import zlib

    from pypod.kernel import fastjson

    source = paths.LIBEXEC + "/hello"

    def blob(digest: str) -> bytes:
        with open(f"{source}/blobs/sha256/{oci_digest.hex_of(digest)}", "rb") as file:
            return file.read()

    try:
        with open(source + "/index.json", "rb") as file:
            descriptor = fastjson.loads(file.read())["manifests"][0]
        manifest = blob(descriptor["digest"])
        parsed = oci_manifest.parse(fastjson.loads(manifest), descriptor["mediaType"])
        if not isinstance(parsed, oci_manifest.Manifest):
            raise CorruptStore(f"{source}: not an image")
        sizes = []
        for layer in parsed.layers:
            packed = blob(layer.digest)
            blobs.put(places, packed)
            sizes.append(len(zlib.decompress(packed, 31)))
        config = blob(parsed.config.digest)
        names = [reference.EMBEDDED]
        return add_image(places, manifest, config, names, sizes=tuple(sizes))
    except OSError as error:
        raise PypodError(
            f"the image that comes with pypod is missing: {error.filename}: {error.strerror}",
            hint="reinstall pypod; in a checkout run make",
        ) from None


def tag(places: Places, word: str, new_names: Iterable[str]) -> None:
    """Give an image more names. Raises ImageNotKnown, UsageError."""
    found = resolve(places, word)
    wanted = []
    for new in new_names:
        parsed = reference.local(new)
        if parsed.digest:
            raise UsageError(f"{new}: tag by digest not supported")
        wanted.append(parsed.name)

    def check(descriptors: list[dict[str, Any]]) -> None:
        if all(layout.image_of(entry) != found.id for entry in descriptors):
            raise ImageNotKnown(word)  # removed since

    layout.set_names(places, found.descriptor, wanted, check)


def untag(places: Places, word: str, names: list[str]) -> None:
    """Take names from an image, all when none is given. Raises ImageNotKnown, PypodError."""
    held = names_of(places, resolve(places, word).id)
    gone = []
    for one in names or held:
        full = one if one in held else first_of(held, one, places)
        if not full:
            raise PypodError(
                f"{reference.local(one)}: tag not known", hint=f"its names: {' '.join(held)}"
            )
        gone.append(full)
    layout.drop_names(places, gone)


def first_of(held: list[str], word: str, places: Places) -> str:
    """Return the first of some names that a word may stand for, or nothing."""
    return next((name for name in candidates(word, places) if name in held), "")
