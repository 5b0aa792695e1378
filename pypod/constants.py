# SPDX-License-Identifier: Apache-2.0
"""Numbers that Python and the C helpers share; tests/unit/test_proto.py compares with proto.h."""

from __future__ import annotations

PLAN_VERSION = "pypod-plan/1"

# Descriptors of a runtime started by pypod-monitor (libexec/ATTACH.md).
FD_STATUS = 3
FD_CONSOLE = 4
FD_EXE = 6
FD_PLAN = 7
FD_BPF = 8
FD_PIDFD = 9
FD_PRESERVE = 10

# Descriptors of pypod-monitor itself.
FD_CHANNEL = 3
FD_RECORD = 4
FD_SOCKETS = 5

# The status record.
RECORD_MAGIC = 0x50595030
RECORD_SIZE = 256
RECORD_PID = 1
RECORD_ERROR = 2
RECORD_NAMESPACES = 3

STAGE_PLAN = 1
STAGE_CLONE = 2
STAGE_IDMAP = 3
STAGE_SETUP = 4
STAGE_USER = 5
STAGE_EXEC = 6
STAGE_NETWORK = 7


def start_exit_code(stage: int, err: int) -> int:
    """Return the exit code of a failed start: 127 not found, 126 not invocable, else 125."""
    if stage != STAGE_EXEC:
        return 125
    return 127 if err in (2, 20) else 126  # ENOENT, ENOTDIR
