# SPDX-License-Identifier: Apache-2.0
"""Settings of registries and store: what may be said in files. No file means the defaults.

pypod.conf, the first that exists of $PYPOD_CONF, $XDG_CONFIG_HOME/pypod/pypod.conf and
/etc/pypod/pypod.conf; and containers-registries.conf(5): the first main file of
$CONTAINERS_REGISTRIES_CONF, the user's and the machine's, then the drop-ins of the machine and of
the user, then the short names that were chosen at a prompt.
"""

from __future__ import annotations

import os

from pypod.errors import PypodError
from pypod.kernel import fastjson, log
from pypod.oci import registries
from pypod.oci.registries import Mirror, Registries, Registry
from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pypod.kernel.paths import Places

    File = list[str | int]
    """[path, mtime, size, inode]: what a cached result depends on."""

_SYSTEM = "/etc/containers"
_VERSION = 4
"""Of the cached form; another one is parsed again."""


class Config(Value):
    """The settings."""

    trusted_realms: tuple[str, ...] = ()
    """Hosts, HOST or HOST:PORT, that may see a registry's credentials to make a token of them."""
    insecure: tuple[str, ...] = ()
    """HOST or HOST:PORT of registries whose TLS is not verified, and that may have none."""
    registries: Registries = Registries()
    durable: bool = True
    """An image counts only when it is on the disk; not on machines whose disk is thrown away."""
    idle_seconds: int = 30
    """Of a registry's silence, until a connection counts as lost."""


def load(places: Places) -> Config:
    """Return the settings. Raises PypodError for a file that cannot be read or makes no sense.

    TOML costs 10 ms: what was parsed is cached, keyed by each file's path, mtime, size and inode.
    """
    own = _first(_own("pypod.conf"))
    others = _containers()
    if own is None and not others:
        return Config()
    key = [_VERSION, own, others]
    cache = places.cache + "/registries.json"
    try:
        with open(cache, "rb") as file:
            cached = fastjson.loads(file.read())
        if cached["key"] == key:
            return _of_cache(cached["config"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    config = _parse(own, others)
    _keep(cache, {"key": key, "config": _for_cache(config)})
    return config


def alias_file() -> str:
    """Return where short names are kept that were chosen at a prompt (podman's place)."""
    if os.geteuid() == 0:
        return "/var/cache/containers/short-name-aliases.conf"
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return home + "/containers/short-name-aliases.conf"


def config_home() -> str:
    """Return the directory of the user's settings."""
    return os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")


def _for_cache(config: Config) -> dict[str, Any]:
    names = config.registries
    entries = [
        {**entry.as_dict(), "mirrors": [list(one.as_dict().values()) for one in entry.mirrors]}
        for entry in names.entries
    ]
    return {**config.as_dict(), "registries": {**names.as_dict(), "entries": entries}}


def _of_cache(document: dict[str, Any]) -> Config:
    names = document["registries"]
    entries = tuple(
        Registry(**{**entry, "mirrors": tuple(Mirror(*one) for one in entry["mirrors"])})
        for entry in names["entries"]
    )
    read = Registries(
        tuple(names["search"]),
        names["search_file"],
        names["mode"],
        tuple(tuple(alias) for alias in names["aliases"]),
        entries,
        tuple(names["helpers"]),
    )
    return Config(
        tuple(document["trusted_realms"]),
        tuple(document["insecure"]),
        read,
        bool(document["durable"]),
        int(document["idle_seconds"]),
    )


def _keep(cache: str, document: dict[str, Any]) -> None:
    temporary = f"{cache}.{os.getpid()}"
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(fastjson.dumps(document))
        os.rename(temporary, cache)
    except OSError:
        pass  # a cache: the next command parses again


def _seen(path: str) -> File | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return [path, found.st_mtime_ns, found.st_size, found.st_ino]


def _first(paths: list[str]) -> File | None:
    for path in paths:
        found = _seen(path)
        if found:
            return found
    return None


def _own(name: str) -> list[str]:
    if os.environ.get("PYPOD_CONF"):
        return [os.environ["PYPOD_CONF"]]
    return [f"{config_home()}/pypod/{name}", f"/etc/pypod/{name}"]


def _containers() -> list[File]:
    """Return the files of registries.conf in the order that they count in, later ones more."""
    homes = (_SYSTEM, config_home() + "/containers")
    named = os.environ.get("CONTAINERS_REGISTRIES_CONF") or ""
    if named and not os.path.exists(named):
        raise PypodError(
            f"{named}: no such file",
            hint="--registries-conf or CONTAINERS_REGISTRIES_CONF names it",
        )
    main = [named] if named else [f"{home}/registries.conf" for home in reversed(homes)]
    found = [_first(main)]
    for home in homes:
        directory = home + "/registries.conf.d"
        try:
            names = sorted(os.listdir(directory))
        except OSError:
            continue
        found += [_seen(f"{directory}/{name}") for name in names if name.endswith(".conf")]
    found.append(_seen(alias_file()))
    return [file for file in found if file]


def _parse(own: File | None, others: list[File]) -> Config:
    config = _read_own(str(own[0])) if own else Config()
    names = config.registries
    for path in (str(file[0]) for file in others):
        names = _read_containers(path, names)
    made: Config = config.replace(registries=names)
    return made


_KNOWN = {
    "registries": ("trusted_realms", "insecure", "idle_seconds"),
    "store": ("durable",),
}
_IDLE_MOST = 3600


def _read_own(path: str) -> Config:
    from pypod.kernel import toml

    document, text = toml.read(path)
    changes: dict[str, Any] = {}
    for title, section in document.items():
        if title in _KNOWN and not isinstance(section, dict):
            raise PypodError(f"{path}:{toml.line_of(text, title)}: {title} is not a table")
        for key in sorted(section) if title in _KNOWN else (title,):
            line = f"{path}:{toml.line_of(text, key)}"
            if key not in _KNOWN.get(title, ()):
                raise PypodError(
                    f"{line}: unknown setting {key}",
                    hint='[registries] trusted_realms = ["HOST"], insecure = ["HOST:PORT"],'
                    " idle_seconds = 30; [store] durable = false",
                )
            changes[key] = _value(section[key], key, line)
    return Config(**changes)


def _value(value: object, key: str, line: str) -> bool | int | tuple[str, ...]:
    if key == "idle_seconds":
        if type(value) is not int or not 1 <= value <= _IDLE_MOST:
            raise PypodError(f"{line}: {key} is not a number from 1 to {_IDLE_MOST}")
        return value
    if key == "durable":
        if not isinstance(value, bool):
            raise PypodError(f"{line}: {key} is neither true nor false")
        return value
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise PypodError(f"{line}: {key} is not a list of words")
    return tuple(value)


def _read_containers(path: str, before: Registries) -> Registries:
    from pypod.kernel import toml

    document, text = toml.read(path)
    try:
        names = registries.merge(before, document, path)
    except registries.BadEntry as error:
        line = toml.line_of(text, error.key, error.number) if error.key else 1
        raise PypodError(f"{path}:{line}: {error.message}", hint=error.hint) from None
    for key in registries.unknown_keys(document):
        log.warn(f"{path}:{toml.line_of(text, key)}: {key} is not known and changes nothing")
    return names
