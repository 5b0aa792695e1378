# SPDX-License-Identifier: Apache-2.0
"""Layouts, docker archives and directories: what is written is read, what lies is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from pypod.errors import IntegrityError, PypodError
from pypod.oci.convert import Document
from pypod.oci.manifest import OCI_INDEX, OCI_MANIFEST, Descriptor
from pypod.transport.docker_archive import DockerArchiveSource
from pypod.transport.files import Directory
from pypod.transport.oci_layout import LayoutSource, LayoutTarget
from pypod.transport.plain_dir import PlainDirSource, PlainDirTarget
from pypod.transport.tar import Archive
from tests.fixtures import images

IMAGE = images.make([{"file": b"x"}])
MANIFEST = Document(IMAGE.manifest, OCI_MANIFEST, IMAGE.digest)


def write(target: LayoutTarget | PlainDirTarget, made: images.Image = IMAGE) -> None:
    """Write an image as a copy does."""
    target.connect()
    for digest, data in made.blobs.items():
        blob = Descriptor("", digest, len(data))
        if not target.has(blob):
            target.put(blob, lambda _offset, data=data: [data])  # type: ignore[misc]
    target.put_manifest(Document(made.manifest, OCI_MANIFEST, made.digest), top=True)
    target.finish()
    target.close()


def test_a_name_of_a_layout_moves_and_other_images_stay(tmp_path: Path) -> None:
    where = str(tmp_path / "layout")
    other = images.make([{"file": b"y"}])
    write(LayoutTarget(where, ("a", "b")))
    write(LayoutTarget(where, ("b",)), other)
    write(LayoutTarget(where, ()), other)
    write(LayoutTarget(where, ()), other)
    found = LayoutSource(Directory(where))
    assert [name for _, name in found.images] == ["a", "b", ""]
    for name, digest in (("a", IMAGE.digest), ("b", other.digest), ("@2", other.digest)):
        assert LayoutSource(Directory(where), name).manifest("")[2] == digest
    with pytest.raises(PypodError, match="no image is called c") as caught:
        LayoutSource(Directory(where), "c").manifest("")
    assert caught.value.hint == "there are a, b"
    with pytest.raises(PypodError, match="more than one image"):
        found.manifest("")


def test_a_blob_that_is_not_what_it_should_be_leaves_nothing(tmp_path: Path) -> None:
    where = tmp_path / "layout"
    target = LayoutTarget(str(where), ())
    target.connect()
    blob = Descriptor("", IMAGE.layers[0], 5)
    with pytest.raises(IntegrityError, match="wrong digest"):
        target.put(blob, lambda _offset: [b"wrong"])
    assert os.listdir(where / "blobs/sha256") == []


@pytest.mark.parametrize(
    ("index", "said"),
    [
        (b"", "is not JSON"),
        (b"[]", "not a JSON object"),
        (b'{"schemaVersion":2,"manifests":[{"digest":"sha256:../../x","size":1}]}', "not a sha256"),
        (b'{"schemaVersion":2,"manifests":[],"manifests":[]}', "twice"),
        (b'{"schemaVersion":2,"config":{},"layers":[]}', "disagree|not an index"),
    ],
)
def test_an_index_that_lies_is_refused(tmp_path: Path, index: bytes, said: str) -> None:
    (tmp_path / "index.json").write_bytes(index)
    (tmp_path / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    with pytest.raises(PypodError, match=said):
        LayoutSource(Directory(str(tmp_path)))


def test_a_pipe_in_a_layout_is_not_waited_for(tmp_path: Path) -> None:
    write(LayoutTarget(str(tmp_path / "l"), ()))
    layer = tmp_path / "l/blobs/sha256" / IMAGE.layers[0][7:]
    layer.unlink()
    os.mkfifo(layer)
    with pytest.raises(PypodError, match="not a regular file"):
        LayoutSource(Directory(str(tmp_path / "l"))).blob(IMAGE.layers[0], 1)


def test_a_large_manifest_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_bytes(b" " * ((4 << 20) + 1))
    with pytest.raises(IntegrityError, match="4194304 are the most"):
        PlainDirSource(Directory(str(tmp_path))).manifest("")


def test_a_directory_holds_one_image_and_drops_the_last_one(tmp_path: Path) -> None:
    where = tmp_path / "dir"
    other = images.make([{"file": b"y"}])
    write(PlainDirTarget(str(where)))
    write(PlainDirTarget(str(where)), other)
    names = {digest[7:] for digest in other.blobs} | {"version", "manifest.json"}
    assert set(os.listdir(where)) == names
    source = PlainDirSource(Directory(str(where)))
    assert source.manifest("")[0] == other.manifest
    assert source.manifest(other.digest)[0] == other.manifest
    with pytest.raises(PypodError, match="it has no manifest sha256:"):
        source.manifest(IMAGE.digest)


def test_an_index_and_its_images_fit_in_a_directory(tmp_path: Path) -> None:
    body, _ = images.index([(IMAGE, "amd64")])
    target = PlainDirTarget(str(tmp_path / "dir"))
    target.connect()
    target.put_manifest(MANIFEST, top=False)
    target.put_manifest(Document(body, OCI_INDEX, images.digest(body)), top=True)
    target.finish()
    source = PlainDirSource(Directory(str(tmp_path / "dir")))
    assert (source.manifest("")[0], source.manifest(IMAGE.digest)[0]) == (body, IMAGE.manifest)


def docker_archive(tmp_path: Path, entries: list[Any], files: dict[str, Any]) -> Archive:
    path = tmp_path / "archive.tar"
    path.write_bytes(images.tar({**files, "manifest.json": json.dumps(entries).encode()}))
    return Archive(os.open(path, os.O_RDONLY), "archive")


def test_an_image_of_an_archive_is_chosen_by_name_or_number(tmp_path: Path) -> None:
    plain = images.make([{"file": b"x"}], compression="")
    entry = {"Config": "c.json", "Layers": ["l.tar"]}
    archive = docker_archive(
        tmp_path,
        [{**entry, "RepoTags": ["a:1"]}, {**entry, "RepoTags": None}],
        {"c.json": plain.blobs[plain.id], "l.tar": plain.blobs[plain.layers[0]]},
    )
    for wanted in ("docker.io/library/a:1", "@0", "@1"):
        body, _type, digest = DockerArchiveSource(archive, wanted).manifest("")
        assert json.loads(body)["config"]["digest"] == plain.id
        assert json.loads(body)["layers"][0]["digest"] == plain.layers[0]
        assert DockerArchiveSource(archive, wanted).manifest(digest)[0] == body
    with pytest.raises(PypodError, match="2 images, choose one"):
        DockerArchiveSource(archive).manifest("")
    with pytest.raises(PypodError, match="no image is called b"):
        DockerArchiveSource(archive, "b").manifest("")
    archive.close()


@pytest.mark.parametrize(("magic", "said"), [(b"BZh91", "bzip2"), (b"\xfd7zXZ\0", "xz")])
def test_layers_that_are_packed_otherwise_are_named(
    tmp_path: Path, magic: bytes, said: str
) -> None:
    plain = images.make([{"file": b"x"}], compression="")
    archive = docker_archive(
        tmp_path,
        [{"Config": "c.json", "Layers": ["l.tar"]}],
        {"c.json": plain.blobs[plain.id], "l.tar": magic + bytes(600)},
    )
    with pytest.raises(PypodError, match=f"a layer is packed with {said}"):
        DockerArchiveSource(archive).manifest("")
    archive.close()


def test_layers_that_are_packed_by_gzip_keep_their_digest(tmp_path: Path) -> None:
    archive = docker_archive(
        tmp_path,
        [{"Config": "c.json", "Layers": ["l.tar"]}],
        {"c.json": IMAGE.blobs[IMAGE.id], "l.tar": IMAGE.blobs[IMAGE.layers[0]]},
    )
    source = DockerArchiveSource(archive)
    layer = json.loads(source.manifest("")[0])["layers"][0]
    assert layer["digest"] == IMAGE.layers[0]
    assert layer["mediaType"].endswith(".gzip")
    with source.blob(IMAGE.layers[0], layer["size"], 3) as piece:
        assert b"".join(piece) == IMAGE.blobs[IMAGE.layers[0]][3:]
    archive.close()
