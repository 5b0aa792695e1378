# SPDX-License-Identifier: Apache-2.0
"""pull takes up what an earlier one left, believes none of it, and heals what is damaged."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures import fault_registry as faults
from tests.fixtures import images
from tests.fixtures.fault_registry import FaultRegistry
from tests.fixtures.program import Program, within
from tests.fixtures.store import Store

pytestmark = pytest.mark.own
NONE = "--network=none"


@pytest.fixture
def store(program: Program, tmp_path: Path) -> Iterator[Store]:
    made = Store(program, tmp_path)
    yield made
    made("rm", "-a", "-f", "-t", "0")
    made.remove()


@pytest.fixture
def registry() -> Iterator[FaultRegistry]:
    with FaultRegistry() as running:
        yield running


@pytest.fixture
def image() -> images.Image:
    return images.noise(images.busybox_files())


@pytest.fixture
def name(registry: FaultRegistry, image: images.Image) -> str:
    return registry.serve("app", "1", image)


def left(store: Store, layer: str, data: bytes) -> Path:
    """Leave a part of a blob in the store, as an interrupted pull does; return where it is."""
    store("images")
    partial = store.partial(layer)
    partial.parent.mkdir(parents=True)
    partial.write_bytes(data)
    return partial


def flip(path: Path) -> None:
    """Change one bit in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)


# --- what was interrupted


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM, None])
def test_an_interrupted_pull_fetches_only_the_missing_bytes(
    store: Store,
    registry: FaultRegistry,
    image: images.Image,
    name: str,
    how: signal.Signals | None,
) -> None:
    sizes = {layer: len(image.blobs[layer]) for layer in image.layers}
    total = sum(sizes.values())
    for layer in image.layers:
        registry.fault(layer, faults.slow(16_384, 0.004), times=1)
    running = store.start("pull", name)
    assert within(30, lambda: sum(store.held(image.layers).values()) > total // 2)
    if how is None:
        registry.close()  # and never comes back: the pull gives up
    else:
        running.send_signal(how)
    _out, err = running.communicate(timeout=60)
    assert running.returncode != 0
    assert b"Traceback" not in err
    kept = store.held(image.layers)
    assert total // 2 < sum(kept.values()) < total
    assert kept[image.layers[1]] == sizes[image.layers[1]]  # this one was finished
    assert store("images", "-q").out == ""
    with FaultRegistry() as again:
        again_name = again.serve("app", "1", image)
        assert store("pull", "-q", again_name).line == image.id[7:]
        sent = {layer: again.sent.get(layer, 0) for layer in image.layers}
        assert sent == {layer: sizes[layer] - kept[layer] for layer in image.layers}
        words = ("sh", "-c", "cat /noise* | wc -c")
        shown = store("run", "--rm", NONE, again_name, *words)
    assert shown.line == str(20_000 + 4 * 1_500_000)
    assert store("system", "check").out == ""


@pytest.mark.parametrize("killed", [False, True])
def test_a_second_pull_waits_for_the_first_and_shares_what_it_did(
    store: Store, registry: FaultRegistry, image: images.Image, name: str, killed: bool
) -> None:
    gate = threading.Event()

    def gated(handler: faults.Handler, body: bytes, media_type: str) -> None:
        gate.wait(60)
        handler.good(body, media_type)

    registry.fault(image.layers[3], gated, times=1)
    first = store.start("pull", name)
    assert within(30, lambda: registry.paths(image.layers[3]))
    second = store.start("pull", name)
    assert second.stderr is not None
    lines = iter(second.stderr.readline, b"")
    assert any(b"Waiting for another pull of this image" in line for line in lines)
    if killed:
        first.kill()
    gate.set()
    out, err = second.communicate(timeout=60)
    assert (second.returncode, out.decode().strip()) == (0, image.id[7:]), err
    first.communicate(timeout=60)
    assert first.returncode == (-signal.SIGKILL if killed else 0)
    if not killed:
        assert {len(registry.paths(layer)) for layer in image.layers} == {1}
        said = [line for line in err.splitlines() if line.startswith(b"Copying blob")]
        assert len(said) == len(image.layers)
        assert all(line.endswith(b"skipped: already exists") for line in said)
    store("image", "prune", "-f")  # what the killed one left
    assert not list((store.root / "tmp").iterdir())
    assert not list((store.root / "images/partial").iterdir())


def test_a_pull_fetches_again_what_rmi_took_meanwhile(
    store: Store, registry: FaultRegistry, image: images.Image, name: str
) -> None:
    store("pull", registry.serve("other", "1", images.noise()))  # its layers are shared
    gate = threading.Event()

    def gated(handler: faults.Handler, body: bytes, media_type: str) -> None:
        gate.wait(60)
        handler.good(body, media_type)

    registry.fault(image.layers[0], gated, times=1)
    pull = store.start("pull", name)
    assert within(30, lambda: registry.paths(image.layers[0]))
    assert pull.stderr is not None
    # The shared blobs are here, and hashed; the layer that is not here is still awaited.
    seen = 0
    for line in iter(pull.stderr.readline, b""):
        seen += line.endswith(b"skipped: already exists\n")
        if seen == len(image.layers) - 1:
            break
    time.sleep(0.5)
    store("rmi", "-f", f"{registry.host}/other:1")
    gate.set()
    out, err = pull.communicate(timeout=60)
    assert (pull.returncode, out.decode().strip()) == (0, image.id[7:]), err
    assert store("system", "check").out == ""


@pytest.mark.parametrize("whole", [False, True], ids=["part", "all"])
def test_a_part_that_was_wrong_is_fetched_anew_by_the_same_pull(
    store: Store, registry: FaultRegistry, image: images.Image, name: str, whole: bool
) -> None:
    layer = image.layers[2]
    size = len(image.blobs[layer]) if whole else 1000
    left(store, layer, b"x" * size)
    store("pull", name)
    assert store.blob(layer).read_bytes() == image.blobs[layer]
    assert store("run", "--rm", NONE, name, "wc", "-c", "/noise1").line.startswith("1500000 ")


def test_a_part_is_of_no_use_where_the_registry_begins_anew(
    store: Store, registry: FaultRegistry, image: images.Image, name: str
) -> None:
    layer = image.layers[2]
    left(store, layer, b"x" * 1000)
    registry.fault(layer, faults.without_range(), times=1)
    store("pull", name)
    assert len(registry.paths(layer)) == 1  # the blob came in well, its layer is unpacked again
    assert store("run", "--rm", NONE, name, "wc", "-c", "/noise1").line.startswith("1500000 ")


def test_a_layer_that_is_wrong_at_the_registry_is_not_asked_for_without_end(
    store: Store, registry: FaultRegistry, image: images.Image, name: str
) -> None:
    layer = image.layers[2]
    partial = left(store, layer, image.blobs[layer][:1000])
    registry.fault(layer, faults.without_range(500_000))
    registry.fault(layer, faults.wrong())
    error = store("pull", name, check=125).err
    assert "Error: " in error
    assert len(registry.paths(layer)) <= 5
    assert not partial.exists() or partial.stat().st_size <= 500_000


# --- what is damaged


@pytest.mark.parametrize("what", ["layer", "config", "manifest"])
def test_pull_heals_a_flipped_bit(
    store: Store, registry: FaultRegistry, image: images.Image, name: str, what: str
) -> None:
    store("pull", name)
    digest = {"layer": image.layers[3], "config": image.id, "manifest": image.digest}[what]
    flip(store.blob(digest))
    assert f"blob {digest} is damaged" in store("system", "check", check=125).out
    registry.sent.clear()
    assert store("pull", "-q", name).line == image.id[7:]
    fetched = {key for key in registry.sent if key in image.layers}
    assert fetched == ({digest} if what == "layer" else set())
    assert store.blob(digest).read_bytes() == {**image.blobs, image.digest: image.manifest}[digest]
    assert store("system", "check").out == ""


@pytest.mark.parametrize("size", [0, 700])
def test_pull_heals_a_blob_that_was_cut(
    store: Store, image: images.Image, name: str, size: int
) -> None:
    store("pull", name)
    store.blob(image.layers[3]).chmod(0o644)
    os.truncate(store.blob(image.layers[3]), size)
    store("pull", name)
    assert store.blob(image.layers[3]).read_bytes() == image.blobs[image.layers[3]]
    assert store("system", "check").out == ""


def test_pull_heals_a_damaged_blob_whose_layer_is_lost(
    store: Store, image: images.Image, name: str
) -> None:
    store("pull", name)
    flip(store.blob(image.layers[3]))
    for layer in (store.root / "layers").glob("*/*"):
        if layer.is_dir():
            store("unshare", "rm", "-rf", str(layer))
    assert store("run", NONE, name, "true", check=125).err.count("Error: ") == 1
    store("pull", name)
    store("run", "--rm", NONE, name, "true")
    assert store("system", "check").out == ""


def test_a_damaged_blob_stays_gone_and_said_when_no_registry_has_it(
    store: Store, registry: FaultRegistry, image: images.Image, name: str
) -> None:
    store("pull", name)
    flip(store.blob(image.layers[3]))
    registry.fault(image.layers[3], faults.status(404))
    assert "Error: " in store("pull", name, check=125).err
    assert store("run", "--rm", NONE, name, "wc", "-c", "/noise2").line.startswith("1500000 ")


def test_run_with_pull_always_does_not_read_what_is_here(
    store: Store, registry: FaultRegistry, image: images.Image, name: str
) -> None:
    store("pull", name)
    flip(store.blob(image.layers[3]))
    registry.sent.clear()
    store("run", "--rm", NONE, "--pull=always", name, "true")
    assert image.layers[3] not in registry.sent


def unpacked(store: Store, name: str) -> Path:
    """The only file of this name in the layers."""
    return next((store.root / "layers").glob(f"*/*/{name}"))


@pytest.mark.parametrize("heal", [("pull",), ("system", "check", "--repair")])
def test_a_flipped_bit_in_an_unpacked_file_is_named_and_healed(
    store: Store, name: str, heal: tuple[str, ...]
) -> None:
    store("pull", name)
    store("run", "-d", "--name", "before", NONE, name, "true")
    assert store("wait", "before").line == "0"
    path = unpacked(store, "noise2")
    stamp = path.stat().st_mtime_ns
    flip(path)
    os.utime(path, ns=(stamp, stamp))
    found = store("system", "check", check=125)
    assert f"{name}: layer {path.parent.name[:12]} is damaged: /noise2\n" in found.out
    assert len(found.out.splitlines()) == 1
    assert store("system", "check", "--quick").out == ""
    store(*heal, *([name] if heal == ("pull",) else []))
    assert store("system", "check").out == ""
    assert unpacked(store, "noise2").read_bytes() != b""
    store("start", "-a", "before")
    assert list((store.root / "layers").glob("*/*.damaged")) == []


@pytest.mark.parametrize(
    "harm",
    ["rm noise2", "chmod 600 noise2", "echo >new", "ln -sf other noise2", "touch noise2"],
)
def test_whatever_is_changed_in_a_layer_is_found(store: Store, name: str, harm: str) -> None:
    store("pull", name)
    layer = unpacked(store, "noise2").parent
    store("unshare", "sh", "-c", f"cd {layer} && {harm}")
    changed = "/new" if "new" in harm else "/noise2"
    expected = f"layer {layer.name[:12]} is damaged: {changed}\n"
    assert expected in store("system", "check", check=125).out


def test_a_layer_is_not_replaced_under_a_running_container(store: Store, name: str) -> None:
    store("pull", name)
    store("run", "-d", "--name", "c", NONE, name, "sleep", "100")
    flip(unpacked(store, "noise2"))
    store("system", "check", check=125)
    refused = store("system", "check", "--repair", check=125)
    assert "in use by container" in refused.err
    assert "in use by container" in store("pull", name).err
    assert store("exec", "c", "wc", "-c", "/noise3").line.startswith("1500000 ")
    store("rm", "-f", "-t", "0", "c")
    store("pull", name)
    assert store("system", "check").out == ""


def test_a_replacement_that_was_killed_halfway_is_finished(store: Store, name: str) -> None:
    store("pull", name)
    path = unpacked(store, "noise2")
    flip(path)
    store("system", "check", check=125)
    # Dead between the two renames: the damaged layer is away, the good one not there, the mark is.
    store("unshare", "rm", "-rf", str(path.parent))
    store("run", "--rm", NONE, name, "true")
    assert store("system", "check").out == ""
    assert not list((store.root / "layers").glob("*/*.damaged"))


def test_a_layer_is_not_replaced_under_a_mounted_image(
    store: Store, name: str, tmp_path: Path
) -> None:
    store("pull", name)
    ready, end = tmp_path / "ready", tmp_path / "end"
    pypod = " ".join(store.program.argv(*store.first))
    script = (
        f"path=$({pypod} image mount {name}); touch {ready};"
        f" while ! test -e {end}; do sleep 0.05; done; wc -c $path/noise2; {pypod} image unmount -a"
    )
    there = store.start("unshare", "sh", "-c", script)
    assert within(30, ready.exists)
    flip(unpacked(store, "noise2"))
    store("system", "check", check=125)
    refused = store("system", "check", "--repair", check=125)
    assert "is damaged, and image" in refused.err and "is mounted" in refused.err
    assert "is mounted" in store("pull", name).err
    end.touch()
    assert there.communicate(timeout=60)[0].startswith(b"1500000 ")
    store("system", "check", "--repair")
    assert store("system", "check").out == ""


def test_a_repair_takes_a_part_that_is_whole(
    store: Store, image: images.Image, name: str
) -> None:
    store("pull", name)
    digest = image.layers[3]
    flip(store.blob(digest))
    store.partial(digest).parent.mkdir(exist_ok=True)
    store.partial(digest).write_bytes(image.blobs[digest])
    store("system", "check", "--repair")
    assert store("system", "check").out == ""
    assert not list((store.root / "trash").iterdir())


def test_what_is_removed_while_it_is_checked_is_not_damaged(
    store: Store, image: images.Image, name: str, tmp_path: Path
) -> None:
    store("pull", name)
    # Pipes for two blobs: opening one returns when the check is there, and lets it go on.
    for digest in image.layers[:2]:
        os.mkfifo(tmp_path / digest[7:])
        store.blob(digest).unlink()
        os.link(tmp_path / digest[7:], store.blob(digest))
    checking = store.start("system", "check")
    first, second = (tmp_path / digest[7:] for digest in image.layers[:2])
    os.close(os.open(first, os.O_WRONLY))
    store("rmi", name)
    os.close(os.open(second, os.O_WRONLY))
    out, err = checking.communicate(timeout=60)
    assert (checking.returncode, out) == (0, b""), err
