# SPDX-License-Identifier: Apache-2.0
"""The commands of `generate`. The tuples are described in cli/table/__init__.py."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.cli.table import Command

COMMANDS: dict[str, Command] = {
    "generate systemd": (
        "pypod.cli.generate:systemd",
        "Write a systemd unit that runs a container",
        "CONTAINER",
        (
            ("--after", "after", "list", "UNIT", "Start after this unit"),
            (
                "--container-prefix",
                "container_prefix",
                "str",
                "WORD",
                "What the unit's name begins with",
                "container",
            ),
            ("--env -e", "env", "list", "NAME=VALUE", "Set a variable for the unit"),
            ("--files -f", "files", "bool", "", "Write NAME.service here, print its path"),
            ("--format", "format", "str", "json", "Print JSON: names and texts, or paths"),
            ("--name -n", "name", "bool", "", "Call container and unit by name, not by id"),
            ("--new", "new", "bool", "", "Make the container anew at each start"),
            ("--no-header", "no_header", "bool", "", "Leave out the line that names pypod"),
            ("--requires", "requires", "list", "UNIT", "Start this unit too; fail without it"),
            (
                "--restart-policy",
                "restart_policy",
                "str",
                "POLICY",
                "When systemd starts it again: no, on-failure, always …",
                "on-failure",
            ),
            ("--restart-sec", "restart_sec", "optuint", "SECONDS", "Wait before that"),
            (
                "--separator",
                "separator",
                "str",
                "WORD",
                "What is between prefix and name",
                "-",
            ),
            ("--start-timeout", "start_timeout", "optuint", "SECONDS", "Patience of a start"),
            (
                "--stop-timeout --time -t",
                "stop_timeout",
                "optuint",
                "SECONDS",
                "Patience of stop before KILL [default: the container's]",
            ),
            ("--template", "template", "bool", "", "Write NAME@.service for many (with --new)"),
            ("--wants", "wants", "list", "UNIT", "Start this unit too"),
        ),
    ),
}
