# SPDX-License-Identifier: Apache-2.0
"""Reading logs: tail, time limits, rotated files, following."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pypod.store import logs


def line(second: int, text: str, stream: str = "stdout", tag: str = "F") -> bytes:
    return f"2026-11-24T12:00:{second:02}.000000000+00:00 {stream} {tag} {text}\n".encode()


AT = 1795521600 * 10**9


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ctr.log"


def texts(path: Path, **options: int) -> list[str]:
    return [text.decode() for _, _, _, text in logs.read(str(path), **options)]


def test_no_log_is_an_empty_log(path: Path) -> None:
    assert texts(path) == []
    assert texts(path, tail=3) == []
    assert logs.size(str(path)) == 0


def test_all_records_are_read_in_order(path: Path) -> None:
    path.write_bytes(line(1, "a") + line(2, "b", "stderr") + line(3, "c", tag="P"))
    assert [record[1:] for record in logs.read(str(path))] == [
        ("stdout", True, b"a"),
        ("stderr", True, b"b"),
        ("stdout", False, b"c"),
    ]


def test_a_torn_line_is_passed_over(path: Path) -> None:
    path.write_bytes(line(1, "a") + b"2026-11-\n" + line(2, "b") + b"2026-11-24T12:00:03.0000")
    assert texts(path) == ["a", "b"]


@pytest.mark.parametrize("count", [0, 1, 2, 5, 99])
def test_tail_counts_lines(path: Path, count: int) -> None:
    path.write_bytes(b"".join(line(number, str(number)) for number in range(5)))
    assert texts(path, tail=count) == ["0", "1", "2", "3", "4"][5 - min(count, 5) :]


def test_tail_counts_a_line_in_parts_once(path: Path) -> None:
    path.write_bytes(line(1, "a") + line(2, "b1", tag="P") + line(2, "b2", tag="P") + line(2, "b3"))
    assert texts(path, tail=1) == ["b1", "b2", "b3"]


def test_tail_counts_an_unfinished_line(path: Path) -> None:
    path.write_bytes(line(1, "a") + line(2, "b") + line(3, "c1", tag="P") + line(3, "c2", tag="P"))
    assert texts(path, tail=1) == ["c1", "c2"]
    assert texts(path, tail=2) == ["b", "c1", "c2"]


def test_tail_of_a_large_log(path: Path) -> None:
    path.write_bytes(
        b"".join(line(0, f"{number:06}" + "x" * (number % 300)) for number in range(9000))
    )
    for count in (1, 100, 5000, 8999, 9000, 9001):
        found = texts(path, tail=count)
        assert [int(text[:6]) for text in found] == list(range(9000 - min(count, 9000), 9000))


def test_tail_finds_a_line_longer_than_a_block(path: Path) -> None:
    long = "x" * 400000
    path.write_bytes(line(1, "a") + line(2, long) + line(3, "c"))
    assert texts(path, tail=2) == [long, "c"]
    assert texts(path, tail=3) == ["a", long, "c"]


def test_since_and_until_include_their_moment(path: Path) -> None:
    path.write_bytes(b"".join(line(number, str(number)) for number in range(6)))
    assert texts(path, since=AT + 2 * 10**9) == ["2", "3", "4", "5"]
    assert texts(path, until=AT + 2 * 10**9) == ["0", "1", "2"]
    assert texts(path, since=AT + 10**9, until=AT + 3 * 10**9) == ["1", "2", "3"]
    assert texts(path, tail=2, since=AT) == ["4", "5"]


def rotated(path: Path) -> None:
    for number in (2, 1, 0):
        name = f"{path}.{number}" if number else path
        Path(name).write_bytes(line(0, f"{number}a") + line(0, f"{number}b"))


def test_rotated_files_are_one_log(path: Path) -> None:
    rotated(path)
    assert texts(path) == ["2a", "2b", "1a", "1b", "0a", "0b"]
    assert logs.size(str(path)) == 6 * len(line(0, "0a"))


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 6, 7])
def test_tail_reaches_into_rotated_files(path: Path, count: int) -> None:
    rotated(path)
    expected = ["2a", "2b", "1a", "1b", "0a", "0b"]
    assert texts(path, tail=count) == expected[6 - min(count, 6) :]


def test_the_log_is_not_read_through_a_symlink(path: Path) -> None:
    target = path.with_name("secret")
    target.write_bytes(line(1, "secret"))
    path.symlink_to(target)
    with pytest.raises(OSError, match="symbolic links"):
        texts(path)


def test_following_sees_what_is_appended_and_rotated(path: Path) -> None:
    """The writer acts whenever the reader asks whether it is over: no clock is involved."""
    path.write_bytes(line(0, "0") + line(1, "1"))
    steps = iter(range(2, 12))

    def ended() -> bool:
        number = next(steps, None)
        if number is None:
            return True
        if number % 3 == 0:
            with open(path, "ab") as file:
                file.write(line(number, f"{number} before"))
            for shift in (3, 2, 1):
                older = Path(f"{path}.{shift - 1}" if shift > 1 else path)
                if older.exists():
                    os.rename(older, f"{path}.{shift}")
        with open(path, "ab") as file:
            file.write(line(number, str(number)))
        return False

    found = [text.decode() for _, _, _, text in logs.read(str(path), tail=1, ended=ended)]
    expected = ["1"]
    for number in range(2, 12):
        expected += [f"{number} before"] * (number % 3 == 0) + [str(number)]
    assert found == expected


def test_following_waits_for_the_end_of_a_record(path: Path) -> None:
    whole = line(1, "whole")
    path.write_bytes(whole[:20])
    answers = iter((False, True))

    def ended() -> bool:
        answer = next(answers)
        if answer:
            with open(path, "ab") as file:
                file.write(whole[20:])
        return answer

    assert [text for _, _, _, text in logs.read(str(path), ended=ended)] == [b"whole"]


def test_following_starts_before_there_is_a_log(path: Path) -> None:
    answers = iter((False, False, True))

    def ended() -> bool:
        answer = next(answers)
        if answer:
            path.write_bytes(line(1, "first"))
        return answer

    assert [text for _, _, _, text in logs.read(str(path), ended=ended)] == [b"first"]


def test_following_ends_when_the_monitor_is_gone(path: Path) -> None:
    path.write_bytes(line(1, "last"))
    child = os.posix_spawn("/bin/true", ["true"], {})
    pidfd = os.pidfd_open(child)
    found = list(logs.read(str(path), ended=lambda: False, pidfd=pidfd))
    assert [text for _, _, _, text in found] == [b"last"]
    os.waitpid(child, 0)
    os.close(pidfd)
