# SPDX-License-Identifier: Apache-2.0
"""Killing what connects a container, or its monitor: no port stays bound, no pasta is left."""

from __future__ import annotations

import os
import random
import re
import signal
import socket
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.fixtures.program import Program, within

pytestmark = pytest.mark.own
ROUNDS = 20


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def network_of(pypod: Program, name: str) -> int:
    """Return the pid of the program that connects a container (STORE.md, `pids`)."""
    directory = Path(pypod("inspect", "-f", "{{.StaticDir}}", name).line)
    found = re.search(r" net=(\d+) ", (directory / "pids").read_text())
    assert found is not None
    return int(found[1])


def is_bound(port: int) -> bool:
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen()
        except OSError:
            return True
    return False


@pytest.mark.parametrize("by", ["pasta", "slirp4netns"])
@pytest.mark.parametrize("victim", ["monitor", "network"])
def test_no_port_stays_bound(pypod: Program, image: str, victim: str, by: str) -> None:
    chance = random.Random(victim)
    for number in range(ROUNDS if by == "pasta" else 3):
        name = f"port{number}"
        words = ("--network", by, "-p", "127.0.0.1::80", image, "sleep", "1000")
        pypod("run", "-d", "--name", name, *words)
        port = int(pypod("port", name, "80").line.rpartition(":")[2])
        network = network_of(pypod, name)
        assert alive(network) and is_bound(port)
        time.sleep(chance.random() * 0.05)
        monitor = int(pypod("inspect", "-f", "{{.State.ConmonPid}}", name).line)
        os.kill(monitor if victim == "monitor" else network, signal.SIGKILL)
        state = pypod("ps", "-a", "--format", "{{.State}}").line
        assert within(1, lambda pid=network: not alive(pid)), f"{by} outlives the {victim}"
        assert within(1, lambda port=port: not is_bound(port))
        if victim == "network":
            assert state == "running", "the container goes on"
            pypod("exec", name, "true")
        pypod("rm", "-f", "-t", "0", name)


def test_what_outlives_its_monitor_is_ended_by_the_next_command(
    pypod: Program, image: str
) -> None:
    """A program that changed its credentials has lost PDEATHSIG: a sleep stands in for it."""
    strangers = [subprocess.Popen(["/usr/bin/sleep", "1000"]) for _ in range(2)]
    try:
        for stranger, shift in zip(strangers, (0, 1), strict=True):
            name = f"outlived{shift}"
            pypod("run", "-d", "--name", name, image, "sleep", "1000")
            directory = Path(pypod("inspect", "-f", "{{.StaticDir}}", name).line)
            fields = Path(f"/proc/{stranger.pid}/stat").read_text().rpartition(")")[2].split()
            named = f" net={stranger.pid} nstart={int(fields[19]) + shift} "
            pids = directory / "pids"
            pids.write_text(re.sub(r" net=\d+ nstart=\d+ ", named, pids.read_text()))
            monitor = int(pypod("inspect", "-f", "{{.State.ConmonPid}}", name).line)
            os.kill(monitor, signal.SIGKILL)
            assert within(5, lambda monitor=monitor: not alive(monitor))
            pypod("ps", "-a")
        assert within(5, lambda: strangers[0].poll() is not None)
        assert strangers[1].poll() is None, "another process that got the pid is left alone"
    finally:
        for stranger in strangers:
            stranger.kill()
            stranger.wait()


def test_an_end_frees_the_port_for_the_next_run(pypod: Program, image: str) -> None:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for _ in range(8):
        pypod("run", "--rm", "-p", f"127.0.0.1:{port}:80", image, "true")
    assert within(1, lambda: not is_bound(port))


def test_a_start_that_fails_leaves_no_program(pypod: Program, image: str) -> None:
    pypod("create", "--name", "bad", "-p", "127.0.0.1::80", image, "/nothing/here")
    port = int(pypod("port", "bad", "80").line.rpartition(":")[2])
    pypod("start", "bad", check=127)
    assert within(2, lambda: not is_bound(port))
    bad = pypod("run", "--rm", "--network", "pasta:--address,nothing", image, "true", check=125)
    assert bad.err.startswith("Error: cannot connect the network: ")
    assert len(bad.err.splitlines()) == 1


def test_a_stopped_container_gets_its_port_again(pypod: Program, image: str) -> None:
    pypod("run", "-d", "--name", "again", "-p", "127.0.0.1::80", image, "sleep", "1000")
    line = pypod("port", "again").line
    port = int(line.rpartition(":")[2])
    pypod("stop", "-t", "0", "again")
    assert within(1, lambda: not is_bound(port))
    pypod("start", "again")
    assert is_bound(port) and pypod("port", "again").line == line
