# SPDX-License-Identifier: Apache-2.0
"""TOML files, and their errors with file and line. The only importer of a TOML parser (10 ms)."""

from __future__ import annotations

import tomllib

from pypod.errors import PypodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def read(path: str) -> tuple[dict[str, Any], str]:
    """Return a file's document and its text. Raises PypodError, which names file and line."""
    try:
        with open(path, "rb") as file:
            text = file.read().decode()
    except OSError as error:
        raise PypodError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise PypodError(f"{path}:{line}: not UTF-8") from None
    try:
        return tomllib.loads(text), text
    except tomllib.TOMLDecodeError as error:
        said, at, where = str(error).partition(" (at ")
        words = where.rstrip(")").replace(",", "").split()
        # "line 3, column 5", or "end of document".
        line = int(words[1]) if at and words[0] == "line" else text.count("\n") + 1
        raise PypodError(f"{path}:{line}: {said}") from None


def line_of(text: str, key: str, number: int = 0) -> int:
    """Return the line where a key or a `[header]` stands for the nth time; 1 when it is not found.

    TOML parsers tell no lines of what they have understood; this is for error messages only.
    """
    for count, line in enumerate(text.splitlines(), 1):
        bare = line.strip()
        if bare.startswith((key, f'"{key}"', f"'{key}'")):
            if number == 0:
                return count
            number -= 1
    return 1
