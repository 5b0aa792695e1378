# SPDX-License-Identifier: Apache-2.0
"""The monitor's records as values: the lines `pids` and `exit`, and the lines of a container's log.

Text in, values out; the files are read by `store`. Their format is in libexec/ATTACH.md.
"""

from __future__ import annotations

from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    LogLine = tuple[bytes, str, bool, bytes]
    """(timestamp, "stdout" | "stderr" | "lost", ends with a newline, the bytes written)

    A bare tuple: a log may have millions, and a Value costs 2 microseconds. "lost" is the monitor's
    own remark that records could not be written, its text says how many and why.
    """


class Pids(Value):
    """Who runs a container: `run=N boot=ID pid=P start=S monitor=M mstart=S at=SEC.NSEC`."""

    run: int
    """Counts the starts of this container; `exit` speaks of the same run or is out of date."""
    boot: str
    pid: int
    start: int
    """Start time in clock ticks since boot: with `boot` and `pid` it names one process for ever."""
    monitor: int
    monitor_start: int
    at: int
    """When the container was made, nanoseconds since 1970."""
    network: int = 0
    """What connects its network; 0: nothing does."""
    network_start: int = 0


class Exit(Value):
    """How a run ended: `run=N code=C signal=G started=0|1 at=SEC.NSEC`."""

    run: int
    code: int
    """As a shell would say it: 128+N when a signal ended the process; 125-127 when `started` is
    false."""
    signal: int
    started: bool
    """False: the container's command could not be executed."""
    at: int


def _fields(line: str) -> dict[str, str]:
    return dict(word.partition("=")[::2] for word in line.split())


def _nanoseconds(text: str) -> int:
    seconds, _, fraction = text.partition(".")
    return int(seconds) * 1_000_000_000 + int(fraction.ljust(9, "0")[:9])


def parse_pids(line: str) -> Pids:
    """Read the line of a file `pids`. Raises ValueError."""
    fields = _fields(line)
    try:
        return Pids(
            int(fields["run"]),
            fields["boot"],
            int(fields["pid"]),
            int(fields["start"]),
            int(fields["monitor"]),
            int(fields["mstart"]),
            _nanoseconds(fields["at"]),
            int(fields.get("net", "0")),
            int(fields.get("nstart", "0")),
        )
    except KeyError as error:
        raise ValueError(f"no {error.args[0]}= in {line!r}") from None


def parse_exit(line: str) -> Exit:
    """Read the line of a file `exit`. Raises ValueError."""
    fields = _fields(line)
    try:
        return Exit(
            int(fields["run"]),
            int(fields["code"]),
            int(fields["signal"]),
            fields["started"] != "0",
            _nanoseconds(fields["at"]),
        )
    except KeyError as error:
        raise ValueError(f"no {error.args[0]}= in {line!r}") from None


_STREAMS = {b"stdout": "stdout", b"stderr": "stderr"}


def parse_log_line(line: bytes) -> LogLine | None:
    """Read one line, without its newline, of a k8s-file log; None for what is not one.

    A torn line (the monitor was killed, the disk was full) is no reason to refuse the others.
    Source: the CRI log format, `<RFC 3339> <stream> <tags> <text>`, tags separated by ":".
    """
    parts = line.split(b" ", 3)
    if len(parts) != 4:
        return None
    stamp, stream, tag, text = parts
    name = _STREAMS.get(stream)
    if name is None:
        return None
    if tag == b"F":
        return stamp, name, True, text
    if tag == b"P":
        return stamp, name, False, text
    if tag == b"F:lost":
        return stamp, "lost", True, text
    return (stamp, name, tag[:1] == b"F", text) if tag[:1] in (b"F", b"P") else None


def days_from_civil(year: int, month: int, day: int) -> int:
    """Return the days since 1970-01-01 of a date of the Gregorian calendar."""
    year -= month <= 2
    era, of_era = divmod(year, 400)
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468


def parse_stamp(stamp: bytes) -> int:
    """Return the nanoseconds since 1970 of an RFC 3339 timestamp. Raises ValueError.

    By hand: `datetime` costs 2 ms to import and keeps only microseconds.
    """
    text = stamp.decode("ascii")
    if len(text) < 20 or text[4] + text[7] + text[13] + text[16] != "--::" or text[10] not in "Tt ":
        raise ValueError(f"{text!r} is no timestamp")
    seconds = 86400 * days_from_civil(int(text[:4]), int(text[5:7]), int(text[8:10]))
    seconds += 3600 * int(text[11:13]) + 60 * int(text[14:16]) + int(text[17:19])
    rest = text[19:]
    nanoseconds = 0
    if rest[0] == ".":
        digits = 1
        while digits < len(rest) and rest[digits].isdigit():
            digits += 1
        if digits == 1:
            raise ValueError(f"{text!r} has no fraction after its point")
        nanoseconds = int(rest[1:digits][:9].ljust(9, "0"))
        rest = rest[digits:]
    if rest not in ("Z", "z"):
        if len(rest) != 6 or rest[0] not in "+-" or rest[3] != ":":
            raise ValueError(f"{text!r} has no time zone")
        offset = 3600 * int(rest[1:3]) + 60 * int(rest[4:6])
        seconds -= offset if rest[0] == "+" else -offset
    return seconds * 1_000_000_000 + nanoseconds
