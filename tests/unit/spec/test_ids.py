# SPDX-License-Identifier: Apache-2.0
"""USER[:GROUP] to numbers: only root's own spellings are root (S-21)."""

from __future__ import annotations

import pytest

from pypod.errors import PypodError
from pypod.spec.ids import ID_MAX, User, container_maps, is_mapped, resolve_user
from tests.golden.make_configs import GROUP, PASSWD, ROOT, SINGLE, USER


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", User(0, 0, (0,), "/root")),
        ("0", User(0, 0, (0,), "/root")),
        ("root", User(0, 0, (0,), "/root")),
        ("bob", User(1000, 1000, (50, 60), "/home/bob")),
        ("1000", User(1000, 1000, (50, 60), "/home/bob")),
        ("bob:staff", User(1000, 50, (), "/home/bob")),
        ("bob:7", User(1000, 7, (), "/home/bob")),
        ("33:0", User(33, 0, (), "/var/www")),
        ("4242", User(4242, 0, (), "/")),
        ("4242:docs", User(4242, 60, (), "/")),
        (str(ID_MAX), User(ID_MAX, 0, (), "/")),
    ],
)
def test_names_and_numbers_are_found_in_the_images_files(text: str, wanted: User) -> None:
    found = resolve_user(text, PASSWD, GROUP.replace("root:x:0:", "root:x:0:root", 1))
    assert found == wanted


@pytest.mark.parametrize(
    "text",
    [
        "0:", ":0", ":", "00", "+0", "-0", "-1", " 0", "0 ", "0x0", "1000x", "1000:", "000:0",
        "0:00", "nouser", "bob:nogroup", "nouser:0", "4294967294", "4294967295", "4294967296",
        "4294968296", "18446744073709551616", "9" * 5000, "٠", "²", "\0", "\n0", "0\n", "bob:",
        "bob:bob:bob", "root\n",
    ],
)  # fmt: skip
def test_anything_else_is_an_error_and_never_root(text: str) -> None:
    with pytest.raises(PypodError):
        resolve_user(text, PASSWD, GROUP)


@pytest.mark.parametrize("text", ["broken", "1001", "wrong"])
def test_a_line_of_passwd_without_valid_ids_is_an_error(text: str) -> None:
    with pytest.raises(PypodError, match="no valid ids"):
        resolve_user(text, PASSWD, GROUP)


def test_a_group_given_with_the_user_makes_up_for_a_bad_line() -> None:
    assert resolve_user("broken:50", PASSWD, GROUP).gid == 50


@pytest.mark.parametrize("passwd", ["", "root", "root:x", "::::::", "\n\n", "root:x:0:0", "\0"])
def test_root_needs_no_passwd(passwd: str) -> None:
    assert resolve_user("0", passwd, "") == User(0, 0, (), "/root")


def test_the_first_line_of_a_name_or_number_counts() -> None:
    twice = "a:x:5:5::/one:\na:x:6:6::/two:\nb:x:5:9::/three:\n"
    assert resolve_user("a", twice, "").uid == 5
    assert resolve_user("5", twice, "").home == "/one"


def test_a_single_id_is_that_of_whoever_runs() -> None:
    assert container_maps(SINGLE, User(33, 50)) == (((33, 1000, 1),), ((50, 1000, 1),))
    assert container_maps(USER, User(33, 50)) == (USER.uid_map, USER.gid_map)
    assert container_maps(ROOT, User(0, 0)) == (ROOT.uid_map, ROOT.gid_map)


def test_an_id_is_mapped_within_an_extent_alone() -> None:
    extents = ((0, 1000, 1), (5, 100000, 10))
    assert [number for number in range(20) if is_mapped(extents, number)] == [0, *range(5, 15)]
