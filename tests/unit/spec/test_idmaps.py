# SPDX-License-Identifier: Apache-2.0
"""Id maps as values: what --userns asks for, and what it makes of a layer's owners."""

from __future__ import annotations

import pytest

from pypod.errors import PypodError, UsageError
from pypod.spec import idmaps, idranges
from tests.golden.make_configs import GROUP, PASSWD, ROOT, SINGLE, USER

DEFAULT = USER.uid_map
RANGES = (((100000, 65536),), ((200000, 65536),))


def test_keep_id_puts_the_subordinate_ids_around_the_callers_own() -> None:
    assert idmaps.keep(DEFAULT, 1000, None) == (
        (0, 100000, 1000),
        (1000, 1000, 1),
        (1001, 101000, 64536),
    )
    assert idmaps.keep(DEFAULT, 0, None) == ((0, 1000, 1), (1, 100000, 65536))
    assert idmaps.keep(DEFAULT, 1000, 500) == ((0, 100000, 499), (1000, 1000, 1))
    assert sum(count for _, _, count in idmaps.keep(DEFAULT, 70000, None)) == 65537


def test_nomap_begins_with_the_first_subordinate_id() -> None:
    chosen = idmaps.choose("nomap", USER)
    assert chosen is not None
    assert chosen.uid_map == ((0, 100000, 65536),) and chosen.gid_map == ((0, 200000, 65536),)
    assert chosen.layers == "map-0-1-65536" and not chosen.user


def test_a_shift_says_which_default_id_each_id_of_an_image_becomes() -> None:
    kept = idmaps.shift(DEFAULT, idmaps.keep(DEFAULT, 1000, None))
    assert [idmaps.shifted(kept, one) for one in (0, 999, 1000, 1001, 65536, 65537)] == [
        1, 1000, 0, 1001, 65536, None,
    ]  # fmt: skip
    assert idmaps.shift(DEFAULT, DEFAULT) == ((0, 0, 1), (1, 1, 65536))


def test_only_a_map_with_all_ids_covers_the_default_one() -> None:
    assert idmaps.covers(DEFAULT, DEFAULT)
    assert idmaps.covers(DEFAULT, idmaps.keep(DEFAULT, 1000, None))
    assert not idmaps.covers(DEFAULT, idmaps.keep(DEFAULT, 1000, 2000))
    assert not idmaps.covers(DEFAULT, idmaps.without_caller(DEFAULT))
    assert idmaps.covers(ROOT.uid_map, ROOT.uid_map)


@pytest.mark.parametrize(
    "text",
    [
        "keep", "keep-id:uid", "keep-id:uid=", "keep-id:uid=-1", "keep-id:uid=4294967295", "host:x",
        "nomap:size=1", "auto:size=0", "auto:uid=1", "auto:uidmapping=1:2:3:4", "auto:,",
        "auto:uidmapping=1", "auto:gidmapping=1:2:0", "container:x", "ns:/x", "private:",
    ],
)  # fmt: skip
def test_a_wrong_word_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError):
        idmaps.parse(text)


def test_the_default_has_no_map_of_its_own() -> None:
    assert all(idmaps.choose(text, USER) is None for text in ("", "host", "private"))
    assert idmaps.choose("host", ROOT) is None


@pytest.mark.parametrize(("text", "facts"), [("keep-id", ROOT), ("nomap", ROOT), ("nomap", SINGLE)])
def test_who_has_no_such_ids_is_told(text: str, facts: object) -> None:
    with pytest.raises(PypodError):
        idmaps.choose(text, facts)  # type: ignore[arg-type]


def test_auto_is_the_first_free_range() -> None:
    taken = [(100000, 1024), (102048, 1000)], [(200000, 1024)]
    chosen = idranges.choose("auto", USER, 1024, RANGES, taken)
    assert chosen.private == ((101024, 1024), (201024, 1024))
    assert chosen.uid_map == ((0, 101024, 1024),)
    chosen = idranges.choose("auto:size=1025", USER, 1024, RANGES, taken)
    assert chosen.private == ((103048, 1025), (201024, 1025))
    whole = idranges.choose("auto:size=65536", USER, 1024, RANGES, ([], []))
    assert whole.uid_map == ((0, 100000, 65536),)
    with pytest.raises(PypodError, match="no 65536 free uids: 2024 of 65536"):
        idranges.choose("auto:size=65536", USER, 1024, RANGES, taken)


def test_auto_never_gives_an_id_twice_to_one_container() -> None:
    text = "auto:size=100,uidmapping=10:1:5,uidmapping=200:0:1"
    chosen = idranges.choose(text, USER, 1024, RANGES, ([], []))
    assert chosen.uid_map == (
        (0, 100005, 10),
        (10, 100000, 5),
        (15, 100015, 85),
        (200, 1000, 1),
    )
    assert chosen.private == ((100005, 95), (200000, 100))


def test_the_size_is_what_an_image_needs() -> None:
    assert idranges.size_for("", "", "") == 1024
    assert idranges.size_for(PASSWD, GROUP, "") == 1024
    assert idranges.size_for("a:x:2000:5000::/:\n", GROUP, "") == 5001
    assert idranges.size_for("nobody:x:65534:65534::/:\n", "big:x:3000:\n", "0:4000") == 4001
    assert idranges.size_for("", "", "", 9000) == 9001
    assert idranges.size_for("broken", "x:y:z", "bob:staff") == 1024


def test_root_gives_ids_of_the_user_containers_alone() -> None:
    ids = ((1 << 31, 65536),)
    assert idranges.available(ROOT, ids, ids) == (ids, ids)
    with pytest.raises(PypodError, match="the user containers has no ids"):
        idranges.available(ROOT, ids, ())
    with pytest.raises(PypodError, match="needs subordinate ids"):
        idranges.available(SINGLE, (), ())
    assert idranges.available(USER, (), ()) == RANGES


def test_a_user_of_the_image_gets_no_second_line() -> None:
    chosen = idmaps.choose("keep-id", USER)
    assert chosen is not None
    assert idmaps.account(chosen, PASSWD, "ann", "/") == ""
    line = idmaps.account(chosen, "root:x:0:0::/:\n", "ann", "/w")
    assert line == "ann:*:1000:1000:ann:/w:/bin/sh"
    assert idmaps.membership(chosen, "root:x:0:\n", "ann") == "ann:*:1000:"
    assert idmaps.default_user(chosen, PASSWD) == "1000"
