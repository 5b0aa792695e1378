# SPDX-License-Identifier: Apache-2.0
"""The grammars of -v and --tmpfs, and which places nobody may cover."""

from __future__ import annotations

import pytest

from pypod.errors import PypodError, UsageError
from pypod.spec import mounts, volumes
from tests.golden.make_configs import config


@pytest.mark.parametrize(
    ("text", "source", "destination", "options"),
    [
        ("/a:/b", "/a", "/b", ["rbind", "rprivate"]),
        ("/a:/b:ro", "/a", "/b", ["rbind", "ro", "rprivate"]),
        ("/a:/b:rw,z", "/a", "/b", ["rbind", "rprivate"]),
        ("/a:/b:Z,nosuid,nodev,noexec", "/a", "/b", "rbind nosuid nodev noexec rprivate".split()),
        ("/a:/b:bind,rslave", "/a", "/b", ["bind", "rslave"]),
        ("/a:/b:shared", "/a", "/b", ["rbind", "shared"]),
        ("./a:/b", "/here/a", "/b", ["rbind", "rprivate"]),
        (".:/b", "/here", "/b", ["rbind", "rprivate"]),
        ("../a//./c:/b", "/here/../a/c", "/b", ["rbind", "rprivate"]),
        ("/:/host", "/", "/host", ["rbind", "rprivate"]),
        ("/a:/b/../c//d/.", "/a", "/c/d", ["rbind", "rprivate"]),
        ("/a:/../../etc", "/a", "/etc", ["rbind", "rprivate"]),
    ],
)
def test_a_bind_is_source_destination_and_options(
    text: str, source: str, destination: str, options: list[str]
) -> None:
    asked = volumes.volume(text, "/here")
    assert (asked.kind, asked.source, asked.destination) == ("bind", source, destination)
    assert list(asked.options) == options


@pytest.mark.parametrize("option", ["idmap", "idmap=uids=0-1-2"])
def test_what_only_the_hosts_root_may_do_says_so(option: str) -> None:
    with pytest.raises(PypodError, match="root") as caught:
        volumes.volume(f"/a:/b:{option}", "/here")
    assert caught.value.code == 125


@pytest.mark.parametrize(
    "text", ["/a:b", "/a:", ":/b", "/a:/b:ro:x", "/a:/b:frobnicate", "/a:/b:ro,,x", "/a:/"]
)
def test_a_wrong_bind_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="-v "):
        volumes.volume(text, "/here")


@pytest.mark.parametrize(
    "place",
    [
        "/",
        "//",
        "/.",
        "/..",
        "/a/..",
        "/proc",
        "/proc/",
        "//proc/self/attr",
        "/x/../proc/sys",
        "/proc/..",
    ],
)
def test_nothing_covers_the_root_or_proc(place: str) -> None:
    with pytest.raises(UsageError):
        volumes.volume(f"/a:{place}", "/here")
    with pytest.raises(UsageError):
        mounts.tmpfs(place)


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("/t", ["rprivate", "nosuid", "nodev", "noexec", "tmpcopyup"]),
        (
            "/t:size=1m,mode=700",
            ["rprivate", "nosuid", "nodev", "noexec", "size=1m", "mode=700", "tmpcopyup"],
        ),
        ("/t:rw,exec", ["rprivate", "nosuid", "nodev", "tmpcopyup"]),
        ("/t:suid,dev,exec,ro", ["rprivate", "ro", "tmpcopyup"]),
        ("/t:noexec,notmpcopyup", ["rprivate", "nosuid", "nodev", "noexec"]),
    ],
)
def test_a_tmpfs_is_tight_unless_told_otherwise(text: str, options: list[str]) -> None:
    assert mounts.tmpfs(text) == {
        "destination": "/t",
        "type": "tmpfs",
        "source": "tmpfs",
        "options": options,
    }


@pytest.mark.parametrize("text", ["t", "", "/t:frobnicate", "/t:size", "/t:a b"])
def test_a_wrong_tmpfs_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="--tmpfs"):
        mounts.tmpfs(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("65536", 65536), ("1b", 1), ("64k", 65536), ("1M", 1 << 20), ("2gb", 2 << 30)],
)
def test_a_size_has_a_unit(text: str, size: int) -> None:
    assert mounts.size(text, "--shm-size") == size


@pytest.mark.parametrize("text", ["", "b", "k", "1.5m", "-1", "1x", "m1", "1 k"])
def test_a_wrong_size_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="invalid size"):
        mounts.size(text, "--shm-size")


def test_two_mounts_cannot_have_one_place() -> None:
    with pytest.raises(UsageError, match="/d: duplicate mount destination"):
        config(volume=("/a:/d", "/b:/x/../d"))
    with pytest.raises(UsageError, match="duplicate"):
        config(volume=("/a:/d",), tmpfs=("/d",))


def test_what_is_asked_for_takes_the_place_of_what_is_there() -> None:
    found = config(volume=("/my/hosts:/etc/hosts",), tmpfs=("/dev/shm:size=1g",))["mounts"]
    by_place = {mount["destination"]: mount for mount in found}
    assert len(by_place) == len(found)
    assert by_place["/etc/hosts"]["source"] == "/my/hosts"
    assert "size=1g" in by_place["/dev/shm"]["options"]


def test_nothing_is_covered_by_what_is_mounted_later() -> None:
    found = config(read_only=True, volume=("/a:/etc", "/b:/srv/x/y", "/c:/srv", "/d:/dev"))
    places = [mount["destination"].rstrip("/") for mount in found["mounts"]]
    for at, place in enumerate(places):
        for later in places[at + 1 :]:
            assert not place.startswith(later + "/"), (place, later)


def test_a_read_only_container_can_write_where_programs_expect_it() -> None:
    found = {m["destination"]: m for m in config(read_only=True)["mounts"]}
    for place in ("/run", "/tmp", "/var/tmp", "/dev/shm"):
        assert found[place]["type"] == "tmpfs"
        assert "ro" not in found[place]["options"]
    for place in ("/etc/hosts", "/etc/hostname", "/run/.containerenv"):
        assert "ro" in found[place]["options"]


def test_colons_in_the_name_of_a_layer_are_escaped() -> None:
    options = mounts.overlay(["/l/a:b", "/l/c\\d"], "/s/c")["options"]
    assert r"lowerdir=/l/a\:b:/l/c\\d" in options
