# SPDX-License-Identifier: Apache-2.0
"""What the store keeps beside images: lists of images, and artifacts. Entries of index.json too.

They have names of their own kind: an image of the same name is another object. Blobs that they
name stay, whatever becomes of the images.
"""

from __future__ import annotations

from pypod.engine import image_remove, images
from pypod.errors import AmbiguousId, ArtifactNotKnown, ImageNotKnown, NameInUse
from pypod.oci import reference
from pypod.oci.manifest import OCI_INDEX, OCI_MANIFEST
from pypod.store import blobs, layout
from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pypod.kernel.paths import Places

LIST = layout.LIST
ARTIFACT = "io.pypod.artifact"
"""Annotation: the name of an artifact."""
_TYPES = {LIST: OCI_INDEX, ARTIFACT: OCI_MANIFEST}
_HEX = frozenset("0123456789abcdef")


class Kept(Value):
    """A list or an artifact."""

    name: str
    digest: str
    entry: dict[str, Any]

    @property
    def id(self) -> str:
        """Its digest in hexadecimal: what people are shown."""
        return self.digest.removeprefix("sha256:")

    def note(self, key: str) -> str:
        """Return an annotation of its entry, nothing where there is none."""
        return str(layout.notes_of(self.entry).get(key, ""))


def every(places: Places, kind: str) -> list[Kept]:
    """Return all lists or all artifacts, oldest first."""
    return of(layout.read(places), kind)


def of(entries: list[dict[str, Any]], kind: str) -> list[Kept]:
    """Return those among some entries of index.json, oldest first."""
    return [
        Kept(name, str(entry.get("digest", "")), entry)
        for entry in entries
        if isinstance(name := layout.notes_of(entry).get(kind), str)
    ]


def find(places: Places, kind: str, word: str) -> Kept:
    """Return what a name, a digest or the beginning of one means. ImageNotKnown, AmbiguousId."""
    return _find(every(places, kind), kind, word, places)


def _find(known: list[Kept], kind: str, word: str, places: Places) -> Kept:
    for name in images.candidates(word, places):
        for one in known:
            if one.name == name:
                return one
    bare = word.rpartition("@")[2].removeprefix("sha256:")
    if bare and _HEX.issuperset(bare):
        found = {one.digest: one for one in known if one.id.startswith(bare)}
        if len(found) > 1:
            raise AmbiguousId(f'more than one has an id that begins with "{bare}"')
        for one in found.values():
            return one
    missing = ArtifactNotKnown if kind == ARTIFACT else ImageNotKnown
    raise missing(word, known=lambda: [one.name for one in known])


def read(places: Places, one: Kept) -> bytes:
    """Return its manifest or index. Raises CorruptStore."""
    return blobs.read(places, one.digest)


def put(
    places: Places,
    kind: str,
    name: str,
    make: Callable[[Kept | None], tuple[bytes, dict[str, str]]],
    *,
    new: bool = False,
) -> Kept:
    """Give a name what `make` makes of the one that has it, or of nothing; return that.

    `make` returns bytes and annotations, under the lock: it does not wait for anybody. `new` raises
    NameInUse where there is one. What nothing needs any more is deleted.
    """
    full = reference.local(name).stored
    made: list[Kept] = []
    old: set[str] = set()

    def edit(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        before = next((one for one in of(entries, kind) if one.name == full), None)
        if before is not None and new:
            raise NameInUse(
                f'the name "{full}" is already associated with "{before.id}":'
                " that name is already in use"
            )
        if before is not None:
            old.update(image_remove.blobs_below(places, before.digest))
        body, notes = make(before)
        entry = {
            "mediaType": _TYPES[kind],
            "digest": blobs.put(places, body),
            "size": len(body),
            "annotations": {**notes, kind: full},
        }
        made.append(Kept(full, str(entry["digest"]), entry))
        left = [one for one in entries if layout.notes_of(one).get(kind) != full]
        if before is not None:  # it keeps its other names
            left = [_moved(one, kind, before.digest, entry) for one in left]
        return [*left, entry]

    layout.change(places, edit, lambda left: _drop(places, old, left))
    return made[0]


def _moved(
    entry: dict[str, Any], kind: str, before: str, now: dict[str, Any]
) -> dict[str, Any]:
    """Return an entry, or that of the changed object under the entry's name."""
    name = layout.notes_of(entry).get(kind)
    if name is None or entry.get("digest") != before:
        return entry
    return {**now, "annotations": {**layout.notes_of(now), kind: name}}


def remove(places: Places, kind: str, word: str) -> Kept:
    """Remove a list or an artifact, and what nothing else needs. Raises ImageNotKnown."""
    gone: list[Kept] = []
    old: set[str] = set()

    def edit(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        one = _find(of(entries, kind), kind, word, places)
        gone.append(one)
        old.update(image_remove.blobs_below(places, one.digest))
        return [
            entry
            for entry in entries
            if (layout.notes_of(entry).get(kind), entry.get("digest")) != (one.name, one.digest)
        ]

    layout.change(places, edit, lambda left: _drop(places, old, left))
    return gone[0]


def _drop(places: Places, old: set[str], left: list[dict[str, Any]]) -> None:
    if old:
        for digest in old - image_remove.needed(places, left)[1]:
            blobs.remove(places, digest)
