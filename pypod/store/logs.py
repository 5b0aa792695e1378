# SPDX-License-Identifier: Apache-2.0
"""Reading a container's log: from its beginning or its last lines, once or as it grows.

The monitor rotates `name` to `name.1`, `name.2` …; a reader sees one log, each record once.
"""

from __future__ import annotations

import os
import select
import time

from pypod.text.record import parse_log_line, parse_stamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pypod.text.record import LogLine

_CHUNK = 1 << 17
_MOST = 100
"""Files of one log: the monitor keeps at most 99 rotated ones."""
_SHORT, _LONG = 20, 200
"""Milliseconds between looks at a quiet log. (inotify would need ctypes.)"""


class _File:
    """One file of the log, open, with what is left of a record that is not complete yet."""

    def __init__(self, path: str) -> None:
        self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        found = os.fstat(self.fd)
        self.identity = (found.st_dev, found.st_ino)
        self.size = found.st_size
        self._rest = b""

    def lines(self) -> Iterator[bytes]:
        """Yield the complete lines that are there by now."""
        while data := os.read(self.fd, _CHUNK):
            lines = (self._rest + data).split(b"\n")
            self._rest = lines.pop()
            yield from lines

    def seek_tail(self, count: int) -> int:
        """Move to the first of the last `count` whole lines; return how many are still wanted.

        A whole line ends with an F record; an unfinished one at the very end counts too. Parts of a
        long line of one stream that lie before a line of the other stream are not searched for.
        """
        position, rest = self.size, b""
        unfinished = True
        while position > 0:
            start = max(0, position - _CHUNK)
            block = os.pread(self.fd, position - start, start) + rest
            pieces = block.split(b"\n")
            at = start + len(block)
            for index in range(len(pieces) - 1, 0 if start else -1, -1):
                end = at
                at -= len(pieces[index])
                record = parse_log_line(pieces[index])
                if record is not None and end < self.size:
                    if record[2] or unfinished:
                        if count == 0:
                            os.lseek(self.fd, end + 1, os.SEEK_SET)
                            return 0
                        count -= 1
                    unfinished = False
                at -= 1
            position, rest = start, pieces[0]
        os.lseek(self.fd, 0, os.SEEK_SET)
        return count

    def close(self) -> None:
        os.close(self.fd)


def _open_all(path: str) -> list[_File]:
    """Open every file of the log, oldest first."""
    while True:
        found = _open_from(path)
        # `name` is still the youngest? Else the monitor rotated meanwhile, and with small limits
        # perhaps more than once: what we hold may be out of order.
        if not found or _identity(path) in (found[-1].identity, None):
            return found
        for file in found:
            file.close()


def _open_from(path: str) -> list[_File]:
    found: list[_File] = []
    for number in range(_MOST):
        try:
            file = _File(f"{path}.{number}" if number else path)
        except FileNotFoundError:
            if number:
                break
            continue
        if any(file.identity == other.identity for other in found):
            file.close()  # rotated between two opens: it was `name` when we took it
        else:
            found.append(file)
    return found[::-1]


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return None  # between the rename and the new file
    return found.st_dev, found.st_ino


def _seek_tail(files: list[_File], count: int) -> list[_File]:
    for index in range(len(files) - 1, -1, -1):
        count = files[index].seek_tail(count)
        if count == 0:
            for file in files[:index]:
                file.close()
            return files[index:]
    return files


def _after(path: str, current: _File) -> list[_File]:
    """Return the files that follow `current` since the monitor rotated it away."""
    if _identity(path) in (current.identity, None):
        return []
    files = _open_all(path)
    for index, file in enumerate(files):
        if file.identity == current.identity:
            for older in files[: index + 1]:
                older.close()
            return files[index + 1 :]
    return files


def _selected(
    lines: Iterator[bytes], since: int | None, until: int | None
) -> Iterator[LogLine | None]:
    """Yield the records of the time asked for, and None at the first that is too late."""
    for line in lines:
        record = parse_log_line(line)
        if record is None:
            continue
        if since is not None or until is not None:
            try:
                at = parse_stamp(record[0])
            except ValueError:
                continue
            if since is not None and at < since:
                continue
            if until is not None and at > until:
                yield None
                return
        yield record


def read(
    path: str,
    *,
    tail: int | None = None,
    since: int | None = None,
    until: int | None = None,
    ended: Callable[[], bool] | None = None,
    pidfd: int | None = None,
) -> Iterator[LogLine]:
    """Yield the log's records (see text.record); no log is an empty log.

    `tail` is how many of the last lines, of both streams together; `since` and `until` are
    nanoseconds since 1970. With `ended` the log is followed until that says True and all is read;
    `pidfd`, of the monitor, ends it too, at once.
    """
    files = _open_all(path)
    if tail is not None and tail >= 0:
        files = _seek_tail(files, tail)
    pause, over = _SHORT, ended is None
    try:
        while True:
            # Asked before reading: what was written before the end is then read for certain.
            over = over or (ended is not None and ended()) or _is_gone(pidfd, 0)
            files = files or _open_all(path)
            while files:
                for record in _selected(files[0].lines(), since, until):
                    if record is None:
                        return
                    yield record
                    pause = _SHORT
                if len(files) == 1:
                    # Found rotated: what came between our last read and the rename is read first.
                    later = _after(path, files[0])
                    if not later:
                        break
                    files += later
                    continue
                files.pop(0).close()
            if over or (until is not None and time.time_ns() > until):
                return
            _is_gone(pidfd, pause)
            pause = min(2 * pause, _LONG)
    finally:
        for file in files:
            file.close()


def _is_gone(pidfd: int | None, milliseconds: int) -> bool:
    """Wait that long, or until the process is gone; say whether it is."""
    if pidfd is None:
        select.select([], [], [], milliseconds / 1000)
        return False
    poller = select.poll()
    poller.register(pidfd, select.POLLIN)
    return bool(poller.poll(milliseconds))


def size(path: str) -> int:
    """Return the bytes of all files of the log."""
    total = 0
    for file in _open_all(path):
        total += file.size
        file.close()
    return total
