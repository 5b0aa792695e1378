# SPDX-License-Identifier: Apache-2.0
"""Mounts of a container: the grammars of -v and --tmpfs, and what every container has."""

from __future__ import annotations

from pypod.errors import PypodError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from pypod.spec.facts import HostFacts

_BIND_OPTIONS = frozenset(
    "ro rw z Z nosuid suid nodev dev noexec exec bind rbind private rprivate slave rslave shared"
    " rshared unbindable runbindable noatime relatime strictatime".split()
)
_LATER = {"U": "changing the owner", "O": "a throw-away overlay", "idmap": "an id-mapped mount"}
_TMPFS_FLAGS = frozenset("ro rw nosuid suid nodev dev noexec exec noatime relatime".split())
_TMPFS_KEYS = frozenset(("size", "mode", "uid", "gid", "nr_inodes", "nr_blocks"))


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


def volume(text: str, cwd: str) -> dict[str, Any]:
    """Return the OCI mount of `-v SOURCE:DESTINATION[:OPTIONS]`. Raises UsageError, PypodError."""
    fields = text.split(":")
    if len(fields) > 3 or not fields[0]:
        raise UsageError(f"-v {text}: incorrect volume format", hint="-v /host:/container[:ro]")
    if len(fields) == 1 or not fields[0].startswith(("/", ".")):
        kind = "anonymous" if len(fields) == 1 else "named"
        raise PypodError(
            f"-v {text}: {kind} volumes are not there yet",
            hint="-v /host:/container; a host path begins with / or ./",
        )
    source, destination = _host_path(fields[0], cwd), clean(fields[1], f"-v {text}")
    options = []
    for option in fields[2].split(",") if len(fields) == 3 and fields[2] else ():
        if option.partition("=")[0] in _LATER:
            raise PypodError(f"-v {text}: {_LATER[option.partition('=')[0]]} is not there yet")
        if option not in _BIND_OPTIONS:
            raise UsageError(f'-v {text}: unknown option "{option}"')
        if option not in ("z", "Z", "rw"):
            options.append(option)
    if "bind" not in options and "rbind" not in options:
        options.insert(0, "rbind")
    if not any(option.endswith(("private", "slave", "shared", "bindable")) for option in options):
        options.append("rprivate")
    return {"destination": destination, "type": "bind", "source": source, "options": options}


def _host_path(path: str, cwd: str) -> str:
    """Return an absolute host path without `.`; `..` stays, as it follows symbolic links."""
    if not path.startswith("/"):
        path = f"{cwd}/{path}"
    return "/" + "/".join(part for part in path.split("/") if part not in ("", "."))


def tmpfs(text: str) -> dict[str, Any]:
    """Return the OCI mount of `--tmpfs DESTINATION[:OPTIONS]`. Raises UsageError."""
    destination, _, words = text.partition(":")
    destination = clean(destination, f"--tmpfs {text}")
    flags = {"nosuid": "nosuid", "nodev": "nodev", "noexec": "noexec"}
    data = []
    for option in words.split(",") if words else ():
        key = option.partition("=")[0]
        if option in _TMPFS_FLAGS:
            plain = option.removeprefix("no")
            if plain in ("suid", "dev", "exec"):
                flags["no" + plain] = option if option.startswith("no") else ""
            elif option != "rw":
                flags[option] = option
        elif key in _TMPFS_KEYS and "=" in option:
            data.append(option)
        elif option not in ("tmpcopyup", "notmpcopyup", "rprivate"):
            raise UsageError(f'--tmpfs {text}: unknown option "{option}"')
    options = ["rprivate", *(flag for flag in flags.values() if flag), *data]
    return {"destination": destination, "type": "tmpfs", "source": "tmpfs", "options": options}


def base(
    facts: HostFacts, *, host_network: bool, has_tty_group: bool, privileged: bool = False
) -> list[dict[str, Any]]:
    """Return what every container has (security.md section 2, last column)."""
    devpts = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]
    if has_tty_group:
        devpts.append("gid=5")
    dev = ["nosuid", "noexec", "strictatime", "mode=755", "size=64m"]
    protected = ["nosuid", "noexec", "nodev"]
    mounts = [
        _mount("/proc", "proc", "proc", protected),
        _mount("/dev", "tmpfs", "tmpfs", dev),
        _mount("/dev/pts", "devpts", "devpts", devpts),
        _mount("/dev/shm", "tmpfs", "shm", [*protected, "mode=1777", "size=65536k"]),
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
        _mount(path, "tmpfs", "tmpfs", ["nosuid", "nodev", f"mode={mode}"])
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
