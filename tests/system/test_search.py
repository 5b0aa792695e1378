# SPDX-License-Identifier: Apache-2.0
"""search on Debian's docker-registry, and on one that speaks docker's version 1 by script."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures import fault_registry as faults
from tests.fixtures import images
from tests.fixtures.fault_registry import FaultRegistry, Handler
from tests.fixtures.registry import PASSWORD, USER, Registry
from tests.fixtures.store import Store

pytestmark = pytest.mark.own

LONG = "a description that is longer than any column of a table should ever be"
RESULTS = {
    "results": [
        {"name": "app", "description": LONG, "star_count": 12, "is_official": True},
        {"name": "team/app", "description": "ours\x1b[31m", "star_count": 3, "is_automated": True},
        {"name": 7},
        {"name": "team/other", "description": None, "star_count": 0},
    ]
}


@pytest.fixture(scope="module")
def registries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Registry]]:
    running = {
        auth or "anonymous": Registry(tmp_path_factory.mktemp(auth or "search"), auth)
        for auth in ("", "basic")
    }
    one = images.make([{"file": b"data"}])
    for registry in running.values():
        for name in ("team/app", "team/other", "third"):
            for tag in ("1", "2", "3"):
                registry.push(one, name, tag)
    yield running
    for registry in running.values():
        registry.close()


@pytest.fixture
def hub() -> Iterator[FaultRegistry]:
    def answer(handler: Handler, _body: bytes, _type: str) -> None:
        handler.send(200, json.dumps(RESULTS).encode(), "application/json")

    with FaultRegistry() as running:
        running.fault("GET /v1/search?", answer)
        yield running


def test_a_catalog_is_searched_by_name(store: Store, registries: dict[str, Registry]) -> None:
    host = registries["anonymous"].host
    found = store("search", f"{host}/team")
    assert found.out.split() == ["NAME", "DESCRIPTION", f"{host}/team/app", f"{host}/team/other"]
    every = store("image", "search", "--format", "{{.Name}}", f"{host}/")
    assert every.out.splitlines() == [f"{host}/team/app", f"{host}/team/other", f"{host}/third"]
    assert len(store("search", "--limit", "1", f"{host}/t").out.splitlines()) == 2
    assert store("search", "--format", "json", f"{host}/nothing").out == "[]\n"


def test_a_catalog_with_a_password(
    store: Store, registries: dict[str, Registry], tmp_path: Path
) -> None:
    host = registries["basic"].host
    assert "authentication required" in store("search", f"{host}/app", check=125).err
    words = ("--format", "{{.Name}}", f"{host}/app")
    creds = f"{USER}:{PASSWORD}"
    assert store("search", "--creds", creds, *words).line == f"{host}/team/app"
    auth = str(tmp_path / "auth.json")
    store("login", "--authfile", auth, "-u", USER, "-p", PASSWORD, host)
    found = store("search", "--authfile", auth, "--cert-dir", str(tmp_path),
                  "--tls-verify=false", *words)  # fmt: skip
    assert found.line == f"{host}/team/app"


def test_tags_of_a_repository(store: Store, registries: dict[str, Registry]) -> None:
    name = f"{registries['anonymous'].host}/team/app"
    lines = store("search", "--list-tags", name).out.splitlines()
    assert lines[0].split() == ["NAME", "TAG"]
    assert sorted(line.split() for line in lines[1:]) == [[name, tag] for tag in "123"]
    found = json.loads(store("search", "--list-tags", "--limit", "2", "--format", "json", name).out)
    assert [(one["Name"], len(one["Tags"])) for one in found] == [(name, 2)]
    for words in (("--list-tags", "app"), ("--list-tags", f"{name}:1"),
                  ("--list-tags", "--filter", "stars=1", name)):  # fmt: skip
        assert store("search", *words, check=125).err.startswith("Error: ")


def test_docker_s_search_answers_with_stars(store: Store, hub: FaultRegistry) -> None:
    shown = store("search", "--compatible", f"{hub.host}/app").out.splitlines()
    assert shown[0].split() == ["NAME", "DESCRIPTION", "STARS", "OFFICIAL", "AUTOMATED"]
    assert shown[1].split()[0] == f"{hub.host}/app"
    assert f"{LONG[:44]}...  12     [OK]" in shown[1]
    assert "\\x1b[31m" in shown[2]
    assert "\x1b" not in "".join(shown)
    assert hub.paths("/v1/search")[0].path == "/v1/search?q=app&n=25"
    assert not hub.paths("_catalog")
    whole = store("search", "--no-trunc", "--limit", "2", f"{hub.host}/app").out
    assert LONG in whole
    assert len(whole.splitlines()) == 3
    document = json.loads(store("search", "--format", "json", f"{hub.host}/app").out)[0]
    assert document == {"Index": hub.host, "Name": f"{hub.host}/app", "Description": LONG,
                        "Stars": 12, "Official": "[OK]", "Automated": "", "Tag": ""}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("stars=3", ["app", "team/app"]),
        ("is-official", ["app"]),
        ("is-official=false", ["team/app", "team/other"]),
        ("is-automated=true", ["team/app"]),
    ],
)
def test_filters_choose(store: Store, hub: FaultRegistry, text: str, names: list[str]) -> None:
    found = store("search", "-f", text, "--format", "{{.Name}}", f"{hub.host}/app")
    assert found.out.splitlines() == [f"{hub.host}/{name}" for name in names]
    assert "invalid filter" in store("search", "-f", "x=1", f"{hub.host}/app", check=125).err


def test_a_word_is_searched_on_the_registries_of_the_list(
    store: Store, hub: FaultRegistry, registries: dict[str, Registry], tmp_path: Path
) -> None:
    own, file = registries["anonymous"].host, tmp_path / "registries.conf"
    dead = FaultRegistry()
    dead.close()
    listed = [hub.host, own, dead.host]
    file.write_text(f"unqualified-search-registries = {json.dumps(listed)}\n")
    env: dict[str, str | None] = {"CONTAINERS_REGISTRIES_CONF": str(file)}
    found = store("search", "--format", "{{.Index}} {{.Name}}", "app", env=env)
    assert found.out.splitlines()[0] == f"{hub.host} {hub.host}/app"
    assert found.out.splitlines()[-1] == f"{own} {own}/team/app"
    assert dead.host in found.err
    file.write_text(f'unqualified-search-registries = ["{dead.host}"]\n')
    assert "refused" in store("search", "app", check=125, env=env).err


def test_docker_io_is_searched_where_it_was_moved_to(
    store: Store, hub: FaultRegistry, tmp_path: Path
) -> None:
    file = tmp_path / "registries.conf"
    file.write_text(f'[[registry]]\nprefix = "docker.io"\nlocation = "{hub.host}"\n')
    env: dict[str, str | None] = {"CONTAINERS_REGISTRIES_CONF": str(file)}
    found = store("search", "--limit", "1", "--format", "{{.Name}}", "docker.io/app", env=env)
    assert found.line == "docker.io/library/app"


def test_a_catalog_that_leads_elsewhere_or_in_circles_ends(
    store: Store, hub: FaultRegistry
) -> None:
    hub.fault(
        "_catalog?n=100",
        faults.status(200, {"Link": '</v2/_catalog?n=100>; rel="next"'},
                      b'{"repositories":["a"]}'),
        times=1,
    )  # fmt: skip
    assert store("search", "--format", "{{.Name}}", f"{hub.host}/").line == f"{hub.host}/a"
    hub.fault(
        "_catalog?n=100",
        faults.status(200, {"Link": '<http://example.org/x>; rel="next"'},
                      b'{"repositories":["a"]}'),
        times=1,
    )  # fmt: skip
    assert "another host" in store("search", f"{hub.host}/", check=125).err
