# SPDX-License-Identifier: Apache-2.0
"""Many containers at once: more than the 200 keys that a user may have (keyrings(7))."""

from __future__ import annotations

import subprocess

import pytest

from tests.fixtures.program import Program, environment

pytestmark = [pytest.mark.own, pytest.mark.long]
MANY = 250


def test_250_containers_run_and_are_removed(pypod: Program, image: str) -> None:
    names = [f"many{number}" for number in range(MANY)]
    for name in names:
        pypod("run", "-d", "--name", name, image, "sleep", "10000")
    assert len(pypod("ps", "-q").out.split()) == MANY
    pypod("exec", names[-1], "true")
    pypod("rm", "-f", "-t", "0", *names, timeout=120)
    assert pypod("ps", "-aq").out == ""


def test_100_at_the_same_time(pypod: Program, image: str) -> None:
    argv = pypod.argv("run", "--rm", image, "sh", "-c", "exit 7")
    children = [
        subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(None),
        )
        for _ in range(100)
    ]
    while any(child.poll() is None for child in children):
        pypod("ps", "-a")
    failed = [child.communicate()[1] for child in children if child.returncode != 7]
    assert failed == []
    assert pypod("ps", "-aq").out == ""


def test_one_name_is_given_once(pypod: Program, image: str) -> None:
    argv = pypod.argv("create", "--name", "wanted", image, "true")
    children = [
        subprocess.Popen(
            argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment(None)
        )
        for _ in range(20)
    ]
    errors = [child.communicate()[1].decode() for child in children]
    assert sorted(child.returncode for child in children) == [0] + [125] * 19
    for child, error in zip(children, errors, strict=True):
        assert child.returncode == 0 or "already in use" in error or "being claimed" in error
