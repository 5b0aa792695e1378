# SPDX-License-Identifier: Apache-2.0
"""The exit-code table: 125 pypod's own, 126 not invocable, 127 not found, 128+n, the process's.

Also passes with PYPOD=podman but for the rows that say why not.
"""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.fixtures.program import Program, within

NONE = ("--network", "none")

COMMANDS = [
    pytest.param(("true",), 0, id="0"),
    pytest.param(("sh", "-c", "exit 7"), 7, id="7"),
    pytest.param(("/etc",), 126, id="126 directory"),
    pytest.param(("/noexec",), 126, id="126 no x bit"),
    pytest.param(("/no/such/file",), 127, id="127 path"),
    pytest.param(("no-such-command",), 127, id="127 name"),
    pytest.param(("sh", "-c", "kill -KILL $$"), 137, id="137"),
]


@pytest.mark.parametrize(("command", "code"), COMMANDS)
def test_run(pypod: Program, image: str, command: tuple[str, ...], code: int) -> None:
    # As pid 1 of its namespace a process ignores its own KILL: a child of --init does not.
    init = ["--init"] if code == 137 else []
    done = pypod("run", "--rm", *init, *NONE, image, *command, check=code)
    assert done.out == ""
    if code in (126, 127):
        assert len(done.err.splitlines()) == 1 or pypod.is_podman
        assert "Error: " in done.err
    assert pypod("ps", "-aq").out == ""


@pytest.mark.parametrize(("command", "code"), COMMANDS)
def test_start_attached_and_wait(
    pypod: Program, image: str, command: tuple[str, ...], code: int
) -> None:
    init = ["--init"] if code == 137 else []
    name = pypod("create", *init, *NONE, image, *command).line
    if pypod.is_podman and code in (126, 127):
        # A listed row: podman's start -a ends 125 there, and its `wait` prints 0.
        pypod("start", "-a", name, check=125)
        return
    pypod("start", "-a", name, check=code)
    assert pypod("wait", name).line == str(code)
    if code in (126, 127):
        assert pypod("inspect", "-f", "{{.State.Status}}", name).line == "created"
        assert pypod("inspect", "-f", "{{.State.ExitCode}}", name).line == str(code)


@pytest.mark.parametrize(("command", "code"), COMMANDS)
def test_exec(pypod: Program, image: str, command: tuple[str, ...], code: int) -> None:
    name = pypod("run", "-d", "--init", *NONE, image, "sleep", "1000").line
    pypod("exec", name, *command, check=code)


def test_unknown_image_and_container(pypod: Program, image: str) -> None:
    assert "Error: " in pypod("run", "--pull=never", "no/such/image", check=125).err
    assert "no such container" in pypod("exec", "no_such", "true", check=125).err
    assert "no such container" in pypod("wait", "no_such", check=125).err
    assert "no such container" in pypod("stop", "no_such", check=125).err
    assert pypod("rm", "no_such", check=1).out == ""


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)]
)
def test_a_signal_to_the_client_reaches_the_command_under_init(
    pypod: Program, image: str, number: int, code: int
) -> None:
    child = pypod.start("run", "--init", "--name", "proxied", *NONE, image, "sleep", "1000")
    assert within(20, lambda: "proxied" in pypod("ps", "--format", "{{.Names}}").out)
    time.sleep(0.3)
    os.kill(child.pid, number)
    assert child.wait(20) == code
    child.communicate()
    assert pypod("wait", "proxied").line == str(code)


def test_ctrl_c_on_a_terminal_under_init(pypod: Program, image: str) -> None:
    with pypod.terminal(
        "run", "--rm", "-it", "--init", *NONE, image, "sh", "-c", "echo up; exec sleep 99"
    ) as term:
        term.expect("up")
        term.send(b"\x03")
        assert term.wait() == 130


@pytest.mark.own
def test_init_is_pid_one_and_no_file_of_the_host(pypod: Program, image: str) -> None:
    script = "cat /proc/1/comm; echo $$; (sleep 0.1 &) ; sleep 0.3; ps | grep -c '\\[sleep\\]'"
    out = pypod("run", "--rm", "--init", image, "sh", "-c", script, check=None).out.split()
    assert out[0] == "pypod-init"
    assert out[1] != "1"
    assert out[2] == "0", "an orphan was not reaped"
    plain = pypod("run", "--rm", image, "cat", "/proc/mounts").out.splitlines()
    with_init = pypod("run", "--rm", "--init", image, "cat", "/proc/mounts").out.splitlines()
    assert len(plain) == len(with_init)


def test_a_container_that_could_not_start_stays_created(pypod: Program, image: str) -> None:
    pypod("run", "--name", "half", *NONE, image, "/etc", check=126)
    assert pypod("ps", "-a", "--format", "{{.Names}} {{.Status}}").line == "half Created"
    pypod("rm", "half")


def test_stop_by_timeout_and_kill(pypod: Program, image: str) -> None:
    name = pypod("run", "-d", *NONE, image, "sleep", "1000").line
    begun = time.monotonic()
    pypod("stop", "-t", "1", name)
    assert time.monotonic() - begun < 8
    assert pypod("wait", name).line == "137"
    pypod("start", name)
    pypod("kill", "-s", "KILL", name)
    assert pypod("wait", name).line == "137"
