# SPDX-License-Identifier: Apache-2.0
"""Rows S-33 and S-37: to whom credentials may go, and where they may be seen.

The registries of S-33 are not on loopback: they listen in a network of their own (elsewhere.py).
"""

from __future__ import annotations

import base64
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures import elsewhere, images
from tests.fixtures import fault_registry as faults
from tests.fixtures.elsewhere import ADDRESS, METADATA, OTHER, Elsewhere
from tests.fixtures.fault_registry import FaultRegistry
from tests.fixtures.program import Program, within
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


def sent(*registries: FaultRegistry) -> list[str]:
    """Return the credentials that registries got."""
    return [one.authorization for each in registries for one in each.requests if one.authorization]


class Remote:
    """Registries elsewhere, and a store whose commands run there."""

    def __init__(self, network: Elsewhere, program: Program, directory: Path) -> None:
        self.network, self.directory = network, directory
        self.store = Store(network.program(program), directory)
        self._made: list[FaultRegistry] = []
        trusted = []
        for address in (ADDRESS, OTHER, "127.0.0.1"):
            trusted.append(faults.certificate(directory, address, host=address))
        (directory / "all.crt").write_bytes(b"".join(one.read_bytes() for one in trusted))
        self.env: dict[str, str | None] = {"SSL_CERT_FILE": str(directory / "all.crt")}

    def registry(self, address: str, *, tls: bool = True) -> FaultRegistry:
        """Return a registry at an address of that network, trusted if it has TLS."""
        certificate = self.directory / f"{address}.crt" if tls else None
        made = FaultRegistry(certificate, listener=self.network.listen(address))
        self._made.append(made)
        return made

    def refused(self, *words: str) -> str:
        """Run a command in vain; return its one error line, which holds no secret."""
        done = self.store(*words, check=125, env=self.env)
        (found,) = [line for line in done.err.splitlines() if line.startswith("Error: ")]
        assert "Traceback" not in done.err
        assert SECRET not in done.out + done.err
        assert BASIC.split()[1] not in done.out + done.err
        return found

    def close(self) -> None:
        for one in self._made:
            one.close()


@pytest.fixture
def remote(program: Program, tmp_path: Path) -> Iterator[Remote]:
    with elsewhere.elsewhere() as network:
        made = Remote(network, program, tmp_path)
        yield made
        made.store.remove()
        made.close()


REALMS = {
    "http from https": "http://{first}/token",
    "the metadata of a cloud": "http://169.254.169.254:{metadata}/token",
    "the metadata with TLS": "https://169.254.169.254:{metadata}/token",
    "loopback": "http://127.0.0.1:{plain}/token",
    "loopback with TLS": "https://127.0.0.1:{local}/token",
    "loopback in short": "https://127.1:{local}/token",
    "loopback as a number": "https://2130706433:{local}/token",
    "loopback by name": "https://localhost:{local}/token",
    "loopback as IPv6": "https://[::ffff:127.0.0.1]:{local}/token",
    "any address": "https://0.0.0.0:{local}/token",
    "another host": "https://{other}/token",
    "another host, http": "http://{other}/token",
    "another host as a user": "https://{first}@{other}/token",
}


@pytest.mark.parametrize("realm", REALMS)
def test_s33_a_realm_elsewhere_gets_no_credentials(
    remote: Remote, image: images.Image, realm: str
) -> None:
    first, other = remote.registry(ADDRESS), remote.registry(OTHER)
    local, plain = remote.registry("127.0.0.1"), remote.registry("127.0.0.1", tls=False)
    metadata = remote.registry(METADATA, tls=False)
    name = first.serve("app", "1", image)
    wanted = REALMS[realm].format(
        first=first.host,
        other=other.host,
        local=local.port,
        plain=plain.port,
        metadata=metadata.port,
    )
    challenge = f'Bearer realm="{wanted}",service="t",scope="repository:app:pull"'
    first.fault("/v2/", faults.needs("Bearer never", challenge))
    error = remote.refused("pull", "-q", *CREDS, name)
    assert f"wants a token from {wanted}" in error
    for one in (other, local, plain, metadata):
        assert one.requests == []
    assert sent(first) == []
    assert first.paths("/token") == []
    assert remote.store.files() == {}


def test_s33_a_realm_of_the_same_host_gets_them(remote: Remote, image: images.Image) -> None:
    # Without this the others would pass if nobody ever got any.
    first, second = remote.registry(ADDRESS), remote.registry(ADDRESS)
    name = first.serve("app", "1", image)
    challenge = f'Bearer realm="{second.url}/token",service="t",scope="repository:app:pull"'
    first.fault("/v2/", faults.needs("Bearer good", challenge))
    second.fault("/token", faults.status(200, body=b'{"token": "good"}'))
    remote.store("pull", "-q", *CREDS, name, env=remote.env)
    assert sent(second) == [BASIC]
    assert set(sent(first)) == {"Bearer good"}


@pytest.mark.parametrize("where", ["another host", "another port", "http", "loopback"])
@pytest.mark.parametrize("challenge", ["Basic", "Bearer"])
def test_s33_an_upload_elsewhere_gets_no_credentials(
    remote: Remote, image: images.Image, where: str, challenge: str
) -> None:
    source, target = remote.registry(ADDRESS), remote.registry(ADDRESS)
    other = {
        "another host": lambda: remote.registry(OTHER),
        "another port": lambda: remote.registry(ADDRESS),
        "http": lambda: remote.registry(ADDRESS, tls=False),
        "loopback": lambda: remote.registry("127.0.0.1"),
    }[where]()
    name = source.serve("app", "1", image)
    remote.store("pull", "-q", name, env=remote.env)
    away = {"Location": f"{other.url}/v2/app/blobs/uploads/1"}
    given = BASIC
    target.fault("/token", faults.status(200, body=b'{"token": "good"}'))
    wanted = 'Basic realm="x"'
    if challenge == "Bearer":
        given = "Bearer good"
        wanted = f'Bearer realm="{target.url}/token",service="t",scope="repository:app:push,pull"'

    def upload(handler: faults.Handler, body: bytes, media_type: str) -> None:
        if handler.headers.get("Authorization") == given:
            handler.send(202, b"", "", away)
        else:
            faults.needs(given, wanted)(handler, body, media_type)

    target.fault("POST /v2/", upload)
    target.fault("/v2/", faults.needs(given, wanted))
    done = remote.store(
        "push", "-q", "--retry", "0", *CREDS, name, f"{target.host}/app:1",
        check=None, env=remote.env,
    )
    assert "Traceback" not in done.err
    assert given in sent(target)
    assert any(one.method == "POST" for one in target.requests)
    assert sent(other) == []
    if where in ("http", "loopback"):
        assert other.requests == []
        assert done.rc == 125


def test_s33_a_registry_without_tls_elsewhere_gets_nothing(
    remote: Remote, image: images.Image
) -> None:
    plain = remote.registry(ADDRESS, tls=False)
    name = plain.serve("app", "1", image)
    plain.fault("/v2/", faults.needs(BASIC, 'Basic realm="x"'))
    remote.refused("pull", "-q", *CREDS, name)
    assert sent(plain) == []


def test_s33_a_redirect_elsewhere_gets_no_credentials(remote: Remote, image: images.Image) -> None:
    first, other = remote.registry(ADDRESS), remote.registry(OTHER)
    name = first.serve("app", "1", image)
    other.serve("app", "1", image)
    first.fault("/blobs/", faults.redirect(other.url + "{path}"))
    first.fault("/v2/", faults.needs(BASIC, 'Basic realm="x"'))
    remote.store("pull", "-q", *CREDS, name, env=remote.env)
    assert other.paths("/blobs/")
    assert sent(other) == []
    assert BASIC in sent(first)


def test_s37_a_password_is_in_one_file_for_its_owner_only(
    store: Store, faulty: FaultRegistry, name: str, tmp_path: Path
) -> None:
    faulty.fault("/v2/", faults.needs(BASIC, 'Basic realm="x"'))
    home: dict[str, str | None] = {
        "HOME": str(tmp_path),
        "XDG_RUNTIME_DIR": str(tmp_path),
        "REGISTRY_AUTH_FILE": str(tmp_path / "auth.json"),
    }
    words = ("login", "-u", "tester", "--password-stdin", faulty.host)
    said = [store("--log-level=debug", *words, input=SECRET, env=home)]
    path = tmp_path / "auth.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    said.append(store("--log-level=debug", "pull", name, env=home))
    said.append(store("inspect", name, env=home))
    said.append(store("info", env=home))
    encoded = BASIC.split()[1]
    for one in said:
        assert SECRET not in one.out + one.err
        assert encoded not in one.out + one.err
    for file in store.root.rglob("*"):
        if file.is_file() and "layers" not in file.relative_to(store.root).parts:
            assert SECRET.encode() not in file.read_bytes()
            assert encoded.encode() not in file.read_bytes()
    # A name that only looks like the host has no part in it.
    with FaultRegistry() as evil:
        evil.fault("/v2/", faults.needs(BASIC, 'Basic realm="x"'))
        store("pull", f"{evil.host}/app:1", check=125, env=home)
        assert sent(evil) == []


def test_s37_no_process_of_a_pull_carries_the_password(
    store: Store, faulty: FaultRegistry, image: images.Image, name: str, tmp_path: Path
) -> None:
    path = tmp_path / "auth.json"
    auth = {"auths": {faulty.host: {"auth": BASIC.split()[1]}}}
    path.write_text(json.dumps(auth))
    faulty.fault(image.layers[1], faults.stall(1_000_000))
    faulty.fault("/v2/", faults.needs(BASIC, 'Basic realm="x"'))
    running = store.start("pull", "--authfile", str(path), name)
    try:
        partial = store.partial(image.layers[1])
        assert within(20, lambda: partial.exists() and partial.stat().st_size > 500_000)
        family, seen = [running.pid], 0
        for pid in family:
            for task in Path(f"/proc/{pid}/task").iterdir():
                family += map(int, (task / "children").read_text().split())
            for part in ("cmdline", "environ"):
                try:
                    text = Path(f"/proc/{pid}/{part}").read_bytes()
                except PermissionError:  # a helper of the user namespace: not readable at all
                    continue
                seen += 1
                assert SECRET.encode() not in text
                assert BASIC.split()[1].encode() not in text
        assert seen >= 2
    finally:
        running.kill()
        running.communicate()
