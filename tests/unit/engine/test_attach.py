# SPDX-License-Identifier: Apache-2.0
"""The client's loop; the test speaks the monitor's side of the socket."""

from __future__ import annotations

import _socket
import fcntl
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pypod.engine.attach import KeyFilter, Outcome, parse_keys, pump, wait
from pypod.errors import PypodError
from pypod.kernel.procfs import start_time
from pypod.runtime.attach import FRAME_MAX, STDIN_WINDOW, Channel

ROOT = Path(__file__).resolve().parents[3]
HELLO = b"h\x03"
EXIT_3 = b"x" + struct.pack("=ii", 3, 0)


class Pair:
    """A channel, and the monitor's end of it."""

    def __init__(self) -> None:
        ours, self.monitor = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.monitor.settimeout(10)
        self.channel = Channel(_socket.socket(fileno=ours.detach()))

    def frames(self, count: int) -> list[bytes]:
        return [self.monitor.recv(FRAME_MAX + 1) for _ in range(count)]


@pytest.fixture
def pair() -> Iterator[Pair]:
    opened = Pair()
    yield opened
    opened.channel.close()
    opened.monitor.close()


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    for fd in (reader, writer):
        try:
            os.close(fd)
        except OSError:
            pass


def carry(pair: Pair, **options: object) -> Outcome:
    chosen: dict[str, object] = {
        "stdin_fd": None,
        "stdout_fd": None,
        "stderr_fd": None,
        "sig_proxy": False,
        **options,
    }
    return pump(pair.channel, **chosen)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ctrl-p,ctrl-q", b"\x10\x11"),
        ("a", b"a"),
        ("a,b,c", b"abc"),
        ("ctrl-@", b"\0"),
        ("ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_", b"\x1b\x1c\x1d\x1e\x1f"),
        ("ctrl-A,CTRL-z", b"\x01\x1a"),
        ("", b""),
    ],
)
def test_detach_keys_are_read_as_podman_reads_them(text: str, expected: bytes) -> None:
    assert parse_keys(text) == expected


@pytest.mark.parametrize(
    "text", ["ctrl-", "ctrl-1", "ab", "ctrl-pp", "a,,b", "ctrl-p,", "ctrl-{", "ä"]
)
def test_wrong_detach_keys_are_one_clear_error(text: str) -> None:
    with pytest.raises(PypodError, match="invalid detach keys"):
        parse_keys(text)


@pytest.mark.parametrize(
    ("keys", "typed", "passed", "detached"),
    [
        pytest.param(b"\x10\x11", [b"ab"], b"ab", False, id="nothing special"),
        pytest.param(b"\x10\x11", [b"a\x10\x11b"], b"a", True, id="in one read"),
        pytest.param(b"\x10\x11", [b"\x10", b"\x11"], b"", True, id="in two reads"),
        pytest.param(b"\x10\x11", [b"\x10", b"x"], b"\x10x", False, id="begun and not finished"),
        pytest.param(b"\x10\x11", [b"\x10\x10\x11"], b"\x10", True, id="begun twice"),
        pytest.param(b"aab", [b"aaab"], b"a", True, id="overlapping"),
        pytest.param(b"", [b"\x10\x11"], b"\x10\x11", False, id="disabled"),
    ],
)
def test_detach_keys_are_found(
    keys: bytes, typed: list[bytes], passed: bytes, detached: bool
) -> None:
    watched = KeyFilter(keys)
    results = [watched.feed(data) for data in typed]
    assert b"".join(data for data, _ in results) == passed
    assert results[-1][1] is detached


def test_held_back_keys_come_out_at_the_end() -> None:
    watched = KeyFilter(b"\x10\x11")
    assert watched.feed(b"a\x10") == (b"a", False)
    assert watched.flush() == b"\x10"
    assert watched.flush() == b""


def test_output_goes_where_it_belongs(pair: Pair) -> None:
    out, err = os.pipe(), os.pipe()
    for frame in (b"oone\n", b"etwo\n", b"othree\n", EXIT_3):
        pair.monitor.send(frame)
    assert carry(pair, stdout_fd=out[1], stderr_fd=err[1]) == Outcome(code=3)
    assert os.read(out[0], 100) == b"one\nthree\n"
    assert os.read(err[0], 100) == b"two\n"
    for fd in (*out, *err):
        os.close(fd)


def test_output_that_nobody_wants_is_thrown_away(pair: Pair) -> None:
    for frame in (b"oone\n", b"etwo\n", EXIT_3):
        pair.monitor.send(frame)
    assert carry(pair) == Outcome(code=3)


def test_a_lost_monitor_is_an_outcome(pair: Pair) -> None:
    pair.monitor.close()
    assert carry(pair) == Outcome(lost=True)


def test_a_reader_that_left_is_an_error(pair: Pair, pipe: tuple[int, int]) -> None:
    os.close(pipe[0])
    pair.monitor.send(b"otext")
    with pytest.raises(BrokenPipeError):
        carry(pair, stdout_fd=pipe[1])


def test_a_full_nonblocking_stdout_is_waited_for(pair: Pair, pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    os.set_blocking(writer, False)
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    received = bytearray()

    def drain() -> None:
        while len(received) < 30000:
            received.extend(os.read(reader, 5000))

    for letter in b"abc":
        pair.monitor.send(b"o" + bytes((letter,)) * 10000)
    pair.monitor.send(EXIT_3)
    with Monitor(drain, pair):
        assert carry(pair, stdout_fd=writer) == Outcome(code=3)
    assert received == b"a" * 10000 + b"b" * 10000 + b"c" * 10000


class Monitor(threading.Thread):
    """Plays the monitor while the client's loop runs in the main thread (it owns the signals)."""

    def __init__(self, play: Callable[[], None], pair: Pair) -> None:
        super().__init__()
        self._play = play
        self._pair = pair
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self._play()
        except BaseException as error:
            self.error = error
            self._pair.monitor.close()  # else the loop would wait for ever

    def __enter__(self) -> Monitor:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.join(20)
        if self.error is not None:
            raise self.error


def test_stdin_is_sent_and_its_end_too(pair: Pair, pipe: tuple[int, int]) -> None:
    os.write(pipe[1], b"hello")
    os.close(pipe[1])
    seen: list[bytes] = []

    def play() -> None:
        seen.extend(pair.frames(3))
        pair.monitor.send(EXIT_3)

    with Monitor(play, pair):
        assert carry(pair, stdin_fd=pipe[0]) == Outcome(code=3)
    assert seen == [HELLO, b"ihello", b"i"]


def test_detach_keys_in_a_stream_that_is_no_terminal_are_data(
    pair: Pair, pipe: tuple[int, int]
) -> None:
    os.write(pipe[1], b"\x10\x11")
    seen: list[bytes] = []

    def play() -> None:
        seen.extend(pair.frames(2))
        pair.monitor.send(EXIT_3)

    with Monitor(play, pair):
        assert carry(pair, stdin_fd=pipe[0]) == Outcome(code=3)
    assert seen == [HELLO, b"i\x10\x11"]


def test_no_more_stdin_is_sent_than_the_window(pair: Pair) -> None:
    counts: list[int] = []

    def count_frames() -> int:
        count = 0
        while select.select([pair.monitor], [], [], 0.2)[0] and pair.monitor.recv(FRAME_MAX + 1):
            count += 1
        return count

    def play() -> None:
        assert pair.frames(1) == [HELLO]
        counts.append(count_frames())
        pair.monitor.send(b"c" + struct.pack("=i", 3))
        counts.append(count_frames())
        pair.monitor.send(EXIT_3)

    with open("/dev/zero", "rb", buffering=0) as zeros, Monitor(play, pair):
        assert carry(pair, stdin_fd=zeros.fileno()) == Outcome(code=3)
    assert counts == [STDIN_WINDOW, 3]


def test_a_closed_stdin_counts_as_its_end(pair: Pair) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    os.close(writer)

    def play() -> None:
        assert pair.frames(2) == [HELLO, b"i"]
        pair.monitor.send(EXIT_3)

    with Monitor(play, pair):
        assert carry(pair, stdin_fd=reader) == Outcome(code=3)


def test_signals_are_passed_on(pair: Pair) -> None:
    seen: list[bytes] = []
    before = signal.getsignal(signal.SIGTERM)

    def play() -> None:
        while signal.getsignal(signal.SIGTERM) == before:
            time.sleep(0.001)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
            os.kill(os.getpid(), number)
            seen.extend(pair.frames(1))
        pair.monitor.send(EXIT_3)

    with Monitor(play, pair):
        assert carry(pair, sig_proxy=True) == Outcome(code=3)
    assert seen == [b"k" + struct.pack("=I", number) for number in (15, 2, 10)]
    assert signal.getsignal(signal.SIGTERM) == before


def stuck(reader: int, size: int) -> bool:
    """Say whether that many bytes lie in the pipe."""
    return struct.unpack("i", fcntl.ioctl(reader, termios.FIONREAD, bytes(4)))[0] >= size


def test_a_signal_is_passed_on_while_stdout_is_stuck(pair: Pair, pipe: tuple[int, int]) -> None:
    before = signal.getsignal(signal.SIGTERM)

    def play() -> None:
        while signal.getsignal(signal.SIGTERM) == before:
            time.sleep(0.001)
        for _ in range(2):
            pair.monitor.send(b"o" + bytes(40000))  # the pipe takes about 65000
        while not stuck(pipe[0], 60000):
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGTERM)
        assert pair.frames(1) == [b"k" + struct.pack("=I", 15)]
        pair.monitor.send(EXIT_3)
        left = 80000
        while left:
            left -= len(os.read(pipe[0], 65536))

    with Monitor(play, pair):
        assert carry(pair, stdout_fd=pipe[1], sig_proxy=True) == Outcome(code=3)


def test_without_proxy_signals_are_ours(pair: Pair) -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    found: dict[int, object] = {}

    def play() -> None:
        time.sleep(0.05)
        found.update({number: signal.getsignal(number) for number in before})
        pair.monitor.send(EXIT_3)

    with Monitor(play, pair):
        carry(pair)
    assert found == before


# A client with a terminal, in a process of its own.

CLIENT = """
import sys, _socket
from pypod.engine.attach import pump
from pypod.runtime.attach import Channel
channel = Channel(_socket.socket(fileno=int(sys.argv[1])))
outcome = pump(channel, stdin_fd=0, stdout_fd=1, stderr_fd=2, tty=True, sig_proxy=False)
sys.exit(42 if outcome.detached else outcome.code)
"""


class Terminal:
    """A client on a pty, its controlling terminal."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.monitor = ours
        self.monitor.settimeout(10)
        self.master, self.slave = os.openpty()
        self.before = termios.tcgetattr(self.slave)
        self.resize(24, 80)
        theirs.set_inheritable(True)
        self.process = subprocess.Popen(
            [sys.executable, "-c", CLIENT, str(theirs.fileno())],
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
            env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
        )
        theirs.close()
        assert self.monitor.recv(100) == HELLO

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def is_raw(self) -> bool:
        return not termios.tcgetattr(self.slave)[3] & termios.ICANON

    def wait_raw(self, raw: bool = True) -> None:
        end = time.monotonic() + 10
        while self.is_raw() is not raw:
            assert time.monotonic() < end
            time.sleep(0.005)

    def ended(self) -> int:
        code = self.process.wait(10)
        assert termios.tcgetattr(self.slave) == self.before, "the terminal was not restored"
        return code

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for fd in (self.master, self.slave):
            os.close(fd)
        self.monitor.close()


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    opened = Terminal()
    yield opened
    opened.close()


def test_a_terminal_is_raw_meanwhile_and_restored(terminal: Terminal) -> None:
    assert terminal.monitor.recv(100) == b"w" + struct.pack("=HH", 24, 80)
    terminal.wait_raw()
    os.write(terminal.master, b"\x03")
    assert terminal.monitor.recv(100) == b"i\x03"
    terminal.monitor.send(EXIT_3)
    assert terminal.ended() == 3


def test_a_new_size_is_told(terminal: Terminal) -> None:
    terminal.monitor.recv(100)
    terminal.wait_raw()
    terminal.resize(50, 132)
    os.kill(terminal.process.pid, signal.SIGWINCH)
    assert terminal.monitor.recv(100) == b"w" + struct.pack("=HH", 50, 132)


def test_detach_keys_leave_the_container_alone(terminal: Terminal) -> None:
    terminal.monitor.recv(100)
    terminal.wait_raw()
    os.write(terminal.master, b"a\x10")
    assert terminal.monitor.recv(100) == b"ia"
    os.write(terminal.master, b"\x11")
    assert terminal.monitor.recv(100) == b"d"
    assert terminal.ended() == 42


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT])
def test_a_deadly_signal_restores_the_terminal_first(terminal: Terminal, number: int) -> None:
    terminal.wait_raw()
    os.kill(terminal.process.pid, number)
    assert terminal.ended() == -number


def test_a_stopped_client_gives_the_terminal_back_and_takes_it_again(terminal: Terminal) -> None:
    terminal.monitor.recv(100)
    terminal.wait_raw()
    os.kill(terminal.process.pid, signal.SIGTSTP)
    terminal.wait_raw(False)
    end = time.monotonic() + 10
    while (
        Path(f"/proc/{terminal.process.pid}/stat").read_text().rpartition(")")[2].split()[0] != "T"
    ):
        assert time.monotonic() < end
        time.sleep(0.005)
    os.kill(terminal.process.pid, signal.SIGCONT)
    terminal.wait_raw()
    assert terminal.monitor.recv(100)[:1] == b"w"
    terminal.monitor.send(EXIT_3)
    assert terminal.ended() == 3


def test_a_lost_monitor_restores_the_terminal(terminal: Terminal) -> None:
    terminal.wait_raw()
    terminal.monitor.close()
    terminal.ended()


# Waiting.


def test_waiting_takes_the_code_from_the_observer(pair: Pair) -> None:
    pair.monitor.send(b"p" + struct.pack("=i", 1))
    pair.monitor.send(EXIT_3)
    assert wait(pair.channel, monitor=(os.getpid(), 0), read_exit=lambda: None) == 3


def test_waiting_falls_back_to_the_record(pair: Pair) -> None:
    pair.monitor.close()
    assert wait(pair.channel, monitor=(os.getpid(), 0), read_exit=lambda: 9) == 9


def test_waiting_without_a_socket_ends_with_the_monitor() -> None:
    child = subprocess.Popen(["/bin/sleep", "0.1"])
    started = start_time(child.pid)
    assert started is not None
    code = wait(
        None,
        monitor=(child.pid, started),
        read_exit=lambda: 7 if start_time(child.pid) is None else None,
    )
    assert code == 7
    child.wait()


def test_nobody_knows_the_code_when_the_monitor_was_killed() -> None:
    child = subprocess.Popen(["/bin/sleep", "60"])
    started = start_time(child.pid)
    assert started is not None
    child.kill()
    assert wait(None, monitor=(child.pid, started), read_exit=lambda: None) is None
    child.wait()


def test_a_recorded_code_is_not_waited_for() -> None:
    assert wait(None, monitor=(os.getpid(), start_time(os.getpid()) or 0), read_exit=lambda: 5) == 5
