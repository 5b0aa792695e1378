# SPDX-License-Identifier: Apache-2.0
"""A question on the terminal. Asked on stderr: stdout is data."""

from __future__ import annotations

import os
import sys

from pypod.errors import PypodError


def can_ask() -> bool:
    """Say whether somebody is there to answer."""
    return os.isatty(0) and os.isatty(2)


def choose(question: str, answers: list[str]) -> str:
    """Return one of the answers, the first for an empty line. Raises PypodError at the end of it.

    Numbers and a line, not arrow keys: it works on every terminal, in a log and when read aloud.
    """
    width = len(str(len(answers)))
    lines = [f"  {number:{width}}  {one}\n" for number, one in enumerate(answers, 1)]
    _write(f"{question}\n{''.join(lines)}")
    while True:
        _write("Number [1]: ")
        line = sys.stdin.readline()
        if not line:
            _write("\n")
            raise PypodError(f"{question} Nobody answered")
        word = line.strip() or "1"
        if word in answers:
            return word
        if word.isascii() and word.isdigit() and 1 <= int(word) <= len(answers):
            return answers[int(word) - 1]


def _write(text: str) -> None:
    os.write(2, text.encode("utf-8", "replace"))
