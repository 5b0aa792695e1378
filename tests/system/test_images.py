# SPDX-License-Identifier: Apache-2.0
"""images, tag, untag, rmi, image inspect and exists, and skopeo's view of the store."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures import images
from tests.fixtures.program import Program
from tests.fixtures.registry import Registry
from tests.fixtures.store import Store

NAME = "test/images"


@pytest.fixture
def store(program: Program, tmp_path: Path) -> Iterator[Store]:
    made = Store(program, tmp_path)
    if program.is_podman:  # it takes no run root of more than 50 characters
        made.first = ("--root", str(made.root), "--runroot", tempfile.mkdtemp(dir="/tmp"))
    yield made
    made.remove()


def small(text: str, **kwargs: object) -> images.Image:
    """Two layers, the lower one the same for every text."""
    files = [{"base": b"base"}, {"text": text.encode()}]
    return images.make(files, {"Labels": {"text": text}}, **kwargs)  # type: ignore[arg-type]


def pull(store: Store, registry: Registry, image: images.Image, tag: str = "latest") -> str:
    name = registry.push(image, NAME, tag)
    store("pull", "-q", *(["--tls-verify=false"] if store.program.is_podman else []), name)
    return name


def skopeo(store: Store, name: str) -> dict[str, object]:
    done = subprocess.run(
        ["skopeo", "inspect", f"oci:{store.root}/images:{name}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.own
@pytest.mark.parametrize("docker", [False, True], ids=["oci", "v2s2"])
@pytest.mark.parametrize("in_index", [False, True], ids=["manifest", "index"])
def test_skopeo_inspects_what_was_pulled(
    store: Store, registry: Registry, docker: bool, in_index: bool
) -> None:
    image = small(f"skopeo {docker} {in_index}", docker=docker)
    tag = f"skopeo-{docker}-{in_index}".lower()
    name = registry.push(image, NAME, tag)
    if in_index:
        body, media_type = images.index([(image, "amd64")], docker=docker)
        registry.put_manifest(NAME, tag, body, media_type)
    store("pull", "-q", name)
    seen = skopeo(store, name)
    assert seen["Layers"] == image.layers
    assert seen["Labels"] == json.loads(image.blobs[image.id])["config"]["Labels"]
    found = json.loads(store("image", "inspect", name).out)[0]
    assert found["Digest"] == image.digest
    if not docker:
        assert seen["Digest"] == image.digest
    # The manifest as it came is there too, byte for byte, and answers to its digest.
    assert store.blob(image.digest).read_bytes() == image.manifest
    repository = f"{registry.host}/{NAME}"
    assert f"{repository}@{image.digest}" in found["RepoDigests"]
    assert len(found["RepoDigests"]) == 1 + in_index
    for digest in found["RepoDigests"]:
        assert store("image", "inspect", "-f", "{{.Id}}", digest).line == image.id[7:]


@pytest.mark.own
def test_an_image_pulled_by_digest_has_no_tag(store: Store, registry: Registry) -> None:
    image = small("by digest")
    registry.push(image, NAME, "by-digest")
    name = f"{registry.host}/{NAME}@{image.digest}"
    store("pull", "-q", name)
    assert store("images", "--format", "{{.Repository}} {{.Tag}}").line == (
        f"{registry.host}/{NAME} <none>"
    )
    assert store("image", "exists", name).rc == 0
    assert store("rmi", name).out == f"Untagged: {name}\nDeleted: {image.id[7:]}\n"


def test_images_prints_podmans_columns(store: Store, registry: Registry) -> None:
    name = pull(store, registry, small("columns"))
    lines = store("images").out.splitlines()
    assert lines[0].split() == ["REPOSITORY", "TAG", "IMAGE", "ID", "CREATED", "SIZE"]
    assert lines[1].split()[:2] == [name.rpartition(":")[0], "latest"]
    assert "DIGEST" in store("images", "--digests").out.splitlines()[0]
    assert store("images", "-n").out.splitlines()[0].split()[:1] != ["REPOSITORY"]
    assert store("images", "nothing-of-this-name").out.splitlines()[1:] == []


def test_images_quiet_prints_each_id_once(store: Store, registry: Registry) -> None:
    image = small("quiet")
    name = pull(store, registry, image)
    store("tag", name, "again", "quay.io/x/again:2")
    assert store("images", "-q").line == image.id[7:19]
    assert store("images", "-q", "--no-trunc").line == image.id
    assert store("images", "-a", "-q").line == image.id[7:19]


def test_images_format_and_filter(store: Store, registry: Registry) -> None:
    one, two = small("one"), small("two")
    pull(store, registry, one, "one")
    pull(store, registry, two, "two")
    form = ("--format", "{{.Tag}}")
    assert sorted(store("images", *form).out.split()) == ["one", "two"]
    assert store("images", *form, "--filter", "label=text=one").line == "one"
    assert store("images", *form, "--filter", "dangling=true").out == ""
    rows = json.loads(store("images", "--format", "json").out)
    assert {row["Id"] for row in rows} == {one.id[7:], two.id[7:]}
    assert store("images", "--filter", "colour=red", check=125).out == ""
    table = store("images", "--format", "table {{.ID}}\t{{.Tag}}").out.splitlines()
    assert table[0].split() == ["IMAGE", "ID", "TAG"]


def test_tag_and_untag(store: Store, registry: Registry) -> None:
    name = pull(store, registry, small("tag"))
    assert store("tag", name, "mine").out == ""
    assert store("image", "exists", "localhost/mine:latest").rc == 0
    assert store("untag", name, "mine").out == ""
    assert store("image", "exists", "mine", check=1).rc == 1
    assert "tag not known" in store("untag", name, "mine", check=125).err
    assert "image not known" in store("tag", "nope", "x", check=125).err
    assert "lowercase" in store("tag", name, "Bad", check=125).err
    image_id = store("images", "-q").line
    store("untag", name)
    assert store("images", "--format", "{{.Repository}}:{{.Tag}}").line == "<none>:<none>"
    assert store("images", "-q", "--filter", "dangling=true").line == image_id


def test_a_tag_that_moves_leaves_the_old_image_dangling(store: Store, registry: Registry) -> None:
    old, new = small("old"), small("new")
    name = pull(store, registry, old, "moves")
    pull(store, registry, new, "moves")
    assert store("image", "inspect", "-f", "{{.Id}}", name).line == new.id[7:]
    assert store("images", "-q", "--filter", "dangling=true").line == old.id[7:19]


def test_rmi_prints_what_it_did(store: Store, registry: Registry) -> None:
    image = small("rmi")
    name = pull(store, registry, image)
    store("tag", name, "mine")
    several = store("rmi", image.id[7:19], check=None)
    assert (several.rc, "more than one tag" in several.err) == (125, True)
    assert store("rmi", "mine").out == "Untagged: localhost/mine:latest\n"
    assert store("rmi", name).out == f"Untagged: {name}\nDeleted: {image.id[7:]}\n"
    missing = store("rmi", name, check=1)
    assert missing.err == f"Error: {name}: image not known\n"
    assert store("rmi", "-f", name).err == ""
    assert "must be specified" in store("rmi", check=125).err
    assert "--all" in store("rmi", "-a", name, check=125).err


def test_an_image_in_use_is_kept_unless_forced(store: Store, registry: Registry) -> None:
    name = pull(store, registry, images.busybox())
    made = store("create", "--network", "none", name, "true").line
    for words in (("rmi", name), ("rmi", "-a")):
        refused = store(*words, check=2)
        assert f"image used by {made}: image is in use by a container" in refused.err
        assert refused.out == ""
    assert store("rmi", "-f", name).out.splitlines()[-1].startswith("Deleted: ")
    assert store("ps", "-a", "-q").out == ""


@pytest.mark.own
def test_removing_all_images_leaves_no_blob_and_no_layer(store: Store, registry: Registry) -> None:
    pull(store, registry, small("a"), "a")
    pull(store, registry, small("b", docker=True), "b")
    assert store.files()
    assert store("rmi", "-a").out.count("Deleted: ") == 2
    assert list(store.files()) == ["images/index.json"]
    assert not list((store.root / "layers").glob("*/*"))


@pytest.mark.own
def test_a_layer_that_two_images_share_stays_with_the_second(
    store: Store, registry: Registry
) -> None:
    first, second = small("a"), small("b")
    pull(store, registry, first, "a")
    name = pull(store, registry, second, "b")
    assert first.layers[0] == second.layers[0]
    store("rmi", first.id)
    kept = {"sha256:" + path.name for path in (store.root / "images/blobs/sha256").iterdir()}
    assert kept == {second.digest, second.id, *second.layers}
    assert len([path for path in (store.root / "layers").glob("*/*") if path.is_dir()]) == 2
    assert skopeo(store, name)["Layers"] == second.layers


@pytest.mark.own
def test_lost_layers_are_unpacked_again_from_their_blobs(store: Store, registry: Registry) -> None:
    name = pull(store, registry, images.busybox())
    for path in (store.root / "layers").glob("*"):
        path.rename(store.root / "tmp" / path.name)
    words = ("run", "--rm", "--network", "none", "--pull", "never", name, "echo", "there")
    assert store(*words).line == "there"


@pytest.mark.own
def test_the_embedded_image_needs_no_network(store: Store) -> None:
    assert store("pull", "-q", "pypod/hello").line == store("images", "-q", "--no-trunc").line[7:]
    name = "localhost/pypod/hello:latest"
    assert store("images", "--format", "{{.Repository}}:{{.Tag}}").line == name
    assert skopeo(store, name)["Os"] == "linux"
    store("rmi", "hello")
    assert store("images", "-q").out == ""
