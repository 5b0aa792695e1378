# SPDX-License-Identifier: Apache-2.0
"""pull against a registry that misbehaves: one line, nothing half-made, no secret to strangers."""

from __future__ import annotations

import base64
import email.utils
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures import fault_registry as faults
from tests.fixtures import images
from tests.fixtures.fault_registry import FaultRegistry
from tests.fixtures.program import Program, Result, within
from tests.fixtures.store import Store

pytestmark = pytest.mark.own

BIG = os.urandom(3 << 20)
BASIC = "Basic " + base64.b64encode(b"tester:s3cret").decode()
CREDS = ("--creds", "tester:s3cret")


@pytest.fixture
def store(program: Program, tmp_path: Path) -> Iterator[Store]:
    made = Store(program, tmp_path)
    yield made
    made.remove()


@pytest.fixture
def registry() -> Iterator[FaultRegistry]:
    with FaultRegistry() as running:
        yield running


@pytest.fixture
def image() -> images.Image:
    """Two layers: a small one and one of several MiB that does not compress."""
    return images.make([{"small": b"small\n"}, {"big": BIG}])


@pytest.fixture
def name(registry: FaultRegistry, image: images.Image) -> str:
    return registry.serve("app", "1", image)


def refused(store: Store, *words: str) -> str:
    """Pull in vain; return the error line. Nothing is named, nothing is unpacked."""
    result: Result = store("pull", *words, check=125)
    assert result.out == ""
    assert "Traceback" not in result.err
    assert store("images", "-q").out == ""
    errors = [line for line in result.err.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1
    return errors[0]


def changed(image: images.Image, change: dict[str, object]) -> bytes:
    return json.dumps({**json.loads(image.manifest), **change}).encode()


# --- what comes in is wrong


def test_a_wrong_digest_names_both_and_leaves_no_byte(
    store: Store, registry: FaultRegistry, image: images.Image, name: str
) -> None:
    registry.fault(image.layers[1], faults.wrong())
    error = refused(store, name)
    assert f"blob {image.layers[1]} arrived as sha256:" in error
    assert "wrong digest" in error
    assert len(registry.paths(image.layers[1])) <= 2
    assert store.files() == {}


@pytest.mark.parametrize("what", ["manifest", "config"])
def test_a_wrong_manifest_or_configuration_leaves_no_byte(
    store: Store, registry: FaultRegistry, image: images.Image, name: str, what: str
) -> None:
    wanted = image.digest if what == "manifest" else image.id
    registry.fault(wanted, faults.wrong())
    pinned = name.replace(":1", f"@{image.digest}")
    assert f"{wanted} arrived as sha256:" in refused(store, pinned)
    assert store.files() == {}


def test_a_wrong_diff_id_names_both_and_leaves_no_byte(
    store: Store, registry: FaultRegistry, image: images.Image
) -> None:
    good = registry.serve("good", "1", images.make([{"trusted": b"trusted"}]))
    store("pull", "-q", good)
    before = store.files()
    config = json.loads(image.blobs[image.id])
    lies = [images.digest(b"another"), config["rootfs"]["diff_ids"][1]]
    raw = json.dumps({**config, "rootfs": {"type": "layers", "diff_ids": lies}}).encode()
    entry = {**json.loads(image.manifest)["config"], "digest": images.digest(raw), "size": len(raw)}
    lying = images.Image(
        changed(image, {"config": entry}),
        image.media_type,
        {**image.blobs, images.digest(raw): raw},
        image.layers,
    )
    result = store("pull", registry.serve("lies", "1", lying), check=125)
    assert config["rootfs"]["diff_ids"][0] in result.err
    assert lies[0] in result.err
    assert "wrong diff_id" in result.err
    assert store.files() == before


@pytest.mark.parametrize("chunked", [False, True])
def test_a_longer_body_is_stopped(
    store: Store, registry: FaultRegistry, image: images.Image, name: str, chunked: bool
) -> None:
    registry.fault(image.layers[1], faults.longer(1, chunked=chunked))
    assert "is longer than the manifest says" in refused(store, name)
    assert store.files() == {}


@pytest.mark.parametrize(
    "digest",
    ["sha256:../../../../etc/passwd", "sha256:", "sha256:ABCD", "md5:" + "0" * 32, 7, None],
)
def test_a_digest_that_is_none_is_used_in_no_path_and_no_request(
    store: Store, registry: FaultRegistry, image: images.Image, digest: object
) -> None:
    entry = {**json.loads(image.manifest)["layers"][0], "digest": digest}
    name = registry.serve_bytes("bad", "1", changed(image, {"layers": [entry]}), image.media_type)
    assert "is not a sha256 digest" in refused(store, name)
    assert registry.paths("/blobs/") == []
    assert store.files() == {}


def test_urls_of_a_layer_are_not_followed(
    store: Store, registry: FaultRegistry, image: images.Image
) -> None:
    with FaultRegistry() as other:
        layers = json.loads(image.manifest)["layers"]
        body = changed(image, {"layers": [{**one, "urls": [other.url]} for one in layers]})
        registry.serve("other", "1", image)
        store("pull", registry.serve_bytes("app", "1", body, image.media_type))
        assert other.requests == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"schemaVersion":2,"config":{},"config":{}}', "twice"),
        (b'{"schemaVersion":2,"manifests":[],"layers":[],"config":{}}', "ambiguous"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":"' + b"x" * (5 << 20) + b'"}', "more than 4194304 bytes"),
        (b"<html>", "not JSON"),
        (b'{"schemaVersion":1,"fsLayers":[]}', "old schema"),
    ],
)
def test_a_manifest_that_is_none_is_refused(
    store: Store, registry: FaultRegistry, body: bytes, words: str
) -> None:
    media_type = "application/vnd.oci.image.manifest.v1+json"
    assert words in refused(store, registry.serve_bytes("bad", "1", body, media_type))
    assert store.files() == {}


def test_indexes_within_indexes_end(store: Store, registry: FaultRegistry) -> None:
    media_type = "application/vnd.oci.image.index.v1+json"
    body = b'{"schemaVersion":2,"manifests":[]}'
    for depth in range(6):
        entry = {"mediaType": media_type, "digest": images.digest(body), "size": len(body)}
        registry.serve_bytes("deep", str(depth), body, media_type)
        body = json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode()
    name = registry.serve_bytes("deep", "1", body, media_type)
    assert "indexes within indexes" in refused(store, name)


# --- what comes in is cut off, slow or refused for now


def test_a_short_body_is_continued_by_the_same_pull(
    store: Store, registry: FaultRegistry, image: images.Image, name: str
) -> None:
    registry.fault(image.layers[1], faults.short(1_000_000), times=1)
    assert ": going on from byte " in store("pull", name).err
    ranges = [request.range for request in registry.paths(image.layers[1])]
    assert ranges[0] == ""
    assert len(ranges) == 2
    assert 0 < int(ranges[1].removeprefix("bytes=").rstrip("-")) <= 1_000_000
    assert store.blob(image.layers[1]).read_bytes() == image.blobs[image.layers[1]]


def test_a_short_body_leaves_a_part_that_the_next_pull_uses(
    store: Store, registry: FaultRegistry, image: images.Image, name: str
) -> None:
    registry.fault(image.layers[1], faults.short(1_000_000), times=1)
    registry.fault(image.layers[1], faults.status(404))
    before = store("images").out
    assert "not found" in refused(store, name)
    assert store("images").out == before
    kept = store.partial(image.layers[1]).stat().st_size
    assert 0 < kept <= 1_000_000
    allowed = {
        f"images/partial/{image.layers[1][7:]}",
        f"images/blobs/sha256/{image.layers[0][7:]}",
    }
    assert set(store.files()) <= allowed
    with FaultRegistry() as good:
        store("pull", good.serve("app", "1", image))
        assert [one.range for one in good.paths(image.layers[1])] == [f"bytes={kept}-"]
    assert not store.partial(image.layers[1]).exists()


@pytest.mark.parametrize("size", [0, 500_000])
def test_a_registry_without_range_starts_again(
    store: Store, registry: FaultRegistry, image: images.Image, name: str, size: int
) -> None:
    registry.fault(image.layers[1], faults.short(1_000_000), times=1)
    if size:
        registry.fault(image.layers[1], faults.without_range(size), times=1)
    registry.fault(image.layers[1], faults.without_range())
    store("pull", name)
    assert store.blob(image.layers[1]).read_bytes() == image.blobs[image.layers[1]]
    assert store("run", "--rm", "--network=none", name, "/none", check=127).out == ""


def test_another_part_than_the_one_asked_for_is_an_error(
    store: Store, registry: FaultRegistry, image: images.Image, name: str
) -> None:
    registry.fault(image.layers[1], faults.short(1_000_000), times=1)
    registry.fault(image.layers[1], faults.wrong_range())
    assert "got bytes 1-" in refused(store, name)


@pytest.mark.parametrize("asked", ["seconds", "date", ""])
def test_a_busy_registry_is_asked_again_when_it_says(
    store: Store, registry: FaultRegistry, image: images.Image, name: str, asked: str
) -> None:
    stamp = email.utils.formatdate(time.time() + 2, usegmt=True)
    headers = {"seconds": {"Retry-After": "1"}, "date": {"Retry-After": stamp}, "": {}}[asked]
    registry.fault(image.layers[0], faults.status(429, headers), times=1)
    started = time.monotonic()
    pulled = store("pull", name)
    assert time.monotonic() - started >= 0.9
    assert ("is busy: waiting" in pulled.err) == bool(asked)


def test_tries_are_few(
    store: Store, registry: FaultRegistry, image: images.Image, name: str
) -> None:
    registry.fault(image.layers[0], faults.status(503, {"Retry-After": "0"}))
    assert "HTTP 503" in refused(store, name)
    assert len(registry.paths(image.layers[0])) == 4  # the first one and --retry 3


def test_an_error_page_is_not_read_without_end_and_not_printed_raw(
    store: Store, registry: FaultRegistry
) -> None:
    page = b'{"errors":[{"message":"\\u001b[31mred\\n' + b"x" * (3 << 20) + b'"}]}'
    registry.fault("/manifests/", faults.status(403, body=page))
    error = refused(store, f"{registry.host}/app:1")
    assert "access denied" in error
    assert "\x1b" not in error
    assert len(error) < 500


def test_ctrl_c_ends_within_a_second_and_keeps_the_part(
    store: Store, registry: FaultRegistry, image: images.Image, name: str
) -> None:
    registry.fault(image.layers[1], faults.stall(1_000_000))
    running = store.start("pull", name)
    partial = store.partial(image.layers[1])
    assert within(10, lambda: partial.exists() and partial.stat().st_size > 500_000)
    started = time.monotonic()
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=10)
    assert time.monotonic() - started < 1
    assert (running.returncode, out) == (130, b"")
    assert b"Traceback" not in err
    assert partial.exists()
    assert store("images", "-q").out == ""


@pytest.mark.parametrize("after", [0.0, 0.05, 0.1])
def test_ctrl_c_on_a_terminal_keeps_the_part_too(
    store: Store, registry: FaultRegistry, image: images.Image, name: str, after: float
) -> None:
    # The terminal's signal also ends the helper that unpacks, in the middle of a chunk.
    registry.fault(image.layers[1], faults.slow(4096, 0.001))
    partial = store.partial(image.layers[1])
    with store.program.terminal(*store.first, "pull", name) as terminal:
        assert within(10, lambda: partial.exists() and partial.stat().st_size > 100_000)
        time.sleep(after)
        terminal.send(b"\x03")
        assert terminal.wait() == 130
        assert "Error" not in terminal.seen.decode()
    assert partial.stat().st_size > 100_000


def test_a_challenge_of_another_host_is_not_answered(
    store: Store, registry: FaultRegistry, image: images.Image, name: str
) -> None:
    with FaultRegistry() as other:
        other.fault("/v2/", faults.status(401, {"WWW-Authenticate": 'Basic realm="x"'}))
        registry.fault("/blobs/", faults.redirect(other.url + "{path}"))
        assert f"HTTP 401 from {other.host}" in refused(store, *CREDS, name)
        assert authorizations(registry, other) == []


def test_ctrl_c_ends_a_pull_that_no_one_answers(
    store: Store, registry: FaultRegistry, name: str
) -> None:
    registry.fault("/v2/", lambda handler, _body, _type: handler.registry.stopping.wait(60))  # type: ignore[arg-type, return-value]
    with store.program.terminal(*store.first, "pull", name) as terminal:
        assert within(10, lambda: registry.paths("/v2/"))
        started = time.monotonic()
        terminal.send(b"\x03")
        assert terminal.wait() == 130
        assert time.monotonic() - started < 1
    assert store.files() == {}


@pytest.mark.parametrize("after", [0, 1_000_000])
def test_killed_pulls_are_taken_up_again(
    store: Store, registry: FaultRegistry, image: images.Image, name: str, after: int
) -> None:
    registry.fault(image.layers[1], faults.stall(after), times=1)
    running = store.start("pull", name)
    assert within(10, lambda: registry.paths(image.layers[1]))
    if after:
        partial = store.partial(image.layers[1])
        assert within(10, lambda: partial.exists() and partial.stat().st_size > 500_000)
    running.kill()
    running.communicate()
    store("pull", name)
    left = store.files()
    assert [path for path in left if path.startswith(("tmp/", "images/partial/"))] == []


def test_the_tag_that_moves_meanwhile_does_not_mix_images(
    store: Store, registry: FaultRegistry, image: images.Image
) -> None:
    body, media_type = images.index([(image, "amd64")])
    registry.serve("app", "by-digest", image)
    name = registry.serve_bytes("app", "1", body, media_type)
    other = images.make([{"other": b"other"}])
    moved, _ = images.index([(other, "amd64")])
    registry.serve("app", "other", other)

    def move(handler: faults.Handler, good: bytes, kind: str) -> None:
        registry.serve_bytes("app", "1", moved, media_type)
        handler.good(good, kind)

    registry.fault("/manifests/1", move, times=1)
    assert store("pull", "-q", name).line == image.id[7:]


def test_a_full_disk_is_one_line(
    store: Store, registry: FaultRegistry, image: images.Image, name: str
) -> None:
    # RLIMIT_FSIZE fails a write as a full disk does, for this user and this command only.
    words = ["/bin/sh", "-c", 'ulimit -f 1000; exec "$@"', "sh", *store.program.argv(*store.first)]
    limited = Program(words[0])
    limited_result = limited(*words[1:], "pull", name, check=125)
    errors = [line for line in limited_result.err.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1
    assert "Traceback" not in limited_result.err
    assert store("images", "-q").out == ""


def test_pulls_at_the_same_time_fetch_a_blob_once(
    store: Store, registry: FaultRegistry, image: images.Image, name: str
) -> None:
    store("images")
    running = [store.start("pull", name) for _ in range(4)]
    for one in running:
        out, err = one.communicate(timeout=60)
        assert (one.returncode, out.decode()) == (0, f"{image.id[7:]}\n"), err
    assert len(registry.paths(image.layers[1])) == 1
    assert [path for path in store.files() if path.startswith(("tmp/", "images/partial/"))] == []


def test_a_layer_that_two_images_share_is_fetched_and_unpacked_once(
    store: Store, registry: FaultRegistry, image: images.Image, name: str
) -> None:
    other = images.make([{"small": b"small\n"}, {"other": b"other"}])
    assert other.layers[0] == image.layers[0]
    store("pull", name)
    store("pull", registry.serve("other", "1", other))
    assert len(registry.paths(image.layers[0])) == 1
    store("rmi", name)
    assert store.blob(image.layers[0]).exists()
    assert not store.blob(image.layers[1]).exists()


@pytest.mark.parametrize("count", [1, 60])
def test_an_image_may_have_few_layers_or_many(
    store: Store, registry: FaultRegistry, count: int
) -> None:
    layers = [{f"file{number}": str(number).encode()} for number in range(count - 1)]
    image = images.make([images.busybox_files(), *layers])
    store("pull", registry.serve("many", "1", image))
    listed = store("run", "--rm", "--network=none", image.id[7:], "ls", "/").out
    assert listed.count("file") == count - 1


# --- to whom credentials go


def authorizations(*registries: FaultRegistry) -> list[str]:
    return [one.authorization for each in registries for one in each.requests if one.authorization]


def test_a_redirect_to_another_port_carries_no_credentials(
    store: Store, registry: FaultRegistry, image: images.Image, name: str
) -> None:
    with FaultRegistry() as other:
        other.serve("app", "1", image)
        registry.fault("/blobs/", faults.redirect(other.url + "{path}"))
        registry.fault("/v2/", faults.needs(BASIC, 'Basic realm="x"'))
        store("pull", *CREDS, name)
        assert len(other.requests) == 3
        assert authorizations(other) == []
        assert set(authorizations(registry)) == {BASIC}


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("{path}", "more than 10 redirects"),
        ("file:///etc/passwd", "refused, that is no web address"),
        ("http://user:word@127.0.0.1/x", "refused, that is no web address"),
        ("http://[::1/x", "refused"),
    ],
)
def test_redirects_that_lead_nowhere_are_errors(
    store: Store, registry: FaultRegistry, name: str, target: str, words: str
) -> None:
    registry.fault("/blobs/", faults.redirect(target))
    assert words in refused(store, name)
    assert len(registry.paths("/blobs/")) <= 11


def bearer(realm: str) -> str:
    return f'Bearer realm="{realm}",service="test",scope="repository:app:pull"'


def token(handler: faults.Handler, _body: bytes, _type: str) -> None:
    count = len(handler.registry.paths("/token"))
    handler.send(200, json.dumps({"token": f"token{count}"}).encode(), "application/json")


def test_credentials_go_to_a_realm_on_another_port_of_the_same_host(
    store: Store, registry: FaultRegistry, name: str
) -> None:
    with FaultRegistry() as realm:
        realm.fault("/token", token)
        registry.fault("/v2/", faults.needs("Bearer token1", bearer(realm.url + "/token")))
        store("pull", *CREDS, name)
        assert authorizations(realm) == [BASIC]
        assert BASIC not in authorizations(registry)
        assert "scope=repository%3Aapp%3Apull" in realm.requests[0].path


@pytest.mark.parametrize("host", ["localhost", "127.0.0.2", "[::ffff:127.0.0.1]"])
def test_credentials_do_not_go_to_a_realm_on_another_host(
    store: Store, registry: FaultRegistry, name: str, host: str
) -> None:
    with FaultRegistry(address="") as realm:
        wanted = f"http://{host}:{realm.port}/token"
        registry.fault("/v2/", faults.needs("Bearer none", bearer(wanted)))
        error = refused(store, *CREDS, name)
        assert wanted in error
        assert "another host, no credentials were sent" in error
        assert realm.requests == []
        assert authorizations(registry) == []


def test_credentials_go_to_a_realm_that_the_configuration_trusts(
    store: Store, registry: FaultRegistry, name: str, tmp_path: Path
) -> None:
    with FaultRegistry(address="") as realm:
        realm.fault("/token", token)
        wanted = f"http://127.0.0.2:{realm.port}/token"
        registry.fault("/v2/", faults.needs("Bearer token1", bearer(wanted)))
        settings = tmp_path / "pypod.conf"
        settings.write_text(f'[registries]\ntrusted_realms = ["127.0.0.2:{realm.port}"]\n')
        store("pull", *CREDS, name, env={"PYPOD_CONF": str(settings)})
        assert authorizations(realm) == [BASIC]


def test_a_token_that_ends_during_the_pull_is_renewed_once(
    store: Store, registry: FaultRegistry, image: images.Image, name: str
) -> None:
    registry.fault("/token", token)
    challenge = bearer(registry.url + "/token")
    registry.fault("/manifests/", faults.needs("Bearer token1", challenge))
    registry.fault("/blobs/", faults.needs("Bearer token2", challenge))
    registry.fault("/v2/", faults.needs("Bearer token1", challenge))
    store("pull", name)
    assert len(registry.paths("/token")) == 2


def test_a_token_that_is_never_good_enough_ends_the_pull(
    store: Store, registry: FaultRegistry, name: str
) -> None:
    registry.fault("/token", token)
    registry.fault("/v2/", faults.needs("Bearer never", bearer(registry.url + "/token")))
    assert "authentication required" in refused(store, name)
    assert len(registry.paths("/token")) == 2


def test_credentials_of_another_host_are_not_used(
    store: Store, registry: FaultRegistry, name: str, tmp_path: Path
) -> None:
    entry = {"auth": base64.b64encode(b"tester:s3cret").decode()}
    hosts = [f"{registry.host}1", registry.host[:-1], "127.0.0.1", f"{registry.host}/ap", ""]
    path = tmp_path / "auth.json"
    path.write_text(json.dumps({"auths": dict.fromkeys(hosts, entry)}))
    registry.fault("/v2/", faults.needs(BASIC, 'Basic realm="x"'))
    assert "authentication required" in refused(store, "--authfile", str(path), name)
    assert authorizations(registry) == []


def test_no_netrc_and_no_cookie_is_sent(
    store: Store, registry: FaultRegistry, image: images.Image, name: str, tmp_path: Path
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login tester password s3cret\n")
    (tmp_path / ".netrc").chmod(0o600)

    def cookie(handler: faults.Handler, body: bytes, kind: str) -> None:
        handler.send(200, body, kind, {"Set-Cookie": "a=b; Path=/"})

    registry.fault("/manifests/", cookie)
    netrc = str(tmp_path / ".netrc")
    store("pull", name, env={"HOME": str(tmp_path), "NETRC": netrc})
    assert authorizations(registry) == []
    assert all("cookie" not in one.headers for one in registry.requests)


def test_the_password_is_in_no_output_and_in_no_file(
    store: Store, registry: FaultRegistry, name: str
) -> None:
    registry.fault("/v2/", faults.needs(BASIC, 'Basic realm="x"'))
    pulled = store("--log-level=debug", "pull", *CREDS, name)
    assert "s3cret" not in pulled.out + pulled.err
    assert BASIC.split()[1] not in pulled.out + pulled.err
    for path in store.root.rglob("*"):
        if path.is_file() and "/layers/" not in str(path):
            assert b"s3cret" not in path.read_bytes()


# --- TLS


def test_a_certificate_that_nobody_signed_is_refused(
    store: Store, image: images.Image, tmp_path: Path
) -> None:
    with FaultRegistry(faults.certificate(tmp_path, "own")) as registry:
        name = registry.serve("app", "1", image)
        assert "certificate is not trusted: self-signed certificate" in refused(store, *CREDS, name)
        assert registry.requests == []
        assert store.files() == {}
        pulled = store("pull", "--tls-verify=false", name)
        assert "is not verified" in pulled.err


@pytest.mark.parametrize(
    ("wrong", "words"),
    [({"host": "192.0.2.1"}, "IP address mismatch"), ({"days": -1}, "certificate has expired")],
)
def test_a_certificate_of_another_host_or_time_is_refused(
    store: Store, image: images.Image, tmp_path: Path, wrong: dict[str, object], words: str
) -> None:
    certificate = faults.certificate(tmp_path, "own", **wrong)  # type: ignore[arg-type]
    with FaultRegistry(certificate) as registry:
        name = registry.serve("app", "1", image)
        result = store("pull", name, check=125, env={"SSL_CERT_FILE": str(certificate)})
        assert words in result.err
        assert registry.requests == []
        assert store.files() == {}


def test_a_certificate_that_the_machine_trusts_is_good(
    store: Store, image: images.Image, tmp_path: Path
) -> None:
    certificate = faults.certificate(tmp_path, "own")
    with FaultRegistry(certificate) as registry:
        name = registry.serve("app", "1", image)
        store("pull", name, env={"SSL_CERT_FILE": str(certificate)})


def test_a_redirect_from_https_to_http_is_refused(
    store: Store, registry: FaultRegistry, image: images.Image, tmp_path: Path
) -> None:
    registry.serve("app", "1", image)
    certificate = faults.certificate(tmp_path, "own")
    with FaultRegistry(certificate) as secure:
        secure.fault("/blobs/", faults.redirect(registry.url + "{path}"))
        name = secure.serve("app", "1", image)
        result = store("pull", name, check=125, env={"SSL_CERT_FILE": str(certificate)})
        assert "refused, that is not https" in result.err
        assert registry.requests == []
