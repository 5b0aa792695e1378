# SPDX-License-Identifier: Apache-2.0
"""Sizes, durations and times as people read and type them. The time now is always an argument."""

from __future__ import annotations

_SIZES = ("B", "kB", "MB", "GB", "TB", "PB", "EB")
_DURATIONS = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "μs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
}


def human_size(size: float, digits: int = 4, gap: str = "") -> str:
    """Return a size in decimal units: `1.234MB` (docker's go-units); podman's images `1.23 MB`."""
    unit = 0
    while size >= 1000 and unit < len(_SIZES) - 1:
        size /= 1000
        unit += 1
    return f"{size:.{digits}g}{gap}{_SIZES[unit]}"


def human_duration(seconds: float) -> str:
    """Return a duration in one unit: `5 seconds`, `About an hour`, `2 weeks` (as go-units)."""
    seconds = int(max(seconds, 0))
    if seconds < 1:
        return "Less than a second"
    if seconds == 1:
        return "1 second"
    if seconds < 60:
        return f"{seconds} seconds"
    minutes = seconds // 60
    if minutes == 1:
        return "About a minute"
    if minutes < 60:
        return f"{minutes} minutes"
    hours = (seconds + 1800) // 3600
    if hours == 1:
        return "About an hour"
    for most, unit, length in ((48, 1, "hours"), (336, 24, "days"), (1440, 168, "weeks")):
        if hours < most:
            return f"{hours // unit} {length}"
    if hours < 17520:
        return f"{hours // 720} months"
    return f"{hours // 8760} years"


def parse_duration(text: str) -> float:
    """Return the seconds of a Go duration: `1h30m`, `-1.5s`, `300ms`, `0`. Raises ValueError."""
    rest = text[1:] if text[:1] in ("-", "+") else text
    if rest == "0":
        return 0.0
    total = 0.0
    wrong = ValueError(f"{text!r} is not a duration such as 10m or 1h30m")
    while True:
        number = _leading(rest, "0123456789.")
        unit = _leading(rest[len(number) :], "nuµμmsh")
        if unit not in _DURATIONS or number.count(".") > 1 or number in ("", "."):
            raise wrong
        total += float(number) * _DURATIONS[unit]
        rest = rest[len(number) + len(unit) :]
        if not rest:
            return -total if text[0] == "-" else total


def _leading(text: str, chars: str) -> str:
    end = 0
    while end < len(text) and text[end] in chars:
        end += 1
    return text[:end]


def parse_time(text: str, now: float, zone: float = 0) -> float:
    """Return seconds since 1970 of a duration before now, an RFC 3339 time or a unix timestamp.

    A time without a zone is `zone` seconds east of UTC. Raises ValueError.
    """
    digits = _leading(text, "0123456789.")
    if digits == text and digits.count(".") < 2 and digits not in ("", "."):
        return float(text)
    try:
        return now - parse_duration(text)
    except ValueError:
        return _rfc3339(text, zone)


def _rfc3339(text: str, zone: float) -> float:
    wrong = ValueError(f"{text!r} is no time: 10m, 2026-01-31T12:00:00Z or seconds since 1970")
    clock = text[10:]
    year, month, day = (_digits(part) for part in (text[:4], text[5:7], text[8:10]))
    if text[4:5] != "-" or text[7:8] != "-" or year < 0 or not 1 <= month <= 12:
        raise wrong
    if (
        not 1
        <= day
        <= days_from_civil(year + month // 12, month % 12 + 1, 1) - days_from_civil(year, month, 1)
    ):
        raise wrong
    if clock[-1:] in ("Z", "z"):
        clock, zone = clock[:-1], 0
    elif len(clock) >= 6 and clock[-6] in "+-" and clock[-3] == ":":
        hours, minutes = _digits(clock[-5:-3]), _digits(clock[-2:])
        if not (0 <= hours < 24 and 0 <= minutes < 60):
            raise wrong
        zone = (hours * 3600 + minutes * 60) * (-1 if clock[-6] == "-" else 1)
        clock = clock[:-6]
    seconds = 86400.0 * days_from_civil(year, month, day) - zone
    if not clock:
        return seconds
    whole, dot, fraction = clock[1:].partition(".")
    parts = [_digits(part) for part in whole.split(":")]
    if clock[0] not in "Tt " or len(parts) > 3 or any(len(part) != 2 for part in whole.split(":")):
        raise wrong
    hour, minute, second = (*parts, 0, 0)[:3]
    if not (0 <= hour < 24 and 0 <= minute < 60 and 0 <= second < 61):
        raise wrong
    if dot and (_digits(fraction) < 0 or len(parts) < 3):
        raise wrong
    return seconds + hour * 3600 + minute * 60 + second + float(f"0.{fraction or 0}")


def _digits(text: str) -> int:
    """Return the number of some ASCII digits, -1 for anything else."""
    return int(text) if text.isascii() and text.isdigit() else -1


def days_from_civil(year: int, month: int, day: int) -> int:
    """Return the days since 1970-01-01 of a date of the Gregorian calendar."""
    year -= month <= 2
    era, of_era = divmod(year, 400)
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468


def _civil(seconds: float) -> tuple[int, int, int, int, int, int]:
    days, rest = divmod(int(seconds // 1), 86400)
    days += 719468
    era, of_era = divmod(days, 146097)
    year_of_era = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
    of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * of_year + 2) // 153
    day = of_year - (153 * shifted + 2) // 5 + 1
    month = shifted + 3 if shifted < 10 else shifted - 9
    year = year_of_era + era * 400 + (month <= 2)
    return year, month, day, rest // 3600, rest // 60 % 60, rest % 60


def timestamp(seconds: float) -> str:
    """Return a time as podman's CreatedAt shows it: `2026-11-24 12:00:00 +0000 UTC`."""
    year, month, day, hour, minute, second = _civil(seconds)
    return f"{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} +0000 UTC"


def timestamp_rfc3339(seconds: float) -> str:
    """Return a time with microseconds: `2026-11-24T12:00:00.123456Z` (RFC 3339)."""
    year, month, day, hour, minute, second = _civil(seconds)
    part = int(seconds % 1 * 1_000_000)
    return f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{part:06}Z"
