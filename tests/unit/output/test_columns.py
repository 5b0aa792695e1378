# SPDX-License-Identifier: Apache-2.0
"""Tables: aligned columns, and nothing a stranger wrote that a terminal would obey (A35)."""

from __future__ import annotations

from pypod.output import columns


def test_columns_are_as_wide_as_their_widest_cell_and_two_more() -> None:
    rows = [("ID", "NAME", "X"), ("1", "long name", ""), ("22", "n", "y")]
    assert columns.table(rows) == "ID  NAME       X\n1   long name\n22  n          y\n"


def test_no_rows_are_no_text() -> None:
    assert columns.table([]) == ""


def test_rows_may_have_different_lengths() -> None:
    assert columns.table([("a",), ("b", "c")]) == "a\nb  c\n"


def test_a_cell_is_never_shortened() -> None:
    assert "x" * 500 in columns.table([("x" * 500, "y")])


def test_no_control_character_reaches_the_terminal() -> None:
    every = "".join(chr(code) for code in range(0x100))
    out = columns.table([(every, "\x1b]0;x\x07"), ("\x9b31m", "a\nb\tc\r")])
    assert out.count("\n") == 2
    for line in out.splitlines():
        assert all(31 < ord(char) < 127 or ord(char) > 159 for char in line)
    assert "\\x1b]0;x\\x07" in out
    assert "a\\nb c\\x0d" in out
