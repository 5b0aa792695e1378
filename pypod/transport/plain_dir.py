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
from pypod.transport import files, signature_file
from pypod.transport.signature_file import COUNT_MOST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pypod.oci.convert import Document
    from pypod.oci.manifest import Descriptor
    from pypod.oci.signed import Signature
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

    def signatures(self, digest: str) -> Iterator[bytes]:
        """Yield the files of a manifest's signatures. Raises PypodError."""
        top = "sha256:" + sha256(self._box.small("manifest.json")).hexdigest()
        for number in range(1, COUNT_MOST + 1):
            name = _signature(number, "" if digest == top else digest)
            if not self._box.has(name):
                return
            yield self._box.small(name)

    def blob(self, digest: str, size: int, offset: int = 0) -> Piece:
        """Return a blob. Raises PypodError."""
        return self._box.piece(oci_digest.hex_of(digest), offset)


def _signature(number: int, digest: str = "") -> str:
    """Return the name of the Nth signature, of the top manifest or of one that an index names."""
    return f"{oci_digest.hex_of(digest)}.signature-{number}" if digest else f"signature-{number}"


class PlainDirTarget:
    """A directory, new, empty or of this kind: then its image is replaced."""

    kinds: tuple[str, ...] = oci.MANIFESTS
    plain_layers = False
    packs_layers = False
    several = True
    in_order = False
    identity = ""

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

    def check_signatures(self, kinds: set[str]) -> None:
        """All can be kept here."""

    def signatures_of(self, digest: str, kinds: set[str]) -> list[Signature]:
        """None stay: an image here takes the place of the one before."""
        return []

    def put_signatures(self, digest: str, found: list[Signature], *, top: bool) -> None:
        """Write the signatures of a manifest, each into a file."""
        for number, one in enumerate(found, 1):
            name = _signature(number, "" if top else digest)
            self._names.add(name)
            files.write(self._path, name, [signature_file.packed(one)])

    def finish(self) -> None:
        """Write manifest.json, and take away what a former image left."""
        if self._top is None:
            return
        files.write(self._path, "version", [_OURS.encode()])
        files.write(self._path, "manifest.json", [self._top.body])
        for name in os.listdir(self._path):
            if name not in self._names and _is_ours(name):
                os.unlink(f"{self._path}/{name}")

    def close(self) -> None:
        """Nothing is open."""


def _is_ours(name: str) -> bool:
    """Say whether a file is of an image: a blob, a manifest, a signature."""
    stem, dot, number = name.rpartition("signature-")
    if dot and number.isdigit():
        name = stem.removesuffix(".")
        if not name:
            return True
    return oci_digest.is_digest(f"sha256:{name.removesuffix('.manifest.json')}")
