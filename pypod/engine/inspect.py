# SPDX-License-Identifier: Apache-2.0
"""What `inspect` shows of a container: podman's document, in its keys and types."""

from __future__ import annotations

from pypod.engine import inspect_mounts
from pypod.spec import ports as spec_ports
from pypod.text import units

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pypod.store.objects import Container

_NEVER = "0001-01-01T00:00:00Z"


def inspect(container: Container, *, size: bool = False) -> dict[str, Any]:
    """Return the document of one container. Raises NoSuchContainer, CorruptStore."""
    create, config = container.create, container.config
    status = container.status()
    process, options = config["process"], create["options"]
    capabilities = process.get("capabilities", {})
    document: dict[str, Any] = {
        "Id": container.id,
        "Created": units.timestamp_rfc3339(create["created"]),
        "Path": create["command"][0],
        "Args": create["command"][1:],
        "State": _state(container, status, config),
        "Image": create["image"]["id"].removeprefix("sha256:"),
        "ImageDigest": create["image"]["digest"],
        "ImageName": create["image"]["name"],
        "Rootfs": options.get("rootfs") or "",
        "Pod": "",
        "ResolvConfPath": _path(container, config, "/etc/resolv.conf"),
        "HostnamePath": _path(container, config, "/etc/hostname"),
        "HostsPath": _path(container, config, "/etc/hosts"),
        "StaticDir": container.directory,
        "OCIConfigPath": f"{container.directory}/config.json",
        "OCIRuntime": "pypod-init",
        "LogPath": f"{container.directory}/ctr.log",
        "ConmonPidFile": "",
        "PidFile": options.get("pidfile") or "",
        "Name": container.name,
        "RestartCount": 0,
        "Driver": "overlay",
        "MountLabel": "",
        "ProcessLabel": process.get("selinuxLabel", ""),
        "AppArmorProfile": process.get("apparmorProfile", ""),
        "EffectiveCaps": capabilities.get("effective", []),
        "BoundingCaps": capabilities.get("bounding", []),
        "ExecIDs": [],
        "GraphDriver": {"Name": "overlay", "Data": _graph(config)},
        "Mounts": inspect_mounts.mounts(create, config),
        "Dependencies": [],
        "NetworkSettings": _network(create),
        "Namespace": "",
        "IsInfra": False,
        "Config": _config(create, config),
        "HostConfig": _host_config(create, options, config),
    }
    if size:
        from pypod.engine import ps

        document["SizeRw"], document["SizeRootFs"] = ps.sizes(container)
    return document


def _state(container: Container, status: Any, config: dict[str, Any]) -> dict[str, Any]:
    pids, ended = status.pids, status.exit
    over = status.name == "exited"
    return {
        "OciVersion": config["ociVersion"],
        "Status": status.name,
        "Running": status.alive,
        "Paused": False,
        "Restarting": False,
        "OOMKilled": False,
        "Dead": False,
        "Pid": pids.pid if pids and status.alive else 0,
        "ConmonPid": pids.monitor if pids and status.alive else 0,
        "ExitCode": status.code,
        "Error": "exit status unknown: the monitor was lost" if over and ended is None else "",
        "StartedAt": units.timestamp_rfc3339(pids.at / 1e9) if pids else _NEVER,
        "FinishedAt": units.timestamp_rfc3339(ended.at / 1e9) if over and ended else _NEVER,
        "Health": {"Status": "", "FailingStreak": 0, "Log": None},
        "Unmonitored": status.unmonitored,
    }


def _path(container: Container, config: dict[str, Any], destination: str) -> str:
    for mount in config["mounts"]:
        if mount["destination"] == destination:
            return str(mount.get("source", ""))
    return ""


def _graph(config: dict[str, Any]) -> dict[str, str]:
    data = {}
    for option in config["mounts"][0].get("options", ()):
        key, _, value = option.partition("=")
        if key in ("lowerdir", "upperdir", "workdir"):
            data[{"lowerdir": "LowerDir", "upperdir": "UpperDir", "workdir": "WorkDir"}[key]] = (
                value
            )
    return data


def _network(create: dict[str, Any]) -> dict[str, Any]:
    return {
        "EndpointID": "",
        "Gateway": "",
        "IPAddress": "",
        "IPPrefixLen": 0,
        "IPv6Gateway": "",
        "GlobalIPv6Address": "",
        "GlobalIPv6PrefixLen": 0,
        "MacAddress": "",
        "Bridge": "",
        "SandboxID": "",
        "HairpinMode": False,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "Ports": spec_ports.bindings(
            spec_ports.from_words(create.get("ports", ())),
            spec_ports.from_words(create.get("exposed_ports", ())),
        ),
        "SandboxKey": "",
        "Networks": {create["network"]: {}} if create["network"] == "host" else {},
    }


def _config(create: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    process = config["process"]
    return {
        "Hostname": config.get("hostname", ""),
        "Domainname": "",
        "User": create["user"],
        "AttachStdin": False,
        "AttachStdout": False,
        "AttachStderr": False,
        "Tty": create["tty"],
        "OpenStdin": create["interactive"],
        "StdinOnce": create["stdin_once"],
        "Env": process["env"],
        "Cmd": create["cmd"],
        "Image": create["image"]["name"],
        "Volumes": inspect_mounts.image_volumes(create),
        "WorkingDir": process["cwd"],
        "Entrypoint": create["entrypoint"],
        "OnBuild": None,
        "Labels": create["labels"] or None,
        "Annotations": config.get("annotations") or None,
        "StopSignal": create["stop_signal"],
        "CreateCommand": create["command_line"],
        "Umask": f"{process['user'].get('umask', 0o22):04o}",
        "Timeout": create.get("timeout", 0),
        "StopTimeout": create["stop_timeout"],
    }


def _host_config(
    create: dict[str, Any], options: dict[str, Any], config: dict[str, Any]
) -> dict[str, Any]:
    return {
        "Binds": inspect_mounts.binds(create, config),
        "ContainerIDFile": options.get("cidfile") or "",
        "LogConfig": {"Type": "k8s-file", "Config": None, "Path": "", "Tag": "", "Size": "0B"},
        "NetworkMode": create["network"],
        "PortBindings": spec_ports.bindings(spec_ports.from_words(create.get("ports", ()))),
        "RestartPolicy": {"Name": "", "MaximumRetryCount": 0},
        "AutoRemove": create["auto_remove"],
        "CapAdd": list(options.get("cap_add") or ()),
        "CapDrop": list(options.get("cap_drop") or ()),
        "Dns": list(options.get("dns") or ()),
        "DnsOptions": list(options.get("dns_option") or ()),
        "DnsSearch": list(options.get("dns_search") or ()),
        "ExtraHosts": list(options.get("add_host") or ()),
        "GroupAdd": list(options.get("group_add") or ()),
        "IpcMode": options.get("ipc") or "private",
        "Cgroup": "",
        "Links": None,
        "OomScoreAdj": options.get("oom_score_adj") or 0,
        "PidMode": options.get("pid") or "private",
        "Privileged": bool(options.get("privileged")),
        "PublishAllPorts": bool(options.get("publish_all")),
        "ReadonlyRootfs": bool(options.get("read_only")),
        "SecurityOpt": list(options.get("security_opt") or ()),
        "Tmpfs": _tmpfs(options.get("tmpfs") or ()),
        "UTSMode": options.get("uts") or "private",
        "UsernsMode": options.get("userns") or "",
        **_id_maps(options, config),
        "ShmSize": inspect_mounts.shm_size(options.get("shm_size") or ""),
        "Runtime": "oci",
        "Init": bool(options.get("init")),
        "Memory": 0,
        "NanoCpus": 0,
        "PidsLimit": 0,
        "Ulimits": [
            {"Name": one["type"], "Soft": one["soft"], "Hard": one["hard"]}
            for one in config["process"].get("rlimits", ())
        ],
    }


def _id_maps(options: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    """Return IDMappings, in ids of the host, of a container under another map than the default."""
    words = ("uidmap", "gidmap", "subuidname", "subgidname")
    if options.get("userns") in (None, "", "host", "private") and not any(map(options.get, words)):
        return {}

    def shown(key: str) -> list[str]:
        extents = config["linux"][key]
        return [f"{one['containerID']}:{one['hostID']}:{one['size']}" for one in extents]

    return {"IDMappings": {"UidMap": shown("uidMappings"), "GidMap": shown("gidMappings")}}


def _tmpfs(options: Any) -> dict[str, str]:
    return {word.partition(":")[0]: word.partition(":")[2] for word in options}
