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
    ("--cgroupns", "cgroupns", "str", "MODE", "private, or host"),
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
    (
        "--ipc",
        "ipc",
        "str",
        "MODE",
        "Shared memory and queues: private, shareable, host, or none",
    ),
    ("--label-file", "label_file", "csv", "FILE", "Read labels from a file, one a line"),
    (
        "--oom-score-adj",
        "oom_score_adj",
        "int",
        "NUMBER",
        "How soon it is killed when memory is short, -1000 to 1000; only ever raised",
    ),
    ("--personality", "personality", "str", "LINUX32", "Execution domain: LINUX or LINUX32"),
    ("--pid", "pid", "str", "MODE", "Processes that it sees: private, or host"),
    (
        "--read-only-tmpfs",
        "read_only_tmpfs",
        "bool",
        "",
        "With --read-only, let /dev, /dev/shm, /run, /tmp and /var/tmp be written",
        True,
    ),
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
    (
        "--systemd",
        "systemd",
        "str",
        "true|false|always",
        "Prepare for an init system: when the command is one, never, or always",
        "true",
    ),
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
    ("--uts", "uts", "str", "MODE", "Host name: private, or host"),
)
