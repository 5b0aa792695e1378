# SPDX-License-Identifier: Apache-2.0
"""Descriptors of the caller in a container: --preserve-fds, and sockets that systemd passed."""

from __future__ import annotations

import os
import socket
import subprocess

import pytest

from tests.fixtures.program import Program, environment, within

SHOWN = "ls /proc/self/fd | tr '\\n' ' '"
"""One more than there are: ls holds the directory that it reads."""


def with_descriptors(
    pypod: Program, redirections: str, *words: str, env: dict[str, str | None] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run pypod from a shell that opens descriptors for it."""
    return subprocess.run(
        ["bash", "-c", f'exec "$@" {redirections}', "bash", *pypod.argv(*words)],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env=environment(env),
        timeout=60,
        check=False,
    )


@pytest.mark.own
def test_preserved_descriptors_are_the_programs_at_the_same_numbers(
    pypod: Program, image: str, tmp_path: os.PathLike[str]
) -> None:
    out = f"{tmp_path}/out"
    script = "read a <&3; echo got $a; echo written >&4; read b <&5; echo $b"
    words = ("run", "--rm", "--preserve-fds", "3", image, "sh", "-c", script)
    done = with_descriptors(pypod, f"3<<<one 4>{out} 5<<<three", *words)
    assert (done.returncode, done.stdout) == (0, "got one\nthree\n"), done.stderr
    with open(out) as file:
        assert file.read() == "written\n"


def test_descriptors_that_are_not_named_stay_out(pypod: Program, image: str) -> None:
    script = f"{SHOWN}; read a <&3; echo $a"
    words = ("run", "--rm", "--preserve-fds", "1", image, "sh", "-c", script)
    done = with_descriptors(pypod, "3<<<one 4<<<two 5<<<three", *words)
    assert (done.returncode, done.stdout) == (0, "0 1 2 3 4 one\n"), done.stderr


@pytest.mark.own
@pytest.mark.parametrize("words", [("--init",), ("-d",), ("-i",), ()])
def test_preserved_descriptors_go_with_other_ways_to_run(
    pypod: Program, image: str, tmp_path: os.PathLike[str], words: tuple[str, ...]
) -> None:
    out = f"{tmp_path}/out"
    command = ("run", *words, "--preserve-fds", "1", image, "sh", "-c", "echo written >&3")
    done = with_descriptors(pypod, f"3>{out}", *command)
    assert done.returncode == 0, done.stderr
    assert within(10, lambda: os.path.getsize(out))


@pytest.mark.own
def test_exec_passes_descriptors_on(pypod: Program, image: str) -> None:
    pypod("run", "-d", "--name", "fds", image, "sleep", "1000")
    words = ("exec", "--preserve-fds", "2", "fds", "sh", "-c", f"{SHOWN}; read a <&4; echo $a")
    done = with_descriptors(pypod, "3<<<one 4<<<two 5<<<three", *words)
    assert (done.returncode, done.stdout) == (0, "0 1 2 3 4 5 two\n"), done.stderr


@pytest.mark.own
def test_the_writer_of_a_pipe_ends_with_the_container_that_got_it(
    pypod: Program, image: str
) -> None:
    """The client must not keep the container's end open."""
    reading, writing = os.pipe()
    words = ("run", "--rm", "--preserve-fds", "1", image, "sh", "-c", "exec 3>&-; exec sleep 1000")
    client = subprocess.Popen(
        ["bash", "-c", f'exec "$@" 3>&{writing} {writing}>&-', "bash", *pypod.argv(*words)],
        pass_fds=[writing],
        stdin=subprocess.DEVNULL,
        env=environment(None),
    )
    os.close(writing)
    try:
        assert os.read(reading, 1) == b""
    finally:
        os.close(reading)
        pypod("rm", "-f", "-t", "0", pypod("ps", "-q").line)
        client.wait(20)


@pytest.mark.own
@pytest.mark.parametrize("verb", ["run", "exec"])
def test_a_descriptor_that_is_not_open_is_an_error_that_names_it(
    pypod: Program, image: str, verb: str
) -> None:
    pypod("run", "-d", "--name", "open", image, "sleep", "1000")
    target = ("--rm", "--preserve-fds", "2", image) if verb == "run" else ("--preserve-fds", "2")
    words = (verb, *target, "true") if verb == "run" else (verb, *target, "open", "true")
    done = with_descriptors(pypod, "3<<<one", *words)
    assert done.returncode == 125
    assert "file descriptor 4 is not open" in done.stderr


@pytest.mark.own
def test_too_many_descriptors_are_refused(pypod: Program, image: str) -> None:
    assert "100 is the limit" in pypod("run", "--preserve-fds", "101", image, check=125).err


ACTIVATED = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="web")
os.execv(sys.argv[2], sys.argv[2:])
"""
"""What systemd does for a unit with a socket."""


def activated(listener: socket.socket, *argv: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["/usr/bin/python3", "-IS", "-c", ACTIVATED, str(listener.fileno()), *argv],
        pass_fds=[listener.fileno()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(None),
    )


@pytest.mark.own
@pytest.mark.parametrize("init", [False, True])
def test_a_socket_of_systemd_reaches_the_container(pypod: Program, image: str, init: bool) -> None:
    """The program finds LISTEN_PID to be itself, also where --init is pid 1, without a network."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        script = "echo $LISTEN_FDS $LISTEN_FDNAMES; test $LISTEN_PID = $$ && ls -l /proc/self/fd/3"
        words = ["run", "--rm", "--network", "none", image, "sh", "-c", script]
        if init:
            words.insert(1, "--init")
        out, err = activated(listener, *pypod.argv(*words)).communicate(timeout=60)
    assert out.startswith("1 web\n"), err
    assert "-> socket:[" in out


@pytest.mark.own
def test_start_passes_a_socket_of_systemd_on_and_an_ancestors_stays_out(
    pypod: Program, image: str
) -> None:
    script = f"echo =$LISTEN_FDS; {SHOWN}"
    pypod("create", "--name", "sock", image, "sh", "-c", script)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        out, err = activated(listener, *pypod.argv("start", "-a", "sock")).communicate(timeout=60)
        assert out == "=1\n0 1 2 3 4 ", err
        # An ancestor's: LISTEN_PID is not this pypod.
        words = pypod.argv("start", "-a", "sock")
        shell = ["/bin/sh", "-c", '"$@"; exit $?', "sh", *words]
        out, err = activated(listener, *shell).communicate(timeout=60)
        assert out == "=\n0 1 2 3 ", err


@pytest.mark.own
def test_a_timeout_ends_the_container_with_137(pypod: Program, image: str) -> None:
    out = pypod("run", "--name", "late", "--timeout", "1", image, "sleep", "1000", check=137)
    assert out.out == ""
    assert pypod("inspect", "-f", "{{.Config.Timeout}} {{.State.ExitCode}}", "late").line == "1 137"
    # It is the container's: the next start has it too, and nobody needs to wait for it.
    pypod("start", "late")
    assert pypod("wait", "late").line == "137"


@pytest.mark.own
def test_a_timeout_holds_when_the_client_is_gone_and_not_before(pypod: Program, image: str) -> None:
    pypod("run", "-d", "--rm", "--name", "gone", "--timeout", "2", image, "sleep", "1000")
    assert pypod("ps", "--format", "{{.Names}}").line == "gone"
    assert within(20, lambda: not pypod("ps", "-a", "-q").line)
    assert pypod("run", "--rm", "--timeout", "1000000000", image, "echo", "done").line == "done"


@pytest.mark.own
def test_stop_names_the_signal_that_did_not_stop_a_container(pypod: Program, image: str) -> None:
    script = "trap '' TERM HUP; while :; do sleep 1; done"
    pypod("run", "-d", "--name", "deaf", image, "sh", "-c", script)
    assert "StopSignal SIGTERM failed to stop" in pypod("stop", "-t", "0", "deaf").err
    pypod("run", "-d", "--name", "deaf3", "--stop-signal", "RTMIN+3", image, "sleep", "1000")
    assert "StopSignal SIGRTMIN+3 failed" in pypod("stop", "-t", "0", "deaf3").err
