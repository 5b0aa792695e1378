# SPDX-License-Identifier: Apache-2.0
"""--uidmap and its like: grammar, and the map that comes of it."""

from __future__ import annotations

from typing import Any

import pytest

from pypod.errors import PypodError, UsageError
from pypod.spec import idmaps, idoptions
from pypod.spec.options import CreateOptions
from tests.golden.make_configs import ROOT, SINGLE, USER

NONE: dict[str, Any] = {"uid": (), "gid": ()}


def chosen(facts: Any = USER, ranges: Any = None, **options: Any) -> idmaps.Chosen:
    """Return the map of these options."""
    options = {key: tuple(one) if isinstance(one, list) else one for key, one in options.items()}
    return idoptions.choose(CreateOptions(**options), facts, ranges or NONE)


@pytest.mark.parametrize(
    ("uids", "expected"),
    [
        (["0:0:1"], ((0, 1000, 1),)),
        (["0:1:100"], ((0, 100000, 100),)),
        (["0:0:5"], ((0, 1000, 1), (1, 100000, 4))),
        (["0:1:10", "10:0"], ((0, 100000, 10), (10, 1000, 1))),
        (["0:@100000:10"], ((0, 100000, 10),)),
        (["+u7:@100005"], ((0, 1000, 1), (1, 100000, 5), (7, 100005, 1), (8, 100007, 65529))),
        (["+u0:1"], ((0, 100000, 1), (2, 100001, 65535))),
        (["0:1:100", "+100000:5:1"], ((0, 100000, 4), (5, 100005, 95), (100000, 100004, 1))),
    ],
)  # fmt: skip
def test_a_map_is_what_is_spelled_out(uids: list[str], expected: object) -> None:
    assert chosen(uidmap=uids, gidmap=["0:0:1"]).uid_map == expected


def test_one_kind_alone_is_for_both_where_no_flag_says_otherwise() -> None:
    both = chosen(uidmap=["0:1:100"])
    assert both.uid_map == ((0, 100000, 100),) and both.gid_map == ((0, 200000, 100),)
    both = chosen(gidmap=["0:1:100"])
    assert both.uid_map == ((0, 100000, 100),) and both.gid_map == ((0, 200000, 100),)
    one = chosen(uidmap=["u0:1:100"])
    assert one.gid_map == USER.gid_map
    one = chosen(uidmap=["0:1:100", "g0:1:50"], gidmap=["50:60:5"])
    assert one.gid_map == ((0, 200000, 50), (50, 200059, 5))


def test_the_default_map_spelled_out_needs_no_layers_of_its_own() -> None:
    assert chosen(uidmap=["0:0:65537"]).layers == ""
    assert chosen(uidmap=["0:1:65536"]).layers == "map-0-1-65536"


@pytest.mark.parametrize(
    "text",
    [
        "", "0", "0:", ":0", "0:0:0", "a:0:1", "0:0:1:1", "-1:0:1", "++0:0:1", "x0:0:1", "0:@:1",
        "0:0:4294967295", "4294967294:0:2", "0:0:1 ",
    ],
)  # fmt: skip
def test_a_wrong_value_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError):
        chosen(uidmap=[text])


@pytest.mark.parametrize(
    ("uids", "said"),
    [
        (["5:1:100"], "nothing is mapped to 0"),
        (["+u5:0:1"], "nothing is mapped to 0"),
        (["0:1:100", "99:300"], "99 is mapped twice"),
        (["0:1:100", "200:100"], "the same id of the host"),
        (["0:70000"], "not all of these are uids of the caller"),
        (["0:@5"], "not all of these are uids of the caller"),
    ],
)
def test_a_map_that_cannot_be_is_refused(uids: list[str], said: str) -> None:
    with pytest.raises(PypodError, match=said):
        chosen(uidmap=uids, gidmap=["0:0:1"])


def test_names_are_the_callers_own_but_for_root() -> None:
    mine = {"uid": ((100000, 65536),), "gid": ((200000, 65536),)}
    assert chosen(ranges=mine, subuidname="ann").uid_map == ((0, 100000, 65536),)
    assert chosen(ranges=mine, subuidname="1000").gid_map == ((0, 200000, 65536),)
    with pytest.raises(PypodError, match="the ids of bob are not the caller's"):
        chosen(ranges=mine, subuidname="bob")
    with pytest.raises(PypodError, match="eve has no ids in /etc/subgid"):
        chosen(ranges={**mine, "gid": ()}, subgidname="eve", subuidname="ann")
    two = {"uid": ((5000, 10), (7000, 20)), "gid": ((5000, 10),)}
    found = chosen(ROOT, two, subuidname="bob")
    assert found.uid_map == ((0, 5000, 10), (10, 7000, 20)) and found.gid_map == ((0, 5000, 10),)
    with pytest.raises(PypodError, match="need subordinate ids"):
        chosen(SINGLE, uidmap=["0:0:1"])


@pytest.mark.parametrize(
    "options",
    [
        {"uidmap": ("0:0:1",), "userns": "host"},
        {"subgidname": "x", "userns": "keep-id"},
        {"uidmap": ("0:0:1",), "subuidname": "x"},
        {"gidmap": ("0:0:1",), "subgidname": "x"},
    ],
)
def test_options_that_exclude_each_other(options: Any) -> None:
    with pytest.raises(UsageError, match="exclude each other"):
        idoptions.asked(CreateOptions(**options))
