# SPDX-License-Identifier: Apache-2.0
"""Manifests and indexes: what is refused, which platform is chosen, the twin of a v2s2 image."""

from __future__ import annotations

from typing import Any

import pytest

from pypod.errors import IntegrityError, PypodError, RegistryError
from pypod.oci import manifest as m
from pypod.oci.manifest import Descriptor, Index, Manifest, Platform

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64
AMD64 = Platform("linux", "amd64")


def entry(digest: str = A, size: int = 7, **more: Any) -> dict[str, Any]:
    return {"mediaType": m.OCI_LAYER + "+gzip", "digest": digest, "size": size, **more}


def image(**more: Any) -> dict[str, Any]:
    return {
        "schemaVersion": 2,
        "config": {"mediaType": m.OCI_CONFIG, "digest": B, "size": 9},
        "layers": [entry()],
        **more,
    }


def index_of(*platforms: str) -> Index:
    entries = []
    for number, text in enumerate(platforms):
        digest = f"sha256:{number:064x}"
        entries.append(Descriptor(m.OCI_MANIFEST, digest, 1, Platform(*text.split("/"))))
    return Index(m.OCI_INDEX, tuple(entries))


def chosen(index: Index, wanted: str) -> int:
    return int(m.choose(index, Platform(*wanted.split("/"))).digest[7:], 16)


@pytest.mark.parametrize("content_type", ["", m.OCI_MANIFEST, m.OCI_MANIFEST + "; charset=utf-8"])
def test_an_image_is_read(content_type: str) -> None:
    parsed = m.parse(image(), content_type)
    assert isinstance(parsed, Manifest)
    assert parsed.config.digest == B
    assert parsed.layers[0].compression == "gzip"


AMBIGUOUS = [
    (image(manifests=[]), ""),
    (image(mediaType=m.OCI_INDEX), ""),
    (image(mediaType=m.OCI_MANIFEST), m.OCI_INDEX),
    ({"schemaVersion": 2, "manifests": [], "mediaType": m.OCI_MANIFEST}, ""),
    ({"schemaVersion": 2, "manifests": [], "config": {}}, m.OCI_INDEX),
    (image(), m.OCI_INDEX),
    (image(mediaType=["x"]), ""),
    ({"schemaVersion": 2}, m.OCI_MANIFEST),
]


@pytest.mark.parametrize(("document", "content_type"), AMBIGUOUS)
def test_what_could_be_read_in_two_ways_is_refused_in_the_same_words(
    document: Any, content_type: str
) -> None:
    with pytest.raises(IntegrityError) as caught:
        m.parse(document, content_type)
    assert caught.value.message == (
        "the manifest is ambiguous: its type and its content disagree"
    )


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "x",
        {},
        image(schemaVersion=1),
        image(schemaVersion=None),
        image(fsLayers=[]),
        image(layers=None),
        image(layers={}),
        image(layers=["x"]),
        image(layers=[{}]),
        image(layers=[entry(size=-1)]),
        image(layers=[entry(size=True)]),
        image(layers=[entry(size="7")]),
        image(layers=[entry(size=1 << 63)]),
        image(layers=[entry(size=1.0)]),
        image(layers=[entry("sha256:../../x")]),
        image(layers=[entry()] * 513),
        image(config=None),
        image(config={"digest": B, "size": 5 << 20}),
        image(mediaType="application/vnd.oci.artifact.manifest.v1+json"),
        {"schemaVersion": 2, "manifests": [entry()] * 5000},
    ],
)
def test_a_wrong_document_is_refused(document: Any) -> None:
    with pytest.raises(PypodError):
        m.parse(document, "")


def test_512_layers_are_allowed() -> None:
    parsed = m.parse(image(layers=[entry()] * 512), "")
    assert isinstance(parsed, Manifest)
    assert len(parsed.layers) == 512


@pytest.mark.parametrize(
    ("media_type", "compression"),
    [
        (m.OCI_LAYER, ""),
        (m.OCI_LAYER + "+gzip", "gzip"),
        (m.OCI_LAYER + "+zstd", "zstd"),
        (m.DOCKER_LAYER + ".gzip", "gzip"),
        (m.DOCKER_LAYER + ".zstd", "zstd"),
        (m.DOCKER_LAYER, ""),
    ],
)
def test_the_type_of_a_layer_says_how_it_is_packed(media_type: str, compression: str) -> None:
    assert Descriptor(media_type, A, 1).compression == compression


@pytest.mark.parametrize(
    "media_type",
    ["", "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", m.OCI_LAYER + "+encrypted"],
)
def test_a_layer_of_another_type_cannot_be_unpacked(media_type: str) -> None:
    with pytest.raises(RegistryError, match="cannot be unpacked"):
        _ = Descriptor(media_type, A, 1).compression


@pytest.mark.parametrize(
    ("there", "wanted", "number"),
    [
        (("linux/arm64/v8", "linux/amd64"), "linux/amd64", 1),
        (("linux/arm64/v8", "linux/amd64"), "linux/arm64/v8", 0),
        (("linux/arm64", "linux/amd64"), "linux/arm64/v8", 0),
        (("linux/arm64/v8",), "linux/arm64", 0),
        (("linux/arm/v5", "linux/arm/v6", "linux/arm/v7"), "linux/arm/v7", 2),
        (("linux/arm/v5", "linux/arm/v6"), "linux/arm/v7", 1),
        (("linux/amd64/v3", "linux/amd64"), "linux/amd64", 1),
        (("linux/amd64/v3", "linux/amd64/v1"), "linux/amd64", 1),
        (("linux/amd64/v3", "linux/amd64"), "linux/amd64/v3", 0),
        (("unknown/unknown", "windows/amd64", "linux/amd64"), "linux/amd64", 2),
    ],
)
def test_the_best_variant_is_chosen(there: tuple[str, ...], wanted: str, number: int) -> None:
    assert chosen(index_of(*there), wanted) == number


@pytest.mark.parametrize("wanted", ["linux/amd64", "linux/arm/v6", "windows/arm64"])
def test_a_platform_that_is_not_there_is_an_error_that_names_those_that_are(wanted: str) -> None:
    there = index_of("linux/arm64/v8", "linux/arm/v7", "linux/amd64/v3", "unknown/unknown")
    with pytest.raises(RegistryError) as caught:
        chosen(there, wanted)
    assert caught.value.message == (
        f"no image for platform {wanted}; there is linux/amd64/v3, linux/arm/v7, linux/arm64/v8"
    )


def test_an_index_within_an_index_is_chosen_last() -> None:
    inner = Descriptor(m.OCI_INDEX, A, 1)
    direct = Descriptor(m.OCI_MANIFEST, B, 1, AMD64)
    assert m.choose(Index(m.OCI_INDEX, (inner, direct)), AMD64) == direct
    assert m.choose(Index(m.OCI_INDEX, (inner,)), AMD64) == inner


def test_an_only_image_without_a_platform_is_chosen() -> None:
    only = Descriptor(m.OCI_MANIFEST, B, 1)
    assert m.choose(Index(m.OCI_INDEX, (only,)), AMD64) == only


def test_an_image_that_names_no_platform_runs_anywhere() -> None:
    assert m.runs_on(Platform("", ""), AMD64)
    assert m.runs_on(Platform("linux", "amd64"), AMD64)
    assert not m.runs_on(Platform("linux", "arm64", "v8"), AMD64)
    assert not m.runs_on(Platform("windows", "amd64"), AMD64)


def test_the_twin_of_a_v2s2_manifest_names_the_same_blobs_in_oci_types() -> None:
    old = Manifest(
        m.DOCKER_MANIFEST,
        Descriptor(m.DOCKER_CONFIG, B, 9),
        (Descriptor(m.DOCKER_LAYER + ".gzip", A, 7), Descriptor(m.DOCKER_LAYER + ".zstd", B, 8)),
    )
    assert m.oci_twin(old) == {
        "schemaVersion": 2,
        "mediaType": m.OCI_MANIFEST,
        "config": {"mediaType": m.OCI_CONFIG, "digest": B, "size": 9},
        "layers": [
            {"mediaType": m.OCI_LAYER + "+gzip", "digest": A, "size": 7},
            {"mediaType": m.OCI_LAYER + "+zstd", "digest": B, "size": 8},
        ],
    }
    twin = m.parse(m.oci_twin(old), m.OCI_MANIFEST)
    assert isinstance(twin, Manifest)
    assert m.oci_twin(twin) == m.oci_twin(old)
