# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
from pathlib import Path

import pytest

from pypod.errors import PypodError
from pypod.kernel import config, short_names
from pypod.kernel.config import Config
from pypod.kernel.paths import Places


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.delenv("CONTAINERS_REGISTRIES_CONF", raising=False)
    monkeypatch.setattr(config, "_SYSTEM", str(tmp_path / "etc"))
    monkeypatch.delenv("PYPOD_CONF", raising=False)
    (tmp_path / "config/pypod").mkdir(parents=True)
    made = Places(str(tmp_path / "graph"), str(tmp_path / "run"))
    os.makedirs(made.cache)
    return made


def own(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config/pypod/pypod.conf"
    path.write_text(text)
    return path


def test_no_file_means_the_defaults_and_no_cache(places: Places) -> None:
    assert config.load(places) == Config()
    assert Config().registries.search == ("docker.io",)
    assert os.listdir(places.cache) == []


def test_pypod_conf_names_realms_and_registries(places: Places, tmp_path: Path) -> None:
    own(tmp_path, '[registries]\ntrusted_realms = ["a.io"]\ninsecure = ["b:5000"]\n')
    assert config.load(places) == Config(("a.io",), ("b:5000",))


def test_pypod_conf_says_whether_images_are_waited_for(places: Places, tmp_path: Path) -> None:
    own(tmp_path, "[store]\ndurable = false\n")
    for _parsed_then_cached in range(2):
        assert not config.load(places).durable
    own(tmp_path, '[store]\ndurable = "no"\n')
    with pytest.raises(PypodError, match=r"conf:2: durable is neither true nor false"):
        config.load(places)


def test_pypod_conf_says_how_long_silence_is_borne(places: Places, tmp_path: Path) -> None:
    assert config.load(places).idle_seconds == 30
    own(tmp_path, "[registries]\nidle_seconds = 45\n")
    for _parsed_then_cached in range(2):
        assert config.load(places).idle_seconds == 45
    for bad in ("0", "true", '"1"', "1.5", "4000"):
        own(tmp_path, f"[registries]\nidle_seconds = {bad}\n")
        with pytest.raises(PypodError, match=r"conf:2: idle_seconds is not a number"):
            config.load(places)


def write(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def search(*domains: str) -> str:
    return f"unqualified-search-registries = [{', '.join(map(repr, domains))}]\n"


def test_the_users_main_file_hides_that_of_the_machine(places: Places, tmp_path: Path) -> None:
    system = write(tmp_path / "etc/registries.conf", search("etc.io"))
    assert config.load(places).registries.search == ("etc.io",)
    user = write(tmp_path / "config/containers/registries.conf", search("user.io"))
    assert config.load(places).registries.search == ("user.io",)
    assert config.load(places).registries.search_file == user != system


def test_a_named_main_file_is_the_only_one_and_must_be_there(
    places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "config/containers/registries.conf", search("user.io"))
    named = tmp_path / "named.conf"
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(named))
    with pytest.raises(PypodError, match=r"named\.conf: no such file"):
        config.load(places)
    write(named, search("named.io"))
    assert config.load(places).registries.search == ("named.io",)


def test_drop_ins_count_after_the_main_file_those_of_the_user_last(
    places: Places, tmp_path: Path
) -> None:
    etc, user = tmp_path / "etc/registries.conf.d", tmp_path / "config/containers"
    write(user / "registries.conf", search("main.io") + '[aliases]\na = "main.io/a"\n')
    write(etc / "20.conf", search("second.io"))
    write(etc / "10.conf", search("first.io"))
    write(etc / "99.conf.bak", search("no.io"))
    assert config.load(places).registries.search == ("second.io",)
    write(user / "registries.conf.d/00.conf", search("user.io") + '[aliases]\na = "user.io/a"\n')
    found = config.load(places).registries
    assert found.search == ("user.io",)
    assert found.alias("a")[0] == "user.io/a"
    write(tmp_path / "cache/containers/short-name-aliases.conf", '[aliases]\na = "chosen.io/a"\n')
    assert config.load(places).registries.alias("a")[0] == "chosen.io/a"


def test_a_short_name_that_was_chosen_is_remembered(places: Places) -> None:
    short_names.remember("b", "quay.io/b")
    short_names.remember("a/c", "docker.io/a/c")
    found = config.load(places).registries
    assert found.alias("b") == ("quay.io/b", config.alias_file())
    assert found.alias("a/c")[0] == "docker.io/a/c"
    assert os.stat(config.alias_file()).st_uid == os.getuid()


ENTRIES = """
short-name-mode = "disabled"
credential-helpers = ["containers-auth.json", "pass"]
[[registry]]
prefix = "*.example.com"
insecure = true
[[registry]]
location = "a.io"
blocked = true
[[registry.mirror]]
location = "b.io/a"
insecure = true
pull-from-mirror = "tag-only"
"""


def test_the_cache_gives_back_what_was_parsed(places: Places, tmp_path: Path) -> None:
    write(tmp_path / "etc/registries.conf", search("a.io") + ENTRIES + '[aliases]\nx = "q.io/x"\n')
    first = config.load(places)
    assert len(first.registries.entries) == 2
    assert config.load(places) == first
    assert len(os.listdir(places.cache)) == 1


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("a = 1\nb = [", 2, "Invalid value"),
        ("a = 1\n\nb c\n", 3, "Expected '='"),
        ("\n[[registry]]\nlocation = 'a.io'\n[[registry]]\ninsecure = true\n", 4, "neither"),
        ("\nshort-name-mode = 'often'\n", 2, "enforcing permissive disabled"),
        ("[aliases]\na = 'q.io/a'\nb = 'b'\n", 3, "lacks its registry"),
        ("\n\nunqualified-search-registries = 'a.io'\n", 3, "not a list of words"),
        ("[registries.search]\nregistries = []\n", 1, "version 1"),
    ],
)
def test_a_broken_file_is_named_with_its_line(
    places: Places, tmp_path: Path, text: str, line: int, said: str
) -> None:
    path = write(tmp_path / "etc/registries.conf.d/a.conf", text)
    with pytest.raises(PypodError, match=said) as error:
        config.load(places)
    assert error.value.message.startswith(f"{path}:{line}: ")


def test_what_nobody_knows_is_said_once(
    places: Places, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "etc/registries.conf", "x = 1\n[[registry]]\nlocation='a.io'\ny=1\n")
    config.load(places)
    lines = capfd.readouterr().err.splitlines()
    assert lines == [
        f"WARN: {path}:1: x is not known and changes nothing",
        f"WARN: {path}:4: y is not known and changes nothing",
    ]


def test_what_was_parsed_is_kept_until_a_file_changes(places: Places, tmp_path: Path) -> None:
    path = own(tmp_path, '[registries]\ninsecure = ["a"]\n')
    first = config.load(places)
    (cached,) = os.listdir(places.cache)
    cache = Path(places.cache, cached)
    cache.write_text(cache.read_text().replace('["a"]', '["from the cache"]'))
    assert config.load(places).insecure == ("from the cache",)
    path.write_text('[registries]\ninsecure = ["bb"]\n')
    assert config.load(places).insecure == ("bb",)
    cache.write_text("{")
    assert config.load(places).insecure == ("bb",)
    assert first.insecure == ("a",)


@pytest.mark.parametrize(
    "text",
    ["[registries", '[registries]\ntrusted = ["x"]\n', '[registries]\ninsecure = "x"\n', "x = 1\n"],
)
def test_a_wrong_file_is_named(places: Places, tmp_path: Path, text: str) -> None:
    path = own(tmp_path, text)
    with pytest.raises(PypodError, match=str(path)):
        config.load(places)
