# SPDX-License-Identifier: Apache-2.0
"""Options of run and create that matter under systemd."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.cli.table import Option

UNIT_OPTIONS: tuple[Option, ...] = (
    (
        "--cgroups",
        "cgroups",
        "str",
        "MODE",
        "enabled, disabled, no-conmon or split; pypod makes no cgroup yet",
        "enabled",
    ),
    ("--conmon-pidfile", "conmon_pidfile", "str", "FILE", "Write the monitor's process id"),
    (
        "--sdnotify",
        "sdnotify",
        "str",
        "container|conmon|ignore",
        "Who tells systemd that the service is ready",
        "container",
    ),
)
