# SPDX-License-Identifier: Apache-2.0
"""The store as a place that images are copied from. Into it they come by `engine/transfer`."""

from __future__ import annotations

import os

from pypod.engine import images
from pypod.errors import CorruptStore, PypodError
from pypod.store import blobs, layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pypod.kernel.paths import Places
    from pypod.oci.image import ImageRecord
    from pypod.oci.reference import Reference

_CHUNK = 1 << 18


class StoreSource:
    """An image of the store: as it came, docker's manifest byte for byte."""

    tries = 1

    def __init__(self, places: Places, word: str, *, whole: bool) -> None:
        """`whole` asks for the index that the image was chosen from. Raises ImageNotKnown."""
        self._places = places
        found = images.found(places, word)
        self.image: ImageRecord = images.load(places, found.descriptor)
        entry = found.descriptor
        self.name = found.name
        own = layout.original_of(entry) or str(entry.get("digest", ""))
        self._top = (layout.index_of(entry) if whole else "") or own

    def connect(self) -> None:
        """Nothing is to be done."""

    def manifest(self, wanted: str) -> tuple[bytes, str, str]:
        """Return a manifest's bytes and digest. Raises PypodError for one that is not here."""
        digest = wanted or self._top
        if not blobs.exists(self._places, digest):
            raise PypodError(
                f"manifest {digest[:19]} is not in the store: the image of this machine is",
                hint="pypod image copy --all docker://NAME containers-storage:NAME fetches all",
            )
        return blobs.read(self._places, digest), "", digest

    def blob(self, digest: str, size: int, offset: int = 0) -> Piece:
        """Return a blob. Raises CorruptStore when it is missing."""
        try:
            return Piece(blobs.path(self._places, digest), offset)
        except OSError as error:
            raise CorruptStore(
                f"blob {digest[:19]}: {error.strerror}", hint="pull the image again"
            ) from None

    def wait(self, attempt: int) -> None:
        """Nothing is ever cut off here."""

    def cancel(self) -> None:
        """Nothing here takes long."""

    def close(self) -> None:
        """Nothing is open."""


class Piece:
    """A file from an offset on."""

    def __init__(self, path: str, offset: int) -> None:
        self.offset = offset
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def __iter__(self) -> Iterator[bytes]:
        at = self.offset
        while chunk := os.pread(self._fd, _CHUNK, at):
            at += len(chunk)
            yield chunk

    def __enter__(self) -> Piece:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        os.close(self._fd)


def elsewhere(places: Places, wanted: Reference) -> dict[str, str]:
    """Return, for blobs that another repository of this registry should have, that repository.

    The names of the store's images tell: what was pulled from there or pushed there is there.
    """
    found: dict[str, str] = {}
    for image, entries in images.list_images(places):
        for entry in entries:
            name = layout.name_of(entry)
            path = name.removeprefix(f"{wanted.domain}/")
            path = path.partition("@")[0].partition(":")[0]
            if name.startswith(f"{wanted.domain}/") and path != wanted.path:
                for layer in image.layers:
                    found.setdefault(layer.digest, path)
    return found
