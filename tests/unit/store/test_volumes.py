# SPDX-License-Identifier: Apache-2.0
"""Volume records: one winner per name, found by name or its beginning, gone in one rename."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pypod.errors import AmbiguousId, CorruptStore, NameInUse, NoSuchVolume
from pypod.kernel import paths
from pypod.kernel.paths import Places
from pypod.store import volumes


@pytest.fixture
def places(tmp_path: Path) -> Places:
    found = Places(str(tmp_path / "graph"), str(tmp_path / "run"))
    paths.prepare(found)
    return found


def make(places: Places, name: str, **more: object) -> volumes.Volume:
    volume, lock = volumes.create(places, name, **more)  # type: ignore[arg-type]
    lock.close()
    return volume


def test_a_volume_is_whole_when_it_has_its_name(places: Places) -> None:
    before = os.umask(0o077)
    try:
        made = make(places, "data", labels={"a": "b"}, options={"type": "tmpfs"})
    finally:
        os.umask(before)
    found = volumes.find(places, "data")
    assert (found.labels, found.options, found.anonymous) == ({"a": "b"}, {"type": "tmpfs"}, False)
    assert found.first_use() == ["copy", "owner"]
    assert os.stat(made.mountpoint).st_mode & 0o777 == 0o755
    assert os.listdir(places.tmp) == []


def test_a_name_is_given_once(places: Places) -> None:
    make(places, "data")
    Path(places.volumes, "data", "_data", "f").write_text("kept")
    with pytest.raises(NameInUse, match="already exists"):
        make(places, "data")
    assert Path(places.volumes, "data", "_data", "f").read_text() == "kept"
    assert os.listdir(places.tmp) == []


def test_the_beginning_of_a_name_is_enough_when_it_fits_no_other(places: Places) -> None:
    for name in ("alpha", "alps", "beta", "alp"):
        make(places, name)
    assert volumes.find(places, "alp").name == "alp"
    assert volumes.find(places, "b").name == "beta"
    with pytest.raises(AmbiguousId, match="alpha, alps"):
        volumes.find(places, "al")
    for name in ("gamma", "", "../tmp", ".", "/"):
        with pytest.raises(NoSuchVolume):
            volumes.find(places, name)
    assert [one.name for one in volumes.every(places)] == ["alp", "alpha", "alps", "beta"]


def test_what_is_left_to_do_is_written_in_one_step(places: Places) -> None:
    made = make(places, "data")
    made.set_first_use(["copy"])
    assert made.first_use() == ["copy"]
    made.set_first_use([])
    made.set_first_use([])
    assert made.first_use() == []
    assert sorted(os.listdir(made.directory)) == ["_data", "volume.json"]


def test_a_lock_is_never_of_what_was_removed(places: Places) -> None:
    made = make(places, "data")
    with made.lock():
        path = made.to_trash()
    assert os.path.isdir(path)
    with pytest.raises(NoSuchVolume):
        made.lock()
    with pytest.raises(NoSuchVolume):
        volumes.Volume(places, "data").document  # noqa: B018


def test_a_damaged_record_is_named(places: Places) -> None:
    make(places, "data")
    Path(places.volumes, "data", "volume.json").write_text("{")
    with pytest.raises(CorruptStore, match="volume data"):
        volumes.find(places, "data").document  # noqa: B018
