# SPDX-License-Identifier: Apache-2.0
"""What the options of the sandbox change in a configuration: the one place where they meet.

`spec.build` composes a default container; this adds what --security-opt, --group-add, --device,
--sysctl, --ulimit, --umask, --annotation and --rootfs say. What of them asks something of the host
was looked up before (engine/lookups.py) and is in `Found`: this is pure. The rooms of the options
are imported where one is given: most containers need none of them.
"""

from __future__ import annotations

from pypod.errors import PypodError, UsageError
from pypod.spec import ids, init_system, security
from pypod.spec.namespaces import SHARED
from pypod.spec.network import shows_host
from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pypod.spec.build import Identity
    from pypod.spec.facts import HostFacts
    from pypod.spec.options import CreateOptions

KEEP_GROUPS = "run.oci.keep_original_groups"
"""crun's annotation, which podman sets for the same option."""
EXACT_LIMITS = "io.pypod.rlimits"
"""An annotation: the limit of open files was asked for and is not made smaller to fit."""

NOFILE_MOST = 1048576


class Found(Value):
    """What the options made somebody look up on the host. The defaults: nothing was asked."""

    devices: tuple[tuple[str, str], ...] = ()
    """(path of the host, path of the container) of each node of --device."""
    hard_limits: tuple[tuple[str, int], ...] = ()
    """The caller's own, by the names of spec.limits.LIMITS."""
    selinux: bool = False
    apparmor: bool = False
    mqueue: bool = False
    """Whether the host has a /dev/mqueue to share."""
    profile: Any = None
    """The parsed JSON of `--security-opt seccomp=FILE`."""


class Confinement(Value):
    """What the words of --security-opt ask for, checked as far as words can be."""

    no_new_privs: bool = False
    seccomp: str = ""
    """Empty: pypod's own filter; `unconfined`; else the path of a profile."""
    mask: tuple[str, ...] = ()
    unmask: tuple[str, ...] = ()
    """Absolute patterns; `ALL` for every path."""
    proc_opts: tuple[str, ...] = ()
    label: tuple[tuple[str, str], ...] | None = None
    """None: nothing said; parts of an SELinux label, none for `disable`."""
    apparmor: str = ""


def apply(
    config: dict[str, Any],
    options: CreateOptions,
    facts: HostFacts,
    who: Identity,
    *,
    network: str,
) -> None:
    """Change a default configuration to what the options say. Raises UsageError and PypodError."""
    found = who.found
    secure = Confinement()
    process, linux = config["process"], config["linux"]
    annotations = config.get("annotations", {})
    if options.security_opt:
        from pypod.spec import confine

        secure = confine.read(options.security_opt)
        process["noNewPrivileges"] = secure.no_new_privs
        process.update(confine.process_labels(secure, found.selinux, found.apparmor))
    most = min(facts.nofile_hard, NOFILE_MOST)
    process["rlimits"] = [{"type": "RLIMIT_NOFILE", "hard": most, "soft": most}]
    if options.annotation:
        from pypod.spec import limits

        annotations = {**limits.annotation_pairs(options.annotation), **annotations}
    if options.umask or options.group_add or options.ulimit or options.sysctl:
        _process(config, annotations, options, facts, who, own_network=network not in SHARED)
    host_sysfs = shows_host(network, facts.map)
    _masks(linux, options, secure, facts, host_sysfs=host_sysfs)
    if profile := _filter(process, options, secure, facts, found):
        linux["seccomp"] = profile
    if options.pid or options.ipc or options.uts or options.cgroupns:
        from pypod.spec import host_spaces

        host_spaces.apply(config, options, host_mqueue=found.mqueue)
        if secure.proc_opts and options.pid == "host":
            raise UsageError("--security-opt proc-opts: with --pid host /proc is the host's")
    _procfs(config["mounts"], secure)
    _kernel_view(process, linux, options)
    if init_system.runs(options, process["args"]):
        _add(config["mounts"], init_system.mounts())
        process["env"].append(init_system.environment(who.id))
    if found.devices:
        from pypod.spec import devices

        _add(config["mounts"], devices.binds(found.devices))
    if options.tz:
        _add(config["mounts"], [_file(who.directory + "/localtime", "/etc/localtime")])
    if options.rootfs:
        path, overlay = rootfs(options.rootfs)
        if not overlay:
            del config["mounts"][0]
            config["root"]["path"] = path
    if annotations:
        config["annotations"] = annotations


def _process(
    config: dict[str, Any],
    annotations: dict[str, str],
    options: CreateOptions,
    facts: HostFacts,
    who: Identity,
    *,
    own_network: bool,
) -> None:
    """Put umask, groups, limits and settings into the configuration, as far as they were given."""
    from pypod.spec import limits

    process, linux = config["process"], config["linux"]
    process["user"]["umask"] = limits.umask(options.umask)
    if options.group_add:
        _groups(process["user"], annotations, options, facts, who.group)
    asked = limits.rlimits(options.ulimit, dict(who.found.hard_limits))
    if asked is None:
        process["rlimits"] = []
    elif any(one["type"] == "RLIMIT_NOFILE" for one in asked):
        annotations[EXACT_LIMITS] = "exact"
        process["rlimits"] = asked
    else:
        process["rlimits"] += asked
    settings = limits.sysctls(
        options.sysctl, own_network=own_network, own_ipc=options.ipc != "host"
    )
    if settings:
        linux["sysctl"] = {**linux.get("sysctl", {}), **settings}


def _groups(
    user: dict[str, Any],
    annotations: dict[str, str],
    options: CreateOptions,
    facts: HostFacts,
    group: str,
) -> None:
    from pypod.spec import limits

    asked = limits.groups(options.group_add, group)
    if asked is None:
        annotations[KEEP_GROUPS] = "1"
        user["additionalGids"] = []
        return
    if facts.map == "single":
        raise PypodError(
            "--group-add: with a single id a container has the groups of its caller and no others",
            hint=facts.single_reason or "--group-add keep-groups keeps the caller's",
        )
    for gid in asked:
        if not ids.is_mapped(facts.gid_map, gid):
            raise PypodError(f"--group-add {gid}: the group is not mapped into the container")
    user["additionalGids"] = list(dict.fromkeys((*user["additionalGids"], *asked)))


def _masks(
    linux: dict[str, Any],
    options: CreateOptions,
    secure: Confinement,
    facts: HostFacts,
    *,
    host_sysfs: bool,
) -> None:
    masked, read_only = [], []
    if not options.privileged:
        masked = security.masked_paths(facts.thermal_throttle, host_sysfs=host_sysfs)
        read_only = security.readonly_paths()
    if secure.mask or secure.unmask:
        from pypod.spec import confine

        masked, read_only = confine.masks(secure, masked, read_only)
    if masked:
        linux["maskedPaths"] = masked
    if read_only:
        linux["readonlyPaths"] = read_only


def _filter(
    process: dict[str, Any],
    options: CreateOptions,
    secure: Confinement,
    facts: HostFacts,
    found: Found,
) -> dict[str, Any] | None:
    bounding = process["capabilities"]["bounding"]
    if secure.seccomp == "unconfined" or (options.privileged and not secure.seccomp):
        return None
    if not secure.seccomp:
        return security.seccomp(bounding, facts.machine)
    from pypod.spec import profile

    return profile.seccomp(
        found.profile, bounding, facts.machine, facts.kernel, f"seccomp profile {secure.seccomp}"
    )


def _kernel_view(process: dict[str, Any], linux: dict[str, Any], options: CreateOptions) -> None:
    if not -1000 <= options.oom_score_adj <= 1000:
        raise UsageError(f"--oom-score-adj {options.oom_score_adj}: -1000 to 1000 is possible")
    if options.oom_score_adj:
        process["oomScoreAdj"] = options.oom_score_adj
    if options.personality:
        domain = options.personality.upper()
        if domain not in ("LINUX", "LINUX32"):
            raise UsageError(f"--personality {options.personality}: LINUX or LINUX32")
        linux["personality"] = {"domain": domain}
    if options.read_only and not options.read_only_tmpfs:
        linux["readonlyPaths"] = [*linux.get("readonlyPaths", ()), "/dev"]


def _procfs(mounts: list[dict[str, Any]], secure: Confinement) -> None:
    for mount in mounts:
        if secure.proc_opts and mount.get("type") == "proc" and mount["destination"] == "/proc":
            mount["options"] = [*mount["options"], *secure.proc_opts]


def _add(mounts: list[dict[str, Any]], more: list[dict[str, Any]]) -> None:
    """Add mounts where nothing of the user's lies; shorter paths stay before longer ones."""
    taken = {mount["destination"] for mount in mounts}
    first = mounts[:1] if mounts and mounts[0]["destination"] == "/" else []
    rest = mounts[len(first) :] + [one for one in more if one["destination"] not in taken]
    rest.sort(key=lambda mount: mount["destination"].count("/"))
    mounts[:] = first + rest


def _file(source: str, destination: str) -> dict[str, Any]:
    """Return the bind of a file that pypod made for the container."""
    options = ["bind", "rprivate", "nosuid", "noexec", "nodev", "ro"]
    return {"destination": destination, "type": "bind", "source": source, "options": options}


def rootfs(text: str) -> tuple[str, bool]:
    """Return the directory of `--rootfs PATH[:O]`, absolute by now, and whether it stays untouched.

    Raises UsageError.
    """
    path, overlay = (text[:-2], True) if text.endswith(":O") else (text, False)
    if path.endswith(":idmap") or ":idmap=" in path:
        raise PypodError(f"--rootfs {text}: an id-mapped root is not there yet")
    path = path.rstrip("/") or "/"
    if path == "/":
        raise UsageError(
            "--rootfs /: the container's root would be the host's, its mounts and devices too",
            hint="a directory with a root file system in it; -v /:/host shows the host's files",
        )
    return path, overlay
