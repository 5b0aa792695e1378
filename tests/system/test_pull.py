# SPDX-License-Identifier: Apache-2.0
"""pull against Debian's docker-registry: every kind of image, every way to log in."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path

import pytest

from tests.fixtures import images
from tests.fixtures.registry import PASSWORD, USER, Registry
from tests.fixtures.store import Store

pytestmark = pytest.mark.own

KINDS = {
    "oci-gzip": {"compression": "gzip"},
    "oci-zstd": {"compression": "zstd"},
    "v2s2-gzip": {"compression": "gzip", "docker": True},
    "v2s2-zstd": {"compression": "zstd", "docker": True},
}
CREDS = ("--creds", f"{USER}:{PASSWORD}")


def busybox(kind: str, **more: object) -> images.Image:
    """Three layers, the last of which takes a file away."""
    layers = [images.busybox_files(gone=b"x"), {"etc/more": b"more\n"}, {".wh.gone": b""}]
    return images.make(layers, {"Cmd": ["sh"]}, **KINDS[kind], **more)  # type: ignore[arg-type]


def push_index(registry: Registry, repository: str, *entries: tuple[images.Image, str]) -> str:
    for image, _architecture in entries:
        registry.push(image, repository, image.digest)
    docker = "docker" in entries[0][0].media_type
    body, media_type = images.index(list(entries), docker=docker)
    registry.put_manifest(repository, "latest", body, media_type)
    return f"{registry.host}/{repository}:latest"


CASES = [
    pytest.param(kind, indexed, auth, id=f"{kind}-{'index' if indexed else 'manifest'}-{auth}")
    for kind in KINDS
    for indexed in (False, True)
    for auth in ("anonymous", "basic", "bearer")
]


@pytest.mark.parametrize(("kind", "indexed", "auth"), CASES)
def test_every_kind_of_image_comes_in_and_runs(
    store: Store, registries: dict[str, Registry], kind: str, indexed: bool, auth: str
) -> None:
    registry = registries[auth]
    image = busybox(kind)
    if indexed:
        other = busybox(kind, architecture="s390x")
        name = push_index(registry, f"index/{kind}", (other, "s390x"), (image, "amd64"))
    else:
        name = registry.push(image, f"manifest/{kind}")
    pulled = store("pull", *(CREDS if auth != "anonymous" else ()), name)
    assert pulled.out == f"{image.id[7:]}\n"
    assert pulled.err.startswith(f"Trying to pull {name}...\n")
    listed = store("images", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}")
    assert listed.line == f"{name} {image.id}"
    script = "cat /etc/more; test ! -e /gone && echo taken"
    assert store("run", "--rm", "--network=none", name, "sh", "-c", script).out == "more\ntaken\n"
    inspected = json.loads(
        subprocess.run(
            ["/usr/bin/skopeo", "inspect", f"oci:{store.root}/images:{name}"],
            check=True,
            capture_output=True,
        ).stdout
    )
    assert inspected["Architecture"] == "amd64"
    assert inspected["Layers"] == image.layers


def test_the_second_pull_fetches_nothing_and_says_so(
    store: Store, registries: dict[str, Registry]
) -> None:
    image = busybox("oci-gzip")
    name = registries["anonymous"].push(image, "twice")
    store("pull", name)
    before = store.files()
    again = store("pull", name)
    assert again.out == f"{image.id[7:]}\n"
    assert again.err.count("skipped: already exists") == 3
    assert store.files() == before


def test_quiet_says_the_id_and_nothing_else(store: Store, registries: dict[str, Registry]) -> None:
    image = busybox("oci-gzip")
    pulled = store("pull", "-q", registries["anonymous"].push(image, "quiet"))
    assert (pulled.out, pulled.err) == (f"{image.id[7:]}\n", "")


def test_an_image_is_pulled_by_its_digest(store: Store, registries: dict[str, Registry]) -> None:
    image = busybox("oci-gzip")
    registry = registries["anonymous"]
    registry.push(image, "pinned")
    name = f"{registry.host}/pinned@{image.digest}"
    assert store("pull", name).out == f"{image.id[7:]}\n"
    assert store("run", "--rm", "--network=none", name, "echo", "hi").out == "hi\n"


def test_an_image_of_another_platform_leaves_no_byte(
    store: Store, registries: dict[str, Registry]
) -> None:
    registry = registries["anonymous"]
    foreign = busybox("oci-gzip", architecture="s390x")
    single = registry.push(foreign, "foreign/single")
    several = push_index(
        registry,
        "foreign/several",
        (foreign, "s390x"),
        (busybox("oci-gzip", architecture="ppc64le"), "ppc64le"),
    )
    for name, there in ((single, "linux/s390x"), (several, "linux/ppc64le, linux/s390x")):
        refused = store("pull", name, check=125)
        assert refused.out == ""
        error = refused.err.splitlines()[1]
        assert error.startswith("Error: no image for platform linux/")
        assert error.endswith(f"; there is {there}")
        assert store.files() == {}


def test_another_platform_is_pulled_for_those_who_ask(
    store: Store, registries: dict[str, Registry]
) -> None:
    foreign = busybox("oci-gzip", architecture="s390x")
    name = push_index(
        registries["anonymous"], "asked", (foreign, "s390x"), (busybox("oci-gzip"), "amd64")
    )
    assert store("pull", "--platform", "linux/s390x", name).out == f"{foreign.id[7:]}\n"
    assert store("pull", "-q", "--arch", "s390x", "--os", "linux", name).line == foreign.id[7:]


def test_a_variant_is_chosen_and_checked(store: Store, registries: dict[str, Registry]) -> None:
    image = images.make([{"file": b"x"}], architecture="arm", variant="v7")
    name = push_index(registries["anonymous"], "variant", (image, "arm"))
    refused = store("pull", "--arch", "arm", "--variant", "v5", name, check=125)
    assert "no image for platform linux/arm/v5; there is linux/arm/v7" in refused.err
    assert store("pull", "-q", "--arch=arm", "--variant=v7", name).line == image.id[7:]
    wrong = store("pull", "--platform", "linux/arm", "--variant", "v7", name, check=125)
    assert "--platform option can not be specified with" in wrong.err


def auth_file(path: Path, host: str, password: str = PASSWORD) -> str:
    secret = base64.b64encode(f"{USER}:{password}".encode()).decode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"auths": {host: {"auth": secret}}}))
    return str(path)


@pytest.mark.parametrize("auth", ["basic", "bearer"])
@pytest.mark.parametrize("way", ["option", "environment", "runtime", "config", "docker"])
def test_credentials_are_found_where_podman_and_docker_leave_them(
    store: Store, registries: dict[str, Registry], tmp_path: Path, way: str, auth: str
) -> None:
    registry = registries[auth]
    name = registry.push(busybox("oci-gzip"), "found")
    env: dict[str, str | None] = {
        "HOME": str(tmp_path / "home"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "XDG_RUNTIME_DIR": str(tmp_path / "runtime"),
        "DOCKER_CONFIG": None,
        "REGISTRY_AUTH_FILE": None,
    }
    for directory in ("home", "runtime"):
        (tmp_path / directory).mkdir(mode=0o700)
    where = {
        "option": tmp_path / "elsewhere.json",
        "environment": tmp_path / "elsewhere.json",
        "runtime": tmp_path / "runtime/containers/auth.json",
        "config": tmp_path / "config/containers/auth.json",
        "docker": tmp_path / "home/.docker/config.json",
    }[way]
    words: tuple[str, ...] = ()
    refused = store("pull", name, check=125, env=env)
    assert "authentication required" in refused.err
    path = auth_file(where, registry.host)
    if way == "option":
        words = ("--authfile", path)
    elif way == "environment":
        env["REGISTRY_AUTH_FILE"] = path
    store("pull", *words, name, env=env)


@pytest.mark.parametrize("auth", ["basic", "bearer"])
def test_a_wrong_password_is_one_line_and_is_not_shown(
    store: Store, registries: dict[str, Registry], auth: str
) -> None:
    name = registries[auth].push(busybox("oci-gzip"), "locked")
    refused = store("--log-level=debug", "pull", "--creds", f"{USER}:not-the-word", name, check=125)
    assert "wrong user name or password" in refused.err
    assert "not-the-word" not in refused.err
    assert "Traceback" not in refused.err
    assert store.files() == {}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("{host}/no/such/image", "manifest unknown"),
        ("127.0.0.1:1/image", "connection refused"),
        ("registry.invalid/image", "no such host"),
        ("{host}/UPPER", "must be lowercase"),
        ("{host}/a@sha256:12", "the digest must be"),
    ],
)
def test_what_cannot_be_pulled_is_one_line(
    store: Store, registries: dict[str, Registry], name: str, words: str
) -> None:
    refused = store("pull", "-q", name.format(host=registries["anonymous"].host), check=125)
    lines = refused.err.splitlines()
    assert lines[0].startswith("Error: ")
    assert words in lines[0]
    assert all(line.startswith("Hint: ") for line in lines[1:])
    assert refused.out == ""
    assert store.files() == {}


def test_one_image_that_is_not_there_does_not_stop_the_others(
    store: Store, registries: dict[str, Registry]
) -> None:
    registry = registries["anonymous"]
    image = busybox("oci-gzip")
    pulled = store("pull", f"{registry.host}/none", registry.push(image, "several"), check=125)
    assert pulled.out == f"{image.id[7:]}\n"
    assert pulled.err.count("Error: ") == 1


def test_bars_are_drawn_on_a_terminal_only(store: Store, registries: dict[str, Registry]) -> None:
    name = registries["anonymous"].push(busybox("oci-gzip"), "bars")
    with store.program.terminal(*store.first, "pull", name) as terminal:
        assert terminal.wait() == 0
        shown = terminal.seen.decode()
    assert "Copying blob" in shown
    assert "━" in shown
    assert "━" not in store("pull", name).err
