# SPDX-License-Identifier: Apache-2.0
"""--format of lists: lines, json, and tables with headings."""

from __future__ import annotations

import pytest

from pypod.errors import PypodError
from pypod.output import listing

ROWS = [{"ID": "1", "Names": "a", "CreatedAt": "x"}, {"ID": "22", "Names": "b", "CreatedAt": "y"}]


def shown(capsys: pytest.CaptureFixture[str], text: str, **options: bool) -> str:
    listing.show(ROWS, text, [{"Id": row["ID"]} for row in ROWS], **options)
    return capsys.readouterr().out


def test_a_template_prints_a_line_for_each_row(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, "{{.ID}} {{.Names}}") == "1 a\n22 b\n"


def test_a_template_that_ends_its_line_gets_no_second_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert shown(capsys, "{{.ID}}\\n") == "1\n22\n"
    assert listing.line("{{.ID}}\\n", ROWS[0]) == "1\n"
    assert listing.line("{{.ID}}", ROWS[0]) == "1\n"


def test_a_table_template_has_headings_of_its_fields(capsys: pytest.CaptureFixture[str]) -> None:
    text = "table {{.ID}}\\t{{.Names}}\\t{{.CreatedAt}}"
    expected = "CONTAINER ID  NAMES  CREATED AT\n1             a      x\n22            b      y\n"
    assert shown(capsys, text) == expected
    assert shown(capsys, text, heading=False) == "1   a  x\n22  b  y\n"


def test_json_is_an_array_or_a_line_for_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, "{{json .}}") == '{"Id":"1"}\n{"Id":"22"}\n'
    assert shown(capsys, "json").replace(" ", "").replace("\n", "") == '[{"Id":"1"},{"Id":"22"}]'


def test_a_wrong_template_is_one_error() -> None:
    with pytest.raises(PypodError, match="can't evaluate field Nope") as caught:
        listing.show([{"ID": "1", "Pid": 5}], "{{.Nope}}", [])
    assert caught.value.code == 125
