# SPDX-License-Identifier: Apache-2.0
"""Any process may be killed at any moment: the next command tells the truth, rm -f works."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest

from tests.fixtures.program import Program, within

pytestmark = pytest.mark.own
ROUNDS = 20


def start_of(pid: int) -> str | None:
    """Return the start time of a process that is neither gone nor a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def mounted() -> list[str]:
    """Return where something is mounted. Without ids: another program may mount its own anew."""
    return sorted(line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines())


def processes(pypod: Program, name: str) -> tuple[int, int]:
    """Return the pids of payload and monitor."""
    line = pypod("inspect", "-f", "{{.State.Pid}} {{.State.ConmonPid}}", name).line
    payload, monitor = line.split()
    return int(payload), int(monitor)


def nothing_is_left(pypod: Program, name: str, pids: tuple[int, ...], before: list[str]) -> None:
    pypod("rm", "-f", "-t", "0", name)
    assert within(5, lambda: all(start_of(pid) is None for pid in pids))
    assert mounted() == before
    assert pypod("ps", "-aq").out == ""
    pypod("create", "--name", name, "pypod/hello")
    pypod("rm", name)


@pytest.mark.parametrize("victim", ["monitor", "payload", "runtime directory"])
def test_kill_in_the_background(pypod: Program, image: str, victim: str) -> None:
    chance = random.Random(victim)
    before = mounted()
    for number in range(ROUNDS):
        name = f"dies{number}"
        pypod("run", "-d", "--name", name, image, "sleep", "1000")
        payload, monitor = processes(pypod, name)
        time.sleep(chance.random() * 0.05)
        if victim == "runtime directory":
            info = pypod("info", "-f", "{{.store.runRoot}}").line
            shutil.rmtree(info)
            assert pypod("ps", "--format", "{{.State}}").line == "running"
            assert "logs, stop and rm still work" in pypod("attach", name, check=125).err
            pypod("exec", name, "true")
            pypod("stop", "-t", "0", name)
            assert pypod("wait", name).line == "137"
        else:
            os.kill(monitor if victim == "monitor" else payload, signal.SIGKILL)
            assert within(2, lambda pid=payload: start_of(pid) is None)
            status = pypod("ps", "-a", "--format", "{{.Status}}").line
            if victim == "monitor":
                assert status == "Exited (unknown)"
                assert pypod("wait", name).line == "-1"
            else:
                assert status.startswith(("Exited (137)", "Stopping"))
                assert pypod("wait", name).line == "137"
        nothing_is_left(pypod, name, (payload, monitor), before)


def test_kill_the_client(pypod: Program, image: str) -> None:
    chance = random.Random(4)
    before = mounted()
    for number in range(ROUNDS):
        name = f"orphan{number}"
        child = pypod.start("run", "-i", "--name", name, image, "sleep", "1000")
        time.sleep(chance.random() * 0.15)
        child.kill()
        child.communicate()
        rows = pypod("ps", "-a", "--format", "{{.Names}} {{.State}}").out.split()
        if not rows:  # killed before there was anything
            pypod("run", "--rm", "--name", name, image, "true")
            continue
        assert rows[0] == name
        pids: tuple[int, ...] = ()
        if rows[1] == "running":
            pids = processes(pypod, name)
            pypod("exec", name, "true")
        else:
            assert rows[1] == "created"
        nothing_is_left(pypod, name, pids, before)


def test_a_removed_client_of_rm_leaves_the_removal_to_the_monitor(
    pypod: Program, image: str
) -> None:
    child = pypod.start("run", "--rm", "-i", "--name", "gone", image, "sleep", "1")
    assert within(20, lambda: "gone" in pypod("ps", "--format", "{{.Names}}").out)
    child.kill()
    child.communicate()
    assert within(20, lambda: pypod("ps", "-aq").out == "")


def test_the_client_that_waited_says_that_the_status_is_lost(pypod: Program, image: str) -> None:
    for words in (("run", "-i", "--name", "lost"), ("start", "-a", "lost")):
        tail = (image, "sleep", "1000") if words[0] == "run" else ()
        child = pypod.start(*words, *tail)
        assert within(20, lambda: "lost" in pypod("ps", "--format", "{{.Names}}").out)
        os.kill(processes(pypod, "lost")[1], signal.SIGKILL)
        _, err = child.communicate(timeout=20)
        assert child.returncode == 125
        assert b"Error: lost the monitor of lost; exit status unknown" in err


def test_a_stale_boot_id_means_exited(pypod: Program, image: str) -> None:
    pypod("run", "-d", "--name", "boot", image, "sleep", "1000")
    payload, monitor = processes(pypod, "boot")
    directory = Path(pypod("inspect", "-f", "{{.StaticDir}}", "boot").line)
    line = (directory / "pids").read_text()
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    (directory / "pids").write_text(line.replace(boot, "0" * 8 + boot[8:]))
    assert pypod("ps", "-a", "--format", "{{.Status}}").line == "Exited (unknown)"
    pypod("stop", "boot")
    assert start_of(payload) is not None, "a signal went to a process of another boot"
    (directory / "pids").write_text(line)
    nothing_is_left(pypod, "boot", (payload, monitor), mounted())


def test_a_strangers_process_is_never_signalled(pypod: Program, image: str) -> None:
    import subprocess

    stranger = subprocess.Popen(["/usr/bin/sleep", "1000"])
    try:
        pypod("run", "-d", "--name", "reused", image, "sleep", "1000")
        payload = processes(pypod, "reused")[0]
        directory = Path(pypod("inspect", "-f", "{{.StaticDir}}", "reused").line)
        line = (directory / "pids").read_text()
        forged = line.replace(f" pid={payload} ", f" pid={stranger.pid} ")
        assert forged != line
        (directory / "pids").write_text(forged)
        for words in (("stop", "-t", "1"), ("kill",), ("exec",)):
            pypod(*words, "reused", *(["true"] if words == ("exec",) else []), check=None)
        assert stranger.poll() is None
        (directory / "pids").write_text(line)
        pypod("rm", "-f", "-t", "0", "reused")
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()
