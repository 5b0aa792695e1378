# SPDX-License-Identifier: Apache-2.0
"""Volumes and --mount: what is asked for, what wins, and the OCI mounts that come of it."""

from __future__ import annotations

from typing import Any

import pytest

from pypod.errors import PypodError, UsageError
from pypod.spec import mount_option, volumes
from pypod.spec.ids import User
from pypod.spec.options import CreateOptions
from pypod.spec.volumes import Found, Request
from tests.golden.make_configs import config, image

ROOT = User(0, 0, (), "/root")


def request(text: str) -> Request:
    """Return what -v or --mount asks for."""
    return mount_option.parse(text, "/here") if "=" in text else volumes.volume(text, "/here")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("data:/v", {"source": "data"}),
        ("/v", {"source": ""}),
        ("data:/v:ro,nocopy", {"source": "data", "copy": False, "ro": True}),
        ("data:/v:nocreate", {"source": "data", "create": False}),
        ("data:/v:U", {"source": "data", "chown": True}),
        ("data:/v:O", {"source": "data", "overlay": True}),
        ("type=volume,src=data,dst=/v", {"source": "data"}),
        ("source=data,target=/v,readonly", {"source": "data", "ro": True}),
        ("dst=/v,volume-nocopy=false", {"source": ""}),
        ("src=data,dst=/v,volume-nocopy", {"source": "data", "copy": False}),
        ("src=data,dst=/v,volume-subpath=a/../b", {"source": "data", "subpath": "b"}),
        ("src=data,dst=/v,subpath=../../etc", {"source": "data", "subpath": "etc"}),
        ("src=d,dst=/v,volume-label=a=b", {"source": "d", "labels": ("a=b",)}),
        ("src=d,dst=/v,volume-opt=o=size=1", {"source": "d", "driver_options": ("o=size=1",)}),
        ("src=d,dst=/v,U=true,idmap", None),
    ],
)
def test_a_volume_is_a_name_and_what_to_do_with_it(
    text: str, expected: dict[str, Any] | None
) -> None:
    if expected is None:
        with pytest.raises(PypodError, match="id-mapped"):
            request(text)
        return
    asked = request(text)
    assert (asked.kind, asked.destination) == ("volume", "/v")
    assert ("ro" in asked.options) == expected.pop("ro", False)
    usual = {"copy": True, "create": True, "chown": False, "overlay": False, "subpath": ""}
    for key, value in {**usual, **expected}.items():
        assert getattr(asked, key) == value, key


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("type=bind,src=/a,dst=/v", "rbind rprivate"),
        ("type=bind,src=/a,dst=/v,ro", "rbind ro rprivate"),
        ("type=bind,src=/a,dst=/v,bind-nonrecursive", "bind rprivate"),
        ("type=bind,src=/a,dst=/v,bind-recursive=disabled", "bind rprivate"),
        ("type=bind,src=/a,dst=/v,bind-recursive=readonly,ro", "rbind ro rprivate"),
        ("type=bind,src=/a,dst=/v,bind-propagation=rshared,nosuid", "rbind nosuid rshared"),
        ("type=bind,src=/a,dst=/v,consistency=cached,relabel=private", "rbind rprivate"),
        ("type=tmpfs,dst=/v", "rprivate nosuid nodev noexec tmpcopyup"),
        (
            "type=tmpfs,dst=/v,tmpfs-size=1m,tmpfs-mode=700,notmpcopyup,exec",
            "rprivate nosuid nodev size=1m mode=700",
        ),
    ],
)
def test_mount_is_bind_and_tmpfs_too(text: str, options: str) -> None:
    assert " ".join(request(text).options) == options


@pytest.mark.parametrize(
    "text",
    [
        "data:v",
        "da/ta:/v",
        "é:/v",
        "-x:/v",
        "data:/v:frobnicate",
        "data:/v:ro,rw",
        "data:/v:copy,nocopy",
        "data:/v:private,shared",
        "/a:/v:copy",
        "/a:/v:nocreate",
        "/a:/v:upperdir=/u",
        "/a:/v:O,upperdir=/u",
        "/a:/v:O,upperdir=u,workdir=w",
        "/a:/v:z,Z",
        "type=bind,src=/a,dst=/v,bind-recursive=readonly",
        "type=bind,src=/a,dst=/v,bind-recursive=maybe",
        "type=bind,src=/a,dst=/v,bind-propagation=sideways",
        "type=bind,src=/a,dst=/v,ro,rw",
        "type=bind,src=/a,dst=/v,nocreate=1",
        "type=tmpfs,dst=/v,tmpfs-size",
        "type=volume,src=a/b,dst=/v",
        "type=volume",
    ],
)
def test_a_wrong_volume_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError):
        request(text)


def test_what_is_typed_wins_over_what_is_inherited_and_both_over_the_image() -> None:
    options = CreateOptions(volume=("data:/a",), mount=("type=tmpfs,dst=/t",))
    inherited = (
        Request("volume", "/a", "--volumes-from x", "theirs"),
        Request("volume", "/b", "--volumes-from x", "theirs"),
    )
    record = image(cmd=["sh"], volumes=["/a", "/b/", "c/../d", "/t"])
    found = volumes.requests(options, record, "/here", inherited)
    assert [(one.kind, one.source, one.destination) for one in found] == [
        ("volume", "data", "/a"),
        ("tmpfs", "", "/t"),
        ("volume", "theirs", "/b"),
        ("volume", "", "/d"),
    ]
    assert [one.image for one in found] == [False, False, False, True]


@pytest.mark.parametrize("place", ["/", "/proc", "/proc/self/attr", "/x/../proc", "/.."])
def test_an_images_volume_covers_neither_proc_nor_the_root(place: str) -> None:
    with pytest.raises(UsageError, match="VOLUME"):
        volumes.requests(CreateOptions(), image(volumes=[place]), "/")
    ignored = volumes.requests(CreateOptions(image_volume="ignore"), image(volumes=[place]), "/")
    assert ignored == []


def test_a_request_survives_its_record() -> None:
    for text in ("data:/v:ro,nocopy", "/a:/v:U,rslave", "/v", "type=tmpfs,dst=/v,tmpfs-size=1m"):
        asked = request(text)
        (record,) = volumes.records([asked], {asked.key: Found("x" * 64, "/p", anonymous=True)})
        again = volumes.from_record(record)
        if asked.kind == "volume":
            asked = asked.replace(source="x" * 64)
        assert again == asked


def test_a_volume_is_bound_from_where_it_lies() -> None:
    found = {"data": Found("data", "/s/volumes/data/_data")}
    mount = volumes.oci(request("data:/v:ro"), found, ROOT, "/s/c", 3)
    assert mount == {
        "destination": "/v",
        "type": "bind",
        "source": "/s/volumes/data/_data",
        "options": ["rbind", "ro", "rprivate"],
    }
    memory = {"data": Found("data", "/s/x", "tmpfs", ("size=1m",))}
    mount = volumes.oci(request("data:/v:ro"), memory, ROOT, "/s/c", 3)
    assert (mount["type"], mount["options"]) == ("tmpfs", ["ro", "rprivate", "size=1m"])
    layer = volumes.oci(request("data:/v:O"), found, ROOT, "/s/c", 3)
    assert layer["type"] == "overlay"
    assert "upperdir=/s/c/overlay3/upper" in layer["options"]
    part = volumes.oci(request("src=data,dst=/v,subpath=a/b"), found, ROOT, "/s/c", 3)
    assert part["source"] == "/s/volumes/data/_data"
    assert part["options"][-1] == "X-pypod.subpath=a/b"


def test_the_size_of_shared_memory_is_a_mount_option() -> None:
    for size, shown in (("", "size=65536k"), ("1m", "size=1048576"), ("0", "size=0")):
        mounts = config(shm_size=size)["mounts"]
        (shm,) = [mount for mount in mounts if mount["destination"] == "/dev/shm"]
        assert shown in shm["options"]
