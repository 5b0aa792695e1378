# SPDX-License-Identifier: Apache-2.0
"""pypod-init: what is written to procfs reaches that file and no other, or nothing runs."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from contained import Box, Started

from pypod.spec.security import CAPABILITIES

EVERYTHING = {kind: list(CAPABILITIES) for kind in ("bounding", "effective", "permitted")}
Hold = Callable[[str], Started]


@pytest.fixture
def hold(mapped: Box) -> Iterator[Hold]:
    """Return a function that starts a container which mounts what it likes, and says "ready"."""
    running = []

    def start(script: str) -> Started:
        words = ("sh", "-c", f"{script} && echo ready && exec sleep 1000")
        started = mapped.start(mapped.config(*words, capabilities=EVERYTHING))
        running.append(started)
        assert os.read(started.out, 6) == b"ready\n"
        return started

    yield start
    for started in running:
        os.kill(started.pid, signal.SIGKILL)
        started.wait()


def test_a_further_process_has_its_score_whatever_lies_over_proc(mapped: Box, hold: Hold) -> None:
    own = int(Path("/proc/self/oom_score_adj").read_text())
    for script in ("true", "mount -t tmpfs none /proc", "mount --bind /proc/sys /proc"):
        held = hold(script)
        config = mapped.config("sleep", capabilities=EVERYTHING)
        ended = mapped.exec(config, held.pid, "sleep", "0", oomScoreAdj=own + 50)
        assert (ended.failed, ended.code) == (False, 0), ended
    held = hold("true")
    words = ("cat", "/proc/self/oom_score_adj")
    assert mapped.exec(config, held.pid, *words, oomScoreAdj=own + 50).out == f"{own + 50}\n"


@pytest.mark.parametrize("label", ["selinuxLabel", "apparmorProfile"])
def test_a_label_that_the_kernel_does_not_take_keeps_the_program_from_running(
    mapped: Box, label: str
) -> None:
    ended = mapped.run(mapped.config("sh", "-c", "echo ran", **{label: "no_such:thing:at:all"}))
    assert (ended.failed, ended.code, ended.out) == (True, 125, "")
    assert "no_such:thing:at:all" in str(ended.error)
    assert ended.errno in (errno.EINVAL, errno.ENOENT)


@pytest.mark.parametrize("label", ["selinuxLabel", "apparmorProfile"])
def test_a_label_is_tried_by_a_further_process_too(mapped: Box, hold: Hold, label: str) -> None:
    held = hold("true")
    config = mapped.config("sleep", capabilities=EVERYTHING)
    ended = mapped.exec(config, held.pid, "sh", "-c", "echo ran", **{label: "no_such:thing:at:all"})
    assert (ended.failed, ended.code, ended.out) == (True, 125, "")
    assert ended.errno in (errno.EINVAL, errno.ENOENT)


def test_the_execution_domain(mapped: Box) -> None:
    config = mapped.config("sh", "-c", "uname -m")
    config["linux"]["personality"] = {"domain": "LINUX32"}
    assert mapped.run(config).out == "i686\n"
    config["linux"]["personality"] = {"domain": "LINUX"}
    assert mapped.run(config).out == os.uname().machine + "\n"


def test_a_sysctl_is_set_where_proc_shows_processes_only(mapped: Box) -> None:
    config = mapped.config("sh", "-c", "ls /proc/sys; ls -d /proc/self")
    for mount in config["mounts"]:
        if mount["destination"] == "/proc":
            mount["options"] = [*mount["options"], "subset=pid"]
    config["linux"]["sysctl"] = {"net.ipv4.ip_unprivileged_port_start": "123"}
    ended = mapped.run(config)
    assert (ended.failed, ended.out) == (False, "/proc/self\n"), ended
