# SPDX-License-Identifier: Apache-2.0
"""Rows S-32, S-33, S-35, S-37 and S-52: registries that lie, break off or want credentials.

S-52 is the ten faults F21 to F30; tests/system/test_pull_faults.py and test_push.py have more.
"""

from __future__ import annotations

import base64
import json
import os
import ssl
import time
from pathlib import Path

import pytest

from tests.fixtures import fault_registry as faults
from tests.fixtures import images
from tests.fixtures.fault_registry import FaultRegistry
from tests.fixtures.program import within
from tests.fixtures.store import Store

pytestmark = pytest.mark.own
SECRET = "s3cret-of-the-rows"
BASIC = "Basic " + base64.b64encode(f"tester:{SECRET}".encode()).decode()
CREDS = ("--creds", f"tester:{SECRET}")
BIG = os.urandom(2 << 20)


@pytest.fixture
def image() -> images.Image:
    """An image whose second layer is 2 MiB that do not compress."""
    return images.make([{"small": b"small\n"}, {"big": BIG}])


@pytest.fixture
def name(faulty: FaultRegistry, image: images.Image) -> str:
    return faulty.serve("app", "1", image)


def refused(store: Store, *words: str, env: dict[str, str | None] | None = None) -> str:
    """Run a command in vain; return its one error line."""
    done = store(*words, check=125, env=env)
    assert "Traceback" not in done.err
    (found,) = [line for line in done.err.splitlines() if line.startswith("Error: ")]
    assert store("images", "-a", "-q").out == ""
    return found


def sent(*registries: FaultRegistry) -> list[str]:
    """Return the credentials that registries got."""
    return [one.authorization for each in registries for one in each.requests if one.authorization]


@pytest.mark.parametrize("where", ["another port", "loop", "downgrade"])
def test_s32_a_redirect_takes_no_credentials_along(
    store: Store, image: images.Image, tmp_path: Path, where: str
) -> None:
    certificate = faults.certificate(tmp_path, "own")
    env: dict[str, str | None] = {"SSL_CERT_FILE": str(certificate)}
    with (
        FaultRegistry(certificate) as first,
        FaultRegistry(certificate) as second,
        FaultRegistry() as plain,
    ):
        other = plain if where == "downgrade" else second
        name = first.serve("app", "1", image)
        other.serve("app", "1", image)
        to = first if where == "loop" else other
        first.fault("/blobs/", faults.redirect(to.url + "{path}"))
        first.fault("/v2/", faults.needs(BASIC, 'Basic realm="x"'))
        if where == "another port":
            store("pull", "-q", *CREDS, name, env=env)
        else:
            refused(store, "pull", "-q", *CREDS, name, env=env)
            assert store.files() == {}
        assert sent(other) == []
        assert bool(other.requests) == (where == "another port")
        assert len(first.paths("/blobs/")) <= 3 * 11


@pytest.mark.parametrize("wrong", ["self-signed", "wrong name", "expired", "TLS 1.0"])
def test_s35_bad_tls_is_refused_and_stores_nothing(
    store: Store, image: images.Image, tmp_path: Path, wrong: str
) -> None:
    made = faults.certificate(
        tmp_path,
        "own",
        days=-1 if wrong == "expired" else 30,
        host="192.0.2.1" if wrong == "wrong name" else "127.0.0.1",
    )
    trusted: dict[str, str | None] = {"SSL_CERT_FILE": str(made)}
    with FaultRegistry(made) as registry:
        if wrong == "TLS 1.0":
            context = registry.tls
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1
        name = registry.serve("app", "1", image)
        env = None if wrong == "self-signed" else trusted
        error = refused(store, "pull", "-q", *CREDS, name, env=env)
        assert "TLS" in error or "certificate" in error
        assert registry.requests == []
        assert store.files() == {}


# S-52: F21 to F30


def whole(store: Store, image: images.Image, name: str) -> str:
    """Pull; the layer is what it must be. Return what was said."""
    said = store("pull", name).err
    assert store.blob(image.layers[1]).read_bytes() == image.blobs[image.layers[1]]
    return said


def test_s52_f21_a_short_body_is_resumed(
    store: Store, faulty: FaultRegistry, image: images.Image, name: str
) -> None:
    faulty.fault(image.layers[1], faults.short(1_000_000), times=1)
    whole(store, image, name)
    assert faulty.paths(image.layers[1])[1].range.startswith("bytes=")


@pytest.mark.parametrize("chunked", [False, True])
def test_s52_f22_a_long_body_is_stopped(
    store: Store, faulty: FaultRegistry, image: images.Image, name: str, chunked: bool
) -> None:
    faulty.fault(image.layers[1], faults.longer(1 << 20, chunked=chunked))
    assert "longer" in refused(store, "pull", "-q", name)
    assert store.files() == {}


def test_s52_f23_a_wrong_digest_is_no_storm(
    store: Store, faulty: FaultRegistry, image: images.Image, name: str
) -> None:
    faulty.fault(image.layers[1], faults.wrong())
    assert "wrong digest" in refused(store, "pull", "-q", name)
    assert len(faulty.paths(image.layers[1])) <= 2
    assert not store.blob(image.layers[1]).exists()


def test_s52_f24_ctrl_c_ends_a_pull_that_stalls(
    store: Store, faulty: FaultRegistry, image: images.Image, name: str
) -> None:
    faulty.fault(image.layers[1], faults.stall(1000))
    with store.program.terminal(*store.first, "pull", name) as terminal:
        assert within(20, lambda: faulty.paths(image.layers[1]))
        started = time.monotonic()
        terminal.send(b"\x03")
        assert terminal.wait() == 130
        assert time.monotonic() - started < 2


@pytest.mark.parametrize("code", [429, 500, 503])
def test_s52_f25_a_busy_registry_is_asked_few_times(
    store: Store, faulty: FaultRegistry, image: images.Image, name: str, code: int
) -> None:
    faulty.fault(image.layers[0], faults.status(code, {"Retry-After": "1"}), times=1)
    started = time.monotonic()
    whole(store, image, name)
    assert time.monotonic() - started >= (0.9 if code != 500 else 0)
    faulty.fault(image.id, faults.status(code, {"Retry-After": "0"}))
    store("rmi", "-a", "-f")
    assert f"HTTP {code}" in refused(store, "pull", "-q", name)
    assert len(faulty.paths(image.id)) <= 1 + 5


def test_s52_f26_a_token_that_ends_is_renewed(
    store: Store, faulty: FaultRegistry, image: images.Image, name: str
) -> None:
    def token(handler: faults.Handler, _body: bytes, _type: str) -> None:
        count = len(handler.registry.paths("/token"))
        handler.send(200, json.dumps({"token": f"t{count}"}).encode(), "application/json")

    challenge = f'Bearer realm="{faulty.url}/token",service="t",scope="repository:app:pull"'
    faulty.fault("/token", token)
    faulty.fault("/blobs/", faults.needs("Bearer t2", challenge))
    faulty.fault("/v2/", faults.needs("Bearer t1", challenge))
    whole(store, image, name)
    assert len(faulty.paths("/token")) == 2


@pytest.mark.parametrize("target", ["{path}", "file:///etc/passwd"])
def test_s52_f27_redirects_end(
    store: Store, faulty: FaultRegistry, image: images.Image, name: str, target: str
) -> None:
    faulty.fault("/blobs/", faults.redirect(target))
    assert "redirect" in refused(store, "pull", "-q", name)
    assert store.files() == {}


@pytest.mark.parametrize("way", ["200", "wrong part"])
def test_s52_f28_range_that_is_not_kept(
    store: Store, faulty: FaultRegistry, image: images.Image, name: str, way: str
) -> None:
    faulty.fault(image.layers[1], faults.short(1_000_000), times=1)
    if way == "200":
        faulty.fault(image.layers[1], faults.without_range())
        whole(store, image, name)
    else:
        faulty.fault(image.layers[1], faults.wrong_range())
        refused(store, "pull", "-q", name)


def test_s52_f29_a_tag_that_moves_mixes_nothing(
    store: Store, faulty: FaultRegistry, image: images.Image
) -> None:
    body, kind = images.index([(image, "amd64")])
    faulty.serve("moving", "first", image)
    name = faulty.serve_bytes("moving", "1", body, kind)
    other = images.make([{"other": b"other"}])
    faulty.serve("moving", "other", other)
    after, _kind = images.index([(other, "amd64")])

    def move(handler: faults.Handler, good: bytes, media_type: str) -> None:
        faulty.serve_bytes("moving", "1", after, media_type)
        handler.good(good, media_type)

    faulty.fault("/manifests/1", move, times=1)
    assert store("pull", "-q", name).line == image.id[7:]


@pytest.mark.parametrize("fault", ["lost", "no Location"])
def test_s52_f30_a_push_goes_on_in_a_new_session(
    store: Store, faulty: FaultRegistry, image: images.Image, name: str, fault: str
) -> None:
    store("pull", "-q", name)
    with FaultRegistry() as target:
        if fault == "lost":
            target.fault("PATCH /v2/", faults.status(404), times=1)
            target.fault("PUT /v2/app/blobs/", faults.status(404), times=1)
            store("push", "-q", name, f"{target.host}/app:1")
            assert [one.method for one in target.paths("/manifests/")][-1:] == ["PUT"]
            assert "/manifests/" in target.requests[-1].path
        else:
            target.fault("POST /v2/", faults.status(202))
            done = store("push", "-q", name, f"{target.host}/app:1", check=125)
            assert "Traceback" not in done.err
            assert [one for one in target.paths("/manifests/") if one.method == "PUT"] == []
