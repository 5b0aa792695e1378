# SPDX-License-Identifier: Apache-2.0
"""Subordinate ids: which ranges are the user's, and maps that the kernel takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from pypod.kernel.userns import EXTENTS_MAX, default_map, identity_map, ranges


def write(where: Path, text: str) -> str:
    path = where / "subuid"
    path.write_text(text)
    return str(path)


def test_ranges_are_the_users_by_name_and_by_number(tmp_path: Path) -> None:
    path = write(tmp_path, "bob:1:2\nann:100000:65536\n1000:300000:10\nanna:5:5\n10001:7:7\n")
    assert ranges(path, "ann", 1000) == ((100000, 65536), (300000, 10))


@pytest.mark.parametrize(
    "line",
    ["ann", "ann:1", "ann:1:2:3", "ann:x:1", "ann:1:", "ann:-1:5", "ann:1:0", "ann:²:1", "ann:٠:1",
     "ann:4294967295:1", "ann:1:4294967295", "#ann:1:1", " ann:1:1", ""],
)  # fmt: skip
def test_lines_that_are_no_range_count_as_nothing(tmp_path: Path, line: str) -> None:
    path = write(tmp_path, f"{line}\nann:100000:65536\n")
    assert ranges(path, "ann", 1000) == ((100000, 65536),)


def test_no_file_is_no_range(tmp_path: Path) -> None:
    assert ranges(str(tmp_path / "none"), "ann", 1000) == ()


def test_bytes_that_are_no_text_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "subuid").write_bytes(b"\xff\xfe:1:1\nann:9:9\n")
    assert ranges(str(tmp_path / "subuid"), "ann", 1000) == ((9, 9),)


@pytest.mark.parametrize(
    ("subordinate", "wanted"),
    [
        ((), ((0, 1000, 1),)),
        (((100000, 65536),), ((0, 1000, 1), (1, 100000, 65536))),
        (((5000, 10), (7000, 5)), ((0, 1000, 1), (1, 5000, 10), (11, 7000, 5))),
        (((5000, 10), (5000, 10)), ((0, 1000, 1), (1, 5000, 10))),
        (((5000, 10), (5005, 10)), ((0, 1000, 1), (1, 5000, 10), (11, 5010, 5))),
        (((5005, 5), (5000, 15)), ((0, 1000, 1), (1, 5005, 5), (6, 5000, 5), (11, 5010, 5))),
        (((999, 3),), ((0, 1000, 1), (1, 999, 1), (2, 1001, 1))),
        (((1000, 1),), ((0, 1000, 1),)),
    ],
)
def test_no_id_stands_twice_in_a_map(
    subordinate: tuple[tuple[int, int], ...], wanted: tuple[tuple[int, int, int], ...]
) -> None:
    assert default_map(1000, subordinate) == wanted


def test_a_map_has_no_more_lines_than_the_kernel_takes() -> None:
    many = tuple((10000 + 2 * number, 1) for number in range(500))
    assert len(default_map(1000, many)) == EXTENTS_MAX


def test_roots_map_is_the_identity_over_the_ids_that_exist(tmp_path: Path) -> None:
    path = write(tmp_path, "         0       1000          1\n         1     100000      65536\n")
    assert identity_map(path) == ((0, 0, 1), (1, 1, 65536))
    path = write(tmp_path, "         0          0 4294967295\n")
    assert identity_map(path) == ((0, 0, 4294967295),)
