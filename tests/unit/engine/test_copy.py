# SPDX-License-Identifier: Apache-2.0
"""Copying between places made of dictionaries: what is changed, what is kept, what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pypod.engine import copy
from pypod.errors import BodyCut, IntegrityError, PypodError, UsageError
from pypod.oci.convert import Document
from pypod.oci.manifest import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    MANIFESTS,
    OCI_MANIFEST,
    Descriptor,
    Platform,
)
from pypod.registry.login import Refused
from tests.fixtures import images

HERE = Platform("linux", "amd64")


class Body:
    """A blob that may be cut off."""

    def __init__(self, data: bytes, offset: int, cut: int) -> None:
        self.offset, self._data, self._cut = offset, data[offset:], cut

    def __iter__(self) -> Iterator[bytes]:
        for at in range(0, len(self._data), 100):
            yield self._data[at : at + 100]
            if self._cut and at >= self._cut:
                raise BodyCut("cut")

    def __enter__(self) -> Body:
        return self

    def __exit__(self, *_error: object) -> None:
        pass


class From:
    """A place to read from; `cuts` are where answers end, one after the other."""

    tries = 3

    def __init__(self, top: bytes, *made: images.Image, cuts: tuple[int, ...] = ()) -> None:
        self.top = top
        self.blobs = {key: data for one in made for key, data in one.blobs.items()}
        self.manifests = {one.digest: one.manifest for one in made}
        self.cuts = list(cuts)

    def manifest(self, wanted: str) -> tuple[bytes, str, str]:
        return self.manifests[wanted] if wanted else self.top, "", ""

    def blob(self, digest: str, size: int, offset: int = 0) -> Body:
        return Body(self.blobs[digest], offset, self.cuts.pop(0) if self.cuts else 0)

    def connect(self) -> None: ...
    def wait(self, attempt: int) -> None: ...
    def cancel(self) -> None: ...
    def close(self) -> None: ...


class To:
    """A place to write to."""

    noun = "the place"
    kinds: tuple[str, ...] = MANIFESTS
    plain_layers = packs_layers = in_order = False
    several = True

    def __init__(self, **changes: Any) -> None:
        self.blobs: dict[str, bytes] = {}
        self.manifests: list[Document] = []
        vars(self).update(changes)

    def has(self, blob: Descriptor) -> bool:
        return blob.digest in self.blobs

    def put(self, blob: Descriptor, read: Any) -> None:
        data = b"".join(read(0))
        assert (images.digest(data), len(data)) == (blob.digest, blob.size)
        self.blobs[blob.digest] = data

    def put_manifest(self, document: Document, *, top: bool) -> None:
        parsed = json.loads(document.body)
        named = [*parsed.get("layers", ()), *([parsed["config"]] if "config" in parsed else ())]
        assert all(entry["digest"] in self.blobs for entry in named)
        self.manifests.append(document)

    def connect(self) -> None: ...
    def finish(self) -> None: ...
    def cancel(self) -> None: ...
    def close(self) -> None: ...


def run(source: From, target: To, tmp_path: Path, **options: Any) -> dict[str, Any]:
    made = copy.copy(source, "", target, copy.Options(HERE, **options), str(tmp_path))
    assert made == target.manifests[-1]
    found: dict[str, Any] = json.loads(made.body)
    return found


def image(compression: str = "gzip", **more: Any) -> images.Image:
    layers: list[Any] = [{"a": b"a" * 3000}, {"b": b"b" * 3000}]
    return images.make(layers, compression=compression, **more)


def types(document: dict[str, Any]) -> set[str]:
    return {layer["mediaType"].rpartition(".")[2] for layer in document["layers"]}


def test_what_fits_is_copied_byte_for_byte(tmp_path: Path) -> None:
    made, target = image(), To()
    run(From(made.manifest, made), target, tmp_path, preserve=True)
    assert target.manifests[0].body == made.manifest
    assert target.blobs == made.blobs


def test_a_source_that_is_cut_off_is_asked_for_the_rest(tmp_path: Path) -> None:
    made, target = image(""), To()
    run(From(made.manifest, made, cuts=(300, 200, 0, 500)), target, tmp_path)
    assert target.blobs == made.blobs
    with pytest.raises(BodyCut):
        run(From(made.manifest, made, cuts=(1,) * 20), To(), tmp_path)


def test_wrong_bytes_are_refused_and_the_manifest_is_not_written(tmp_path: Path) -> None:
    made, target = image(), To()
    source = From(made.manifest, made)
    source.blobs[made.layers[1]] = made.blobs[made.layers[1]][:-1] + b"x"
    with pytest.raises(IntegrityError, match="wrong digest"):
        run(source, target, tmp_path)
    assert target.manifests == []


@pytest.mark.parametrize(
    ("before", "options", "place", "after"),
    [
        ("gzip", {}, {}, {"tar+gzip"}),
        ("", {}, {}, {"tar"}),
        ("", {}, {"packs_layers": True}, {"tar+gzip"}),
        ("", {"keep_plain": True}, {"packs_layers": True}, {"tar"}),
        ("", {"preserve": True}, {"packs_layers": True}, {"tar"}),
        ("gzip", {"compression": "zstd"}, {}, {"tar+zstd"}),
        ("zstd", {"compression": "gzip", "level": 9}, {}, {"tar+gzip"}),
        ("zstd", {"format": "v2s2"}, {}, {"gzip"}),
        ("gzip", {}, {"plain_layers": True, "kinds": (DOCKER_MANIFEST,)}, {"tar"}),
        ("zstd", {"level": 3}, {"plain_layers": True, "kinds": (DOCKER_MANIFEST,)}, {"tar"}),
    ],
)
def test_layers_are_packed_as_the_place_and_the_user_want_them(
    tmp_path: Path, before: str, options: Any, place: Any, after: set[str]
) -> None:
    made = image(before)
    found = run(From(made.manifest, made), To(**place), tmp_path, **options)
    assert types(found) == after
    assert found["config"]["digest"] == made.id


def test_a_docker_image_that_gets_zstd_becomes_an_oci_one(tmp_path: Path) -> None:
    made = image(docker=True)
    found = run(From(made.manifest, made), To(), tmp_path, compression="zstd")
    assert found["mediaType"] == OCI_MANIFEST
    with pytest.raises(UsageError, match="has no zstd"):
        run(From(made.manifest, made), To(), tmp_path, compression="zstd", format="v2s2")


def test_a_lying_diff_id_is_found_when_a_layer_is_packed_anew(tmp_path: Path) -> None:
    made, other = image(), images.make([{"a": b"z"}, {"b": b"z"}])
    config = json.loads(made.blobs[made.id])
    config["rootfs"] = json.loads(other.blobs[other.id])["rootfs"]
    body = json.dumps(config).encode()
    document = json.loads(made.manifest)
    document["config"].update(digest=images.digest(body), size=len(body))
    source = From(json.dumps(document).encode(), made)
    source.blobs[images.digest(body)] = body
    with pytest.raises(IntegrityError, match="wrong diff_id"):
        run(source, To(), tmp_path, compression="zstd")


def both() -> tuple[bytes, images.Image, images.Image]:
    ours, other = image(), image(architecture="arm64")
    return images.index([(other, "arm64"), (ours, "amd64")])[0], ours, other


def test_of_an_index_the_image_of_the_platform_is_copied(tmp_path: Path) -> None:
    index, ours, other = both()
    target = To()
    run(From(index, ours, other), target, tmp_path)
    assert [one.digest for one in target.manifests] == [ours.digest]


def test_a_whole_index_keeps_its_bytes_or_names_what_became_of_its_images(tmp_path: Path) -> None:
    index, ours, other = both()
    target = To()
    run(From(index, ours, other), target, tmp_path, multi="all", preserve=True)
    assert [one.digest for one in target.manifests] == [
        other.digest,
        ours.digest,
        images.digest(index),
    ]
    target = To()
    found = run(From(index, ours, other), target, tmp_path, multi="all", format="v2s2")
    assert found["mediaType"] == DOCKER_LIST
    assert [entry["digest"] for entry in found["manifests"]] == [
        one.digest for one in target.manifests[:2]
    ]
    with pytest.raises(PypodError, match="--preserve-digests"):
        run(From(index, ours, other), To(), tmp_path, multi="all", preserve=True, format="v2s2")
    alone = To()
    run(From(index, ours, other), alone, tmp_path, multi="index-only")
    assert (len(alone.manifests), alone.blobs) == (1, {})


@pytest.mark.parametrize("options", [{"multi": "all"}, {"multi": "index-only"}, {"preserve": True}])
def test_a_place_for_one_image_says_so_at_once(tmp_path: Path, options: Any) -> None:
    index, ours, other = both()
    with pytest.raises(UsageError, match="the place cannot hold that"):
        run(From(index, ours, other), To(several=False), tmp_path, **options)


def test_what_is_no_layer_of_files_is_never_packed_anew(tmp_path: Path) -> None:
    made = image()
    document = json.loads(made.manifest)
    for layer in document["layers"]:
        layer["mediaType"] = "application/vnd.in-toto+json"
    found = run(From(json.dumps(document).encode(), made), To(), tmp_path, compression="zstd")
    assert found == document


def test_a_registry_of_old_gets_docker_s_manifest(tmp_path: Path) -> None:
    class Old(To):
        def put_manifest(self, document: Document, *, top: bool) -> None:
            if document.media_type != DOCKER_MANIFEST:
                raise Refused("unknown type", status=415)
            super().put_manifest(document, top=top)

    made = image()
    found = run(From(made.manifest, made), Old(), tmp_path)
    assert found["mediaType"] == DOCKER_MANIFEST
    assert types(found) == {"gzip"}
    for options in ({"format": "oci"}, {"preserve": True}):
        with pytest.raises(Refused):
            run(From(made.manifest, made), Old(), tmp_path, **options)
