# SPDX-License-Identifier: Apache-2.0
"""Which namespaces are the container's own, and its host name."""

from __future__ import annotations

import pytest

from pypod.errors import PypodError, UsageError
from pypod.spec import namespaces

ID = "0123456789abcdef" * 4


def test_no_network_option_means_none() -> None:
    assert namespaces.network("") == namespaces.network("none") == "none"


@pytest.mark.parametrize("typed", ["bridge", "pasta", "container:x", "ns:/x", "Host"])
def test_other_networks_are_not_there_yet(typed: str) -> None:
    with pytest.raises(PypodError, match="not there yet") as caught:
        namespaces.network(typed)
    assert caught.value.code == 125


def test_everything_but_the_hosts_network_is_the_containers_own() -> None:
    kinds = {space["type"] for space in namespaces.own("none")}
    assert kinds == {"user", "mount", "pid", "ipc", "uts", "cgroup", "network"}
    assert {space["type"] for space in namespaces.own("host")} == kinds - {"network"}


def test_ping_is_for_root_of_an_own_network() -> None:
    wanted = {"net.ipv4.ping_group_range": "0 0"}
    assert namespaces.sysctls("none", ((0, 1000, 1),)) == wanted
    assert namespaces.sysctls("none", ((33, 1000, 1),)) == {}
    assert namespaces.sysctls("host", ((0, 1000, 1),)) == {}


@pytest.mark.parametrize(
    ("typed", "net", "wanted"),
    [
        ("", "none", ID[:12]),
        ("", "host", "desk"),
        ("a", "host", "a"),
        ("a.b-c_1", "none", "a.b-c_1"),
    ],
)
def test_the_host_name_is_asked_for_or_the_hosts_or_the_id(
    typed: str, net: str, wanted: str
) -> None:
    assert namespaces.hostname(typed, ID, net, "desk") == wanted


@pytest.mark.parametrize("typed", ["a" * 65, "é" * 33, "a b", "a\nb", "a/b", "\x1b[2J", "a\0b"])
def test_a_host_name_that_breaks_files_or_the_kernel_is_refused(typed: str) -> None:
    with pytest.raises(UsageError, match="--hostname"):
        namespaces.hostname(typed, ID, "none", "desk")
