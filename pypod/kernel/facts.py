# SPDX-License-Identifier: Apache-2.0
"""Finding out what this host and this caller can do. Under a millisecond: it is in every `run`."""

from __future__ import annotations

import os
import pwd
import stat

from pypod.errors import PypodError
from pypod.kernel import userns
from pypod.spec.facts import HostFacts

_DEV = "/dev"
_NOT_HOST_DEVICES = frozenset(
    "null zero full tty random urandom console ptmx pts shm mqueue hugepages fd".split()
)
_CPUS = "/sys/devices/system/cpu"
_RLIMIT_NOFILE = "Max open files"


def facts() -> HostFacts:
    """Return the facts of this process. Raises PypodError on a kernel that is too old."""
    status = _status()
    uid, gid = os.geteuid(), os.getegid()
    try:
        entry = pwd.getpwuid(uid)
        user, home = entry.pw_name, entry.pw_dir
    except KeyError:
        user, home = str(uid), "/"
    no_new_privs = status.get("NoNewPrivs") == "1"
    machine = os.uname()
    kernel = _kernel(machine.release)
    if kernel < (5, 12):
        raise PypodError(
            f"Linux {machine.release} is too old: pypod needs 5.12 or newer (mount_setattr)"
        )
    newuidmap = newgidmap = reason = ""
    if uid == 0:
        kind = "root"
        uid_map = userns.identity_map("/proc/self/uid_map")
        gid_map = userns.identity_map("/proc/self/gid_map")
        if sum(count for _inside, _outside, count in uid_map) == 1:
            kind = "single"  # `pypod unshare` of a user who has no more
            reason = "this user namespace has one id: every file in containers belongs to it"
    else:
        subuids = userns.ranges("/etc/subuid", user, uid)
        subgids = userns.ranges("/etc/subgid", user, uid)
        newuidmap, newgidmap = _tool("newuidmap"), _tool("newgidmap")
        reason = _single_reason(user, subuids, subgids, newuidmap and newgidmap, no_new_privs)
        kind = "single" if reason else "full"
        if reason:
            subuids = subgids = ()
        uid_map = userns.default_map(uid, subuids)
        gid_map = userns.default_map(gid, subgids)
    return HostFacts(
        uid=uid,
        gid=gid,
        user=user,
        home=home,
        map=kind,
        uid_map=uid_map,
        gid_map=gid_map,
        cap_bounding=int(status.get("CapBnd", "0"), 16),
        nofile_hard=_nofile_hard(),
        kernel=kernel,
        machine=machine.machine,
        nodename=machine.nodename,
        newuidmap=newuidmap,
        newgidmap=newgidmap,
        no_new_privs=no_new_privs,
        cgroup="v2" if os.path.exists("/sys/fs/cgroup/cgroup.controllers") else "none",
        thermal_throttle=_thermal_throttle(),
        single_reason=reason,
    )


def devices() -> tuple[str, ...]:
    """Return the device nodes of the host that the caller can read, for --privileged.

    Not those that every container has, nor terminals: they are the container's own.
    """
    found = []
    waiting = [_DEV]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.name in _NOT_HOST_DEVICES and entry.path.count("/") == 2:
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    elif _is_device(entry) and os.access(entry.path, os.R_OK):
                        found.append(entry.path)
        except OSError:
            continue
    return tuple(sorted(found))


def _is_device(entry: os.DirEntry[str]) -> bool:
    mode = entry.stat(follow_symlinks=False).st_mode
    return stat.S_ISCHR(mode) or stat.S_ISBLK(mode)


def _status() -> dict[str, str]:
    with open("/proc/self/status", encoding="utf-8", errors="replace") as file:
        return {key: value.strip() for key, _, value in (line.partition(":") for line in file)}


def _kernel(release: str) -> tuple[int, int]:
    """Return (major, minor) of uname(2)'s release; what follows is the distribution's: 6.1.0-18."""
    numbers = []
    for part in release.split(".")[:2]:
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        numbers.append(int(digits or 0))
    return numbers[0], numbers[1] if len(numbers) > 1 else 0


def _tool(name: str) -> str:
    """Return a privileged tool's absolute path: never by PATH, which is the caller's (A72).

    Debian makes newuidmap set-uid, Fedora gives it file capabilities. With neither, or
    on a nosuid mount, it cannot work and counts as absent.
    """
    for directory in ("/usr/bin/", "/bin/", "/usr/local/bin/"):
        path = directory + name
        if os.access(path, os.X_OK):
            return path if _is_privileged(path) else ""
    return ""


def _is_privileged(path: str) -> bool:
    try:
        if os.statvfs(path).f_flag & os.ST_NOSUID:
            return False
        found = os.stat(path)
        if found.st_mode & stat.S_ISUID:
            return found.st_uid == 0  # in a user namespace without the host's root it is nobody's
        return bool(os.getxattr(path, "security.capability"))
    except OSError:
        return False


def _single_reason(
    user: str,
    subuids: tuple[tuple[int, int], ...],
    subgids: tuple[tuple[int, int], ...],
    tools: str,
    no_new_privs: bool,
) -> str:
    consequence = "containers have a single id: every file in them belongs to it"
    if no_new_privs:
        return f"no_new_privs is set, so newuidmap cannot work; {consequence}"
    if not tools:
        return (
            "newuidmap and newgidmap are not installed with the rights they need"
            f" (Debian: uidmap); {consequence}"
        )
    if not subuids or not subgids:
        missing = "/etc/subuid" if not subuids else "/etc/subgid"
        return (
            f"{user} has no subordinate ids in {missing}; {consequence}"
            f" (root can cure it: usermod --add-subuids 100000-165535"
            f" --add-subgids 100000-165535 {user})"
        )
    return ""


def _nofile_hard() -> int:
    """Return the hard limit on open files (proc_pid_limits(5)); `resource` is no builtin module."""
    with open("/proc/self/limits", encoding="utf-8") as file:
        for line in file:
            if line.startswith(_RLIMIT_NOFILE):
                word = line[len(_RLIMIT_NOFILE) :].split()[1]
                return 1 << 30 if word == "unlimited" else int(word)
    return 1024


def _thermal_throttle() -> tuple[str, ...]:
    """Return the directories that tell the neighbours' load by the CPU's heat."""
    if not os.path.isdir(_CPUS + "/cpu0/thermal_throttle"):
        return ()
    paths = (f"{_CPUS}/{name}/thermal_throttle" for name in sorted(os.listdir(_CPUS)))
    return tuple(path for path in paths if os.path.isdir(path))
