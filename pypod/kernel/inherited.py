# SPDX-License-Identifier: Apache-2.0
"""Descriptors that the caller's shell, or systemd, gave to this process for the container.

To be asked before this process opens anything: what it opens itself would be taken for the
caller's. What it opened is close-on-exec (PEP 446), what it inherited cannot be.
"""

from __future__ import annotations

import fcntl
import os

from pypod.errors import PypodError
from pypod.value import Value

FIRST = 3
MOST = 100
"""The monitor hands on 128, its own ones among them (libexec/monitor.h)."""


class Inherited(Value):
    """Descriptors from 3 on that the container's program gets at the same numbers."""

    count: int = 0
    environment: tuple[str, ...] = ()
    """LISTEN_FDS and LISTEN_FDNAMES, when sockets of systemd are among them (sd_listen_fds(3))."""

    @property
    def fds(self) -> range:
        """Their numbers."""
        return range(FIRST, FIRST + self.count)


NOTHING = Inherited()


def take(preserve: int = 0, *, activation: bool = True) -> Inherited:
    """Return what `--preserve-fds` names, after the sockets that systemd passed to this process.

    `activation` is false for a command that systemd's sockets are not meant for (exec). Raises
    PypodError for descriptors that are not there.
    """
    sockets = _activated() if activation else 0
    count = sockets + preserve
    if not count:
        return NOTHING
    if count > MOST:
        raise PypodError(f"cannot pass {count} file descriptors: {MOST} is the limit")
    for fd in range(FIRST, FIRST + count):
        try:
            ours = fcntl.fcntl(fd, fcntl.F_GETFD) & fcntl.FD_CLOEXEC
        except OSError:
            ours = 1
        if ours:
            raise PypodError(
                f"file descriptor {fd} is not open, and {count} from 3 on are to be passed",
                hint="the shell opens one with 3<FILE; --preserve-fds counts from 3",
            )
    environment: tuple[str, ...] = ()
    if sockets:
        environment = (f"LISTEN_FDS={sockets}",)
        if os.environ.get("LISTEN_FDNAMES"):
            environment += (f"LISTEN_FDNAMES={os.environ['LISTEN_FDNAMES']}",)
    return Inherited(count, environment)


def _activated() -> int:
    """Return how many sockets systemd passed to this very process, not to an ancestor."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return 0
    text = os.environ.get("LISTEN_FDS", "")
    return int(text) if text.isascii() and text.isdigit() else 0
