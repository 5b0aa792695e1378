# SPDX-License-Identifier: Apache-2.0
"""Terminals, through a real pseudo-terminal: what a person at it sees, and what its keys do."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.fixtures.program import Program, within
from tests.fixtures.seat import Seat

pytestmark = pytest.mark.own  # podman 4.3 misses keys, hang-ups and redraws
DETACH = "\x10\x11"
"""Ctrl-P Ctrl-Q."""


def at_prompt(seat: Seat) -> None:
    """Wait until the shell of the container reads."""
    seat.send("echo rea''dy\n")
    seat.expect("ready")


@pytest.mark.parametrize("words", [("run", "--rm", "-it"), ("exec", "-it")])
def test_a_full_screen_program_fills_the_window_and_follows_it(
    pypod: Program, screen_image: str, seat: Seat, words: tuple[str, ...]
) -> None:
    target = screen_image
    if words[0] == "exec":
        target = "full"
        pypod("run", "-d", "--name", target, screen_image, "sleep", "1000")
    seat.start(pypod.argv(*words, target, "/screen"))
    seat.sees("size 24x80")
    for rows, columns in ((40, 132), (7, 30), (24, 80)):
        seat.resize(rows, columns)
        seat.sees(f"size {rows}x{columns}", "C")
        lines = seat.screen.lines
        assert lines[0] == "A" + " " * (columns - 2) + "B"
        assert lines[-1] == "C" + " " * (columns - 2) + "D"
    seat.send("q")
    assert seat.wait() == 7
    assert seat.is_restored


def test_vi_edits_a_file_across_a_resize(pypod: Program, image: str, seat: Seat) -> None:
    script = "seq 100 >/tmp/f; busybox vi /tmp/f; echo last; tail -n1 /tmp/f"
    seat.start(pypod.argv("run", "--rm", "-it", image, "sh", "-c", script))
    seat.sees("\n23\n", "/tmp/f")
    seat.resize(50, 60)
    seat.sees("\n49\n", "/tmp/f")
    assert seat.screen.lines[-1].startswith(("- /tmp/f", "/tmp/f"))
    seat.send("G")
    seat.sees("100")
    seat.send("oappended")
    seat.sees("appended")
    seat.send("\x1b")
    seat.sees("- /tmp/f")
    seat.send(":wq\n")
    seat.expect("last\r\nappended\r\n")
    assert seat.wait() == 0
    assert seat.is_restored


def test_less_and_top_draw_the_whole_screen(pypod: Program, image: str, seat: Seat) -> None:
    seat.resize(12, 50)
    seat.start(pypod.argv("run", "--rm", "-it", image, "sh", "-c", "seq 100 | busybox less"))
    seat.sees("1\n2\n", "\n11\n")
    seat.send(" ")
    seat.sees("\n22\n")
    assert "1\n2\n3\n" not in seat.screen.text
    seat.send("q")
    assert seat.wait() == 0
    seat.start(pypod.argv("run", "--rm", "-it", image, "busybox", "top"))
    seat.sees("Mem:", "COMMAND", "busybox")
    seat.send("q")
    assert seat.wait() == 0
    assert seat.is_restored


def test_control_keys_go_to_the_container(pypod: Program, screen_image: str, seat: Seat) -> None:
    """Ctrl-C, Ctrl-Z, Ctrl-S, Ctrl-\\, Ctrl-D and 8-bit bytes: none is for the client."""
    seat.start(pypod.argv("run", "--rm", "-it", screen_image))
    seat.sees("drawn 1")
    assert seat.is_raw
    seat.send(b"\x03\x1a\x13\x1c\x04\x11\x16\xff\r")
    seat.sees("typed 03 1a 13 1c 04 11 16 ff 0d")
    seat.send("q")
    assert seat.wait() == 7


def test_ctrl_c_and_ctrl_z_signal_the_programs_in_the_container(
    pypod: Program, image: str, seat: Seat
) -> None:
    seat.start(pypod.argv("run", "--rm", "-it", image, "sh"))
    at_prompt(seat)
    seat.send("sleep 1000\n")
    seat.expect("sleep 1000\r\n")
    time.sleep(0.2)
    seat.send("\x03")
    seat.send("echo code $?\n")
    seat.expect("code 130")
    seat.send("sleep 1000\n")
    seat.expect("sleep 1000\r\n")
    time.sleep(0.2)
    seat.send("\x1a")
    seat.expect("Stopped")
    seat.send("exit 5\nexit 5\n")  # the first one warns of the stopped job
    assert seat.wait() == 5


def test_end_of_file_ends_a_shell(pypod: Program, image: str, seat: Seat) -> None:
    seat.start(pypod.argv("run", "--rm", "-it", image, "sh", "-c", "cat; echo code $?"))
    assert within(10, lambda: seat.is_raw)
    seat.send("line\n\x04")
    seat.expect("line\r\nline\r\ncode 0\r\n")
    assert seat.wait() == 0


def test_the_detach_keys_leave_it_running_and_attach_comes_back(
    pypod: Program, image: str, seat: Seat
) -> None:
    seat.start(pypod.argv("run", "-it", "--name", "kept", image, "sh"))
    at_prompt(seat)
    seat.send("x=remembered\n" + DETACH)
    assert seat.wait() == 0
    assert seat.is_restored
    assert pypod("ps", "--format", "{{.Names}}").line == "kept"
    for _ in range(2):
        seat.start(pypod.argv("attach", "kept"))
        seat.send("echo $x\n")
        seat.expect("\r\nremembered\r\n")
        seat.send(DETACH)
        assert seat.wait() == 0
    seat.start(pypod.argv("attach", "kept"))
    seat.send("exit 9\n")
    assert seat.wait() == 9
    assert seat.is_restored


def test_attach_makes_a_full_screen_program_draw_again(
    pypod: Program, screen_image: str, seat: Seat
) -> None:
    """Also when the window has the size that it had: nothing else would redraw the screen."""
    seat.start(pypod.argv("run", "-it", "--name", "again", screen_image))
    seat.sees("drawn 1")
    seat.send(DETACH)
    assert seat.wait() == 0
    seat.resize(24, 80)
    seat.start(pypod.argv("attach", "again"))
    seat.sees("size 24x80", "drawn", "A" + " " * 78 + "B")
    seat.send("q")
    assert seat.wait() == 7


def test_the_size_is_there_before_the_first_instruction(
    pypod: Program, image: str, seat: Seat
) -> None:
    seat.resize(33, 99)
    for words in (("run", "--rm", "-it"), ("run", "--rm", "-t")):
        seat.start(pypod.argv(*words, image, "stty", "size"))
        seat.expect("33 99\r\n")
        assert seat.wait() == 0
    pypod("run", "-d", "--name", "sized", image, "sleep", "1000")
    for options in ("-it", "-t"):
        seat.start(pypod.argv("exec", options, "sized", "stty", "size"))
        seat.expect("33 99\r\n")
        assert seat.wait() == 0


def test_a_resize_during_the_start_is_not_lost(
    pypod: Program, screen_image: str, seat: Seat
) -> None:
    for number in range(12):
        seat.resize(24, 80)
        seat.start(pypod.argv("run", "--rm", "-it", screen_image))
        time.sleep(number / 100)
        seat.resize(30 + number, 100)
        seat.sees(f"size {30 + number}x100")
        seat.send("q")
        assert seat.wait() == 7


def test_two_clients_share_a_terminal(pypod: Program, screen_image: str, seat: Seat) -> None:
    """Both see all, both may type, and the window is as the last of them said."""
    seat.start(pypod.argv("run", "-it", "--name", "shared", screen_image))
    seat.sees("drawn 1")
    with Seat(30, 100) as other:
        other.start(pypod.argv("attach", "shared"))
        other.sees("size 30x100")
        seat.sees("size 30x100")
        seat.send("a")
        seat.sees("typed 61")
        other.sees("typed 61")
        other.send("b")
        seat.sees("typed 61 62")
        other.sees("typed 61 62")
        seat.resize(20, 70)
        seat.sees("size 20x70")
        other.sees("size 20x70")
        other.send(DETACH)
        assert other.wait() == 0
        assert other.is_restored
        seat.send("c")
        seat.sees("typed 61 62 63")
        other.start(pypod.argv("attach", "shared"))
        other.sees("size 30x100")
        seat.send("q")
        assert seat.wait() == 7
        assert other.wait() == 7
        assert other.is_restored and seat.is_restored


@pytest.mark.parametrize("first", ["attached", "starter"])
def test_a_client_that_does_not_read_is_let_go_when_another_waits(
    pypod: Program, image: str, seat: Seat, first: str
) -> None:
    """Ten seconds; alone it may take its time, and the container waits, as behind ssh."""
    script = "while read n; do seq $n; echo end $n; done"
    seat.start(pypod.argv("run", "-it", "--name", "slow", image, "sh", "-c", script))
    seat.send("1\n")
    seat.expect("end 1")
    with Seat() as other:
        other.start(pypod.argv("attach", "slow"))
        other.send("2\n")
        other.expect("end 2")
        seat.expect("end 2")
        slow, quick = (other, seat) if first == "attached" else (seat, other)
        os.kill(slow.pid, signal.SIGSTOP)
        quick.send("400000\n")
        quick.expect("end 400000", seconds=40)
        quick.send("3\n")
        quick.expect("end 3", seconds=2)
        os.kill(slow.pid, signal.SIGCONT)
        slow.expect("took no output for 10 seconds", seconds=30)
        assert slow.wait() == 125
        assert slow.is_restored
        quick.send("\x04")
        assert quick.wait() == 0


def test_output_of_a_terminal_into_a_pipe(
    pypod: Program, image: str, seat: Seat, tmp_path: Path
) -> None:
    """The keyboard is still the container's, with a size; what it writes goes where it is sent."""
    out = tmp_path / "out"
    pypod("run", "-dit", "--name", "piped", image, "sh")
    words = ["sh", "-c", '"$@" | cat >"$0"', str(out), *pypod.argv("attach", "piped")]
    seat.start(words)
    assert within(10, lambda: seat.is_raw)
    seat.send("stty size; echo $((6*7))\n")
    assert within(10, lambda: out.exists() and b"\r\n42\r\n" in out.read_bytes())
    assert b"24 80\r\n" in out.read_bytes()
    assert seat.is_raw
    seat.send("exit\n")
    assert seat.wait() == 0
    assert seat.is_restored
    assert seat.seen == b""


def test_logs_of_a_terminal_are_what_was_written_to_it(
    pypod: Program, image: str, seat: Seat
) -> None:
    script = "printf 'one\\ntwo'; echo err >&2; read x; echo got $x"
    seat.start(pypod.argv("run", "-it", "--name", "logged", image, "sh", "-c", script))
    seat.expect("err\r\n")
    seat.send("typed\n")
    seat.expect("got typed\r\n")
    assert seat.wait() == 0
    logged = pypod("logs", "logged")
    assert (logged.out, logged.err) == ("one\r\ntwoerr\r\ntyped\r\ngot typed\r\n", "")


def test_a_detached_terminal_is_attached_later(pypod: Program, image: str, seat: Seat) -> None:
    pypod("run", "-dit", "--name", "later", image, "sh")
    seat.start(pypod.argv("attach", "later"))
    seat.send("tty; stty size\n")
    seat.expect("/dev/pts/0\r\n24 80\r\n")
    seat.send("exit 3\n")
    assert seat.wait() == 3
    # Again, by start: it has a new terminal, and the window's size.
    seat.resize(30, 90)
    seat.start(pypod.argv("start", "-ai", "later"))
    seat.send("stty size; exit 4\n")
    seat.expect("30 90\r\n")
    assert seat.wait() == 4
    assert seat.is_restored


def test_what_is_typed_before_attach_finds_the_true_size(
    pypod: Program, image: str, seat: Seat
) -> None:
    """The size that makes a program draw again is told first, and is a column short."""
    pypod("run", "-dit", "--name", "ahead", image, "sh")
    for _ in range(10):
        seat.start(pypod.argv("attach", "ahead"))
        seat.send("stty size; echo done\n")
        seat.expect("24 80\r\ndone\r\n")
        seat.send(DETACH)
        assert seat.wait() == 0


def test_attach_to_a_terminal_without_stdin_only_shows(
    pypod: Program, image: str, seat: Seat
) -> None:
    pypod("run", "-dt", "--name", "mute", image, "sh", "-c", "sleep 1; stty -a; sleep 1000")
    seat.start(pypod.argv("attach", "mute"))
    seat.expect("speed")
    assert not seat.is_raw
    seat.send("\x03")
    assert seat.wait() == 130
    assert seat.is_restored
    assert pypod("ps", "--format", "{{.Names}}").line == "mute"


@pytest.mark.parametrize("code", [0, 1, 125, 126, 127, 200, 255])
def test_exec_ends_with_the_code_of_its_command_on_a_terminal(
    pypod: Program, image: str, seat: Seat, code: int
) -> None:
    pypod("run", "-d", "--name", "codes", image, "sleep", "1000")
    seat.start(pypod.argv("exec", "-it", "codes", "sh", "-c", f"exit {code}"))
    assert seat.wait() == code
    assert seat.is_restored


def test_exec_on_a_terminal_ends_by_signal_and_by_a_missing_command(
    pypod: Program, image: str, seat: Seat
) -> None:
    pypod("run", "-d", "--name", "codes", image, "sleep", "1000")
    for words, code in ((("sh", "-c", "kill -9 $$"), 137), (("missing",), 127), (("/etc",), 126)):
        seat.start(pypod.argv("exec", "-it", "codes", *words))
        assert seat.wait() == code
        assert seat.is_restored
