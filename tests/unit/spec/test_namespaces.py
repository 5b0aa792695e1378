# SPDX-License-Identifier: Apache-2.0
"""Which namespaces are the container's own, and its host name."""

from __future__ import annotations

import pytest

from pypod.errors import UsageError
from pypod.spec import namespaces

ID = "0123456789abcdef" * 4


def test_everything_but_the_hosts_network_is_the_containers_own() -> None:
    kinds = {space["type"] for space in namespaces.own("none")}
    assert kinds == {"user", "mount", "pid", "ipc", "uts", "cgroup", "network"}
    assert {space["type"] for space in namespaces.own("host")} == kinds - {"network"}


def test_ping_and_low_ports_are_for_everybody_in_an_own_network() -> None:
    low = {"net.ipv4.ip_unprivileged_port_start": "0"}
    ping = {"net.ipv4.ping_group_range": "0 0"}
    assert namespaces.sysctls("none", ((0, 1000, 1),)) == low | ping
    assert namespaces.sysctls("default", ((33, 1000, 1),)) == low
    for shared in ("host", "container", "ns"):
        assert namespaces.sysctls(shared, ((0, 1000, 1),)) == {}


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
