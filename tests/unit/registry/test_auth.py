# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from pypod.errors import RegistryError
from pypod.registry import auth
from pypod.registry.auth import Credentials


def entry(user: str, password: str = "word") -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without any credentials."""
    for name in ("REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "DOCKER_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def write(path: Path, **auths: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"auths": {key.replace("__", ":"): auths[key] for key in auths}}))
    return path


def user(domain: str, path: str = "a/b", authfile: str = "") -> str | None:
    found = auth.find(domain, path, authfile)
    return found.username if found else None


def test_no_file_means_no_credentials(home: Path) -> None:
    assert auth.find("quay.io", "a/b") is None


def test_files_are_searched_in_podmans_order(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home / ".docker/config.json", **{"quay.io": entry("docker")})
    assert user("quay.io") == "docker"
    write(home / ".config/containers/auth.json", **{"quay.io": entry("config")})
    assert user("quay.io") == "config"
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home / "run"))
    assert user("quay.io") == "config"
    write(home / "run/containers/auth.json", **{"quay.io": entry("runtime")})
    assert user("quay.io") == "runtime"
    other = write(home / "other.json", **{"quay.io": entry("environment")})
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(other))
    assert user("quay.io") == "environment"
    option = write(home / "option.json", **{"quay.io": entry("option")})
    assert user("quay.io", authfile=str(option)) == "option"


def test_the_longest_match_wins(home: Path) -> None:
    write(
        home / ".config/containers/auth.json",
        **{"h.io": entry("host"), "h.io/a": entry("space"), "h.io/a/b": entry("repository")},
    )
    assert user("h.io", "a/b") == "repository"
    assert user("h.io", "a/c") == "space"
    assert user("h.io", "ab") == "host"
    assert user("h.io", "a/b/c") == "repository"


@pytest.mark.parametrize(
    "key",
    ["h.io.evil", "evil.h.io", "h.io:5000", "h.io/ab", "http://other", "", "h.i", "user@h.io"],
)
def test_nothing_but_an_exact_match_counts(home: Path, key: str) -> None:
    write(home / ".config/containers/auth.json", **{key: entry("x")})
    assert auth.find("h.io", "a/b") is None


def test_a_port_is_part_of_the_host(home: Path) -> None:
    write(home / ".config/containers/auth.json", **{"h.io:5000": entry("port")})
    assert user("h.io:5000") == "port"
    assert user("h.io:5001") is None


@pytest.mark.parametrize("key", ["docker.io", "index.docker.io", "https://index.docker.io/v1/"])
def test_the_keys_of_docker_hub_are_known(home: Path, key: str) -> None:
    write(home / ".docker/config.json", **{key: entry("hub")})
    assert user("docker.io", "library/busybox") == "hub"


def test_a_colon_belongs_to_the_password(home: Path) -> None:
    write(home / ".docker/config.json", **{"h.io": entry("u", "a:b:c")})
    assert auth.find("h.io", "x") == Credentials("u", "a:b:c")
    assert auth.parse_creds("u:a:b") == Credentials("u", "a:b")


def test_an_identity_token_is_for_the_token_server(home: Path) -> None:
    write(home / ".docker/config.json", **{"h.io": {"identitytoken": "tok"}})
    assert auth.find("h.io", "x") == Credentials("", "", "tok")


@pytest.mark.parametrize("text", ["!!!", base64.b64encode(b"nocolon").decode(), "/w=="])
def test_damaged_credentials_are_one_clear_error(home: Path, text: str) -> None:
    write(home / ".docker/config.json", **{"h.io": {"auth": text}})
    with pytest.raises(RegistryError, match=r"credentials for h\.io in .* are damaged"):
        auth.find("h.io", "x")


def test_an_entry_that_credential_helpers_left_empty_is_none(home: Path) -> None:
    write(home / ".docker/config.json", **{"h.io": {}})
    assert auth.find("h.io", "x") is None


def test_a_file_that_is_named_must_be_there(home: Path) -> None:
    with pytest.raises(RegistryError, match="no such file"):
        auth.find("h.io", "x", str(home / "none.json"))


@pytest.mark.parametrize("text", ["{", "[1]", '{"auths": 3}', '{"auths": {"h.io": 3}}', ""])
def test_a_file_that_makes_no_sense_is_no_traceback(home: Path, text: str) -> None:
    path = home / "x.json"
    path.write_text(text)
    try:
        assert auth.find("h.io", "x", str(path)) is None
    except RegistryError as error:
        assert "cannot be read" in error.message


def test_credentials_do_not_show_their_secret() -> None:
    assert "word" not in repr(Credentials("user", "word", "tokenword"))
    assert "word" not in str([Credentials("user", "word")])


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "::1", "[::1]"]
)
def test_loopback_is_this_machine(host: str) -> None:
    assert auth.is_loopback(host)


@pytest.mark.parametrize("host", ["localhost.evil", "1270.0.1", "128.0.0.1", "a.io", "", "::2"])
def test_everything_else_is_not(host: str) -> None:
    assert not auth.is_loopback(host)


HTTPS = {"plain": False, "with_credentials": True}
PLAIN = {"plain": True, "with_credentials": True}


@pytest.mark.parametrize(
    ("realm", "registry", "how"),
    [
        ("https://r.io/token", "r.io", HTTPS),
        ("https://r.io:8443/token", "r.io:5000", HTTPS),
        ("https://auth.docker.io/token", "registry-1.docker.io", HTTPS),
        ("http://r.io:5001/token", "r.io:5000", PLAIN),
        ("https://r.io/token", "r.io:5000", PLAIN),
        ("http://127.0.0.1:1/token", "127.0.0.1:5000", PLAIN),
        ("https://elsewhere.io/token", "r.io", {"plain": False, "with_credentials": False}),
        ("https://t.io/token", "r.io", {**HTTPS, "trusted": ("t.io",)}),
        ("https://t.io:444/token", "r.io", {**HTTPS, "trusted": ("t.io:444",)}),
    ],
)
def test_realms_that_may_make_a_token(realm: str, registry: str, how: dict[str, object]) -> None:
    auth.check_realm(realm, registry, **how)  # type: ignore[arg-type]


@pytest.mark.parametrize("with_credentials", [True, False])
@pytest.mark.parametrize(
    "realm",
    [
        "http://r.io/token",
        "https://127.0.0.1:9/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://localhost/",
        "https://localhost./",
        "https://a.localhost/",
        "https://0.0.0.0/",
        "https://169.254.169.254/latest/meta-data",
        "https://[fe80::1%25eth0]/",
        "file:///etc/passwd",
        "ftp://r.io/",
        "//r.io/token",
        "https://",
        "https://user:word@r.io/token",
        "https://r.io@evil.io:bad/",
        "https://[::1/",
        "",
    ],
)
def test_realms_that_nobody_is_sent_to(realm: str, with_credentials: bool) -> None:
    with pytest.raises(RegistryError) as caught:
        auth.check_realm(realm, "r.io", plain=False, with_credentials=with_credentials)
    assert realm in caught.value.message


@pytest.mark.parametrize(
    ("realm", "registry", "trusted"),
    [
        ("https://evil.io/token", "r.io", ()),
        ("https://r.io.evil.io/token", "r.io", ()),
        ("https://auth.docker.io/token", "r.io", ()),
        ("https://t.io:445/token", "r.io", ("t.io:444",)),
        ("https://sub.t.io/token", "r.io", ("t.io",)),
    ],
)
def test_realms_that_see_no_credentials(
    realm: str, registry: str, trusted: tuple[str, ...]
) -> None:
    with pytest.raises(RegistryError, match="no credentials were sent") as caught:
        auth.check_realm(realm, registry, plain=False, with_credentials=True, trusted=trusted)
    assert realm in caught.value.message
    assert "trusted_realms" in (caught.value.hint or "")
