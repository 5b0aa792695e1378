# SPDX-License-Identifier: Apache-2.0
"""The life of a unit that `pypod generate systemd` wrote, under a real `systemd --user`."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest

from tests.fixtures.program import Program, within
from tests.systemd.machine import (
    BUSYBOX,
    DEAF,
    IMAGE,
    PATIENCE,
    RUNTIME,
    UNITS,
    fetch,
    install,
    is_active,
    journal,
    nothing_is_left,
    parent,
    pid,
    processes,
    shell,
    shown,
    systemctl,
)


def enabled(pypod: Program, name: str, *words: str, command: tuple[str, ...] = DEAF) -> str:
    """Make a container, its unit, and start that; the first container is gone."""
    pypod("create", "--name", name, *words, *BUSYBOX, IMAGE, *command)
    unit = install(pypod, "--new", "--name", "-t", "2", name)
    pypod("rm", name)
    systemctl("enable", "--now", unit)
    assert is_active(unit)
    return unit


def test_a_unit_is_started_watched_restarted_stopped_and_gone(pypod: Program) -> None:
    unit = enabled(pypod, "web")
    assert unit == "container-web.service"
    first = pid(pypod, "web")
    monitor = parent(first)
    assert shown(unit, "MainPID") == str(monitor)
    assert os.path.exists(RUNTIME / f"{unit}.ctr-id")
    assert (
        pypod("inspect", "-f", '{{index .Config.Labels "PODMAN_SYSTEMD_UNIT"}}', "web").line == unit
    )

    os.kill(first, signal.SIGKILL)
    assert within(PATIENCE, lambda: shown(unit, "NRestarts") == "1" and is_active(unit))
    second = pid(pypod, "web")
    assert second not in (0, first) and shown(unit, "MainPID") == str(parent(second))

    os.kill(parent(second), signal.SIGKILL)  # the monitor: the container goes with it
    assert within(PATIENCE, lambda: shown(unit, "NRestarts") == "2" and is_active(unit))

    begun = time.monotonic()
    systemctl("stop", unit)
    assert 1.5 < time.monotonic() - begun < 2 + 20
    assert shown(unit, "ActiveState") == "inactive" and shown(unit, "Result") == "success"
    assert nothing_is_left(pypod), processes()

    systemctl("start", unit)
    assert is_active(unit)
    systemctl("disable", "--now", unit)
    assert nothing_is_left(pypod), processes()
    assert not (UNITS / "default.target.wants" / unit).exists()


def test_a_unit_of_an_existing_container_starts_and_stops_it(pypod: Program) -> None:
    pypod("create", "--name", "kept", *BUSYBOX, IMAGE, *DEAF)
    unit = install(pypod, "--name", "-t", "1", "kept")
    systemctl("start", unit)
    first = pid(pypod, "kept")
    assert is_active(unit) and shown(unit, "MainPID") == str(parent(first))
    os.kill(first, signal.SIGKILL)
    assert within(PATIENCE, lambda: shown(unit, "NRestarts") == "1" and is_active(unit))
    assert pid(pypod, "kept") not in (0, first)
    systemctl("stop", unit)
    assert shown(unit, "ActiveState") == "inactive" and shown(unit, "Result") == "success"
    assert pypod("inspect", "-f", "{{.State.Status}}", "kept").line == "exited"
    assert not processes()


def test_a_container_that_ran_before_its_unit_is_taken_over(pypod: Program) -> None:
    pypod("run", "-d", "--name", "early", *BUSYBOX, IMAGE, *DEAF)
    first = pid(pypod, "early")
    unit = install(pypod, "--name", "-t", "1", "early")
    systemctl("start", unit, check=False)
    assert within(PATIENCE, lambda: is_active(unit))
    now = pid(pypod, "early")
    assert now not in (0, first) and shown(unit, "MainPID") == str(parent(now))


def test_the_restart_policy_sees_the_containers_exit_code(pypod: Program) -> None:
    unit = enabled(pypod, "fails", command=shell("/bin/busybox sleep 2; exit 3"))
    assert within(PATIENCE, lambda: shown(unit, "NRestarts") != "0")
    systemctl("stop", unit)
    pypod("create", "--name", "ends", *BUSYBOX, IMAGE, *shell("/bin/busybox sleep 1"))
    unit = install(pypod, "--new", "--name", "ends")
    systemctl("start", unit)
    assert within(PATIENCE, lambda: shown(unit, "ActiveState") == "inactive")
    assert shown(unit, "NRestarts") == "0" and shown(unit, "Result") == "success"


def test_a_stop_by_hand_is_no_failure(pypod: Program) -> None:
    unit = enabled(pypod, "manual")
    pypod("stop", "-t", "0", "manual")
    assert within(PATIENCE, lambda: shown(unit, "ActiveState") == "inactive")
    assert shown(unit, "NRestarts") == "0" and nothing_is_left(pypod)


def test_a_command_that_cannot_run_fails_the_unit(pypod: Program) -> None:
    pypod("create", "--name", "bad", *BUSYBOX, IMAGE, "/no/such/program")
    unit = install(pypod, "--new", "--name", "--restart-policy", "no", "bad")
    systemctl("start", unit, check=False)
    assert shown(unit, "ActiveState") == "failed"
    assert nothing_is_left(pypod) or not processes()


def test_a_published_service_answers_again_after_it_was_killed(pypod: Program) -> None:
    command = shell(
        "/bin/busybox mkdir -p /w; echo hi >/w/x; exec /bin/busybox httpd -f -p 80 -h /w"
    )
    words = ("--name", "http", "-p", "127.0.0.1:18080:80", *BUSYBOX[:2])
    pypod("create", *words, IMAGE, *command)
    unit = install(pypod, "--new", "--name", "-t", "0", "http")
    pypod("rm", "http")
    systemctl("start", unit)
    assert within(PATIENCE, lambda: fetch(18080) == b"hi\n"), journal(unit)
    os.kill(pid(pypod, "http"), signal.SIGKILL)
    assert within(PATIENCE, lambda: shown(unit, "NRestarts") == "1" and is_active(unit))
    assert within(PATIENCE, lambda: fetch(18080) == b"hi\n"), journal(unit)
    assert "network-online.target" in shown(unit, "After")
    systemctl("stop", unit)
    assert shown(unit, "Result") == "success", journal(unit)
    assert nothing_is_left(pypod) and fetch(18080) == b""
    helpers = ["pgrep", "-u", str(os.getuid()), "pasta|slirp4netns"]
    assert within(PATIENCE, lambda: subprocess.run(helpers, check=False).returncode == 1)


WORDS = [
    "plain",
    "",
    "two words",
    "100%",
    "%n %t %%",
    "$HOME",
    "${HOME} $$",
    "it's",
    'say "no"',
    "back\\slash \\n \\x41",
    ";",
    "#",
    "line\nbreak\ttab",
    "é ü \x01",
    "*?[a]~",
    "{{.}}",
]


def test_every_word_arrives_as_it_was_typed(pypod: Program) -> None:
    script = 'for one; do echo "<$one>"; done; /bin/busybox sleep 1000'
    command = (*shell(script), "sh", *WORDS)
    words = ("-e", 'VALUE=100% of $HOME "it\'s"', "--name", "words")
    pypod("create", *words, *BUSYBOX, IMAGE, *command)
    unit = install(pypod, "--new", "--name", "-t", "0", "-e", "UNIT=5% $x", "words")
    pypod("rm", "words")
    systemctl("start", unit)
    expected = "".join(f"<{word}>\n" for word in WORDS)
    assert within(PATIENCE, lambda: pypod("logs", "words").out == expected), pypod("logs", "words")
    env = pypod("exec", "words", "/bin/busybox", "env").out
    assert 'VALUE=100% of $HOME "it\'s"\n' in env
    assert '"UNIT=5% \\$x"' in shown(unit, "Environment")  # as systemctl quotes it


def test_an_instance_of_a_template(pypod: Program) -> None:
    pypod("create", "--name", "many", *BUSYBOX, IMAGE, *DEAF)
    UNITS.mkdir(parents=True, exist_ok=True)
    install(pypod, "--template", "--name", "-t", "0", "many")
    for instance in ("a", "b"):
        systemctl("start", f"container-many@{instance}.service")
    assert pid(pypod, "many-a") and pid(pypod, "many-b")
    systemctl("stop", "container-many@a.service", "container-many@b.service")
    assert pypod("ps", "-q").out == ""


@pytest.mark.parametrize("flag", [(), ("--new",)])
def test_systemd_understands_each_option(pypod: Program, flag: tuple[str, ...]) -> None:
    pypod("create", "--name", "all", *BUSYBOX, IMAGE, *DEAF)
    words = ("--restart-policy", "always", "--restart-sec", "3", "--start-timeout", "77")
    more = ("--after", "x.target", "--wants=y.target", "--requires", "basic.target", "-e", "A=b c")
    unit = install(pypod, "--name", *flag, *words, *more, "--stop-timeout=5", "all")
    assert shown(unit, "Restart") == "always"
    assert shown(unit, "RestartUSec") == "3s"
    assert shown(unit, "TimeoutStartUSec") == "1min 17s"
    assert shown(unit, "TimeoutStopUSec") == "1min 5s"
    assert "x.target" in shown(unit, "After") and "y.target" in shown(unit, "Wants")
    assert "basic.target" in shown(unit, "Requires")
    assert "A=b c" in shown(unit, "Environment")
