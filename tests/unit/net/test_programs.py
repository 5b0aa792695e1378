# SPDX-License-Identifier: Apache-2.0
"""What two versions of pasta say of themselves, and the words for them."""

from __future__ import annotations

import itertools

import pytest

from pypod.errors import UsageError
from pypod.net import commands, programs
from pypod.spec.ports import publish

OLD = "pasta unknown version\nCopyright Red Hat\n"
NEW = "pasta 0.0~git20250503.587980c-2\nCopyright Red Hat\n"


def test_a_pasta_of_2023_splices_and_needs_an_interface() -> None:
    noise = "1795536705.3395: Couldn't install signal handlers\n"
    assert programs.describe("/p", noise + OLD, "  --no-map-gw\n") == programs.Pasta(
        "/p", "unknown version", True, True
    )


def test_a_pasta_of_2025_does_neither() -> None:
    found = programs.describe("/p", NEW, "  --host-lo-to-ns-lo  DEPRECATED\n")
    assert found == programs.Pasta("/p", "0.0~git20250503.587980c-2", False, False)


def test_pasta_opens_nothing_that_was_not_asked_for() -> None:
    pasta = programs.Pasta("/p", "x", True, True)
    words = commands.pasta(pasta, [], (), root=False)
    for pair in (("-t", "none"), ("-u", "none"), ("-T", "none"), ("-U", "none")):
        assert pair in itertools.pairwise(words)
    assert "--no-map-gw" in words and "--runas" not in words
    ports = publish("127.0.0.1:8080:80") + publish("53:53/udp") + publish("[::1]:1:2")
    words = commands.pasta(pasta, ports, (), root=True)
    pairs = list(itertools.pairwise(words))
    for pair in (("-t", "127.0.0.1/8080:80"), ("-t", "::1/1:2"), ("-u", "53:53")):
        assert pair in pairs
    assert ("-t", "none") not in pairs and ("--runas", "0:0") in pairs


def test_words_of_the_user_replace_ours() -> None:
    pasta = programs.Pasta("/p", "x", True, True)
    words = commands.pasta(pasta, [], ("-a", "10.9.0.5"), root=False)
    assert words.count("-a") == 1 and "10.0.2.100" not in words


def test_slirp4netns_never_opens_the_hosts_loopback() -> None:
    words = commands.slirp4netns("/s", "", ())
    assert "--disable-host-loopback" in words and "--api-socket" not in words
    with pytest.raises(UsageError, match="allow_host_loopback"):
        commands.slirp4netns("/s", "", ("allow_host_loopback=true",))


def test_the_requests_of_slirp4netns_are_its_own() -> None:
    assert commands.slirp_requests(publish("8080:80/udp")) == [
        '{"execute":"add_hostfwd","arguments":{"proto":"udp","host_addr":"0.0.0.0",'
        '"host_port":8080,"guest_addr":"10.0.2.100","guest_port":80}}'
    ]
