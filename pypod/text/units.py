# SPDX-License-Identifier: Apache-2.0
"""Sizes, durations and times as people read and type them. The time now is always an argument."""

from __future__ import annotations

_SIZES = ("B", "kB", "MB", "GB", "TB", "PB", "EB")
_DURATIONS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def human_size(size: float, digits: int = 4, gap: str = "") -> str:
    """Return a size in decimal units: `1.234MB` (docker's go-units); podman's images `1.23 MB`."""
    unit = 0
    while size >= 1000 and unit < len(_SIZES) - 1:
        size /= 1000
        unit += 1
    return f"{size:.{digits}g}{gap}{_SIZES[unit]}"


def human_duration(seconds: float) -> str:
    """Return a duration in one unit: `5 seconds`, `About an hour`, `2 weeks` (docker's go-units)."""
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
    """Return the seconds of a Go duration: `1h30m`, `1.5s`, `300ms`. Raises ValueError."""
    rest, total = text, 0.0
    if not rest:
        raise ValueError("empty duration")
    while rest:
        at = 0
        while at < len(rest) and (rest[at].isdigit() or rest[at] == "."):
            at += 1
        end = at
        while end < len(rest) and not (rest[end].isdigit() or rest[end] == "."):
            end += 1
        unit = rest[at:end]
        if at == 0 or unit not in _DURATIONS:
            raise ValueError(f"{text!r} is not a duration such as 10m or 1h30m")
        total += float(rest[:at]) * _DURATIONS[unit]
        rest = rest[end:]
    return total


def parse_time(text: str, now: float) -> float:
    """Return seconds since 1970 of a duration before now, an RFC 3339 time or a unix timestamp.

    A time without a zone is UTC. Raises ValueError.
    """
    try:
        return now - parse_duration(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        pass
    return _rfc3339(text)


def _rfc3339(text: str) -> float:
    date, separator, clock = text.replace(" ", "T", 1).partition("T")
    fields = date.split("-")
    if len(fields) != 3 or not all(field.isdigit() for field in fields):
        raise ValueError(f"{text!r} is no time: 10m, 2026-01-31T12:00:00Z or seconds since 1970")
    seconds = float(86400 * days_from_civil(*(int(field) for field in fields)))
    if not separator:
        return seconds
    zone = 0
    if clock.endswith(("Z", "z")):
        clock = clock[:-1]
    elif len(clock) > 6 and clock[-6] in "+-" and clock[-3] == ":":
        sign = -1 if clock[-6] == "-" else 1
        zone = sign * (int(clock[-5:-3]) * 3600 + int(clock[-2:]) * 60)
        clock = clock[:-6]
    parts = clock.split(":")
    if not 2 <= len(parts) <= 3:
        raise ValueError(f"{text!r} is no time")
    for part, unit in zip(parts, (3600, 60, 1), strict=False):
        seconds += float(part) * unit
    return seconds - zone


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
