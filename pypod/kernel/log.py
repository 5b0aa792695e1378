# SPDX-License-Identifier: Apache-2.0
"""Messages for people, on stderr. `logging` costs 10 ms and gives nothing needed here."""

from __future__ import annotations

import os

LEVELS = ("trace", "debug", "info", "warn", "error", "fatal", "panic")
"""podman's names, most talkative first."""

_threshold = LEVELS.index("warn")
_seen: set[str] = set()


def set_level(name: str) -> None:
    """Choose what is shown. Raises ValueError for an unknown name."""
    global _threshold
    name = "warn" if name == "warning" else name
    _threshold = LEVELS.index(name.lower())


def debugging() -> bool:
    """Say whether debug lines are shown: spares the caller the work of making them."""
    return _threshold <= LEVELS.index("debug")


def debug(message: str) -> None:
    """Show what is being done, in full."""
    if debugging():
        _write("DEBUG", message)


def info(message: str) -> None:
    """Show a remark that changes nothing for the user."""
    if _threshold <= LEVELS.index("info"):
        _write("INFO", message)


def warn(message: str) -> None:
    """Show, once per process, something the user should know."""
    if _threshold <= LEVELS.index("warn") and message not in _seen:
        _seen.add(message)
        _write("WARN", message)


def notice(message: str) -> None:
    """Say on stderr what takes a while, at every level but the quietest."""
    if _threshold <= LEVELS.index("error"):
        try:
            os.write(2, f"{message}\n".encode("utf-8", "surrogateescape"))
        except OSError:
            pass


class Line:
    """One line of a terminal that says how far something is; elsewhere nothing at all."""

    def __init__(self) -> None:
        self._terminal = _threshold <= LEVELS.index("error") and os.isatty(2)
        self._shown = False

    def show(self, text: str) -> None:
        """Write it over what it said before."""
        if self._terminal:
            self._shown = True
            room = max((os.get_terminal_size(2).columns or 80) - 1, 20)
            self._put(f"\r{text[:room]}\x1b[K")

    def close(self) -> None:
        """Take it away."""
        if self._shown:
            self._put("\r\x1b[K")

    def _put(self, text: str) -> None:
        try:
            os.write(2, text.encode("utf-8", "surrogateescape"))
        except OSError:
            pass


def _write(level: str, message: str) -> None:
    try:
        os.write(2, f"{level}: {message}\n".encode("utf-8", "surrogateescape"))
    except OSError:
        pass
