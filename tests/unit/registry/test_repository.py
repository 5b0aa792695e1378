# SPDX-License-Identifier: Apache-2.0
"""A repository against a registry that misbehaves: what takes too long from outside."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pypod.errors import BodyCut, IntegrityError, RegistryError
from pypod.registry.auth import Credentials
from pypod.registry.client import Cancelled, Unreachable
from pypod.registry.login import NotThere
from pypod.registry.repository import Patience, Repository
from tests.fixtures import fault_registry as faults
from tests.fixtures import images
from tests.fixtures.fault_registry import FaultRegistry

QUICK = Patience(idle=0.5, wait_first=0.01, wait_most=0.2)
IMAGE = images.make([{"file": b"x" * 300_000}], compression="")
LAYER = IMAGE.layers[0]
SIZE = len(IMAGE.blobs[LAYER])


@pytest.fixture
def registry() -> Iterator[FaultRegistry]:
    with FaultRegistry() as running:
        running.serve("app", "1", IMAGE)
        yield running


@pytest.fixture
def repository(registry: FaultRegistry) -> Iterator[Repository]:
    made = Repository(registry.host, "app", patience=QUICK)
    made.connect()
    yield made
    made.close()


def fetch(repository: Repository, offset: int = 0) -> bytes:
    with repository.blob(LAYER, SIZE, offset) as body:
        return b"".join(body)


def test_a_manifest_comes_with_its_type(repository: Repository) -> None:
    assert repository.manifest("1") == (IMAGE.manifest, IMAGE.media_type, "")
    assert repository.manifest(IMAGE.digest)[0] == IMAGE.manifest


def test_a_blob_comes_whole_and_from_where_it_was_cut(repository: Repository) -> None:
    assert fetch(repository) == IMAGE.blobs[LAYER]
    assert fetch(repository, 1000) == IMAGE.blobs[LAYER][1000:]


def test_what_is_not_there_says_so(repository: Repository) -> None:
    with pytest.raises(NotThere, match=r"reading manifest 2 in 127\.0\.0\.1:.*/app"):
        repository.manifest("2")


def test_no_request_is_made_for_a_digest_that_is_none(
    registry: FaultRegistry, repository: Repository
) -> None:
    with pytest.raises(IntegrityError):
        repository.blob("sha256:../../x", 3)
    assert registry.paths("..") == []


def test_silence_is_a_cut(registry: FaultRegistry, repository: Repository) -> None:
    registry.fault(LAYER, faults.stall(1000))
    started = time.monotonic()
    with pytest.raises(BodyCut, match="silent for too long"):
        fetch(repository)
    assert time.monotonic() - started < 5


def test_a_registry_that_never_answers_is_given_up(
    registry: FaultRegistry, repository: Repository
) -> None:
    registry.fault("/manifests/", lambda handler, _body, _type: handler.registry.stopping.wait(9))  # type: ignore[arg-type, return-value]
    with pytest.raises(Unreachable, match="does not answer"):
        repository.manifest("1")
    assert len(registry.paths("/manifests/")) == QUICK.tries


def test_retry_after_is_bounded(registry: FaultRegistry, repository: Repository) -> None:
    registry.fault("/manifests/", faults.status(503, {"Retry-After": "999999999999"}), times=2)
    started = time.monotonic()
    repository.manifest("1")
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("given", ["-5", "soon", "Mon, 99 Xyz 2020 00:00:00 GMT", "٣"])
def test_retry_after_that_makes_no_sense_is_no_error(
    registry: FaultRegistry, repository: Repository, given: str
) -> None:
    header = given.encode().decode("latin-1")
    registry.fault("/manifests/", faults.status(429, {"Retry-After": header}), times=1)
    assert repository.manifest("1")[0] == IMAGE.manifest


def test_cancelling_wakes_who_waits_for_a_body(
    registry: FaultRegistry, repository: Repository
) -> None:
    patient = Repository(registry.host, "app", patience=QUICK.replace(idle=30.0))
    patient.connect()
    registry.fault(LAYER, faults.stall(200_000))
    errors: list[BaseException] = []

    def work() -> None:
        try:
            fetch(patient)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    end = time.monotonic() + 10
    while not registry.paths(LAYER) and time.monotonic() < end:
        time.sleep(0.01)
    patient.client.cancel()
    thread.join(2)
    assert not thread.is_alive()
    assert isinstance(errors[0], Cancelled)
    with pytest.raises(Cancelled):
        patient.manifest("1")


def test_cancelling_what_has_just_ended_is_no_error(repository: Repository) -> None:
    with repository.blob(LAYER, len(IMAGE.blobs[LAYER])) as body:
        for _chunk in body:
            pass
        repository.client.cancel()


def test_a_redirect_with_an_endless_body_is_not_read(
    registry: FaultRegistry, repository: Repository
) -> None:
    def endless(handler: faults.Handler, _body: bytes, _type: str) -> None:
        promised = {"Location": "/elsewhere", "Content-Length": str(1 << 40)}
        handler.send(307, b"x" * 1000, "", promised)
        handler.registry.stopping.wait(9)

    registry.fault("/manifests/", endless)
    with pytest.raises(NotThere):
        repository.manifest("1")


def test_an_identity_token_is_sent_as_a_form(registry: FaultRegistry) -> None:
    def token(handler: faults.Handler, _body: bytes, _type: str) -> None:
        handler.send(200, b'{"access_token":"abc"}', "application/json")

    registry.fault("/token", token)
    challenge = f'Bearer realm="{registry.url}/token",service="s"'
    registry.fault("/v2/", faults.needs("Bearer abc", challenge))
    made = Repository(registry.host, "app", credentials=Credentials("", "", "i:d"), patience=QUICK)
    made.connect()
    made.manifest("1")
    (asked,) = registry.paths("/token")
    assert asked.method == "POST"
    assert asked.authorization == ""
    assert b"grant_type=refresh_token" in asked.body
    assert b"refresh_token=i%3Ad" in asked.body
    assert b"scope=repository%3Aapp%3Apull" in asked.body


@pytest.mark.parametrize("given", [{"expires_in": 1}, {"expires_in": -1}, {}])
def test_a_token_whose_time_is_over_is_not_used(
    registry: FaultRegistry, given: dict[str, object]
) -> None:
    def token(handler: faults.Handler, _body: bytes, _type: str) -> None:
        handler.send(200, json.dumps({"token": "abc", **given}).encode(), "application/json")

    registry.fault("/token", token)
    challenge = f'Bearer realm="{registry.url}/token",service="s"'
    registry.fault("/v2/", faults.needs("Bearer abc", challenge))
    made = Repository(registry.host, "app", patience=QUICK)
    made.connect()
    time.sleep(1.0)
    made.manifest("1")
    # Without a useful expires_in a token lives for 60 seconds.
    assert len(registry.paths("/token")) == (2 if given.get("expires_in") == 1 else 1)


@pytest.mark.parametrize("body", [b"{}", b"[]", b"", b'{"token":3}', b'{"token":"a\\r\\nX: y"}'])
def test_an_answer_without_a_token_is_an_error(registry: FaultRegistry, body: bytes) -> None:
    registry.fault("/token", lambda handler, _b, _t: handler.send(200, body, "application/json"))
    challenge = f'Bearer realm="{registry.url}/token"'
    registry.fault("/v2/", faults.needs("Bearer abc", challenge))
    with pytest.raises(RegistryError, match="there is none in the answer"):
        Repository(registry.host, "app", patience=QUICK).connect()


def test_an_endless_token_is_refused(registry: FaultRegistry) -> None:
    registry.fault("/token", lambda handler, _b, _t: handler.send(200, bytes(2 << 20), "x"))
    registry.fault("/v2/", faults.needs("Bearer abc", f'Bearer realm="{registry.url}/token"'))
    with pytest.raises(RegistryError, match="has more than 1048576 bytes"):
        Repository(registry.host, "app", patience=QUICK).connect()


def test_plain_http_is_for_loopback_or_those_who_ask(registry: FaultRegistry) -> None:
    repository = Repository(f"localhost:{registry.port}", "app", patience=QUICK)
    repository.connect()
    assert repository.manifest("1")[0] == IMAGE.manifest


def test_a_certificate_is_no_reason_to_go_on_in_plain_http(tmp_path: Path) -> None:
    with FaultRegistry(faults.certificate(tmp_path, "own")) as secure:
        with pytest.raises(Unreachable, match="certificate is not trusted") as caught:
            Repository(secure.host, "app", patience=QUICK).connect()
        assert caught.value.kind == "certificate"
        assert secure.requests == []
        trusting = Repository(secure.host, "app", tls_verify=False, patience=QUICK)
        trusting.connect()
        assert secure.paths("/v2/")


def test_proxies_of_the_environment_are_not_for_loopback(
    registry: FaultRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    repository = Repository(registry.host, "app", patience=QUICK)
    repository.connect()
    repository.manifest("1")


def tags(*names: object) -> bytes:
    return json.dumps({"name": "app", "tags": names}).encode()


def test_tags_come_page_by_page(registry: FaultRegistry, repository: Repository) -> None:
    more = {"Link": '</v2/app/tags/list?last=b>; rel="next"'}
    registry.fault("tags/list?last=b", faults.status(200, None, tags("c", "a", 7)))
    registry.fault("tags/list", faults.status(200, more, tags("a", "b")))
    assert repository.tags() == ["a", "b", "c"]


@pytest.mark.parametrize("link", ["</v2/app/tags/list>; rel=next", "<?n=1>; rel=next"])
def test_pages_that_go_round_in_circles_end(
    registry: FaultRegistry, repository: Repository, link: str
) -> None:
    registry.fault("tags/list", faults.status(200, {"Link": link}, tags("a")))
    assert repository.tags() == ["a"]
    assert len(registry.paths("tags/list")) <= 2


def test_the_next_page_is_not_on_another_host(
    registry: FaultRegistry, repository: Repository
) -> None:
    link = {"Link": '<http://192.0.2.1/v2/x>; rel="next"'}
    registry.fault("tags/list", faults.status(200, link, tags("a")))
    with pytest.raises(RegistryError, match="another host"):
        repository.tags()


def test_a_registry_that_is_not_there_is_asked_as_often_as_one_says() -> None:
    gone = FaultRegistry()
    gone.close()
    patient = QUICK.replace(connects=3, wait_first=0.05, steady=True)
    began = time.monotonic()
    with pytest.raises(Unreachable):
        Repository(gone.host, "app", patience=patient).connect()
    assert time.monotonic() - began > 0.1
