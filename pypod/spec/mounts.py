# SPDX-License-Identifier: Apache-2.0
"""Mounts of a container: the grammar of --tmpfs, and what every container has."""

from __future__ import annotations

from pypod.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from pypod.spec.facts import HostFacts

_TMPFS_FLAGS = frozenset("ro rw nosuid suid nodev dev noexec exec noatime relatime".split())
_TMPFS_KEYS = frozenset(("size", "mode", "uid", "gid", "nr_inodes", "nr_blocks"))
_SIZES = {"b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def clean(path: str, what: str) -> str:
    """Return an absolute container path without `.`, `..` and double slashes.

    Raises UsageError for a relative one, for `/`, and for places in /proc that would hide what
    protects the host (CVE-2019-16884 and after).
    """
    if not path.startswith("/"):
        raise UsageError(f"{what}: {path or 'the container path'} must be an absolute path")
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    if not parts:
        raise UsageError(f"{what}: the root of the container cannot be mounted over")
    if parts[0] == "proc":
        raise UsageError(f"{what}: nothing can be mounted in /proc of a container")
    return "/" + "/".join(parts)


def tmpfs(text: str) -> dict[str, Any]:
    """Return the OCI mount of `--tmpfs DESTINATION[:OPTIONS]`. Raises UsageError.

    What the image has there is copied into it, as podman does, unless `notmpcopyup` is given.
    """
    destination, _, words = text.partition(":")
    destination = clean(destination, f"--tmpfs {text}")
    flags = {"nosuid": "nosuid", "nodev": "nodev", "noexec": "noexec"}
    data = []
    copy = "tmpcopyup"
    for option in words.split(",") if words else ():
        key = option.partition("=")[0]
        if option in _TMPFS_FLAGS:
            plain = option.removeprefix("no")
            if plain in ("suid", "dev", "exec"):
                flags["no" + plain] = option if option.startswith("no") else ""
            elif option != "rw":
                flags[option] = option
        elif (key in _TMPFS_KEYS and "=" in option) or option == "noswap":
            data.append(option)
        elif option in ("tmpcopyup", "notmpcopyup"):
            copy = option
        elif option not in ("rprivate", "private"):
            raise UsageError(f'--tmpfs {text}: unknown option "{option}"')
    options = ["rprivate", *(flag for flag in flags.values() if flag), *data]
    if copy == "tmpcopyup":
        options.append(copy)
    return {"destination": destination, "type": "tmpfs", "source": "tmpfs", "options": options}


def size(text: str, what: str) -> int:
    """Return the bytes of `64m`, `1g`, `65536`. Raises UsageError."""
    word = text.lower().removesuffix("ib").removesuffix("b") if text != "b" else ""
    unit = 1
    if word and word[-1] in _SIZES:
        unit, word = _SIZES[word[-1]], word[:-1]
    if not (word.isascii() and word.isdigit()):
        raise UsageError(f'{what}: invalid size "{text}"', hint="a number and b, k, m or g")
    return int(word) * unit


def base(
    facts: HostFacts,
    *,
    host_network: bool,
    has_tty_group: bool,
    privileged: bool = False,
    shm_size: str = "",
) -> list[dict[str, Any]]:
    """Return what every container has (security.md section 2, last column)."""
    devpts = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]
    if has_tty_group:
        devpts.append("gid=5")
    dev = ["nosuid", "noexec", "strictatime", "mode=755", "size=64m"]
    protected = ["nosuid", "noexec", "nodev"]
    shared = "65536k"
    if shm_size:
        # 0 is no limit, in podman's options as in the kernel's.
        shared = str(size(shm_size, f"--shm-size {shm_size}"))
    mounts = [
        _mount("/proc", "proc", "proc", protected),
        _mount("/dev", "tmpfs", "tmpfs", dev),
        _mount("/dev/pts", "devpts", "devpts", devpts),
        _mount("/dev/shm", "tmpfs", "shm", [*protected, "mode=1777", f"size={shared}"]),
        _mount("/dev/mqueue", "mqueue", "mqueue", protected),
    ]
    if host_network:
        # sysfs shows a network namespace, and only its owner may mount it: so the host's.
        mounts.append(_mount("/sys", "bind", "/sys", ["rbind", *protected, "ro", "rprivate"]))
    else:
        own = protected if privileged else [*protected, "ro"]
        mounts.append(_mount("/sys", "sysfs", "sysfs", own))
    if facts.cgroup == "v2":
        mounts.append(_mount("/sys/fs/cgroup", "cgroup2", "cgroup", [*protected, "relatime", "ro"]))
    elif host_network:
        # Without cgroup v2 the host's whole hierarchy would show; in a sysfs of its own none does.
        options = [*protected, "ro", "mode=755", "size=0k"]
        mounts.append(_mount("/sys/fs/cgroup", "tmpfs", "tmpfs", options))
    return mounts


def devices(paths: Iterable[str]) -> list[dict[str, Any]]:
    """Return the binds of host devices that --privileged asks for."""
    options = ["bind", "rprivate", "nosuid", "noexec"]
    return [_mount(path, "bind", path, options) for path in paths]


def _mount(destination: str, kind: str, source: str, options: list[str]) -> dict[str, Any]:
    return {"destination": destination, "type": kind, "source": source, "options": options}


def read_only_tmpfs() -> list[dict[str, Any]]:
    """Return podman's --read-only-tmpfs: where programs write although the root is read-only."""
    return [
        _mount(path, "tmpfs", "tmpfs", ["nosuid", "nodev", f"mode={mode}", "tmpcopyup"])
        for path, mode in (("/run", "755"), ("/tmp", "1777"), ("/var/tmp", "1777"))
    ]


def injected(directory: str, names: Iterable[str], *, read_only: bool) -> list[dict[str, Any]]:
    """Return the binds of the files that pypod makes for the container."""
    places = {
        "hosts": "/etc/hosts",
        "hostname": "/etc/hostname",
        "resolv.conf": "/etc/resolv.conf",
        "containerenv": "/run/.containerenv",
    }
    options = ["bind", "rprivate", "nosuid", "noexec", "nodev", *(["ro"] if read_only else [])]
    return [_mount(places[name], "bind", f"{directory}/{name}", options) for name in names]


def escape_layer(path: str) -> str:
    """Return a path as overlayfs takes it in `lowerdir=` (kernel, overlayfs.rst)."""
    return path.replace("\\", "\\\\").replace(":", "\\:")


def overlay(layers: Iterable[str], directory: str) -> dict[str, Any]:
    """Return the root file system: DESIGN section 4 puts it first, on `/`."""
    lower = ":".join(escape_layer(layer) for layer in layers)
    options = [
        "userxattr",
        f"lowerdir={lower}",
        f"upperdir={directory}/upper",
        f"workdir={directory}/work",
    ]
    return _mount("/", "overlay", "overlay", options)
