# SPDX-License-Identifier: Apache-2.0
"""The caller's terminal: its size, and raw mode that is undone on every path."""

from __future__ import annotations

import _signal
import errno
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any


def window_size(fd: int) -> tuple[int, int] | None:
    """Return (rows, columns) of the terminal at `fd`; None when it is none (ioctl_tty(2))."""
    try:
        columns, rows = os.get_terminal_size(fd)
    except OSError:
        return None
    return rows, columns


class Raw:
    """Raw mode of a terminal for a `with` block: every key goes to the container.

    `restore` and `enter` may be called in between (a stop signal), any number of times. Nothing
    happens for a descriptor that is no terminal. With `keys` false only output is raw: the
    container's terminal has made CR LF of LF already, while Ctrl-C remains ours (`run -t` without
    `-i`; podman makes the keyboard raw there too, and nothing can be interrupted).
    """

    def __init__(self, fd: int, *, keys: bool = True) -> None:
        self.fd = fd
        self._saved: list[Any] | None = None
        self._raw: list[Any] | None = None
        self._ours: list[Any] | None = None
        if not os.isatty(fd):
            return
        # Imported here: only clients with a terminal pay for it.
        import termios as t

        self._saved = t.tcgetattr(fd)
        iflag, oflag, cflag, lflag, ispeed, ospeed, control = t.tcgetattr(fd)
        # What cfmakeraw(3) does.
        oflag &= ~t.OPOST
        if keys:
            iflag &= ~(t.IGNBRK | t.BRKINT | t.PARMRK | t.ISTRIP)
            iflag &= ~(t.INLCR | t.IGNCR | t.ICRNL | t.IXON)
            lflag &= ~(t.ECHO | t.ECHONL | t.ICANON | t.ISIG | t.IEXTEN)
            cflag = (cflag & ~(t.CSIZE | t.PARENB)) | t.CS8
            control = [*control]
            control[t.VMIN], control[t.VTIME] = 1, 0
        self._raw = [iflag, oflag, cflag, lflag, ispeed, ospeed, control]

    def enter(self) -> None:
        """Switch to raw mode (again).

        In the background this process is stopped by SIGTTOU until the shell brings it forward.
        """
        if self._raw is not None:
            self._apply(self._raw)
            self._ours = self._attributes()

    def restore(self) -> None:
        """Put the terminal back as it was found.

        Not in the background, once somebody else has set it: it is the shell's now, which may be
        reading a line with modes of its own.
        """
        if self._saved is None or (self._in_background() and self._attributes() != self._ours):
            return
        # A background process that sets a terminal is stopped by SIGTTOU; it must not be now, it
        # may be about to end.
        previous = _signal.signal(_signal.SIGTTOU, _signal.SIG_IGN)
        try:
            self._apply(self._saved)
        finally:
            _signal.signal(_signal.SIGTTOU, previous)

    def _in_background(self) -> bool:
        try:
            return os.tcgetpgrp(self.fd) != os.getpgrp()
        except OSError:
            return False  # not the terminal that controls us: nobody's shell shares it

    def _attributes(self) -> list[Any] | None:
        import termios

        try:
            return termios.tcgetattr(self.fd)
        except termios.error:
            return None

    def _apply(self, attributes: list[Any]) -> None:
        import termios

        while True:
            try:
                return termios.tcsetattr(self.fd, termios.TCSADRAIN, attributes)
            except termios.error as error:
                if error.args[0] != errno.EINTR:  # stopped and continued, with a handler
                    return  # EIO and the like: the terminal is gone, nothing can be put back

    def __enter__(self) -> Raw:
        self.enter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.restore()
