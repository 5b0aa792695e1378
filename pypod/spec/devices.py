# SPDX-License-Identifier: Apache-2.0
"""`--device`: a device of the host in the container, as a bind of its node.

A user namespace can make no node and no device cgroup rule: the node keeps its owner and its mode,
and what they allow to the caller is what the container may do.
"""

from __future__ import annotations

from pypod.errors import PypodError, UsageError
from pypod.spec import mounts
from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any


class Device(Value):
    """What one --device asks for."""

    source: str
    destination: str
    permissions: str = "rwm"


def parse(text: str) -> Device:
    """Return HOST[:CONTAINER][:PERMISSIONS]. Raises UsageError, PypodError."""
    fields = text.split(":")
    source = fields[0]
    permissions = "rwm"
    if not source.startswith("/"):
        if "/" in source and "=" in source:
            raise PypodError(f"--device {text}: CDI devices are not there yet")
        raise UsageError(f"--device {text}: an absolute path of the host is needed")
    if len(fields) > 1 and _are_permissions(fields[-1]):
        permissions = fields.pop()
    if len(fields) > 2:
        raise UsageError(
            f"--device {text}: invalid device mode: {fields[-1]}", hint="letters of rwm"
        )
    destination = fields[1] if len(fields) == 2 else source
    if not destination.startswith("/"):
        raise UsageError(f"--device {text}: invalid device mode or path: {destination}")
    return Device(
        source, mounts.clean(destination, f"--device {text}"), "".join(sorted(permissions))
    )


def _are_permissions(word: str) -> bool:
    return bool(word) and frozenset("rwm").issuperset(word) and len(set(word)) == len(word)


def unenforced(device: Device) -> str:
    """Return what must be said of permissions that nothing here can take away, "" if nothing."""
    missing = "".join(letter for letter in "rw" if letter not in device.permissions)
    if not missing:
        return ""
    return (
        f"--device {device.source}: without a device cgroup its own mode decides;"
        f" {' and '.join({'r': 'reading', 'w': 'writing'}[one] for one in missing)}"
        " is not taken away"
    )


def binds(nodes: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
    """Return the mounts of (host path, container path): a node must not be `nodev`."""
    return [
        {
            "destination": destination,
            "type": "bind",
            "source": source,
            "options": ["bind", "rprivate", "nosuid", "noexec"],
        }
        for source, destination in nodes
    ]
