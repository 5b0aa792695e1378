# SPDX-License-Identifier: Apache-2.0
"""OCI config.json to a plan. A function of the configuration and the host's facts, of nothing else.

No command-line option is known here: another tool's config.json compiles as well as ours. Raises
PlanError for what pypod-init cannot do.
"""

from __future__ import annotations

from pypod.constants import FD_BPF, FD_PIDFD, FD_PRESERVE
from pypod.plan.mounts import Binds, PlanError, is_overlay, mount_ops, root_ops
from pypod.plan.ops import Op, op
from pypod.spec.idmaps import covers, shift
from pypod.spec.security import capability_mask

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from pypod.spec.facts import HostFacts

INIT_ANNOTATION = "io.pypod.init"
"""The annotation that stands for `--init`: pypod-init stays as pid 1."""
KEEP_GROUPS = "run.oci.keep_original_groups"
"""crun's annotation for `--group-add keep-groups`: the caller's groups stay."""
EXACT_LIMITS = "io.pypod.rlimits"
"""The annotation of a limit of open files that was asked for: it is not made smaller to fit."""

ACCOUNTS = ("io.pypod.passwd", "io.pypod.group")
"""Annotations: a line that /etc/passwd and /etc/group must have, for `--userns keep-id`."""

_PER_LINUX32 = 8
"""personality(2)."""
_FILTER_FLAGS = {"SECCOMP_FILTER_FLAG_LOG": 2, "SECCOMP_FILTER_FLAG_SPEC_ALLOW": 4}
"""seccomp(2). TSYNC is for threads and WAIT_KILLABLE_RECV for listeners: there are none."""

_NAMESPACES = ("user", "mount", "pid", "ipc", "uts", "network", "cgroup")
_OWN_WORD = {"network": "net"}

DEVICES = (
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("tty", 5, 0),
    ("random", 1, 8),
    ("urandom", 1, 9),
)
"""What every container has in /dev (OCI runtime-spec, config-linux.md, default devices)."""

_LINKS = (
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
    ("pts/ptmx", "/dev/ptmx"),
)

def compile_run(
    config: dict[str, Any], facts: HostFacts, *, descriptors: int = 0, listening: bool = False
) -> list[Op]:
    """Return the plan that makes a container and executes its process.

    The process gets so many `descriptors` from 3 on; `listening` says that there are sockets among
    them by the protocol of sd_listen_fds(3).
    """
    linux = config.get("linux", {})
    kinds = {space["type"] for space in linux.get("namespaces", ())}
    process = config["process"]
    mounts = config["mounts"]
    joined = {space["type"] for space in linux.get("namespaces", ()) if space.get("path")}
    plan = _join(joined)
    if "user" in joined and is_nested(linux, facts):
        raise PlanError("a container with ids of its own (--userns) cannot join another's network")
    kinds -= joined
    nested = "user" in kinds and is_nested(linux, facts)
    if nested:
        plan += nest_ops(config, facts)
    elif "user" in kinds:
        plan += id_maps(linux, facts)
    plan.append(op("unshare", *_namespace_words(kinds)))
    plan.append(op("private"))
    plan.append(op("umask", 0))  # the caller's must not narrow what is made from here on
    binds = Binds()
    rest = mounts[1:] if is_overlay(mounts) else mounts
    placed = []
    for mount in rest:
        placed += mount_ops(mount, binds)
        if mount["destination"] == "/dev" and mount.get("type") == "tmpfs":
            # At once: what is mounted after it could lie over /dev, by a link of the image.
            placed += [op("device", *device) for device in DEVICES]
            placed += [op("link", *link) for link in _LINKS]
    plan += binds.sources
    if nested:  # by path: it lies where only the caller may go
        plan.append(op("root", config["root"]["path"]))
    plan.append(_identity(config, facts))
    if not nested:
        plan += root_ops(config)
    plan += placed
    annotations = config.get("annotations", {})
    for key, path in zip(ACCOUNTS, ("/etc/passwd", "/etc/group"), strict=True):
        if annotations.get(key):
            plan.append(op("append", path, annotations[key]))
    if process.get("cwd", "/") != "/":
        plan.append(op("directory", process["cwd"], "755"))
    plan += [op("sysctl", key, value) for key, value in linux.get("sysctl", {}).items()]
    if process.get("terminal"):
        plan.append(op("console", "bind", process["user"]["uid"]))
    if config.get("root", {}).get("readonly"):
        plan.append(op("readonly-root"))
    plan += [op("readonly", path) for path in linux.get("readonlyPaths", ())]
    plan += [op("mask", path) for path in linux.get("maskedPaths", ())]
    plan.append(op("pivot"))
    if "uts" in kinds and config.get("hostname"):
        plan.append(op("hostname", config["hostname"]))
    if "network" in kinds:
        plan.append(op("loopback"))
    plan.append(op("keyring", config.get("hostname") or "pypod"))
    plan += _own_files(process)
    plan += _process(config, process, facts, linux.get("seccomp"))
    if config.get("annotations", {}).get(INIT_ANNOTATION) == "1":
        plan.append(op("reaper"))
    plan += _descriptors(descriptors, listening)
    plan.append(op("exec", *process["args"]))
    return plan


def compile_exec(
    config: dict[str, Any], process: dict[str, Any], facts: HostFacts, *, descriptors: int = 0
) -> list[Op]:
    """Return the plan of a further process in a running container, with so many descriptors from 3.

    `process` is an OCI process object; its `user` may hold `username` instead of numbers.
    """
    linux = config.get("linux", {})
    kinds = {space["type"] for space in linux.get("namespaces", ())}
    plan = _own_files(process)
    plan += [op("join", FD_PIDFD, *_namespace_words(kinds)), _identity(config, facts)]
    plan.append(op("keyring", config.get("hostname") or "pypod"))
    if process.get("terminal"):
        plan.append(op("console", "plain", process["user"].get("uid", 0)))
    filter_ = linux.get("seccomp") if process.get("seccomp", True) else None
    plan += _process(config, process, facts, filter_)
    plan += _descriptors(descriptors, False)
    plan.append(op("exec", *process["args"]))
    return plan


def _descriptors(count: int, listening: bool) -> list[Op]:
    if not count:
        return []
    return [op("descriptors", FD_PRESERVE, count, "listen" if listening else "plain")]


def compile_tool(
    facts: HostFacts,
    argv: Sequence[str],
    *,
    exec_fd: int | None = None,
    namespaces: Iterable[str] = ("user", "mount"),
    join_pidfd: int | None = None,
    cwd: str | None = None,
    env: dict[str, str] | None = None,
) -> list[Op]:
    """Return the plan that runs a program of ours, or a shell, in this user's default id map.

    `exec_fd` is the descriptor of the program when it is a sealed helper. With `join_pidfd` the
    namespaces are those of that process instead of new ones.
    """
    plan = []
    if join_pidfd is not None:
        plan.append(op("join", join_pidfd, *namespaces))
    else:
        if "user" in namespaces:
            plan += map_ops(facts, facts.uid_map, facts.gid_map)
        plan.append(op("unshare", *namespaces))
        if "mount" in namespaces:
            plan.append(op("private"))
    plan.append(op("identity", 0, 0, "keep" if facts.map == "single" else "setgroups"))
    if cwd is not None:
        plan.append(op("cwd", cwd))
    environment = env if env is not None else {"PATH": "/usr/bin:/bin"}
    plan.append(op("environment", *(f"{key}={value}" for key, value in environment.items())))
    if exec_fd is not None:
        plan.append(op("exec-fd", exec_fd, *argv))
    else:
        plan.append(op("exec", *argv))
    return plan


def _join(kinds: set[str]) -> list[Op]:
    """Enter another's network, and the user namespace that owns it where that is not ours."""
    if not kinds:
        return []
    if kinds not in ({"network"}, {"network", "user"}):
        raise PlanError(f"cannot join the namespaces {', '.join(sorted(kinds))}")
    return [op("join-net", FD_PIDFD, "owner" if "user" in kinds else "here")]


def _namespace_words(kinds: set[str]) -> list[str]:
    return [_OWN_WORD.get(kind, kind) for kind in _NAMESPACES if kind in kinds]


def id_maps(linux: dict[str, Any], facts: HostFacts) -> list[Op]:
    """Return what writes the id maps of a configuration."""
    uids, gids = extents(linux)
    return map_ops(facts, uids, gids)


def is_nested(linux: dict[str, Any], facts: HostFacts) -> bool:
    """Say whether the container lacks some of the caller's ids.

    Its root could not read all of the layers then, or not even go there: they are mounted in a
    user namespace above it, that of the caller's default map. A map with ids that are not the
    caller's is none of that: newuidmap says what is wrong with it.
    """
    uids, gids = extents(linux)
    if facts.map == "single" or not uids or not gids:
        return False
    if not (covers(uids, facts.uid_map) and covers(gids, facts.gid_map)):
        return False
    return not (covers(facts.uid_map, uids) and covers(facts.gid_map, gids))


def nest_ops(config: dict[str, Any], facts: HostFacts, *, root: bool = True) -> list[Op]:
    """Return what makes that namespace, mounts the root in it, and maps the container's below."""
    plan = [*map_ops(facts, facts.uid_map, facts.gid_map), op("nest"), op("private")]
    if root and is_overlay(config["mounts"]):
        plan += root_ops(config)
    uids, gids = extents(config["linux"])
    for kind, default, wanted in (("uid", facts.uid_map, uids), ("gid", facts.gid_map, gids)):
        here = shift(default, wanted)
        plan.append(op("map", kind, "direct", *(number for extent in here for number in extent)))
    return plan


def extents(linux: dict[str, Any]) -> list[tuple[tuple[int, int, int], ...]]:
    """Return the maps of the uids and of the gids."""
    return [
        tuple((one["containerID"], one["hostID"], one["size"]) for one in linux.get(key, ()))
        for key in ("uidMappings", "gidMappings")
    ]


def map_ops(
    facts: HostFacts,
    uids: tuple[tuple[int, int, int], ...],
    gids: tuple[tuple[int, int, int], ...],
) -> list[Op]:
    """Return what writes these maps, by the tools that this caller needs for it."""
    tools = ("direct", "direct")
    if facts.map == "full":
        tools = (facts.newuidmap, facts.newgidmap)
    plan = []
    if facts.map == "single":
        plan.append(op("deny-setgroups"))
    for kind, tool, extents in (("uid", tools[0], uids), ("gid", tools[1], gids)):
        numbers = [number for extent in extents for number in extent]
        plan.append(op("map", kind, tool, *numbers))
    return plan


def _keeps_groups(config: dict[str, Any]) -> bool:
    return bool(config.get("annotations", {}).get(KEEP_GROUPS) == "1")


def _identity(config: dict[str, Any], facts: HostFacts) -> Op:
    """Become root of the container; in single-id mode, the one id there is."""
    if facts.map == "single":
        linux = config["linux"]
        uid = linux["uidMappings"][0]["containerID"]
        gid = linux["gidMappings"][0]["containerID"]
        return op("identity", uid, gid, "keep")
    return op("identity", 0, 0, "keep" if _keeps_groups(config) else "setgroups")


def _own_files(process: dict[str, Any]) -> list[Op]:
    """What a process writes to its own directory in /proc: the next program gets it."""
    plan = []
    if process.get("oomScoreAdj"):
        plan.append(op("oom", process["oomScoreAdj"]))
    if process.get("selinuxLabel"):
        plan.append(op("label", "selinux", process["selinuxLabel"]))
    if process.get("apparmorProfile"):
        plan.append(op("label", "apparmor", process["apparmorProfile"]))
    return plan


def _process(
    config: dict[str, Any],
    process: dict[str, Any],
    facts: HostFacts,
    filter_: dict[str, Any] | None,
) -> list[Op]:
    """Everything of the process, in security.md's order: the filter last that may be last."""
    user = process["user"]
    keeps = facts.map == "single" or _keeps_groups(config)
    exact = config.get("annotations", {}).get(EXACT_LIMITS) == "exact"
    plan = [op("umask", f"{user.get('umask', 0o22):o}")]
    for limit in process.get("rlimits", ()):
        kind = limit["type"].removeprefix("RLIMIT_")
        how = "clamp" if kind == "NOFILE" and not exact else "exact"
        plan.append(op("rlimit", kind, limit["soft"], limit["hard"], how))
    domain = config.get("linux", {}).get("personality", {}).get("domain")
    if domain == "LINUX32":
        plan.append(op("personality", _PER_LINUX32))
    plan.append(op("environment", *process.get("env", ())))
    caps = process.get("capabilities", {})
    plan.append(op("bounding", f"{capability_mask(caps.get('bounding', ())):x}"))
    if "username" in user:
        plan.append(op("user-name", user["username"], "keep" if keeps else "setgroups"))
    else:
        if not keeps:
            plan.append(op("groups", *user.get("additionalGids", ())))
        plan.append(op("user", user["uid"], user["gid"]))
    if process.get("cwd"):
        plan.append(op("cwd", process["cwd"]))
    masks = [
        f"{capability_mask(caps.get(kind, ())):x}"
        for kind in ("effective", "permitted", "inheritable", "ambient")
    ]
    sets = op("capabilities", *masks)
    load = []
    if filter_ is not None:
        flags = sum(_FILTER_FLAGS.get(flag, 0) for flag in filter_.get("flags", ()))
        load.append(op("seccomp", FD_BPF, *([flags] if flags else [])))
    if process.get("noNewPrivileges"):
        plan += [op("no-new-privs"), sets, *load]
    else:
        # Without no_new_privs a filter needs CAP_SYS_ADMIN: it comes before the capabilities go.
        plan += [*load, sets]
    plan += [op("die-with-parent"), op("session"), op("release")]
    return plan
