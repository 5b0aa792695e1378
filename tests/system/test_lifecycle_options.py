# SPDX-License-Identifier: Apache-2.0
"""The options of a container's life: made, started, attached to, listed, stopped, removed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.fixtures.program import Program, within

NONE = ("--network", "none")
_TRAPS = "trap 'exit 9' TERM; trap 'exit 8' USR1; "
_LOOP = "echo up; while :; do sleep 0.05; done"
ENDLESS = ("sh", "-c", _TRAPS + _LOOP)
"""A payload that answers its signals."""


def state(pypod: Program, name: str) -> str:
    """Return a container's state, "" when there is none."""
    return pypod("inspect", "-f", "{{.State.Status}}", name, check=None).line


def started(pypod: Program, *words: str, image: str, command: tuple[str, ...] = ENDLESS) -> str:
    """Start a container in the background and wait until it says that it is up."""
    name = pypod("run", "-d", *NONE, *words, image, *command).line
    assert within(20, lambda: pypod("logs", name).out)
    return name


def finish(child: subprocess.Popen[bytes]) -> tuple[int, bytes, bytes]:
    """Wait for a client's end; return its code and output."""
    out, err = child.communicate(timeout=30)
    return child.returncode, out, err


def test_detached_prints_the_id_and_goes_on(pypod: Program, image: str) -> None:
    name = started(pypod, "--name", "back", image=image)
    assert len(name) == 64 and int(name, 16)
    assert state(pypod, "back") == "running"
    if not pypod.is_podman:
        refused = pypod("run", "-d", "-a", "stdout", *NONE, image, "true", check=125)
        assert len(refused.err.splitlines()) <= 2 and "-a" in refused.err
    assert pypod("ps", "-aq", "--no-trunc").out.split() == [name]


def test_rm_removes_at_the_end(pypod: Program, image: str) -> None:
    pypod("run", "--rm", "--name", "gone", *NONE, image, "sh", "-c", "exit 3", check=3)
    assert pypod("ps", "-aq").out == ""
    name = started(pypod, "--rm", "--name", "gone", image=image)
    pypod("kill", "-s", "TERM", name)
    assert within(20, lambda: pypod("ps", "-aq").out == "")
    pypod("create", "--rm", "--name", "gone", *NONE, image, "true")
    pypod("start", "-a", "gone")
    assert pypod("ps", "-aq").out == ""


def test_a_name_is_taken_once_unless_replaced(pypod: Program, image: str) -> None:
    first = started(pypod, "--name", "one", image=image)
    taken = pypod("run", "--name", "one", *NONE, image, "true", check=125)
    assert "one" in taken.err and "in use" in taken.err
    assert pypod("ps", "-aq", "--no-trunc").line == first
    words = ("-d", "--name", "one", "--replace", *NONE, image, "sleep", "99")
    second = pypod("run", *words).line.split()[-1]  # podman prints the replaced name before it
    assert pypod("ps", "-aq", "--no-trunc").line == second
    assert pypod("inspect", "-f", "{{.Id}}", "one").line == second != first


def test_interactive_passes_standard_input_on(pypod: Program, image: str) -> None:
    data = bytes(range(256)) * 4096
    child = pypod.start("run", "--rm", "-i", *NONE, image, "cat")
    out, err = child.communicate(data, timeout=60)
    assert (child.returncode, out) == (0, data), err
    assert pypod("run", "--rm", *NONE, image, "cat", input="dropped").out == ""


def test_tty_is_a_terminal_of_the_callers_size(pypod: Program, image: str) -> None:
    script = "tty; stty size; echo $TERM; [ -t 0 ] && [ -t 2 ] && echo all"
    words = ("run", "--rm", "-i", "-t", *NONE, image, "sh", "-c", script)
    with pypod.terminal(*words, rows=33, columns=99) as terminal:
        text = terminal.expect("all")
        assert "/dev/pts/0" in text and "33 99" in text and "xterm" in text
        assert terminal.wait() == 0
    assert "not a tty" in pypod("run", "--rm", *NONE, image, "tty", check=1).out
    warned = pypod("run", "--rm", "-it", *NONE, image, "tty")  # no terminal on our side
    assert warned.line.strip() == "/dev/pts/0"
    assert "The input device is not a TTY" in warned.err + warned.warnings


@pytest.mark.parametrize(
    ("streams", "out", "err"),
    [
        ((), b"out\n", b"err\n"),
        (("-a", "stdout"), b"out\n", b""),
        (("--attach=stderr",), b"", b"err\n"),
        (("-a", "STDOUT", "-a", "STDERR"), b"out\n", b"err\n"),
    ],
)
@pytest.mark.passes("user", "root")  # the warning of a single id is on stderr
def test_attach_chooses_streams(
    pypod: Program, image: str, streams: tuple[str, ...], out: bytes, err: bytes
) -> None:
    script = "echo out; echo err >&2"
    child = pypod.start("run", "--name", "streams", *NONE, *streams, image, "sh", "-c", script)
    assert finish(child) == (0, out, err)
    logged = pypod("logs", "streams")
    assert (logged.out, logged.err) == ("out\n", "err\n")


def test_attach_stdin_alone(pypod: Program, image: str) -> None:
    words = ("run", "--name", "in", "-i", "-a", "stdin", "-a", "stdout", *NONE, image, "cat")
    assert pypod(*words, input="typed").out == "typed"
    bad = pypod("run", "-a", "stdfoo", *NONE, image, "true", check=125)
    assert "stdfoo" in bad.err


@pytest.mark.parametrize("verb", ["run", "start", "attach"])
def test_detach_keys(pypod: Program, image: str, verb: str) -> None:
    keys = ("--detach-keys", "ctrl-x,y")
    script = "echo up; read x; echo $x-got"
    options = ("--name", "keys", "-i", "-t", *NONE, image, "sh", "-c", script)
    if verb == "run":
        words = ("run", *keys, *options)
    else:
        pypod("create", *options)
        words = ("start", "-a", "-i", *keys, "keys")
        if verb == "attach":
            pypod("start", "keys")
            words = ("attach", *keys, "keys")
    with pypod.terminal(*words) as terminal:
        if verb != "attach":
            terminal.expect("up")
        else:
            assert within(20, lambda: "up" in pypod("logs", "keys").out)
            time.sleep(0.3)
        for key in (b"\x18", b"y"):  # podman looks for keys at the end of a read
            terminal.send(key)
            time.sleep(0.1)
        assert terminal.wait() == 0
    assert state(pypod, "keys") == "running"
    with pypod.terminal("attach", "keys") as terminal:
        time.sleep(0.3)
        terminal.send("there\n")
        terminal.expect("there-got")
        assert terminal.wait() == 0


@pytest.mark.parametrize("verb", ["run", "start", "attach"])
@pytest.mark.parametrize("proxied", [True, False])
def test_signals_are_passed_on_or_not(
    pypod: Program, image: str, verb: str, proxied: bool
) -> None:
    option = f"--sig-proxy={str(proxied).lower()}"
    made = ("--name", "proxied", *NONE, image, *ENDLESS)
    words = {
        "run": ("run", option, *made),
        "start": ("start", "-a", option, "proxied"),
        "attach": ("attach", option, "proxied"),
    }
    if verb != "run":
        pypod("create", *made)
    if verb == "attach":
        pypod("start", "proxied")
    child = pypod.start(*words[verb])
    assert within(20, lambda: state(pypod, "proxied") == "running")
    assert within(20, lambda: pypod("logs", "proxied").out == "up\n")
    time.sleep(0.4)
    child.send_signal(signal.SIGUSR1 if proxied else signal.SIGTERM)
    code = finish(child)[0]
    if proxied:
        assert code == 8 or (pypod.is_podman and verb == "attach")  # its attach ends 0
        assert pypod("wait", "proxied").line == "8"
    else:
        assert code == -signal.SIGTERM or pypod.is_podman  # which leaves with 0
        assert state(pypod, "proxied") == "running"


def test_stop_sends_the_stop_signal_of_the_container(pypod: Program, image: str) -> None:
    for word, code in (("SIGUSR1", "8"), ("10", "8"), ("TERM", "9")):
        name = started(pypod, "--stop-signal", word, image=image)
        assert pypod("stop", name).line == name
        assert pypod("wait", name).line == code
    bad = pypod("create", "--stop-signal", "SIGNOPE", *NONE, image, check=125)
    assert "SIGNOPE" in bad.err or "NOPE" in bad.err


def test_stop_timeouts(pypod: Program, image: str) -> None:
    deaf = ("sh", "-c", "trap '' TERM; echo up; while :; do sleep 1; done")
    quick = started(pypod, "--stop-timeout", "1", image=image, command=deaf)
    begun = time.monotonic()
    pypod("stop", quick)
    assert 0.9 < time.monotonic() - begun < 6
    assert pypod("wait", quick).line == "137"
    slow = started(pypod, "--stop-timeout=60", image=image, command=deaf)
    begun = time.monotonic()
    assert pypod("stop", "-t", "0", slow).line == slow
    assert time.monotonic() - begun < 6


def test_stop_all_and_kill(pypod: Program, image: str) -> None:
    names = [started(pypod, image=image) for _ in range(2)]
    pypod("create", "--name", "idle", *NONE, image, "true")
    out = pypod("stop", "-a", "--time=5").out.split()
    assert set(names) <= set(out)
    assert [pypod("wait", name).line for name in names] == ["9", "9"]
    assert state(pypod, "idle") == "created"
    pypod("stop", names[0])  # stopped already: nothing to do
    name = started(pypod, image=image)
    assert pypod("kill", "--signal", "SIGUSR1", name).line == name
    assert pypod("wait", name).line == "8"
    assert "running" in pypod("kill", name, check=125).err
    assert "SIGNOPE" in pypod("kill", "-s", "SIGNOPE", name, check=125).err


def test_cidfile(pypod: Program, image: str, tmp_path: Path) -> None:
    file = tmp_path / "cid"
    name = pypod("create", "--cidfile", str(file), "--name", "first", *NONE, image, "true").line
    assert file.read_text() == name
    again = pypod("run", "--cidfile", str(file), *NONE, image, "true", check=125)
    assert str(file) in again.err and "exists" in again.err
    assert pypod("ps", "-aq", "--no-trunc").line == name
    absent = tmp_path / "none" / "cid"
    pypod("run", f"--cidfile={absent}", *NONE, image, "true", check=125)
    running = tmp_path / "running"
    other = pypod("run", "-d", "--cidfile", str(running), *NONE, image, *ENDLESS).line
    assert running.read_text() == other
    pypod("rm", "-f", other)
    failed = tmp_path / "failed"
    pypod("create", "--cidfile", str(failed), "--name", "first", *NONE, image, "true", check=125)
    assert pypod("ps", "-aq", "--no-trunc").line == name
    assert not failed.exists() or pypod.is_podman


@pytest.mark.parametrize("verb", ["run", "start"])
def test_pidfile_holds_the_payloads_pid_of_the_host(
    pypod: Program, image: str, tmp_path: Path, verb: str
) -> None:
    file = tmp_path / "pid"
    words = ("--name", "p", "--pidfile", str(file), *NONE, image, "sleep", "4321")
    if verb == "run":
        pypod("run", "-d", *words)
    else:
        pypod("create", *words)
        assert not file.exists()
        pypod("start", "p")
    pid = int(file.read_text())
    assert Path(f"/proc/{pid}/cmdline").read_bytes() == b"sleep\x004321\x00"
    assert os.readlink(f"/proc/{pid}/ns/pid") != os.readlink("/proc/self/ns/pid")
    assert pypod("inspect", "-f", "{{.State.Pid}}", "p").line == str(pid)


def test_start_attached_and_interactive(pypod: Program, image: str) -> None:
    pypod("create", "-i", "--name", "c", *NONE, image, "sh", "-c", "cat; exit 5")
    assert pypod("start", "-a", "-i", "c", input="some text", check=5).out == "some text"
    assert pypod("start", "--interactive", "--attach", "c", input="again", check=5).out == "again"
    pypod("create", "--name", "d", *NONE, image, "sh", "-c", "echo out; echo err >&2; exit 6")
    done = pypod("start", "--attach", "d", check=6)
    assert (done.out, done.err) == ("out\n", "err\n")
    assert pypod("start", "d").line == "d"
    assert pypod("wait", "d").line == "6"
    assert "cannot start and attach" in pypod("start", "-a", "c", "d", check=125).err


def test_rm_refuses_what_runs_unless_forced(pypod: Program, image: str) -> None:
    name = started(pypod, "--name", "busy", image=image)
    refused = pypod("rm", "busy", check=2)
    assert name in refused.err and state(pypod, "busy") == "running"
    assert pypod("rm", "-f", "-t", "5", "busy").line == "busy"
    assert pypod("ps", "-aq").out == ""
    assert pypod("rm", "-f", "busy").err == ""


def test_rm_with_patience_sends_the_stop_signal(
    pypod: Program, image: str, tmp_path: Path
) -> None:
    script = "trap 'echo asked > /out/said; exit 0' USR1; " + _LOOP
    words = ("-v", f"{tmp_path}:/out", "--stop-signal", "USR1")
    started(pypod, "--name", "asked", *words, image=image, command=("sh", "-c", script))
    pypod("rm", "--force", "--time", "10", "asked")
    assert (tmp_path / "said").read_text() == "asked\n"


def test_start_all_and_kill_all(pypod: Program, image: str) -> None:
    names = [started(pypod, image=image), pypod("create", *NONE, image, *ENDLESS).line]
    pypod("start", "--all")
    assert within(20, lambda: pypod("logs", names[1]).out)
    assert [state(pypod, name) for name in names] == ["running", "running"]
    assert set(pypod("kill", "--all", "--signal=USR1").out.split()) == set(names)
    assert [pypod("wait", name).line for name in names] == ["8", "8"]
    assert pypod("kill", "-a").out == ""


def test_rm_with_volumes_leaves_binds(pypod: Program, image: str, tmp_path: Path) -> None:
    (tmp_path / "kept").touch()
    name = pypod("create", "-v", f"{tmp_path}:/x", *NONE, image).line
    assert pypod("rm", "-v", name).line == name
    assert (tmp_path / "kept").exists()


def test_rm_all(pypod: Program, image: str) -> None:
    for _ in range(2):
        pypod("create", *NONE, image, "true")
    name = started(pypod, image=image)
    out = pypod("rm", "-a", check=2).out.split()
    assert len(out) == 2 and name not in out
    assert pypod("rm", "--all", "--force", "--time", "0").line == name
    assert pypod("ps", "-aq").out == ""


def test_rename_and_wait(pypod: Program, image: str) -> None:
    name = started(pypod, "--name", "old", image=image)
    pypod("create", "--name", "other", *NONE, image, "true")
    pypod("rename", "old", "new")
    assert pypod("inspect", "-f", "{{.Id}} {{.Name}}", "new").line == f"{name} new"
    assert "old" in pypod("rename", "old", "x", check=125).err
    assert "other" in pypod("rename", "new", "other", check=125).err
    pypod("rename", "new", "bad name", check=125)
    assert pypod("ps", "--format", "{{.Names}}").line == "new"
    waiting = pypod.start("wait", "new", name[:10])
    time.sleep(0.3)
    assert waiting.poll() is None
    pypod("kill", "-s", "TERM", "new")
    assert finish(waiting)[:2] == (0, b"9\n9\n")


def test_attach_joins_the_streams(pypod: Program, image: str) -> None:
    script = "while read x; do echo got $x; done; exit 4"
    pypod("run", "-d", "-i", "--name", "echo", *NONE, image, "sh", "-c", script)
    child = pypod.start("attach", "echo")
    assert child.stdin and child.stdout
    child.stdin.write(b"a\n")
    child.stdin.flush()
    assert child.stdout.readline() == b"got a\n"
    assert child.poll() is None
    pypod("kill", "echo")
    assert finish(child)[0] == 137 or pypod.is_podman  # whose attach ends 0
    assert "running" in pypod("attach", "echo", check=125).err


def test_create_makes_the_same_as_run(pypod: Program, image: str) -> None:
    words = ("-e", "A=1", "-w", "/tmp", "--read-only", "-h", "box", "--init", *NONE, image, "env")
    made = pypod("create", "--name", "made", *words).line
    assert state(pypod, made) == "created"
    pypod("run", "--name", "ran", *words)
    assert "A=1" in pypod("start", "-a", "made").out.splitlines()
    documents = json.loads(pypod("inspect", "made", "ran").out)
    for key in ("Env", "WorkingDir", "Hostname", "Cmd", "StopSignal"):
        assert documents[0]["Config"][key] == documents[1]["Config"][key], key
    assert documents[0]["HostConfig"]["ReadonlyRootfs"] is True
