# SPDX-License-Identifier: Apache-2.0
"""What people read when a plan fails."""

from __future__ import annotations

import errno
import struct

import pytest

from pypod.constants import (
    RECORD_ERROR,
    RECORD_MAGIC,
    STAGE_EXEC,
    STAGE_IDMAP,
    STAGE_SETUP,
    STAGE_USER,
)
from pypod.errors import CommandNotFound, CommandNotInvocable, PypodError
from pypod.plan.ops import Op, op
from pypod.runtime.init import explain


def record(stage: int, index: int, err: int, text: str = "", *, magic: int = RECORD_MAGIC) -> bytes:
    return struct.pack("=IIiiii232s", magic, RECORD_ERROR, stage, index, err, 0, text.encode())


@pytest.mark.parametrize(
    ("failed", "stage", "err", "text", "code", "message"),
    [
        (
            op("mount", "/proc", "proc", ""),
            STAGE_SETUP,
            errno.ENOTDIR,
            "the image's directory is a link",
            125,
            "mount proc at /proc (the image's directory is a link): Not a directory",
        ),
        (
            op("mask", "/proc/kcore"),
            STAGE_SETUP,
            errno.EACCES,
            "/proc/kcore",
            125,
            "mask /proc/kcore: Permission denied",
        ),
        (
            op("pivot"),
            STAGE_SETUP,
            errno.EINVAL,
            "pivot_root",
            125,
            "pivot (pivot_root): Invalid argument",
        ),
        (
            op("user-name", "bob", "keep"),
            STAGE_USER,
            0,
            "no such user in the container's /etc/passwd",
            125,
            "user bob: no such user in the container's /etc/passwd",
        ),
        (
            op("cwd", "/x"),
            STAGE_EXEC,
            errno.ENOENT,
            "/x",
            127,
            "working directory /x: No such file or directory",
        ),
        (
            op("cwd", "/x"),
            STAGE_EXEC,
            errno.EACCES,
            "/x",
            126,
            "working directory /x: Permission denied",
        ),
        (
            op("exec", "nope", "-x"),
            STAGE_EXEC,
            errno.ENOENT,
            "nope",
            127,
            'exec: "nope": executable file not found in $PATH: No such file or directory',
        ),
        (
            op("exec", "/nope"),
            STAGE_EXEC,
            errno.ENOENT,
            "/nope",
            127,
            'exec: "/nope": executable file not found: No such file or directory',
        ),
        (
            op("exec", "/etc"),
            STAGE_EXEC,
            errno.EACCES,
            "/etc",
            126,
            'exec: "/etc": Permission denied',
        ),
        (op("exec", "x"), STAGE_EXEC, errno.ENOEXEC, "x", 126, 'exec: "x": exec format error'),
        (
            op("exec-fd", "5", "tool", "rmtree"),
            STAGE_EXEC,
            errno.EACCES,
            "tool",
            126,
            'exec: "tool": Permission denied',
        ),
    ],
)
def test_a_failure_is_one_line_with_the_noun(
    failed: Op, stage: int, err: int, text: str, code: int, message: str
) -> None:
    error = explain(record(stage, 1, err, text), [op("private"), failed])
    assert (str(error), error.code) == (message, code)
    assert type(error) is {127: CommandNotFound, 126: CommandNotInvocable}.get(code, PypodError)


def test_a_failure_of_no_operation_is_told_by_its_own_words() -> None:
    error = explain(record(STAGE_SETUP, -1, errno.ENOMEM, "the plan"), [op("private")])
    assert str(error) == "the plan: Cannot allocate memory"


@pytest.mark.parametrize(
    ("failed", "stage", "word"),
    [
        (op("map", "uid", "/usr/bin/newuidmap", 0, 1, 1), STAGE_IDMAP, "/etc/subuid"),
        (op("unshare", "user"), STAGE_SETUP, "max_user_namespaces"),
        (op("user", 70000, 0), STAGE_USER, "/etc/subuid"),
    ],
)
def test_where_there_is_a_cure_a_hint_names_it(failed: Op, stage: int, word: str) -> None:
    assert word in (explain(record(stage, 0, errno.EPERM), [failed]).hint or "")


def test_bytes_that_are_no_record_are_an_error_too() -> None:
    assert "cannot be read" in str(explain(record(1, 0, 1, magic=1), []))
