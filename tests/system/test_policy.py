# SPDX-License-Identifier: Apache-2.0
"""Another policy.json for one command, and where signatures are looked for."""

from __future__ import annotations

import functools
import http.server
import json
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures import fault_registry as faults
from tests.fixtures import images, signing
from tests.fixtures.docker_daemon import DockerDaemon
from tests.fixtures.fault_registry import FaultRegistry
from tests.fixtures.registry import Registry
from tests.fixtures.signing import Machine, Pgp
from tests.fixtures.store import Store

pytestmark = pytest.mark.own

REJECT = '{"default": [{"type": "reject"}]}'


@pytest.fixture
def strict(tmp_path: Path) -> str:
    path = tmp_path / "strict.json"
    path.write_text(REJECT)
    return str(path)


def test_another_policy_for_one_command(
    store: Store, registry: Registry, tmp_path: Path, strict: str
) -> None:
    name = signing.push(registry, images.busybox(), "option")[1]
    archive = str(tmp_path / "a.tar")
    refused = "refused by " + strict
    assert refused in store("pull", "--signature-policy", strict, name, check=125).err
    assert refused in store("run", "--rm", "--signature-policy", strict, name, check=125).err
    assert refused in store("create", "--signature-policy", strict, name, check=125).err
    easy = str(tmp_path / "easy.json")
    Path(easy).write_text(REJECT.replace("reject", "insecureAcceptAnything"))
    store("run", "--rm", "--network=none", "--signature-policy", easy, name, "true")
    store("pull", "-q", "--signature-policy", easy, name)
    store("create", "--name", "made", "--signature-policy", easy, name)
    store("rm", "made")
    store("save", "-q", "-o", archive, name)
    store("load", "-q", "--signature-policy", easy, "-i", archive)
    assert refused in store("load", "--signature-policy", strict, "-i", archive, check=125).err
    copy = ("image", "copy", "--signature-policy", strict)
    where = f"dir:{tmp_path}/dir"
    done = store(
        "image", "copy", "--signature-policy", strict, f"docker://{name}", where, check=125
    )
    assert refused in done.err
    assert refused in store(*copy, f"docker://{name}", "containers-storage:x:1", check=125).err
    # What is in the store was let in before.
    store(*copy, f"containers-storage:{name}", where)
    done = store("pull", "--signature-policy", "/no/policy.json", name, check=125)
    assert "/no/policy.json: No such file or directory" in done.err


@pytest.fixture
def daemon() -> Iterator[DockerDaemon]:
    """A daemon of docker's; the path of a socket must be short."""
    with tempfile.TemporaryDirectory(dir="/tmp") as where, DockerDaemon(Path(where)) as running:
        yield running


@pytest.mark.parametrize(
    "transport", ["dir", "oci", "oci-archive", "docker-archive", "docker-daemon"]
)
def test_every_way_in_asks_the_policy_of_its_transport(
    store: Store,
    machine: Machine,
    registry: Registry,
    daemon: DockerDaemon,
    tmp_path: Path,
    transport: str,
) -> None:
    machine.require({"type": "insecureAcceptAnything"})
    name = signing.push(registry, images.make([{"file": b"way in"}]), transport)[1]
    path = str(tmp_path / "there")
    env = {**machine.env, "DOCKER_HOST": daemon.host}
    place = f"{transport}:{path}{'' if transport == 'dir' else ':example.com/way/in:1'}"
    if transport == "docker-daemon":
        place = "docker-daemon:example.com/way/in:1"
    store("image", "copy", "-q", f"docker://{name}", place, env=env)
    ways = [("image", "copy", "-q", place, "containers-storage:taken:1"),
            ("image", "copy", "-q", place, f"dir:{tmp_path}/out"),
            ("manifest", "create", "list", place)]  # fmt: skip
    if transport != "docker-daemon":
        ways.append(("load", "-q", "-i", path))
    if transport in ("oci", "oci-archive"):
        ways.append(("artifact", "pull", "-q", place))
    easy, reject = [{"type": "insecureAcceptAnything"}], [{"type": "reject"}]

    def say(default: object, own: object) -> None:
        rules = {"default": default, "transports": {transport: {"": own}}}
        machine.policy.write_text(json.dumps(rules))

    for words in ways:
        say(easy, reject)
        done = store(*words, check=125, env=env)
        assert f"refused by {machine.policy} ({transport}: reject)" in done.err, words
        say(reject, easy)
        store(*words, env=env)
        store("manifest", "rm", "list", check=None, env=env)


def test_signatures_are_fetched_over_http(
    store: Store, machine: Machine, registry: Registry, pgp: Pgp
) -> None:
    image = images.busybox()
    repository, name = signing.push(registry, image, "http")
    machine.put(repository, image.digest, pgp.sign(b"junk"),
                pgp.sign(signing.payload(image.digest, name)))  # fmt: skip
    key = {"type": "signedBy", "keyType": "GPGKeys", "keyPath": str(pgp.public("good"))}
    machine.require(key)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_args: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(machine.lookaside))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    file = machine.home / "containers/registries.d/tests.yaml"
    file.write_text(
        "docker:\n"
        f'  "{registry.host}":\n'
        f"    lookaside: http://127.0.0.1:{server.server_address[1]}/\n"
        f"    lookaside-staging: file:///nowhere\n"
    )
    try:
        store("pull", "-q", name, env=machine.env)
    finally:
        server.shutdown()
        server.server_close()
    done = store("pull", "-q", name, check=125, env=machine.env)
    assert "connection refused" in done.err
    assert f"{name}: refused by" in done.err


def test_a_lookaside_place_that_fails_is_asked_again_and_never_means_unsigned(
    store: Store, machine: Machine, registry: Registry, pgp: Pgp, faulty: FaultRegistry
) -> None:
    image = images.busybox()
    _repository, name = signing.push(registry, image, "again")
    signature = pgp.sign(signing.payload(image.digest, name))
    key = {"type": "signedBy", "keyType": "GPGKeys", "keyPath": str(pgp.public("good"))}
    (machine.home / "containers/registries.d/tests.yaml").write_text(
        f'docker:\n  "{registry.host}": {{lookaside: "{faulty.url}/sigs"}}\n'
    )

    def serve(handler: faults.Handler, _body: bytes, _type: str) -> None:
        handler.send(200, signature, "application/octet-stream")

    def cut(handler: faults.Handler, _body: bytes, _type: str) -> None:
        handler.send(200, b"ab", "", {"Content-Length": "9"})
        handler.cut()

    machine.require(key)
    for passing in (faults.status(503), faults.status(429), cut):
        faulty.faults_done()
        faulty.fault("signature-1", passing, 1)
        faulty.fault("signature-1", serve)
        store("pull", "-q", "--retry-delay", "10ms", name, env=machine.env)
    # A copy that could not see whether there is a signature must not go on without it.
    copy = ("image", "copy", "-q", "--retry-delay", "10ms", f"docker://{name}")
    for lasting in (faults.status(500), faults.status(403), cut):
        faulty.faults_done()
        faulty.fault("signature-1", lasting)
        machine.require(key)
        done = store("pull", "-q", "--retry-delay", "10ms", name, check=125, env=machine.env)
        assert "refused by" in done.err
        assert "not signed" not in done.err
        machine.require({"type": "insecureAcceptAnything"})
        done = store(*copy, f"dir:{machine.home}/d", check=125, env=machine.env)
        assert "--remove-signatures" in done.err
        store(*copy, "--remove-signatures", f"dir:{machine.home}/d", env=machine.env)
    faulty.faults_done()
    machine.require(key)
    done = store("pull", "-q", name, check=125, env=machine.env)
    assert "it is not signed" in done.err


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("docker: [", "tests.yaml:"),
        ("docker:\n  a:\n    lookasides: x\n", "unknown key 'lookasides'"),
        ("- a\n", "not a mapping"),
        ("!!python/object/apply:os.system ['true']\n", "not YAML"),
    ],
)
def test_a_registries_d_that_is_not_understood_refuses(
    store: Store, machine: Machine, registry: Registry, pgp: Pgp, text: str, why: str
) -> None:
    name = signing.push(registry, images.busybox(), "yaml")[1]
    machine.require({"type": "signedBy", "keyType": "GPGKeys", "keyPath": str(pgp.public("good"))})
    (machine.home / "containers/registries.d/tests.yaml").write_text(text)
    done = store("pull", "-q", name, check=125, env=machine.env)
    assert why in done.err
    assert "Traceback" not in done.err
