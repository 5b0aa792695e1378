# SPDX-License-Identifier: Apache-2.0
"""Namespaces: which ones a container has of its own, and what follows from sharing the network."""

from __future__ import annotations

from pypod.errors import UsageError
from pypod.spec.ids import is_mapped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.spec.facts import Extent

SHARED = ("host", "container", "ns")
"""Kinds of network (spec/network.py) whose namespace is somebody else's."""
HOSTNAME_MAX = 64
"""Bytes (sethostname(2), __NEW_UTS_LEN)."""


def own(net: str) -> list[dict[str, str]]:
    """Return config.json's namespaces: all but the network of `--network host`."""
    kinds = ["user", "mount", "pid", "ipc", "uts", "cgroup"]
    if net != "host":
        kinds.append("network")
    return [{"type": kind} for kind in kinds]


def sysctls(net: str, gid_map: tuple[Extent, ...]) -> dict[str, str]:
    """Return the kernel settings of a container: ping and low ports need no capability.

    Only its own network namespace may be set, and the kernel takes the range only where both ends
    are mapped.
    """
    if net in SHARED:
        return {}
    settings = {"net.ipv4.ip_unprivileged_port_start": "0"}
    if is_mapped(gid_map, 0):
        settings["net.ipv4.ping_group_range"] = "0 0"
    return settings


def hostname(typed: str, container_id: str, net: str, host: str) -> str:
    """Return the host name: --hostname, else the host's own with its network, else 12 of the id.

    Raises UsageError.
    """
    name = typed or (host if net == "host" and host else container_id[:12])
    if len(name.encode("utf-8", "surrogateescape")) > HOSTNAME_MAX:
        raise UsageError(f'--hostname "{name[:80]}": longer than {HOSTNAME_MAX} bytes')
    if not name.isprintable() or any(char.isspace() or char in "\"'/\\" for char in name):
        raise UsageError(f"--hostname {name!r}: letters, digits, dots and hyphens are allowed")
    return name
