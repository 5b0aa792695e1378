# SPDX-License-Identifier: Apache-2.0
"""version and info: what this pypod is, what this host gives it, what is missing."""

from __future__ import annotations

import os
import sys

from pypod import __version__
from pypod.engine import images, network, ps
from pypod.kernel import config, fastjson, procfs, trust_files
from pypod.kernel.facts import facts as host_facts
from pypod.output import listing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pypod.cli.parse import Args
    from pypod.kernel.paths import Places
    from pypod.spec.facts import HostFacts


def version(args: Args) -> int:
    """Print the version."""
    machine = os.uname()
    document = {
        "Client": {
            "APIVersion": __version__,
            "Version": __version__,
            "PythonVersion": ".".join(str(part) for part in sys.version_info[:3]),
            "OsArch": f"linux/{_architecture(machine.machine)}",
            "Os": "linux",
        }
    }
    if args.format:
        listing.show_document(args.format, document)
        return 0
    client = document["Client"]
    print("Client:       pypod (no daemon, no server)")
    print(f"Version:      {client['Version']}")
    print(f"Python:       {client['PythonVersion']}")
    print(f"OS/Arch:      {client['OsArch']}")
    return 0


def info(args: Args) -> int:
    """Print what pypod found on this host."""
    facts = host_facts()
    document = _document(args, facts)
    if args.format:
        listing.show_document(args.format, document)
        return 0
    print(_yaml(document), end="")
    return 0


def _document(args: Args, facts: HostFacts) -> dict[str, Any]:
    machine, places = os.uname(), args.places
    rows = ps.rows(places)
    states = [row.status.name for row in rows]
    loginuid = procfs.loginuid()
    return {
        "host": {
            "arch": _architecture(machine.machine),
            "cgroupVersion": facts.cgroup,
            "cpus": os.cpu_count() or 1,
            "hostname": machine.nodename,
            "idMappings": {
                "mode": facts.map,
                "uidmap": [_extent(extent) for extent in facts.uid_map],
                "gidmap": [_extent(extent) for extent in facts.gid_map],
            },
            "kernel": machine.release,
            "logDriver": "k8s-file",
            "loginuid": "unset" if loginuid is None else loginuid,
            "memTotal": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            "ociRuntime": {"name": "pypod-init", "version": __version__},
            "network": network.describe(places),
            "os": "linux",
            "security": {
                "rootless": facts.uid != 0,
                "seccompEnabled": True,
                "seccompProfilePath": "default",
                "capabilities": ",".join(_default_caps()),
                "noNewPrivileges": facts.no_new_privs,
            },
        },
        "missing": _missing(places, facts, loginuid),
        "registries": _registries(args),
        "signaturePolicy": trust_files.describe(),
        "store": {
            "graphDriverName": "overlay",
            "graphRoot": places.graph,
            "runRoot": places.run,
            "containerStore": {
                "number": len(rows),
                "running": states.count("running"),
                "paused": 0,
                "stopped": len(rows) - states.count("running"),
            },
            "imageStore": {"number": len(images.list_images(places))},
        },
        "version": {"Version": __version__, "APIVersion": __version__},
    }


def _registries(args: Args) -> dict[str, Any]:
    """Return the configuration of names in podman's shape: `search`, and each entry's prefix."""
    names = config.load(args.places).registries
    shown: dict[str, Any] = {
        entry.prefix: {
            "Prefix": entry.prefix,
            "Location": entry.location,
            "Insecure": entry.insecure,
            "PullFromMirror": "",
            "Mirrors": [
                {
                    "Location": mirror.location,
                    "Insecure": mirror.insecure,
                    "PullFromMirror": mirror.pull,
                }
                for mirror in entry.mirrors
            ]
            or None,
            "Blocked": entry.blocked,
            "MirrorByDigestOnly": entry.digest_only,
        }
        for entry in names.entries
    }
    return {**({"search": list(names.search)} if names.search else {}), **shown}


def _extent(extent: tuple[int, int, int]) -> dict[str, int]:
    return {"container_id": extent[0], "host_id": extent[1], "size": extent[2]}


def _default_caps() -> tuple[str, ...]:
    from pypod.spec.security import DEFAULT_CAPS

    return DEFAULT_CAPS


def _missing(places: Places, facts: HostFacts, loginuid: int | None) -> list[str]:
    """Name each protection or ability that this host does not give."""
    found = []
    if facts.single_reason:
        found.append(f"id range: {facts.single_reason}")
    if facts.cgroup != "v2":
        found.append("cgroup: no delegated cgroup v2, so memory, cpu and pids cannot be limited")
    if not facts.cap_bounding >> 24 & 1:
        found.append("CAP_SYS_RESOURCE: hard limits cannot be raised; they are kept as they are")
    if loginuid is None:
        found.append("audit: the login uid is unset, so audit records name nobody")
    if facts.uid == 0:
        found.append(
            "root: uid 0 in a container is uid 0 of this host for files; --userns=auto"
            " maps it away"
        )
    return found + network.missing(places)


def _yaml(value: Any, indent: int = 0) -> str:
    """Return a document as podman's `info` prints it."""
    pad = "  " * indent
    out = ""
    if isinstance(value, dict):
        for key, inner in value.items():
            if isinstance(inner, (dict, list)) and inner:
                below = _yaml(inner, indent + (not isinstance(inner, list)))
                out += f"{pad}{_scalar(key)}:\n{below}"
            else:
                out += f"{pad}{_scalar(key)}: {_scalar(inner)}\n"
        return out
    for item in value:
        if isinstance(item, dict):
            lines = _yaml(item, indent + 1)
            out += f"{pad}- {lines[len(pad) + 2 :]}"
        else:
            out += f"{pad}- {_scalar(item)}\n"
    return out


def _scalar(value: Any) -> str:
    # A star begins an alias, as in the prefix of a wildcard.
    if isinstance(value, str) and value and not any(char in value for char in "*:#\"'{}[]\n"):
        return value
    return fastjson.dumps(value)


def _architecture(machine: str) -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
