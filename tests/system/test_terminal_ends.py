# SPDX-License-Identifier: Apache-2.0
"""Every way out of a client on a terminal puts the terminal back, and which of them end what."""

from __future__ import annotations

import os
import select
import signal
import termios
import time
from pathlib import Path

import pytest

from tests.fixtures.program import Program, within
from tests.fixtures.seat import Seat

pytestmark = pytest.mark.own  # podman 4.3 misses keys, hang-ups and redraws
ECHO = 'while read x; do echo "<$x>"; done'


def state_of(pid: int) -> str:
    """Return the state letter of a process, "" when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return ""


def run(pypod: Program, image: str, seat: Seat, name: str, *options: str) -> None:
    """Run an echo on the seat's terminal and wait for it."""
    words = ("run", "-it", *options, "--name", name, image, "sh", "-c", f"echo up; {ECHO}")
    seat.start(pypod.argv(*words))
    seat.expect("up\r\n")
    assert within(10, lambda: seat.is_raw)


def attach(pypod: Program, seat: Seat, name: str, text: str) -> None:
    """Attach and see that the container still answers; end it, and see the terminal restored."""
    seat.start(pypod.argv("attach", name))
    seat.send(f"{text}\n")
    seat.expect(f"<{text}>\r\n")
    assert seat.is_raw
    seat.send("\x04")
    assert seat.wait() == 0
    assert seat.is_restored


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT])
@pytest.mark.parametrize("options", [(), ("--rm",)])
def test_a_signal_ends_the_client_and_not_the_container(
    pypod: Program, image: str, seat: Seat, number: signal.Signals, options: tuple[str, ...]
) -> None:
    run(pypod, image, seat, "sig", *options)
    os.kill(seat.pid, number)
    assert seat.wait() == 128 + number
    assert seat.is_restored
    attach(pypod, seat, "sig", "again")
    if options:
        assert within(10, lambda: not pypod("ps", "-a", "-q").line)


def test_a_client_that_is_killed_leaves_the_container_alone(
    pypod: Program, image: str, seat: Seat
) -> None:
    run(pypod, image, seat, "killed")
    for number in range(3):
        os.kill(seat.pid, signal.SIGKILL)
        assert seat.wait() == 137
        termios.tcsetattr(seat.slave, termios.TCSANOW, seat.modes_before)  # it could not
        assert pypod("ps", "--format", "{{.Names}}").line == "killed"
        seat.start(pypod.argv("attach", "killed"))
        seat.send(f"line{number}\n")
        seat.expect(f"<line{number}>\r\n")
    seat.send("\x04")
    assert seat.wait() == 0
    assert seat.is_restored


def test_a_lost_monitor_ends_the_client(pypod: Program, image: str, seat: Seat) -> None:
    run(pypod, image, seat, "lost")
    os.kill(int(pypod("inspect", "-f", "{{.State.ConmonPid}}", "lost").line), signal.SIGKILL)
    assert seat.wait() == 125
    assert seat.is_restored
    seat.expect("lost the monitor of lost")
    assert within(10, lambda: pypod("ps", "-a", "--format", "{{.State}}").line == "exited")


@pytest.mark.parametrize(
    ("words", "code"), [(("no-such",), 127), (("/etc",), 126), (("sh", "-c", "kill -9 0"), 137)]
)
@pytest.mark.parametrize("init", [(), ("--init",)])
def test_a_start_that_fails_and_an_end_by_signal(
    pypod: Program,
    image: str,
    seat: Seat,
    words: tuple[str, ...],
    code: int,
    init: tuple[str, ...],
) -> None:
    if words[0] == "sh" and not init:
        words = ("sh", "-c", "exec sh -c 'exit 137'")  # pid 1 cannot kill itself
    seat.start(pypod.argv("run", "--rm", "-it", *init, image, *words))
    assert seat.wait() == code
    assert seat.is_restored


def test_a_container_that_is_stopped_or_removed_ends_the_client(
    pypod: Program, image: str, seat: Seat
) -> None:
    run(pypod, image, seat, "stopped")
    pypod("stop", "-t", "0", "stopped")
    assert seat.wait() == 137
    assert seat.is_restored
    run(pypod, image, seat, "removed")
    pypod("rm", "-f", "-t", "0", "removed")
    seat.wait()
    assert seat.is_restored


def test_output_that_nobody_takes_ends_the_client(
    pypod: Program, image: str, seat: Seat, tmp_path: Path
) -> None:
    script = '"$@" | head -n1 >/dev/null'
    argv = pypod.argv("run", "--rm", "-it", image, "sh", "-c", "while :; do echo line; done")
    seat.start(["sh", "-c", script, "sh", *argv])
    seat.wait()
    assert within(10, lambda: seat.is_restored)
    assert within(10, lambda: not pypod("ps", "-q").line)


def test_a_stop_puts_the_terminal_back_until_the_client_goes_on(
    pypod: Program, image: str, seat: Seat
) -> None:
    run(pypod, image, seat, "paused")
    for _ in range(2):
        os.kill(seat.pid, signal.SIGTSTP)
        assert within(5, lambda: state_of(seat.pid) == "T")
        assert seat.is_restored
        seat.resize(31, 91)
        os.kill(seat.pid, signal.SIGCONT)
        assert within(5, lambda: seat.is_raw)
    # SIGSTOP cannot be seen; a shell sets its own modes then, and they are to be changed again.
    os.kill(seat.pid, signal.SIGSTOP)
    assert within(5, lambda: state_of(seat.pid) == "T")
    termios.tcsetattr(seat.slave, termios.TCSANOW, seat.modes_before)
    os.kill(seat.pid, signal.SIGCONT)
    assert within(5, lambda: seat.is_raw)
    seat.send("goes on\n")
    seat.expect("<goes on>\r\n")
    seat.send("\x04")
    assert seat.wait() == 0
    assert seat.is_restored


def test_a_terminal_that_nobody_reads_can_be_left(pypod: Program, image: str, seat: Seat) -> None:
    """The client hangs in a write then; a signal is still its end."""
    run(pypod, image, seat, "full", "--rm")
    seat.reads = False
    pypod("exec", "full", "sh", "-c", "seq 100000 >/dev/pts/0 &")
    assert within(10, lambda: state_of(seat.pid) == "S" and waits_for_room(seat))
    os.kill(seat.pid, signal.SIGTERM)
    assert seat.wait() == 143
    assert seat.is_restored
    pypod("rm", "-f", "-t", "0", "full")


def waits_for_room(seat: Seat) -> bool:
    """Say whether nothing more can be written to the terminal."""
    return not select.select([], [seat.slave], [], 0)[1]


@pytest.mark.parametrize("ignored", [False, True])
@pytest.mark.parametrize("options", [(), ("--rm",)])
@pytest.mark.parametrize("talks", [False, True])
def test_a_terminal_that_hangs_up_leaves_the_container_running(
    pypod: Program, image: str, ignored: bool, options: tuple[str, ...], talks: bool
) -> None:
    """Also for a client that ignores SIGHUP, as under nohup: it sees EIO, reading or writing."""
    with Seat() as seat:
        script = "echo up; while :; do echo x; sleep 0.01; done" if talks else f"echo up; {ECHO}"
        words = ("run", "-it", *options, "--name", "hung", image, "sh", "-c", script)
        ignore = (signal.SIGHUP,) if ignored else ()
        seat.start(pypod.argv(*words), ignore=ignore)
        seat.expect("up\r\n")
        assert within(10, lambda: seat.is_raw)
        client = seat.pid
        seat.hang_up()
        assert within(10, lambda: state_of(client) in ("", "Z"))
    assert pypod("ps", "--format", "{{.Names}}").line == "hung"
    if not talks:
        with Seat() as other:
            attach(pypod, other, "hung", "still here")


@pytest.mark.parametrize("delay", [0.0, 0.03, 0.06, 0.1, 0.2])
def test_a_signal_during_the_start_leaves_no_raw_terminal(
    pypod: Program, image: str, seat: Seat, delay: float
) -> None:
    seat.start(pypod.argv("run", "--rm", "-it", image, "sh", "-c", ECHO))
    time.sleep(delay)
    os.kill(seat.pid, signal.SIGTERM)
    assert seat.wait() in (143, 130)
    assert seat.is_restored


class Bash:
    """An interactive bash with job control on a seat."""

    def __init__(self, seat: Seat, tmp_path: Path) -> None:
        self.seat = seat
        (tmp_path / "rc").write_text("PS1='prompt> '; bind 'set enable-bracketed-paste off'\n")
        seat.start(["bash", "--rcfile", str(tmp_path / "rc"), "-i"])
        seat.expect("prompt> ")

    def type(self, text: str) -> None:
        """Enter a line; forget its echo."""
        self.seat.send(f"{text}\n")
        self.seat.expect(f"{text}\r\n" if len(text) < 60 else "\r\n")


def test_a_background_job_waits_for_the_terminal(
    pypod: Program, image: str, seat: Seat, tmp_path: Path
) -> None:
    bash = Bash(seat, tmp_path)
    command = " ".join(pypod.argv("run", "-it", "--name", "bg", image, "cat"))
    bash.type(f"{command} &")
    assert within(20, lambda: pypod("ps", "--format", "{{.Names}}").line == "bg")
    bash.type("sleep 0.3; jobs")
    seat.expect("Stopped")
    # bash's own line editing is not disturbed: what is typed is seen once.
    seat.expect("prompt> ")
    bash.type("echo $((6*7))")
    seat.expect("42\r\n")
    # bg lets it run, and it stops again: it needs the terminal.
    bash.type("bg; sleep 0.3; jobs")
    seat.expect("Stopped")
    bash.type("fg")
    assert within(10, lambda: seat.is_raw)
    seat.send("hello\n")
    seat.expect("hello\r\nhello\r\n")
    seat.send("\x04")
    seat.expect("prompt> ")
    bash.type("echo code $?")
    seat.expect("code 0\r\n")
    seat.send("exit\n")
    assert seat.wait() == 0


def test_a_job_that_ends_in_the_background_leaves_the_shells_terminal_alone(
    pypod: Program, image: str, seat: Seat, tmp_path: Path
) -> None:
    bash = Bash(seat, tmp_path)
    bash.type(" ".join(pypod.argv("run", "--rm", "-it", "--name", "bgend", image, "cat")))
    assert within(20, lambda: seat.is_raw)
    seat.send("hello\n")
    seat.expect("hello\r\nhello\r\n")
    client = int(os.popen(f"pgrep -P {seat.pid}").read())
    os.kill(client, signal.SIGSTOP)
    seat.expect("prompt> ")
    shells = seat.modes()
    os.kill(client, signal.SIGTERM)
    os.kill(client, signal.SIGCONT)
    assert within(10, lambda: state_of(client) in ("", "Z", "T"))
    assert seat.modes() == shells
    bash.type("echo $((6*7))")
    seat.expect("42\r\n")
    pypod("rm", "-f", "-t", "0", "bgend")


def test_a_background_job_without_a_terminal_stops_when_it_reads(
    pypod: Program, image: str, seat: Seat, tmp_path: Path
) -> None:
    bash = Bash(seat, tmp_path)
    bash.type(" ".join(pypod.argv("run", "-i", "--rm", image, "cat")) + " &")
    for _ in range(50):
        bash.type("sleep 0.1; jobs")
        if b"Stopped" in seat.expect("prompt> "):
            break
    else:
        raise AssertionError("the job does not stop")
    bash.type("fg")
    seat.expect(" cat\r\n")
    seat.send("line\n")
    seat.expect("line\r\nline\r\n")
    seat.send("\x04")
    seat.expect("prompt> ")
    assert seat.modes()[1] & termios.OPOST
