# SPDX-License-Identifier: Apache-2.0
"""Rows S-32 and S-35: redirects that want credentials along, and TLS that proves nothing."""

from __future__ import annotations

import base64
import os
import socket
import ssl
from pathlib import Path

import pytest

from tests.fixtures import fault_registry as faults
from tests.fixtures import images
from tests.fixtures.fault_registry import FaultRegistry
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


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize("wrong", ["self-signed", "wrong name", "expired", "TLS 1.0", "TLS 1.1"])
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
        if wrong.startswith("TLS"):
            speak_only(registry, wrong)
        name = registry.serve("app", "1", image)
        env = None if wrong == "self-signed" else trusted
        error = refused(store, "pull", "-q", *CREDS, name, env=env)
        assert "TLS" in error or "certificate" in error
        assert registry.requests == []
        assert store.files() == {}


def speak_only(registry: FaultRegistry, version: str) -> None:
    """Make a server old; a client that is as old can talk to it, so it is no other failure."""
    number = {"TLS 1.0": ssl.TLSVersion.TLSv1, "TLS 1.1": ssl.TLSVersion.TLSv1_1}[version]
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    for context in (registry.tls, old):
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = number
    with socket.create_connection(("127.0.0.1", registry.port)) as plain:
        assert old.wrap_socket(plain).version() == version.replace("TLS ", "TLSv").replace(".0", "")


def test_s35_good_tls_is_taken_and_none_only_when_asked_and_said(
    store: Store, image: images.Image, tmp_path: Path
) -> None:
    made = faults.certificate(tmp_path, "own")
    with FaultRegistry(made) as registry:
        registry.tls.minimum_version = registry.tls.maximum_version = ssl.TLSVersion.TLSv1_2
        name = registry.serve("app", "1", image)
        store("pull", "-q", name, env={"SSL_CERT_FILE": str(made)})
        store("rmi", name)
        said = store("pull", "-q", "--tls-verify=false", name)
        assert f"TLS of registry {registry.host} is not verified" in said.err
