# SPDX-License-Identifier: Apache-2.0
"""Sizes, durations and times, as docker's go-units and Go's time print and read them."""

from __future__ import annotations

import pytest

from pypod.text import units

DAY = 86400
NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0B"), (1, "1B"), (999, "999B"), (1000, "1kB"), (1234, "1.234kB"),
        (1_230_000, "1.23MB"), (123_456_789, "123.5MB"), (4_500_000_000, "4.5GB"),
        (10**21, "1000EB"),
    ],
)  # fmt: skip
def test_sizes_have_four_digits_at_most(size: int, text: str) -> None:
    assert units.human_size(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "Less than a second"),
        (0.4, "Less than a second"),
        (1, "1 second"),
        (59.9, "59 seconds"),
        (60, "About a minute"),
        (119, "About a minute"),
        (120, "2 minutes"),
        (46 * 60, "46 minutes"),
        (59 * 60 + 59, "59 minutes"),
        (3600, "About an hour"),
        (90 * 60, "2 hours"),
        (47 * 3600, "47 hours"),
        (2 * DAY, "2 days"),
        (13 * DAY, "13 days"),
        (14 * DAY, "2 weeks"),
        (59 * DAY, "8 weeks"),
        (60 * DAY, "2 months"),
        (729 * DAY, "24 months"),
        (730 * DAY, "2 years"),
    ],
)
def test_durations_have_one_unit(seconds: float, text: str) -> None:
    assert units.human_duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0), ("10m", 600), ("1h30m", 5400), ("1.5s", 1.5), ("300ms", 0.3), ("-5m", -300),
        ("+1h", 3600), (".5h", 1800), ("1us", 1e-6), ("1µs", 1e-6), ("1μs", 1e-6), ("7ns", 7e-9),
    ],
)  # fmt: skip
def test_durations_are_read_as_go_does(text: str, seconds: float) -> None:
    assert units.parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "m", "5", "5d", "1..5s", ".s", "5 m", "m5", "1e3s", "5m3", "²s", "--5m"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        units.parse_duration(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10m", NOW - 600),
        ("1700000000", 1_700_000_000),
        ("1700000000.25", 1_700_000_000.25),
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-02T00:00:00+02:00", DAY - 7200),
        ("1970-01-02T00:00:00.5-00:30", DAY + 1800.5),
        ("1970-01-02", DAY - 3600),
        ("1970-01-02T03:04", DAY + 3 * 3600 + 240 - 3600),
        ("1970-01-02 03:04:05", DAY + 3 * 3600 + 245 - 3600),
        ("2024-02-29T12:00:00Z", 1_709_208_000),
        ("2026-11-24T12:00:00.123456789Z", 1_795_521_600.123456789),
    ],
)
def test_times_are_durations_ago_or_dates_or_seconds(text: str, seconds: float) -> None:
    assert units.parse_time(text, NOW, zone=3600) == pytest.approx(seconds, abs=1e-6)


@pytest.mark.parametrize(
    "text",
    [
        "", "nan", "inf", "1e9", "1_000", "-5", "yesterday", "2023-02-29", "2023-13-01",
        "2023-00-10", "2023-01-32", "2023-1-1", "2023-01-01T25:00:00Z", "2023-01-01T00:61:00Z",
        "2023-01-01T1:00:00Z", "2023-01-01T00:00:00+99:00", "2023-01-01T00:00:nan", "2023-01-01T",
        "2023-01-01X00:00:00Z",
        "2023-01-01T00:00:00.Z", "2023-01-01T00.5",
    ],
)  # fmt: skip
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no time"):
        units.parse_time(text, NOW)


def test_a_time_that_was_printed_is_read_back() -> None:
    for seconds in (0, 951_782_399, 951_782_400, 1_709_208_000, 4_102_444_799, 1_795_000_000):
        assert units.parse_time(units.timestamp_rfc3339(seconds), NOW) == seconds
    assert units.timestamp(0) == "1970-01-01 00:00:00 +0000 UTC"
    assert units.timestamp_rfc3339(1.25) == "1970-01-01T00:00:01.250000Z"
