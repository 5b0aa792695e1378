# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
from pathlib import Path

import pytest

from pypod.errors import PypodError
from pypod.kernel import config
from pypod.kernel.config import Config
from pypod.kernel.paths import Places


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(tmp_path / "registries.conf"))
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
    assert config.load(places) == Config(search=("docker.io",))
    assert os.listdir(places.cache) == []


def test_pypod_conf_names_realms_and_registries(places: Places, tmp_path: Path) -> None:
    own(tmp_path, '[registries]\ntrusted_realms = ["a.io"]\ninsecure = ["b:5000"]\n')
    assert config.load(places) == Config(("a.io",), ("b:5000",))


def test_registries_conf_gives_its_search_list_and_insecure_ones(
    places: Places, tmp_path: Path
) -> None:
    (tmp_path / "registries.conf").write_text(
        'unqualified-search-registries = ["quay.io", "docker.io"]\n'
        '[[registry]]\nlocation = "h:1"\ninsecure = true\n[[registry]]\nprefix = "x"\n'
    )
    assert config.load(places) == Config((), ("h:1",), ("quay.io", "docker.io"))


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
