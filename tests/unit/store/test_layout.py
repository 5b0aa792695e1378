# SPDX-License-Identifier: Apache-2.0
"""index.json: names move, images stay, nobody reads half a file."""

from __future__ import annotations

import json
import os
import resource
from pathlib import Path
from typing import Any

import pytest

from pypod.errors import CorruptStore, ImageNotKnown
from pypod.kernel import paths
from pypod.kernel.paths import Places
from pypod.store import layout


def descriptor(letter: str, **notes: str) -> dict[str, Any]:
    return {
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": "sha256:" + letter * 64,
        "size": 1,
        "annotations": {layout.CONFIG: f"sha256:{letter * 63}0", **notes},
    }


@pytest.fixture
def places(tmp_path: Path) -> Places:
    made = Places(str(tmp_path / "graph"), str(tmp_path / "run"))
    paths.prepare(made)
    return made


def names(places: Places) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for entry in layout.read(places):
        found.setdefault(layout.image_of(entry)[7], []).append(layout.name_of(entry))
    return found


def test_an_empty_store_has_no_images(places: Places) -> None:
    assert layout.read(places) == []


def test_the_directory_is_an_oci_image_layout(places: Places) -> None:
    layout.set_names(places, descriptor("a"), ["x/a:1"])
    root = Path(places.images)
    assert json.loads((root / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    document = json.loads((root / "index.json").read_text())
    assert document["schemaVersion"] == 2
    assert document["manifests"][0]["annotations"][layout.REF_NAME] == "x/a:1"
    assert not list(root.glob(".*.new"))
    (root / "oci-layout").write_text("")  # a disk lost it
    layout.set_names(places, descriptor("a"), ["x/a:2"])
    assert json.loads((root / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}


def test_an_image_without_a_name_is_known(places: Places) -> None:
    layout.set_names(places, descriptor("a"), [])
    layout.set_names(places, descriptor("a"), [])
    assert names(places) == {"a": [""]}
    layout.set_names(places, descriptor("a"), ["x/a:1"])
    assert names(places) == {"a": ["x/a:1"]}


def test_a_name_that_moves_leaves_the_old_image_dangling(places: Places) -> None:
    layout.set_names(places, descriptor("a"), ["x/n:1"])
    layout.set_names(places, descriptor("b"), ["x/n:1"])
    assert names(places) == {"a": [""], "b": ["x/n:1"]}


def test_an_image_that_loses_all_its_names_at_once_stays_dangling_once(places: Places) -> None:
    layout.set_names(places, descriptor("a"), ["x/n:1", "x/n:2"])
    layout.set_names(places, descriptor("b"), ["x/n:1", "x/n:2"])
    assert names(places) == {"b": ["x/n:1", "x/n:2"], "a": [""]}
    layout.drop_names(places, ["x/n:1", "x/n:2"])
    assert names(places) == {"a": [""], "b": [""]}


def test_an_image_that_keeps_a_name_does_not_dangle(places: Places) -> None:
    layout.set_names(places, descriptor("a"), ["x/n:1", "x/n:2"])
    layout.drop_names(places, ["x/n:1"])
    assert names(places) == {"a": ["x/n:2"]}


def test_a_removed_image_goes_with_all_its_names(places: Places) -> None:
    layout.set_names(places, descriptor("a"), ["x/n:1", "x/n:2"])
    layout.set_names(places, descriptor("b"), ["x/m:1"])
    seen: list[Any] = []
    layout.drop_image(places, layout.image_of(descriptor("a")), seen.extend, lambda: None)
    assert names(places) == {"b": ["x/m:1"]}
    assert [layout.name_of(entry) for entry in seen] == ["x/m:1"]


def test_entries_of_other_tools_are_kept_and_not_listed(places: Places) -> None:
    foreign = {
        "mediaType": "x",
        "digest": "sha256:" + "f" * 64,
        "size": 2,
        "annotations": {layout.REF_NAME: "foreign"},
    }
    (Path(places.images) / "index.json").write_text(
        json.dumps({"schemaVersion": 2, "manifests": [foreign, "nonsense", {"annotations": 7}]})
    )
    layout.set_names(places, descriptor("a"), ["x/n:1"])
    assert foreign in layout.read(places)
    assert [layout.name_of(entry) for entry in layout.ours(places)] == ["x/n:1"]


def test_a_check_that_raises_changes_nothing_and_frees_the_lock(places: Places) -> None:
    layout.set_names(places, descriptor("a"), ["x/n:1"])

    def refuse(_descriptors: object) -> None:
        raise ImageNotKnown("x")

    with pytest.raises(ImageNotKnown):
        layout.set_names(places, descriptor("b"), ["x/n:1"], refuse)
    layout.set_names(places, descriptor("a"), ["x/n:2"])
    assert names(places) == {"a": ["x/n:1", "x/n:2"]}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"manifests": 7}', "null", '{"x": 1}'])
def test_a_damaged_index_is_one_error_with_a_cure(places: Places, text: str) -> None:
    (Path(places.images) / "index.json").write_text(text)
    with pytest.raises(CorruptStore) as caught:
        layout.read(places)
    assert caught.value.hint


def test_an_index_that_the_disk_does_not_give_is_one_error(places: Places) -> None:
    Path(places.images).mkdir(parents=True, exist_ok=True)
    Path(places.images, "index.json").mkdir()  # EISDIR stands for EIO
    with pytest.raises(CorruptStore, match="Is a directory"):
        layout.read(places)


def test_writers_at_the_same_time_lose_no_name(places: Places) -> None:
    children = []
    for number in range(8):
        child = os.fork()
        if child == 0:
            for turn in range(5):
                layout.set_names(places, descriptor("a"), [f"x/n:{number}-{turn}"])
            os._exit(0)
        children.append(child)
    for child in children:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert sorted(names(places)["a"]) == [f"x/n:{a}-{b}" for a in range(8) for b in range(5)]


def test_what_cannot_be_written_whole_takes_no_place(places: Places) -> None:
    # A write that fills the disk up is short, and no error: only the next one is.
    layout.set_names(places, descriptor("a"), ["x/a:1"])
    before = names(places)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            layout.set_names(places, descriptor("b"), [f"x/b{number}:1" for number in range(40)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert names(places) == before
