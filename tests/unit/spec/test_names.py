# SPDX-License-Identifier: Apache-2.0
"""/etc/hosts and /etc/resolv.conf as they are composed, for every kind of network."""

from __future__ import annotations

from typing import Any

import pytest

from pypod.errors import UsageError
from pypod.spec import names
from pypod.spec.names import Wanted, hosts, resolv_conf
from pypod.spec.options import CreateOptions
from pypod.spec.reach import Reach

NONE = Reach("none")
HOST = Reach("host")
PASTA = Reach("pasta", "192.0.2.2", "", "169.254.1.1", "169.254.1.2")
PASTA6 = PASTA.replace(address6="fd00::2")
PLAIN_PASTA = Reach("pasta", "192.0.2.2", "fd00::2")
SLIRP = Reach("slirp4netns", "10.0.2.100", "", "10.0.2.3")
LOOPBACK = Reach("loopback")
WIFI = "# NetworkManager\nsearch home.lan\nnameserver 192.168.1.1\nnameserver fe80::1%wlan0\n"
STUB = "nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch corp.example\n"


def want(**more: Any) -> Wanted:
    return Wanted("c0ffee", "box", **more)


def table(text: str) -> dict[str, list[str]]:
    """Return the addresses of each name."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        address, *words = line.split()
        for word in words:
            found.setdefault(word, []).append(address)
    return found


def servers(text: str) -> list[str]:
    return list(names.read_resolver(text).servers)


# hosts


def test_a_container_without_a_network_finds_itself_on_its_loopback() -> None:
    assert hosts(want(), NONE).splitlines() == [
        "127.0.0.1\tlocalhost localhost.localdomain localhost4 localhost4.localdomain4",
        "::1\tlocalhost localhost.localdomain localhost6 localhost6.localdomain6",
        "127.0.0.1\tc0ffee box",
    ]


def test_pasta_a_container_finds_itself_and_the_host_by_their_addresses() -> None:
    found = table(hosts(want(), PASTA6))
    assert found["c0ffee"] == found["box"] == ["192.0.2.2", "fd00::2"]
    assert found["host.containers.internal"] == found["host.docker.internal"] == ["169.254.1.2"]


def test_a_host_that_cannot_be_reached_has_no_name() -> None:
    assert "internal" not in hosts(want(), SLIRP)
    with pytest.raises(UsageError, match="cannot reach the host"):
        hosts(want(add_host=("h:host-gateway",)), SLIRP)


def test_pasta_host_gateway_is_where_the_host_is() -> None:
    assert table(hosts(want(add_host=("h;g:host-gateway",)), PASTA))["g"] == ["169.254.1.2"]


def test_in_the_hosts_network_the_host_is_on_the_loopback() -> None:
    found = table(hosts(want(add_host=("h=host-gateway",)), HOST))
    assert found["h"] == found["host.containers.internal"] == ["127.0.0.1"]


def test_a_name_that_was_given_is_not_given_again() -> None:
    asked = want(add_host=("a:1.1.1.1", "a:2.2.2.2", "localhost:9.9.9.9", "box:3.3.3.3"))
    found = table(hosts(asked, PASTA, "127.0.1.1 c0ffee c0ffee.lan # me\n8.8.4.4 a\n"))
    assert found["a"] == ["1.1.1.1", "2.2.2.2"]
    assert found["localhost"] == ["9.9.9.9"]
    assert found["box"] == ["3.3.3.3"]
    assert found["c0ffee"] == ["127.0.1.1"]
    assert "me" not in found


def test_an_alias_is_one_more_name_of_the_container() -> None:
    assert table(hosts(want(aliases=("db",)), SLIRP))["db"] == ["10.0.2.100"]


def test_a_host_name_that_is_the_name_stands_once() -> None:
    assert hosts(Wanted("box", "box"), NONE).endswith("127.0.0.1\tbox\n")


@pytest.mark.parametrize(
    ("typed", "entry"),
    [
        ("a:1.2.3.4", ("1.2.3.4", ("a",))),
        ("a=1.2.3.4", ("1.2.3.4", ("a",))),
        ("a:::1", ("::1", ("a",))),
        ("a=[fd00::1]", ("fd00::1", ("a",))),
        ("a;b.c:host-gateway", ("host-gateway", ("a", "b.c"))),
    ],
)
def test_add_host_takes_the_forms_of_podman_and_docker(typed: str, entry: names.Entry) -> None:
    assert names.add_host(typed) == entry


@pytest.mark.parametrize(
    "typed", ["a", ":1.1.1.1", "a;:1.1.1.1", "a b:1.1.1.1", "a\nb:1.1.1.1", ""]
)
def test_add_host_without_a_name_is_refused(typed: str) -> None:
    with pytest.raises(UsageError, match="bad format for add-host"):
        names.add_host(typed)


@pytest.mark.parametrize("typed", ["a:b", "a:1.2.3", "a:", "a:1.1.1.1\n", "a:127.1"])
def test_add_host_without_an_address_is_refused(typed: str) -> None:
    with pytest.raises(UsageError, match="invalid IP address in add-host"):
        names.add_host(typed)


# resolv.conf


def test_with_the_hosts_network_the_text_is_the_hosts() -> None:
    assert resolv_conf(want(), HOST, STUB) == STUB


def test_options_replace_their_part_of_the_hosts_text() -> None:
    text = resolv_conf(want(dns_search=("a.b",)), HOST, STUB)
    assert text == "search a.b\nnameserver 127.0.0.53\noptions edns0 trust-ad\n"


@pytest.mark.parametrize("reach", [NONE, LOOPBACK])
def test_without_a_network_there_is_no_server(reach: Reach) -> None:
    assert resolv_conf(want(), reach, WIFI, STUB) == ""
    assert not names.lacks_server(reach, "")


def test_pasta_the_forwarder_stands_in_for_the_hosts_loopback() -> None:
    """pasta's asks the server of its start for ever: never where another one can be asked."""
    assert resolv_conf(want(), PASTA, WIFI) == "search home.lan\nnameserver 192.168.1.1\n"
    text = "nameserver 10.0.0.1\nnameserver 127.0.0.1\nnameserver ::1\nnameserver 10.0.0.2\n"
    assert servers(resolv_conf(want(), PASTA, text)) == ["10.0.0.1", "169.254.1.1", "10.0.0.2"]
    assert servers(resolv_conf(want(), SLIRP, WIFI + STUB)) == ["192.168.1.1", "10.0.2.3"]
    for text in ("", "nameserver fe80::1%eth0\n"):
        assert servers(resolv_conf(want(), PASTA, text)) == ["169.254.1.1"]


def test_pasta_servers_on_the_hosts_loopback_are_left_out() -> None:
    text = "nameserver 127.0.0.1\nnameserver ::1\nnameserver 127.1\nnameserver 0.0.0.0\n"
    assert resolv_conf(want(), PASTA, text) == "nameserver 169.254.1.1\n"
    assert resolv_conf(want(), PLAIN_PASTA, text) == ""
    assert names.lacks_server(PLAIN_PASTA, "")


def test_pasta_without_a_forwarder_reads_what_systemd_resolved_asks() -> None:
    assert names.needs_upstream(PLAIN_PASTA, STUB)
    text = resolv_conf(want(), PLAIN_PASTA, STUB, WIFI)
    assert text == "search home.lan\nnameserver 192.168.1.1\n"
    for reach, host in ((PASTA, STUB), (PLAIN_PASTA, WIFI), (HOST, STUB), (NONE, STUB)):
        assert not names.needs_upstream(reach, host)
    assert not names.needs_upstream(PLAIN_PASTA, STUB + "nameserver 10.0.0.1\n")
    assert not names.needs_upstream(PLAIN_PASTA, "nameserver 127.0.0.1\n")


def test_pasta_a_server_of_a_family_that_the_container_lacks_is_left_out() -> None:
    text = "nameserver 2001:db8::1\nnameserver 10.0.0.1\n"
    assert servers(resolv_conf(want(), SLIRP, text)) == ["10.0.0.1"]
    with6 = SLIRP.replace(address6="fd00::100")
    for reach in (with6, PASTA, PLAIN_PASTA, Reach("path")):
        assert servers(resolv_conf(want(), reach, text)) == ["2001:db8::1", "10.0.0.1"]


def test_servers_that_are_asked_for_are_the_only_ones() -> None:
    asked = want(dns=("1.1.1.1", "::1"), dns_search=("a", "b.c"), dns_option=("ndots:3",))
    assert resolv_conf(asked, PASTA, WIFI) == (
        "search a b.c\nnameserver 1.1.1.1\nnameserver ::1\noptions ndots:3\n"
    )


def test_a_dot_clears_the_search_list() -> None:
    assert "search" not in resolv_conf(want(dns_search=(".",)), PASTA, WIFI)


def test_of_domain_and_search_the_last_one_counts_and_comments_do_not() -> None:
    text = "domain a\nsearch b c\n;search d\n#search e\noptions x\noptions y\nsortlist 1.1.1.1\n"
    found = names.read_resolver(text)
    assert (found.search, found.options, found.servers) == (("b", "c"), ("x", "y"), ())


def test_nothing_of_the_hosts_text_but_words_gets_through() -> None:
    host = "nameserver 10.0.0.1; rm\nnameserver x\nbogus y\nsearch\nnameserver\n"
    assert resolv_conf(want(), PASTA, host) == "nameserver 169.254.1.1\n"


@pytest.mark.parametrize(
    ("asked", "reach", "answer"),
    [
        (want(), PASTA, True),
        (want(), HOST, True),
        (want(), NONE, False),
        (want(), LOOPBACK, False),
        (want(), Reach("container"), False),
        (want(dns=("1.1.1.1",)), PASTA, True),
        (want(dns=("1.1.1.1",), dns_search=(".",), dns_option=("x",)), PASTA, False),
    ],
)
def test_a_change_of_the_hosts_file_matters_where_something_comes_from_it(
    asked: Wanted, reach: Reach, answer: bool
) -> None:
    assert names.follows(asked, reach) is answer


# options


@pytest.mark.parametrize(
    ("network", "options", "said"),
    [
        ("none", {"dns": ("1.1.1.1",)}, "conflicting options: dns and the network mode: none"),
        ("none", {"dns_search": ("a",)}, "conflicting options: dns and the network mode: none"),
        ("container:x", {"dns_option": ("a",)}, "dns and the network mode: container"),
        ("container:x", {"add_host": ("a:1.1.1.1",)}, "cannot set extra host entries"),
        ("container:x", {"hostname": "a"}, "hostname and the network mode: container"),
        ("pasta", {"dns": ("1.1.1",)}, "1.1.1 is not an ip address"),
        ("pasta", {"dns": ("fe80::1%eth0",)}, "is not an ip address"),
        ("pasta", {"dns": ("none", "1.1.1.1")}, "none is not allowed to be specified"),
        ("pasta", {"dns": ("none",), "dns_search": ("a",)}, "--dns none and --dns-search"),
        ("pasta", {"dns_search": ("a_b",)}, "a_b is not a valid domain"),
        ("pasta", {"dns_search": ("a..b",)}, "a..b is not a valid domain"),
        ("pasta", {"dns_search": ("-a",)}, "-a is not a valid domain"),
        ("pasta", {"dns_search": (".", "a")}, "also specifying"),
        ("pasta", {"dns_option": ("a\nnameserver 6.6.6.6",)}, "one word is needed"),
        ("pasta", {"network_alias": ("a b",)}, "one word is needed"),
        ("pasta", {"add_host": ("a",)}, "bad format"),
        ("pasta", {"no_hosts": True, "add_host": ("a:1.1.1.1",)}, "cannot be set together"),
        ("pasta", {"no_hosts": True, "hosts_file": "/x"}, "cannot be set together"),
        ("pasta", {"hosts_file": "image"}, "not there yet"),
    ],
)
def test_options_that_are_wrong_or_do_not_go_together_are_refused(
    network: str, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError) as caught:
        names.check(CreateOptions(**options), network)
    assert said in caught.value.message


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"dns": ("none",)},
        {"dns": ("1.1.1.1", "::1"), "dns_search": ("a.b.", "c-d"), "dns_option": ("ndots:2",)},
        {"dns_search": (".",), "network_alias": ("db",), "hosts_file": "none"},
    ],
)
def test_options_that_go_together_are_taken(options: dict[str, Any]) -> None:
    names.check(CreateOptions(**options), "pasta")


@pytest.mark.parametrize(
    ("network", "options", "files"),
    [
        ("none", {}, {"hosts", "hostname", "containerenv"}),
        ("pasta", {}, {"hosts", "hostname", "containerenv", "resolv.conf"}),
        ("pasta", {"dns": ("none",)}, {"hosts", "hostname", "containerenv"}),
        ("host", {"no_hosts": True, "no_hostname": True}, {"containerenv", "resolv.conf"}),
    ],
)
def test_files_are_bound_unless_the_images_are_wanted(
    network: str, options: dict[str, Any], files: set[str]
) -> None:
    assert set(names.injected(CreateOptions(**options), network)) == files


def test_a_joined_network_brings_the_other_containers_files() -> None:
    mounts = [{"destination": place, "source": "own"} for place in (*names.FILES, "/run/x")]
    other = names.Shared("b", (("/etc/hosts", "/c/b/hosts"), ("/etc/hostname", "/c/b/hostname")))
    assert [(m["destination"], m["source"]) for m in names.share(mounts, other)] == [
        ("/etc/hosts", "/c/b/hosts"),
        ("/etc/hostname", "/c/b/hostname"),
        ("/run/x", "own"),
    ]
    found = names.share(mounts[:1], other)
    assert [m["destination"] for m in found] == ["/etc/hosts"]


def test_a_record_of_an_older_version_wants_nothing() -> None:
    assert names.wanted({"options": {"name": "box"}}, "box", "c0ffee") == want()
