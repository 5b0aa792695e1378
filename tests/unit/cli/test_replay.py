# SPDX-License-Identifier: Apache-2.0
"""A recorded command line, read again for a unit."""

from __future__ import annotations

import pytest

from pypod.cli import replay
from pypod.errors import PypodError


def options(*words: str) -> list[str]:
    """Return the words of the options that are kept."""
    return [one for group in replay.command(("pypod", *words)).options for one in group]


def test_what_the_unit_says_itself_is_left_out() -> None:
    kept = options(
        *("--root", "/x", "run", "--rm", "-d", "--replace", "--cidfile", "/c", "--name=n"),
        *("-a", "stdout", "--sig-proxy=false", "--cgroups=split", "--sdnotify", "ignore"),
        *("--conmon-pidfile", "/p", "--detach-keys", "", "-e", "A=1", "img", "--rm"),
    )
    assert kept == ["-e", "A=1"]


def test_letters_of_a_cluster_are_taken_apart() -> None:
    assert options("run", "-dit", "-eA=1", "-v/a:/b", "img") == [
        *("-i", "-t", "-e", "A=1", "-v", "/a:/b")
    ]
    assert options("container", "create", "-i=false", "--tty=false", "img") == [
        "-i=false",
        "--tty=false",
    ]


def test_the_rest_is_image_and_command_whatever_it_looks_like() -> None:
    read = replay.command(("pypod", "run", "--name", "n", "--", "img", "-x", "--name", "y"))
    assert read.rest == ("img", "-x", "--name", "y")
    assert read.named and not read.inherited and read.sdnotify == ""


def test_variables_of_the_caller_are_named() -> None:
    read = replay.command(("pypod", "run", "-e", "A", "--env=B", "-eC*", "-e", "D=1", "img"))
    assert read.inherited == ("A", "B", "C*")


@pytest.mark.parametrize(
    ("words", "relative"),
    [
        (("-v", "./a:/b"), True),
        (("-v", "../a:/b"), True),
        (("-v", "/a:/b"), False),
        (("-v", "name:/b"), False),
        (("--env-file", "vars"), True),
        (("--env-file=/vars",), False),
        (("--pidfile", "pid"), True),
        (("--cidfile", "cid"), False),
        (("--security-opt", "seccomp=unconfined"), False),
        (("--security-opt", "seccomp=./x.json"), True),
    ],
)
def test_a_relative_path_is_noticed(words: tuple[str, ...], relative: bool) -> None:
    assert replay.command(("pypod", "run", *words, "img")).relative is relative


def test_what_is_no_run_cannot_be_repeated() -> None:
    with pytest.raises(PypodError, match="no command to repeat"):
        replay.command(("pypod", "ps"))
    with pytest.raises(PypodError, match="unknown option"):
        replay.command(("pypod", "run", "--gone-option", "img"))
