# SPDX-License-Identifier: Apache-2.0
"""Lists of images under the commands of images: `images`, `tag`, `untag`, `rmi`, `run` (podman's).

A list may have several names, an entry of index.json each; without any it is dangling.
"""

from __future__ import annotations

import os

from pypod.engine import images, kept
from pypod.errors import ImageNotKnown, ObjectInUse, PypodError, RegistryError, UsageError
from pypod.kernel import fastjson
from pypod.oci import manifest as oci
from pypod.oci import reference
from pypod.oci.image import ImageRecord
from pypod.store import layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from pypod.engine.kept import Kept
    from pypod.kernel.paths import Places

    Entries = list[dict[str, Any]]

CREATED = "io.pypod.created"
"""Annotation of a list's entry: when it was made, RFC 3339."""


def listed(entries: Entries) -> list[tuple[ImageRecord, Entries]]:
    """Return each list as an image without layers, with its names as those of an image."""
    found: dict[str, tuple[ImageRecord, Entries]] = {}
    for one in kept.of(entries, kept.LIST):
        size = one.entry.get("size")
        image = ImageRecord(
            id=one.digest,
            manifest=one.digest,
            config={},
            created=one.note(CREATED),
            architecture="",
            os="",
            variant="",
            size=size if isinstance(size, int) else 0,
            chain_ids=(),
            diff_ids=(),
            layers=(),
            history=(),
        )
        notes = {layout.REF_NAME: one.name} if one.name else {}
        own = found.setdefault(one.digest, (image, []))[1]
        own.append({"digest": one.digest, "annotations": notes})
    return list(found.values())


def known(places: Places, word: str) -> Kept | None:
    """Return the list that a word means when no image has that name or id; None for an image.

    Raises ImageNotKnown when it is neither.
    """
    try:
        images.resolve(places, word)
    except ImageNotKnown as error:
        try:
            return kept.find(places, kept.LIST, word)
        except ImageNotKnown:
            raise error from None
    return None


def instance(places: Places, word: str) -> images.Found | None:
    """Return the image for this machine of a list; None when there is no such list.

    Raises PypodError when the store has no such image.
    """
    try:
        one = kept.find(places, kept.LIST, word)
    except ImageNotKnown:
        return None
    machine = oci.Platform("linux", *oci.architecture_of(os.uname().machine))
    index = oci.parse(fastjson.loads(kept.read(places, one)), "")
    assert isinstance(index, oci.Index)
    try:
        digest = oci.choose(index, machine).digest
    except RegistryError:
        raise PypodError(f"{word}: no image found in manifest list for {machine}") from None
    for entry in layout.ours(places):
        if digest in layout.digests(entry):
            return images.Found(entry, one.name)
    raise PypodError(
        f"{word}: the image of this list for {machine} is not in the store",
        hint=f"pypod pull REPOSITORY@{digest}",
    )


def names_of(places: Places, digest: str) -> list[str]:
    """Return the names of a list."""
    return [
        one.name for one in kept.every(places, kept.LIST) if one.digest == digest and one.name
    ]


def tag(places: Places, one: Kept, new_names: Iterable[str]) -> None:
    """Give a list more names, taking each from the list that has it. Raises UsageError."""
    wanted = []
    for new in new_names:
        parsed = reference.local(new)
        if parsed.digest:
            raise UsageError(f"{new}: tag by digest not supported")
        wanted.append(parsed.name)
    _rename(places, one, wanted, [])


def untag(places: Places, one: Kept, names: list[str]) -> None:
    """Take names from a list, all when none is given. Raises PypodError."""
    held = names_of(places, one.digest)
    gone = []
    for word in names or held:
        full = word if word in held else images.first_of(held, word, places)
        if not full:
            raise PypodError(
                f"{reference.local(word)}: tag not known", hint=f"its names: {' '.join(held)}"
            )
        gone.append(full)
    _rename(places, one, [], gone)


def _rename(places: Places, one: Kept, more: list[str], gone: list[str]) -> None:
    def edit(entries: Entries) -> Entries:
        if all(entry.digest != one.digest for entry in kept.of(entries, kept.LIST)):
            raise ImageNotKnown(one.name or one.id)  # removed since
        lost = {*more, *gone}
        left = [entry for entry in entries if layout.notes_of(entry).get(kept.LIST) not in lost]
        notes = layout.notes_of(one.entry)
        left += [{**one.entry, "annotations": {**notes, kept.LIST: name}} for name in more]
        held = {other.digest for other in kept.of(left, kept.LIST)}
        for other in kept.of(entries, kept.LIST):
            if other.digest not in held:  # its last name went: it stays, dangling
                held.add(other.digest)
                unnamed = {**layout.notes_of(other.entry), kept.LIST: ""}
                left.append({**other.entry, "annotations": unnamed})
        return left

    layout.change(places, edit)


def remove(places: Places, word: str, one: Kept, *, every_name: bool) -> list[str]:
    """Take a name from a list, and the list with its last name; return podman's lines.

    Raises ObjectInUse for an id with several names, unless `every_name`.
    """
    held = names_of(places, one.digest)
    by_id = one.name not in images.candidates(word, places)
    if not by_id and len(held) > 1:
        kept.remove(places, kept.LIST, one.name)
        return [f"Untagged: {one.name}"]
    if len(held) > 1 and not every_name:
        raise ObjectInUse(
            f'unable to delete image "{one.id}" by ID with more than one tag'
            f" ([{' '.join(held)}]): please force removal"
        )
    for name in held or [one.id]:
        kept.remove(places, kept.LIST, name)
    return [*(f"Untagged: {name}" for name in held), f"Deleted: {one.id}"]
