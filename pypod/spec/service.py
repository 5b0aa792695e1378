# SPDX-License-Identifier: Apache-2.0
"""A container as a service of systemd: --sdnotify, --cgroups, the label of its unit.

Source: sd_notify(3). The names are podman's, which other tools know.
"""

from __future__ import annotations

from pypod.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from pypod.spec.options import CreateOptions

UNIT = "PODMAN_SYSTEMD_UNIT"
"""The variable that a unit sets for `run`, and the label by which auto-update finds the unit."""
SOCKET = "NOTIFY_SOCKET"
INSIDE = "/run/notify/notify.sock"
"""Where a container finds the socket: runc's and crun's place."""
SDNOTIFY = ("container", "conmon", "ignore")
CGROUPS = ("enabled", "disabled", "no-conmon", "split")


def check(options: CreateOptions) -> None:
    """Raise UsageError for an unknown --sdnotify or --cgroups.

    Every mode of --cgroups means the same for now: the container stays in its caller's cgroup.
    """
    if options.sdnotify not in SDNOTIFY:
        raise UsageError(f'invalid --sdnotify value "{options.sdnotify}"', hint=" ".join(SDNOTIFY))
    if options.cgroups not in CGROUPS:
        raise UsageError(f'invalid --cgroups value "{options.cgroups}"', hint=" ".join(CGROUPS))


def labels(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the label of a container that a unit makes."""
    unit = environment.get(UNIT)
    return {UNIT: unit} if unit else {}


def passes_socket(create: dict[str, Any]) -> bool:
    """Say whether the container itself talks to systemd (podman's default)."""
    return bool(create.get("options", {}).get("sdnotify", "container") == "container")


def with_socket(config: dict[str, Any], socket: str) -> dict[str, Any]:
    """Return the configuration with the service manager's socket in the container.

    The socket itself is bound, not one that relays: everything of sd_notify(3) works (watchdog,
    status, reload) for as long as the container lives, and no process stays for it. systemd takes
    the kernel's word for who speaks, so a number that the container makes up does no harm.
    An abstract socket (`@…`) belongs to a network namespace: only its name is passed.
    """
    process = config["process"]
    inside = socket if socket.startswith("@") else INSIDE
    env = [one for one in process["env"] if not one.startswith(f"{SOCKET}=")]
    changed = {**config, "process": {**process, "env": [*env, f"{SOCKET}={inside}"]}}
    if inside == INSIDE:
        options = ["bind", "rprivate", "nosuid", "noexec", "nodev"]
        changed["mounts"] = [
            *config["mounts"],
            {"destination": INSIDE, "type": "bind", "source": socket, "options": options},
        ]
    return changed


def message(create: dict[str, Any], monitor: int) -> str:
    """Return what the service manager is told once the container runs; empty: nothing."""
    mode = create.get("options", {}).get("sdnotify", "container")
    if mode == "ignore":
        return ""
    return f"MAINPID={monitor}\n" + ("READY=1\n" if mode == "conmon" else "")
