# SPDX-License-Identifier: Apache-2.0
"""Namespaces that stay the host's, and commands that are an init system."""

from __future__ import annotations

from typing import Any

import pytest

from pypod.errors import PypodError, UsageError
from pypod.spec import init_system
from pypod.spec.options import CreateOptions
from tests.golden.make_configs import config

KINDS = {"pid", "ipc", "uts", "cgroup", "user", "mount", "network"}


def spaces(found: dict[str, Any]) -> set[str]:
    return {space["type"] for space in found["linux"]["namespaces"]}


def places(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {mount["destination"]: mount for mount in found["mounts"]}


@pytest.mark.parametrize(
    ("option", "kind"),
    [("pid", "pid"), ("ipc", "ipc"), ("uts", "uts"), ("cgroupns", "cgroup")],
)
def test_only_what_was_named_stays_the_hosts(option: str, kind: str) -> None:
    assert KINDS - spaces(config(**{option: "host"})) == {kind}
    assert config(**{option: "private"}) == config()
    for word in ("container:x", "ns:/x"):
        with pytest.raises(PypodError, match="not there yet"):
            config(**{option: word})
    with pytest.raises(UsageError, match="unrecognized"):
        config(**{option: "hosts"})


def test_masks_do_not_depend_on_whose_proc_it_is() -> None:
    plain, host = config()["linux"], config(pid="host")["linux"]
    for key in ("maskedPaths", "readonlyPaths", "seccomp"):
        assert plain[key] == host[key]
    assert places(config(pid="host"))["/proc"]["type"] == "bind"


def test_shared_memory() -> None:
    assert places(config(ipc="host"))["/dev/shm"]["source"] == "/dev/shm"
    assert "/dev/mqueue" not in places(config(ipc="host"))
    assert "/dev/shm" not in places(config(ipc="none"))
    assert config(ipc="shareable") == config()
    mine = places(config(ipc="host", tmpfs=("/dev/shm",)))["/dev/shm"]
    assert mine["type"] == "tmpfs"


def test_the_host_name_goes_with_its_namespace() -> None:
    found = config(uts="host")
    assert "hostname" not in found
    assert "HOSTNAME=desk" in found["process"]["env"]
    with pytest.raises(UsageError, match="hostname"):
        config(uts="host", hostname="box")


@pytest.mark.parametrize(
    ("systemd", "command", "yes"),
    [
        ("true", "/sbin/init", True),
        ("true", "/usr/lib/systemd/systemd", True),
        ("true", "systemd", True),
        ("True", "/usr/sbin/init", True),
        ("true", "init", False),
        ("true", "/bin/sh", False),
        ("false", "/sbin/init", False),
        ("always", "/bin/sh", True),
    ],
)
def test_what_is_an_init_system(systemd: str, command: str, yes: bool) -> None:
    assert init_system.runs(CreateOptions(systemd=systemd), [command]) is yes


def test_options_of_the_process_are_checked() -> None:
    for wrong in (
        {"systemd": "maybe"},
        {"oom_score_adj": 1001},
        {"oom_score_adj": -1001},
        {"personality": "BSD"},
    ):
        with pytest.raises(UsageError):
            config(**wrong)
