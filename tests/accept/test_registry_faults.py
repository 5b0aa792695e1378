# SPDX-License-Identifier: Apache-2.0
"""Row S-52: the registry faults F21 to F30, and what is promised under each."""

from __future__ import annotations

import email.utils
import json
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures import fault_registry as faults
from tests.fixtures import images
from tests.fixtures.fault_registry import FaultRegistry
from tests.fixtures.program import within
from tests.fixtures.store import Store

pytestmark = pytest.mark.own
BIG = os.urandom(2 << 20)


@pytest.fixture
def image() -> images.Image:
    """An image whose second layer is 2 MiB that do not compress."""
    return images.make([{"small": b"small\n"}, {"big": BIG}])


@pytest.fixture
def name(faulty: FaultRegistry, image: images.Image) -> str:
    return faulty.serve("app", "1", image)


@pytest.fixture
def hasty(tmp_path: Path) -> Iterator[dict[str, str | None]]:
    """Return an environment in which a second of silence is too long."""
    (tmp_path / "pypod.conf").write_text("[registries]\nidle_seconds = 1\n")
    yield {"PYPOD_CONF": str(tmp_path / "pypod.conf")}


def refused(store: Store, *words: str, env: dict[str, str | None] | None = None) -> str:
    """Run a command in vain; return its one error line. Nothing is listed, nothing unpacked."""
    done = store(*words, check=125, env=env)
    assert "Traceback" not in done.err
    (found,) = [line for line in done.err.splitlines() if line.startswith("Error: ")]
    assert store("images", "-a", "-q").out == ""
    assert not any(path.startswith(("layers/", "tmp/", "summary/")) for path in store.files())
    return found


def whole(
    store: Store, image: images.Image, name: str, env: dict[str, str | None] | None = None
) -> str:
    """Pull; every blob is what it must be. Return what was said."""
    said = store("pull", name, env=env)
    assert said.out == f"{image.id[7:]}\n"
    for digest, data in image.blobs.items():
        assert store.blob(digest).read_bytes() == data
    return said.err


def test_s52_f21_a_short_body_is_resumed(
    store: Store, faulty: FaultRegistry, image: images.Image, name: str
) -> None:
    faulty.fault(image.layers[1], faults.short(1_000_000), times=1)
    whole(store, image, name)
    assert faulty.paths(image.layers[1])[1].range.startswith("bytes=")


def test_s52_f21_a_body_that_is_always_short_is_an_error(
    store: Store, faulty: FaultRegistry, image: images.Image, name: str
) -> None:
    faulty.fault(image.layers[1], faults.short(1000))
    error = refused(store, "pull", "-q", "--retry-delay=10ms", name)
    assert image.layers[1][:19] in error or "cut" in error or "ended" in error
    assert 1 < len(faulty.paths(image.layers[1])) <= 5


@pytest.mark.parametrize("chunked", [False, True])
def test_s52_f22_a_long_body_is_stopped(
    store: Store, faulty: FaultRegistry, image: images.Image, name: str, chunked: bool
) -> None:
    went: list[int] = []

    def endless(handler: faults.Handler, body: bytes, media_type: str) -> None:
        """The whole, and then as much as anybody takes, up to 1 GiB."""
        size = {"Content-Length": str(len(body) + (1 << 30))}
        wanted = {"Content-Length": "", "Transfer-Encoding": "chunked"}
        handler.send(200, b"", media_type, wanted if chunked else size)
        went.append(0)
        try:
            for part in (body, *(bytes(1 << 20) for _ in range(1024))):
                handler.wfile.write(b"%x\r\n%s\r\n" % (len(part), part) if chunked else part)
                went[-1] += len(part)
        except OSError:
            pass
        handler.cut()

    faulty.fault(image.layers[1], endless)
    assert "longer" in refused(store, "pull", "-q", name)
    assert store.files() == {}
    # Not a byte more than the sockets hold is taken.
    assert within(20, lambda: went and max(went) < len(BIG) + (32 << 20))


@pytest.mark.parametrize("said", [-1, 1])
def test_s52_f22_a_content_length_that_is_wrong(
    store: Store, faulty: FaultRegistry, image: images.Image, name: str, said: int
) -> None:
    def answer(handler: faults.Handler, body: bytes, media_type: str) -> None:
        handler.send(200, body, media_type, {"Content-Length": str(len(body) + said)})
        handler.cut()

    faulty.fault(image.layers[1], answer)
    refused(store, "pull", "-q", "--retry-delay=10ms", name)
    assert not store.blob(image.layers[1]).exists()


def test_s52_f23_a_wrong_digest_is_no_storm(
    store: Store, faulty: FaultRegistry, image: images.Image, name: str
) -> None:
    faulty.fault(image.layers[1], faults.wrong())
    error = refused(store, "pull", "-q", name)
    data = image.blobs[image.layers[1]]
    assert "wrong digest" in error
    assert image.layers[1] in error
    assert images.digest(data[:-1] + bytes([data[-1] ^ 1])) in error
    assert len(faulty.paths(image.layers[1])) <= 2
    assert store.files() == {}


@pytest.mark.parametrize("fault", ["stall", "never answers", "1 byte a second"])
def test_s52_f24_ctrl_c_ends_a_slow_pull_within_a_second(
    store: Store, faulty: FaultRegistry, image: images.Image, name: str, fault: str
) -> None:
    answer = {"stall": faults.stall(1000), "1 byte a second": faults.slow(1, 1)}.get(fault)
    waited: list[bool] = []

    def silent(handler: faults.Handler, _body: bytes, _type: str) -> None:
        waited.append(handler.registry.stopping.wait(60))
        handler.cut()

    faulty.fault(image.layers[1], answer or silent)
    running = store.start("pull", name)
    assert within(20, lambda: faulty.paths(image.layers[1]))
    time.sleep(0.2)  # in whatever it does then
    started = time.monotonic()
    running.send_signal(signal.SIGINT)
    _out, err = running.communicate(timeout=30)
    assert running.returncode == 130
    assert b"Traceback" not in err
    assert time.monotonic() - started < 1 + load()
    assert store("images", "-q").out == ""


def load() -> float:
    """Seconds that a command may be late on a machine where others work, too; 0 on an idle one."""
    waiting = os.getloadavg()[0] / (os.cpu_count() or 1)
    return 0 if waiting < 0.7 else 5


def test_s52_f24_silence_ends_and_the_pull_goes_on(
    store: Store,
    faulty: FaultRegistry,
    image: images.Image,
    name: str,
    hasty: dict[str, str | None],
) -> None:
    faulty.fault(image.layers[1], faults.stall(1_000_000), times=1)
    assert "going on from byte" in whole(store, image, name, hasty)
    first, second = faulty.paths(image.layers[1])
    assert first.range == ""
    assert 0 < int(second.range.removeprefix("bytes=").rstrip("-")) <= 1_000_000


def test_s52_f24_a_registry_that_never_answers_is_an_error(
    store: Store, faulty: FaultRegistry, image: images.Image, name: str,
    hasty: dict[str, str | None],
) -> None:  # fmt: skip
    faulty.fault(image.layers[1], faults.stall())
    refused(store, "pull", "-q", "--retry=1", "--retry-delay=10ms", name, env=hasty)
    assert len(faulty.paths(image.layers[1])) <= 3


def test_s52_f24_what_is_slow_is_not_silent(
    store: Store, faulty: FaultRegistry, tmp_path: Path
) -> None:
    # As long as something comes, the whole may take longer than the silence that is borne.
    (tmp_path / "pypod.conf").write_text("[registries]\nidle_seconds = 5\n")
    env: dict[str, str | None] = {"PYPOD_CONF": str(tmp_path / "pypod.conf")}
    made = images.make([{"f": os.urandom(1000)}])
    faulty.fault(made.layers[0], faults.slow(len(made.blobs[made.layers[0]]) // 10, 0.6))
    started = time.monotonic()
    whole(store, made, faulty.serve("slow", "1", made), env)
    assert time.monotonic() - started > 5
    assert len(faulty.paths(made.layers[0])) == 1


@pytest.mark.parametrize("code", [429, 500, 503])
def test_s52_f25_a_busy_registry_is_asked_few_times(
    store: Store, faulty: FaultRegistry, image: images.Image, name: str, code: int
) -> None:
    faulty.fault(image.layers[0], faults.status(code, {"Retry-After": "1"}), times=1)
    started = time.monotonic()
    said = whole(store, image, name)
    if code != 500:
        assert time.monotonic() - started >= 0.9
        assert "is busy: waiting 1 s" in said
    faulty.fault(image.id, faults.status(code, {"Retry-After": "0"}))
    store("rmi", "-a", "-f")
    before = len(faulty.paths(image.id))
    assert f"HTTP {code}" in refused(store, "pull", "-q", name)
    assert len(faulty.paths(image.id)) - before <= 5


def test_s52_f25_a_date_is_honoured(
    store: Store, faulty: FaultRegistry, image: images.Image, name: str
) -> None:
    until: list[float] = []

    def busy(handler: faults.Handler, _body: bytes, _type: str) -> None:
        until.append(int(time.time()) + 3)
        stamp = email.utils.formatdate(until[0], usegmt=True)
        handler.send(429, b"", "text/plain", {"Retry-After": stamp})

    faulty.fault(image.layers[0], busy, times=1)
    again: list[float] = []

    def good(handler: faults.Handler, body: bytes, media_type: str) -> None:
        again.append(time.time())
        handler.good(body, media_type)

    faulty.fault(image.layers[0], good)
    assert "is busy: waiting" in whole(store, image, name)
    assert again[0] >= until[0] - 0.2


@pytest.mark.parametrize("wanted", ["100000", "Fri, 31 Dec 2100 23:59:59 GMT"])
def test_s52_f25_no_registry_makes_it_wait_for_more_than_a_minute(
    store: Store, faulty: FaultRegistry, image: images.Image, name: str, wanted: str
) -> None:
    faulty.fault(image.layers[0], faults.status(503, {"Retry-After": wanted}))
    running = store.start("pull", name)
    assert running.stderr is not None
    said = b""
    while b"waiting" not in said:
        line = running.stderr.readline()
        assert line, said
        said += line
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=30)
    (seconds,) = re.findall(rb"waiting (\d+) s", said)
    assert 30 <= int(seconds) <= 75  # a minute, and some luck, so that not all come back at once


@pytest.mark.parametrize("given", [{}, {"expires_in": 60}])
def test_s52_f26_a_token_that_ends_is_renewed_once(
    store: Store, faulty: FaultRegistry, given: dict[str, int]
) -> None:
    image = images.make([{f"f{number}": os.urandom(100)} for number in range(5)])
    name = faulty.serve("app", "1", image)

    def token(handler: faults.Handler, _body: bytes, _type: str) -> None:
        count = len(handler.registry.paths("/token"))
        body = json.dumps({"token": f"t{count}", **given}).encode()
        handler.send(200, body, "application/json")

    challenge = f'Bearer realm="{faulty.url}/token",service="t",scope="repository:app:pull"'
    faulty.fault("/token", token)
    first, second = faults.needs("Bearer t1", challenge), faults.needs("Bearer t2", challenge)
    good = 0

    def blob(handler: faults.Handler, body: bytes, media_type: str) -> None:
        """The first token is good for two blobs."""
        nonlocal good
        good += handler.headers.get("Authorization") == "Bearer t1"
        (first if good <= 2 else second)(handler, body, media_type)

    faulty.fault("/blobs/", blob)
    faulty.fault("/v2/", first)
    whole(store, image, name)
    assert len(faulty.paths("/token")) == 2


@pytest.mark.parametrize("target", ["{path}", "{path}x", "file:///etc/passwd", "ftp://127.0.0.1/"])
def test_s52_f27_redirects_end(
    store: Store, faulty: FaultRegistry, image: images.Image, name: str, target: str
) -> None:
    faulty.fault("/blobs/", faults.redirect(target))
    assert "redirect" in refused(store, "pull", "-q", name)
    assert len(faulty.paths(image.id)) <= 11
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
        assert not store.blob(image.layers[1]).exists()


def test_s52_f29_a_registry_dies_between_manifest_and_blobs(
    store: Store, image: images.Image
) -> None:
    with FaultRegistry() as dying:
        name = dying.serve("app", "1", image)

        def last(handler: faults.Handler, _body: bytes, _type: str) -> None:
            handler.cut()
            dying.stop_listening()

        dying.fault("/blobs/", last)
        refused(store, "pull", "-q", "--retry-delay=10ms", name)
    assert store.files() == {}


@pytest.mark.parametrize("when", ["index", "manifest"])
def test_s52_f29_a_tag_that_moves_mixes_nothing(
    store: Store, faulty: FaultRegistry, image: images.Image, when: str
) -> None:
    body, kind = images.index([(image, "amd64")])
    faulty.serve("moving", "first", image)
    other = images.make([{"other": b"other"}])
    faulty.serve("moving", "other", other)
    after, _kind = images.index([(other, "amd64")])
    name = faulty.serve_bytes("moving", "1", body, kind)

    def move(handler: faults.Handler, good: bytes, media_type: str) -> None:
        faulty.serve_bytes("moving", "1", after, kind)
        handler.good(good, media_type)

    asked = "/manifests/1" if when == "index" else f"/manifests/{image.digest}"
    faulty.fault(asked, move, times=1)
    whole(store, image, name)
    assert store("inspect", "-f", "{{.Id}}", name).line == image.id[7:]


def pushed(store: Store, target: FaultRegistry, image: images.Image, name: str) -> None:
    """Push; all is there, and the manifest came last."""
    store("push", "-q", "--retry-delay=10ms", name, f"{target.host}/app:1")
    assert target.find("/v2/app/manifests/1")[0] == image.manifest
    for digest, data in image.blobs.items():
        assert target.find(f"/v2/app/blobs/{digest}")[0] == data
    writes = [one for one in target.requests if one.method in ("PUT", "PATCH", "POST")]
    assert writes[-1].path == "/v2/app/manifests/1"
    assert [one for one in writes if "/manifests/" in one.path] == writes[-1:]


@pytest.mark.parametrize("fault", ["cut", "cut at half", "session lost", "lost at its end"])
def test_s52_f30_a_push_goes_on_in_a_new_session(
    store: Store, faulty: FaultRegistry, image: images.Image, name: str, fault: str
) -> None:
    store("pull", "-q", name)
    answer = {"cut": faults.lost(), "cut at half": faults.lost(1_000_000)}.get(fault)
    with FaultRegistry() as target:
        what = "PUT /v2/app/blobs/" if fault == "lost at its end" else "PATCH /v2/"
        target.fault(what, answer or faults.status(404), times=1)
        if what.startswith("PATCH"):
            target.fault("PUT /v2/app/blobs/", answer or faults.status(404), times=1)
        pushed(store, target, image, name)


def test_s52_f30_a_blob_that_came_meanwhile_is_no_error(
    store: Store, faulty: FaultRegistry, image: images.Image, name: str
) -> None:
    store("pull", "-q", name)
    with FaultRegistry() as target:

        def race(handler: faults.Handler, _body: bytes, _type: str) -> None:
            target.uploads.keep(*image.blobs.values())
            handler.send(404, b"{}", "application/json")

        # Somebody else's upload of the same blob ends first, and takes the session with it.
        target.fault("PUT /v2/app/blobs/", race, times=1)
        pushed(store, target, image, name)


@pytest.mark.parametrize("location", ["", "/", "https://[", "file:///etc/passwd"])
def test_s52_f30_an_upload_that_leads_nowhere_is_an_error(
    store: Store, faulty: FaultRegistry, image: images.Image, name: str, location: str
) -> None:
    store("pull", "-q", name)
    with FaultRegistry() as target:
        target.fault("POST /v2/", faults.status(202, {"Location": location}))
        words = ("push", "-q", "--retry-delay=10ms", name, f"{target.host}/app:1")
        done = store(*words, check=125)
        assert "Traceback" not in done.err
        assert len([line for line in done.err.splitlines() if line.startswith("Error: ")]) == 1
        assert [one for one in target.requests if "/manifests/" in one.path and
                one.method == "PUT"] == []  # fmt: skip
        assert len(target.requests) < 40
