# SPDX-License-Identifier: Apache-2.0
"""Passing streams for run, start -a, attach and exec, also when nobody reads our output."""

from __future__ import annotations

import errno
import time

from pypod.engine import attach
from pypod.engine.attach import DETACH_KEYS, Outcome
from pypod.errors import LetGo, LostMonitor, NoSuchContainer, PypodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pypod.runtime.attach import Channel
    from pypod.store.objects import Container

_DYING = 25
"""Looks at a monitor, 20 ms apart, before it counts as one that lives."""
_SIGPIPE = 13
READER_GONE = 128 + _SIGPIPE
"""What a shell shows for a program that wrote to nobody, as `yes | head` does."""


def keys_of(typed: str | None, tty: bool) -> str:
    """Return the detach keys: as typed, else containers.conf's, else podman's default.

    Only a terminal has any. Raises PypodError for what are no keys: to be asked for before
    anything is made or run.
    """
    keys, source = typed, ""
    if keys is None and tty:
        from pypod.kernel import containers_conf

        keys, source = containers_conf.detach_keys() or (DETACH_KEYS, "")
    try:
        attach.parse_keys(keys or "")
    except PypodError as error:
        error.message = f"{source}: {error.message}" if source else error.message
        raise
    return keys or ""


def carry(
    channel: Channel,
    *,
    stdin: bool,
    stdout: bool = True,
    stderr: bool = True,
    tty: bool,
    detach_keys: str,
    sig_proxy: bool,
    redraw: bool = False,
    give_up: Callable[[], None],
) -> Outcome:
    """Pass streams until the process ends, the user detaches, or our output cannot be written.

    Then `give_up` ends what only served this client (`--rm`, exec), and the exit code is 141;
    another error than a reader that has gone is a PypodError. Without this `run --rm IMG yes |
    head -1` would fill the disk with a log that nobody asked for.
    """
    try:
        return attach.pump(
            channel,
            stdin_fd=0 if stdin else None,
            stdout_fd=1 if stdout else None,
            stderr_fd=2 if stderr else None,
            tty=tty,
            detach_keys=detach_keys,
            sig_proxy=sig_proxy and not tty,
            redraw=redraw,
        )
    except OSError as error:
        if tty and error.errno == errno.EIO:  # the terminal hung up: as after SIGHUP, it goes on
            channel.detach()
            return Outcome(detached=True)
        try:
            give_up()
        except NoSuchContainer:
            pass
        if error.errno == errno.EPIPE:
            return Outcome(code=READER_GONE)
        raise PypodError(f"writing the output: {error.strerror}") from None


def lost(container: Container) -> PypodError:
    """Return why the connection ended without an exit code: the monitor ended, or let us go."""
    # A killed process closes its sockets some moments before /proc says that it is dead.
    for _moment in range(_DYING):
        status = container.status()
        if not status.alive or status.unmonitored:
            return LostMonitor(container.name)
        time.sleep(0.02)
    return LetGo(container.name)


def end_session(channel: Channel) -> None:
    """Tell an exec session that its reader has gone, as a pipe would have."""
    channel.send_signal(_SIGPIPE)
    channel.close()
