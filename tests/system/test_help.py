# SPDX-License-Identifier: Apache-2.0
"""Help and hints as people meet them."""

from __future__ import annotations

import pytest

from tests.fixtures.program import Program

pytestmark = pytest.mark.own


@pytest.mark.parametrize("words", [(), ("run",), ("container",), ("container", "run")])
def test_help_ends_0_and_goes_to_stdout(pypod: Program, words: tuple[str, ...]) -> None:
    done = pypod(*words, "--help", env={"COLUMNS": None})
    assert done.err == ""
    assert " ".join(("Usage: pypod", *words)) in done.out
    assert "╭─ " in done.out
    assert "\x1b" not in done.out
    assert pypod("help", *words, env={"COLUMNS": None}).out == done.out


def test_help_on_a_terminal_has_colour_unless_it_is_refused(pypod: Program) -> None:
    with pypod.terminal("ps", "--help") as screen:
        assert screen.wait() == 0
        assert b"\x1b[" in screen.seen
        assert b"Only those that match" in screen.seen


def test_a_name_that_is_nearly_right_is_named(pypod: Program, image: str) -> None:
    pypod("create", "--name", "help-web", image)
    said = 'Hint: did you mean "help-web"?\n'
    for words, code in (
        (("exec", "help-wbe", "ls"), 125),
        (("rm", "help-wbe"), 1),
        (("logs", "hlp-web"), 125),
        (("inspect", "help-webb"), 125),
        (("stop", "help-we"), 125),
    ):
        done = pypod(*words, check=code)
        assert done.err.startswith("Error: ")
        assert done.err.endswith(said), words
        assert done.err.count("\n") == 2
    pypod("volume", "create", "help-data")
    done = pypod("volume", "rm", "help-dta", check=1)
    assert done.err.endswith('Hint: did you mean "help-data"?\n')
    pypod("volume", "rm", "help-data")
    done = pypod("rmi", "test/busybx", check=1)
    assert "did you mean" in done.err


def test_a_value_that_is_nearly_right_is_named(pypod: Program, image: str) -> None:
    done = pypod("run", "--pull", "nver", image, check=125)
    assert 'Hint: did you mean "never"?' in done.err
    done = pypod("run", "--security-opt", "secomp=unconfined", image, check=125)
    assert 'Hint: did you mean "seccomp="?' in done.err
    done = pypod("container", "rnu", check=125)
    assert done.err.endswith('Hint: did you mean "pypod container run"?\n')
