# SPDX-License-Identifier: Apache-2.0
"""push to Debian's docker-registry and to one that misbehaves by script."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.fixtures import fault_registry as faults
from tests.fixtures import images
from tests.fixtures.authority import Authority
from tests.fixtures.fault_registry import FaultRegistry
from tests.fixtures.program import within
from tests.fixtures.registry import PASSWORD, USER, Registry
from tests.fixtures.store import Store

pytestmark = pytest.mark.own

KINDS = {
    "oci-gzip": {"compression": "gzip"},
    "oci-zstd": {"compression": "zstd"},
    "oci-plain": {"compression": ""},
    "v2s2-gzip": {"compression": "gzip", "docker": True},
}
CREDS = ("--creds", f"{USER}:{PASSWORD}")


def image(kind: str = "oci-gzip", **more: object) -> images.Image:
    layers = [{"base": b"base" * 5000}, {"top": b"top" * 5000}]
    return images.make(layers, {"Cmd": ["x"]}, **KINDS[kind], **more)  # type: ignore[arg-type]


def layer_types(body: bytes) -> list[str]:
    return [str(layer["mediaType"]) for layer in json.loads(body)["layers"]]


@pytest.mark.parametrize("auth", ["anonymous", "basic", "bearer"])
@pytest.mark.parametrize("kind", ["oci-gzip", "oci-zstd", "v2s2-gzip"])
def test_what_was_pulled_is_pushed_byte_for_byte(
    store: Store, registries: dict[str, Registry], kind: str, auth: str
) -> None:
    registry, made = registries[auth], image(kind)
    words = CREDS if auth != "anonymous" else ()
    store("pull", "-q", *words, registry.push(made, f"in/{kind}"))
    there = f"{registry.host}/out/{kind}:1"
    pushed = store("push", *words, f"{registry.host}/in/{kind}", there)
    assert pushed.out == ""
    assert pushed.err.count("Copying blob sha256:") == 2
    assert pushed.err.endswith("Writing manifest to image destination\n")
    store("rmi", "-a")
    assert store("pull", "-q", *words, there).line == made.id[7:]
    if auth == "anonymous":
        assert registry.manifest(f"out/{kind}", "1") == (made.manifest, made.media_type)


def test_the_second_push_sends_nothing(store: Store, faulty: FaultRegistry) -> None:
    store("pull", "-q", faulty.serve("app", "1", image()))
    faulty.requests.clear()
    assert store("push", f"{faulty.host}/app:1").err.count("skipped: already exists") == 2
    assert [one.method for one in faulty.requests if one.method not in ("GET", "HEAD")] == ["PUT"]
    assert faulty.requests[-1].path == "/v2/app/manifests/1"


def test_the_manifest_comes_last_and_blobs_are_mounted_from_where_they_came(
    store: Store, faulty: FaultRegistry
) -> None:
    made = image()
    store("pull", "-q", faulty.serve("app", "1", made))
    faulty.fault("HEAD /v2/other/blobs/", faults.status(404))
    faulty.requests.clear()
    store("push", "-q", f"{faulty.host}/app:1", f"docker://{faulty.host}/other:2")
    posts = {one.path for one in faulty.requests if one.method == "POST"}
    wanted = {f"/v2/other/blobs/uploads/?mount={layer}&from=app" for layer in made.layers}
    assert wanted < posts
    assert faulty.requests[-1].path == "/v2/other/manifests/2"
    assert len(faulty.paths("PATCH")) == 0


def test_an_upload_whose_session_is_lost_is_begun_anew(store: Store, faulty: FaultRegistry) -> None:
    made = image()
    name = faulty.serve("app", "1", made)
    store("pull", "-q", name)
    faulty.fault("HEAD /v2/new/blobs/", faults.status(404))
    lost = faults.status(202, {"Location": "/v2/new/blobs/uploads/lost"})
    faulty.fault("POST /v2/new/blobs/uploads/?mount", lost)
    faulty.fault("POST /v2/new/blobs/uploads/", faults.status(503), times=1)
    faulty.fault("PUT /v2/new/blobs/uploads/", faults.lost(keep=50), times=2)
    store("push", "-q", "--retry", "4", "--retry-delay=10ms", name, f"{faulty.host}/new:1")
    assert faulty.find("/v2/new/manifests/1")[0] == made.manifest
    begun = [one.path for one in faulty.requests if one.method == "POST"]
    assert begun.count("/v2/new/blobs/uploads/") > 2


def test_ctrl_c_ends_within_a_second(store: Store, faulty: FaultRegistry) -> None:
    store("pull", "-q", faulty.serve("app", "1", image()))
    faulty.fault("HEAD /v2/new/blobs/", faults.status(404))

    def silent(handler: faults.Handler, _body: bytes, _type: str) -> None:
        handler.registry.stopping.wait(60)
        handler.cut()

    faulty.fault("POST /v2/new/blobs/uploads/?mount", silent)
    running = store.start("push", f"{faulty.host}/app:1", f"{faulty.host}/new:1")
    assert within(10, lambda: faulty.paths("/v2/new/blobs/uploads/"))
    started = time.monotonic()
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=10)
    assert time.monotonic() - started < 1
    assert (running.returncode, out) == (130, b"")
    assert b"Traceback" not in err


def test_retries_are_counted_and_spaced(store: Store, faulty: FaultRegistry) -> None:
    store("pull", "-q", faulty.serve("app", "1", image()))
    faulty.fault("PUT /v2/app/manifests", faults.status(503))
    name = f"{faulty.host}/app:1"
    assert "HTTP 503" in store("push", "-q", "--retry", "1", "--retry-delay=10ms", name,
                               check=125).err  # fmt: skip
    assert len([one for one in faulty.requests if one.method == "PUT"]) == 2
    assert "--retry-delay" in store("push", "--retry-delay=soon", name, check=125).err


def test_layers_are_packed_as_asked_for(store: Store, registries: dict[str, Registry]) -> None:
    registry = registries["anonymous"]
    name = registry.push(image("oci-gzip"), "pack/in")
    store("pull", "-q", name)
    there = f"{registry.host}/pack/zstd:latest"
    store("push", "-q", "--compression-format=zstd", "--compression-level", "9", name, there)
    body, _ = registry.manifest("pack/zstd")
    assert layer_types(body) == [f"{images.OCI}layer.v1.tar+zstd"] * 2
    assert json.loads(body)["config"]["digest"] == image("oci-gzip").id
    store("rmi", "-a")
    assert store("pull", "-q", there).line == image("oci-gzip").id[7:]
    store("push", "-q", "--compression-format", "gzip", there, f"{registry.host}/pack/back")
    assert layer_types(registry.manifest("pack/back")[0]) == [f"{images.OCI}layer.v1.tar+gzip"] * 2


def test_what_is_packed_so_already_is_packed_anew_only_by_force(
    store: Store, registries: dict[str, Registry]
) -> None:
    registry, made = registries["anonymous"], image("oci-gzip")
    name = registry.push(made, "force/in")
    store("pull", "-q", name)
    same = f"{registry.host}/force/same"
    store("push", "-q", "--compression-format=gzip", name, same)
    assert registry.manifest("force/same")[0] == made.manifest
    store("push", "-q", "--compression-format=gzip", "--force-compression", name, same)
    assert registry.manifest("force/same")[0] != made.manifest


def test_plain_layers_travel_compressed(store: Store, registries: dict[str, Registry]) -> None:
    registry, made = registries["anonymous"], image("oci-plain")
    name = registry.push(made, "plain/in")
    store("pull", "-q", name)
    store("push", "-q", name, f"{registry.host}/plain/out")
    body, _ = registry.manifest("plain/out")
    assert layer_types(body) == [f"{images.OCI}layer.v1.tar+gzip"] * 2
    assert json.loads(body)["config"]["digest"] == made.id


def test_the_format_is_changed_when_asked_for(
    store: Store, registries: dict[str, Registry]
) -> None:
    registry, made = registries["anonymous"], image("oci-zstd")
    name = registry.push(made, "format/in")
    store("pull", "-q", name)
    store("push", "-q", "--format", "v2s2", name, f"{registry.host}/format/v2s2")
    body, kind = registry.manifest("format/v2s2")
    assert kind == f"{images.DOCKER}distribution.manifest.v2+json"
    assert layer_types(body) == [f"{images.DOCKER}image.rootfs.diff.tar.gzip"] * 2
    assert json.loads(body)["config"]["mediaType"] == f"{images.DOCKER}container.image.v1+json"
    store("rmi", "-a")
    store("pull", "-q", f"{registry.host}/format/v2s2")
    store("push", "-q", "--format=oci", f"{registry.host}/format/v2s2", f"{registry.host}/format/o")
    body, kind = registry.manifest("format/o")
    assert kind == f"{images.OCI}manifest.v1+json"
    assert json.loads(body)["config"]["digest"] == made.id
    shown = subprocess.run(
        ["/usr/bin/skopeo", "inspect", "--tls-verify=false", f"docker://{registry.host}/format/o"],
        capture_output=True,
        check=True,
    ).stdout
    assert json.loads(shown)["Architecture"] == "amd64"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--compression-format=zstd", "--format=v2s2"), "docker's format v2s2 has no zstd"),
        (("--compression-format=lzma",), 'unknown compression "lzma"'),
        (("--compression-format=gzip", "--compression-level=99"), "gzip has 1 to 9"),
        (("--format=v2s1",), 'unknown format "v2s1"'),
    ],
)
def test_bad_input_is_refused_before_a_byte_is_sent(
    store: Store, faulty: FaultRegistry, words: tuple[str, ...], said: str
) -> None:
    store("pull", "-q", faulty.serve("app", "1", image()))
    faulty.requests.clear()
    refused = store("push", *words, f"{faulty.host}/app:1", f"{faulty.host}/new", check=125)
    assert said in refused.err
    assert faulty.requests == []


def test_an_index_is_pushed_as_the_image_of_the_platform(
    store: Store, registries: dict[str, Registry]
) -> None:
    registry, made = registries["anonymous"], image()
    foreign = image(architecture="s390x")
    for one in (made, foreign):
        registry.push(one, "list/in", one.digest)
    body, kind = images.index([(foreign, "s390x"), (made, "amd64")])
    registry.put_manifest("list/in", "latest", body, kind)
    name = f"{registry.host}/list/in"
    store("pull", "-q", "--platform", "linux/amd64", name)
    store("push", "-q", name, f"{registry.host}/list/one")
    assert registry.manifest("list/one")[0] == made.manifest
    refused = store("push", "-q", "--all", name, f"{registry.host}/list/all", check=125)
    assert "is not in the store" in refused.err
    assert "Hint: pypod image copy --all" in refused.err
    single = registry.push(image(), "list/single")
    store("pull", "-q", single)
    store("push", "-q", "--all", single, f"{registry.host}/list/all")
    assert registry.manifest("list/all")[0] == made.manifest


def test_the_digest_is_written_to_a_file(
    store: Store, registries: dict[str, Registry], tmp_path: Path
) -> None:
    registry, made = registries["anonymous"], image()
    name = registry.push(made, "digest/in")
    store("pull", "-q", name)
    store("push", "-q", "--digestfile", str(tmp_path / "digest"), name)
    assert (tmp_path / "digest").read_text() == made.digest


def test_credentials_are_found_and_a_wrong_password_is_one_line(
    store: Store, registries: dict[str, Registry], tmp_path: Path
) -> None:
    store("pull", "-q", registries["anonymous"].push(image(), "auth/in"))
    name = f"{registries['anonymous'].host}/auth/in"
    for auth in ("basic", "bearer"):
        host = registries[auth].host
        refused = store("push", "-q", name, f"{host}/auth/out", check=125)
        assert "authentication required" in refused.err
        wrong = store("push", "-q", "--creds", "tester:wrong", name, f"{host}/a", check=125)
        assert "wrong user name or password" in wrong.err
        assert wrong.err.count("Error: ") == 1
        secret = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        (tmp_path / "auth.json").write_text(json.dumps({"auths": {host: {"auth": secret}}}))
        store("push", "-q", "--authfile", str(tmp_path / "auth.json"), name, f"{host}/auth/out")


def test_a_registry_with_an_authority_of_its_own_is_trusted_by_cert_dir(
    store: Store, tmp_path: Path
) -> None:
    authority = Authority(tmp_path / "authority")
    registry = Registry(tmp_path / "tls", authority=authority)
    try:
        store("run", "--rm", "--network=none", "pypod/hello")
        there = f"{registry.host}/hello"
        assert "not trusted" in store("push", "-q", "pypod/hello", there, check=125).err
        certificates = str(authority.directory(tmp_path / "certs"))
        store("push", "-q", "--cert-dir", certificates, "pypod/hello", there)
    finally:
        registry.close()


def test_a_registry_without_tls_elsewhere_needs_leave(store: Store) -> None:
    store("pull", "-q", "pypod/hello")
    with FaultRegistry(address="127.0.0.1") as registry:
        store("push", "-q", "--tls-verify=false", "pypod/hello", f"{registry.host}/hello")
        assert registry.find("/v2/hello/manifests/latest")[0]


def test_what_is_not_here_cannot_be_pushed(store: Store) -> None:
    assert store("push", "no/such:1", check=125).err == "Error: no/such:1: image not known\n"
    wrong = store("push", "-q", "pypod/hello", "127.0.0.1:1/x", check=125)
    assert wrong.err == "Error: pypod/hello: image not known\n"


def test_bars_are_drawn_on_a_terminal_only(store: Store, registries: dict[str, Registry]) -> None:
    registry = registries["anonymous"]
    store("pull", "-q", registry.push(image(), "bars/in"))
    words = ("push", f"{registry.host}/bars/in", f"{registry.host}/bars/out")
    with store.program.terminal(*store.first, *words) as terminal:
        assert terminal.wait() == 0
        shown = terminal.seen.decode()
    assert "Copying blob" in shown
    assert "━" in shown
    assert "━" not in store(*words).err
