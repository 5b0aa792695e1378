# SPDX-License-Identifier: Apache-2.0
"""The client's side of a container's terminal: bytes, window size, signals, detach keys.

One loop over one poll: everything the loop does is a read and a write of up to 64 KiB, because
1 GiB through `run -i IMG cat` goes through here twice.
"""

from __future__ import annotations

import _signal
import os
import select

from pypod.errors import PypodError
from pypod.kernel.procfs import open_process
from pypod.kernel.tty import Raw, window_size
from pypod.runtime.attach import (
    CREDIT,
    EXITED,
    FRAME_MAX,
    REFUSED,
    SEND_STDIN,
    STDERR,
    STDIN_WINDOW,
    STDOUT,
    WANT_OUTPUT,
    credit_of,
    exit_of,
)
from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType
    from typing import Any

    from pypod.runtime.attach import Channel

DETACH_KEYS = "ctrl-p,ctrl-q"
"""podman's and docker's default."""

_NOT_PROXIED = frozenset(
    getattr(_signal, name)
    for name in (
        # Cannot be caught, or speak of this process alone.
        *("SIGKILL", "SIGSTOP", "SIGCHLD", "SIGURG", "SIGPIPE", "SIGTTIN", "SIGTTOU"),
        # Faults of this process: a Python handler would return into them for ever.
        *("SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL"),
    )
)
_DEADLY = (_signal.SIGHUP, _signal.SIGINT, _signal.SIGQUIT, _signal.SIGTERM)


class Outcome(Value):
    """How an attachment ended."""

    code: int | None = None
    """The container's exit code, None when it goes on or nobody knows."""
    detached: bool = False
    """The user typed the detach keys; the container goes on."""
    lost: bool = False
    """The monitor ended without telling the exit code (engine.attach.wait may find it)."""


def parse_keys(text: str) -> bytes:
    """Return the bytes of detach keys such as "ctrl-p,ctrl-q" or "a"; "" disables detaching.

    Raises PypodError.
    """
    keys = bytearray()
    for key in text.split(",") if text else ():
        character = key[5:].upper() if key[:5].lower() == "ctrl-" else ""
        if len(key) == 1 and key.isascii():
            keys.append(ord(key))
        elif len(character) == 1 and "@" <= character <= "_":
            keys.append(ord(character) - ord("@"))
        else:
            raise PypodError(
                f'invalid detach keys "{text}": "{key}" is no key',
                hint='keys are single characters or ctrl-X, separated by commas, "" for none',
            )
    return bytes(keys)


class KeyFilter:
    """Watches for the detach keys. The beginning of them is held back until it is clear."""

    def __init__(self, keys: bytes) -> None:
        self._keys = keys
        self._held = b""

    def feed(self, data: bytes) -> tuple[bytes, bool]:
        """Return what to pass on, and whether the keys are complete (the rest is dropped then)."""
        if not self._keys:
            return data, False
        passed = bytearray()
        held = self._held
        for value in data:
            held += bytes((value,))
            while not self._keys.startswith(held):
                passed.append(held[0])
                held = held[1:]
            if held == self._keys:
                self._held = b""
                return bytes(passed), True
        self._held = held
        return bytes(passed), False

    def flush(self) -> bytes:
        """Return what is held back: no more keys will come."""
        held, self._held = self._held, b""
        return held


class _Signals:
    """Signals of the attached client. Handlers act at once, also during a blocked write.

    No self-pipe: a handler sends its own packet, and `poll` is resumed after it (PEP 475).
    """

    def __init__(self, channel: Channel, raw: Raw | None, size_fd: int | None, proxy: bool) -> None:
        self._channel = channel
        self._raw = raw
        self._size_fd = size_fd
        self._previous: dict[int, Any] = {}
        self._handlers: dict[int, Callable[[int, FrameType | None], None]] = {}
        if proxy:
            for number in sorted(_signal.valid_signals() - _NOT_PROXIED):
                self._handlers[int(number)] = self._forward
        elif raw is not None:
            for number in _DEADLY:
                self._handlers[number] = self._die
            self._handlers[_signal.SIGTSTP] = self._pause
            self._handlers[_signal.SIGCONT] = self._resume
        if size_fd is not None:
            self._handlers[_signal.SIGWINCH] = self._resize

    def _forward(self, number: int, frame: FrameType | None) -> None:
        self._channel.send_signal(number)

    def _resize(self, number: int, frame: FrameType | None) -> None:
        self.tell_size()

    def tell_size(self, narrower: int = 0) -> None:
        """Send the size of the terminal, if there is one; `narrower` by so many columns."""
        size = window_size(self._size_fd) if self._size_fd is not None else None
        if size is not None:
            self._channel.send_window(size[0], max(size[1] - narrower, 1))

    def _die(self, number: int, frame: FrameType | None) -> None:
        """Die of the signal after all, with the terminal put back."""
        if self._raw is not None:
            self._raw.restore()
        _signal.signal(number, _signal.SIG_DFL)
        os.kill(os.getpid(), number)

    def _pause(self, number: int, frame: FrameType | None) -> None:
        """Stop, with the terminal put back for the shell."""
        if self._raw is not None:
            self._raw.restore()
        os.kill(os.getpid(), _signal.SIGSTOP)

    def _resume(self, number: int, frame: FrameType | None) -> None:
        """Go on where we were, also after a SIGSTOP: the shell has set its own modes since."""
        if self._raw is not None:
            self._raw.enter()
        self.tell_size()

    def __enter__(self) -> _Signals:
        for number, handler in self._handlers.items():
            self._previous[number] = _signal.signal(number, handler)
        self.tell_size()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, previous in self._previous.items():
            _signal.signal(number, previous if previous is not None else _signal.SIG_DFL)


def pump(
    channel: Channel,
    *,
    stdin_fd: int | None,
    stdout_fd: int | None,
    stderr_fd: int | None,
    tty: bool = False,
    detach_keys: str = DETACH_KEYS,
    sig_proxy: bool = True,
    redraw: bool = False,
) -> Outcome:
    """Carry bytes between our descriptors and the container until it ends or the user detaches.

    `tty` says that the container has a terminal: ours, if `stdin_fd` is one, is raw meanwhile, and
    detach keys count (only then: a binary stream may contain them). A descriptor that is None is
    not read, or what belongs there is thrown away. `redraw` says that a program may be there that
    has drawn its screen already: it is made to do it again. Raises BrokenPipeError when our
    reader is gone, OSError for other failed writes, PypodError for bad keys.
    """
    keys = KeyFilter(parse_keys(detach_keys)) if tty else None
    if stdin_fd is not None:
        # Said before the first byte: a client that is killed now ends the container's stdin too.
        channel.send_hello(WANT_OUTPUT | SEND_STDIN)
    terminal = next((fd for fd in (stdin_fd, stdout_fd) if fd is not None and os.isatty(fd)), None)
    if not tty or terminal is None:
        with _Signals(channel, None, None, sig_proxy):
            return _carry(channel, stdin_fd, stdout_fd, stderr_fd, keys)
    raw = Raw(terminal, keys=terminal == stdin_fd)
    with _Signals(channel, raw, terminal, sig_proxy) as signals, raw:
        if redraw:
            signals.tell_size(narrower=1)
        resize = signals.tell_size if redraw else None
        return _carry(channel, stdin_fd, stdout_fd, stderr_fd, keys, resize)


_REDRAWN = 100
"""Milliseconds that a program has to draw for another size before it is told the true one."""


def _carry(
    channel: Channel,
    stdin_fd: int | None,
    stdout_fd: int | None,
    stderr_fd: int | None,
    keys: KeyFilter | None,
    resize: Callable[[], None] | None = None,
) -> Outcome:
    buffer = bytearray(FRAME_MAX + 1)
    frame = memoryview(buffer)
    hangs_up = keys is not None and stdin_fd is not None and os.isatty(stdin_fd)
    stdin = _Stdin(channel, stdin_fd, keys, hangs_up)
    poller = select.poll()
    poller.register(channel.fd, select.POLLIN)
    receive, poll, channel_fd = channel.receive_into, poller.poll, channel.fd
    patience = _REDRAWN if resize else None
    while True:
        stdin.update(poller)
        ready = poll(patience)
        # Before any key: what is typed must not find the size that is not true.
        if resize and (not ready or buffer[0] == STDOUT or ready != [(channel_fd, select.POLLIN)]):
            resize()
            resize = patience = None
        for fd, _event in ready:
            if fd != channel_fd:
                if stdin.forward():
                    channel.detach()
                    return Outcome(detached=True)
                continue
            size = receive(buffer)
            kind = buffer[0]
            if size == 0:
                return Outcome(lost=True)
            if kind == STDOUT:
                if stdout_fd is not None:
                    write_all(stdout_fd, frame[1:size])
            elif kind == STDERR:
                if stderr_fd is not None:
                    write_all(stderr_fd, frame[1:size])
            elif kind == CREDIT:
                stdin.credit += credit_of(buffer)
            elif kind == EXITED:
                return Outcome(code=exit_of(buffer)[0])
            elif kind == REFUSED:
                return Outcome(lost=True)


class _Stdin:
    """Our stdin on its way to the container, a window of frames at most."""

    def __init__(
        self, channel: Channel, fd: int | None, keys: KeyFilter | None, hangs_up: bool
    ) -> None:
        self.credit = STDIN_WINDOW
        self._channel = channel
        self._fd = fd
        self._keys = keys
        self._hangs_up = hangs_up
        """A raw terminal knows no end of file: it is that nobody sits there any more."""
        self._frame = bytearray(b"i") + bytearray(FRAME_MAX)
        self._view = memoryview(self._frame)
        self._space = [self._view[1:]]
        self._polled: int | None = None

    def update(self, poller: select.poll) -> None:
        """Listen to stdin when, and only when, more may be sent."""
        wanted = self._fd if self.credit > 0 else None
        if wanted == self._polled:
            return
        if self._polled is not None:
            poller.unregister(self._polled)
        if wanted is not None:
            poller.register(wanted, select.POLLIN)
        self._polled = wanted

    def forward(self) -> bool:
        """Send what can be read; True when the user typed the detach keys, or hung up."""
        assert self._fd is not None
        try:
            size = os.readv(self._fd, self._space)
        except BlockingIOError:
            return False
        except OSError:
            size = 0  # EIO: the terminal is gone, or it is not ours to read
        if size == 0 and self._hangs_up:
            return True
        if size == 0:
            if self._keys is not None and (held := self._keys.flush()):
                self._channel.send_stdin(held)
            self._channel.send_stdin(b"")
            self._fd = None
            return False
        if self._keys is None:
            self.credit -= 1
            if not self._channel.send(self._view[: size + 1]):
                self._fd = None
            return False
        passed, detached = self._keys.feed(bytes(self._view[1 : size + 1]))
        if passed:
            self.credit -= 1
            self._channel.send_stdin(passed)
        return detached


def write_all(fd: int, data: memoryview) -> None:
    """Write everything, also to a descriptor that another process made non-blocking."""
    while data:
        try:
            data = data[os.write(fd, data) :]
        except BlockingIOError:
            poller = select.poll()
            poller.register(fd, select.POLLOUT)
            poller.poll()


def wait(
    channel: Channel | None,
    *,
    monitor: tuple[int, int],
    read_exit: Callable[[], int | None],
) -> int | None:
    """Wait for a container's end and return its exit code; None when nobody knows it.

    `channel` is an observer's connection, or None where there is no socket; `monitor` is the pid
    and start time of the monitor; `read_exit` returns the recorded code of this run once it is
    there.
    """
    while channel is not None:
        received = channel.receive()
        if received is None:
            break
        if received[0] == EXITED:
            return exit_of(b"x" + received[1])[0]
    # The record is written before anyone is told, so it is there, unless the monitor was killed.
    pidfd = open_process(*monitor)
    try:
        poller = select.poll()
        if pidfd is not None:
            poller.register(pidfd, select.POLLIN)
        while (code := read_exit()) is None:
            if pidfd is None or poller.poll(_LOOK_AGAIN):
                return read_exit()
        return code
    finally:
        if pidfd is not None:
            os.close(pidfd)


_LOOK_AGAIN = 250
"""Milliseconds: a monitor may outlive its container by as long as a client is slow to read."""
