# SPDX-License-Identifier: Apache-2.0
"""Rows S-41, S-42 and S-46 of research/security.md, in short: killed commands, and flipped bits."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures import images
from tests.fixtures.program import Program
from tests.fixtures.registry import Registry
from tests.fixtures.store import Store

pytestmark = pytest.mark.own
NONE = "--network=none"
POINTS = 8


@pytest.fixture
def store(program: Program, tmp_path: Path) -> Iterator[Store]:
    made = Store(program, tmp_path)
    yield made
    made("rm", "-a", "-f", "-t", "0")
    made.remove()


def image(registry: Registry, name: str) -> tuple[images.Image, str]:
    noise = random.Random(7).randbytes(500_000)
    made = images.make([images.busybox_files(), {"noise": noise}], {"Cmd": ["sh"]})
    return made, registry.push(made, name)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)


def test_s46_a_flipped_bit_is_named_and_healed(store: Store, registry: Registry) -> None:
    made, name = image(registry, "accept/s46")
    other = registry.push(images.busybox({"Cmd": ["true"]}), "accept/s46-other")
    store("pull", "-q", name)
    store("pull", "-q", other)
    assert store("system", "check").out == ""
    for digest in (made.layers[1], made.id, made.digest):
        flip(store.blob(digest))
        found = store("system", "check", check=125)
        assert f"{name}: blob {digest} is damaged" in found.out
        assert other not in found.out
        assert "damage detected in local storage" in found.err
        store("run", "--rm", NONE, other, "true")
        assert "(repaired)" in store("system", "check", "--repair").out
        assert store("system", "check").out == ""
    store.blob(made.layers[0]).write_bytes(b"")
    assert "instead of" in store("system", "check", "--quick", check=125).out
    store("system", "check", "-q", "-r")
    kinds = list((store.root / "layers").iterdir())
    lost = next(one for one in kinds[0].iterdir() if one.is_dir())
    shutil.rmtree(lost, ignore_errors=True)
    if lost.exists():  # files of subordinate ids
        store("unshare", "rm", "-rf", str(lost))
    assert "is not unpacked" in store("system", "check", check=125).out
    store("system", "check", "--repair")
    store("run", "--rm", NONE, name, "test", "-s", "/noise")
    store("run", "--rm", NONE, other, "true")


def test_s46_a_damaged_record_is_named(store: Store, registry: Registry) -> None:
    _made, name = image(registry, "accept/s46-record")
    store("pull", "-q", name)
    id = store("create", NONE, name).line
    (store.root / "containers" / id / "create.json").write_bytes(b"")
    found = store("system", "check", check=125)
    assert f"container {id[:12]}: create.json" in found.out
    assert store("system", "check", "--repair", check=125).err.count(id[:12]) == 2
    store("rm", "-f", id)
    assert store("system", "check").out == ""
