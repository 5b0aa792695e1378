# SPDX-License-Identifier: Apache-2.0
"""diff, the prunes and system df: what changed, what is not used, what it takes."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures import images
from tests.fixtures.program import Program
from tests.fixtures.registry import Registry
from tests.fixtures.store import Store

pytestmark = pytest.mark.own
NONE = "--network=none"


@pytest.fixture
def store(program: Program, registry: Registry, tmp_path: Path) -> Iterator[Store]:
    made = Store(program, tmp_path)
    files = images.busybox_files()
    files["var"], files["var/old"] = images.directory(), images.directory()
    files["var/old/file"], files["var/old/kept"] = b"old\n", b"kept\n"
    layers = [files, {"etc/more": b"x\n"}]
    name = registry.push(images.make(layers, {"Cmd": ["sh"]}), "upkeep/base")
    made("pull", "-q", name)
    made("tag", name, "base")
    yield made
    made("rm", "-a", "-f", "-t", "0")
    made.remove()


def test_diff_says_what_a_container_changed(store: Store) -> None:
    script = (
        "echo a > /new; echo b > /etc/passwd; rm /etc/group; rm -r /var/old; mkdir /var/old;"
        " echo k > /var/old/kept; mkdir /d; echo c > /d/e"
    )
    store("run", NONE, "--name", "c", "base", "sh", "-c", script)
    expected = [
        "A /d", "A /d/e", "C /etc", "D /etc/group", "C /etc/passwd", "A /new", "C /var",
        "C /var/old", "D /var/old/file", "C /var/old/kept",
    ]  # fmt: skip
    assert store("diff", "c").out.splitlines() == expected
    assert store("diff", "--latest").out == store("container", "diff", "-l").out
    found = json.loads(store("container", "diff", "--format", "json", "c").out)
    assert found["deleted"] == ["/etc/group", "/var/old/file"]
    assert found["added"] == ["/d", "/d/e", "/new"]
    assert store("image", "diff", "base").out.splitlines() == ["C /etc", "A /etc/more"]
    assert json.loads(store("image", "diff", "--format", "json", "base").out)["added"]
    assert store("diff", "--format", "json", "base").out.startswith("{")
    store("diff", "--format", "x", "c", check=125)
    store("diff", check=125)
    store("diff", "none", check=125)


def test_an_image_that_goes_while_its_container_is_made_is_named(store: Store) -> None:
    """create is stopped between the choice of the layers and the record in sight."""
    store("save", "-q", "-o", str(store.root / "base.tar"), "base")
    for _attempt in range(60):
        store("load", "-q", "-i", str(store.root / "base.tar"))
        made = store.start("create", NONE, "base", "true")
        while made.poll() is None:
            staged = list((store.root / "tmp").glob("container-*/config.json"))
            if staged:
                made.send_signal(signal.SIGSTOP)
                os.waitid(os.P_PID, made.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
                break
        caught = made.poll() is None and not os.listdir(store.root / "containers")
        if caught:
            store("rmi", "-a", "-f")
        made.send_signal(signal.SIGCONT)
        out, err = made.communicate(timeout=30)
        if caught:
            break
        store("rm", "-a")
    else:
        pytest.fail("create was never stopped in time")
    assert (made.returncode, out) == (125, b"")
    assert b"Error: the image was removed while the container was made" in err.splitlines()
    assert os.listdir(store.root / "containers") == os.listdir(store.root / "names") == []


def test_diff_compares_two_of_any_kind(store: Store, registry: Registry) -> None:
    script = "echo a > /new; rm -r /var/old; mkdir -p /d/e; chmod 700 /etc/more; ln -s x /link"
    store("run", NONE, "--name", "c", "base", "sh", "-c", script)
    store("create", NONE, "--name", "fresh", "base")
    expected = ["A /d", "A /d/e", "C /etc", "C /etc/more", "A /link", "A /new", "C /var"]
    expected.append("D /var/old")
    assert store("diff", "c", "base").out.splitlines() == expected
    assert store("diff", "c", "fresh").out == store("container", "diff", "c", "fresh").out
    assert store("diff", "c", "fresh").out.splitlines() == expected
    turned = [line.translate(str.maketrans("AD", "DA")) for line in expected]
    turned = [line for line in turned if line != "D /d/e"]  # what is in a lost directory
    at = turned.index("A /var/old")
    assert store("diff", "base", "c").out.splitlines() == [
        *turned[: at + 1], "A /var/old/file", "A /var/old/kept"
    ]  # fmt: skip
    store("commit", "-q", "c", "copy")
    assert store("image", "diff", "copy", "base").out.splitlines() == expected
    assert store("diff", "copy", "c").out == store("diff", "base", "base").out == ""
    # Another image altogether: the same file in other layers is the same file.
    one = images.make([{"a": b"1", "b": b"2"}], {})
    two = images.make([{"b": b"2"}, {"a": b"1", "c": b"3"}, {".wh.c": b""}], {})
    names = [registry.push(made, f"upkeep/{at}") for at, made in enumerate((one, two))]
    for name in names:
        store("pull", "-q", name)
    assert store("image", "diff", *names).out == ""
    found = json.loads(store("diff", "--format", "json", names[0], "base").out)
    assert found["added"] == ["/a", "/b"] and "/bin" in found["deleted"]
    assert "accepts between 1 and 2" in store("diff", "c", "base", "copy", check=125).err
    assert "no such container" in store("container", "diff", "c", "base", check=125).err
    store("image", "diff", "base", "fresh", check=125)


def test_container_prune_leaves_what_runs(store: Store) -> None:
    store("run", "-d", NONE, "--name", "runs", "base", "sleep", "100")
    ended = store("create", NONE, "--label", "a=b", "base").line
    other = store("create", NONE, "base").line
    assert store("container", "prune", input="n\n").out == ""
    assert "Are you sure" in store("container", "prune", input="n\n").err
    assert store("container", "prune", "-f", "--filter", "until=24h").out == ""
    assert store("container", "prune", "-f", "--filter", "label=a=b").line == ended
    assert store("container", "prune", "--force").line == other
    assert store("ps", "-a", "--format", "{{.Names}}").line == "runs"
    store("container", "prune", "-f", "--filter", "x=y", check=125)


def test_image_prune_leaves_what_is_used(store: Store) -> None:
    store("create", NONE, "--name", "c", "base")
    store("commit", "-q", "-c", "LABEL a=b", "c", "second")
    lost = store("commit", "-q", "-c", "ENV A=1", "c").line
    assert store("image", "prune", input="n\n").out == ""
    assert store("image", "prune", "-f").line == lost
    assert store("image", "prune", "-a", "-f", "--filter", "until=24h").out == ""
    assert store("image", "prune", "--all", "-f", "--filter", "label!=a=b").out == ""
    assert store("image", "prune", "--all", "--force").out.count("\n") == 1
    assert store("images", "--format", "{{.Repository}}").out.count("upkeep/base") == 1
    store("start", "-a", "c")


def test_blobs_that_are_unpacked_can_be_dropped(store: Store, tmp_path: Path) -> None:
    before = len(list((store.root / "images/blobs/sha256").iterdir()))
    store("image", "prune", "-f", "--blobs")
    assert len(list((store.root / "images/blobs/sha256").iterdir())) == before - 2
    store("run", "--rm", NONE, "base", "true")
    store("save", "-q", "-o", str(tmp_path / "t"), "base", check=125)


def test_prune_sees_what_killed_commands_left(store: Store) -> None:
    blob, part = store.blob("sha256:" + "ab" * 32), store.partial("sha256:" + "cd" * 32)
    part.parent.mkdir(exist_ok=True)
    for path in (blob, part):
        path.write_bytes(b"left")
    kinds = list((store.root / "layers").iterdir())
    layer = kinds[0] / ("ef" * 32)
    layer.mkdir()
    (store.root / "tmp/unpack-1-dead").mkdir()
    files = set(store.files())
    store("image", "prune", "-f")
    assert not any(path.exists() for path in (blob, part, layer))
    assert not list((store.root / "tmp").iterdir()) and not list((store.root / "trash").iterdir())
    assert {name for name in files if "abab" not in name and "cdcd" not in name} == set(
        store.files()
    )
    store("run", "--rm", NONE, "base", "true")


def test_df_shows_what_each_kind_takes(store: Store) -> None:
    store("volume", "create", "v")
    script = "head -c 1000000 /dev/zero > /v/f; head -c 2000000 /dev/zero > /f"
    store("run", NONE, "--name", "c", "-v", "v:/v", "base", "sh", "-c", script)
    rows = json.loads(store("system", "df", "--format", "json").out)
    by_type = {row["Type"]: row for row in rows}
    assert by_type["Containers"]["RawSize"] == by_type["Containers"]["RawReclaimable"] == 2000000
    assert by_type["Local Volumes"]["RawSize"] == 1000000
    assert by_type["Local Volumes"]["RawReclaimable"] == 0
    assert by_type["Images"]["RawSize"] > 1000000
    assert (by_type["Images"]["Total"], by_type["Images"]["Active"]) == (1, 1)
    assert by_type["Image Blobs"]["RawSize"] > 1000
    table = store("system", "df").out.splitlines()
    assert table[0].split() == ["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"]
    assert table[2].split()[:4] == ["Image", "Blobs", "2", "0"]
    assert table[3].split() == ["Containers", "1", "0", "2MB", "2MB", "(100%)"]
    shown = store("system", "df", "-v").out
    assert "Images space usage:" in shown and "LOCAL VOLUMES" in shown and "VOLUME NAME" in shown
    line = store("system", "df", "--format", "{{.Type}} {{.Total}}").out.splitlines()[0]
    assert line == "Images 1"
    store("system", "df", "--verbose", "--format", "json", check=125)


def test_sizes_are_those_of_unpacked_layers_everywhere(store: Store, registry: Registry) -> None:
    big = {"zeros": b"\0" * 3_000_000}
    made = images.make([{"below": b"x" * 500_000}, big], {"Cmd": ["/x"]})
    plain = len(images.tar({"below": b"x" * 500_000})), len(images.tar(big))
    config = len(made.blobs[made.id])
    name = registry.push(made, "upkeep/sizes")
    store("pull", "-q", name)
    other = images.make([{"below": b"x" * 500_000}], {"Cmd": ["/y"]})
    second = registry.push(other, "upkeep/shares")
    store("pull", "-q", second)

    def sizes() -> tuple[object, ...]:
        shown = json.loads(store("image", "inspect", name).out)[0]
        listed = json.loads(store("images", "--format", "json", name).out)[0]
        assert shown["Size"] == shown["VirtualSize"] == listed["Size"] == listed["VirtualSize"]
        history = [one["size"] for one in json.loads(store("history", "--format=json", name).out)]
        return shown["Size"], history, store("image", "tree", name).out

    found = sizes()
    assert found[0] == sum(plain) + config and found[1] == [plain[1], plain[0]]
    assert "3.011MB" in str(found[2])
    assert "3.51 MB" in store("images", name).out
    assert json.loads(store("image", "inspect", second).out)[0]["Size"] == plain[0] + len(
        other.blobs[other.id]
    )
    (store.root / "summary" / f"{made.id[7:]}.json").unlink()
    assert sizes() == found
    store("create", NONE, second)
    rows = {one["Type"]: one for one in json.loads(store("system", "df", "--format=json").out)}
    base = json.loads(store("image", "inspect", "base").out)[0]["Size"]
    every = base + sum(plain) + config + len(other.blobs[other.id])
    assert rows["Images"]["RawSize"] == every
    # What the image with a container shares is not to be had.
    assert rows["Images"]["RawReclaimable"] == base + plain[1] + config
    store("image", "prune", "-f", "--blobs")
    rows = {one["Type"]: one for one in json.loads(store("system", "df", "--format=json").out)}
    assert (rows["Images"]["RawSize"], rows["Image Blobs"]["RawSize"]) == (every, 0)
    assert sizes() == found


def test_system_prune_removes_what_is_not_used(store: Store) -> None:
    store("run", NONE, "-v", "/v", "--name", "c", "base", "sh", "-c", "echo x > /f")
    assert store("system", "prune", input="n\n").out == ""
    kept = store("system", "prune", "-f", "--filter", "until=24h")
    assert kept.out == "Total reclaimed space: 0B\n"
    done = store("system", "prune", "--force", "--volumes", "--all")
    assert "Deleted Containers" in done.out and "Total reclaimed space: " in done.out
    assert store("ps", "-a", "-q").out == store("images", "-q").out == ""
    assert store("volume", "ls", "-q").out == ""
    assert not [name for name in store.files() if name != "images/index.json"]


def test_check_finds_nothing_wrong_in_a_good_store(store: Store) -> None:
    for words in ((), ("--quick",), ("-q", "--repair"), ("-r",)):
        assert store("system", "check", *words).out == ""
    store("image", "prune", "-f", "--blobs")
    assert store("system", "check").out == ""


def test_every_file_of_a_store_is_described(store: Store) -> None:
    store("volume", "create", "v")
    store("run", "-d", NONE, "--name", "r", "-v", "v:/v", "base", "sleep", "100")
    store("run", "--name", "e", NONE, "base", "true")
    store("manifest", "create", "list", "base")
    store("image", "prune", "-f")
    pages = Path(__file__).parents[2] / "pypod/store/STORE.md", Path("libexec/ATTACH.md")
    text = pages[0].read_text() + (pages[0].parents[2] / pages[1]).read_text()
    content = ("blobs", "upper", "work", "_data", "rootfs")

    def names(directory: Path, depth: int) -> Iterator[str]:
        for path in directory.iterdir():
            plain = path.name
            if len(plain.split(".")[0]) == 64:  # an image, a layer, a container
                plain = plain[64:]
            if plain and plain not in ("v", "r", "e"):
                yield plain
            in_layer = directory.parent.name == "layers"
            if path.is_dir() and depth and path.name not in content and not in_layer:
                yield from names(path, depth - 1)

    unknown = sorted({name for name in names(store.root, 3) if name not in text})
    assert not unknown
