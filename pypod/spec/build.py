# SPDX-License-Identifier: Apache-2.0
"""The only composer: options, image and host facts to an OCI config.json, and to create.json.

Sources: OCI runtime-spec 1.0.2 (config.md, config-linux.md); OCI image-spec (conversion.md).
"""

from __future__ import annotations

from pypod.errors import PypodError, UsageError
from pypod.spec import mounts as spec_mounts
from pypod.spec import process as spec_process
from pypod.spec import security
from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pypod.oci.image import ImageRecord
    from pypod.spec.facts import Extent, HostFacts
    from pypod.spec.options import CreateOptions

INIT_ANNOTATION = "io.pypod.init"
NOFILE_MOST = 1048576
_NETWORKS = ("", "none", "host")


class Identity(Value):
    """What a container is, beside its options."""

    id: str
    name: str
    directory: str
    """Where the record will be: the bundle."""
    layers: tuple[str, ...]
    """Directories of the image's layers, uppermost first."""
    passwd: str
    group: str
    image_name: str
    environment: dict[str, str]
    """The caller's environment, for `-e NAME`."""
    cwd: str
    """The caller's directory, for `-v ./x:/y`."""


class _Security(Value):
    no_new_privs: bool = False
    unconfined: bool = False


def container_config(
    options: CreateOptions, image: ImageRecord, facts: HostFacts, ids: Identity
) -> dict[str, Any]:
    """Return the complete config.json. Raises PypodError and UsageError; has no effect."""
    secure = _security(options)
    argv = _command(options, image)[0]
    user = spec_process.resolve_user(
        options.user or image.config.get("user", ""), ids.passwd, ids.group
    )
    host_network = _network(options) == "host"
    uid_map, gid_map = _maps(facts, user)
    caps = security.capabilities(
        options.cap_add, options.cap_drop, options.privileged, facts.cap_bounding, user.uid
    )
    process: dict[str, Any] = {
        "terminal": options.tty,
        "user": {
            "uid": user.uid,
            "gid": user.gid,
            "umask": 0o22,
            "additionalGids": [] if facts.map == "single" else list(user.groups),
        },
        "args": argv,
        "env": _environment(options, image, ids, user),
        "cwd": _workdir(options, image),
        "capabilities": caps,
        "rlimits": [_nofile(facts)],
        "noNewPrivileges": secure.no_new_privs,
    }
    linux: dict[str, Any] = {
        "uidMappings": _mappings(uid_map),
        "gidMappings": _mappings(gid_map),
        "namespaces": [{"type": kind} for kind in _namespaces(host_network)],
    }
    # The kernel takes the range only where both ends are mapped, and only its namespace's owner may.
    if not host_network and _maps_zero(gid_map):
        linux["sysctl"] = {"net.ipv4.ping_group_range": "0 0"}
    if not options.privileged:
        linux["maskedPaths"] = security.masked_paths(
            facts.thermal_throttle, host_sysfs=host_network
        )
        linux["readonlyPaths"] = security.readonly_paths()
    if not options.privileged and not secure.unconfined:
        linux["seccomp"] = security.seccomp(caps["bounding"], facts.machine)
    config: dict[str, Any] = {
        "ociVersion": "1.0.2",
        "process": process,
        "root": {"path": ids.directory + "/rootfs", "readonly": options.read_only},
        "hostname": options.hostname or ids.id[:12],
        "mounts": _mounts(options, facts, ids, gid_map, host_network),
        "linux": linux,
    }
    if options.init:
        config["annotations"] = {INIT_ANNOTATION: "1"}
    return config


def create_document(
    options: CreateOptions, image: ImageRecord, facts: HostFacts, ids: Identity
) -> dict[str, Any]:
    """Return create.json but for the times: what `inspect`, `stop` and `start` need to know."""
    argv, entrypoint, cmd = _command(options, image)
    signal = options.stop_signal or image.config.get("stop_signal") or "TERM"
    return {
        "id": ids.id,
        "name": ids.name,
        "image": {"id": image.id, "name": ids.image_name, "digest": image.manifest},
        "image_size": image.size,
        "chain_ids": list(image.chain_ids),
        "command": argv,
        "entrypoint": entrypoint,
        "cmd": cmd,
        "user": options.user or image.config.get("user", ""),
        "labels": _labels(options, image),
        "tty": options.tty,
        "interactive": options.interactive,
        "stdin_once": options.interactive and not options.detach,
        "stop_signal": spec_process.signal_number(signal),
        "stop_timeout": options.stop_timeout,
        "auto_remove": options.rm,
        "network": _network(options),
        "map": facts.map,
        "http_proxy": True,
        "mounts": [spec_mounts.volume(text, ids.cwd)["destination"] for text in options.volume],
        "options": options.record(),
    }


def etc_files(
    options: CreateOptions,
    image: ImageRecord,
    facts: HostFacts,
    ids: Identity,
    resolv_conf: str,
) -> dict[str, str]:
    """Return the files that are bound into the container, by their names in the record."""
    hostname = options.hostname or ids.id[:12]
    files = {
        "hosts": (
            "127.0.0.1\tlocalhost localhost.localdomain localhost4 localhost4.localdomain4\n"
            "::1\tlocalhost localhost.localdomain localhost6 localhost6.localdomain6\n"
            f"127.0.0.1\t{hostname} {ids.name}\n"
        ),
        "hostname": hostname + "\n",
        "containerenv": (
            'engine="pypod"\n'
            f'name="{ids.name}"\n'
            f'id="{ids.id}"\n'
            f'image="{ids.image_name}"\n'
            f'imageid="{image.id.removeprefix("sha256:")}"\n'
            f"rootless={int(facts.uid != 0)}\n"
        ),
    }
    if _network(options) == "host":
        files["resolv.conf"] = resolv_conf
    return files


def _command(
    options: CreateOptions, image: ImageRecord
) -> tuple[list[str], list[str], list[str]]:
    config = image.config
    return spec_process.command(
        options.entrypoint,
        options.command,
        config.get("entrypoint") or (),
        config.get("cmd") or (),
    )


def _network(options: CreateOptions) -> str:
    if options.network not in _NETWORKS:
        raise PypodError(
            f"--network {options.network} is not there yet", hint="--network none or host"
        )
    return options.network or "none"


def _security(options: CreateOptions) -> _Security:
    no_new_privs = unconfined = False
    for word in options.security_opt:
        key, separator, value = word.partition("=")
        if not separator:
            key, _, value = word.partition(":")
        if key == "no-new-privileges" and value in ("", "true", "false"):
            no_new_privs = value != "false"
        elif key == "seccomp" and value == "unconfined":
            unconfined = True
        elif key in ("seccomp", "label", "apparmor", "mask", "unmask", "proc-opts", "systempaths"):
            raise PypodError(f"--security-opt {word} is not there yet")
        else:
            raise UsageError(
                f'--security-opt: unknown option "{word}"',
                hint="seccomp=unconfined and no-new-privileges are there",
            )
    return _Security(no_new_privs, unconfined)


def _maps(
    facts: HostFacts, user: spec_process.User
) -> tuple[tuple[Extent, ...], tuple[Extent, ...]]:
    if facts.map == "single":
        # One entry: the container's user is the caller.
        return ((user.uid, facts.uid, 1),), ((user.gid, facts.gid, 1),)
    return facts.uid_map, facts.gid_map


def _maps_zero(extents: tuple[Extent, ...]) -> bool:
    return any(inside == 0 for inside, _outside, _count in extents)


def _mappings(extents: tuple[Extent, ...]) -> list[dict[str, int]]:
    return [
        {"containerID": inside, "hostID": outside, "size": count}
        for inside, outside, count in extents
    ]


def _namespaces(host_network: bool) -> list[str]:
    kinds = ["user", "mount", "pid", "ipc", "uts", "cgroup"]
    return kinds if host_network else [*kinds, "network"]


def _nofile(facts: HostFacts) -> dict[str, Any]:
    most = min(facts.nofile_hard, NOFILE_MOST)
    return {"type": "RLIMIT_NOFILE", "hard": most, "soft": most}


def _environment(
    options: CreateOptions, image: ImageRecord, ids: Identity, user: spec_process.User
) -> list[str]:
    defaults = {
        "PATH": spec_process.PATH,
        "container": "podman",  # tools test for this very word (systemd, toolbox)
        "HOME": user.home,
        "HOSTNAME": options.hostname or ids.id[:12],
    }
    if options.tty:
        defaults["TERM"] = "xterm"
    return spec_process.environment(
        image.config.get("env") or (), options.env_file, options.env, ids.environment, defaults
    )


def _workdir(options: CreateOptions, image: ImageRecord) -> str:
    path: str = options.workdir or image.config.get("workdir") or "/"
    if not path.startswith("/"):
        raise UsageError(f'the working directory "{path}" is invalid, it needs to be an absolute path')
    return path


def _mounts(
    options: CreateOptions,
    facts: HostFacts,
    ids: Identity,
    gid_map: tuple[Extent, ...],
    host_network: bool,
) -> list[dict[str, Any]]:
    tty_group = any(inside <= 5 < inside + count for inside, _outside, count in gid_map)
    layers = ids.layers or (ids.directory + "/empty",)
    mounts = [spec_mounts.overlay(layers, ids.directory)]
    mounts += spec_mounts.base(facts, host_network=host_network, has_tty_group=tty_group)
    asked = [spec_mounts.volume(text, ids.cwd) for text in options.volume]
    asked += [spec_mounts.tmpfs(text) for text in options.tmpfs]
    destinations = [mount["destination"] for mount in asked]
    for destination in destinations:
        if destinations.count(destination) > 1:
            raise UsageError(f"{destination}: duplicate mount destination")
    if options.read_only:
        asked += spec_mounts.read_only_tmpfs(destinations)
    names = ["hosts", "hostname", "containerenv"] + (["resolv.conf"] if host_network else [])
    own = [
        mount
        for mount in spec_mounts.injected(ids.directory, names)
        if mount["destination"] not in destinations
    ]
    # Shorter paths first, so that nothing covers what was mounted before it.
    asked.sort(key=lambda mount: mount["destination"].count("/"))
    replaced = set(destinations)
    mounts = [mount for mount in mounts if mount["destination"] not in replaced or mount is mounts[0]]
    before = [mount for mount in asked if mount["destination"] in ("/run", "/etc")]
    after = [mount for mount in asked if mount not in before]
    mounts += before + own + after
    if options.privileged:
        mounts += _host_devices(ids)
    return mounts


def _host_devices(ids: Identity) -> list[dict[str, Any]]:
    return []


def _labels(options: CreateOptions, image: ImageRecord) -> dict[str, str]:
    labels = dict(image.config.get("labels") or {})
    for word in options.label:
        name, _, value = word.partition("=")
        if not name:
            raise UsageError(f'--label "{word}": the name is missing')
        labels[name] = value
    return labels
