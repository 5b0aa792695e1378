# SPDX-License-Identifier: Apache-2.0
"""The program's ends: exit codes, one-line errors, closed streams, help. Runs it as a process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "PYTHONPATH": str(CHECKOUT),
        "PYPOD_ROOT": str(tmp_path / "store"),
        "PYPOD_RUNROOT": str(tmp_path / "run"),
        "COLUMNS": "200",
    }


def pypod(
    env: dict[str, str], *words: str, **options: object
) -> subprocess.CompletedProcess[bytes]:
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.run(
        [sys.executable, "-m", "pypod", *words],
        env=env,
        stdin=subprocess.DEVNULL,
        timeout=60,
        **options,  # type: ignore[call-overload]
    )


def test_an_error_is_one_line_and_a_hint_on_stderr(env: dict[str, str]) -> None:
    done = pypod(env, "run", "--foo")
    assert (done.returncode, done.stdout) == (125, b"")
    assert done.stderr == b"Error: unknown flag: --foo\nHint: See 'pypod run --help'\n"


def test_no_command_shows_help_on_stderr_and_ends_125(env: dict[str, str]) -> None:
    done = pypod(env)
    assert (done.returncode, done.stdout) == (125, b"")
    assert done.stderr.split(b"\n")[1].startswith(b" Usage: pypod [OPTIONS] COMMAND")
    assert done.stderr.endswith(b"Error: missing command 'pypod COMMAND'\n")


def test_version_is_one_line(env: dict[str, str]) -> None:
    for flag in ("-v", "--version"):
        done = pypod(env, flag)
        assert done.returncode == 0
        assert done.stdout.startswith(b"pypod version ")
        assert done.stdout.count(b"\n") == 1


def test_a_wrong_log_level_names_the_right_ones(env: dict[str, str]) -> None:
    done = pypod(env, "--log-level", "loud", "ps")
    assert done.returncode == 125
    assert b'log level "loud" is not supported\nHint: ' in done.stderr


def test_words_that_are_not_utf8_go_out_as_they_came_in(env: dict[str, str]) -> None:
    done = pypod(env, os.fsdecode(b"\xff\xfe"))
    assert done.returncode == 125
    assert done.stderr.startswith(b"Error: unrecognized command `pypod \xff\xfe`")


def test_a_reader_that_went_away_is_no_error(env: dict[str, str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = pypod(env, "ps", stdout=writer)
    os.close(writer)
    assert done.stderr == b""


def test_a_full_disk_under_stdout_is_an_error(env: dict[str, str]) -> None:
    with open("/dev/full", "wb") as full:
        done = pypod(env, "ps", stdout=full)
    assert done.returncode == 125
    assert done.stderr == b"Error: writing to standard output: No space left on device\n"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_do_no_harm(env: dict[str, str], closed: str) -> None:
    line = f"{sys.executable} -m pypod ps -a {closed}"
    done = subprocess.run(["/bin/sh", "-c", line], env=env, capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
