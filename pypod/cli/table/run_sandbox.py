# SPDX-License-Identifier: Apache-2.0
"""Options of run and create for the sandbox: rights, devices, limits, and what is in the process.

The tuples are described in cli/table/__init__.py.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.cli.table import Option

SANDBOX_OPTIONS: tuple[Option, ...] = (
    ("--annotation", "annotation", "list", "NAME=VALUE", "Set an annotation of config.json"),
    (
        "--device",
        "device",
        "csv",
        "HOST[:DIR][:rwm]",
        "Give a device of the host, or all of a directory, with the rights its mode gives",
    ),
    ("--env-host", "env_host", "bool", "", "Pass on the whole environment of the caller"),
    (
        "--group-add",
        "group_add",
        "csv",
        "GROUP",
        "Add a group, name or number; keep-groups keeps those of the caller",
    ),
    ("--label-file", "label_file", "csv", "FILE", "Read labels from a file, one a line"),
    (
        "--rootfs",
        "rootfs",
        "bool",
        "",
        "Take the first word for a directory and not an image; DIR:O leaves it untouched",
    ),
    (
        "--security-opt",
        "security_opt",
        "list",
        "OPTION",
        "seccomp=FILE|unconfined, no-new-privileges, mask=PATHS, unmask=ALL|PATHS, proc-opts=,"
        " label=, apparmor=",
    ),
    ("--sysctl", "sysctl", "csv", "NAME=VALUE", "Set a kernel setting of the container's own"),
    ("--tz", "tz", "str", "ZONE|local", "Time zone of the container"),
    (
        "--ulimit",
        "ulimit",
        "list",
        "NAME=SOFT[:HARD]|host",
        "Set a limit of the process; host keeps the caller's",
    ),
    ("--umask", "umask", "str", "MODE", "File mode creation mask, octal (default 0022)"),
    ("--unsetenv", "unsetenv", "csv", "NAME", "Unset a variable of the image or of pypod"),
    ("--unsetenv-all", "unsetenv_all", "bool", "", "Unset every variable of image and pypod"),
)
