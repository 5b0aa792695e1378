# SPDX-License-Identifier: Apache-2.0
"""Row S-46: bits flip, metadata is cut off; check names it, others go on, pull repairs."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures import images
from tests.fixtures.program import Program
from tests.fixtures.registry import Registry
from tests.fixtures.store import Store

pytestmark = pytest.mark.own
NONE = "--network=none"
NOISE = random.Random(7).randbytes(500_000)


@pytest.fixture
def store(program: Program, tmp_path: Path) -> Iterator[Store]:
    made = Store(program, tmp_path)
    yield made
    made("rm", "-a", "-f", "-t", "0")
    made.remove()


def image(registry: Registry, name: str) -> tuple[images.Image, str]:
    made = images.make([images.busybox_files(), {"noise": NOISE}], {"Cmd": ["sh"]})
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


@pytest.mark.parametrize("place", ["layer", "configuration", "manifest", "cut short"])
def test_s46_pull_repairs_a_blob(store: Store, registry: Registry, place: str) -> None:
    made, name = image(registry, f"accept/s46-pull-{os.getpid()}")
    other = registry.push(images.busybox({"Cmd": ["true"]}), f"accept/s46-other-{os.getpid()}")
    store("pull", "-q", name)
    store("pull", "-q", other)
    digest = {"configuration": made.id, "manifest": made.digest}.get(place, made.layers[1])
    if place == "cut short":
        os.truncate(store.blob(digest), 1000)
    else:
        flip(store.blob(digest))
    found = store("system", "check", check=125)
    assert name in found.out
    assert digest in found.out
    assert other not in found.out
    store("run", "--rm", NONE, other, "true")
    assert store("pull", "-q", name).line == made.id[7:]
    assert store("system", "check").out == ""
    assert store.blob(digest).read_bytes() == made.blobs.get(digest, made.manifest)
    store("run", "--rm", NONE, name, "test", "-s", "/noise")


@pytest.mark.parametrize("how", ["flipped", "emptied", "gone", "another mode"])
def test_s46_pull_repairs_an_unpacked_file_that_check_has_named(
    store: Store, registry: Registry, how: str
) -> None:
    made, name = image(registry, f"accept/s46-file-{os.getpid()}")
    other = registry.push(images.busybox({"Cmd": ["true"]}), f"accept/s46-intact-{os.getpid()}")
    store("pull", "-q", name)
    store("pull", "-q", other)
    (path,) = (store.root / "layers").glob("*/*/noise")
    if how == "flipped":
        times = path.stat().st_atime_ns, path.stat().st_mtime_ns
        flip(path)
        os.utime(path, ns=times)
    elif how == "emptied":
        os.truncate(path, 0)
    elif how == "gone":
        path.unlink()
    else:
        path.chmod(0o4755)
    found = store("system", "check", check=125)
    assert name in found.out
    assert "noise" in found.out
    assert other not in found.out
    store("run", "--rm", NONE, other, "true")
    assert store("pull", "-q", name).line == made.id[7:]
    assert store("system", "check").out == ""
    said = store("run", "--rm", NONE, name, "sh", "-c", "sha256sum /noise; stat -c %a /noise").out
    assert said.split() == [hashlib.sha256(NOISE).hexdigest(), "/noise", "644"]


def test_s46_check_says_nothing_of_intact_layers(store: Store, registry: Registry) -> None:
    # podman #25101: alarms about images in which nothing is wrong.
    below = {"d": images.directory(), "d/gone": b"1", "d/kept": b"2", "o": images.directory()}
    info = {kind: tarfile.TarInfo(kind) for kind in ("hard", "pipe", "device")}
    info["hard"].type, info["hard"].linkname = tarfile.LNKTYPE, "d/kept"
    info["pipe"].type, info["device"].type = tarfile.FIFOTYPE, tarfile.CHRTYPE
    above = {"d/.wh.gone": b"", "o/.wh..wh..opq": b"", "o/new": b"3", "implied/by/a": b"4"}
    layers = [images.busybox_files(), {**below, "o/old": b"0"}, {**above, **info}]
    name = registry.push(images.make(layers, {"Cmd": ["sh"]}), f"accept/s46-odd-{os.getpid()}")
    store("pull", "-q", name)
    store("run", NONE, "--name", "c", name, "sh", "-c", "rm /d/kept /hard; touch /o; mkdir /n")
    store("commit", "-q", "c", "made:1")
    script = "cat /o/new /implied/by/a; ls /o; test ! -e /d/kept"
    assert store("run", "--rm", NONE, "made:1", "sh", "-c", script).out == "34new\n"
    assert store("system", "check").out == ""
    store("run", "--rm", NONE, "made:1", "sh", "-c", "ls -lR / >/dev/null; touch /d /o")
    assert store("system", "check").out == ""


OF_THE_CONTAINER = ("containerenv", "hosts", "hostname", "resolv.conf", ".reserve")
"""What a container reads, not pypod; and room that is kept."""


def metadata(store: Store) -> list[Path]:
    """Every file that pypod wrote for itself: no layer's, no packed layer, no log."""
    found = []
    for path in sorted(store.root.rglob("*")):
        parts = path.relative_to(store.root).parts
        inner = parts[0] == "layers" or "upper" in parts or "_data" in parts
        ours = not inner and path.suffix != ".log" and path.name not in OF_THE_CONTAINER
        if ours and path.is_file() and not path.is_symlink() and 0 < path.stat().st_size < 100_000:
            found.append(path)
    return found


@pytest.mark.parametrize("size", [0, 0.5])
def test_s46_metadata_that_is_cut_off_harms_no_other(
    store: Store, registry: Registry, size: float
) -> None:
    names = {}
    for one in ("good", "bad"):
        made = images.make([images.busybox_files(), {one: one.encode()}], {"Cmd": ["cat", one]})
        names[one] = registry.push(made, f"accept/s46-{one}-{os.getpid()}")
        store("pull", "-q", names[one])
        store("volume", "create", one)
        store("run", NONE, "-v", f"{one}:/v", "--name", one, names[one])
    ids = {one: store("inspect", "-f", "{{.Id}} {{.Image}}", one).line.split() for one in names}
    of_bad = {"bad", *ids["bad"], made.digest[7:], *(digest[7:] for digest in made.blobs)}
    told = 0
    for path in metadata(store):
        where = str(path.relative_to(store.root))
        content = path.read_bytes()
        broken = content[: int(len(content) * size)]
        one, other = ("bad", "good") if any(word in where for word in of_bad) else ("good", "bad")
        everybody = where.startswith(("images/index.json", "cache/"))
        path.write_bytes(broken)
        said = [
            store("ps", "-a", "--no-trunc", check=None),
            store("images", check=None),
            store("inspect", one, check=None),
            store("inspect", names[one], check=None),
            store("volume", "ls", check=None),
            store("start", "-a", one, check=None),
            store("system", "check", check=None),
        ]
        for done in said:
            assert "Traceback" not in done.err, where
            assert "bug of pypod" not in done.err, where
            assert done.rc == 0 or done.err.startswith("Error: "), where
        assert ids[other][0] in said[0].out, where
        assert ids[one][0][:12] in said[0].out + said[0].err, where
        assert store("start", "-a", other).out == other, where
        if not everybody:
            assert store("run", "--rm", NONE, names[other]).out == other, where
            assert names[other].rpartition(":")[0] in said[1].out, where
            assert names[other] not in said[6].out, where
        if path.exists() and path.read_bytes() == broken and broken != content:
            # It was not made again by itself: then it is named.
            told += said[6].rc == 125
            # Made again when they are needed, or a note of what a volume's first use has to do.
            derived = where.startswith(("cache/", "images/oci-layout")) or path.name == "first-use"
            never = size == 0 and where.endswith(("/pids", "/exit"))  # as if it never ran, or ended
            assert said[6].rc == 125 or derived or never, where
        path.write_bytes(content)
        assert store("system", "check").out == "", where
    assert told >= 5


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
