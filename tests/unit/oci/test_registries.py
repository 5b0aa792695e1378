# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest

from pypod.errors import UsageError
from pypod.oci import reference, registries
from pypod.oci.registries import BadEntry, Blocked, Registries

DIGEST = "sha256:" + "a" * 64


def made(*entries: dict[str, Any], **more: Any) -> Registries:
    return registries.merge(Registries(), {"registry": list(entries), **more}, "FILE")


@pytest.mark.parametrize(
    ("name", "prefix", "length"),
    [
        ("h.io/a/b:1", "h.io", 4),
        ("h.io/a/b:1", "h.io/a", 6),
        ("h.io/a/b:1", "h.io/a/b", 8),
        ("h.io/a/b:1", "h.io/a/b:1", 10),
        (f"h.io/a@{DIGEST}", "h.io/a", 6),
        ("h.io/ab:1", "h.io/a", -1),
        ("h.io.evil/a:1", "h.io", -1),
        ("h.io:5000/a:1", "h.io", -1),
        ("h.io/a:1", "h.io:5000", -1),
        ("a.example.com/x:1", "*.example.com", 13),
        ("a.b.example.com:5000/x:1", "*.example.com:5000", 20),
        ("example.com/x:1", "*.example.com", -1),
        (".example.com/x:1", "*.example.com", -1),
        ("a.example.com.evil/x:1", "*.example.com", -1),
        ("evil.io/a.example.com/x:1", "*.example.com", -1),
    ],
)
def test_a_prefix_ends_where_a_part_of_the_name_does(name: str, prefix: str, length: int) -> None:
    assert registries.match(name, prefix) == length


def places(names: Registries, name: str) -> list[str]:
    return [str(one.reference) for one in registries.endpoints(names, reference.parse(name))]


def test_the_longest_prefix_wins_and_a_host_written_out_before_a_wildcard() -> None:
    names = made(
        {"prefix": "*.io", "location": "wild.net"},
        {"prefix": "*.h.io", "location": "wilder.net"},
        {"prefix": "a.h.io", "location": "host.net"},
        {"prefix": "a.h.io/team", "location": "team.net/x"},
    )
    assert places(names, "b.io/x") == ["wild.net/x:latest"]
    assert places(names, "b.h.io/x") == ["wilder.net/x:latest"]
    assert places(names, "a.h.io/x") == ["host.net/x:latest"]
    assert places(names, "a.h.io/team/y:1") == ["team.net/x/y:1"]
    assert places(names, "other.org/x") == ["other.org/x:latest"]


def test_mirrors_come_first_and_keep_their_own_settings() -> None:
    names = made(
        {
            "location": "docker.io",
            "mirror": [
                {"location": "m.net/hub", "insecure": True},
                {"location": "d.net", "pull-from-mirror": "digest-only"},
                {"location": "t.net", "pull-from-mirror": "tag-only"},
            ],
        }
    )
    found = registries.endpoints(names, reference.parse("busybox:1"))
    assert [(str(one.reference), one.insecure, one.mirror) for one in found] == [
        ("m.net/hub/library/busybox:1", True, True),
        ("t.net/library/busybox:1", False, True),
        ("docker.io/library/busybox:1", False, False),
    ]
    by_digest = f"library/busybox@{DIGEST}"
    assert places(names, f"busybox@{DIGEST}") == [
        f"{place}{by_digest}" for place in ("m.net/hub/", "d.net/", "docker.io/")
    ]


def test_mirror_by_digest_only_leaves_tags_to_the_registry() -> None:
    names = made(
        {"location": "h.io", "mirror-by-digest-only": True, "mirror": [{"location": "m.io"}]}
    )
    assert places(names, "h.io/a") == ["h.io/a:latest"]
    assert places(names, f"h.io/a@{DIGEST}") == [f"m.io/a@{DIGEST}", f"h.io/a@{DIGEST}"]


def test_a_wildcard_without_a_location_rewrites_nothing() -> None:
    names = made({"prefix": "*.h.io", "insecure": True, "mirror": [{"location": "m.io/x"}]})
    found = registries.endpoints(names, reference.parse("a.h.io/b"))
    assert [str(one.reference) for one in found] == ["m.io/x/b:latest", "a.h.io/b:latest"]
    assert [one.insecure for one in found] == [False, True]


def test_a_blocked_registry_is_an_error_that_names_the_file() -> None:
    names = made({"prefix": "h.io", "blocked": True})
    with pytest.raises(Blocked, match=r"registry h\.io is blocked in FILE"):
        registries.endpoints(names, reference.parse("h.io/a"))


def test_a_later_file_replaces_entries_of_the_same_prefix_and_adds_others() -> None:
    first = made({"location": "a.io", "blocked": True}, {"location": "b.io", "insecure": True})
    both = registries.merge(first, {"registry": [{"location": "a.io"}]}, "LATER")
    assert [(one.prefix, one.blocked, one.file) for one in both.entries] == [
        ("a.io", False, "LATER"),
        ("b.io", False, "FILE"),
    ]


def test_an_empty_alias_takes_one_away() -> None:
    names = made(aliases={"a": "q.io/a", "b": "q.io/b"})
    assert names.alias("a") == ("q.io/a", "FILE")
    assert registries.merge(names, {"aliases": {"a": ""}}, "LATER").alias("a") == ("", "")
    assert registries.merge(names, {"aliases": {"a": ""}}, "LATER").alias("b")[0] == "q.io/b"


def meant(names: Registries, name: str) -> list[str]:
    return [str(one) for one in registries.short_names(names, name)[0]]


def test_a_short_name_is_its_alias_or_what_the_search_list_says() -> None:
    assert meant(Registries(), "busybox") == ["docker.io/library/busybox:latest"]
    assert meant(Registries(), "a/b:1") == ["docker.io/a/b:1"]
    listed = {"unqualified-search-registries": ["quay.io", "docker.io"]}
    names = made(aliases={"a": "q.io/x/a", "team/b": "q.io/b"}, **listed)
    assert meant(names, "a:2") == ["q.io/x/a:2"]
    assert meant(names, f"team/b@{DIGEST}") == [f"q.io/b@{DIGEST}"]
    assert meant(names, "b") == ["quay.io/b:latest", "docker.io/library/b:latest"]
    assert registries.short_names(names, "a")[1] == 'Resolved "a" as an alias (FILE)'
    nothing = made(**{"unqualified-search-registries": []})
    with pytest.raises(UsageError, match="no unqualified-search registries are defined in FILE"):
        registries.short_names(nothing, "a")


@pytest.mark.parametrize(
    ("mode", "terminal", "count", "asks"),
    [
        ("enforcing", True, 2, True),
        ("enforcing", True, 1, False),
        ("enforcing", False, 1, False),
        ("permissive", True, 2, True),
        ("permissive", False, 2, False),
        ("disabled", True, 2, False),
    ],
)
def test_people_are_asked_by_the_mode(mode: str, terminal: bool, count: int, asks: bool) -> None:
    found = [reference.parse(name) for name in ("a.io/x", "b.io/x")[:count]]
    assert registries.is_open(Registries(mode=mode), found, terminal=terminal) == asks


def test_enforcing_without_a_terminal_lists_what_it_may_be() -> None:
    found = [reference.parse(name) for name in ("a.io/x", "b.io/x")]
    names = Registries(mode="enforcing", search_file="FILE")
    with pytest.raises(UsageError, match=r"a\.io/x:latest, b\.io/x:latest") as error:
        registries.is_open(names, found, terminal=False)
    assert "FILE" in str(error.value.hint)


@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"location": "https://a.io"},
        {"location": "nodot"},
        {"location": "nodot/path"},
        {"location": "a.io/UPPER"},
        {"location": 1},
        {"prefix": "a.*.io"},
        {"prefix": "*.a.io/x"},
        {"prefix": "a.io", "location": "*.b.io"},
        {"location": "a.io", "insecure": "yes"},
        {"location": "a.io", "mirror": [{}]},
        {"location": "a.io", "mirror": {}},
        {"location": "a.io", "mirror": [{"location": "b.io", "pull-from-mirror": "never"}]},
        {
            "location": "a.io",
            "mirror-by-digest-only": True,
            "mirror": [{"location": "b.io", "pull-from-mirror": "all"}],
        },
    ],
)
def test_an_entry_that_makes_no_sense_is_refused_by_number(entry: dict[str, Any]) -> None:
    with pytest.raises(BadEntry) as error:
        made({"location": "good.io"}, entry)
    assert (error.value.key, error.value.number) == ("[[registry]]", 1)


@pytest.mark.parametrize(
    "document",
    [
        {"registry": {}},
        {"registry": [1]},
        {"aliases": []},
        {"aliases": {"a": 1}},
        {"aliases": {"a:1": "q.io/a"}},
        {"aliases": {"q.io/a": "q.io/a"}},
        {"aliases": {"a": "q.io/a:1"}},
        {"aliases": {"a": "nothing"}},
        {"unqualified-search-registries": ["nodot"]},
        {"unqualified-search-registries": "a.io"},
        {"credential-helpers": "a"},
        {"short-name-mode": "x"},
        {"short-name-mode": 1},
        {"registries": {"search": {}}},
    ],
)
def test_a_document_that_makes_no_sense_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(BadEntry):
        registries.merge(Registries(), document, "FILE")
