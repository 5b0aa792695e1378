# SPDX-License-Identifier: Apache-2.0
"""`dir:`: manifest.json and one file per blob, named by its digest. Any format, nothing changed.

Source: containers-transports(5), and what skopeo writes: `version` is the text below, a manifest
that an index names is HEX.manifest.json.
"""

from __future__ import annotations

import os
from hashlib import sha256

from pypod.errors import PypodError
from pypod.oci import digest as oci_digest
from pypod.oci import manifest as oci
from pypod.transport import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.oci.convert import Document
    from pypod.oci.manifest import Descriptor
    from pypod.transport.files import Piece, Read

_VERSION = "Directory Transport Version: "
_OURS = f"{_VERSION}1.1\n"


def is_plain_dir(box: object) -> bool:
    """Say whether a directory looks like one."""
    return isinstance(box, files.Directory) and box.has("manifest.json")


class PlainDirSource(files.FileSource):
    """The image of a directory."""

    def __init__(self, box: files.Directory) -> None:
        self.noun, self._box = box.noun, box

    def manifest(self, wanted: str) -> tuple[bytes, str, str]:
        """Return a manifest's bytes; its type is known to itself. Raises PypodError."""
        name = f"{oci_digest.hex_of(wanted)}.manifest.json" if wanted else "manifest.json"
        if wanted and not self._box.has(name):
            body = self._box.small("manifest.json")
            if "sha256:" + sha256(body).hexdigest() != wanted:
                raise PypodError(f"{self.noun}: it has no manifest {wanted[:19]}")
            return body, "", wanted
        return self._box.small(name), "", wanted

    def blob(self, digest: str, size: int, offset: int = 0) -> Piece:
        """Return a blob. Raises PypodError."""
        return self._box.piece(oci_digest.hex_of(digest), offset)


class PlainDirTarget:
    """A directory, new, empty or of this kind: then its image is replaced."""

    kinds: tuple[str, ...] = oci.MANIFESTS
    plain_layers = False
    packs_layers = False
    several = True

    def __init__(self, path: str, *, pack: bool = False) -> None:
        self.noun, self._path = path, path
        self.packs_layers = pack
        self._top: Document | None = None
        self._names: set[str] = set()

    def connect(self) -> None:
        """Make the directory. Raises PypodError when something else is in it."""
        there = files.make_directory(self._path)
        if not there:
            return
        box = files.Directory(self._path)
        if not box.has("version") or not box.small("version").startswith(_VERSION.encode()):
            raise PypodError(
                f"{self._path}: not empty, and no directory of an image: it is left as it is"
            )

    def cancel(self) -> None:
        """The source ends."""

    def has(self, blob: Descriptor) -> bool:
        """Say whether the blob is there with its size."""
        name = oci_digest.hex_of(blob.digest)
        self._names.add(name)
        path = f"{self._path}/{name}"
        return os.path.isfile(path) and os.path.getsize(path) == blob.size

    def put(self, blob: Descriptor, read: Read) -> None:
        """Write a blob, verified."""
        self._names.add(oci_digest.hex_of(blob.digest))
        files.write_blob(self._path, oci_digest.hex_of(blob.digest), blob, read)

    def put_manifest(self, document: Document, *, top: bool) -> None:
        """Write a manifest; the top one when all is there."""
        if top:
            self._top = document
        else:
            name = f"{oci_digest.hex_of(document.digest)}.manifest.json"
            self._names.add(name)
            files.write(self._path, name, [document.body])

    def finish(self) -> None:
        """Write manifest.json, and take away what a former image left."""
        if self._top is None:
            return
        files.write(self._path, "version", [_OURS.encode()])
        files.write(self._path, "manifest.json", [self._top.body])
        for name in os.listdir(self._path):
            stem = name.removesuffix(".manifest.json")
            if name not in self._names and oci_digest.is_digest(f"sha256:{stem}"):
                os.unlink(f"{self._path}/{name}")

    def close(self) -> None:
        """Nothing is open."""
