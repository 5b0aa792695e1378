# SPDX-License-Identifier: Apache-2.0
"""Summaries are derived: a lost or damaged one is made again."""

from __future__ import annotations

from pathlib import Path

import pytest

from pypod.errors import CorruptStore
from pypod.kernel import paths
from pypod.kernel.paths import Places
from pypod.oci.image import ImageRecord
from pypod.store import blobs, summary
from tests.fixtures import images


@pytest.fixture
def places(tmp_path: Path) -> Places:
    made = Places(str(tmp_path / "graph"), str(tmp_path / "run"))
    paths.prepare(made)
    return made


@pytest.fixture
def image(places: Places) -> images.Image:
    made = images.make([{"a": b"x"}], {"Cmd": ["x"]})
    for data in (*made.blobs.values(), made.manifest):
        blobs.put(places, data)
    return made


def read(places: Places, image: images.Image) -> ImageRecord:
    index, original = "sha256:" + "1" * 64, "sha256:" + "2" * 64
    return summary.read(places, image.id, image.digest, index=index, original=original)


def test_a_lost_summary_is_made_again_with_what_the_index_knows(
    places: Places, image: images.Image
) -> None:
    made = read(places, image)
    assert made.config == {"cmd": ["x"]}
    assert (made.index, made.original) == ("sha256:" + "1" * 64, "sha256:" + "2" * 64)
    assert summary.read(places, image.id) == made


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"version":1}', '{"version":0}', "x"])
def test_a_damaged_summary_is_made_again(places: Places, image: images.Image, text: str) -> None:
    whole = read(places, image)
    Path(summary.path(places, image.id)).write_text(text)
    assert read(places, image) == whole
    assert summary.read(places, image.id) == whole


def test_a_summary_of_another_image_is_not_believed(places: Places, image: images.Image) -> None:
    other = images.make([{"b": b"y"}])
    for data in (*other.blobs.values(), other.manifest):
        blobs.put(places, data)
    path = summary.path(places, image.id)
    read(places, other)
    Path(summary.path(places, other.id)).rename(path)
    assert read(places, image).id == image.id


def test_what_cannot_be_made_again_is_an_error(places: Places, image: images.Image) -> None:
    with pytest.raises(CorruptStore, match="summary is missing"):
        summary.read(places, image.id)
    Path(blobs.path(places, image.id)).unlink()
    with pytest.raises(CorruptStore, match="is missing"):
        summary.read(places, image.id, image.digest)


def test_a_manifest_of_another_image_is_refused(places: Places, image: images.Image) -> None:
    with pytest.raises(CorruptStore, match="is not its manifest"):
        summary.read(places, "sha256:" + "7" * 64, image.digest)


def test_removing_a_summary_twice_is_fine(places: Places, image: images.Image) -> None:
    read(places, image)
    summary.remove(places, image.id)
    summary.remove(places, image.id)
    assert list(Path(places.summaries).iterdir()) == []
