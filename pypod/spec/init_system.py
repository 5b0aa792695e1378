# SPDX-License-Identifier: Apache-2.0
"""--systemd: a container whose command is an init system gets what that expects to find.

Source: systemd's Container Interface (systemd.io/CONTAINER_INTERFACE). Of it the cgroups are
missing: pypod gives a container none of its own to write to.
"""

from __future__ import annotations

from pypod.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from pypod.spec.options import CreateOptions

STOP_SIGNAL = "RTMIN+3"
"""systemd(1): halt."""

_COMMANDS = frozenset(
    ("/sbin/init", "/usr/sbin/init", "/usr/local/sbin/init", "/lib/systemd/systemd")
)
_WORDS = ("true", "false", "always")
_TMPFS = (
    ("/run", "mode=755"),
    ("/run/lock", "mode=755"),
    ("/tmp", "mode=1777"),
    ("/var/log/journal", "mode=755"),
)


def runs(options: CreateOptions, argv: Sequence[str]) -> bool:
    """Say whether the container is to be made for an init system. Raises UsageError."""
    word = options.systemd.lower()
    if word not in _WORDS:
        raise UsageError(
            f'--systemd {options.systemd}: values must be one of "true, false, always"'
        )
    if word != "true":
        return word == "always"
    return bool(argv) and (argv[0] in _COMMANDS or argv[0].rpartition("/")[2] == "systemd")


def mounts() -> list[dict[str, Any]]:
    """Return the empty directories that systemd mounts itself where it may."""
    return [
        {
            "destination": path,
            "type": "tmpfs",
            "source": "tmpfs",
            "options": ["rprivate", "nosuid", "nodev", mode],
        }
        for path, mode in _TMPFS
    ]


def environment(container_id: str) -> str:
    """Return the variable of which systemd makes the machine id."""
    return f"container_uuid={container_id[:32]}"
