# SPDX-License-Identifier: Apache-2.0
"""Clients of pypod-monitor: back-pressure, stdin, attach, detach, terminals."""

from __future__ import annotations

import os
import shutil
import signal
import time

import pytest
from monitored import Session, collect, within

from pypod.errors import PypodError
from pypod.runtime import attach

ECHO = "while read line; do echo got $line; done; echo eof"


def expect(channel: attach.Channel, kind: int) -> bytes:
    """Return the payload of the next frame of this type."""
    while received := channel.receive():
        if received[0] == kind:
            return received[1]
    raise AssertionError("the monitor ended")


def read_until(channel: attach.Channel, wanted: bytes) -> bytes:
    seen = b""
    while wanted not in seen:
        seen += expect(channel, attach.STDOUT)
    return seen


def test_stdin_reaches_the_container_and_ends(session: Session) -> None:
    channel = session.shell(ECHO, stdin_once=True)
    channel.send_stdin(b"a\nb\n")
    channel.send_stdin(b"")
    assert collect(channel)[0][attach.STDOUT] == b"got a\ngot b\neof\n"


def test_a_killed_client_ends_stdin_once(session: Session) -> None:
    channel = session.shell(ECHO, stdin_once=True)
    channel.send_stdin(b"a\n")
    assert expect(channel, attach.STDOUT) == b"got a\n"
    channel.close()
    assert session.ended()
    assert session.logged("stdout") == b"got a\neof\n"


def test_a_killed_client_that_only_said_hello_ends_stdin_once(session: Session) -> None:
    channel = session.spawn("/bin/sh", "-c", ECHO, stdin_once=True)
    channel.send_hello(attach.WANT_OUTPUT | attach.SEND_STDIN)
    channel.started(PypodError)  # type: ignore[arg-type]
    channel.close()
    assert session.ended()
    assert session.logged("stdout") == b"eof\n"


def test_a_detached_client_leaves_stdin_open(session: Session) -> None:
    channel = session.shell(ECHO, stdin_once=True)
    channel.send_stdin(b"a\n")
    channel.detach()
    again = session.attach(attach.WANT_OUTPUT | attach.SEND_STDIN)
    again.send_stdin(b"b\n")
    assert read_until(again, b"got b\n")
    again.send_stdin(b"")
    assert collect(again)[1] == (0, 0)


def test_stdin_without_once_stays_open_for_the_next_client(session: Session) -> None:
    session.shell(ECHO, stdin=True).close()
    for text in (b"a", b"b"):
        client = session.attach(attach.WANT_OUTPUT | attach.SEND_STDIN)
        client.send_stdin(text + b"\n")
        client.send_stdin(b"")
        assert expect(client, attach.STDOUT) == b"got " + text + b"\n"
        client.close()


def test_without_stdin_the_container_reads_nothing(session: Session) -> None:
    channel = session.shell("cat; echo end")
    channel.send_stdin(b"ignored")
    assert collect(channel)[0][attach.STDOUT] == b"end\n"


def test_a_signal_overtakes_stdin_that_nobody_reads(session: Session) -> None:
    channel = session.shell(
        "trap 'exit 5' INT; echo ready; while :; do sleep 0.05; done", stdin_once=True
    )
    assert expect(channel, attach.STDOUT) == b"ready\n"
    for _ in range(attach.STDIN_WINDOW):
        channel.send_stdin(bytes(attach.FRAME_MAX))
    channel.send_signal(signal.SIGINT)
    assert collect(channel)[1] == (5, 0)


def test_every_stdin_frame_is_acknowledged(session: Session) -> None:
    channel = session.shell("cat > /dev/null", stdin_once=True)
    sent = acknowledged = 0
    while sent < 60:
        while sent - acknowledged < attach.STDIN_WINDOW:
            channel.send_stdin(bytes(attach.FRAME_MAX))
            sent += 1
        acknowledged += attach.credit_of(b"c" + expect(channel, attach.CREDIT))
    channel.send_stdin(b"")
    assert collect(channel)[1] == (0, 0)


def test_stdin_that_the_container_closed_is_thrown_away_and_acknowledged(session: Session) -> None:
    channel = session.shell("exec <&-; sleep 0.3; exit 2", stdin_once=True)
    for _ in range(12):
        channel.send_stdin(bytes(attach.FRAME_MAX))
    frames, end = collect(channel)
    assert end == (2, 0)
    assert attach.CREDIT in frames


def test_the_channel_loses_nothing_to_a_slow_reader(session: Session) -> None:
    channel = session.shell("head -c 8000000 /dev/zero; echo end >&2; exit 3")
    time.sleep(0.3)
    frames, end = collect(channel)
    assert len(frames[attach.STDOUT]) == 8000000
    assert frames[attach.STDERR] == b"end\n"
    assert end == (3, 0)


def test_a_slow_reader_does_not_hide_the_exit(session: Session) -> None:
    """The container is over, its last output still waits for the client: others are told."""
    with open("/proc/sys/net/core/wmem_max") as file:
        in_flight = 2 * min(attach.BUFFER_SIZE, int(file.read()))
    size = in_flight + 500000  # more than the socket takes, less than socket and pipe together
    channel = session.shell(f"read go; head -c {size} /dev/zero; exit 3", stdin_once=True)
    observer = session.attach(attach.OBSERVE)
    channel.send_stdin(b"\n")
    assert collect(observer)[1] == (3, 0)
    assert session.exit().code == 3
    assert not session.ended(0.1)
    frames, end = collect(channel)
    assert len(frames[attach.STDOUT]) == size
    assert end == (3, 0)
    assert session.ended()
    assert session.logged("stdout") == bytes(size)


def test_every_attached_client_sees_the_output(session: Session) -> None:
    channel = session.shell("read go; seq 20000; exit 4", stdin_once=True)
    others = [session.attach(attach.WANT_OUTPUT) for _ in range(3)]
    channel.send_stdin(b"go\n")
    results = [collect(client) for client in (channel, *others)]
    expected = b"".join(b"%d\n" % number for number in range(1, 20001))
    assert [frames[attach.STDOUT] for frames, _ in results] == [expected] * 4
    assert {end for _, end in results} == {(4, 0)}


def test_an_observer_gets_the_end_only(session: Session) -> None:
    channel = session.shell("read go; echo noise; exit 4", stdin_once=True)
    observer = session.attach(attach.OBSERVE)
    channel.send_stdin(b"go\n")
    assert collect(observer) == ({}, (4, 0))


def test_attached_clients_can_signal(session: Session) -> None:
    session.shell("trap 'exit 6' USR1; echo ready; while :; do sleep 0.05; done").close()
    assert within(5, lambda: session.logged("stdout") == b"ready\n")
    client = session.attach(attach.WANT_OUTPUT)
    client.send_signal(signal.SIGUSR1)
    assert collect(client)[1] == (6, 0)


@pytest.mark.parametrize("number", [0, 65, 4294967295])
def test_a_signal_that_does_not_exist_is_ignored(session: Session, number: int) -> None:
    channel = session.shell("read go; exit 1", stdin_once=True)
    channel.send_signal(number)
    channel.send_stdin(b"\n")
    assert collect(channel)[1] == (1, 0)


def test_nonsense_frames_are_ignored(session: Session) -> None:
    channel = session.shell("read go; exit 1", stdin_once=True)
    client = session.attach(attach.WANT_OUTPUT)
    for frame in (b"?", b"w", b"w1", b"k", b"h", b"x", b"p", b"\0" * 70000):
        client.send(frame)
    channel.send_stdin(b"\n")
    assert collect(channel)[1] == (1, 0)
    assert collect(client)[1] == (1, 0)


def test_a_client_without_hello_can_do_nothing(session: Session) -> None:
    channel = session.shell("read go; exit 1", stdin_once=True)
    directory = os.open(session.sockets, os.O_PATH)
    import _socket

    raw = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    raw.connect(f"/proc/self/fd/{directory}/socket")
    raw.send(b"k\x09\0\0\0")
    raw.send(b"iinjected\n")
    os.close(directory)
    time.sleep(0.1)
    channel.send_stdin(b"\n")
    assert collect(channel)[1] == (1, 0)
    raw.close()


def test_too_many_clients_are_turned_away_and_nothing_breaks(session: Session) -> None:
    channel = session.shell("read go; exit 1", stdin_once=True)
    clients = [attach.connect(str(session.sockets), "socket", attach.OBSERVE) for _ in range(40)]
    answers = [client.receive() for client in clients]
    assert sum(answer is not None for answer in answers) == 31
    channel.send_stdin(b"\n")
    assert collect(channel)[1] == (1, 0)
    for client in clients:
        client.close()


def test_without_the_runtime_directory_only_attach_is_impossible(session: Session) -> None:
    channel = session.shell("read go; exit 7", stdin_once=True)
    shutil.rmtree(session.sockets)
    with pytest.raises(PypodError, match="cannot attach to web: its socket is gone") as caught:
        attach.connect(str(session.sockets), "socket", attach.OBSERVE, "web")
    assert caught.value.hint
    channel.send_stdin(b"\n")
    assert collect(channel)[1] == (7, 0)
    assert session.exit().code == 7


def test_the_socket_is_private_and_goes_with_the_container(session: Session) -> None:
    channel = session.shell("read go", stdin_once=True)
    assert (session.sockets / "socket").stat().st_mode & 0o777 == 0o600
    channel.send_stdin(b"\n")
    collect(channel)
    with pytest.raises(PypodError, match="its socket is gone"):
        attach.connect(str(session.sockets), "socket", attach.OBSERVE)


def test_a_deep_runtime_directory_is_no_obstacle(session: Session) -> None:
    deep = session.sockets / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    os.close(session.sockets_fd)
    session.sockets = deep
    session.sockets_fd = os.open(deep, os.O_RDONLY | os.O_DIRECTORY)
    channel = session.shell("read go; exit 2", stdin_once=True)
    client = session.attach(attach.OBSERVE)
    channel.send_stdin(b"\n")
    assert collect(client)[1] == (2, 0)


def test_a_stale_socket_is_replaced(session: Session) -> None:
    (session.sockets / "socket").write_text("")
    session.start("/bin/sleep", "60")
    session.attach(attach.OBSERVE)


def test_a_process_that_outlives_an_exec_does_not_hold_it_up(session: Session) -> None:
    started = time.monotonic()
    channel = session.shell("sleep 5 & echo started; exit 3")
    frames, end = collect(channel)
    assert (frames[attach.STDOUT], end) == (b"started\n", (3, 0))
    assert time.monotonic() - started < 3


# Terminals.


def test_a_terminal_has_the_clients_size_from_the_start(session: Session) -> None:
    channel = session.start("/bin/stty", "size", mode="tty", tty=True, window=(33, 77))
    assert collect(channel)[0][attach.STDOUT] == b"33 77\r\n"


def test_a_terminal_can_be_resized(session: Session) -> None:
    script = "trap 'stty size' WINCH; echo ready; while :; do sleep 0.05; done"
    channel = session.start("/bin/sh", "-c", script, mode="tty", tty=True, stdin=True)
    read_until(channel, b"ready")
    channel.send_window(50, 120)
    assert b"50 120" in read_until(channel, b"120")


def test_keys_reach_a_terminal_and_control_c_interrupts(session: Session) -> None:
    channel = session.start("/bin/cat", mode="tty", tty=True, stdin=True)
    channel.send_stdin(b"hello\n")
    assert read_until(channel, b"hello\r\nhello\r\n")
    channel.send_stdin(b"\x03")
    assert collect(channel)[1] == (130, 2)


def test_end_of_input_does_not_close_a_terminal(session: Session) -> None:
    channel = session.start("/bin/cat", mode="tty", tty=True, stdin_once=True)
    channel.send_stdin(b"")
    channel.close()
    client = session.attach(attach.WANT_OUTPUT | attach.SEND_STDIN)
    client.send_stdin(b"again\n")
    assert read_until(client, b"again\r\nagain\r\n")


def test_the_last_output_of_a_terminal_is_not_lost(session: Session) -> None:
    for _ in range(10):
        channel = session.start("/usr/bin/seq", "20000", mode="tty", tty=True)
        assert collect(channel)[0][attach.STDOUT].endswith(b"19999\r\n20000\r\n")
        assert session.ended()


def test_a_payload_that_closes_its_terminal_does_not_make_the_monitor_spin(
    session: Session,
) -> None:
    script = "exec >/dev/null 2>&1 </dev/null; exec sleep 60"
    channel = session.start("/bin/sh", "-c", script, mode="tty", tty=True)
    time.sleep(0.2)

    def ticks() -> int:
        with open(f"/proc/{channel.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    before = ticks()
    time.sleep(0.5)
    assert ticks() - before <= 1


def test_a_terminal_shows_output_of_whoever_opens_it_later(session: Session) -> None:
    script = "exec >/dev/null 2>&1 </dev/null; sleep 0.2; echo late > /dev/tty; sleep 0.1"
    channel = session.start("/bin/sh", "-c", script, mode="tty", tty=True)
    assert collect(channel)[0][attach.STDOUT] == b"late\r\n"


def test_a_process_that_holds_the_terminal_does_not_hold_up_the_end(session: Session) -> None:
    script = "setsid sleep 5 & sleep 0.1; echo bye; exit 3"
    channel = session.start("/bin/sh", "-c", script, mode="tty", tty=True)
    started = time.monotonic()
    frames, end = collect(channel)
    assert (frames[attach.STDOUT], end) == (b"bye\r\n", (3, 0))
    assert time.monotonic() - started < 3
