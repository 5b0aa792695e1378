# SPDX-License-Identifier: Apache-2.0
"""image copy between all places: the matrix of digests, and what skopeo and umoci make of it."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures import fault_registry as faults
from tests.fixtures import images
from tests.fixtures.docker_daemon import DockerDaemon
from tests.fixtures.fault_registry import FaultRegistry
from tests.fixtures.program import within
from tests.fixtures.registry import PASSWORD, USER, Registry
from tests.fixtures.store import Store

pytestmark = pytest.mark.own

CREDS = f"{USER}:{PASSWORD}"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    running = Registry(tmp_path_factory.mktemp("places"))
    yield running
    running.close()


@pytest.fixture
def daemon() -> Iterator[DockerDaemon]:
    with tempfile.TemporaryDirectory(dir="/tmp") as where, DockerDaemon(Path(where)) as running:
        yield running


def image(**more: Any) -> images.Image:
    layers: list[Any] = [images.busybox_files(), {"etc/more": b"more\n"}]
    return images.make(layers, {"Cmd": ["sh"]}, **more)


def push_index(
    registry: Registry, repository: str, *, docker: bool = False
) -> tuple[str, bytes, images.Image]:
    """Push an image of two platforms; return its name, the index and this platform's image."""
    ours, other = image(docker=docker), image(docker=docker, architecture="s390x")
    for one in (other, ours):
        registry.push(one, repository, one.digest)
    body, kind = images.index([(other, "s390x"), (ours, "amd64")], docker=docker)
    registry.put_manifest(repository, "latest", body, kind)
    return f"docker://{registry.host}/{repository}:latest", body, ours


def skopeo(*words: str) -> bytes:
    done = subprocess.run(["/usr/bin/skopeo", *words], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def places(tmp_path: Path, registry: Registry, name: str) -> dict[str, str]:
    return {
        "docker": f"docker://{registry.host}/{name}/copy:1",
        "oci": f"oci:{tmp_path}/layout:one",
        "oci-archive": f"oci-archive:{tmp_path}/layout.tar:one",
        "dir": f"dir:{tmp_path}/dir",
        "store": "containers-storage:kept/copy:1",
    }


PLACES = ("docker", "oci", "oci-archive", "dir", "store")
PAIRS = [(first, second) for first in PLACES for second in PLACES if first != second]


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_an_index_survives_every_way_with_its_digest(
    store: Store, registry: Registry, tmp_path: Path, first: str, second: str
) -> None:
    name, index, _ours = push_index(registry, f"matrix/{first}/{second}")
    there = places(tmp_path, registry, f"matrix/{first}/{second}")
    back = f"docker://{registry.host}/matrix/{first}/{second}/back:1"
    digest = tmp_path / "digest"
    for source, target in ((name, there[first]), (there[first], there[second]),
                           (there[second], back)):  # fmt: skip
        copied = store("image", "copy", "-q", "--all", "--preserve-digests", "--digestfile",
                       str(digest), source, target)  # fmt: skip
        assert (copied.out, copied.err) == ("", "")
        assert digest.read_text() == images.digest(index)
    assert skopeo("inspect", "--raw", "--tls-verify=false", back) == index
    assert store("image", "inspect", "--raw", there[second]).out.encode() == index


@pytest.mark.parametrize("place", ["docker-archive", "docker-daemon"])
@pytest.mark.parametrize("kind", ["oci", "docker"])
def test_one_platform_goes_through_docker_with_its_configuration(
    store: Store, registry: Registry, tmp_path: Path, daemon: DockerDaemon, kind: str, place: str
) -> None:
    name, _index, ours = push_index(registry, f"one/{kind}/{place}", docker=kind == "docker")
    env: dict[str, str | None] = {"DOCKER_HOST": daemon.host}
    there = {
        "docker-archive": f"docker-archive:{tmp_path}/a.tar:app:1",
        "docker-daemon": "docker-daemon:app:1",
    }[place]
    for words in (("--all",), ("--multi-arch", "index-only"), ("--preserve-digests",)):
        refused = store("image", "copy", *words, name, there, check=125, env=env)
        assert refused.err.count("Error: ") == 1
        assert "cannot hold that" in refused.err
    store("image", "copy", "-q", "--platform", "linux/amd64", name, there, env=env)
    back = f"docker://{registry.host}/one/{kind}/{place}/back:1"
    for target in (back, f"oci:{tmp_path}/layout:x", "containers-storage:app/back:1"):
        store("image", "copy", "-q", there, target, env=env)
        manifest = json.loads(store("image", "inspect", "--raw", target, env=env).out)
        assert manifest["config"]["digest"] == ours.id
        config = json.loads(store("image", "inspect", "--raw", "--config", target, env=env).out)
        assert config == json.loads(ours.blobs[ours.id])
    assert store("run", "--rm", "--network=none", "app/back:1", "cat", "/etc/more").out == "more\n"


def test_what_the_daemon_says_is_said(store: Store, daemon: DockerDaemon, tmp_path: Path) -> None:
    env: dict[str, str | None] = {"DOCKER_HOST": daemon.host}
    refused = store("image", "copy", "docker-daemon:no:1", f"dir:{tmp_path}/d", check=125, env=env)
    assert "docker daemon: no:1: reference does not exist" in refused.err
    env = {"DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
    refused = store("image", "copy", "docker-daemon:no:1", f"dir:{tmp_path}/d", check=125, env=env)
    assert "No such file or directory" in refused.err
    env = {"DOCKER_HOST": "tcp://127.0.0.1:2375"}
    refused = store("image", "copy", "docker-daemon:no:1", f"dir:{tmp_path}/d", check=125, env=env)
    assert "only unix:// sockets" in refused.err


def test_skopeo_reads_what_we_wrote(store: Store, registry: Registry, tmp_path: Path) -> None:
    name, _index, ours = push_index(registry, "read/us")
    for target in (
        f"oci:{tmp_path}/layout:one",
        f"oci-archive:{tmp_path}/oci.tar:one",
        f"dir:{tmp_path}/dir",
        f"docker-archive:{tmp_path}/docker.tar:one:1",
    ):
        store("image", "copy", "-q", name, target)
        shown = json.loads(skopeo("inspect", target))
        assert shown["Architecture"] == "amd64"
        assert len(shown["Layers"]) == 2
        raw = json.loads(skopeo("inspect", "--raw", target))
        assert raw["config"]["digest"] == ours.id
        copied = f"dir:{tmp_path}/copied"
        skopeo("copy", "-q", target, copied)


def test_we_read_what_skopeo_wrote(store: Store, registry: Registry, tmp_path: Path) -> None:
    name, index, ours = push_index(registry, "read/them")
    source = ("--src-tls-verify=false", name)
    skopeo("copy", "-q", *source, f"docker-archive:{tmp_path}/docker.tar:one:1")
    skopeo("copy", "-q", *source, f"oci:{tmp_path}/one:1")
    for kind, where in (("oci", "layout:1"), ("oci-archive", "oci.tar:1"), ("dir", "dir")):
        skopeo("copy", "-q", "--all", *source, f"{kind}:{tmp_path}/{where}")
        back = f"docker://{registry.host}/read/them/{kind}:1"
        store("image", "copy", "-q", "--all", f"{kind}:{tmp_path}/{where}", back)
        assert store("image", "inspect", "--raw", back).out.encode() == index
    for where in (f"docker-archive:{tmp_path}/docker.tar", f"oci:{tmp_path}/one"):
        raw = json.loads(store("image", "inspect", "--raw", where).out)
        assert raw["config"]["digest"] == ours.id


def test_umoci_unpacks_what_we_wrote_and_we_read_umocis(
    store: Store, registry: Registry, tmp_path: Path
) -> None:
    name, _index, _ours = push_index(registry, "umoci")
    layout = tmp_path / "layout"
    store("image", "copy", "-q", name, f"oci:{layout}:one")
    subprocess.run(
        ["/usr/bin/umoci", "unpack", "--rootless", "--image", f"{layout}:one", tmp_path / "bundle"],
        check=True,
        capture_output=True,
    )
    assert (tmp_path / "bundle/rootfs/etc/more").read_text() == "more\n"
    subprocess.run(
        ["/usr/bin/umoci", "config", "--image", f"{layout}:one", "--tag", "two"]
        + ["--config.label", "made=umoci"],
        check=True,
        capture_output=True,
    )
    store("image", "copy", "-q", f"oci:{layout}:two", "umoci:two")
    assert store("image", "inspect", "-f", "{{.Labels}}", "umoci:two").line == "map[made:umoci]"
    both = store("image", "copy", f"oci:{layout}", "umoci:x", check=125)
    assert "more than one image, choose one by :NAME" in both.err
    assert "Hint: there are one, two" in both.err


def test_formats_and_compressions_are_changed_on_the_way(
    store: Store, registry: Registry, tmp_path: Path
) -> None:
    name, _index, ours = push_index(registry, "change")
    there = f"docker://{registry.host}/change/all:1"
    store("image", "copy", "-q", "--all", "--format", "v2s2", name, there)
    index = json.loads(store("image", "inspect", "--raw", there).out)
    assert index["mediaType"] == f"{images.DOCKER}distribution.manifest.list.v2+json"
    kinds = {entry["mediaType"] for entry in index["manifests"]}
    assert kinds == {f"{images.DOCKER}distribution.manifest.v2+json"}
    assert [entry["platform"]["architecture"] for entry in index["manifests"]] == [
        "s390x",
        "amd64",
    ]
    layout = f"oci:{tmp_path}/zstd:1"
    anew = ("--compression-format=zstd", "--compression-level=5")
    store("image", "copy", "-q", *anew, there, layout)
    manifest = json.loads(store("image", "inspect", "--raw", layout).out)
    assert manifest["config"]["digest"] == ours.id
    assert {layer["mediaType"] for layer in manifest["layers"]} == {
        f"{images.OCI}layer.v1.tar+zstd"
    }
    store("image", "copy", "-q", "-f", "oci", "--force-compression", layout, f"dir:{tmp_path}/new")
    refused = store("image", "copy", "--preserve-digests", "-f", "v2s2", name, there, check=125)
    assert "--preserve-digests" in refused.err
    refused = store("image", "copy", "--format=v2s2", name, layout, check=125)
    assert f"--format v2s2: {tmp_path}/zstd cannot hold that" in refused.err


def test_more_tags_and_one_index_alone(store: Store, registry: Registry, tmp_path: Path) -> None:
    name, index, ours = push_index(registry, "tags")
    there = f"docker://{registry.host}/tags:1"
    store("image", "copy", "-q", "--multi-arch=index-only", name, there)
    store("image", "copy", "-q", "--multi-arch", "all", "--additional-tag", "2", name, there)
    second = f"docker://{registry.host}/tags:2"
    assert store("image", "inspect", "--raw", second).out.encode() == index
    listed = json.loads(store("image", "list-tags", f"docker://{registry.host}/tags").out)
    assert listed["Repository"] == f"{registry.host}/tags"
    assert {"1", "2", "latest"} <= set(listed["Tags"])
    archive = f"docker-archive:{tmp_path}/a.tar"
    store("image", "copy", "-q", "--additional-tag=b:2", name, f"{archive}:a:1")
    names = json.loads(store("image", "list-tags", archive).out)["Tags"]
    assert names == ["docker.io/library/a:1", "docker.io/library/b:2"]
    store("image", "copy", "-q", "--arch", "s390x", "--os=linux", name, "foreign")
    assert store("image", "inspect", "-f", "{{.Architecture}}", "foreign").line == "s390x"
    refused = store("image", "copy", "--platform=linux/arm/v7", name, "none", check=125)
    assert "no image for platform linux/arm/v7" in refused.err
    store("image", "copy", "-q", "--arch=amd64", "--variant=v1", name, "ours")
    assert store("image", "inspect", "-f", "{{.Id}}", "ours").line == ours.id[7:]
    shown = store("image", "inspect", "--os=linux", "--arch=amd64", "--variant", "v1", name)
    assert json.loads(shown.out)[0]["Architecture"] == "amd64"


def test_removing_an_image_removes_the_other_platforms_too(
    store: Store, registry: Registry
) -> None:
    name, _index, ours = push_index(registry, "whole")
    store("image", "copy", "-q", "--all", name, "whole:1")
    assert len([file for file in store.files() if "blobs/" in file]) > len(ours.blobs) + 2
    store("rmi", "whole:1")
    assert [file for file in store.files() if "blobs/" in file] == []


def test_a_registry_is_looked_at_and_an_image_there_deleted(
    store: Store, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with_delete = Registry(tmp_path_factory.mktemp("delete"), "basic", delete=True)
    try:
        made = image()
        authfile = tmp_path / "auth.json"
        secret = base64.b64encode(CREDS.encode()).decode()
        authfile.write_text(json.dumps({"auths": {with_delete.host: {"auth": secret}}}))
        with_delete.push(made, "app", "1")
        with_delete.push(made, "app", "2")
        name = f"docker://{with_delete.host}/app:1"
        words = ("--creds", CREDS, "--tls-verify=false", "--retry=1", "--retry-delay=1s")
        shown = json.loads(store("image", "inspect", *words, name).out)
        assert shown[0]["Digest"] == made.digest
        assert sorted(shown[0]["RepoTags"]) == ["1", "2"]
        assert shown[0]["Layers"] == made.layers
        alone = store("image", "inspect", "-n", *words, "--format={{.RepoTags}}", name)
        assert alone.line == "[]"
        config = json.loads(store("image", "inspect", "--config", *words, name).out)
        assert config["config"] == {"Cmd": ["sh"]}
        assert store.files() == {}
        tags = store("image", "list-tags", *words, name.removesuffix(":1")).out
        assert sorted(json.loads(tags)["Tags"]) == ["1", "2"]
        assert store("image", "delete", *words, name).out == ""
        gone = store("image", "inspect", *words, name, check=125)
        assert "manifest unknown" in gone.err
        with_delete.push(made, "app", "3")
        store("image", "delete", "--authfile", str(authfile), "--cert-dir", str(tmp_path),
              f"{with_delete.host}/app:3")  # fmt: skip
    finally:
        with_delete.close()


def test_a_registry_that_does_not_delete_says_so(store: Store, registry: Registry) -> None:
    name = registry.push(image(), "stays")
    refused = store("image", "delete", f"docker://{name}", check=125)
    assert "the registry does not allow it" in refused.err
    assert "Hint: " in refused.err


def test_each_side_has_its_own_credentials(
    store: Store, registry: Registry, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    locked = Registry(tmp_path_factory.mktemp("locked"), "bearer")
    try:
        made = image()
        open_name = f"docker://{registry.push(made, 'sides')}"
        locked_name = f"docker://{locked.host}/sides:1"
        store("image", "copy", "-q", "--dest-creds", CREDS, "--dest-tls-verify=false",
              open_name, locked_name)  # fmt: skip
        secret = base64.b64encode(CREDS.encode()).decode()
        authfile = tmp_path / "auth.json"
        authfile.write_text(json.dumps({"auths": {locked.host: {"auth": secret}}}))
        target = f"dir:{tmp_path}/out"
        store("image", "copy", "-q", "--src-creds", CREDS, "--src-tls-verify=false",
              locked_name, target)  # fmt: skip
        store("image", "copy", "-q", "--authfile", str(authfile), locked_name, target)
        store("image", "copy", "-q", "--src-authfile", str(authfile), locked_name, target)
        store("image", "copy", "-q", "--retry", "2", "--retry-delay=1s", "--dest-authfile",
              str(authfile), "--src-cert-dir", str(tmp_path), "--dest-cert-dir", str(tmp_path),
              open_name, locked_name)  # fmt: skip
        store("image", "inspect", "--authfile", str(authfile), "--cert-dir", str(tmp_path),
              "--platform", "linux/amd64", locked_name)  # fmt: skip
        where = ("--authfile", str(authfile), "--cert-dir", str(tmp_path))
        repository = f"docker://{locked.host}/sides"
        assert json.loads(store("image", "list-tags", *where, repository).out)["Tags"] == ["1"]
        for command in ("list-tags", "delete"):
            refused = store("image", command, repository, check=125)
            assert "authentication required" in refused.err
    finally:
        locked.close()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("ostree:x", "dir:{tmp}/d"), "there is no transport ostree:"),
        (("docker:busybox", "dir:{tmp}/d"), "a registry's image is docker://NAME"),
        (("oci:{tmp}/nothing", "dir:{tmp}/d"), "not an OCI image layout"),
        (("dir:{tmp}/nothing", "oci:{tmp}/d"), "No such file or directory"),
        (("oci-archive:{tmp}/nothing", "oci:{tmp}/d"), "No such file or directory"),
        (("docker-archive:", "oci:{tmp}/d"), "nothing stands behind docker-archive:"),
        (("no/such:1", "oci:{tmp}/d"), "no/such:1: image not known"),
        (("--format=v9", "a", "b"), 'unknown format "v9"'),
        (("--multi-arch=some", "a", "b"), 'unknown --multi-arch "some"'),
    ],
)
def test_bad_input_is_one_line(
    store: Store, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    refused = store("image", "copy", *(word.format(tmp=tmp_path) for word in words), check=125)
    assert said in refused.err
    assert refused.err.count("Error: ") == 1
    assert "Traceback" not in refused.err


def test_what_is_no_image_directory_is_left_alone(
    store: Store, registry: Registry, tmp_path: Path
) -> None:
    name = f"docker://{registry.push(image(), 'careful')}"
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis").write_text("x")
    for kind in ("dir", "oci"):
        refused = store("image", "copy", name, f"{kind}:{precious}", check=125)
        assert "not empty" in refused.err
    assert os.listdir(precious) == ["thesis"]


def test_an_archive_is_replaced_when_the_new_one_is_whole(
    store: Store, registry: Registry, tmp_path: Path
) -> None:
    made = image()
    name = f"docker://{registry.push(made, 'replace')}"
    archive = tmp_path / "a.tar"
    archive.write_text("old")
    refused = store("image", "copy", f"{name}-not", f"oci-archive:{archive}", check=125)
    assert "manifest unknown" in refused.err
    assert (archive.read_text(), os.listdir(tmp_path).count("a.tar")) == ("old", 1)
    assert [entry for entry in os.listdir(tmp_path) if entry.startswith(".a.tar")] == []
    store("image", "copy", "-q", name, f"oci-archive:{archive}:x")
    with tarfile.open(archive) as tar:
        assert "oci-layout" in tar.getnames()


def test_ctrl_c_leaves_no_part_of_an_archive(store: Store, tmp_path: Path) -> None:
    made = image()
    with FaultRegistry() as slow:
        name = slow.serve("app", "1", made)
        slow.fault(made.layers[1], faults.stall(10))
        out = tmp_path / "out"
        out.mkdir()
        running = store.start("image", "copy", f"docker://{name}", f"oci-archive:{out}/a.tar:x")
        assert within(10, lambda: slow.paths(made.layers[1]))
        running.send_signal(signal.SIGINT)
        _out, err = running.communicate(timeout=10)
        assert running.returncode == 130
        assert b"Traceback" not in err
        assert os.listdir(out) == []


@pytest.mark.parametrize("place", ["oci", "oci-archive", "dir", "containers-storage"])
def test_a_registry_that_lies_leaves_nothing(store: Store, tmp_path: Path, place: str) -> None:
    made = image()
    with FaultRegistry() as lying:
        name = lying.serve("app", "1", made)
        lying.fault(made.layers[1], faults.wrong())
        out = tmp_path / "out"
        out.mkdir()
        there = f"{place}:{out}/it" if place != "containers-storage" else f"{place}:it"
        refused = store("image", "copy", "-q", f"docker://{name}", there, check=125)
        assert "wrong digest" in refused.err
        assert made.layers[1][7:] not in "".join(str(path) for path in out.rglob("*"))
        assert not (out / "it/index.json").exists() and not (out / "it/manifest.json").exists()
        assert not (out / "it").is_file()
        assert store("images", "-q", "-a").out == ""
        assert made.layers[1] not in str(store.files())
