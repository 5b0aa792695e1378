# SPDX-License-Identifier: Apache-2.0
"""Streams without a terminal: bytes as they are, ends of files, the caller's signals."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.fixtures.program import Program, environment, within
from tests.fixtures.seat import Seat

MEBIBYTE = bytes(range(256)) * 4096


def run_bytes(pypod: Program, *words: str, data: bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        pypod.argv(*words),
        input=data,
        capture_output=True,
        env=environment(None),
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("verb", ["run", "exec"])
def test_a_mebibyte_of_every_byte_goes_there_and_back(
    pypod: Program, image: str, verb: str
) -> None:
    """The detach keys are among them, and nothing comes of it."""
    target = ("run", "--rm", "-i", image)
    if verb == "exec":
        pypod("run", "-d", "--name", "bytes", image, "sleep", "1000")
        target = ("exec", "-i", "bytes", "env")
    done = run_bytes(pypod, *target, "cat", data=MEBIBYTE + b"\x10\x11" * 1000)
    assert done.returncode == 0
    assert done.stdout == MEBIBYTE + b"\x10\x11" * 1000


def test_stdout_and_stderr_stay_apart(pypod: Program, image: str) -> None:
    script = "tee /dev/stderr"
    done = run_bytes(pypod, "run", "--rm", "-i", image, "sh", "-c", script, data=MEBIBYTE)
    assert done.returncode == 0
    assert done.stdout == MEBIBYTE
    assert done.stderr.endswith(MEBIBYTE)


@pytest.mark.parametrize("verb", ["run", "exec"])
def test_each_direction_ends_by_itself(pypod: Program, image: str, verb: str) -> None:
    """The container reads the end and goes on writing; it closes its output and goes on reading."""
    target = ("run", "--rm", "-i", image)
    if verb == "exec":
        pypod("run", "-d", "--name", "half", image, "sleep", "1000")
        target = ("exec", "-i", "half", "env")
    script = "md5sum; seq 100000 | tail -n1"
    done = run_bytes(pypod, *target, "sh", "-c", script, data=MEBIBYTE)
    sum_of_all = hashlib.md5(MEBIBYTE).hexdigest().encode()
    assert done.stdout == sum_of_all + b"  -\n100000\n"
    # The other way round.
    script = "echo closed; exec >&-; n=$(wc -c); exit $((n == 1048576 ? 42 : 1))"
    done = run_bytes(pypod, *target, "sh", "-c", script, data=MEBIBYTE)
    assert (done.returncode, done.stdout) == (42, b"closed\n")


def test_input_that_nobody_reads_does_not_hold_up_the_end(pypod: Program, image: str) -> None:
    done = run_bytes(pypod, "run", "--rm", "-i", image, "sh", "-c", "exit 6", data=MEBIBYTE * 8)
    assert done.returncode == 6


def test_input_stays_out_without_i(pypod: Program, image: str) -> None:
    done = run_bytes(pypod, "run", "--rm", image, "cat", data=b"typed\n")
    assert (done.returncode, done.stdout) == (0, b"")


@pytest.mark.own  # podman 4.3 listens late, not in exec, and has no WINCH
@pytest.mark.parametrize("name", ["TERM", "INT", "HUP", "USR1", "WINCH", "RTMIN+3"])
@pytest.mark.parametrize("verb", ["run", "attach", "start", "exec"])
def test_signals_of_the_client_are_the_containers(
    pypod: Program, image: str, verb: str, name: str
) -> None:
    number = 37 if name == "RTMIN+3" else int(getattr(signal, "SIG" + name))
    script = f"trap 'echo got; exit 9' {number}; echo up; while :; do sleep 0.05; done"
    words: tuple[str, ...] = ("run", "--name", "sig", image, "sh", "-c", script)
    if verb == "start":
        pypod("create", "--name", "sig", image, "sh", "-c", script)
        words = ("start", "-a", "sig")
    elif verb == "attach":
        pypod("run", "-d", "--name", "sig", image, "sh", "-c", f"sleep 0.5; {script}")
        words = ("attach", "sig")
    elif verb == "exec":
        pypod("run", "-d", "--name", "sig", image, "sleep", "1000")
        words = ("exec", "sig", "sh", "-c", script)
    client = pypod.start(*words, stdin=subprocess.DEVNULL)
    assert client.stdout is not None
    assert client.stdout.readline() == b"up\n"
    client.send_signal(number)
    assert client.wait(20) == 9
    assert client.stdout.read() == b"got\n"


@pytest.mark.parametrize("verb", ["run", "attach", "start"])
def test_without_the_proxy_signals_are_the_clients_alone(
    pypod: Program, image: str, verb: str
) -> None:
    script = "trap 'exit 9' TERM; sleep 0.5; echo up; while :; do sleep 0.05; done"
    words: tuple[str, ...] = (
        "run",
        "--sig-proxy=false",
        "--name",
        "own",
        image,
        "sh",
        "-c",
        script,
    )
    if verb == "start":
        pypod("create", "--name", "own", image, "sh", "-c", script)
        words = ("start", "-a", "--sig-proxy=false", "own")
    elif verb == "attach":
        pypod("run", "-d", "--name", "own", image, "sh", "-c", script)
        words = ("attach", "--sig-proxy=false", "own")
    client = pypod.start(*words, stdin=subprocess.DEVNULL)
    assert client.stdout is not None
    assert client.stdout.readline() == b"up\n"
    client.send_signal(signal.SIGTERM)
    client.wait(20)
    assert pypod("ps", "--format", "{{.Names}}").line == "own"


def test_a_terminal_without_a_terminal_warns_and_works(pypod: Program, image: str) -> None:
    done = run_bytes(pypod, "run", "--rm", "-it", image, "sh", data=b"tty; echo $((6*7)); exit 3\n")
    assert done.returncode == 3
    assert b"/dev/pts/0\r\n42\r\n" in done.stdout
    warning = b"The input device is not a TTY. The --tty and --interactive flags might not work"
    assert warning in done.stderr


@pytest.mark.own
def test_keys_from_a_pipe_have_the_size_of_the_terminal_that_shows_the_output(
    pypod: Program, image: str, seat: Seat, tmp_path: Path
) -> None:
    (tmp_path / "keys").write_text("stty size; exit 4\n")
    seat.resize(31, 91)
    words = ("run", "--rm", "-it", image, "sh")
    seat.start(pypod.argv(*words), stdin=str(tmp_path / "keys"))
    seat.expect("31 91\r\n")
    assert seat.wait() == 4
    assert seat.is_restored


@pytest.mark.own
def test_two_clients_read_everything_and_either_ends_alone(pypod: Program, image: str) -> None:
    script = "read x; seq 200000"
    first = pypod.start("run", "-i", "--name", "both", image, "sh", "-c", script)
    assert within(20, lambda: pypod("ps", "-q").line)
    others = [pypod.start("attach", "--no-stdin", "both", stdin=None) for _ in range(2)]
    killed = pypod.start("attach", "both")
    clients = [first, *others]
    wanted = b"".join(b"%d\n" % number for number in range(1, 200001))
    # All three are known to the monitor once their own sockets are accepted: ss shows nothing of
    # it, so the start of the output is the container's reading of a line, sent last.
    assert within(20, lambda: attached(pypod, "both") == 4)
    killed.kill()
    killed.wait()
    assert within(20, lambda: attached(pypod, "both") == 3)
    assert first.stdin is not None
    first.stdin.write(b"go\n")
    first.stdin.close()
    first.stdin = None
    # At the same time: one that nobody reads holds the others up, and is let go after 10 seconds.
    with ThreadPoolExecutor(len(clients)) as readers:
        outs = list(readers.map(lambda client: client.communicate(timeout=60)[0], clients))
    assert [client.returncode for client in clients] == [0] * len(clients)
    assert all(out == wanted for out in outs)


def attached(pypod: Program, name: str) -> int:
    """Return how many sockets with clients the container's monitor holds."""
    monitor = pypod("inspect", "-f", "{{.State.ConmonPid}}", name).line
    listing = [os.readlink(f"/proc/{monitor}/fd/{fd}") for fd in os.listdir(f"/proc/{monitor}/fd")]
    return sum(link.startswith("socket:") for link in listing) - 1  # the listener
