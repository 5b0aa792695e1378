# SPDX-License-Identifier: Apache-2.0
"""save, load, history and image tree: archives of ours and of podman, whole and hostile ones."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import signal
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures import images
from tests.fixtures.program import Program
from tests.fixtures.registry import Registry
from tests.fixtures.store import Store

archive = images.docker_archive
FORMATS = ("docker-archive", "oci-archive", "oci-dir", "docker-dir")
own = pytest.mark.own


@pytest.fixture
def store(program: Program, tmp_path: Path) -> Iterator[Store]:
    made = Store(program, tmp_path)
    yield made
    made.remove()


def image(text: str = "more\n", **more: Any) -> images.Image:
    layers: list[Any] = [images.busybox_files(), {"etc/more": text.encode()}]
    return images.make(layers, {"Cmd": ["sh"]}, **more)


@own
@pytest.mark.parametrize("kind", FORMATS)
def test_what_is_saved_is_loaded_and_runs(
    store: Store, registry: Registry, tmp_path: Path, kind: str
) -> None:
    made = image()
    name = registry.push(made, f"save/{kind}")
    store("pull", "-q", name)
    out = str(tmp_path / "out")
    saved = store("save", "--format", kind, "-o", out, name)
    assert saved.out == ""
    assert saved.err.count("Copying blob") == 2
    store("rmi", "-a")
    loaded = store("load", "-i", out)
    called = name if kind != "docker-dir" else made.id
    assert loaded.out == f"Loaded image: {called}\n"
    assert "Copying config" in loaded.err
    run = store("run", "--rm", "--network=none", called, "cat", "/etc/more")
    assert run.out == "more\n"
    assert store("images", "-q", "--no-trunc").line == made.id


@own
@pytest.mark.parametrize("compression", ["", "gzip", "bzip2", "xz", "zstd"])
@pytest.mark.parametrize("way", ["file", "stdin", "pipe"])
def test_an_archive_is_loaded_however_it_is_packed(
    store: Store, tmp_path: Path, compression: str, way: str
) -> None:
    made = image(compression="")
    data = archive(made, "busybox:mine")
    packed = {"bzip2": bz2.compress, "xz": lzma.compress}.get(
        compression, lambda plain: images.compress(plain, compression)
    )(data)
    file = tmp_path / "archive"
    file.write_bytes(packed)
    if way == "file":
        loaded = store("load", "--quiet", "--input", str(file))
        assert loaded.err == ""
    elif way == "pipe":
        loaded = store("load", "-q", input=packed)
    else:
        with file.open("rb") as stdin:
            done = subprocess.run(
                store.program.argv(*store.first, "load", "-q"),
                stdin=stdin,
                capture_output=True,
                text=True,
                check=True,
            )
        assert done.stdout == "Loaded image: docker.io/library/busybox:mine\n"
        return
    assert loaded.out == "Loaded image: docker.io/library/busybox:mine\n"
    assert store("image", "inspect", "-f", "{{.Id}}", "busybox:mine").line == made.id[7:]


@own
def test_podman_loads_what_we_saved_and_we_load_what_podman_saved(
    store: Store, registry: Registry, tmp_path: Path
) -> None:
    made = image()
    name = registry.push(made, "podman")
    store("pull", "-q", name)
    run = Path(tempfile.mkdtemp(dir=os.environ["XDG_RUNTIME_DIR"]))  # podman: 50 characters
    podman = ["/usr/bin/podman", "--root", str(tmp_path / "p"), "--runroot", str(run / "r")]
    podman += ["--storage-driver", "vfs"]
    env = {**os.environ, "XDG_RUNTIME_DIR": str(run)}

    def act(*words: str) -> str:
        command = [*podman, *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
        assert done.returncode == 0, done.stderr
        return done.stdout

    try:
        for kind in FORMATS:
            ours, theirs = str(tmp_path / f"ours-{kind}"), str(tmp_path / f"theirs-{kind}")
            store("save", "-q", "--format", kind, "-o", ours, name)
            loaded = act("load", "-q", "-i", ours)
            if kind in ("docker-archive", "oci-archive"):  # directories lose their names there
                assert loaded == f"Loaded image: {name}\n"
            assert act("images", "-q", "--no-trunc").split() == [made.id]
            act("save", "-q", "--format", kind, "-o", theirs, made.id[7:])
            act("rmi", "-f", made.id[7:])
            assert store("load", "-q", "-i", theirs).out == f"Loaded image: {made.id}\n"
        assert set(store("images", "-a", "-q", "--no-trunc").out.split()) == {made.id}
    finally:
        clear = ["/usr/bin/podman", "unshare", "rm", "-rf", tmp_path / "p"]
        subprocess.run(clear, env=env, check=False)
        for pause in run.rglob("pause.pid"):
            os.kill(int(pause.read_text()), signal.SIGKILL)


@own
def test_several_images_share_an_archive(
    store: Store, registry: Registry, tmp_path: Path
) -> None:
    first, second = image("one\n"), image("two\n")
    names = [registry.push(first, "several", "1"), registry.push(second, "several", "2")]
    store("pull", "-q", *names)
    refused = store("save", "-o", str(tmp_path / "a.tar"), *names, check=125)
    assert "several images need --multi-image-archive" in refused.err
    assert not (tmp_path / "a.tar").exists()
    for kind in ("docker-archive", "oci-archive", "oci-dir"):
        out = str(tmp_path / kind)
        store("save", "-m", "-q", "--format", kind, "-o", out, *names)
        store("rmi", "-a")
        loaded = store("load", "-q", "-i", out)
        assert loaded.out == "".join(f"Loaded image: {name}\n" for name in names)
    with tarfile.open(tmp_path / "docker-archive") as tar:
        assert len(tar.getnames()) == 3 + 2 + 1  # the lower layer once
    store("save", "-q", "--multi-image-archive", "-o", str(tmp_path / "b.tar"), names[0])


@own
def test_an_archive_goes_to_stdout_and_never_to_a_terminal(
    store: Store, registry: Registry
) -> None:
    made = image()
    name = registry.push(made, "stdout")
    store("pull", "-q", name)
    saved = subprocess.run(
        store.program.argv(*store.first, "save", name), capture_output=True, check=True
    )
    with tarfile.open(fileobj=io.BytesIO(saved.stdout)) as tar:
        assert "manifest.json" in tar.getnames()
    assert b"Copying" not in saved.stderr
    with store.program.terminal(*store.first, "save", name) as terminal:
        assert terminal.wait() == 125
        shown = terminal.seen.decode()
    assert "refusing to save to terminal. Use -o flag or redirect" in shown
    with store.program.terminal(*store.first, "load") as terminal:
        assert terminal.wait() == 125
        assert "cannot read an archive from a terminal" in terminal.seen.decode()


@own
def test_the_same_image_is_saved_to_the_same_bytes(
    store: Store, registry: Registry, tmp_path: Path
) -> None:
    name = registry.push(image(), "same")
    store("pull", "-q", name)
    for kind in ("docker-archive", "oci-archive"):
        for number in (1, 2):
            store("save", "-q", "--format", kind, "-o", str(tmp_path / f"{kind}{number}"), name)
        first, second = ((tmp_path / f"{kind}{number}").read_bytes() for number in (1, 2))
        assert sorted(_members(first)) == sorted(_members(second))


def _members(data: bytes) -> list[tuple[str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        found = []
        for entry in tar:
            file = tar.extractfile(entry)
            found.append((entry.name, file.read() if file else b""))
        return found


@own
def test_plain_layers_are_compressed_for_oci_unless_asked_not_to(
    store: Store, tmp_path: Path
) -> None:
    made = image(compression="")
    store("load", "-q", input=archive(made, "plain:1"))

    def layers(where: str) -> set[str]:
        raw = store("image", "inspect", "--raw", where).out
        return {str(layer["mediaType"]).rpartition(".")[2] for layer in json.loads(raw)["layers"]}

    store("save", "-q", "--format=oci-dir", "-o", str(tmp_path / "a"), "plain:1")
    assert layers(f"oci:{tmp_path}/a") == {"tar+gzip"}
    store("save", "-q", "--format=oci-dir", "--uncompressed", "-o", str(tmp_path / "b"), "plain:1")
    assert layers(f"oci:{tmp_path}/b") == {"tar"}
    store("save", "-q", "--format=docker-dir", "-o", str(tmp_path / "c"), "plain:1")
    assert layers(f"dir:{tmp_path}/c") == {"tar"}
    store("save", "-q", "--format=docker-dir", "--compress", "-o", str(tmp_path / "d"), "plain:1")
    assert layers(f"dir:{tmp_path}/d") == {"gzip"}


@own
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--format=zip", "x"), 'unknown format "zip"'),
        (("--compress", "x"), "--compress can only be set when --format is 'docker-dir'"),
        (("--uncompressed", "x"), "--uncompressed can only be set"),
        (("--format=oci-dir", "x"), "--format oci-dir needs --output"),
        (("no/such",), "no/such: image not known"),
    ],
)
def test_bad_input_of_save_is_one_line(store: Store, words: tuple[str, ...], said: str) -> None:
    refused = store("save", *words, check=125)
    assert refused.err.startswith("Error: ")
    assert said in refused.err


def _link(kind: bytes, target: str) -> tarfile.TarInfo:
    entry = tarfile.TarInfo()
    entry.type, entry.linkname = kind, target
    return entry


def hostile(kind: str) -> bytes:
    """Return an archive that must not be loaded."""
    made = image(compression="")
    layer = f"{made.layers[0][7:]}.tar"
    parts: dict[str, Any] = {f"{one[7:]}.tar": made.blobs[one] for one in made.layers}
    parts["config.json"] = made.blobs[made.id]
    entry = {"Config": "config.json", "RepoTags": ["evil:1"], "Layers": list(parts)[:2]}
    parts["manifest.json"] = json.dumps([entry]).encode()
    if kind == "no archive":
        return b"no archive at all" * 100
    if kind == "empty":
        return b""
    if kind == "cut":
        return images.tar(parts)[:100_000]
    if kind == "manifest is a link":
        parts["manifest.json"] = _link(tarfile.SYMTYPE, "/etc/passwd")
    elif kind == "layer is a hard link":
        parts[layer] = _link(tarfile.LNKTYPE, "/etc/passwd")
    elif kind == "layer is a link out":
        parts[layer] = _link(tarfile.SYMTYPE, "../../../../etc/passwd")
    elif kind == "layer is a circle":
        parts[layer] = _link(tarfile.SYMTYPE, layer)
    elif kind == "layer is a device":
        parts[layer] = _link(tarfile.CHRTYPE, "")
    elif kind == "configuration is a link":
        parts["config.json"] = _link(tarfile.SYMTYPE, "manifest.json")
    elif kind == "name leads out":
        parts["../../etc/evil"] = b"x"
    elif kind == "name is absolute":
        parts["/etc/evil"] = b"x"
    elif kind == "large manifest":
        parts["manifest.json"] = b"[" + b" " * (5 << 20) + b"]"
    elif kind == "keys twice":
        parts["manifest.json"] = b'[{"Config":"a","Config":"b","Layers":[]}]'
    elif kind == "wrong types":
        parts["manifest.json"] = b'[{"Config":["a"],"RepoTags":{"a":1},"Layers":"x"}]'
    elif kind == "layer changed":
        parts[layer] = parts[layer][:-1] + b"x"
    elif kind == "too many layers":
        entry["Layers"] = [layer] * 5000
        parts["manifest.json"] = json.dumps([entry]).encode()
    elif kind == "layers missing":
        entry["Layers"] = [layer]
        parts["manifest.json"] = json.dumps([entry]).encode()
    elif kind == "layer not there":
        entry["Layers"] = ["no", layer]
        parts["manifest.json"] = json.dumps([entry]).encode()
    data = images.tar(parts)
    if kind == "entry twice":
        data = data.rstrip(b"\0")
        data += bytes(-len(data) % 512) + images.tar({layer: b"other"})
    if kind == "bomb":
        data = gzip.compress(bytes(1 << 20), 9) * 1500
    return data


KINDS = (
    "no archive|empty|cut|manifest is a link|layer is a hard link|layer is a link out"
    "|layer is a circle|layer is a device|configuration is a link|name leads out"
    "|name is absolute|large manifest|keys twice|wrong types|layer changed|too many layers"
    "|layers missing|layer not there|entry twice|bomb"
).split("|")


@own
@pytest.mark.parametrize("kind", KINDS)
def test_a_hostile_archive_is_refused_in_one_line(store: Store, kind: str) -> None:
    refused = store("load", "-q", input=hostile(kind), check=125)
    assert refused.out == ""
    assert refused.err.startswith("Error: ")
    assert len(refused.err.splitlines()) <= 2
    assert "Traceback" not in refused.err
    assert store("images", "-a", "-q").out == ""
    assert [name for name in store.files() if not name.startswith("images/index")] == []


@own
def test_layers_may_be_links_within_the_archive(store: Store) -> None:
    made = image(compression="")
    links: dict[str, Any] = {}
    for number, layer in enumerate(made.layers):
        links[f"id{number}/layer.tar"] = _link(tarfile.SYMTYPE, f"../{layer[7:]}.tar")
    plain = archive(made, "old:1", Layers=list(links))
    data = plain.rstrip(b"\0")
    data += bytes(-len(data) % 512) + images.tar(links)
    assert store("load", "-q", input=data).line == "Loaded image: docker.io/library/old:1"


@own
def test_a_name_that_moves_is_told(store: Store) -> None:
    first, second = image("one\n", compression=""), image("two\n", compression="")
    store("load", "-q", input=archive(first, "trusted:1"))
    loaded = store("load", "-q", input=archive(second, "trusted:1", "other:1"))
    assert loaded.out.splitlines() == [
        "Loaded image: docker.io/library/trusted:1",
        "Loaded image: docker.io/library/other:1",
    ]
    moved = f"trusted:1 was image {first.id[7:19]}, and is {second.id[7:19]} now"
    assert moved in loaded.err
    assert store("images", "-f", "dangling=true", "-q", "--no-trunc").line == first.id


@own
def test_the_history_and_the_tree_of_an_image(store: Store) -> None:
    steps = [
        {"created": "2026-11-01T00:00:00Z", "created_by": "COPY busybox"},
        {"created": "2026-11-02T00:00:00Z", "created_by": "ENV " + "x" * 60, "empty_layer": True},
        {"created": "2026-11-03T00:00:00Z", "created_by": "COPY more", "comment": "last"},
    ]
    made = image(compression="", history=steps)
    store("load", "-q", input=archive(made, "app:1"))
    shown = store("history", "app:1").out.splitlines()
    assert shown[0].split() == ["ID", "CREATED", "CREATED", "BY", "SIZE", "COMMENT"]
    assert shown[1].startswith(f"{made.id[7:19]}  ")
    assert shown[1].endswith("last")
    assert shown[2].startswith("<missing>  ")
    assert "ENV " + "x" * 38 + "..." in shown[2]
    assert shown[2].endswith("  0 B")
    assert store("history", "-q", "--no-trunc", "app:1").out.splitlines() == [
        made.id[7:], "<missing>", "<missing>",
    ]  # fmt: skip
    plain = store("history", "--human=false", "--format", "{{.Created}} {{.Size}}", "app:1").out
    assert plain.splitlines()[1] == "2026-11-02T00:00:00Z 0"
    document = json.loads(store("image", "history", "--format", "json", "app:1").out)
    assert document[0]["id"] == made.id[7:]
    assert document[0]["tags"] == ["docker.io/library/app:1"]
    larger = images.make(
        [images.busybox_files(), {"etc/more": b"more\n"}, {"etc/most": b"most\n"}], compression=""
    )
    store("load", "-q", input=archive(larger, "larger:1"))
    tree = store("image", "tree", "app:1").out.splitlines()
    assert tree[0] == f"Image ID: {made.id[7:19]}"
    assert tree[1] == "Tags:     [docker.io/library/app:1]"
    assert tree[3] == "Image Layers"
    assert tree[4].startswith("├── ID: ")
    assert tree[5].startswith("└── ID: ")
    assert tree[5].endswith("Top Layer of: [docker.io/library/app:1]")
    above = store("image", "tree", "--whatrequires", "app:1").out
    assert "Top Layer of: [docker.io/library/larger:1]" in above
    for command in (("history",), ("image", "tree")):
        assert store(*command, "none", check=125).err == "Error: none: image not known\n"


@own
def test_an_image_of_another_machine_is_loaded(store: Store) -> None:
    made = image(compression="", architecture="s390x")
    assert store("load", "-q", input=archive(made)).line == f"Loaded image: {made.id}"
    assert store("image", "inspect", "-f", "{{.Architecture}}", made.id).line == "s390x"


@own
def test_a_full_disk_leaves_no_half_archive(store: Store, registry: Registry) -> None:
    name = registry.push(image(), "full")
    store("pull", "-q", name)
    refused = store("save", "-o", "/dev/full", name, check=125)
    assert "No space left on device" in refused.err
    assert os.path.exists("/dev/full")


@own
def test_an_image_that_is_here_keeps_its_manifest_when_it_is_loaded(
    store: Store, registry: Registry, tmp_path: Path
) -> None:
    made = image("kept\n")
    name = registry.push(made, "load/keeps")
    store("pull", "-q", name)
    out = str(tmp_path / "out.tar")
    store("save", "-q", "-o", out, name)
    store("tag", name, "other")
    before, files = store("images", "--digests").out, store.files()
    loaded = store("load", "-i", out)
    assert loaded.out == f"Loaded image: {name}\n" and "Copying blob" in loaded.err
    assert store("images", "--digests").out == before
    del files["images/index.json"]
    assert {key: size for key, size in store.files().items() if key in files} == files
    assert store("system", "check").out == ""
    nameless = tmp_path / "nameless.tar"
    nameless.write_bytes(archive(made))
    store("load", "-q", "-i", str(nameless))
    assert store("images", "--digests").out == before
    assert store("system", "check").out == ""


@own
def test_the_same_image_packed_differently_leaves_nothing_behind(
    store: Store, registry: Registry
) -> None:
    layers: list[Any] = [{"file": b"x" * 100_000}]
    first, second = (images.make(layers, {}, compression=one) for one in ("gzip", "zstd"))
    assert first.id == second.id
    store("pull", "-q", registry.push(first, "twice/packed", "1"))
    name = registry.push(second, "twice/packed", "2")
    store("pull", "-q", name)
    assert store("system", "check").out == ""
    registry.push(second, "twice/packed", "1")
    store("pull", "-q", name[:-1] + "1")
    assert store("system", "check").out == ""
    found = {path.name for path in (store.root / "images/blobs/sha256").iterdir()}
    assert found == {digest[7:] for digest in (*second.blobs, second.digest)}
    assert store("run", "--rm", "--network=none", name, "/none", check=127).out == ""
