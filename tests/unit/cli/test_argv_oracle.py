# SPDX-License-Identifier: Apache-2.0
"""Each command line of argv_oracle.json means to pypod what it meant to podman 4.3.

The table was recorded from a real podman by record_argv_oracle.py: what `podman inspect` shows of
the container that was made, or the words of its parser's error, or that the line was accepted.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pypod.cli import parse
from pypod.cli.run import _entrypoint
from pypod.errors import UsageError

ROWS: list[dict[str, Any]] = json.loads(Path(__file__).with_name("argv_oracle.json").read_text())

DIFFERENT = {
    "container cp": "podman counts the arguments of a command that pypod does not have yet",
    "wait -i nobody": "the polling interval of podman's wait is an option that is not there yet",
    "logs -n nobody": "--names is an option that is not there yet",
}
"""Rows where pypod differs, and why."""

READ_ONLY_TMPFS = ("/run", "/tmp", "/var/tmp")


def name_of(row: dict[str, Any]) -> str:
    return " ".join(row["argv"]) or "nothing"


def rows_with(key: str) -> list[dict[str, Any]]:
    return [row for row in ROWS if key in row and name_of(row) not in DIFFERENT]


def pairs(words: tuple[str, ...]) -> dict[str, str]:
    return {word.partition("=")[0]: word.partition("=")[2] for word in words}


def facts(args: parse.Args) -> dict[str, Any]:
    """Return what `podman inspect` would show of these options."""
    return {
        "command": args.command,
        "env": dict(sorted(pairs(args.env).items())),
        "labels": pairs(args.label),
        "tty": args.tty,
        "interactive": args.interactive,
        "user": args.user,
        "workdir": args.workdir or "/",
        "entrypoint": " ".join(_entrypoint(args.entrypoint) or ()),
        "hostname": args.hostname,
        "stop_timeout": args.stop_timeout,
        "privileged": args.privileged,
        "read_only": args.read_only,
        "rm": args.rm,
        "init": args.init,
        "tmpfs": sorted(word.partition(":")[0] for word in args.tmpfs),
        "binds": sorted(":".join(word.split(":")[:2]) for word in args.volume),
    }


def full_names(words: tuple[str, ...]) -> set[str]:
    return {"CAP_" + word.removeprefix("CAP_") for word in words} - {"CAP_ALL"}


@pytest.mark.parametrize("row", rows_with("facts"), ids=name_of)
def test_the_container_is_the_one_that_podman_makes(row: dict[str, Any]) -> None:
    args = parse.parse(row["argv"])
    expected = dict(row["facts"])
    if expected["read_only"]:  # --read-only-tmpfs, which is in the spec of ours
        expected["tmpfs"] = [path for path in expected["tmpfs"] if path not in READ_ONLY_TMPFS]
    # Podman lists capabilities against its own default set.
    added, dropped = set(expected.pop("cap_add")), set(expected.pop("cap_drop"))
    assert facts(args) == expected
    assert args.image == "localhost/bb:1"
    assert added <= full_names(args.cap_add)
    assert full_names(args.cap_drop) <= dropped


@pytest.mark.parametrize("row", rows_with("error"), ids=name_of)
def test_the_error_has_the_words_of_podmans(row: dict[str, Any]) -> None:
    expected = row["error"].replace("podman", "pypod")
    with pytest.raises((UsageError, parse.Help)) as caught:
        parse.parse(row["argv"])
    error = caught.value
    if isinstance(error, parse.Help):
        assert error.missing == expected
    else:
        assert error.message == expected
        assert error.code == 125
        assert error.hint
        assert "podman" not in error.hint


@pytest.mark.parametrize("row", rows_with("accepted"), ids=name_of)
def test_a_line_that_podman_reads_is_read(row: dict[str, Any]) -> None:
    spelled = row["accepted"]
    if isinstance(spelled, str) and spelled.split(" ")[0] in ("no", "specify"):
        # podman's own commands say what is missing after its parser has done; ours in the parser
        try:
            parse.parse(row["argv"])
        except UsageError as error:
            assert error.message == spelled
    else:
        assert parse.parse(row["argv"]).handler


@pytest.mark.parametrize("row", rows_with("help"), ids=name_of)
def test_help_is_asked_for(row: dict[str, Any]) -> None:
    with pytest.raises(parse.Help) as caught:
        parse.parse(row["argv"])
    assert not caught.value.missing


@pytest.mark.parametrize("line", DIFFERENT)
def test_a_listed_difference_is_one(line: str) -> None:
    assert any(name_of(row) == line for row in ROWS)
    with pytest.raises(UsageError, match="not there yet"):
        parse.parse(line.split())


def test_the_oracle_is_large_and_holds_each_form() -> None:
    lines = [f" {name_of(row)} " for row in ROWS]
    assert len(ROWS) >= 60
    assert sum("facts" in row for row in ROWS) >= 40
    for form in (" --tty=false ", "-i=", " -e=A=1 ", " -dit ", " -- ", " -itw/tmp "):
        assert any(form in line for line in lines), form
