# SPDX-License-Identifier: Apache-2.0
"""What is inherited is told from what is our own; in a process of its own, as it is asked first."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]
ASK = """
import os
from pypod.errors import PypodError
from pypod.kernel import inherited
{}
try:
    found = inherited.take({}, activation={})
    print(found.count, list(found.fds), " ".join(found.environment))
except PypodError as error:
    print(error.message)
"""


def ask(
    preserve: int = 0,
    *,
    first: str = "",
    activation: bool = True,
    redirections: str = "3</dev/null 4</dev/null",
    **env: str,
) -> str:
    shell = f'exec {sys.executable} -c "$1" {redirections}'
    return subprocess.run(
        ["bash", "-c", shell, "bash", ASK.format(first, preserve, activation)],
        check=True,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT), **env},
    ).stdout.strip()


OURS = "os.environ['LISTEN_PID'] = str(os.getpid())"


@pytest.mark.parametrize(
    ("preserve", "answer"),
    [
        (0, "0 []"),
        (2, "2 [3, 4]"),
        (3, "file descriptor 5 is not open, and 3 from 3 on are to be passed"),
        (101, "cannot pass 101 file descriptors: 100 is the limit"),
    ],
)
def test_so_many_descriptors_are_there(preserve: int, answer: str) -> None:
    assert ask(preserve) == answer


def test_a_descriptor_of_our_own_is_not_the_callers() -> None:
    assert ask(3, first="own = open('/dev/null')").startswith("file descriptor 5 is not open")


def test_sockets_of_systemd_come_first_and_with_their_names() -> None:
    listen = {"LISTEN_FDS": "1", "LISTEN_FDNAMES": "web"}
    assert ask(first=OURS, **listen) == "1 [3] LISTEN_FDS=1 LISTEN_FDNAMES=web"
    assert ask(1, first=OURS, LISTEN_FDS="1") == "2 [3, 4] LISTEN_FDS=1"


@pytest.mark.parametrize(
    ("first", "number", "activation"),
    [("", "1", True), (OURS, "x", True), (OURS, "", True), (OURS, "1", False)],
)
def test_sockets_for_somebody_else_stay_out(first: str, number: str, activation: bool) -> None:
    assert ask(first=first, activation=activation, LISTEN_FDS=number) == "0 []"
