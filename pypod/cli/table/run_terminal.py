# SPDX-License-Identifier: Apache-2.0
"""Options of terminals, descriptors and time of run, create, start, exec and attach."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.cli.table import Option

TERMINAL_OPTIONS: tuple[Option, ...] = (
    ("--timeout", "timeout", "uint", "SECONDS", "Kill the container after this time; 0: never"),
)
"""Of run and create."""

PRESERVE_FDS: Option = (
    "--preserve-fds",
    "preserve_fds",
    "uint",
    "COUNT",
    "Pass so many file descriptors on, from 3 up",
)
