# SPDX-License-Identifier: Apache-2.0
"""Lists of images that are made here: what is in them, and where their images come from.

An image that is added from elsewhere is not fetched: its manifest is kept, and the place is noted
beside the list. A push takes blobs from the store where they are, else from that place.
"""

from __future__ import annotations

import os
import time

from pypod.engine import image_peek, images, kept, locate, trust
from pypod.engine.list_names import CREATED
from pypod.engine.place import small
from pypod.engine.remote import Access
from pypod.engine.store_place import Piece, StoreSource
from pypod.errors import CorruptStore, ImageNotKnown, IntegrityError, PypodError
from pypod.kernel import fastjson, strictjson
from pypod.oci import digest as oci_digest
from pypod.oci import location, reference
from pypod.oci import manifest as oci
from pypod.store import blobs
from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pypod.engine.kept import Kept
    from pypod.engine.place import Source
    from pypod.kernel.paths import Places
    from pypod.oci.location import Location
    from pypod.oci.manifest import Platform

SOURCES = "io.pypod.sources"
"""Annotation of a list's entry: JSON, where each image that is not of this store comes from."""
_EMPTY: dict[str, Any] = {"schemaVersion": 2, "mediaType": oci.OCI_INDEX, "manifests": []}


class Said(Value):
    """What the user says about an image in a list; empty: as it is."""

    os: str = ""
    architecture: str = ""
    variant: str = ""
    os_version: str = ""
    os_features: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()

    def apply(self, entry: dict[str, Any]) -> dict[str, Any]:
        """Return an entry of an index with that in it."""
        platform = {
            **entry.get("platform", {}),
            **{
                key: value
                for key, value in (
                    ("architecture", self.architecture),
                    ("os", self.os),
                    ("os.version", self.os_version),
                    ("os.features", list(self.os_features)),
                    ("variant", self.variant),
                    ("features", list(self.features)),
                )
                if value
            },
        }
        made = {**entry, "platform": platform} if platform else dict(entry)
        if self.annotations:
            made["annotations"] = {**entry.get("annotations", {}), **dict(self.annotations)}
        return made


class Found(Value):
    """Images to add: entries of an index, and where what is not here comes from."""

    entries: tuple[dict[str, Any], ...]
    origin: str


def look(places: Places, word: str, access: Access, platform: Platform, *, every: bool) -> Found:
    """Return the image of a word, of this store or elsewhere; of an index the platform's, or all.

    Its manifests are in the store then. Raises PypodError.
    """
    source, wanted, origin = _open(places, word, access, whole=every)
    try:
        source.connect()
        top = image_peek.document(source, wanted)
        parsed = image_peek.parse(top)
        if isinstance(parsed, oci.Manifest):
            trust.check(source, wanted, [top.digest])
            blobs.put(places, top.body)
            entry = {
                "mediaType": top.media_type,
                "size": len(top.body),
                "digest": top.digest,
                "platform": _platform(small(source, parsed.config)),
            }
            return Found((entry,), origin)
        listed = strictjson.loads(top.body, "the index")["manifests"]
        wanted_digests = {entry.digest for entry in parsed.manifests}
        if not every:
            wanted_digests = {oci.choose(parsed, platform).digest}
        trust.check(source, wanted, [top.digest, *([] if every else wanted_digests)])
        entries = [entry for entry in listed if entry["digest"] in wanted_digests]
        for entry in entries:
            inner = image_peek.document(source, entry["digest"])
            if isinstance(image_peek.parse(inner), oci.Index):
                raise PypodError(f"{word}: an index within it cannot be added")
            blobs.put(places, inner.body)
        return Found(tuple(entries), origin)
    finally:
        source.close()


def _open(places: Places, word: str, access: Access, *, whole: bool) -> tuple[Source, str, str]:
    bare = word.removeprefix(f"{location.STORE}:")
    if not location.is_elsewhere(word):
        try:
            return StoreSource(places, bare, whole=whole), "", ""
        except ImageNotKnown:
            if bare != word:
                raise
    where = location.parse(word, location.REGISTRY)
    if where.path:
        where = where.replace(path=os.path.abspath(where.path))
    source, wanted = locate.source(places, where, access)
    return source, wanted, str(where)


def _platform(config: bytes) -> dict[str, Any]:
    document = strictjson.loads(config, "the image's configuration")
    if not isinstance(document, dict):
        raise IntegrityError("the image's configuration is not an object")
    words = (
        ("architecture", document.get("architecture")),
        ("os", document.get("os")),
        ("os.version", document.get("os.version")),
        ("variant", document.get("variant")),
    )
    return {key: value for key, value in words if isinstance(value, str) and value}


def create(places: Places, name: str, found: list[Found], *, amend: bool) -> Kept:
    """Make a list of images, or add to the one that is there (`amend`). Raises NameInUse."""
    return _put(places, name, lambda document: _with(document, found, Said()), found, new=not amend)


def add(places: Places, word: str, found: list[Found], said: Said) -> Kept:
    """Add images to a list; one that is in it is replaced. Raises ImageNotKnown."""
    name = kept.find(places, kept.LIST, word).name
    return _put(places, name, lambda document: _with(document, found, said), found)


def _with(document: dict[str, Any], found: list[Found], said: Said) -> dict[str, Any]:
    fresh = [said.apply(entry) for one in found for entry in one.entries]
    digests = {entry["digest"] for entry in fresh}
    old = [entry for entry in document["manifests"] if entry["digest"] not in digests]
    return {**document, "manifests": [*old, *fresh]}


def annotate(places: Places, word: str, image: str, said: Said, *, index: bool) -> Kept:
    """Change what a list says of an image, or of itself (`index`). Raises PypodError."""
    name = kept.find(places, kept.LIST, word).name
    digest = "" if index else _digest(places, image)

    def edit(document: dict[str, Any]) -> dict[str, Any]:
        if index:
            return {
                **document,
                "annotations": {**document.get("annotations", {}), **dict(said.annotations)},
            }
        _check_in(document, digest)
        entries = document["manifests"]
        return {
            **document,
            "manifests": [
                said.apply(entry) if entry["digest"] == digest else entry for entry in entries
            ],
        }

    return _put(places, name, edit, [])


def take_out(places: Places, word: str, image: str) -> Kept:
    """Take an image out of a list. Raises PypodError when it is not in it."""
    name = kept.find(places, kept.LIST, word).name
    digest = _digest(places, image)

    def edit(document: dict[str, Any]) -> dict[str, Any]:
        _check_in(document, digest)
        left = [entry for entry in document["manifests"] if entry["digest"] != digest]
        return {**document, "manifests": left}

    return _put(places, name, edit, [])


def _digest(places: Places, image: str) -> str:
    if oci_digest.is_digest(image):
        return image
    return StoreSource(places, image, whole=False).manifest("")[2]


def _check_in(document: dict[str, Any], digest: str) -> None:
    if all(entry["digest"] != digest for entry in document["manifests"]):
        raise PypodError(f'no instance matching digest "{digest}" found in manifest list')


def _put(places: Places, name: str, edit: Any, found: list[Found], *, new: bool = False) -> Kept:
    def make(before: Kept | None) -> tuple[bytes, dict[str, str]]:
        document = fastjson.loads(kept.read(places, before)) if before else _EMPTY
        sources = _sources(before) if before else {}
        made = edit(document)
        for one in found:
            for entry in one.entries:
                if not blobs.exists(places, entry["digest"]):  # `rmi` of an image that has it, too
                    short = entry["digest"][:19]
                    raise CorruptStore(f"manifest {short} was removed meanwhile", hint="try again")
                sources.pop(entry["digest"], None)
                if one.origin:
                    sources[entry["digest"]] = one.origin
        listed = {entry["digest"] for entry in made["manifests"]}
        sources = {digest: origin for digest, origin in sources.items() if digest in listed}
        notes = {SOURCES: fastjson.dumps(sources)} if sources else {}
        notes[CREATED] = (before.note(CREATED) if before else "") or _now()
        return fastjson.dumps(made).encode(), notes

    return kept.put(places, kept.LIST, name, make, new=new)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _sources(one: Kept) -> dict[str, str]:
    text = one.note(SOURCES)
    return dict(fastjson.loads(text.encode())) if text else {}


class ListSource:
    """A list as a place to copy from: the store, and behind it where its images come from."""

    tries = 4
    let_in = True
    """What is in a list was asked for when it was added, and is named by digest since."""

    def __init__(
        self, places: Places, one: Kept, access: Access, there: str, *, docker: bool
    ) -> None:
        """`access` is meant for the registry `there`, and for no other that images come from.

        `docker` shows the list as docker's format, which has no annotations.
        """
        self._places, self._access, self._there = places, access, there
        self._sources = _sources(one)
        self._open: dict[str, Source] = {}
        self._where: dict[str, Source] = {}
        self._top = kept.read(places, one)
        if docker:
            document = fastjson.loads(self._top)
            document.pop("annotations", None)
            for entry in document["manifests"]:
                entry.pop("annotations", None)
            document["mediaType"] = oci.DOCKER_LIST
            self._top = fastjson.dumps(document).encode()

    def connect(self) -> None:
        """Places are opened when they are needed."""

    def manifest(self, wanted: str) -> tuple[bytes, str, str]:
        """Return the list, or an image's manifest. Raises PypodError."""
        if not wanted:
            return self._top, "", ""
        body = blobs.read(self._places, wanted)
        parsed = oci.parse(strictjson.loads(body, "the manifest"), "")
        if isinstance(parsed, oci.Manifest):
            for blob in (parsed.config, *parsed.layers):
                if not blobs.exists(self._places, blob.digest):
                    self._where[blob.digest] = self._source(wanted)
        return body, "", wanted

    def _source(self, digest: str) -> Source:
        origin = self._sources.get(digest)
        if origin is None:
            raise PypodError(f"blobs of image {digest} are not in the store any more")
        if origin not in self._open:
            where, access = location.parse(origin), self._access
            if _registry_of(where) != self._there:
                access = Access(authfile=access.authfile, patience=access.patience)
            source, _ = locate.source(self._places, where, access)
            self._open[origin] = source
            source.connect()
        return self._open[origin]

    def blob(self, digest: str, size: int, offset: int = 0) -> Any:
        """Return a blob of the store, or of where its image comes from."""
        if digest in self._where:
            return self._where[digest].blob(digest, size, offset)
        return Piece(blobs.path(self._places, digest), offset)

    def wait(self, attempt: int) -> None:
        """Wait as the first place that was opened does."""
        for source in list(self._open.values())[:1]:
            source.wait(attempt)

    def cancel(self) -> None:
        """Stop what is under way."""
        for source in list(self._open.values()):
            source.cancel()

    def close(self) -> None:
        """Let go of every place."""
        for source in self._open.values():
            source.close()


def push_source(
    places: Places, one: Kept, where: Location, access: Access, *, docker: bool
) -> ListSource:
    """Return a list as a place to copy from to another. Raises UsageError."""
    return ListSource(places, one, access, _registry_of(where), docker=docker)


def _registry_of(where: Location) -> str:
    """Return the host of a registry's image; nothing for other places."""
    if where.transport != location.REGISTRY:
        return ""
    return reference.parse(where.reference).domain


def known(places: Places, word: str) -> bool:
    """Say whether a word is a list of this store."""
    try:
        kept.find(places, kept.LIST, word)
    except ImageNotKnown:
        return False
    return True


def check_free(places: Places, name: str) -> None:
    """Raise PypodError when an image has the name that a list is to have."""
    for candidate in list(images.candidates(name))[:1]:
        if any(candidate in images.names_of(places, one.id) for one in _named(places, candidate)):
            raise PypodError(f'"{candidate}" is an image: that name is already in use')


def _named(places: Places, name: str) -> list[images.Found]:
    try:
        return [images.resolve(places, name)]
    except ImageNotKnown:
        return []
