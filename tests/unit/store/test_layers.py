# SPDX-License-Identifier: Apache-2.0
"""Unpacked layers by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from pypod.errors import CorruptStore
from pypod.kernel.facts import facts
from pypod.kernel.paths import Places
from pypod.store.layers import Layers


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """Return a store of its own."""
    return Places(str(tmp_path), str(tmp_path / "run"))


def test_a_layer_is_there_when_its_name_is(places: Places) -> None:
    layers = Layers(places, facts())
    assert not layers.has("a")
    Path(layers.path("a")).mkdir(parents=True)
    assert layers.has("a")
    assert layers.missing(["b", "a", "c"]) == ["b", "c"]


def test_layers_of_two_maps_are_never_mixed(places: Places) -> None:
    known = facts()
    full, single = (Layers(places, known.replace(map=map_name)) for map_name in ("full", "single"))
    Path(full.path("a")).mkdir(parents=True)
    assert full.has("a") and not single.has("a")
    assert Layers(places, known.replace(map="root")).directory == full.directory


def test_passwd_and_group_lie_beside_the_layer(places: Places) -> None:
    layers = Layers(places, facts())
    Path(layers.directory).mkdir(parents=True)
    Path(layers.path("a") + ".passwd").write_bytes(b"root:x:0:0:\xff\n")
    assert layers.passwd("a") == "root:x:0:0:\udcff\n"
    assert layers.group("a") == ""


def test_a_passwd_that_cannot_be_read_is_an_error(places: Places) -> None:
    layers = Layers(places, facts())
    Path(layers.path("a") + ".passwd").mkdir(parents=True)
    with pytest.raises(CorruptStore, match="directory"):
        layers.passwd("a")
