# SPDX-License-Identifier: Apache-2.0
"""Options of the `local` driver: type, device and o, as podman-volume-create(1) has them.

Nothing is mounted on the host. A volume with `o=bind` is that directory, one of type tmpfs is a new
tmpfs in each container; a file system that only the host's root may mount is refused at once.
"""

from __future__ import annotations

from pypod.errors import PypodError, UsageError
from pypod.spec.mounts import tmpfs
from pypod.spec.volumes import PROPAGATION, Found

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pypod.spec.facts import HostFacts
    from pypod.store.volumes import Volume

_BIND_WORDS = frozenset("bind rbind ro rw nosuid nodev noexec suid dev exec noatime".split())


def labels(words: Iterable[str]) -> dict[str, str]:
    """Return labels of NAME=VALUE words. Raises UsageError."""
    found = {}
    for word in words:
        name, _, value = word.partition("=")
        if not name:
            raise UsageError(f'--label "{word}": the name is missing')
        found[name] = value
    return found


def check(words: Iterable[str], what: str) -> dict[str, str]:
    """Return the options of KEY=VALUE words. Raises UsageError, PypodError."""
    options: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if key not in ("type", "device", "o") or not equals:
            raise UsageError(
                f'{what}: invalid volume option "{word}"', hint="type=, device= and o="
            )
        options[key] = value
    if options:
        _kind(options, what)
    return options


def _kind(options: dict[str, str], what: str) -> str:
    """Return bind, tmpfs or directory. Raises PypodError."""
    kind, device = options.get("type", ""), options.get("device", "")
    flags = [word for word in options.get("o", "").split(",") if word]
    if kind == "tmpfs":
        tmpfs(f"/volume:{','.join(flags)}")
        return "tmpfs"
    if kind in ("bind", "none", "") and (device or {"bind", "rbind"} & set(flags)):
        if not device.startswith("/"):
            raise UsageError(f"{what}: device={device} must be an absolute path")
        wrong = [word for word in flags if word not in _BIND_WORDS and word not in PROPAGATION]
        if wrong:
            raise UsageError(f'{what}: unknown option "{wrong[0]}" in o=')
        return "bind"
    if kind in ("", "none"):
        owners = [word for word in flags if not word.startswith(("uid=", "gid="))]
        if owners:
            raise PypodError(
                f"{what}: o={owners[0]} is not there", hint="quotas need a file system of their own"
            )
        owner(options)
        return "directory"
    raise PypodError(
        f"{what}: a volume of type {kind} is mounted by the host's root alone",
        hint="mount it on the host, and bind it: -o type=none -o o=bind -o device=/where",
    )


def owner(options: dict[str, str]) -> tuple[int, int] | None:
    """Return the ids of `o=uid=…,gid=…`, None when neither is given. Raises UsageError."""
    ids = {"uid": 0, "gid": 0}
    given = False
    for word in options.get("o", "").split(","):
        key, _, value = word.partition("=")
        if key in ids:
            if not (value.isascii() and value.isdigit() and int(value) < 2**32 - 1):
                raise UsageError(f'o={word}: "{value}" is no id')
            ids[key], given = int(value), True
    return (ids["uid"], ids["gid"]) if given else None


def apply_owner(volume: Volume, facts: HostFacts) -> None:
    """Give a new volume the owner that its options name; its lock is held. Raises PypodError."""
    ids = owner(volume.options)
    if ids is None or facts.map == "single":
        return
    from pypod.runtime import files

    words = ["chown", str(ids[0]), str(ids[1]), volume.mountpoint, ""]
    files.run(facts, words, f"volume {volume.name}")
    volume.set_first_use(["copy"])


def found(volume: Volume, options: dict[str, str]) -> Found:
    """Return what a mount needs to know of a volume that has options."""
    kind = _kind(options, f"volume {volume.name}")
    flags = [word for word in options.get("o", "").split(",") if word not in ("", "rw")]
    if kind == "tmpfs":
        plain = tmpfs(f"/volume:{','.join(flags)}")["options"]
        words = tuple(word for word in plain if word != "rprivate")
        return Found(volume.name, volume.mountpoint, "tmpfs", words, volume.anonymous)
    if kind == "bind":
        words = tuple(word for word in flags if word not in ("bind", "rbind"))
        return Found(volume.name, options["device"], "bind", words, volume.anonymous)
    return Found(volume.name, volume.mountpoint, anonymous=volume.anonymous)
