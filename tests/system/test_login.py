# SPDX-License-Identifier: Apache-2.0
"""login and logout against docker-registry behind htpasswd and behind a token server."""

from __future__ import annotations

import base64
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures import fault_registry as faults
from tests.fixtures import images
from tests.fixtures.authority import Authority
from tests.fixtures.fault_registry import FaultRegistry
from tests.fixtures.program import Program, Result, Terminal
from tests.fixtures.registry import PASSWORD, USER, Registry
from tests.fixtures.store import Store

pytestmark = pytest.mark.own

IMAGE = images.make([{"file": b"x"}])
HELPER = """#!/bin/sh
# Keeps one secret a file; writes down how it was called.
echo "$0 $*" >> "$KEPT/calls"
server=$(cat)
case $1 in
get) name=$(echo "$server" | tr /: __)
     [ -f "$KEPT/$name" ] || { echo "credentials not found in native keychain"; exit 1; }
     cat "$KEPT/$name" ;;
store) name=$(echo "$server" | sed 's/.*"ServerURL":"\\([^"]*\\)".*/\\1/' | tr /: __)
     echo "$server" > "$KEPT/$name" ;;
erase) rm "$KEPT/$(echo "$server" | tr /: __)" ;;
list) echo "{" ; sep=; for f in "$KEPT"/*_*; do
     [ -f "$f" ] || continue
     echo "$sep\\"$(basename "$f" | tr _ :)\\":\\"x\\""; sep=,; done; echo "}" ;;
*) exit 2 ;;
esac
"""


class Home:
    """A store, a home and a runtime directory without any credentials."""

    def __init__(self, program: Program, where: Path) -> None:
        self.store = Store(program, where)
        self.runtime = where / "runtime/containers/auth.json"
        self.lasting = where / "config/containers/auth.json"
        self.docker = where / "home/.docker/config.json"
        self.kept = where / "kept"
        for directory in ("home", "runtime", "kept", "bin"):
            (where / directory).mkdir(mode=0o700)
        helper = where / "bin/docker-credential-test"
        helper.write_text(HELPER)
        helper.chmod(0o755)
        self.env: dict[str, str | None] = {
            "HOME": str(where / "home"),
            "XDG_CONFIG_HOME": str(where / "config"),
            "XDG_RUNTIME_DIR": str(where / "runtime"),
            "DOCKER_CONFIG": None,
            "REGISTRY_AUTH_FILE": None,
            "KEPT": str(self.kept),
            "PATH": f"{where}/bin:{os.environ['PATH']}",
        }

    def __call__(self, *words: str, check: int = 0, input: str | None = None) -> Result:
        return self.store(*words, env=self.env, check=check, input=input)

    def write(self, path: Path, document: object) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document))


@pytest.fixture
def home(program: Program, tmp_path: Path) -> Iterator[Home]:
    made = Home(program, tmp_path)
    yield made
    made.store.remove()


@pytest.fixture(scope="module", params=["basic", "bearer"])
def registry(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Registry]:
    running = Registry(tmp_path_factory.mktemp(request.param), request.param)
    running.push(IMAGE, "app")
    yield running
    running.close()


def entry(user: str = USER, password: str = PASSWORD) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def auths(path: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads(path.read_text())["auths"]
    return found


def test_a_login_lasts_serves_pulls_and_is_forgotten(home: Home, registry: Registry) -> None:
    host = registry.host
    assert "authentication required" in home("pull", f"{host}/app", check=125).err
    logged = home("login", "-u", USER, "--password-stdin", host, input=f"{PASSWORD}\n")
    assert (logged.out, logged.err) == ("Login Succeeded!\n", "")
    assert auths(home.lasting) == {host: entry()}
    assert stat.S_IMODE(home.lasting.stat().st_mode) == 0o600
    assert not home.runtime.exists()
    assert [path.name for path in home.lasting.parent.iterdir()] == ["auth.json"]
    assert home("pull", "-q", f"{host}/app").line == IMAGE.id[7:]
    assert home("login", "--get-login", host).out == f"{USER}\n"
    again = home("login", host)
    assert again.out == f"Existing credentials are valid. Already logged in to {host}\n"
    assert home("logout", host).out == f"Removed login credentials for {host}\n"
    assert auths(home.lasting) == {}
    assert home("logout", host, check=125).err == f"Error: not logged into {host}\n"
    assert home("login", "--get-login", host, check=125).err == f"Error: not logged into {host}\n"


def test_a_wrong_password_is_not_kept_and_not_shown(home: Home, registry: Registry) -> None:
    words = ("login", "-u", USER, "--password-stdin", registry.host)
    refused = home("--log-level=debug", *words, input="not-the-word", check=125)
    error = f'Error: logging into "{registry.host}": invalid username/password\n'
    assert error in refused.err
    assert "not-the-word" not in refused.err
    assert base64.b64encode(f"{USER}:not-the-word".encode()).decode() not in refused.err
    assert not home.lasting.exists()


def test_a_password_in_argv_works_and_is_warned_of(home: Home, registry: Registry) -> None:
    host = f"https://{registry.host}/v2/"
    logged = home("login", "--username", USER, "--password", PASSWORD, "-v", host)
    assert logged.out == f"Login Succeeded!\nUsed: {home.lasting}\n"
    assert logged.err.startswith("WARN: --password can be seen by everybody")
    assert auths(home.lasting) == {registry.host: entry()}


def test_a_file_keeps_what_is_not_ours_and_its_link(
    home: Home, registry: Registry, tmp_path: Path
) -> None:
    target = tmp_path / "dotfiles.json"
    other = {"auths": {"quay.io": entry("o", "p"), f"https://{registry.host}/v1/": {}}, "x": [1]}
    home.write(target, other)
    target.chmod(0o644)
    home.lasting.parent.mkdir(parents=True)
    home.lasting.symlink_to(target)
    home("login", "-u", USER, "--password-stdin", registry.host, input=PASSWORD)
    assert home.lasting.is_symlink()
    assert json.loads(target.read_text()) == {
        "auths": {"quay.io": entry("o", "p"), registry.host: entry()},
        "x": [1],
    }
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    home("logout", registry.host)
    assert auths(target) == {"quay.io": entry("o", "p")}


def test_a_login_is_written_where_an_older_one_would_hide_it(
    home: Home, registry: Registry
) -> None:
    home.write(home.runtime, {"auths": {registry.host: entry("old", "word")}})
    home("login", "-u", USER, "--password-stdin", registry.host, input=PASSWORD)
    assert auths(home.runtime) == {registry.host: entry()}
    assert not home.lasting.exists()


def test_the_file_is_named_by_the_option_or_the_environment(
    home: Home, registry: Registry, tmp_path: Path
) -> None:
    first, second = tmp_path / "a/one.json", tmp_path / "two.json"
    words = ("login", "-u", USER, "--password-stdin")
    home(*words, "--authfile", str(first), registry.host, input=PASSWORD)
    home.env["REGISTRY_AUTH_FILE"] = str(second)
    home(*words, registry.host, input=PASSWORD)
    assert auths(first) == auths(second) == {registry.host: entry()}
    assert not home.lasting.exists()
    home("logout", "--authfile", str(first), registry.host)
    assert (auths(first), len(auths(second))) == ({}, 1)
    assert home("login", "--get-login", "--authfile", str(second), registry.host).line == USER


def test_a_namespace_has_credentials_of_its_own(home: Home, registry: Registry) -> None:
    key = f"{registry.host}/team"
    home("login", "-u", USER, "--password-stdin", key, input=PASSWORD)
    assert auths(home.lasting) == {key: entry()}
    assert "authentication required" in home("pull", f"{registry.host}/app", check=125).err
    registry.push(IMAGE, "team/app")
    home("pull", "-q", f"{registry.host}/team/app")
    home("logout", key)
    assert auths(home.lasting) == {}


def test_all_are_forgotten_at_once(home: Home) -> None:
    home.write(home.lasting, {"auths": {"a.io": entry(), "b.io": entry()}, "credHelpers": {}})
    home.write(home.runtime, {"auths": {"c.io": entry()}})
    home.write(home.docker, {"auths": {"d.io": entry()}})
    assert home("logout", "--all").out == "Removed login credentials for all registries\n"
    assert auths(home.lasting) == auths(home.runtime) == {}
    assert auths(home.docker) == {"d.io": entry()}
    refused = home("logout", "d.io", check=125)
    assert refused.err.splitlines()[1] == "Hint: docker logout d.io"


@pytest.mark.parametrize("way", ["credHelpers", "credsStore", "registries.conf"])
def test_a_helper_keeps_the_secret_and_sees_it_on_stdin_only(
    home: Home, registry: Registry, way: str
) -> None:
    if way == "credHelpers":
        home.write(home.lasting, {"credHelpers": {registry.host: "test"}})
    elif way == "credsStore":
        home.write(home.lasting, {"credsStore": "test"})
    else:
        home.lasting.parent.mkdir(parents=True)
        settings = home.lasting.with_name("registries.conf")
        settings.write_text('credential-helpers = ["test"]\n')
    words = ("login", "-v", "-u", USER, "--password-stdin", registry.host)
    logged = home(*words, input=PASSWORD)
    assert logged.out == "Login Succeeded!\nUsed: docker-credential-test\n"
    if home.lasting.exists():
        assert "auth\":" not in home.lasting.read_text()
    assert home("pull", "-q", f"{registry.host}/app").line == IMAGE.id[7:]
    assert home("login", "--get-login", registry.host).line == USER
    calls = (home.kept / "calls").read_text()
    assert PASSWORD not in calls
    assert "docker-credential-test store\n" in calls
    home("logout", registry.host)
    assert "authentication required" in home("pull", f"{registry.host}/app", check=125).err
    assert [path.name for path in home.kept.iterdir()] == ["calls"]


def test_docker_s_store_is_read_and_a_missing_one_stops_no_public_pull(
    home: Home, registry: Registry, tmp_path: Path
) -> None:
    home.write(home.docker, {"credsStore": "test"})
    secret = {"ServerURL": registry.host, "Username": USER, "Secret": PASSWORD}
    home.write(home.kept / registry.host.replace(":", "_"), secret)
    home("pull", "-q", f"{registry.host}/app")
    home.write(home.docker, {"credsStore": "desktop"})
    with FaultRegistry() as public:
        pulled = home("pull", public.serve("app", "1", IMAGE))
        assert "WARN: " in pulled.err
        assert "docker-credential-desktop: no such program" in pulled.err


@pytest.mark.parametrize("name", ["../evil", "a b", "", "nothing"])
def test_a_helper_that_is_no_program_is_named(home: Home, name: str) -> None:
    home.write(home.lasting, {"credHelpers": {"h.io": name}})
    refused = home("login", "--get-login", "h.io", check=125)
    assert len(refused.err.splitlines()) <= 2
    if name:
        assert "no such program in PATH" in refused.err


def test_a_helper_that_fails_shows_nothing_of_its_standard_output(
    home: Home, tmp_path: Path
) -> None:
    helper = tmp_path / "bin/docker-credential-bad"
    helper.write_text("#!/bin/sh\necho s3cret\necho locked >&2\nexit 3\n")
    helper.chmod(0o755)
    home.write(home.lasting, {"credHelpers": {"h.io": "bad"}})
    refused = home("--log-level=debug", "login", "--get-login", "h.io", check=125)
    assert "docker-credential-bad get ended 3: locked" in refused.err
    assert "s3cret" not in refused.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-u", "a", "-p", "b", "--password-stdin", "h.io"), "cannot be used together"),
        (("--password-stdin", "h.io"), "must provide --username"),
        (("-u", "a", "--password-stdin", "h.io"), "nothing came in"),
        (("-u", "a", "h.io"), "no terminal to ask on"),
        (("-u", "a:b", "-p", "c", "127.0.0.1:1"), "connection refused"),
        (("-u", "a", "-p", "b", "no_dots"), "is no registry"),
        (("-u", "a", "-p", "b", "h.io/app:1"), "is no registry"),
    ],
)
def test_bad_input_is_one_line(home: Home, words: tuple[str, ...], said: str) -> None:
    refused = home("login", *words, check=125)
    errors = [line for line in refused.err.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1
    assert said in errors[0]
    assert refused.out == ""


def test_a_damaged_file_is_named_and_left_as_it_is(home: Home, registry: Registry) -> None:
    home.lasting.parent.mkdir(parents=True)
    home.lasting.write_text("{")
    words = ("login", "-u", USER, "--password-stdin", registry.host)
    assert str(home.lasting) in home(*words, input=PASSWORD, check=125).err
    assert home.lasting.read_text() == "{"


def test_people_are_asked_on_a_terminal(home: Home, registry: Registry) -> None:
    words = home.store.program.argv(*home.store.first, "login", registry.host)
    settings = [f"{key}={value}" for key, value in home.env.items() if value is not None]
    unset = [f"--unset={key}" for key, value in home.env.items() if value is None]
    with Terminal(["/usr/bin/env", *unset, *settings, *words], 24, 80) as terminal:
        terminal.expect("Username: ")
        terminal.send(f"{USER}\n")
        terminal.expect("Password: ")
        terminal.send(f"{PASSWORD}\n")
        shown = terminal.expect("Login Succeeded!")
        assert terminal.wait() == 0
    assert PASSWORD not in shown
    assert auths(home.lasting) == {registry.host: entry()}


def test_without_a_name_it_is_the_first_of_the_search_list(
    home: Home, registry: Registry
) -> None:
    home.lasting.parent.mkdir(parents=True)
    settings = home.lasting.with_name("registries.conf")
    settings.write_text(f'unqualified-search-registries = ["{registry.host}", "docker.io"]\n')
    logged = home("login", "-u", USER, "--password-stdin", input=PASSWORD)
    assert logged.err == f"No registry is named: {registry.host}, the first of the search list.\n"
    assert home("logout").out == f"Removed login credentials for {registry.host}\n"


def test_a_password_goes_to_no_realm_on_another_host(home: Home) -> None:
    with FaultRegistry() as asked, FaultRegistry(address="127.0.0.2") as realm:
        challenge = f'Bearer realm="{realm.url}/token",service="x"'
        asked.fault("/v2/", faults.needs("Bearer x", challenge))
        words = ("login", "-u", "me", "--password-stdin", asked.host)
        refused = home(*words, input="secret", check=125)
        assert "that is another host, no credentials were sent" in refused.err
        assert realm.requests == []
        assert [one.authorization for one in asked.requests if one.authorization] == []


def test_a_certificate_counts_for_logging_in(home: Home, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    running = Registry(tmp_path / "registry", "basic", authority=authority)
    try:
        words = ("login", "-u", USER, "--password-stdin")
        refused = home(*words, running.host, input=PASSWORD, check=125)
        assert "its certificate is not trusted" in refused.err
        directory = str(authority.directory(tmp_path / "certs"))
        home(*words, "--cert-dir", directory, running.host, input=PASSWORD)
        home(*words, "--tls-verify=false", running.host, input=PASSWORD)
    finally:
        running.close()
