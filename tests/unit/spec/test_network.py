# SPDX-License-Identifier: Apache-2.0
"""--network as a value."""

from __future__ import annotations

import pytest

from pypod.errors import PypodError, UsageError
from pypod.spec.network import Network, network, recorded, shows_host


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ("", Network("default")),
        ("private", Network("default")),
        ("none", Network("none")),
        ("host", Network("host")),
        ("pasta", Network("pasta")),
        ("pasta:", Network("pasta")),
        ("pasta:-I,tap1", Network("pasta", ("-I", "tap1"))),
        ("slirp4netns:mtu=1500", Network("slirp4netns", ("mtu=1500",))),
        ("container:x", Network("container", target="x")),
        ("ns:/run/netns/x", Network("ns", target="/run/netns/x")),
    ],
)
def test_a_word_is_a_network(typed: str, wanted: Network) -> None:
    assert network(typed) == wanted


@pytest.mark.parametrize("typed", ["container:", "ns:", "ns:x", "container"])
def test_a_network_that_lacks_its_target_is_refused(typed: str) -> None:
    with pytest.raises(PypodError):
        network(typed)


@pytest.mark.parametrize("typed", ["bridge", "Host", "x", "none:", "host:x"])
def test_networks_with_names_are_not_there_yet(typed: str) -> None:
    with pytest.raises(PypodError, match="not there yet") as caught:
        network(typed)
    assert caught.value.code == 125 and not isinstance(caught.value, UsageError)


def test_the_record_names_what_is_used() -> None:
    words = ("", "none", "container:abc")
    assert [recorded(network(word)) for word in words] == ["pasta", "none", "container:abc"]


def test_only_roots_own_namespaces_show_the_hosts_sys() -> None:
    assert shows_host("host", "full") and shows_host("ns", "root")
    assert not shows_host("ns", "full") and not shows_host("container", "root")
