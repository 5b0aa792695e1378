# SPDX-License-Identifier: Apache-2.0
"""The monitor's records as values."""

from __future__ import annotations

import datetime

import pytest

from pypod.text.record import (
    Exit,
    Pids,
    days_from_civil,
    parse_exit,
    parse_log_line,
    parse_pids,
    parse_stamp,
)

PIDS = "run=3 boot=a9846dc6-db60 pid=6465 start=225499 monitor=6464 mstart=225498 at=17.000000021\n"


def test_a_pids_line_is_read() -> None:
    assert parse_pids(PIDS) == Pids(3, "a9846dc6-db60", 6465, 225499, 6464, 225498, 17_000_000_021)


def test_an_exit_line_is_read() -> None:
    line = "run=3 code=137 signal=9 started=1 at=1795523846.687944106\n"
    assert parse_exit(line) == Exit(3, 137, 9, True, 1795523846_687944106)


def test_a_start_that_failed_is_not_started() -> None:
    assert not parse_exit("run=1 code=127 signal=0 started=0 at=1.0").started


def test_unknown_fields_are_for_later_versions() -> None:
    assert parse_exit("run=1 code=0 signal=0 started=1 at=1.5 oom=1").at == 1_500_000_000


@pytest.mark.parametrize(
    "line", ["", "\n\n", "run=1", PIDS.replace("pid=6465", "pid=x"), "garbage"]
)
def test_a_damaged_pids_line_is_an_error(line: str) -> None:
    with pytest.raises(ValueError):
        parse_pids(line)


@pytest.mark.parametrize("line", ["", "run=1 code=0", "run=1 code= signal=0 started=1 at=1.0"])
def test_a_damaged_exit_line_is_an_error(line: str) -> None:
    with pytest.raises(ValueError):
        parse_exit(line)


STAMP = b"2026-11-24T12:00:00.123456789+00:00"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param(b" stdout F hello", ("stdout", True, b"hello"), id="whole"),
        pytest.param(b" stderr P par t ", ("stderr", False, b"par t "), id="part"),
        pytest.param(b" stdout F ", ("stdout", True, b""), id="empty"),
        pytest.param(b" stdout F  a\0\xff\r", ("stdout", True, b" a\0\xff\r"), id="raw bytes"),
        pytest.param(b" stderr F:lost 3 records", ("lost", True, b"3 records"), id="gap"),
        pytest.param(b" stdout P:x:y z", ("stdout", False, b"z"), id="tags of others"),
    ],
)
def test_a_log_line_is_read(line: bytes, expected: tuple[str, bool, bytes]) -> None:
    assert parse_log_line(STAMP + line) == (STAMP, *expected)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"x",
        STAMP,
        STAMP + b" stdout",
        STAMP + b" stdout F",
        STAMP + b" stdin F x",
        STAMP + b" stdout Q x",
    ],
)
def test_what_is_no_log_line_is_none(line: bytes) -> None:
    assert parse_log_line(line) is None


def test_days_are_counted_as_datetime_counts_them() -> None:
    epoch = datetime.date(1970, 1, 1).toordinal()
    for ordinal in range(1, datetime.date(2400, 1, 1).toordinal(), 97):
        day = datetime.date.fromordinal(ordinal)
        assert days_from_civil(day.year, day.month, day.day) == ordinal - epoch


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        (b"1970-01-01T00:00:00Z", 0),
        (b"1970-01-01T00:00:01.5+00:00", 1_500_000_000),
        (b"2026-11-24T12:00:00.123456789+00:00", 1795521600_123456789),
        (b"2026-11-24T14:00:00.123456789+02:00", 1795521600_123456789),
        (b"2026-11-24T06:30:00-05:30", 1795521600_000000000),
    ],
)
def test_a_timestamp_is_nanoseconds(stamp: bytes, expected: int) -> None:
    assert parse_stamp(stamp) == expected


@pytest.mark.parametrize(
    "stamp",
    [
        b"",
        b"2026",
        b"2026-11-24 12:00",
        b"2026-11-24T12:00:00",
        b"2026-11-24T12:00:00+0200",
        b"\xff" * 30,
        b"2026-11-24T12:00:00.Z",
        b"20x6-11-24T12:00:00Z",
    ],
)
def test_a_damaged_timestamp_is_an_error(stamp: bytes) -> None:
    with pytest.raises(ValueError):
        parse_stamp(stamp)
