# SPDX-License-Identifier: Apache-2.0
"""No option is without a system test that uses it; and the script that says so can say no."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import options


def test_every_option_has_a_system_test(capsys: pytest.CaptureFixture[str]) -> None:
    code = options.main()
    out = capsys.readouterr().out
    assert code == 0, "\n".join(line for line in out.splitlines() if "NO" in line)
    assert len(out.splitlines()) > 100


def found(tmp_path: Path, text: str) -> set[tuple[str, str]]:
    """Return the (command, flag) pairs of a test file."""
    path = tmp_path / "test_made_up.py"
    path.write_text(text)
    return {(key, flag) for _test, key, flags in options.uses(path) for flag in flags}


def test_words_are_read_like_a_command_line(tmp_path: Path) -> None:
    text = """
NONE = ("--network", "none")
def inside(pypod, *words):
    return pypod("run", "--rm", *words, "image", "cat")
def test_a(pypod, image):
    pypod("run", "-e", "--tty", "-di", *NONE, image, "ls", "-l", "--size")
    inside(pypod, "--read-only")
    for option in ("-q", "--all"):
        pypod("ps", option)
    pypod("--root", "x", "images", "-n")
"""
    assert found(tmp_path, text) == {
        *(("run", flag) for flag in ("-e", "-d", "-i", "--network", "--read-only")),
        ("ps", "-q"),
        ("ps", "--all"),
        ("", "--root"),
        ("images", "-n"),
    }


def test_what_is_refused_or_no_test_does_not_count(tmp_path: Path) -> None:
    text = """
def helper(pypod):
    pypod("rm", "-f")
def test_bad_input(pypod):
    pypod("rm", "-a")
def test_b(pypod):
    pypod("rm", "-t", "1", "x", check=125)
    pypod("rm", "-v", "x", check=1)
"""
    assert found(tmp_path, text) == {("rm", "-v")}
