# SPDX-License-Identifier: Apache-2.0
"""The grammar of --mount: TYPE and KEY=VALUE words, with podman's and docker's names for each."""

from __future__ import annotations

from pypod.errors import PypodError, UsageError
from pypod.spec import volumes
from pypod.spec.mounts import clean, tmpfs
from pypod.spec.volumes import PROPAGATION, Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LATER = ("image", "glob", "devpts", "ramfs", "artifact", "npipe", "cluster")
_SOURCE = ("source", "src")
_DESTINATION = ("target", "dst", "destination", "dest")
_FLAGS = frozenset("nosuid suid nodev dev noexec exec noatime relatime strictatime".split())
_RECURSIVE = {"enabled": (), "disabled": ("bind",), "writable": (), "readonly": ("ro",)}
_SILENT = ("consistency",)
"""Words of docker that say nothing on Linux."""


class _Words:
    """The words of one --mount, taken one after the other; what is left is a mistake."""

    def __init__(self, text: str) -> None:
        self.typed = f"--mount {text}"
        self.pairs: list[tuple[str, str | None]] = []
        for word in text.split(","):
            key, equals, value = word.partition("=")
            self.pairs.append((key.strip(), value if equals else None))

    def take(self, *keys: str) -> str | None:
        """Return the value of a key and forget it: "" for a key without one, None for no key."""
        for pair in self.pairs:
            if pair[0] in keys:
                self.pairs.remove(pair)
                return pair[1] or ""
        return None

    def every(self, key: str) -> tuple[str, ...]:
        """Return all values of a key and forget them."""
        found = tuple(value or "" for name, value in self.pairs if name == key)
        self.pairs = [pair for pair in self.pairs if pair[0] != key]
        return found

    def flag(self, *keys: str) -> bool | None:
        """Return a yes or no, None when the key is not there. Raises UsageError."""
        value = self.take(*keys)
        if value is None:
            return None
        if value.lower() in ("", "true", "1"):
            return True
        if value.lower() in ("false", "0"):
            return False
        raise UsageError(f"{self.typed}: {keys[0]} is true or false")


def parse(text: str, cwd: str) -> Request:
    """Return the request of --mount TEXT. Raises UsageError, PypodError."""
    words = _Words(text)
    kind = words.take("type")
    if kind is None or kind == "":
        kind = "volume"
    if kind in _LATER:
        raise PypodError(f"{words.typed}: mounts of type {kind} are not there yet")
    if kind not in ("bind", "volume", "tmpfs"):
        raise UsageError(f'{words.typed}: invalid filesystem type "{kind}"')
    destination = words.take(*_DESTINATION)
    if destination is None:
        raise UsageError(f"{words.typed}: must set volume destination", hint="target=/directory")
    destination = clean(destination, words.typed)
    for key in _SILENT:
        words.take(key)
    if words.take("idmap") is not None:
        raise PypodError(
            f"{words.typed}: id-mapped mounts of host directories are for the host's root",
            hint="U gives the directory to the container's user",
        )
    make = {"bind": _bind, "volume": _volume, "tmpfs": _tmpfs}[kind]
    request = make(words, destination, cwd)
    if words.pairs:
        key, value = words.pairs[0]
        shown = key if value is None else f"{key}={value}"
        raise UsageError(f'{words.typed}: invalid mount option "{shown}" of type {kind}')
    return request


def _common(words: _Words) -> list[str]:
    options = []
    readonly, writable = words.flag("readonly", "ro"), words.flag("rw")
    if readonly and writable:
        raise UsageError(f"{words.typed}: ro and rw exclude each other")
    if readonly or writable is False:
        options.append("ro")
    for key, value in tuple(words.pairs):
        if key in _FLAGS and value is None:
            words.take(key)
            options.append(key)
    return options


def _bind(words: _Words, destination: str, cwd: str) -> Request:
    source = words.take(*_SOURCE)
    if not source:
        raise UsageError(f"{words.typed}: must set the source of a bind", hint="source=/directory")
    options = _common(words)
    changes = _propagation(words, options)
    recursive = words.take("bind-recursive")
    if recursive is not None and recursive not in _RECURSIVE:
        raise UsageError(f"{words.typed}: bind-recursive is {', '.join(_RECURSIVE)}")
    if words.flag("bind-nonrecursive", "bind") or recursive == "disabled":
        options.append("bind")
    elif recursive == "readonly" and "ro" not in options:
        raise UsageError(f"{words.typed}: bind-recursive=readonly goes with readonly")
    words.take("rbind")
    changes["create"] = bool(words.flag("bind-create-src"))
    relabel = words.take("relabel")
    if relabel not in (None, "shared", "private"):
        raise UsageError(f"{words.typed}: relabel is shared or private")
    words.take("z", "Z")
    request = Request("bind", destination, words.typed, volumes.host_path(source, cwd), **changes)
    return volumes.finished(request, options)


def _propagation(words: _Words, options: list[str]) -> dict[str, Any]:
    kind = words.take("bind-propagation")
    if kind is None:
        for key in PROPAGATION:
            if words.take(key) is not None:
                kind = key
    if kind is not None and kind not in PROPAGATION:
        raise UsageError(f"{words.typed}: {kind} is no propagation")
    if kind is not None:
        options.append(kind)
    return {"chown": bool(words.flag("U", "chown"))}


def _volume(words: _Words, destination: str, cwd: str) -> Request:
    source = words.take(*_SOURCE) or ""
    if source:
        volumes.check_name(source, words.typed)
    driver = words.take("volume-driver")
    if driver not in (None, "", "local"):
        raise PypodError(f"{words.typed}: the volume driver {driver} is not there", hint="local")
    options = _common(words)
    changes = _propagation(words, options)
    nocopy = words.flag("volume-nocopy", "nocopy")
    copy = words.flag("copy")
    changes["copy"] = not nocopy if copy is None else copy
    changes["create"] = not words.flag("nocreate")
    subpath = words.take("volume-subpath", "subpath") or ""
    if subpath:
        changes["subpath"] = clean("/" + subpath, words.typed)[1:]
    changes["labels"] = words.every("volume-label")
    changes["driver_options"] = words.every("volume-opt")
    request = Request("volume", destination, words.typed, source, **changes)
    return volumes.finished(request, options)


def _tmpfs(words: _Words, destination: str, cwd: str) -> Request:
    if words.take(*_SOURCE):
        raise UsageError(f"{words.typed}: a tmpfs has no source")
    options = _common(words)
    for names in (("tmpfs-size", "size"), ("tmpfs-mode", "mode"), ("uid",), ("gid",)):
        value = words.take(*names)
        if value == "":
            raise UsageError(f"{words.typed}: {names[0]} needs a value")
        if value is not None:
            options.append(f"{names[-1]}={value}")
    chown = bool(words.flag("U", "chown"))
    if words.flag("noswap"):
        options.append("noswap")
    wanted = words.flag("tmpcopyup")
    if words.flag("notmpcopyup") or wanted is False:
        options.append("notmpcopyup")
    plain = tmpfs(f"{destination}:{','.join(options)}")["options"]
    return Request("tmpfs", destination, words.typed, options=tuple(plain), chown=chown)
