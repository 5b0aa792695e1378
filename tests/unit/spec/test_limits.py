# SPDX-License-Identifier: Apache-2.0
"""Limits, settings, masks and groups as people type them."""

from __future__ import annotations

import pytest

from pypod.errors import PypodError, UsageError
from pypod.spec import devices, limits

GROUP = "root:x:0:\nvideo:x:44:a\n7up:x:45:\n"


def test_limits_are_soft_and_hard() -> None:
    found = limits.rlimits(("nofile=5:6", "core=0", "memlock=-1:unlimited", "nofile=7"), {})
    assert found == [
        {"type": "RLIMIT_NOFILE", "hard": 7, "soft": 7},
        {"type": "RLIMIT_CORE", "hard": 0, "soft": 0},
        {"type": "RLIMIT_MEMLOCK", "hard": limits.INFINITY, "soft": limits.INFINITY},
    ]
    assert limits.rlimits(("host",), {}) is None
    assert limits.rlimits((), {}) == []


@pytest.mark.parametrize(
    "word",
    ["", "nofile", "nofile=", "nofile=:5", "nofile=5:", "nofile=5:3", "foo=3", "NOFILE=3"]
    + ["nofile=-2", "nofile=0x10", "nofile=1e3", "nofile=99999999999999999999", "nofile=-1:5"],
)
def test_wrong_limits(word: str) -> None:
    with pytest.raises(UsageError, match="--ulimit"):
        limits.rlimits((word,), {})


def test_host_stands_alone() -> None:
    with pytest.raises(UsageError, match="no other"):
        limits.rlimits(("host", "core=0"), {})


def test_a_limit_above_the_callers_names_it() -> None:
    with pytest.raises(PypodError, match=r"open files \(nofile\) is 100 "):
        limits.rlimits(("nofile=50:101",), {"nofile": 100})
    assert limits.rlimits(("nofile=50:100",), {"nofile": 100})


def sysctls(*words: str, net: bool = True, ipc: bool = True) -> dict[str, str]:
    return limits.sysctls(words, own_network=net, own_ipc=ipc)


def test_settings_of_a_namespace() -> None:
    words = ("net.ipv4.ip_forward=1", "kernel.sem=1 2 3 4", "fs.mqueue.msg_max=", "user.x=1")
    assert sysctls(*words) == dict(word.split("=") for word in words)


@pytest.mark.parametrize(
    "word",
    ["", "x", "=1", "kernel.core_pattern=x", "kernel.hostname=x", "vm.swappiness=1", "kernel.shm=1"]
    + ["fs.file-max=1", "net=1", "net..x=1", "net.ipv4/../../kernel/core_pattern=x", "net.a b=1"]
    + [".net.x=1", "net.x.=1", "netx.y=1", "fs.mqueue=1", "kernel.shmmax.x=1", "net.ipv4.x=a\0b"],
)
def test_settings_of_the_host_are_refused(word: str) -> None:
    with pytest.raises(UsageError, match="--sysctl"):
        sysctls(word)


def test_settings_need_a_namespace_of_ones_own() -> None:
    with pytest.raises(UsageError, match="the host's"):
        sysctls("net.core.somaxconn=1", net=False)
    with pytest.raises(UsageError, match="the host's"):
        sysctls("kernel.shmmax=1", ipc=False)


def test_umask() -> None:
    assert [limits.umask(text) for text in ("", "0", "077", "0027")] == [0o22, 0, 0o77, 0o27]
    for text in ("8", "0o22", "-1", "1777", "00022", "u=rwx", " 22"):
        with pytest.raises(UsageError, match="--umask"):
            limits.umask(text)


def test_groups_are_names_of_the_image_or_numbers() -> None:
    assert limits.groups(("video", "5"), GROUP) == (44, 5)
    assert limits.groups(("keep-groups",), GROUP) is None
    for word in ("nosuch", "", "-1", "4294967295", "7up", "05"):
        with pytest.raises(PypodError, match="--group-add"):
            limits.groups((word,), GROUP)
    with pytest.raises(UsageError, match="not allowed with"):
        limits.groups(("keep-groups", "5"), GROUP)


def test_annotations() -> None:
    assert limits.annotation_pairs(("a=b=c", "d=")) == {"a": "b=c", "d": ""}
    for word in ("a", "=b", "", "io.pypod.init=1"):
        with pytest.raises(UsageError, match="--annotation"):
            limits.annotation_pairs((word,))


@pytest.mark.parametrize(
    ("text", "source", "destination", "permissions"),
    [
        ("/dev/a", "/dev/a", "/dev/a", "mrw"),
        ("/dev/a:/x/", "/dev/a", "/x", "mrw"),
        ("/dev/a:r", "/dev/a", "/dev/a", "r"),
        ("/dev/a:/x:wr", "/dev/a", "/x", "rw"),
    ],
)
def test_devices(text: str, source: str, destination: str, permissions: str) -> None:
    assert devices.parse(text) == devices.Device(source, destination, permissions)


@pytest.mark.parametrize(
    "text", ["", "dev/a", "/dev/a:x", "/dev/a:/b:q", "/dev/a:/b:rr", "/dev/a:/b:/c", "a.b/c=d"]
    + ["/dev/a:/proc/x", "/dev/a:/", "/dev/a:/b:rw:x"],
)  # fmt: skip
def test_wrong_devices(text: str) -> None:
    with pytest.raises(PypodError, match="--device"):
        devices.parse(text)


def test_what_no_mode_takes_away_is_said() -> None:
    assert devices.unenforced(devices.parse("/dev/a:rw")) == ""
    assert "writing is not taken away" in devices.unenforced(devices.parse("/dev/a:r"))
    assert "reading and writing" in devices.unenforced(devices.parse("/dev/a:m"))
