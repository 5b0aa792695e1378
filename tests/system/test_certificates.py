# SPDX-License-Identifier: Apache-2.0
"""certs.d and --cert-dir against docker-registry with TLS of an authority of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures import images
from tests.fixtures.authority import Authority
from tests.fixtures.registry import Registry
from tests.fixtures.store import Store

pytestmark = pytest.mark.own

IMAGE = images.make([images.busybox_files()], {"Cmd": ["sh"]})


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def registry(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority
) -> Iterator[Registry]:
    running = Registry(tmp_path_factory.mktemp("tls"), authority=authority)
    running.push(IMAGE, "app")
    yield running
    running.close()


@pytest.fixture(scope="module")
def strict(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority
) -> Iterator[Registry]:
    running = Registry(tmp_path_factory.mktemp("strict"), authority=authority, clients=True)
    running.push(IMAGE, "app")
    yield running
    running.close()


def certs_d(tmp_path: Path, registry: Registry) -> tuple[Path, dict[str, str | None]]:
    directory = tmp_path / "config/containers/certs.d" / registry.host
    return directory, {"XDG_CONFIG_HOME": str(tmp_path / "config")}


def test_an_authority_of_certs_d_is_trusted_for_its_registry(
    store: Store, registry: Registry, authority: Authority, tmp_path: Path
) -> None:
    directory, env = certs_d(tmp_path, registry)
    authority.directory(directory)
    pulled = store("pull", f"{registry.host}/app", env=env)
    assert pulled.line == IMAGE.id[7:]
    assert "not verified" not in pulled.err
    other = directory.parent / "127.0.0.1:1"
    directory.rename(other)
    assert "not trusted" in store("pull", f"{registry.host}/app", env=env, check=125).err


def test_an_unknown_authority_is_one_line_and_a_cure(
    store: Store, registry: Registry, tmp_path: Path
) -> None:
    _, env = certs_d(tmp_path, registry)
    refused = store("pull", "-q", f"{registry.host}/app", env=env, check=125)
    error, hint = refused.err.splitlines()
    assert error.startswith(f"Error: registry {registry.host}: its certificate is not trusted: ")
    assert f"certs.d/{registry.host}/ca.crt" in hint
    assert "--cert-dir" in hint
    assert store.files() == {}


def test_a_wrong_authority_is_not_enough(
    store: Store, registry: Registry, tmp_path: Path
) -> None:
    wrong = Authority(tmp_path / "wrong").directory(tmp_path / "certs")
    refused = store("pull", "-q", "--cert-dir", str(wrong), f"{registry.host}/app", check=125)
    assert "its certificate is not trusted" in refused.err


def test_cert_dir_is_that_directory_for_pull_and_run(
    store: Store, registry: Registry, authority: Authority, tmp_path: Path
) -> None:
    directory = str(authority.directory(tmp_path / "certs"))
    name = f"{registry.host}/app"
    ran = store("run", "--rm", "--network=none", "--cert-dir", directory, name, "echo", "hi")
    assert ran.out == "hi\n"
    assert store("pull", "-q", "--cert-dir", directory, name).line == IMAGE.id[7:]


def test_a_registry_that_wants_a_client_certificate_gets_it(
    store: Store, strict: Registry, authority: Authority, tmp_path: Path
) -> None:
    directory, env = certs_d(tmp_path, strict)
    authority.directory(directory, authority.issue("client"))
    assert store("pull", "-q", f"{strict.host}/app", env=env).line == IMAGE.id[7:]


def test_without_a_client_certificate_the_hint_says_where_it_belongs(
    store: Store, strict: Registry, authority: Authority, tmp_path: Path
) -> None:
    directory, env = certs_d(tmp_path, strict)
    authority.directory(directory)
    refused = store("pull", "-q", f"{strict.host}/app", env=env, check=125)
    error, hint = refused.err.splitlines()
    assert "it wants a client certificate" in error
    assert f"certs.d/{strict.host}/client.cert and client.key" in hint


def test_a_client_of_another_authority_is_refused(
    store: Store, strict: Registry, authority: Authority, tmp_path: Path
) -> None:
    directory, env = certs_d(tmp_path, strict)
    authority.directory(directory, Authority(tmp_path / "wrong").issue("client"))
    refused = store("pull", "-q", f"{strict.host}/app", env=env, check=125)
    assert "TLS failed" in refused.err


@pytest.mark.parametrize("alone", ["client.cert", "client.key"])
def test_half_a_pair_is_an_error_that_names_the_other(
    store: Store, strict: Registry, authority: Authority, tmp_path: Path, alone: str
) -> None:
    directory, env = certs_d(tmp_path, strict)
    authority.directory(directory, authority.issue("client"))
    other = {"client.cert": "client.key", "client.key": "client.cert"}[alone]
    (directory / other).unlink()
    refused = store("pull", "-q", f"{strict.host}/app", env=env, check=125)
    assert f"Error: {directory}/{alone} is alone: {other} is missing" in refused.err


@pytest.mark.parametrize("name", ["ca.crt", "client.cert", "client.key"])
def test_a_file_that_is_no_certificate_is_named(
    store: Store, strict: Registry, authority: Authority, tmp_path: Path, name: str
) -> None:
    directory, env = certs_d(tmp_path, strict)
    authority.directory(directory, authority.issue("client"))
    (directory / name).write_text("nothing\n")
    refused = store("pull", "-q", f"{strict.host}/app", env=env, check=125)
    assert str(directory) in refused.err
    assert refused.err.startswith("Error: ")


def test_a_cert_dir_that_is_not_there_is_named(store: Store, registry: Registry) -> None:
    refused = store("pull", "-q", "--cert-dir=/no/such", f"{registry.host}/app", check=125)
    assert refused.err.startswith("Error: --cert-dir /no/such: No such file or directory\n")
