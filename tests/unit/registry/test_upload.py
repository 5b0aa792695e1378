# SPDX-License-Identifier: Apache-2.0
"""Uploading to a registry that loses sessions, cuts connections and sends us elsewhere."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from pypod.errors import IntegrityError, RegistryError
from pypod.registry import upload
from pypod.registry.auth import Credentials
from pypod.registry.repository import Patience, Repository
from tests.fixtures import fault_registry as faults
from tests.fixtures import images
from tests.fixtures.fault_registry import FaultRegistry, Request

QUICK = Patience(tries=3, idle=2, wait_first=0.01, wait_most=0.2)
DATA = os.urandom(1000)
DIGEST = images.digest(DATA)


@pytest.fixture
def registry() -> Iterator[FaultRegistry]:
    with FaultRegistry() as running:
        yield running


@pytest.fixture
def repository(registry: FaultRegistry) -> Iterator[Repository]:
    made = Repository(registry.host, "app", patience=QUICK, actions="pull,push")
    made.connect()
    yield made
    made.close()


def put(repository: Repository, whole_most: int = 1 << 20, **more: Any) -> bool:
    return upload.Upload(repository, whole_most).put(
        DIGEST, len(DATA), lambda offset: [DATA[offset:700], DATA[max(offset, 700) :]], **more
    )


def sent(registry: FaultRegistry, method: str) -> list[Request]:
    return [one for one in registry.requests if one.method == method]


def test_a_small_blob_goes_in_one_request(registry: FaultRegistry, repository: Repository) -> None:
    assert put(repository)
    assert registry.find(f"/v2/app/blobs/{DIGEST}")[0] == DATA
    assert [one.method for one in registry.requests[1:]] == ["POST", "PUT"]
    assert sent(registry, "PUT")[0].headers["content-length"] == "1000"


def test_a_large_blob_goes_in_chunks(registry: FaultRegistry, repository: Repository) -> None:
    assert put(repository, 300)
    assert registry.find(f"/v2/app/blobs/{DIGEST}")[0] == DATA
    ranges = [one.headers["content-range"] for one in sent(registry, "PATCH")]
    assert ranges == ["0-299", "300-599", "600-899", "900-999"]


def test_the_registry_says_how_large_a_chunk_must_be(
    registry: FaultRegistry, repository: Repository
) -> None:
    registry.uploads.least = 600
    assert put(repository, 300)
    assert [len(one.body) for one in sent(registry, "PATCH")] == [600, 400]


def test_an_empty_blob_can_be_uploaded(registry: FaultRegistry, repository: Repository) -> None:
    empty = images.digest(b"")
    upload.Upload(repository).put(empty, 0, lambda _offset: [])
    assert registry.find(f"/v2/app/blobs/{empty}") == (b"", "application/octet-stream")


def test_what_is_there_is_known(registry: FaultRegistry, repository: Repository) -> None:
    target = upload.Upload(repository)
    assert not target.has(DIGEST)
    put(repository)
    assert target.has(DIGEST)
    assert sent(registry, "HEAD")[-1].body == b""


def test_a_blob_of_another_repository_is_mounted(
    registry: FaultRegistry, repository: Repository
) -> None:
    put(repository)
    registry.requests.clear()
    assert not put(repository, mount="library/base")
    asked = registry.requests[0]
    assert (asked.method, asked.body) == ("POST", b"")
    assert asked.path.endswith(f"/uploads/?mount={DIGEST}&from=library/base")
    assert len(registry.requests) == 1


def test_what_cannot_be_mounted_is_sent(registry: FaultRegistry, repository: Repository) -> None:
    assert put(repository, mount="library/base")
    assert [one.method for one in registry.requests[1:]] == ["POST", "PUT"]


def test_an_upload_that_is_cut_goes_on_where_it_was(
    registry: FaultRegistry, repository: Repository
) -> None:
    registry.fault("PATCH /v2/app/blobs/uploads/", faults.lost(keep=120), times=1)
    put(repository, 300)
    assert registry.find(f"/v2/app/blobs/{DIGEST}")[0] == DATA
    ranges = [one.headers["content-range"] for one in sent(registry, "PATCH")]
    assert ranges == ["0-299", "120-419", "420-719", "720-999"]


def test_a_whole_blob_that_is_cut_goes_on_too(
    registry: FaultRegistry, repository: Repository
) -> None:
    registry.fault("PUT /v2/app/blobs/uploads/", faults.lost(keep=120), times=1)
    put(repository)
    assert registry.find(f"/v2/app/blobs/{DIGEST}")[0] == DATA
    assert [len(one.body) for one in sent(registry, "PATCH")] == [880]


def test_a_session_that_the_registry_lost_is_begun_anew(
    registry: FaultRegistry, repository: Repository
) -> None:
    def forget(handler: faults.Handler, _body: bytes, _type: str) -> None:
        handler.registry.uploads.forget()
        handler.send(404, b'{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN"}]}', "application/json")

    registry.fault("_state=s600", forget, times=1)
    put(repository, 300)
    assert registry.find(f"/v2/app/blobs/{DIGEST}")[0] == DATA
    assert len(sent(registry, "POST")) == 2


def test_a_busy_registry_is_asked_again_and_not_for_ever(
    registry: FaultRegistry, repository: Repository
) -> None:
    registry.fault("PUT /v2/app/blobs/uploads/", faults.status(503), times=2)
    put(repository)
    registry.fault("PUT /v2/app/blobs/uploads/", faults.status(503))
    with pytest.raises(RegistryError, match=r"uploading blob .* HTTP 503"):
        put(repository)
    assert len(sent(registry, "PUT")) == 6


def test_a_blob_that_is_too_large_for_one_request_goes_in_chunks(
    registry: FaultRegistry, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "_SMALL_CHUNK", 400)
    registry.fault("PUT /v2/app/blobs/uploads/1?", faults.status(413), times=1)
    put(repository)
    assert [len(one.body) for one in sent(registry, "PATCH")] == [400, 400, 200]


def test_a_refusal_is_one_line(registry: FaultRegistry, repository: Repository) -> None:
    said = b'{"errors":[{"message":"no \\u001b[31mway"}]}'
    registry.fault("POST ", faults.status(403, body=said))
    with pytest.raises(RegistryError, match=r"uploading blob sha256:.*: no \\x1b\[31mway"):
        put(repository)


def test_bytes_that_the_registry_counts_otherwise_are_an_error(
    registry: FaultRegistry, repository: Repository
) -> None:
    other = {"Docker-Content-Digest": images.digest(b"other")}
    registry.fault("PUT ", faults.status(201, other))
    with pytest.raises(IntegrityError, match="the registry has it as sha256:"):
        put(repository)


def test_an_upload_elsewhere_gets_no_credentials() -> None:
    with FaultRegistry() as other, FaultRegistry() as registry:
        credentials = Credentials("user", "secret")
        registry.fault("", faults.needs(credentials.basic, 'Basic realm="r"'), times=1)
        registry.fault("POST ", faults.status(202, {"Location": f"{other.url}/v2/x/up?key=1"}))
        other.fault("/v2/x/up", faults.status(201))
        repository = Repository(registry.host, "app", credentials=credentials, patience=QUICK)
        repository.connect()
        put(repository)
        repository.close()
    assert sent(registry, "POST")[0].authorization == credentials.basic
    assert [(one.path, one.authorization, one.body) for one in other.requests] == [
        (f"/v2/x/up?key=1&digest={DIGEST}", "", DATA)
    ]


def test_an_upload_is_not_redirected(registry: FaultRegistry, repository: Repository) -> None:
    registry.fault("PUT ", faults.redirect(f"{registry.url}/elsewhere"))
    with pytest.raises(RegistryError, match=r"redirects an upload to .*: refused"):
        put(repository)


def test_a_manifest_is_written_and_deleted(
    registry: FaultRegistry, repository: Repository
) -> None:
    target = upload.Upload(repository)
    image = images.make([{"file": b"x"}])
    registry.fault("PUT /v2/app/manifests", faults.status(500), times=1)
    target.put_manifest("1", image.manifest, image.media_type, image.digest)
    assert registry.find("/v2/app/manifests/1") == (image.manifest, image.media_type)
    target.delete_manifest(image.digest)
    assert registry.find("/v2/app/manifests/1") == (b"", "")
    registry.fault("DELETE ", faults.status(405))
    with pytest.raises(RegistryError, match="the registry does not allow it") as caught:
        target.delete_manifest(image.digest)
    assert caught.value.hint


def test_a_token_server_that_refuses_other_repositories_is_asked_for_ours_alone() -> None:
    with FaultRegistry() as registry:
        realm = f"{registry.url}/token"
        challenge = f'Bearer realm="{realm}",service="s"'
        registry.fault("GET /v2/", faults.needs("Bearer good", challenge))
        registry.fault("scope=repository%3Abase%3Apull", faults.status(403))
        registry.fault("/token", faults.status(200, body=b'{"token":"good"}'))
        made = Repository(
            registry.host, "app", patience=QUICK, actions="pull,push", mounts=("base",)
        )
        made.connect()
        put(made)
        made.close()
        asked = [one.path for one in registry.requests if one.path.startswith("/token")]
    assert len(asked) == 2
    assert asked[1].endswith("?service=s&scope=repository%3Aapp%3Apull%2Cpush")


def test_an_address_of_plain_http_means_the_tls_that_it_was_asked_by(
    repository: Repository,
) -> None:
    class Given:
        def header(self, _name: str) -> str:
            return "http://h/v2/app/up?next=http://h/"

    target = upload.Upload(repository)
    found = target._location(Given(), "https://h/v2/app/", "x")  # type: ignore[arg-type]
    assert found == "https://h/v2/app/up?next=http://h/"
