# SPDX-License-Identifier: Apache-2.0
"""Talking to a monitor: the packets of libexec/ATTACH.md over a SOCK_SEQPACKET socket."""

from __future__ import annotations

import _socket
import errno
import os
from _struct import Struct

from pypod.errors import LostMonitor, PypodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

FRAME_MAX = 65536
"""Payload bytes of one frame; a frame has one byte more, its type, in front."""
STDIN_WINDOW = 6
"""Stdin frames a client may send before they are acknowledged (the monitor keeps 8): signals sent
after them are never stuck behind bytes that the container does not read."""

WANT_OUTPUT = 1
SEND_STDIN = 2
OBSERVE = 4
"""Flags of `connect`: what the container writes, its stdin, or only its end."""

STARTED, REFUSED, STDOUT, STDERR, CREDIT, EXITED = b"proecx"
"""Types of the monitor's frames."""

_STDIN, _WINDOW, _SIGNAL, _DETACH, _HELLO = b"i", b"w", b"k", b"d", b"h"
_NUMBER = Struct("=i")
_EXIT = Struct("=ii")
_WINDOW_FRAME = Struct("=cHH")
_SIGNAL_FRAME = Struct("=cI")

BUFFER_SIZE = 1 << 20


def enlarge(socket: _socket.socket) -> None:
    """Let more frames be under way: fewer switches between us and the monitor."""
    socket.setsockopt(_socket.SOL_SOCKET, _socket.SO_SNDBUF, BUFFER_SIZE)


class Channel:
    """A connection to a monitor. Sends never raise: a monitor that is gone is seen by receiving."""

    def __init__(self, socket: _socket.socket, pid: int | None = None) -> None:
        self.socket = socket
        self.fd = socket.fileno()
        self.pid = pid
        """Of the monitor, when it is a child of this process."""

    def receive_into(self, buffer: bytearray | memoryview) -> int:
        """Receive one frame, type byte first; 0 when the monitor closed the connection."""
        try:
            return self.socket.recv_into(buffer)
        except ConnectionResetError:
            # The monitor ended with frames of ours unread: the kernel says so once, and then still
            # delivers what the monitor had sent (unix(7); seen for `yes | run -i IMG true`).
            pass
        try:
            return self.socket.recv_into(buffer)
        except ConnectionResetError:
            return 0

    def receive(self) -> tuple[int, bytes] | None:
        """Return the type and the payload of the next frame; None when there will be no more."""
        buffer = bytearray(FRAME_MAX + 1)
        size = self.receive_into(buffer)
        return (buffer[0], bytes(buffer[1:size])) if size else None

    def started(self, explain: Callable[[bytes], PypodError], name: str = "the container") -> int:
        """Wait until the container runs and return its pid.

        Raises what `explain` makes of the runtime's error record, or LostMonitor.
        """
        buffer = bytearray(1 + 256)
        while size := self.receive_into(buffer):
            if buffer[0] == STARTED:
                return int(_NUMBER.unpack_from(buffer, 1)[0])
            if buffer[0] == REFUSED:
                raise explain(bytes(buffer[1:size]))
            if buffer[0] == EXITED:
                break
        raise LostMonitor(name)

    def send(self, frame: bytes | bytearray | memoryview) -> bool:
        """Send one frame; False when nobody receives any more."""
        try:
            self.socket.send(frame, _socket.MSG_NOSIGNAL)
        except OSError:
            return False
        return True

    def send_stdin(self, data: bytes) -> bool:
        """Send at most FRAME_MAX bytes for the container's stdin; none means end of file."""
        return self.send(_STDIN + data)

    def send_window(self, rows: int, columns: int) -> bool:
        """Tell the size of the terminal."""
        return self.send(_WINDOW_FRAME.pack(_WINDOW, rows & 0xFFFF, columns & 0xFFFF))

    def send_signal(self, number: int) -> bool:
        """Have the monitor signal the container: never a stranger, it has not been reaped."""
        return self.send(_SIGNAL_FRAME.pack(_SIGNAL, number))

    def send_hello(self, flags: int) -> bool:
        """Say what this client wants; the channel of `spawn` wants output unless it says other."""
        return self.send(_HELLO + bytes((flags,)))

    def detach(self) -> None:
        """Leave without closing the container's stdin, and close the connection."""
        self.send(_DETACH)
        self.close()

    def close(self) -> None:
        """Close the connection; the container goes on."""
        self.socket.close()


def exit_of(frame: bytes | bytearray | memoryview) -> tuple[int, int]:
    """Return (code, signal) of an EXITED frame that begins with its type byte."""
    code, signal = _EXIT.unpack_from(frame, 1)
    return code, signal


def credit_of(frame: bytes | bytearray | memoryview) -> int:
    """Return how many stdin frames a CREDIT frame acknowledges."""
    return int(_NUMBER.unpack_from(frame, 1)[0])


def connect(run_dir: int | str, name: str, flags: int, container: str | None = None) -> Channel:
    """Attach to the monitor that listens as `name` in the run root. Raises PypodError.

    `container` is what errors call it.
    """
    noun = container or name
    try:
        directory = (
            os.open(run_dir, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            if isinstance(run_dir, str)
            else os.dup(run_dir)
        )
    except OSError as error:
        raise _unreachable(noun, error) from None
    socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET | _socket.SOCK_CLOEXEC)
    try:
        # Through a descriptor: sun_path holds 108 bytes, a runtime directory may be longer.
        socket.connect(f"/proc/self/fd/{directory}/{name}")
    except OSError as error:
        socket.close()
        raise _unreachable(noun, error) from None
    finally:
        os.close(directory)
    enlarge(socket)
    channel = Channel(socket)
    channel.send_hello(flags)
    return channel


def _unreachable(noun: str, error: OSError) -> PypodError:
    if error.errno in (errno.ENOENT, errno.ECONNREFUSED):
        return PypodError(
            f"cannot attach to {noun}: its socket is gone",
            hint="the runtime directory was removed or the container just ended; "
            "logs, stop and rm still work",
        )
    return PypodError(f"cannot attach to {noun}: {error.strerror}")
