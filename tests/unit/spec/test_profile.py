# SPDX-License-Identifier: Apache-2.0
"""A profile of docker's or podman's form: conditions, rules that meet, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from pypod.errors import PypodError
from pypod.spec import profile

ALLOW, ERRNO = "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO"
TEST = {"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}


def read(
    *rules: dict[str, Any], caps: tuple[str, ...] = (), machine: str = "x86_64", **more: Any
) -> dict[str, Any]:
    document = {"defaultAction": ERRNO, "syscalls": list(rules), **more}
    return profile.seccomp(document, caps, machine, (6, 1), "/p.json")


def allowed(*rules: dict[str, Any], **more: Any) -> list[str]:
    """Return the names that are allowed whatever their arguments."""
    found = read(*rules, **more)["syscalls"]
    return [name for one in found if "args" not in one for name in one["names"]]


def rule(*names: str, action: str = ALLOW, **more: Any) -> dict[str, Any]:
    return {"names": list(names), "action": action, **more}


def test_a_default_without_a_number_is_eperm() -> None:
    assert read()["defaultErrnoRet"] == 1
    assert read(defaultErrnoRet=38)["defaultErrnoRet"] == 38
    assert read(defaultErrno="ENOSYS", defaultErrnoRet=1)["defaultErrnoRet"] == 38
    assert "defaultErrnoRet" not in read(defaultAction="SCMP_ACT_KILL")


@pytest.mark.parametrize(
    ("when", "applies"),
    [
        ({"includes": {"caps": ["CAP_A"]}}, True),
        ({"includes": {"caps": ["CAP_A", "CAP_B"]}}, False),
        ({"excludes": {"caps": ["CAP_B", "CAP_A"]}}, False),
        ({"excludes": {"caps": ["CAP_B"]}}, True),
        ({"includes": {"arches": ["amd64", "x32"]}}, True),
        ({"includes": {"arches": ["arm64"]}}, False),
        ({"excludes": {"arches": ["amd64"]}}, False),
        ({"includes": {"minKernel": "4.8"}}, True),
        ({"includes": {"minKernel": "6.2"}}, False),
        ({"excludes": {"minKernel": "6.1"}}, False),
        ({"excludes": {"minKernel": "6.10"}}, True),
        ({"includes": {}, "excludes": None}, True),
    ],
)
def test_conditions(when: dict[str, Any], applies: bool) -> None:
    assert allowed(rule("acct", **when), caps=("CAP_A",)) == (["acct"] if applies else [])


def test_machines_have_the_names_of_profiles() -> None:
    only = rule("acct", includes={"arches": ["arm64"]})
    assert allowed(only, machine="aarch64") == ["acct"]
    map_ = [
        {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]},
        {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]},
    ]
    assert read(archMap=map_)["architectures"] == ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]
    assert read(archMap=map_, machine="riscv64")["architectures"] == ["SCMP_ARCH_RISCV64"]
    assert read(architectures=["SCMP_ARCH_X32"])["architectures"][0] == "SCMP_ARCH_X86_64"


def test_an_unconditional_rule_outweighs_those_with_arguments() -> None:
    conditional, plain = rule("clone", action=ERRNO, args=[TEST]), rule("clone")
    for rules in ((conditional, plain), (plain, conditional)):
        found = read(*rules)["syscalls"]
        assert found == [{"names": ["clone"], "action": ALLOW}]


def test_a_rule_that_says_the_default_changes_nothing() -> None:
    found = read(rule("clone", action=ERRNO), rule("clone", args=[TEST]))["syscalls"]
    assert [one["action"] for one in found] == [ALLOW]
    other = read(rule("clone", action=ERRNO, errnoRet=22))["syscalls"]
    assert other == [{"names": ["clone"], "action": ERRNO, "errnoRet": 22}]


def test_several_tests_of_one_argument_are_alternatives() -> None:
    other = {**TEST, "index": 1}
    assert len(read(rule("a", args=[TEST, TEST]))["syscalls"]) == 2
    assert len(read(rule("a", args=[TEST, other]))["syscalls"]) == 1


def test_both_ways_to_name_a_call() -> None:
    assert allowed({"name": "acct", "action": ALLOW}) == ["acct"]
    with pytest.raises(PypodError, match="exclude each other"):
        read({"name": "a", "names": ["b"], "action": ALLOW})


@pytest.mark.parametrize(
    "document",
    [
        None, [], "x", {}, {"defaultAction": "ALLOW"}, {"defaultAction": []},
        {"defaultAction": ALLOW, "syscalls": {}},
        {"defaultAction": ALLOW, "syscalls": ["x"]},
        {"defaultAction": ALLOW, "syscalls": [{}]},
        {"defaultAction": ALLOW, "syscalls": [{"names": ["a"]}]},
        {"defaultAction": ALLOW, "syscalls": [{"names": [], "action": ERRNO}]},
        {"defaultAction": ALLOW, "syscalls": [{"names": "a", "action": ERRNO}]},
        {"defaultAction": ALLOW, "syscalls": [{"names": ["a\0b"], "action": ERRNO}]},
        {"defaultAction": ALLOW, "syscalls": [rule("a", action="SCMP_ACT_NOTIFY")]},
        {"defaultAction": ALLOW, "syscalls": [rule("a", arg=[TEST])]},
        {"defaultAction": ALLOW, "syscalls": [rule("a", args=[{**TEST, "index": 6}])]},
        {"defaultAction": ALLOW, "syscalls": [rule("a", args=[{**TEST, "value": 1 << 64}])]},
        {"defaultAction": ALLOW, "syscalls": [rule("a", args=[{**TEST, "value": True}])]},
        {"defaultAction": ALLOW, "syscalls": [rule("a", args=[{**TEST, "op": "SCMP_CMP_X"}])]},
        {"defaultAction": ALLOW, "syscalls": [rule("a", args=[{**TEST, "mask": 1}])]},
        {"defaultAction": ALLOW, "syscalls": [rule("a", action=ERRNO, errnoRet=5000)]},
        {"defaultAction": ALLOW, "syscalls": [rule("a", action=ERRNO, errno="EWHAT")]},
        {"defaultAction": ALLOW, "syscalls": [rule("a", includes={"cap": []})]},
        {"defaultAction": ALLOW, "syscalls": [rule("a", includes={"minKernel": "new"})]},
        {"defaultAction": ALLOW, "syscalls": [rule("a", excludes=[])]},
        {"defaultAction": ALLOW, "flags": ["X"]},
        {"defaultAction": ALLOW, "listenerPath": "/s"},
        {"defaultAction": ALLOW, "architectures": ["x86"]},
        {"defaultAction": ALLOW, "archMap": [1]},
        {"defaultAction": ALLOW, "archMap": [{}], "architectures": ["SCMP_ARCH_X86"]},
    ],
)  # fmt: skip
def test_what_is_no_profile_is_one_clear_error(document: Any) -> None:
    with pytest.raises(PypodError, match=r"^/p\.json: [^\n]+$"):
        profile.seccomp(document, (), "x86_64", (6, 1), "/p.json")
