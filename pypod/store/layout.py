# SPDX-License-Identifier: Apache-2.0
"""The OCI image layout of the store: index.json is the only truth for names.

Source: OCI image-spec, image-layout.md.

Writers hold images/.lock from read to rename and no longer; readers never lock.
"""

from __future__ import annotations

import errno
import os

from pypod.errors import CorruptStore, NoSpace
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
LIST = "io.pypod.list"
"""Annotation: the name of a list of images."""

_RESERVE = ".reserve"
_PAGE = 4096
_LAYOUT = '{"imageLayoutVersion":"1.0.0"}'


def read(places: Places) -> list[dict[str, Any]]:
    """Return the descriptors of index.json, oldest first. Raises CorruptStore."""
    try:
        with open(places.images + "/index.json", "rb", buffering=0) as file:
            document = fastjson.loads(file.read())
        return [entry for entry in document["manifests"] if isinstance(entry, dict)]
    except FileNotFoundError:
        return []
    except (OSError, fastjson.BadJson, KeyError, TypeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise CorruptStore(
            f"{places.images}/index.json cannot be read: {reason}",
            hint="put a good copy in its place; images and blobs are still there",
        ) from None


def change(
    places: Places,
    edit: Callable[[list[dict[str, Any]]], list[dict[str, Any]]],
    after: Callable[[list[dict[str, Any]]], None] | None = None,
) -> None:
    """Replace the descriptors by what `edit` makes of them, atomically and durably.

    `after` gets them under the same lock, and may delete what none of them needs.
    """
    with Lock(places.images + "/.lock", create=True):
        left = edit(read(places))
        _write(places, left)
        if after is not None:
            after(left)


def _write(places: Places, descriptors: list[dict[str, Any]]) -> None:
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": descriptors}
    _replace(places, "index.json", fastjson.dumps(document))
    _keep_reserve(places)
    if not _has_marker(places):
        _replace(places, "oci-layout", _LAYOUT)


def _has_marker(places: Places) -> bool:
    try:
        return os.stat(places.images + "/oci-layout").st_size == len(_LAYOUT)
    except FileNotFoundError:
        return False


def clear_staged(places: Places) -> None:
    """Delete what a writer left that was killed; the caller is within `change` or `locked`."""
    for name in ("index.json", "oci-layout"):
        try:
            os.unlink(_staged(places, name))
        except FileNotFoundError:
            pass


def _staged(places: Places, name: str) -> str:
    return f"{places.images}/.{name}.new"


def _replace(places: Places, name: str, text: str) -> None:
    staged = _staged(places, name)
    try:
        _put(places, staged, text, "wb")
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        _spend_reserve(places, staged, len(text.encode()), error)
        _put(places, staged, text, "r+b")
    os.rename(staged, f"{places.images}/{name}")
    if places.durable:
        directory = os.open(places.images, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        os.fsync(directory)
        os.close(directory)


def _put(places: Places, path: str, text: str, mode: str) -> None:
    with open(path, mode, buffering=1 << 16) as file:  # unbuffered, a full disk would cut it short
        file.write(text.encode())
        file.truncate()
        if places.durable:
            os.fsync(file.fileno())


def _keep_reserve(places: Places) -> None:
    """Keep as much room as index.json takes: who removes an image from a full disk needs it."""
    path = f"{places.images}/{_RESERVE}"
    size = -os.stat(places.images + "/index.json").st_size // _PAGE * -_PAGE
    try:
        if os.stat(path).st_size >= size:
            return
    except FileNotFoundError:
        pass
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return
    try:
        os.posix_fallocate(fd, 0, size)
    except OSError:
        os.unlink(path)  # it is not what its size says
    finally:
        os.close(fd)


def _spend_reserve(places: Places, staged: str, size: int, error: OSError) -> None:
    path = f"{places.images}/{_RESERVE}"
    try:
        enough = os.stat(path).st_size >= size
    except FileNotFoundError:
        enough = False
    if not enough:
        try:
            os.unlink(staged)
        except FileNotFoundError:
            pass
        raise NoSpace(f"{places.images}/index.json: {error.strerror}, {size} bytes are needed")
    os.rename(path, staged)


def notes_of(descriptor: dict[str, Any]) -> dict[str, str]:
    """Return the annotations of a descriptor, an empty object when it has none."""
    found = descriptor.get("annotations")
    return found if isinstance(found, dict) else {}


def name_of(descriptor: dict[str, Any]) -> str:
    """Return the name that a descriptor gives its image, empty for a dangling one."""
    return _note(descriptor, REF_NAME)


def _note(descriptor: dict[str, Any], key: str) -> str:
    value = notes_of(descriptor).get(key, "")
    return value if isinstance(value, str) else ""


def image_of(descriptor: dict[str, Any]) -> str:
    """Return the id of a descriptor's image, empty when another tool wrote it."""
    return _note(descriptor, CONFIG)


def index_of(descriptor: dict[str, Any]) -> str:
    """Return the digest of the index that an image was chosen from, or nothing."""
    return _note(descriptor, INDEX)


def original_of(descriptor: dict[str, Any]) -> str:
    """Return the digest of the v2s2 manifest that an image was pulled as, or nothing."""
    return _note(descriptor, ORIGINAL)


def ours(places: Places) -> list[dict[str, Any]]:
    """Return the descriptors that pypod wrote; another tool's stay in the file, unlisted."""
    return [entry for entry in read(places) if image_of(entry)]


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
        "platform": {
            key: value
            for key, value in (
                ("os", image.os),
                ("architecture", image.architecture),
                ("variant", image.variant),
            )
            if value
        },
    }


def digests(descriptor: dict[str, Any]) -> set[str]:
    """Return every digest that an image answers to, its id left out."""
    found = {descriptor.get("digest", ""), index_of(descriptor), original_of(descriptor)}
    return found - {""}


def set_names(
    places: Places,
    descriptor: dict[str, Any],
    names: Iterable[str],
    check: Callable[[list[dict[str, Any]]], None] | None = None,
    after: Callable[[list[dict[str, Any]]], None] | None = None,
) -> None:
    """Give an image names, taking each from the image that had it.

    An image that loses its last name stays, dangling. Without names the image is only made known.
    `check` sees the old descriptors under the lock, and raises to stop; `after` sees the new ones.
    """
    wanted = set(names)

    def edit(descriptors: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if check is not None:
            check(descriptors)
        kept = [entry for entry in descriptors if name_of(entry) not in wanted]
        if wanted:
            kept = [
                entry
                for entry in kept
                if name_of(entry) or image_of(entry) != image_of(descriptor)
            ]
        for name in sorted(wanted):
            kept.append(
                {**descriptor, "annotations": {**notes_of(descriptor), REF_NAME: name}}
            )
        return _with_dangling([*descriptors, descriptor], kept)

    change(places, edit, after)


def _with_dangling(
    before: list[dict[str, Any]], kept: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return `kept` and, unnamed, every image of `before` that it lacks."""
    known = {image_of(entry) for entry in kept}
    for entry in before:
        if image_of(entry) and image_of(entry) not in known:
            known.add(image_of(entry))
            kept.append(_unnamed(entry))
    return kept


def _unnamed(descriptor: dict[str, Any]) -> dict[str, Any]:
    notes = {key: value for key, value in notes_of(descriptor).items() if key != REF_NAME}
    return {**descriptor, "annotations": notes}


def drop_names(places: Places, names: Iterable[str]) -> None:
    """Take names away; an image that loses its last one stays, dangling."""
    gone = set(names)

    def edit(descriptors: list[dict[str, Any]]) -> list[dict[str, Any]]:
        kept = [entry for entry in descriptors if name_of(entry) not in gone]
        return _with_dangling(descriptors, kept)

    change(places, edit)


def drop_image(
    places: Places,
    image_id: str,
    after: Callable[[list[dict[str, Any]]], None],
    check: Callable[[], None],
) -> None:
    """Take an image and all its names out of the index, then call `after` under the same lock.

    `check` comes first, under the lock too, and raises to stop.
    `after` gets what is left, and may delete what none of it needs: a pull that finished since has
    its image in there, one that is about to finish waits for the lock and then looks again.
    """
    with Lock(places.images + "/.lock", create=True):
        check()
        left = [entry for entry in read(places) if image_of(entry) != image_id]
        _write(places, left)
        after(left)


def locked(places: Places, act: Callable[[list[dict[str, Any]]], None]) -> None:
    """Call `act` with the descriptors while no image comes or goes; it changes no name."""
    with Lock(places.images + "/.lock", create=True):
        act(read(places))
