# SPDX-License-Identifier: Apache-2.0
"""The embedded image: what a newcomer sees first."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.fixtures.program import Program, environment

pytestmark = pytest.mark.own


def test_hello_runs_without_any_registry(pypod: Program) -> None:
    done = pypod("run", "--rm", "pypod/hello")
    assert "nobody had to be root for" in done.out
    assert pypod("ps", "-aq").out == ""


@pytest.mark.passes("user")
def test_hello_shows_a_whole_range_of_ids(pypod: Program) -> None:
    out = pypod("run", "--rm", "pypod/hello").out
    total = next(line for line in out.splitlines() if "ids in all" in line)
    assert int(total.split()[0]) >= 65536


@pytest.mark.passes("single")
def test_hello_says_when_there_is_one_id_only(pypod: Program) -> None:
    done = pypod("run", "--rm", "pypod/hello")
    assert "1 ids in all" in done.out or "one id" in done.out
    assert done.warnings.count("\n") == 1
    assert "usermod --add-subuids" in done.warnings
    assert done.err == ""


def test_a_caller_that_ignores_its_children(pypod: Program, tmp_path: Path) -> None:
    script = "trap '' CHLD; \"$@\""
    root = ["--root", str(tmp_path / "fresh"), "run", "--rm", "pypod/hello"]  # unpacks, too
    done = subprocess.run(
        ["bash", "-c", script, "bash", *pypod.argv(*root)],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env=environment(None),
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "nobody had to be root for" in done.stdout


def test_the_login_uid_of_this_session_is_set() -> None:
    assert Path("/proc/self/loginuid").read_text() != "4294967295"
