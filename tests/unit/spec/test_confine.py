# SPDX-License-Identifier: Apache-2.0
"""--security-opt: podman's grammar, what is refused, and which paths stay masked."""

from __future__ import annotations

import fnmatch
import itertools

import pytest

from pypod.errors import PypodError, UsageError
from pypod.spec import confine

MASKED = ["/proc/acpi", "/proc/kcore", "/sys/firmware"]
READ_ONLY = ["/proc/bus", "/proc/sys"]


@pytest.mark.parametrize(
    ("words", "field", "value"),
    [
        ((), "seccomp", ""),
        (("seccomp=unconfined",), "seccomp", "unconfined"),
        (("seccomp:unconfined",), "seccomp", "unconfined"),
        (("seccomp=/a:b=c.json",), "seccomp", "/a:b=c.json"),
        (("seccomp=/a", "seccomp=builtin"), "seccomp", ""),
        (("no-new-privileges",), "no_new_privs", True),
        (("no-new-privileges:true",), "no_new_privs", True),
        (("no-new-privileges=false",), "no_new_privs", False),
        (("mask=/a:/b", "mask=/c//d/"), "mask", ("/a", "/b", "/c/d")),
        (("unmask=ALL",), "unmask", ("ALL",)),
        (("unmask=all",), "unmask", ("ALL",)),
        (("systempaths=unconfined",), "unmask", ("ALL",)),
        (("unmask=/proc/*:/sys/firmware",), "unmask", ("/proc/*", "/sys/firmware")),
        (("proc-opts=hidepid=2,subset=pid",), "proc_opts", ("hidepid=2", "subset=pid")),
        (("label=disable",), "label", ()),
        (("label:disable",), "label", ()),
        (("label=type:x", "label=level:s0:c1,c2"), "label", (("type", "x"), ("level", "s0:c1,c2"))),
        (("apparmor=unconfined",), "apparmor", "unconfined"),
    ],
)
def test_words_that_are_understood(words: tuple[str, ...], field: str, value: object) -> None:
    assert getattr(confine.read(words), field) == value


@pytest.mark.parametrize(
    "word",
    ["", "seccomp", "seccomp=", "mask", "mask=", "mask=:", "mask=a", "mask=/a:b", "mask=/a/../b"]
    + ["unmask=", "unmask=proc", "unmask=/proc/..", "systempaths=", "systempaths=ALL", "label=x"]
    + ["label=type", "label=type:", "label=type:a\nb", "apparmor=", "apparmor=a b", "frobnicate=1"]
    + ["proc-opts=", "proc-opts=x", "proc-opts=hidepid=9", "proc-opts=gid=x"]
    + ["no-new-privileges=maybe", "proc-opts=hidepid=2,suid=1"],
)
def test_words_that_are_not(word: str) -> None:
    with pytest.raises(UsageError, match="--security-opt"):
        confine.read((word,))


def masks(*words: str) -> tuple[list[str], list[str]]:
    return confine.masks(confine.read(words), MASKED, READ_ONLY)


def test_nothing_said_leaves_the_defaults() -> None:
    assert masks() == (MASKED, READ_ONLY)


def test_unmask_takes_away_what_it_names_and_no_more() -> None:
    assert masks("unmask=/proc/acpi") == (MASKED[1:], READ_ONLY)
    assert masks("unmask=/proc/*") == (["/sys/firmware"], [])
    assert masks("unmask=/*") == (MASKED, READ_ONLY), "a star does not cross a slash"
    assert masks("unmask=/proc") == (MASKED, READ_ONLY), "a directory is not what is in it"
    assert masks("unmask=ALL") == masks("systempaths=unconfined") == ([], [])


def test_a_mask_holds_whatever_is_unmasked() -> None:
    assert masks("mask=/proc/acpi:/etc/x", "unmask=ALL") == (["/proc/acpi", "/etc/x"], [])
    assert masks("unmask=ALL", "mask=/proc/acpi")[0] == ["/proc/acpi"]
    assert masks("mask=/proc/acpi")[0] == MASKED, "and is not there twice"


def test_patterns_mean_what_pythons_own_mean() -> None:
    names = ["".join(part) for size in range(5) for part in itertools.product("ab", repeat=size)]
    patterns = [
        "",
        "a",
        "*",
        "?",
        "a*",
        "*a",
        "*a*",
        "a?b",
        "**",
        "[ab]",
        "[!a]b",
        "[a-b]*",
        "a*b*a",
    ]
    for name, pattern in itertools.product(names, patterns):
        wanted = fnmatch.fnmatchcase(name, pattern)
        assert confine.glob(name, pattern) == wanted, (name, pattern)


def labels(*words: str, selinux: bool = False, apparmor: bool = False) -> dict[str, str]:
    return confine.process_labels(confine.read(words), selinux, apparmor)


def test_labels_are_for_hosts_that_have_them() -> None:
    word = "label=type:spc_t"
    assert labels(word) == {}
    assert labels(word, selinux=True) == {"selinuxLabel": "system_u:system_r:spc_t:s0"}
    level = labels("label=level:s0:c1", "label=user:u", selinux=True)
    assert level == {"selinuxLabel": "u:system_r:container_t:s0:c1"}
    assert labels("label=disable", selinux=True) == labels("label=filetype:x") == {}


def test_a_profile_of_apparmor_without_apparmor_is_an_error() -> None:
    assert labels("apparmor=tight", apparmor=True) == {"apparmorProfile": "tight"}
    assert labels("apparmor=unconfined") == {}
    with pytest.raises(PypodError, match="AppArmor is not enabled"):
        labels("apparmor=tight")
