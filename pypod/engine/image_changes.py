# SPDX-License-Identifier: Apache-2.0
"""--change of commit and import: Dockerfile instructions applied to an image's configuration.

Source: podman-commit(1), podman-import(1); OCI image-spec, config.md.
"""

from __future__ import annotations

import json
import shlex

from pypod.errors import UsageError
from pypod.spec.process import signal_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    Config = dict[str, Any]

_WORDS = "CMD ENTRYPOINT ENV EXPOSE LABEL ONBUILD STOPSIGNAL USER VOLUME WORKDIR"


def apply(config: Config, changes: Iterable[str]) -> None:
    """Change an OCI `config` object in place. Raises UsageError for what is no instruction."""
    for change in changes:
        line = change.strip()
        word = line.split(None, 1)[0] if line else ""
        rest = line[len(word) :].strip()
        if not rest and "=" in word:  # podman's old form: CMD=/bin/sh
            word, _, rest = word.partition("=")
        elif "=" in word:
            head, _, tail = line.partition("=")
            word, rest = head, tail.strip()
        act = _ACTIONS.get(word.upper())
        if act is None:
            raise UsageError(f'invalid change "{change}": the instructions are {_WORDS}')
        if not rest:
            raise UsageError(f'invalid change "{change}": {word.upper()} needs a value')
        act(config, rest)


def _words(text: str) -> list[str] | None:
    """Return the words of a JSON list of words, None for anything else."""
    if not text.startswith("["):
        return None
    try:
        value = json.loads(text)
    except ValueError:
        return None
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return value
    return None


def _command(key: str) -> Callable[[Config, str], None]:
    def act(config: Config, text: str) -> None:
        words = _words(text)
        shell = config.get("Shell") or ["/bin/sh", "-c"]
        config[key] = [*shell, text] if words is None else words
        if key == "Entrypoint":
            config.pop("Cmd", None)

    return act


def _pairs(text: str) -> list[tuple[str, str]]:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f'invalid change "{text}": {error}') from None
    if "=" not in words[0]:  # KEY VALUE WITH SPACES
        key, _, value = text.partition(" ")
        return [(key, value.strip())]
    pairs = [word.partition("=") for word in words]
    if any(not key or not equals for key, equals, _ in pairs):
        raise UsageError(f'invalid change "{text}": must be KEY=VALUE')
    return [(key, value) for key, _, value in pairs]


def _env(config: Config, text: str) -> None:
    env = list(config.get("Env") or ())
    for key, value in _pairs(text):
        entry = f"{key}={value}"
        at = next((n for n, one in enumerate(env) if one.startswith(f"{key}=")), None)
        if at is None:
            env.append(entry)
        else:
            env[at] = entry
    config["Env"] = env


def _label(config: Config, text: str) -> None:
    config["Labels"] = {**(config.get("Labels") or {}), **dict(_pairs(text))}


def _expose(config: Config, text: str) -> None:
    ports = dict(config.get("ExposedPorts") or {})
    for word in text.split():
        number, _, protocol = word.partition("/")
        first, _, last = number.partition("-")
        if not all(part.isdecimal() and 0 < int(part) < 65536 for part in (first, last or first)):
            raise UsageError(f"invalid port {word}: EXPOSE PORT[-PORT][/tcp|udp|sctp]")
        if (protocol or "tcp").lower() not in ("tcp", "udp", "sctp"):
            raise UsageError(f"invalid port {word}: the protocols are tcp, udp and sctp")
        for port in range(int(first), int(last or first) + 1):
            ports[f"{port}/{(protocol or 'tcp').lower()}"] = {}
    config["ExposedPorts"] = ports


def _volume(config: Config, text: str) -> None:
    words = _words(text)
    paths = text.split() if words is None else words
    config["Volumes"] = {**(config.get("Volumes") or {}), **{path: {} for path in paths}}


def _workdir(config: Config, text: str) -> None:
    before = config.get("WorkingDir") or "/"
    config["WorkingDir"] = text if text.startswith("/") else f"{before.rstrip('/')}/{text}"


def _stop_signal(config: Config, text: str) -> None:
    signal_number(text)
    config["StopSignal"] = text


def _user(config: Config, text: str) -> None:
    config["User"] = text


def _onbuild(config: Config, text: str) -> None:
    config["OnBuild"] = [*(config.get("OnBuild") or ()), text]


_ACTIONS: dict[str, Callable[[Config, str], None]] = {
    "CMD": _command("Cmd"),
    "ENTRYPOINT": _command("Entrypoint"),
    "ENV": _env,
    "EXPOSE": _expose,
    "LABEL": _label,
    "ONBUILD": _onbuild,
    "STOPSIGNAL": _stop_signal,
    "USER": _user,
    "VOLUME": _volume,
    "WORKDIR": _workdir,
}
