# SPDX-License-Identifier: Apache-2.0
"""Operations: their words, and what an error message calls them."""

from __future__ import annotations

import pytest

from pypod.plan.ops import op, serialise


def test_a_plan_is_words_with_their_counts_each_ended_by_a_nul() -> None:
    plan = [op("pivot"), op("user", 1000, 100)]
    assert serialise(plan) == b"pypod-plan/1\0pivot\x000\0user\x002\x001000\x00100\0"


def test_an_empty_plan_is_its_version() -> None:
    assert serialise([]) == b"pypod-plan/1\0"


def test_bytes_of_a_path_that_are_no_text_survive() -> None:
    path = b"/caf\xe9".decode("utf-8", "surrogateescape")
    assert b"\0/caf\xe9\0" in serialise([op("cwd", path)])


@pytest.mark.parametrize(
    ("operation", "text"),
    [
        (op("mask", "/proc/kcore"), "mask /proc/kcore"),
        (op("mount", "/sys", "sysfs", "ro"), "mount sysfs at /sys"),
        (op("overlay", "r", "u", "w", "userxattr", "a", "b"), "overlay of 2 layers"),
        (op("rlimit", "NOFILE", 10, 20, "exact"), "ulimit nofile=10:20"),
        (op("user-name", "bob:staff", "keep"), "user bob:staff"),
        (op("device", "null", 1, 3), "device /dev/null"),
        (op("cwd", "/srv"), "working directory /srv"),
        (op("exec", "sh", "-c", "x"), "exec sh"),
        (op("exec-fd", 5, "pypod-files"), "exec pypod-files"),
        (op("pivot"), "pivot"),
    ],
)
def test_an_operation_is_named_as_people_would(operation: object, text: str) -> None:
    assert operation.describe() == text  # type: ignore[attr-defined]
