# SPDX-License-Identifier: Apache-2.0
"""Readiness, status and watchdog of a container, as systemd sees them."""

from __future__ import annotations

import pytest

from tests.fixtures.program import Program, within
from tests.systemd.machine import (
    IMAGE,
    NOTIFY,
    PATIENCE,
    install,
    is_active,
    parent,
    pid,
    shown,
    systemctl,
)


@pytest.mark.parametrize("user", [(), ("-u", "1234")])
def test_a_unit_is_ready_when_its_container_says_so(pypod: Program, user: tuple[str, ...]) -> None:
    command = ("/bin/notify", "STATUS=warming up", "-", "STATUS=open", "READY=1")
    words = ("--name", "inside", "-i", "--sdnotify=container", *user, *NOTIFY, IMAGE, *command)
    pypod("create", *words)
    unit = install(pypod, "--new", "--name", "-t", "0", "inside")
    pypod("rm", "inside")
    systemctl("start", "--no-block", unit)
    assert within(PATIENCE, lambda: shown(unit, "StatusText") == "warming up"), pypod(
        "logs", "inside"
    )
    assert shown(unit, "ActiveState") == "activating"
    first = pid(pypod, "inside")
    assert within(PATIENCE, lambda: shown(unit, "MainPID") == str(parent(first)))
    client = pypod.start("attach", "--sig-proxy=false", "inside")
    assert client.stdin is not None
    client.stdin.write(b"\n")
    client.stdin.flush()
    assert within(PATIENCE, lambda: is_active(unit)), pypod("logs", "inside").out
    assert shown(unit, "StatusText") == "open"
    systemctl("stop", unit)
    client.communicate(timeout=PATIENCE)
    assert shown(unit, "Result") == "success"


def test_a_main_process_that_a_container_makes_up_is_not_believed(pypod: Program) -> None:
    command = ("/bin/notify", "MAINPID=1", "MAINPID=2", "READY=1")
    words = ("--name", "liar", "--sdnotify=container", *NOTIFY, IMAGE, *command)
    pypod("create", *words)
    unit = install(pypod, "--new", "--name", "-t", "0", "liar")
    pypod("rm", "liar")
    systemctl("start", unit)
    assert shown(unit, "MainPID") == str(parent(pid(pypod, "liar")))
