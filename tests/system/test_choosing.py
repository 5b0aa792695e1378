# SPDX-License-Identifier: Apache-2.0
"""Containers chosen otherwise than by name: --cidfile, --filter, --running; and restart."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fixtures.program import Program, within

NONE = ("--network", "none")
LOOP = ("sh", "-c", "trap 'exit 9' TERM; trap 'exit 8' USR1; echo up; while :; do sleep 0.05; done")


def started(pypod: Program, name: str, *words: str, image: str) -> str:
    """Start a container in the background; return its id once it says that it is up."""
    made = pypod("run", "-d", "--name", name, *NONE, *words, image, *LOOP).line
    assert within(20, lambda: pypod("logs", name).out)
    return made


def state(pypod: Program, name: str) -> str:
    """Return a container's state, "" when there is none."""
    return pypod("inspect", "-f", "{{.State.Status}}", name, check=None).line


def pid(pypod: Program, name: str) -> str:
    """Return the pid of a container's first process."""
    return pypod("inspect", "-f", "{{.State.Pid}}", name).line


def test_an_id_file_chooses(pypod: Program, image: str, tmp_path: Path) -> None:
    file = tmp_path / "cid"
    made = started(pypod, "by-file", "--cidfile", str(file), image=image)
    before = pid(pypod, made)
    pypod("restart", "--cidfile", str(file))
    assert pid(pypod, made) != before
    assert within(20, lambda: pypod("logs", made).out.count("up") == 2)
    pypod("kill", "--cidfile", str(file), "-s", "USR1")
    assert pypod("wait", made).line == "8"
    pypod("start", made)
    pypod("stop", "--cidfile", str(file))
    assert state(pypod, made) == "exited"
    pypod("rm", "--cidfile", str(file))
    assert state(pypod, made) == ""


@pytest.mark.own
def test_the_id_file_goes_with_its_container(pypod: Program, image: str, tmp_path: Path) -> None:
    file = tmp_path / "cid"
    for words in ((), ("--rm",)):
        made = started(pypod, "gone", "--cidfile", str(file), *words, image=image)
        assert file.read_text() == made
        pypod("rm", "-f", made)
        assert not file.exists()
    started(pypod, "gone", "--rm", "--cidfile", str(file), image=image)
    pypod("stop", "gone")
    assert within(20, lambda: not file.exists())
    pypod("create", "--name", "other", "--cidfile", str(file), *NONE, image, "true")
    file.write_text("f" * 64)  # another container has it now
    pypod("rm", "other")
    assert file.exists()


def test_an_id_file_that_is_not_there(pypod: Program, image: str, tmp_path: Path) -> None:
    none = str(tmp_path / "none")
    for verb in ("stop", "kill", "rm", "restart"):
        assert none in pypod(verb, "--cidfile", none, check=125).err
    for words in (("stop", "--ignore"), ("rm", "-f", "--ignore")):
        done = pypod(*words, "--cidfile", none)
        assert (done.out, done.err) == ("", "")
    gone = tmp_path / "gone"
    gone.write_text("0" * 64)
    pypod("stop", "--ignore", "--cidfile", str(gone))
    pypod("rm", "-f", "--ignore", "--cidfile", str(gone))


def test_filters_choose(pypod: Program, image: str) -> None:
    started(pypod, "red", "-l", "colour=red", image=image)
    started(pypod, "blue", "-l", "colour=blue", image=image)
    before = pid(pypod, "red")
    pypod("restart", "-t", "5", "--filter", "label=colour=red")
    assert pid(pypod, "red") != before
    pypod("stop", "-f", "label=colour=red")
    assert (state(pypod, "red"), state(pypod, "blue")) == ("exited", "running")
    pypod("start", "--filter", "label=colour=red")
    assert state(pypod, "red") == "running"
    pypod("stop", "-a")
    pypod("rm", "--filter", "label=colour=red")
    assert (state(pypod, "red"), state(pypod, "blue")) == ("", "exited")
    if not pypod.is_podman:
        for verb in ("stop", "start", "rm", "restart"):
            refused = pypod(verb, "--filter", "name=x", "blue", check=125)
            assert "--filter takes no arguments" in refused.err


def test_stop_with_a_signal_of_the_moment(pypod: Program, image: str) -> None:
    if pypod.is_podman:  # newer ones have it
        return
    started(pypod, "a", image=image)
    pypod("stop", "--signal", "USR1", "a")
    assert pypod("wait", "a").line == "8"
    assert "NOPE" in pypod("stop", "-s", "SIGNOPE", "a", check=125).err


def test_restart_starts_what_is_named(pypod: Program, image: str) -> None:
    started(pypod, "runs", image=image)
    pypod("create", "--name", "idle", *NONE, image, *LOOP)
    before = pid(pypod, "runs")
    assert pypod("restart", "--running").out.split()
    assert state(pypod, "idle") == "created" and pid(pypod, "runs") != before
    pypod("restart", "--time", "3", "idle")
    assert state(pypod, "idle") == "running"
    pypod("stop", "idle", "runs")
    assert len(pypod("restart", "-a").out.split()) == 2
    assert state(pypod, "idle") == state(pypod, "runs") == "running"
    before = pid(pypod, "idle")
    pypod("restart", "-l")
    assert pid(pypod, "idle") != before
    assert "nosuch" in pypod("restart", "nosuch", check=125).err
    pypod("restart", check=125)


@pytest.mark.own
def test_restart_keeps_a_container_that_is_removed_at_its_end(pypod: Program, image: str) -> None:
    made = started(pypod, "kept", "--rm", image=image)
    before = pid(pypod, made)
    pypod("container", "restart", "kept")
    assert pid(pypod, made) != before
    pypod("stop", "kept")
    assert within(20, lambda: state(pypod, made) == "")
