# SPDX-License-Identifier: Apache-2.0
"""Raw mode is undone on every path."""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import termios
from collections.abc import Iterator

import pytest

from pypod.kernel.tty import Raw, window_size


@pytest.fixture
def terminal() -> Iterator[int]:
    master, slave = os.openpty()
    yield slave
    os.close(master)
    os.close(slave)


def test_the_size_of_a_terminal(terminal: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    assert window_size(terminal) == (40, 100)


def test_what_is_no_terminal_has_no_size() -> None:
    with open("/dev/null") as null:
        assert window_size(null.fileno()) is None


def test_raw_mode_is_what_cfmakeraw_sets(terminal: int) -> None:
    with Raw(terminal):
        iflag, oflag, cflag, lflag, _, _, control = termios.tcgetattr(terminal)
    assert not iflag & (termios.ICRNL | termios.IXON | termios.BRKINT | termios.ISTRIP)
    assert not oflag & termios.OPOST
    assert cflag & termios.CSIZE == termios.CS8
    assert not lflag & (termios.ECHO | termios.ICANON | termios.ISIG | termios.IEXTEN)
    assert control[termios.VMIN] == 1


def test_without_keys_only_output_is_raw(terminal: int) -> None:
    before = termios.tcgetattr(terminal)
    with Raw(terminal, keys=False):
        inside = termios.tcgetattr(terminal)
    assert not inside[1] & termios.OPOST
    assert [*inside[:1], *inside[2:]] == [*before[:1], *before[2:]]


def test_the_terminal_is_restored(terminal: int) -> None:
    before = termios.tcgetattr(terminal)
    with Raw(terminal):
        assert termios.tcgetattr(terminal) != before
    assert termios.tcgetattr(terminal) == before


def test_the_terminal_is_restored_after_an_error(terminal: int) -> None:
    before = termios.tcgetattr(terminal)
    with pytest.raises(ZeroDivisionError), Raw(terminal):
        raise ZeroDivisionError
    assert termios.tcgetattr(terminal) == before


def test_raw_mode_can_be_left_and_entered_again(terminal: int) -> None:
    before = termios.tcgetattr(terminal)
    with Raw(terminal) as raw:
        inside = termios.tcgetattr(terminal)
        raw.restore()
        assert termios.tcgetattr(terminal) == before
        raw.enter()
        assert termios.tcgetattr(terminal) == inside
    assert termios.tcgetattr(terminal) == before


def test_what_is_no_terminal_is_left_alone() -> None:
    with open("/dev/null") as null, Raw(null.fileno()) as raw:
        raw.restore()


def test_a_terminal_that_is_gone_is_no_error() -> None:
    master, slave = os.openpty()
    with Raw(slave):
        os.close(master)
        os.close(slave)


def test_the_handler_of_ttou_is_kept(terminal: int) -> None:
    before = signal.getsignal(signal.SIGTTOU)
    with Raw(terminal):
        pass
    assert signal.getsignal(signal.SIGTTOU) == before
