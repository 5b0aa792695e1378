# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from pypod.errors import RegistryError
from pypod.registry import auth, credentials
from pypod.registry.auth import Credentials

ME = Credentials("me", "s:ecret")
OWN = {"auth": "bWU6czplY3JldA=="}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("REGISTRY_AUTH_FILE", "XDG_CONFIG_HOME", "DOCKER_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    return tmp_path


def write(path: Path, document: Any) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return str(path)


def test_a_login_goes_where_it_lasts_unless_another_would_hide_it(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lasting = str(home / ".config/containers/auth.json")
    assert credentials.place("h.io") == lasting
    runtime = write(home / "run/containers/auth.json", {"auths": {"h.io": {}}})
    assert credentials.place("h.io") == runtime
    assert credentials.place("other.io") == lasting
    assert credentials.place("h.io", "/named") == "/named"
    monkeypatch.setenv("REGISTRY_AUTH_FILE", "/elsewhere")
    assert credentials.place("h.io") == "/elsewhere"


def test_what_is_kept_is_found_and_what_is_forgotten_is_not(home: Path) -> None:
    path = credentials.place("h.io/team")
    assert credentials.keep(path, "h.io/team", ME) == path
    assert auth.find("h.io", "team/app") == ME
    assert auth.find("h.io", "app") is None
    assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600
    assert credentials.forget(path, "h.io") is False
    assert credentials.forget(path, "h.io/team") is True
    assert credentials.forget(path, "h.io/team") is False
    assert auth.find("h.io", "team/app") is None


def test_an_entry_replaces_each_old_spelling_of_its_key(home: Path) -> None:
    old = {"auths": {"https://h.io/v1/": {"auth": "x"}, "h.io": {}, "a.io": {}}, "more": {"x": 1}}
    path = write(home / "auth.json", old)
    credentials.keep(path, "h.io", ME)
    assert json.loads(Path(path).read_text()) == {
        "auths": {"a.io": {}, "h.io": OWN},
        "more": {"x": 1},
    }


def test_what_cannot_be_read_is_not_written_over(home: Path) -> None:
    path = home / "auth.json"
    path.write_text("{")
    with pytest.raises(RegistryError, match="cannot be read"):
        credentials.keep(str(path), "h.io", ME)
    assert path.read_text() == "{"
    assert [one.name for one in home.iterdir()] == ["auth.json"]


def test_a_directory_that_cannot_be_made_is_named(home: Path) -> None:
    (home / "file").write_text("")
    with pytest.raises(RegistryError, match=r"file/auth\.json cannot be read: Not a directory"):
        credentials.keep(str(home / "file/auth.json"), "h.io", ME)


def test_old_docker_s_file_is_read(home: Path) -> None:
    write(home / ".dockercfg", {"h.io": OWN})
    assert auth.find("h.io", "a") == ME
