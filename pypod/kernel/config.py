# SPDX-License-Identifier: Apache-2.0
"""Settings of registries: what an administrator or a user may say. No file means the defaults.

pypod.conf, the first that exists of $PYPOD_CONF, $XDG_CONFIG_HOME/pypod/pypod.conf and
/etc/pypod/pypod.conf; and of containers' registries.conf(5), found the same way, the search list of
short names and the registries that are `insecure`. The only importer of TOML.
"""

from __future__ import annotations

import os

from pypod.errors import PypodError
from pypod.kernel import fastjson
from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pypod.kernel.paths import Places

_VERSION = 1
"""Of the cached form; another one is parsed again."""


class Config(Value):
    """The settings."""

    trusted_realms: tuple[str, ...] = ()
    """Hosts, HOST or HOST:PORT, that may see a registry's credentials to make a token of them."""
    insecure: tuple[str, ...] = ()
    """HOST or HOST:PORT of registries whose TLS is not verified, and that may have none."""
    search: tuple[str, ...] = ("docker.io",)
    """Registries to ask for a short name, in this order."""


def load(places: Places) -> Config:
    """Return the settings. Raises PypodError for a file that cannot be read or makes no sense.

    TOML costs 10 ms: what was parsed is cached, keyed by each file's path, mtime, size and inode.
    """
    files = [found for found in (_first(_own()), _first(_containers())) if found]
    if not files:
        return Config()
    key = [_VERSION, *files]
    cache = places.cache + "/registries.json"
    try:
        with open(cache, "rb") as file:
            cached = fastjson.loads(file.read())
        if cached["key"] == key:
            return Config(**{field: tuple(cached["config"][field]) for field in Config._fields})
    except (OSError, ValueError, KeyError, TypeError):
        pass
    config = _parse([str(path) for path, *_ in files])
    _keep(cache, {"key": key, "config": config.as_dict()})
    return config


def _keep(cache: str, document: dict[str, Any]) -> None:
    temporary = f"{cache}.{os.getpid()}"
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(fastjson.dumps(document))
        os.rename(temporary, cache)
    except OSError:
        pass  # a cache: the next command parses again


def _first(paths: list[str]) -> list[str | int] | None:
    for path in paths:
        try:
            found = os.stat(path)
        except OSError:
            continue
        return [path, found.st_mtime_ns, found.st_size, found.st_ino]
    return None


def _own() -> list[str]:
    if os.environ.get("PYPOD_CONF"):
        return [os.environ["PYPOD_CONF"]]
    return [_config_home() + "/pypod/pypod.conf", "/etc/pypod/pypod.conf"]


def _containers() -> list[str]:
    if os.environ.get("CONTAINERS_REGISTRIES_CONF"):
        return [os.environ["CONTAINERS_REGISTRIES_CONF"]]
    return [_config_home() + "/containers/registries.conf", "/etc/containers/registries.conf"]


def _config_home() -> str:
    return os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")


def _parse(paths: list[str]) -> Config:
    import tomllib

    config = Config()
    for path in paths:
        try:
            with open(path, "rb") as file:
                document = tomllib.loads(file.read().decode())
        except (OSError, ValueError) as error:
            raise PypodError(f"{path}: {error}") from None
        read = _read_own if path.endswith("pypod.conf") else _read_containers
        config = read(path, document, config)
    return config


def _read_own(path: str, document: dict[str, Any], config: Config) -> Config:
    section = document.get("registries", {})
    known = {"trusted_realms": "trusted_realms", "insecure": "insecure"}
    unknown = set(document) - {"registries"} or set(section) - set(known)
    if unknown:
        raise PypodError(
            f"{path}: unknown setting {sorted(unknown)[0]}",
            hint='[registries] trusted_realms = ["HOST"], insecure = ["HOST:PORT"]',
        )
    changes = {key: _words(path, key, value) for key, value in section.items()}
    return Config(**{**config.as_dict(), **changes})


def _read_containers(path: str, document: dict[str, Any], config: Config) -> Config:
    """Take what pypod understands of registries.conf(5), version 2; the rest is podman's own."""
    insecure = list(config.insecure)
    entries = document.get("registry", [])
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict) and entry.get("insecure") is True:
            insecure.append(str(entry.get("location") or entry.get("prefix") or ""))
    search = config.search
    if "unqualified-search-registries" in document:
        name = "unqualified-search-registries"
        search = _words(path, name, document[name])
    return Config(config.trusted_realms, tuple(insecure), search)


def _words(path: str, key: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise PypodError(f"{path}: {key} is not a list of words")
    return tuple(value)
