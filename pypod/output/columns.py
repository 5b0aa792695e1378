# SPDX-License-Identifier: Apache-2.0
"""Tables in columns, and bytes of strangers made harmless before a terminal sees them."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_GAP = 2
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), 127, *range(128, 160))}
_CONTROLS[ord("\t")] = " "
_CONTROLS[ord("\n")] = "\\n"


def harmless(text: str) -> str:
    """Return text with control characters shown and not obeyed (terminal injection, A35)."""
    return text.translate(_CONTROLS)


def table(rows: Iterable[Sequence[str]]) -> str:
    """Return rows as lines of aligned columns, two spaces between them."""
    cleaned = [[harmless(cell) for cell in row] for row in rows]
    if not cleaned:
        return ""
    widths = [0] * max(len(row) for row in cleaned)
    for row in cleaned:
        for number, cell in enumerate(row):
            widths[number] = max(widths[number], len(cell))
    lines = []
    for row in cleaned:
        cells = [cell.ljust(widths[number] + _GAP) for number, cell in enumerate(row)]
        lines.append("".join(cells).rstrip() + "\n")
    return "".join(lines)


def print_table(rows: Iterable[Sequence[str]]) -> None:
    """Write a table to standard output."""
    sys.stdout.write(table(rows))
