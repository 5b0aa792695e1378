# SPDX-License-Identifier: Apache-2.0
"""What the options of the sandbox make pypod look up on the host: devices, limits, labels, zones.

A default container asks for nothing of it, and nothing is read.
"""

from __future__ import annotations

import errno
import os
import stat

from pypod.errors import PypodError
from pypod.kernel import log
from pypod.spec.sandbox import Found, rootfs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.oci.image import ImageRecord
    from pypod.spec.facts import HostFacts
    from pypod.spec.options import CreateOptions

_ZONES = "/usr/share/zoneinfo"
_ZONE_MOST = 1 << 20


def found(options: CreateOptions) -> Found:
    """Return what the options ask for. Raises PypodError, UsageError."""
    profile = None
    if options.seccomp_profile:
        from pypod.kernel import strictjson
        from pypod.spec import confine

        path = confine.read(options.security_opt).seccomp
        profile = strictjson.loads(options.seccomp_profile, f"the seccomp profile {path}")
    if options.oom_score_adj:
        _compare_oom_score(options.oom_score_adj)
    return Found(
        devices=tuple(node for text in options.device for node in _nodes(text)),
        hard_limits=tuple(_hard_limits().items()) if options.ulimit else (),
        selinux=bool(options.security_opt) and os.path.exists("/sys/fs/selinux/enforce"),
        apparmor=bool(options.security_opt) and _apparmor(),
        mqueue=options.ipc == "host" and os.path.ismount("/dev/mqueue"),
        profile=profile,
    )


def _compare_oom_score(wanted: int) -> None:
    """Say so when the kernel would need rights over the host for what is asked (proc(5))."""
    with open("/proc/self/oom_score_adj", encoding="ascii") as file:
        own = int(file.read())
    if wanted < own:
        log.warn(f"--oom-score-adj {wanted}: lowering it is the host's right alone; it stays {own}")


def _apparmor() -> bool:
    try:
        with open("/sys/module/apparmor/parameters/enabled", encoding="ascii") as file:
            return file.read().strip() == "Y"
    except OSError:
        return False


def _hard_limits() -> dict[str, int]:
    """Return the hard limits of this process (proc_pid_limits(5))."""
    from pypod.spec.limits import INFINITY, LIMITS

    names = {"Max " + text: name for name, text in LIMITS.items()}
    limits = {}
    with open("/proc/self/limits", encoding="ascii", errors="replace") as file:
        for line in file:
            name = names.get(line[:25].rstrip())
            if name is not None:
                word = line[25:].split()[1]
                limits[name] = INFINITY if word == "unlimited" else int(word)
    return limits


def _nodes(text: str) -> list[tuple[str, str]]:
    """Return (host path, container path) of each node of a --device; of all in a directory."""
    from pypod.spec import devices

    wanted = devices.parse(text)
    try:
        mode = os.stat(wanted.source).st_mode
        if stat.S_ISDIR(mode):
            nodes = [
                (path, wanted.destination + path[len(wanted.source.rstrip("/")) :])
                for path in _in_directory(wanted.source.rstrip("/"))
            ]
        elif stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
            nodes = [(wanted.source, wanted.destination)]
        else:
            raise PypodError(f"--device {text}: {wanted.source} is not a device node")
    except OSError as error:
        raise PypodError(f"--device {text}: {error.filename}: {error.strerror}") from None
    if not nodes:
        raise PypodError(f"--device {text}: no device is in {wanted.source}")
    if said := devices.unenforced(wanted):
        log.warn(said)
    return nodes


def _in_directory(directory: str) -> list[str]:
    found, waiting = [], [directory]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                mode = entry.stat(follow_symlinks=False).st_mode
                if stat.S_ISDIR(mode):
                    waiting.append(entry.path)
                elif stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
                    found.append(entry.path)
    return sorted(found)


def zone(name: str) -> str:
    """Return the file of --tz: `local`, or a name of the zone database (tzfile(5)).

    The bytes are in the characters of a `surrogateescape` text. Raises PypodError.
    """
    path = "/etc/localtime" if name == "local" else f"{_ZONES}/{name}"
    if name.startswith("/") or ".." in name.split("/") or "\0" in name:
        raise PypodError(f"--tz {name}: not the name of a time zone")
    try:
        with open(path, "rb") as file:
            data = file.read(_ZONE_MOST)
    except OSError as error:
        raise PypodError(
            f"--tz {name}: {path}: {error.strerror}",
            hint=None if os.path.isdir(_ZONES) else "the host has no time zones (Debian: tzdata)",
        ) from None
    if data[:4] != b"TZif":
        raise PypodError(f"--tz {name}: {path} is no time zone")
    return data.decode("utf-8", "surrogateescape")


def root_file_system(options: CreateOptions, facts: HostFacts, graph: str) -> tuple[str, str, str]:
    """Return (lower layer, passwd, group) of `--rootfs`; empty is what there is not.

    Only with `:O` there is a layer: the directory.

    `graph` is the store. The files are read by pypod-files, in the caller's id map and by
    openat2(2): the tree may be a stranger's. Raises PypodError.
    """
    from pypod.runtime import files

    path, overlay = rootfs(options.rootfs)
    real = os.path.realpath(path)
    if not os.path.isdir(real):
        missing = not os.path.exists(real)
        raise PypodError(
            f"--rootfs {path}: {os.strerror(errno.ENOENT if missing else errno.ENOTDIR)}"
        )
    if (os.path.realpath(graph) + "/").startswith(real.rstrip("/") + "/"):
        raise PypodError(f"--rootfs {path}: pypod keeps its own files in it ({graph})")
    answer = files.run(facts, ["accounts", path], f"--rootfs {path}")
    sizes, _, texts = answer.partition(b"\n")
    passwd_size = int(sizes.split()[0])
    passwd, group = texts[:passwd_size], texts[passwd_size:]
    return (
        path if overlay else "",
        passwd.decode("utf-8", "surrogateescape"),
        group.decode("utf-8", "surrogateescape"),
    )


def no_image() -> ImageRecord:
    """Return what stands for the image of a container that has none."""
    from pypod.oci.image import ImageRecord

    return ImageRecord("", "", {}, "", "", "", "", 0, (), (), (), ())
