# SPDX-License-Identifier: Apache-2.0
"""Artifacts of the store: files under a name, to be moved as images are.

What an artifact calls its files was written by a stranger: a title names a file of the directory
that is extracted to, or nothing is written at all.
"""

from __future__ import annotations

import os
import stat

from pypod.engine import image_peek, kept, packed_tree, trust, workers
from pypod.engine.arrival import Arrival
from pypod.engine.place import Silent, stream
from pypod.engine.scratch import Scratch
from pypod.engine.store_place import Piece
from pypod.errors import CorruptStore, NameInUse, PypodError, UsageError
from pypod.kernel import fastjson
from pypod.oci import artifact, reference
from pypod.oci import manifest as oci
from pypod.store import blobs
from pypod.transport import files
from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from pypod.engine.kept import Kept
    from pypod.engine.place import Progress, Source
    from pypod.kernel.paths import Places

_CHUNK = 1 << 18
_SNIFFED = 512
"""Bytes that tell what a file is."""


class Making(Value):
    """How files become an artifact."""

    kind: str = ""
    file_type: str = ""
    annotations: tuple[tuple[str, str], ...] = ()
    append: bool = False
    replace_: bool = False
    """Of the artifact that has the name nothing is kept."""


def find(places: Places, word: str) -> Kept:
    """Return an artifact by name or digest. Raises ImageNotKnown."""
    return kept.find(places, kept.ARTIFACT, word)


def manifest(places: Places, one: Kept) -> dict[str, Any]:
    """Return an artifact's manifest. Raises CorruptStore."""
    return dict(fastjson.loads(kept.read(places, one)))


def size(document: dict[str, Any]) -> int:
    """Return the bytes of an artifact's files."""
    return sum(int(layer["size"]) for layer in document["layers"])


def add(places: Places, name: str, paths: list[str], how: Making) -> Kept:
    """Make an artifact of files, or add them to one (`append`). Raises NameInUse, PypodError."""
    if how.append:
        name = find(places, name).name
    elif not how.replace_ and any(
        one.name == reference.local(name).stored for one in kept.every(places, kept.ARTIFACT)
    ):
        raise NameInUse(
            f"{name}: artifact already exists",
            hint="--append adds to it, --replace makes it anew",
        )
    with Arrival(places):
        layers = [
            (_take_tree if os.path.isdir(path) else _take_file)(places, path, how)
            for path in paths
        ]
        blobs.put(places, artifact.EMPTY)
        return _name_it(places, name, layers, how)


def _name_it(places: Places, name: str, layers: list[dict[str, Any]], how: Making) -> Kept:
    def make(before: Kept | None) -> tuple[bytes, dict[str, str]]:
        old = before if how.append else None
        document = manifest(places, old) if old else artifact.fresh(how.kind)
        document["layers"] = [*document["layers"], *layers]
        titles = [artifact.title_of(layer) for layer in document["layers"]]
        for title in titles:
            if title and titles.count(title) > 1:
                raise PypodError(f"{title}: file name already exists in artifact")
        return _checked(places, fastjson.dumps(document).encode()), {}

    return kept.put(
        places, kept.ARTIFACT, name, make, new=not how.append and not how.replace_
    )


def _checked(places: Places, body: bytes) -> bytes:
    """Return a manifest, all of whose blobs are here. Raises CorruptStore."""
    parsed = oci.parse(fastjson.loads(body), "")
    assert isinstance(parsed, oci.Manifest)
    for blob in (parsed.config, *parsed.layers):
        if not blobs.exists(places, blob.digest):
            raise CorruptStore(f"blob {blob.digest[:19]} was removed meanwhile", hint="try again")
    return body


def _take_file(places: Places, path: str, how: Making) -> dict[str, Any]:
    """Copy a file into the store; return its layer."""
    title = os.path.basename(path)
    if not artifact.safe_title(title):
        raise UsageError(f"{path!a}: its name cannot be the title of a file")
    directory = files.Directory(os.path.dirname(path) or ".")
    fd, length = directory.open(title)
    try:
        first = os.pread(fd, _SNIFFED, 0)
        digest = blobs.Hash()
        for chunk in _chunks(fd):
            digest.update(chunk)
        with blobs.Writer(places, digest.digest, length) as writer:
            if not writer.done:
                writer.restart()
                for chunk in _chunks(fd):
                    writer.write(chunk)
                writer.commit()
    finally:
        os.close(fd)
    return {
        "mediaType": how.file_type or artifact.file_type(title, first),
        "digest": digest.digest,
        "size": length,
        "annotations": {**dict(how.annotations), artifact.TITLE: title},
    }


def _take_tree(places: Places, path: str, how: Making) -> dict[str, Any]:
    """Pack a directory into the store; return its layer."""
    title = os.path.basename(os.path.abspath(path)) + ".tar.gz"
    if not artifact.safe_title(title):
        raise UsageError(f"{path!a}: its name cannot be the title of a file")
    with Scratch(places.tmp) as scratch:
        packed_tree.pack(path, scratch)
        with blobs.Writer(places, scratch.digest, scratch.size) as writer:
            if not writer.done:
                writer.restart()
                for chunk in scratch.read():
                    writer.write(chunk)
                writer.commit()
        return {
            "mediaType": how.file_type or artifact.file_type(title, next(scratch.read())),
            "digest": scratch.digest,
            "size": scratch.size,
            "annotations": {**dict(how.annotations), artifact.TITLE: title},
        }


def _chunks(fd: int) -> Iterator[bytes]:
    at = 0
    while chunk := os.pread(fd, _CHUNK, at):
        at += len(chunk)
        yield chunk


def pull(
    places: Places, source: Source, wanted: str, name: str, progress: Progress | None = None
) -> Kept:
    """Fetch an artifact, verified, and give it its name. Raises RegistryError, IntegrityError."""
    shown = progress or Silent()

    def act() -> Kept:
        source.connect()
        document = image_peek.document(source, wanted)
        parsed = image_peek.parse(document)
        if not isinstance(parsed, oci.Manifest):
            raise PypodError(f"{name}: an index of images is not an artifact")
        trust.check(source, wanted, [document.digest])
        needed = list(dict.fromkeys((*parsed.layers, parsed.config)))

        def one(number: int) -> None:
            blob = needed[number]
            with blobs.Writer(places, blob.digest, blob.size) as writer:
                shown.begin(blob, here=writer.done)
                if writer.done:
                    return
                for chunk in stream(
                    source, blob, writer.offset, lambda done: shown.update(blob, done)
                ):
                    writer.write(chunk)
                writer.commit()

        workers.side_by_side(one, len(needed), lambda _error: source.cancel())
        shown.note("Writing manifest to image destination")
        return kept.put(
            places, kept.ARTIFACT, name, lambda _old: (_checked(places, document.body), {})
        )

    with Arrival(places):
        return workers.awake(act, source.cancel)


class ArtifactSource(files.FileSource):
    """An artifact of the store as a place to copy from."""

    let_in = True
    """The policy was asked when it came in."""

    def __init__(self, places: Places, one: Kept) -> None:
        self._places, self._one = places, one

    def manifest(self, wanted: str) -> tuple[bytes, str, str]:
        """Return the artifact's manifest."""
        digest = wanted or self._one.digest
        return blobs.read(self._places, digest), "", digest

    def blob(self, digest: str, size: int, offset: int = 0) -> Piece:
        """Return a file."""
        return Piece(blobs.path(self._places, digest), offset)


def extract(
    places: Places, one: Kept, target: str, *, digest: str = "", title: str = ""
) -> list[str]:
    """Write an artifact's files to a directory, or one of them to a file; return the paths.

    All names are looked at before anything is written. Raises PypodError for one that leads out of
    the directory, is there twice, or stands for something that is not a regular file.
    """
    layers = [
        layer
        for layer in manifest(places, one)["layers"]
        if (not digest or layer["digest"] == digest)
        and (not title or artifact.title_of(layer) == title)
    ]
    if not layers and (digest or title):
        raise PypodError(f"{one.name}: no blob {ascii(digest or title)[1:-1]} is in the artifact")
    if os.path.isdir(target):
        named = [(target, _name(layer), layer) for layer in layers]
    elif len(layers) == 1:
        directory, name = os.path.split(target)
        if not name:
            raise PypodError(f"{target}: no such directory")
        named = [(directory or ".", name, layers[0])]
    else:
        raise PypodError(
            f'the artifact consists of several blobs and the target "{target}" is not a directory'
            " and neither digest or title was specified to only copy a single blob"
        )
    seen: set[str] = set()
    for directory, name, _layer in named:
        if name in seen:
            raise PypodError(f"{name}: two files of the artifact have this name")
        seen.add(name)
        _check_place(f"{directory}/{name}")
    for directory, name, layer in named:
        _write(places, directory, name, layer)
    return [os.path.join(directory, name) for directory, name, _layer in named]


def _name(layer: dict[str, Any]) -> str:
    title = artifact.title_of(layer)
    if not title:
        return str(layer["digest"]).replace(":", "-")
    if not artifact.safe_title(title):
        raise PypodError(
            f"title {ascii(title)[:200]}: not the name of a file, nothing is extracted",
            hint="--digest DIGEST and a path of your own extract one file",
        )
    return title


def _check_place(path: str) -> None:
    try:
        there = os.lstat(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise PypodError(f"{path}: {error.strerror}") from None
    if not stat.S_ISREG(there.st_mode):
        kind = "a symbolic link" if stat.S_ISLNK(there.st_mode) else "not a regular file"
        raise PypodError(f"{path}: it is there and is {kind}: left as it is")


def _write(places: Places, directory: str, name: str, layer: dict[str, Any]) -> None:
    blob = oci.Descriptor("", str(layer["digest"]), int(layer["size"]))

    def read(offset: int) -> Iterator[bytes]:
        try:
            piece = Piece(blobs.path(places, blob.digest), offset)
        except OSError as error:
            raise CorruptStore(f"blob {blob.digest[:19]}: {error.strerror}") from None
        with piece:
            yield from piece

    # Under a name of its own, then renamed: what is at the path is replaced, never followed.
    files.write_blob(directory, name, blob, read)
