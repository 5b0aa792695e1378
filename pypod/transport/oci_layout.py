# SPDX-License-Identifier: Apache-2.0
"""`oci:` and `oci-archive:`: an OCI image layout, as a directory or in a tar.

Source: OCI image-spec 1.1, image-layout.md.
"""

from __future__ import annotations

import os

from pypod.errors import IntegrityError, PypodError
from pypod.kernel import fastjson, strictjson
from pypod.kernel.locks import Lock
from pypod.oci import digest as oci_digest
from pypod.oci import manifest as oci
from pypod.transport import files, tar
from pypod.transport.output import Output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pypod.oci.convert import Document
    from pypod.oci.manifest import Descriptor
    from pypod.transport.files import Piece, Read

REF_NAME = "org.opencontainers.image.ref.name"
_FULL_NAME = "io.containerd.image.name"
"""What containerd and docker add: the whole name where the other has the tag only."""
_LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'
_BLOBS = "blobs/sha256"


def is_layout(box: files.Directory | tar.Archive) -> bool:
    """Say whether files look like a layout."""
    return box.has("index.json") and box.has("oci-layout")


class LayoutSource(files.FileSource):
    """An image of a layout. `reference` is its name there, `@N` the Nth, nothing the only one."""

    def __init__(self, box: files.Directory | tar.Archive, reference: str = "") -> None:
        self.noun, self._box = box.noun, box
        self.archived = not isinstance(box, files.Directory)
        if not is_layout(box):
            raise PypodError(f"{self.noun}: not an OCI image layout")
        document = strictjson.loads(box.small("index.json"), f"{self.noun}: index.json")
        index = oci.parse(document, oci.OCI_INDEX)
        if not isinstance(index, oci.Index):
            raise IntegrityError(f"{self.noun}: index.json is not an index")
        self._entries = index.manifests
        self._notes = [_notes(entry) for entry in document["manifests"]]
        self._wanted = reference
        self._known: dict[str, str] = {}

    @property
    def images(self) -> list[tuple[str, str]]:
        """For each image what chooses it, `@N`, and its name; nothing for one without."""
        return [(f"@{number}", _name(self._notes[number])) for number in self._own()]

    def referrers(self, digest: str) -> list[Descriptor]:
        """Return what refers to a manifest: entries without a name. Raises PypodError."""
        return [
            entry
            for entry, notes in zip(self._entries, self._notes, strict=True)
            if not _name(notes) and self._subject(entry) == digest
        ]

    def _own(self) -> list[int]:
        """Return which entries are images: not those that only refer to others."""
        if len(self._entries) == 1:
            return [0]
        there = {entry.digest for entry in self._entries}
        return [
            number
            for number, entry in enumerate(self._entries)
            if _name(self._notes[number]) or self._subject(entry) not in there
        ]

    def _subject(self, entry: Descriptor) -> str:
        """Return what an entry refers to; nothing for one that cannot be read."""
        if entry.digest not in self._known:
            try:
                body = self._box.small(f"{_BLOBS}/{oci_digest.hex_of(entry.digest)}")
                document = strictjson.loads(body, "the manifest")
            except PypodError:
                document = None  # who asks for it is told why
            subject = document.get("subject") if isinstance(document, dict) else None
            found = subject.get("digest") if isinstance(subject, dict) else None
            self._known[entry.digest] = found if isinstance(found, str) else ""
        return self._known[entry.digest]

    def choose(self, reference: str) -> None:
        """Be another image of the layout from now on."""
        self._wanted = reference

    def manifest(self, wanted: str) -> tuple[bytes, str, str]:
        """Return a manifest's bytes, type where it is known, and digest. Raises PypodError."""
        if wanted:
            return self._box.small(f"{_BLOBS}/{oci_digest.hex_of(wanted)}"), "", wanted
        entry = self._chosen()
        body = self._box.small(f"{_BLOBS}/{oci_digest.hex_of(entry.digest)}")
        return body, entry.media_type, entry.digest

    def _chosen(self) -> Descriptor:
        found = [
            entry
            for number, (entry, notes) in enumerate(zip(self._entries, self._notes, strict=True))
            if self._wanted in ("", f"@{number}", notes.get(REF_NAME), notes.get(_FULL_NAME))
        ]
        if not self._wanted and len(found) > 1:
            found = [self._entries[number] for number in self._own()]
        if self._wanted and not found:
            raise PypodError(f"{self.noun}: no image is called {self._wanted}", hint=self._hint())
        if not found:
            raise PypodError(f"{self.noun}: there is no image in it")
        if len({entry.digest for entry in found}) > 1:
            raise PypodError(
                f"{self.noun}: more than one image, choose one by :NAME", hint=self._hint()
            )
        return found[0]

    def _hint(self) -> str:
        names = [_name(notes) for notes in self._notes]
        shown = ", ".join(ascii(name)[1:-1] for name in names if name)
        return f"there are {shown[:300]}" if shown else "@0 is the first image"

    def blob(self, digest: str, size: int, offset: int = 0) -> Piece:
        """Return a blob. Raises PypodError."""
        return self._box.piece(f"{_BLOBS}/{oci_digest.hex_of(digest)}", offset)

    def close(self) -> None:
        """Close the archive."""
        self._box.close()


def _notes(entry: dict[str, Any]) -> dict[str, str]:
    notes = entry.get("annotations")
    if not isinstance(notes, dict):
        return {}
    return {key: value for key, value in notes.items() if isinstance(value, str)}


def _name(notes: dict[str, str]) -> str:
    return notes.get(_FULL_NAME) or notes.get(REF_NAME, "")


class _Target:
    """What is the same for both kinds."""

    kinds: tuple[str, ...] = (oci.OCI_MANIFEST,)
    plain_layers = False
    packs_layers = True
    several = True
    in_order = False

    def __init__(self, noun: str, names: tuple[str, ...]) -> None:
        self.noun = noun
        self.names = names
        """What the next image is called; without one it has no name."""
        self._entries: list[dict[str, Any]] = []

    def connect(self) -> None:
        """Nothing is to be done."""

    def cancel(self) -> None:
        """The source ends."""

    def has(self, blob: Descriptor) -> bool:
        raise NotImplementedError

    def put(self, blob: Descriptor, read: Read) -> None:
        raise NotImplementedError

    def put_manifest(self, document: Document, *, top: bool) -> None:
        """Write a manifest; the top one goes into index.json under its names."""
        blob = oci.Descriptor(document.media_type, document.digest, len(document.body))
        if not self.has(blob):
            self.put(blob, lambda offset: [document.body[offset:]])
        if not top:
            return
        for name in self.names or ("",):
            entry: dict[str, Any] = {
                "mediaType": document.media_type,
                "digest": document.digest,
                "size": len(document.body),
            }
            if name:
                entry["annotations"] = {REF_NAME: name}
            self._entries.append(entry)


    def put_referrers(self, subject: str, found: list[tuple[Document, str]]) -> None:
        """Write manifests that refer to one; they have no name.

        Their annotations stay in them: one of those would be a name here.
        """
        for document, kind in found:
            size = len(document.body)
            blob = oci.Descriptor(document.media_type, document.digest, size)
            if not self.has(blob):
                self.put(blob, lambda offset, body=document.body: [body[offset:]])  # type: ignore[misc]
            self._entries.append(
                {
                    "mediaType": document.media_type,
                    "digest": document.digest,
                    "size": size,
                    "artifactType": kind,
                }
            )


class LayoutTarget(_Target):
    """A directory, new or a layout already: other images in it stay."""

    def __init__(self, path: str, names: tuple[str, ...]) -> None:
        super().__init__(path, names)
        self._path = path

    def connect(self) -> None:
        """Make the directory. Raises PypodError when something else is in it."""
        there = [name for name in files.make_directory(self._path) if not name.startswith(".")]
        if there and "oci-layout" not in there:
            raise PypodError(f"{self._path}: not empty, and not an OCI image layout")
        if not there:
            files.write(self._path, "oci-layout", [_LAYOUT])
        files.make_directory(f"{self._path}/{_BLOBS}")

    def has(self, blob: Descriptor) -> bool:
        """Say whether the blob is there with its size."""
        path = f"{self._path}/{_BLOBS}/{oci_digest.hex_of(blob.digest)}"
        return os.path.isfile(path) and os.path.getsize(path) == blob.size

    def put(self, blob: Descriptor, read: Read) -> None:
        """Write a blob, verified."""
        name = oci_digest.hex_of(blob.digest)
        files.write_blob(f"{self._path}/{_BLOBS}", name, blob, read)

    def finish(self) -> None:
        """Write index.json: a name is taken from the image that had it."""
        fresh = {notes[REF_NAME] for notes in map(_notes, self._entries) if REF_NAME in notes}
        digests = {entry["digest"] for entry in self._entries}
        with Lock(self._path):
            kept = [
                entry
                for entry in self._read()
                if _notes(entry).get(REF_NAME) not in fresh
                and not (entry.get("digest") in digests and REF_NAME not in _notes(entry))
            ]
            files.write(self._path, "index.json", [_index([*kept, *self._entries])])

    def _read(self) -> list[dict[str, Any]]:
        box = files.Directory(self._path)
        if not box.has("index.json"):
            return []
        document = strictjson.loads(box.small("index.json"), f"{self._path}: index.json")
        entries = document.get("manifests") if isinstance(document, dict) else None
        return [entry for entry in entries or () if isinstance(entry, dict)]

    def close(self) -> None:
        """Nothing is open."""


class ArchiveTarget(_Target):
    """A tar, written as the image comes; index.json is its last member but one."""

    in_order = True

    def __init__(self, path: str, names: tuple[str, ...]) -> None:
        super().__init__(path, names)
        self._output = Output(path)
        # Older skopeos give what they unpack to the owner that the archive names, and directories
        # that it does not list to root: as an ordinary user they may not.
        self._tar = tar.Writer(self._output.fd, path, (os.geteuid(), os.getegid()))
        for name in ("blobs", _BLOBS):
            self._tar.directory(name)

    def has(self, blob: Descriptor) -> bool:
        """Say whether the blob is written."""
        return self._tar.has(f"{_BLOBS}/{oci_digest.hex_of(blob.digest)}")

    def put(self, blob: Descriptor, read: Read) -> None:
        """Append a blob."""
        self._tar.add(f"{_BLOBS}/{oci_digest.hex_of(blob.digest)}", blob.size, read(0))

    def finish(self) -> None:
        """Write the index and the end."""
        index = _index(self._entries)
        self._tar.add("index.json", len(index), [index])
        self._tar.add("oci-layout", len(_LAYOUT), [_LAYOUT])
        self._tar.end()
        self._output.finish()

    def close(self) -> None:
        """Close; what was not finished is deleted."""
        self._output.close()


def _index(entries: list[dict[str, Any]]) -> bytes:
    document = {"schemaVersion": 2, "mediaType": oci.OCI_INDEX, "manifests": entries}
    return fastjson.dumps(document).encode()
