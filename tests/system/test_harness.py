# SPDX-License-Identifier: Apache-2.0
"""The fixtures themselves: an image from a registry runs in this user's store."""

from __future__ import annotations

from tests.fixtures.program import Program


def test_the_image_of_the_tests_runs(pypod: Program, image: str) -> None:
    assert pypod("run", "--rm", "--network", "none", image, "echo", "hi").out == "hi\n"


def test_a_terminal_reaches_the_container(pypod: Program, image: str) -> None:
    with pypod.terminal("run", "--rm", "-it", "--network", "none", image, "sh") as terminal:
        terminal.send("echo $((40+2))\n")
        terminal.expect("42")
        terminal.send("exit 7\n")
        assert terminal.wait() == 7
