# SPDX-License-Identifier: Apache-2.0
"""image mount and unmount: an image's files as a directory, in the namespaces of unshare."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures import images
from tests.fixtures.program import Program, Result, within
from tests.fixtures.store import Store

pytestmark = pytest.mark.own


@pytest.fixture
def store(program: Program, tmp_path: Path) -> Iterator[Store]:
    """Return a store with the images a (two layers) and b (one)."""
    own = Store(program, tmp_path)
    files = {"etc": images.directory(), "etc/below": b"1\n", "etc/gone": b"2\n"}
    above = {"etc/.wh.gone": b"", "etc/above": (b"3\n", 0o4755)}
    for name, layers in (("a", [files, above]), ("b", [{"only": b"b\n"}])):
        path = tmp_path / f"{name}.tar"
        path.write_bytes(images.docker_archive(images.make(layers, {}), f"localhost/{name}:1"))
        own("load", "-q", "-i", str(path))
    yield own
    if os.getuid() == 0:
        own("image", "unmount", "--all", "--force", check=None)
    own.remove()


def inside(store: Store, script: str, check: int | None = 0) -> Result:
    """Run a script with $PYPOD in `pypod unshare`; root needs none."""
    pypod = " ".join(store.program.argv(*store.first))
    words = ("sh", "-ec", script.replace("pypod ", f"{pypod} "))
    return store("unshare", *words, check=check)


def test_an_image_is_mounted_read_only(store: Store) -> None:
    script = (
        "path=$(pypod image mount a:1); echo $path; cat $path/etc/below $path/etc/above;"
        " ls $path/etc; stat -c %u:%g:%a $path/etc/above;"
        " touch $path/x 2>/dev/null && echo written; pypod image umount a:1; ls -d $path || true"
    )
    done = inside(store, script.replace("&& echo written", "&& echo written || true"))
    path, *rest = done.out.split()
    id = store("images", "-q", "--no-trunc", "a:1").line.removeprefix("sha256:")
    assert path == f"{store.root}/mounts/{id}"
    assert rest == ["1", "3", "above", "below", "0:0:4755", id]
    assert "No such file" in done.err


def test_mounts_are_listed_and_end_with_the_namespace(store: Store) -> None:
    script = (
        "pypod image mount a:1 b:1; echo; pypod image mount; echo;"
        " pypod image mount --format json; echo; pypod image unmount -a; pypod image mount"
    )
    given, listed, document, gone = inside(store, script).out.split("\n\n")
    assert given == listed
    rows = [line.split() for line in given.splitlines()]
    assert sorted(name for name, _path in rows) == ["localhost/a:1", "localhost/b:1"]
    found = json.loads(document)
    assert {one["mountpoint"] for one in found} == {path for _name, path in rows}
    assert [one["Repositories"] for one in found] == [[name] for name, _path in rows]
    assert sorted(gone.split()) == sorted(one["id"] for one in found)
    inside(store, "pypod image mount --all >/dev/null")
    if os.getuid() == 0:
        store("image", "unmount", "-a")
    assert os.listdir(store.root / "mounts") == []
    wrong = inside(store, "pypod image mount --format x", check=125)
    assert 'unknown --format argument: "x"' in wrong.err
    assert "nope: image not known" in inside(store, "pypod image mount nope", check=125).err
    assert "may not pass any" in inside(store, "pypod image mount -a a:1", check=125).err
    assert "must be specified" in inside(store, "pypod image unmount", check=125).err
    inside(store, "pypod image unmount a:1")  # is not mounted: no error, as podman has it


def test_one_command_in_unshare_is_enough(store: Store) -> None:
    for words, counted in (
        (("image", "mount", "--all", "--format", "json"), '"mountpoint"'),
        (("image", "mount", "-a"), "/mounts/"),
        (("image", "unmount", "--force", "b:1", "a:1"), "\n"),
    ):
        out = store("unshare", store.program.path, *words).out
        assert out.count(counted) == 2, out


@pytest.mark.passes("user", "single")
def test_a_user_is_told_to_run_it_in_unshare(store: Store) -> None:
    for verb in ("mount", "unmount"):
        done = store("image", verb, "a:1", check=125)
        assert "must execute `pypod unshare` first" in done.err and "Hint: run it in" in done.err
    assert done.out == "" and os.listdir(store.root / "mounts") == []


def test_a_mounted_image_is_not_removed(store: Store, tmp_path: Path) -> None:
    ready, end = tmp_path / "ready", tmp_path / "end"
    pypod = " ".join(store.program.argv(*store.first))
    script = (
        f"path=$({pypod} image mount a:1); cd $path; touch {ready};"
        f" while ! test -e {end}; do sleep 0.05; done; cat etc/below; {pypod} image unmount a:1 ||"
        f" {pypod} image unmount --force a:1; ls /proc/self/cwd/etc"
    )
    there = store.start("unshare", "sh", "-c", script)
    assert within(30, ready.exists)
    for words in (("rmi", "a:1"), ("rmi", "-f", "a:1")):
        refused = store(*words, check=2)
        assert "is mounted" in refused.err and "Hint: " in refused.err
    store("image", "prune", "-a", "-f")
    assert store("images", "-q", "a:1").out
    assert not store("images", "-q", "b:1").out
    end.touch()
    out, err = there.communicate(timeout=60)
    assert out.split()[0] == b"1" and out.endswith(b"above\nbelow\n")
    assert b"busy" in err
    store("rmi", "a:1")
    assert not list((store.root / "layers").glob("*/*"))


@pytest.mark.parametrize("command", ["images", "ps"])
def test_pypod_in_unshare_sees_the_same_store(store: Store, command: str) -> None:
    store("create", "--network=none", "b:1", "/x")
    pypod = store.program.argv()[0]
    expected = store(command, "-a", "-q").out
    assert expected and store("unshare", pypod, command, "-a", "-q").out == expected
    store("rm", "-a", "-f")


def test_a_store_behind_a_symbolic_link_is_the_same_to_the_kernel(
    program: Program, tmp_path: Path
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "home").symlink_to("real")
    store = Store(program, tmp_path / "home")
    archive = tmp_path / "a.tar"
    made = images.make([{"file": b"1\n"}], {})
    archive.write_bytes(images.docker_archive(made, "localhost/a:1"))
    store("load", "-q", "-i", str(archive))
    script = (
        "path=$(pypod image mount a:1); cat $path/file; pypod image mount a:1; echo $path;"
        " pypod rmi a:1 || echo $?; pypod image unmount a:1; pypod image mount"
    )
    done = inside(store, script)
    path = f"{tmp_path}/home/root/mounts/{made.id[7:]}"
    assert done.out.splitlines() == ["1", path, path, "2", made.id[7:]]
    assert "is mounted" in done.err
    store.remove()


def test_what_a_list_means_is_unmounted_by_its_name(store: Store) -> None:
    store("manifest", "create", "both")
    store("manifest", "add", "both", "a:1")
    done = inside(store, "pypod image mount both; pypod image unmount both; pypod image mount")
    assert len(done.out.splitlines()) == 2
    store("rmi", "both")
