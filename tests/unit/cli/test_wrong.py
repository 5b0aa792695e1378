# SPDX-License-Identifier: Apache-2.0
"""Wrong words: what podman has is named as not there yet, what is close is offered."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pypod.cli import parse, table, wrong
from pypod.errors import ImageNotKnown, NoSuchContainer, PypodError, UsageError

SURFACE = json.loads(Path(__file__).with_name("podman_surface.json").read_text())
"""Every command and option in `podman --help` of 4.3; `x/name` is an option with a letter."""

OPTIONS = [
    (command, word.rpartition("/")[2], word.rpartition("/")[0])
    for command, words in SURFACE["options"].items()
    for word in words.split()
    if word not in ("help", "h/help")
]
COMMANDS = [
    f"{group} {verb}".strip()
    for group, verbs in SURFACE["commands"].items()
    for verb in verbs.split()
]


def error_of(*argv: str) -> UsageError:
    with pytest.raises(UsageError) as caught:
        parse.parse(list(argv))
    assert caught.value.code == 125
    assert "\n" not in caught.value.message
    return caught.value


@pytest.mark.parametrize(("command", "name", "letter"), OPTIONS)
def test_an_option_of_podman_is_there_or_said_to_be_missing(
    command: str, name: str, letter: str
) -> None:
    if command:
        found = table.find(command.split())
        assert found is not None
        options = found[2][3]
    else:
        options = table.GLOBAL_OPTIONS
    by_flag = {flag: option for option in options for flag in option[0].split()}
    if f"--{name}" in by_flag:
        if letter:
            assert by_flag.get(f"-{letter}") is by_flag[f"--{name}"]
        return
    for flag in (f"--{name}", f"--{name}=1", *([f"-{letter}"] if letter else [])):
        message = error_of(*command.split(), flag, "x").message
        assert message.startswith(f"--{name}")
        assert message.endswith(" yet")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_podman_is_there_or_said_to_be_missing(command: str) -> None:
    words = command.split()
    if words == ["help"] or (words[0] in table.GROUPS and len(words) == 1):
        with pytest.raises(parse.Help):
            parse.parse(words)
    elif table.find(words) is None:
        assert error_of(*words).message == f'"pypod {command}" is not there yet'


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("run --memory 1g x", "--memory: cannot limit memory yet"),
        ("run -m 1g x", "--memory: cannot limit memory yet"),
        ("run -m1g x", "--memory: cannot limit memory yet"),
        ("run --cpus=2 x", "--cpus: cannot limit CPU yet"),
        ("create --pids-limit 5 x", "--pids-limit: cannot limit processes yet"),
        ("container run --log-driver x x", "--log-driver is not there yet"),
        ("run --gpus all x", "--gpus is not there yet"),
        ("--storage-driver vfs ps", "--storage-driver is not there yet"),
        ("ps --sort names", "--sort is not there yet"),
        ("volume export x", '"pypod volume export" is not there yet'),
        ("compose up", '"pypod compose" is not there yet'),
        ("image scp x", '"pypod image scp" is not there yet'),
    ],
)
def test_what_is_missing_is_one_line(words: str, message: str) -> None:
    error = error_of(*words.split())
    assert error.message == message


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("rnu x", 'did you mean "pypod run"?'),
        ("image inspec x", 'did you mean "pypod image inspect"?'),
        ("contianer ls", 'did you mean "pypod container"?'),
        ("zzzzzz", "Try 'pypod --help' for more information"),
        ("image zzzzzz", "Try 'pypod image --help' for more information"),
        ("run --evn A=1 x", "did you mean --env? See 'pypod run --help'"),
        ("run --foo x", "See 'pypod run --help'"),
        ("container run --foo x", "See 'pypod container run --help'"),
        ("--lgo-level debug ps", "did you mean --log-level? See 'pypod --help'"),
        ("rename a", "Usage: pypod rename [OPTIONS] CONTAINER NAME"),
        ("ps x", "Usage: pypod ps [OPTIONS]"),
    ],
)
def test_a_hint_says_what_to_do(words: str, hint: str) -> None:
    assert error_of(*words.split()).hint == hint


@pytest.mark.parametrize(
    ("words", "message", "near"),
    [
        ("run --pull mising x", '--pull: unknown policy "mising"', "missing"),
        ("run --security-opt secomp=x x", "--security-opt: unknown option: secomp", "seccomp="),
        ("ps --filter status=exted", "exted is not a valid container state", "status=exited"),
        ("image ls --sort crated", '"crated" is not a valid field', "created"),
        ("ps --filter staus=exited", '"staus" is an invalid filter', "status=exited"),
        ("--log-level wran ps", 'log level "wran" is not supported', "warn"),
        ("run --pull mising x", "something else has failed", ""),
        ("run --pull xyz x", '--pull: unknown policy "xyz"', ""),
        ("ps --last 3", "3", ""),
    ],
)
def test_a_value_that_is_nearly_right_is_named(words: str, message: str, near: str) -> None:
    args = parse.parse(words.split())
    for hint in ("", "its own words"):
        error = PypodError(message, hint=hint or None)
        said = f'did you mean "{near}"? {hint}'.strip() if near else hint
        assert wrong.cure(error, args) == said


def test_a_name_that_is_nearly_right_is_named() -> None:
    assert wrong.cure(NoSuchContainer("wbe", lambda: ["db", "web"])) == 'did you mean "web"?'
    assert wrong.cure(NoSuchContainer("wbe", list)) == ""
    assert wrong.cure(NoSuchContainer("wbe")) == ""
    error = ImageNotKnown("alpin", hint="--pull=missing", known=lambda: ["alpine"])
    assert wrong.cure(error) == 'did you mean "alpine"? --pull=missing'


def test_the_nearest_word_is_near() -> None:
    assert wrong.nearest("urn", ("run", "rm")) == "run"
    assert wrong.nearest("detahc", ("detach", "detach-keys")) == "detach"
    assert wrong.nearest("x", ("y", "rm")) == ""
    assert wrong.nearest("entirely", ("other",)) == ""


@pytest.mark.parametrize("group", [name for name, text in table.GROUPS.items() if text])
def test_a_verb_that_no_group_has_is_one_clear_error(group: str) -> None:
    assert error_of(group, "bogus").message == f"unrecognized command `pypod {group} bogus`"
