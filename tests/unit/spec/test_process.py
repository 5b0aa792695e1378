# SPDX-License-Identifier: Apache-2.0
"""What a container runs, with which environment; and the process of exec."""

from __future__ import annotations

from typing import Any

import pytest

from pypod.errors import PypodError, UsageError
from pypod.spec.options import ExecOptions
from pypod.spec.process import (
    command,
    environment,
    exec_process,
    proxy_env,
    signal_name,
    signal_number,
)
from tests.golden.make_configs import config

HOST = {"LC_A": "1", "LC_B": "2", "SECRET": "s", "EMPTY": ""}
ALL = (1 << 41) - 1


@pytest.mark.parametrize(
    ("word", "number"),
    [
        ("TERM", 15), ("SIGTERM", 15), ("sigterm", 15), ("15", 15), (" KILL ", 9), ("HUP", 1),
        ("SYS", 31), ("RTMIN", 34), ("SIGRTMIN+3", 37), ("RTMAX", 64), ("RTMAX-1", 63), ("64", 64),
    ],
)  # fmt: skip
def test_signals_have_names_and_numbers(word: str, number: int) -> None:
    assert signal_number(word) == number


@pytest.mark.parametrize("number", range(1, 65))
def test_a_signal_has_a_name_that_is_read_as_it(number: int) -> None:
    if number in (32, 33):  # libc's own, without a name
        assert signal_name(number) == str(number)
    assert signal_number(signal_name(number)) == number


@pytest.mark.parametrize(
    "word",
    [
        "",
        "0",
        "65",
        "-9",
        "TERMX",
        "SIG",
        "RTMIN-1",
        "RTMIN+31",
        "RTMAX+1",
        "RTMIN+",
        "²",
        "९",
        "9x",
    ],
)
def test_what_is_no_signal_is_a_usage_error(word: str) -> None:
    with pytest.raises(UsageError, match="invalid signal"):
        signal_number(word)


@pytest.mark.parametrize(
    ("entrypoint", "words", "image_entrypoint", "image_cmd", "argv"),
    [
        (None, (), ("/e",), ("c",), ["/e", "c"]),
        (None, ("w",), ("/e",), ("c",), ["/e", "w"]),
        (None, ("w",), (), ("c",), ["w"]),
        (None, (), (), ("c", "d"), ["c", "d"]),
        (("/n",), (), ("/e",), ("c",), ["/n"]),
        (("/n", "-x"), ("w",), ("/e",), ("c",), ["/n", "-x", "w"]),
        ((), ("w",), ("/e",), ("c",), ["w"]),
    ],
)
def test_entrypoint_and_command_merge(
    entrypoint: Any, words: Any, image_entrypoint: Any, image_cmd: Any, argv: list[str]
) -> None:
    found = command(entrypoint, words, image_entrypoint, image_cmd)
    assert found[0] == argv == found[1] + found[2]


@pytest.mark.parametrize(
    ("entrypoint", "words"), [(None, ()), ((), ()), (("",), ()), (None, ("",))]
)
def test_nothing_to_run_is_an_error_with_a_cure(entrypoint: Any, words: Any) -> None:
    with pytest.raises(PypodError, match="no command or entrypoint provided") as caught:
        command(entrypoint, words, (), ())
    assert caught.value.code == 125
    assert caught.value.hint


def test_the_environment_has_podmans_precedence() -> None:
    found = environment(
        ["A=image", "B=image", "C=image"],
        ["# comment\n\n  B=file\nC=file\nD\nLC_A\n"],
        ["C=option"],
        HOST,
        {"A": "default", "Z": "default"},
    )
    assert found == ["A=image", "Z=default", "B=file", "C=option", "LC_A=1"]


def test_the_hosts_variables_are_copied_by_name_and_by_prefix() -> None:
    assert environment([], [], ["LC_*", "EMPTY", "NOT_THERE"], HOST, {}) == [
        "LC_A=1",
        "LC_B=2",
        "EMPTY=",
    ]
    assert environment([], ["LC_*\n"], [], HOST, {}) == ["LC_A=1", "LC_B=2"]
    assert environment([], [], ["A=*", "B==x=", "C= y "], HOST, {}) == ["A=*", "B==x=", "C= y "]


@pytest.mark.parametrize("entry", ["SECRET", "*", "LC_*", "S*", "=x", "", "A\0=b", "SECRET\n"])
def test_an_images_variable_without_a_value_never_reaches_the_host(entry: str) -> None:
    assert environment([entry], [], [], HOST, {}) == []


@pytest.mark.parametrize("entry", ["", "=x", "A\0B=c"])
def test_a_bad_variable_is_a_usage_error(entry: str) -> None:
    with pytest.raises(UsageError, match="invalid variable"):
        environment([], [], [entry], HOST, {})


@pytest.mark.parametrize("line", ["=x", "A B=c", "A B"])
def test_a_bad_line_of_a_file_is_a_usage_error(line: str) -> None:
    with pytest.raises(UsageError, match="--env-file"):
        environment([], [f"OK=1\n{line}\n"], [], HOST, {})


def test_proxies_are_those_of_the_host_in_both_spellings() -> None:
    host = {"HTTP_PROXY": "a", "http_proxy": "b", "no_proxy": "c", "ftp_proxy": "", "proxy": "d"}
    assert proxy_env(host) == ["http_proxy=b", "HTTP_PROXY=a", "no_proxy=c"]


def test_no_proxy_gets_into_a_configuration() -> None:
    assert not any("proxy" in entry.lower() for entry in config()["process"]["env"])


def execute(base: dict[str, Any], **options: Any) -> dict[str, Any]:
    given = ExecOptions(**{"command": ("id",), "environment": HOST, **options})
    return exec_process(base, given, ALL)


def test_exec_takes_after_the_container() -> None:
    base = config(workdir="/srv", env=("A=b",))
    process = execute(base)
    assert process == {**base["process"], "args": ["id"]}


def test_exec_options_change_what_they_name() -> None:
    base = config(workdir="/srv", env=("A=b",))
    process = execute(base, workdir="/tmp", env=("A=c", "LC_A"), env_file=("F=1\n",), tty=True)
    assert process["cwd"] == "/tmp"
    assert process["terminal"]
    assert set(process["env"]) == {
        *(entry for entry in base["process"]["env"] if entry != "A=b"),
        "A=c",
        "F=1",
        "LC_A=1",
        "TERM=xterm",
    }


@pytest.mark.parametrize(
    ("user", "has"), [("0", True), ("root", True), ("bob", False), ("1000:0", False)]
)
def test_exec_of_another_user_has_no_capabilities(user: str, has: bool) -> None:
    base = config()
    process = execute(base, user=user)
    held = base["process"]["capabilities"]["bounding"]
    assert process["user"]["username"] == user
    assert process["capabilities"]["bounding"] == held
    assert process["capabilities"]["effective"] == (held if has else [])
    assert process["capabilities"]["inheritable"] == process["capabilities"]["ambient"] == []
    assert not any(entry.startswith("HOME=") for entry in process["env"])


@pytest.mark.parametrize("user", ["0:", ":0", "00", "+0", "0:00", "1000x", "4294967295", " 0"])
def test_exec_refuses_what_run_refuses(user: str) -> None:
    with pytest.raises(PypodError):
        execute(config(), user=user)


def test_a_privileged_exec_has_everything_and_no_filter() -> None:
    process = execute(config(security_opt=("no-new-privileges",)), privileged=True)
    assert len(process["capabilities"]["effective"]) == 41
    assert process["seccomp"] is False
    assert process["noNewPrivileges"] is False
