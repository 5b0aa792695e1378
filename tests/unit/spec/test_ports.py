# SPDX-License-Identifier: Apache-2.0
"""The grammar of -p, checked against podman's (podman-run(1)), and what is shown of ports."""

from __future__ import annotations

import pytest

from pypod.errors import PypodError, UsageError
from pypod.spec.ports import (
    Port,
    bindings,
    column,
    expose,
    from_words,
    lines,
    publish,
    wanted,
    words,
)


@pytest.mark.parametrize(
    ("text", "ports"),
    [
        ("80", [Port(80)]),
        ("80/udp", [Port(80, "udp")]),
        ("80/UDP", [Port(80, "udp")]),
        ("8080:80", [Port(80, "tcp", 8080)]),
        (":80", [Port(80)]),
        ("127.0.0.1:8080:80", [Port(80, "tcp", 8080, "127.0.0.1")]),
        ("127.0.0.1::80", [Port(80, "tcp", 0, "127.0.0.1")]),
        ("0.0.0.0:8080:80", [Port(80, "tcp", 8080)]),
        ("[::1]:8080:80", [Port(80, "tcp", 8080, "::1")]),
        ("[::1]::80/udp", [Port(80, "udp", 0, "::1")]),
        ("8000-8001:80-81", [Port(80, "tcp", 8000), Port(81, "tcp", 8001)]),
        ("80-81", [Port(80), Port(81)]),
        ("65535:1", [Port(1, "tcp", 65535)]),
    ],
)
def test_a_publish_word_means_these_ports(text: str, ports: list[Port]) -> None:
    assert publish(text) == ports


@pytest.mark.parametrize(
    "text",
    [
        "", "a", "0", "65536", "80:", "80:a", "8000-8001:80", "8000:80-81", "81-80", "1.2.3:80:80",
        "1.2.3.256:80:80", "[::1:80:80", "[::1]80", "[]:80:80", "1:2:3:4", "80/", "80/icmp", "-80",
        "80-", "::80", "1.2.3.4:5:6:7", "٣:80", "8080:80/tcp/udp", "[g::1]:80:80",
    ],
)  # fmt: skip
def test_what_is_no_port_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        publish(text)
    assert "\n" not in caught.value.message


def test_sctp_is_refused_with_the_reason() -> None:
    with pytest.raises(PypodError, match="SCTP"):
        publish("80:80/sctp")


def test_exposed_ranges_are_expanded() -> None:
    assert expose("80-81/udp") == [Port(80, "udp"), Port(81, "udp")]


def test_publish_all_takes_what_is_exposed_once_and_leaves_what_is_published() -> None:
    ports, known = wanted(["8080:80"], ["80", "81/udp"], ["81/udp", "82/tcp", "x"], every=True)
    assert ports == [Port(80, "tcp", 8080), Port(81, "udp"), Port(82)]
    assert {port.shown() for port in known} == {"80/tcp", "81/udp", "82/tcp"}


def test_without_publish_all_exposed_ports_stay_closed() -> None:
    assert wanted([], ["80"], ["81/tcp"], every=False)[0] == []


@pytest.mark.parametrize(
    "texts",
    [["8080:80", "8080:81"], ["127.0.0.1:8080:80", "8080:81"], ["8080-8081:80-81", "8081:9"]],
)
def test_one_port_of_the_host_is_published_once(texts: list[str]) -> None:
    with pytest.raises(UsageError, match="published twice"):
        wanted(texts, [], [], every=False)


def test_two_addresses_or_protocols_may_share_a_number() -> None:
    texts = ["127.0.0.1:53:53", "127.0.0.2:53:53", "127.0.0.1:53:53/udp"]
    assert len(wanted(texts, [], [], every=False)[0]) == 3


def test_ports_survive_the_record() -> None:
    ports = publish("[::1]:8000-8003:80-83/udp")
    assert from_words(words(ports)) == ports


def test_the_column_joins_neighbours() -> None:
    ports = publish("8000-8002:80-82") + publish("127.0.0.1:53:53/udp") + publish("[::1]:9:9")
    assert column(ports) == "0.0.0.0:8000-8002->80-82/tcp, [::1]:9->9/tcp, 127.0.0.1:53->53/udp"


def test_the_port_command_has_a_line_for_each() -> None:
    assert lines(publish("8001:81") + publish("8000:80")) == [
        "80/tcp -> 0.0.0.0:8000",
        "81/tcp -> 0.0.0.0:8001",
    ]


def test_inspect_shows_exposed_ports_without_a_binding() -> None:
    assert bindings(publish("127.0.0.1:1:80"), [Port(80), Port(90)]) == {
        "80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "1"}],
        "90/tcp": None,
    }
