# SPDX-License-Identifier: Apache-2.0
"""The client's packets; the test speaks the monitor's side of the socket."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from pypod.errors import LostMonitor, PypodError
from pypod.runtime import attach


@pytest.fixture
def pair() -> Iterator[tuple[attach.Channel, socket.socket]]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    import _socket

    channel = attach.Channel(_socket.socket(fileno=ours.detach()))
    yield channel, theirs
    channel.close()
    theirs.close()


Pair = tuple[attach.Channel, socket.socket]


def test_every_frame_begins_with_its_type(pair: Pair) -> None:
    channel, monitor = pair
    channel.send_stdin(b"abc")
    channel.send_stdin(b"")
    channel.send_window(24, 80)
    channel.send_signal(15)
    channel.send_hello(attach.WANT_OUTPUT | attach.SEND_STDIN)
    channel.detach()
    frames = [monitor.recv(100) for _ in range(7)]
    assert frames == [
        b"iabc",
        b"i",
        b"w" + struct.pack("=HH", 24, 80),
        b"k" + struct.pack("=I", 15),
        b"h\x03",
        b"d",
        b"",
    ]


def test_started_returns_the_pid(pair: Pair) -> None:
    channel, monitor = pair
    monitor.send(b"p" + struct.pack("=i", 4242))
    assert channel.started(lambda record: PypodError("no")) == 4242


def test_started_raises_what_the_record_means(pair: Pair) -> None:
    channel, monitor = pair
    monitor.send(b"r" + bytes(256))
    with pytest.raises(PypodError, match="256 bytes"):
        channel.started(lambda record: PypodError(f"{len(record)} bytes"))


def test_started_of_a_dead_monitor_names_the_container(pair: Pair) -> None:
    channel, monitor = pair
    monitor.close()
    with pytest.raises(LostMonitor, match="lost the monitor of web; exit status unknown"):
        channel.started(lambda record: PypodError("no"), "web")


def test_the_last_frames_arrive_although_ours_were_not_read(pair: Pair) -> None:
    """The kernel says ECONNRESET first when the monitor ends with unread frames of ours."""
    channel, monitor = pair
    channel.send_stdin(b"never read")
    monitor.send(b"olast words")
    monitor.send(b"x" + struct.pack("=ii", 3, 0))
    monitor.close()
    assert channel.receive() == (attach.STDOUT, b"last words")
    received = channel.receive()
    assert received is not None
    assert attach.exit_of(b"x" + received[1]) == (3, 0)
    assert channel.receive() is None


def test_sending_to_a_dead_monitor_is_false_and_no_error(pair: Pair) -> None:
    channel, monitor = pair
    monitor.close()
    assert not channel.send_stdin(b"x")
    assert not channel.send_signal(1)


def test_connecting_without_a_directory_says_what_still_works(tmp_path: Path) -> None:
    with pytest.raises(PypodError, match="cannot attach to web: its socket is gone") as caught:
        attach.connect(str(tmp_path / "none"), "socket", attach.OBSERVE, "web")
    assert "logs, stop and rm still work" in (caught.value.hint or "")


def test_connecting_to_a_dead_socket_is_the_same_error(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as dead:
        dead.bind(str(tmp_path / "socket"))
    with pytest.raises(PypodError, match="its socket is gone"):
        attach.connect(str(tmp_path), "socket", attach.OBSERVE)


def test_connect_says_hello(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(tmp_path / "socket"))
        listener.listen()
        channel = attach.connect(str(tmp_path), "socket", attach.WANT_OUTPUT)
        monitor, _ = listener.accept()
        assert monitor.recv(10) == b"h\x01"
        channel.close()
        monitor.close()
