# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io

import pytest

from pypod.errors import PypodError
from pypod.output import prompt


@pytest.mark.parametrize(
    ("typed", "chosen"),
    [("\n", "a"), ("2\n", "b"), (" 2 \n", "b"), ("b\n", "b"), ("0\n3\nx\n-1\n²\n2\n", "b")],
)
def test_a_number_or_the_answer_itself_chooses(
    typed: str, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    assert prompt.choose("Which?", ["a", "b"]) == chosen


def test_the_end_of_input_is_no_answer(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("9\n"))
    with pytest.raises(PypodError, match="Nobody answered"):
        prompt.choose("Which?", ["a", "b"])
    shown = capfd.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("Which?\n  1  a\n  2  b\nNumber [1]: ")
