# SPDX-License-Identifier: Apache-2.0
"""Names inside containers: /etc/hosts, /etc/resolv.conf, /etc/hostname."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fixtures import network
from tests.fixtures.network import CLIENT
from tests.fixtures.program import Program, within

pytestmark = pytest.mark.own
NONE = ("--network", "none")
HOST = ("--network", "host")
SHOW = ("cat", "/etc/hosts")
RESOLV = ("cat", "/etc/resolv.conf")
HOSTS_TEXT = """\
127.0.0.1	localhost localhost.localdomain localhost4 localhost4.localdomain4
::1	localhost localhost.localdomain localhost6 localhost6.localdomain6
"""
DNS_SERVER = """\
import socket, sys
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind((sys.argv[1], 53))
while True:
    query, client = server.recvfrom(512)
    question = query[12:query.index(0, 12) + 5]
    answer = b"\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\1\\0\\4" + socket.inet_aton(sys.argv[1])
    is_a = question[-4:] == b"\\0\\1\\0\\1"
    head = query[:2] + b"\\x81\\x80\\0\\1\\0" + bytes([is_a]) + bytes(4)
    server.sendto(head + question + answer * is_a, client)
"""
"""Answers each question with its own address."""


@pytest.fixture
def host_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a file that pypod takes for the host's /etc/resolv.conf."""
    path = tmp_path / "etc" / "resolv.conf"
    path.parent.mkdir()
    path.write_text("search home.lan\nnameserver 127.0.0.53\nnameserver 192.0.2.53\n")
    monkeypatch.setenv("PYPOD_RESOLV_CONF", str(path))
    return path


def test_a_container_knows_itself_and_its_loopback(pypod: Program, image: str) -> None:
    out = pypod("run", "--rm", *NONE, "--name", "names-1", "-h", "box.test", image, *SHOW).out
    assert out == HOSTS_TEXT + "127.0.0.1\tbox.test names-1\n"


def test_the_files_are_readable_by_every_user_of_the_container(pypod: Program, image: str) -> None:
    script = "cat /etc/hosts /etc/resolv.conf /etc/hostname >/dev/null && echo all"
    assert pypod("run", "--rm", *HOST, "-u", "1000", image, "sh", "-c", script).line == "all"


def test_added_hosts_come_in_every_form(pypod: Program, image: str) -> None:
    added = ("--add-host", "a:192.0.2.1", "--add-host", "b=192.0.2.2", "--add-host", "c;d:fd00::3")
    out = pypod("run", "--rm", *NONE, *added, "--add-host", "localhost:192.0.2.9", image, *SHOW).out
    lines = out.splitlines()
    for line in ("192.0.2.1\ta", "192.0.2.2\tb", "fd00::3\tc d", "192.0.2.9\tlocalhost"):
        assert line in lines
    assert "127.0.0.1\tlocalhost " not in out


def test_the_host_is_host_gateway_where_it_can_be_reached(pypod: Program, image: str) -> None:
    gateway = ("--add-host", "h:host-gateway")
    assert "127.0.0.1\th\n" in pypod("run", "--rm", *HOST, *gateway, image, *SHOW).out
    done = pypod("run", "--rm", *NONE, *gateway, image, *SHOW, check=125)
    assert "--add-host h:host-gateway: the container cannot reach the host" in done.err
    assert pypod("ps", "-aq").out == ""


def test_an_alias_is_a_name_of_the_container(pypod: Program, image: str) -> None:
    out = pypod("run", "--rm", *NONE, "--network-alias", "db,cache", image, *SHOW).out
    assert out.splitlines()[-1].endswith(" db cache")


def test_a_hosts_file_comes_first_and_none_is_none(
    pypod: Program, image: str, tmp_path: Path
) -> None:
    path = tmp_path / "hosts"
    path.write_text("192.0.2.7 nas nas.lan # the old one\n")
    done = pypod("run", "--rm", *NONE, "--hosts-file", "hosts", image, *SHOW, cwd=tmp_path)
    assert "192.0.2.7\tnas nas.lan\n" in done.out
    out = pypod("run", "--rm", *HOST, "--hosts-file", "none", "-h", "b", image, *SHOW).out
    assert out.startswith(HOSTS_TEXT)
    missing = str(tmp_path / "missing")
    done = pypod("run", "--rm", *NONE, "--hosts-file", missing, image, "true", check=125)
    assert done.err == f"Error: --hosts-file {missing}: No such file or directory\n"


def test_the_images_own_files_are_there_when_they_are_wanted(pypod: Program, image: str) -> None:
    script = "cat /etc/hosts /etc/hostname; ls /etc"
    words = ("--no-hosts", "--no-hostname", image, "sh", "-c", script)
    assert "host" not in pypod("run", "--rm", *NONE, *words).out
    done = pypod("run", "--rm", *NONE, "--no-hosts", "--add-host", "a:::1", image, check=125)
    assert done.err == "Error: --no-hosts and --add-host cannot be set together\n"


def test_the_hosts_network_brings_its_resolver(pypod: Program, image: str, host_file: Path) -> None:
    assert pypod("run", "--rm", *HOST, image, *RESOLV).out == host_file.read_text()


def test_servers_domains_and_options_replace_the_hosts(
    pypod: Program, image: str, host_file: Path
) -> None:
    host_file.write_text(host_file.read_text() + "options edns0\n")
    words = ("--dns", "192.0.2.1", "--dns", "fd00::1")
    out = pypod("run", "--rm", *HOST, *words, image, *RESOLV).out
    assert out == "search home.lan\nnameserver 192.0.2.1\nnameserver fd00::1\noptions edns0\n"
    words = ("--dns-search", "a.test,b.test", "--dns-opt", "ndots:3", "--dns-option", "rotate")
    out = pypod("run", "--rm", *HOST, *words, image, *RESOLV).out
    assert out == (
        "search a.test b.test\nnameserver 127.0.0.53\nnameserver 192.0.2.53\n"
        "options ndots:3 rotate\n"
    )
    assert "search" not in pypod("run", "--rm", *HOST, "--dns-search", ".", image, *RESOLV).out


def test_dns_none_leaves_the_images_resolver(pypod: Program, image: str) -> None:
    done = pypod("run", "--rm", *HOST, "--dns", "none", image, *RESOLV, check=1)
    assert "No such file" in done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--dns 192.0.2", "192.0.2 is not an ip address"),
        ("--dns-search a_b", "a_b is not a valid domain"),
        ("--add-host a", 'bad format for add-host: "a"'),
        ("--add-host a:b", 'invalid IP address in add-host: "b"'),
        ("--network none --dns 192.0.2.1", "conflicting options: dns and the network mode: none"),
    ],
)
def test_what_makes_no_sense_is_said_in_podmans_words(
    pypod: Program, image: str, words: str, said: str
) -> None:
    done = pypod("create", *HOST, *words.split(), image, check=125)
    assert done.err.splitlines()[0] == f"Error: {said}"
    assert pypod("ps", "-aq").out == ""


def test_each_start_composes_the_files_again(
    pypod: Program, image: str, host_file: Path, tmp_path: Path
) -> None:
    script = "cat /etc/resolv.conf /etc/hosts; echo mine >/etc/resolv.conf; chown 1 /etc/hosts"
    words = ("--name", "names-2", "-h", "b", "--hosts-file", str(tmp_path / "hosts"))
    (tmp_path / "hosts").write_text("192.0.2.7 nas\n")
    pypod("create", *HOST, *words, image, "sh", "-c", script + " || true")
    first = pypod("start", "-a", "names-2").out
    assert "192.0.2.53" in first and "192.0.2.7\tnas" in first and "b names-2" in first
    host_file.write_text("nameserver 192.0.2.54\n")
    (tmp_path / "hosts").write_text("192.0.2.8 nas\n")
    pypod("rename", "names-2", "names-3")
    second = pypod("start", "-a", "names-3").out
    assert second.startswith("nameserver 192.0.2.54\n127.0.0.1\t")
    assert "192.0.2.53" not in second and "mine" not in second
    assert "192.0.2.8\tnas" in second and "b names-3" in second


def test_inspect_shows_what_was_asked(pypod: Program, image: str) -> None:
    words = ("--add-host", "a:::1", "--dns", "192.0.2.1", "--dns-search", "c.d")
    pypod("create", *HOST, "--name", "names-4", *words, "--dns-option", "rotate", image)
    found = json.loads(pypod("inspect", "-f", "{{json .HostConfig}}", "names-4").out)
    kept = [found[key] for key in ("ExtraHosts", "Dns", "DnsSearch", "DnsOptions")]
    assert kept == [["a:::1"], ["192.0.2.1"], ["c.d"], ["rotate"]]


def resolver(pypod: Program, name: str) -> str:
    return pypod("exec", name, *RESOLV).out


def test_a_change_of_the_hosts_resolver_reaches_a_running_container(
    pypod: Program, image: str, host_file: Path
) -> None:
    words = ("-d", "--name", "names-5", "--dns-search", "a.test", *HOST, image)
    pypod("run", *words, "sleep", "1000")
    inode = pypod("exec", "names-5", "stat", "-c", "%i", "/etc/resolv.conf").line
    kept = "search a.test\n"
    assert resolver(pypod, "names-5") == kept + "nameserver 127.0.0.53\nnameserver 192.0.2.53\n"
    for server in ("192.0.2.54", "2001:db8::1"):  # Wi-Fi, then a VPN: replaced as they all do
        (host_file.parent / "new").write_text(f"nameserver {server}\n")
        (host_file.parent / "new").rename(host_file)
        wanted = kept + f"nameserver {server}\n"
        assert within(15, lambda wanted=wanted: resolver(pypod, "names-5") == wanted)
    assert pypod("exec", "names-5", "stat", "-c", "%i", "/etc/resolv.conf").line == inode


def test_a_resolver_that_was_edited_in_the_container_is_left_alone(
    pypod: Program, image: str, host_file: Path
) -> None:
    for name in ("names-6", "names-7"):
        pypod("run", "-d", "--name", name, *HOST, image, "sleep", "1000")
    pypod("exec", "names-6", "sh", "-c", "echo nameserver 192.0.2.6 >/etc/resolv.conf")
    host_file.write_text("nameserver 192.0.2.54\n")
    assert within(15, lambda: "192.0.2.54" in resolver(pypod, "names-7"))
    pypod("container", "refresh-names", "names-6", "names-7", "names-missing")
    assert resolver(pypod, "names-6") == "nameserver 192.0.2.6\n"
    pypod("stop", "-t", "0", "names-6")
    pypod("start", "names-6")
    assert resolver(pypod, "names-6") == "nameserver 192.0.2.54\n"


def test_a_reader_never_finds_the_resolver_empty_or_cut(
    pypod: Program, image: str, host_file: Path
) -> None:
    """Lines of equal length: ext4 lets a reader see one write(2) in part, 1 of 100 tries."""
    texts = ["nameserver 192.0.2.1\n" * 50, "nameserver 192.0.2.2\n"]
    host_file.write_text(texts[0])
    pypod("run", "-d", "--name", "names-8", *HOST, image, "sleep", "1000")
    record = Path(pypod("inspect", "-f", "{{.ResolvConfPath}}", "names-8").line)
    for change in range(20):
        (host_file.parent / "new").write_text(texts[change % 2 == 0])
        (host_file.parent / "new").rename(host_file)
        with pypod.start("container", "refresh-names", "names-8") as command:
            while command.poll() is None:
                lines = record.read_text().strip().split("\n")
                assert {*lines} <= {"nameserver 192.0.2.1", "nameserver 192.0.2.2", ""}
                assert lines[0]
        assert command.returncode == 0
        assert record.read_text() == texts[change % 2 == 0]


def test_a_host_that_is_between_two_networks_takes_nothing_away(
    pypod: Program, image: str, host_file: Path
) -> None:
    pypod("run", "-d", "--name", "names-9", *HOST, image, "sleep", "1000")
    before = resolver(pypod, "names-9")
    host_file.unlink()
    pypod("container", "refresh-names", "names-9")
    assert resolver(pypod, "names-9") == before
    host_file.write_text("nameserver 192.0.2.54\n")
    assert within(15, lambda: resolver(pypod, "names-9") == "nameserver 192.0.2.54\n")


def test_a_connected_container_asks_the_forwarder_for_the_hosts_loopback(
    pypod: Program, image: str, host_file: Path
) -> None:
    pypod("run", "-d", "--name", "names-10", "-h", "b.test", image, "sleep", "1000")
    assert resolver(pypod, "names-10") == (
        "search home.lan\nnameserver 10.0.2.3\nnameserver 192.0.2.53\n"
    )
    assert "10.0.2.100\tb.test names-10\n" in pypod("exec", "names-10", *SHOW).out
    host_file.write_text("nameserver 127.0.0.1\nnameserver fe80::1%eth0\n")
    assert within(15, lambda: resolver(pypod, "names-10") == "nameserver 10.0.2.3\n")


def test_without_any_network_program_there_is_no_server(
    pypod: Program, image: str, host_file: Path
) -> None:
    env = {"PYPOD_PASTA": "none", "PYPOD_SLIRP4NETNS": "none"}
    assert pypod("run", "--rm", image, *RESOLV, env=env).out == ""


def test_a_joined_network_comes_with_its_names(pypod: Program, image: str, host_file: Path) -> None:
    pypod("run", "-d", "--name", "names-11", "-h", "first", image, "sleep", "1000")
    words = ("-d", "--name", "names-12", "--network", "container:names-11", image)
    pypod("run", *words, "sleep", "1000")
    assert pypod("exec", "names-12", "sh", "-c", "hostname; cat /etc/hostname").out == (
        "first\nfirst\n"
    )
    assert pypod("exec", "names-12", *SHOW).out == pypod("exec", "names-11", *SHOW).out
    host_file.write_text("nameserver 192.0.2.99\n")
    assert within(15, lambda: "192.0.2.99" in resolver(pypod, "names-12"))
    for option, said in (
        ("--dns=192.0.2.1", "conflicting options: dns and the network mode: container"),
        ("--hostname=x", "conflicting options: hostname and the network mode: container"),
        ("--add-host=a:::1", "cannot set extra host entries when the container is joined"),
    ):
        done = pypod("create", "--network", "container:names-11", option, image, check=125)
        assert said in done.err


@pytest.mark.passes("user", "root")
@pytest.mark.parametrize("env", [{}, {"PYPOD_PASTA": "none"}], ids=["pasta", "slirp4netns"])
def test_names_resolve_before_and_after_a_change_of_the_hosts_network(
    program: Program, image: str, tmp_path: Path, env: dict[str, str | None]
) -> None:
    """First the host's own resolver on its loopback, then a server elsewhere, then back."""
    world = network.make(program, tmp_path, image)
    (tmp_path / "server.py").write_text(DNS_SERVER)
    script = f"""
        touch {tmp_path}/resolv.conf
        mount --bind {tmp_path}/resolv.conf /etc/resolv.conf
        exec >{tmp_path}/out 2>&1
        /usr/bin/python3 {tmp_path}/server.py 127.0.0.53 & here=$!
        nsenter --target $client --net /usr/bin/python3 {tmp_path}/server.py {CLIENT} & there=$!
        trap 'kill $client $here $there' EXIT
        echo nameserver 127.0.0.53 >/etc/resolv.conf
        pypod run -d --name names-20 {image} sleep 1000 >/dev/null
        for server in 127.0.0.53 {CLIENT} 127.0.0.53; do
            echo nameserver $server >/etc/resolv.conf
            for try in $(seq 40); do
                found=$(pypod exec names-20 /bin/busybox nslookup a.test | tail -n +3)
                case $found in *$server*) echo found $server; break;; esac
                sleep 0.2
            done
        done
        pypod rm -f -t 0 names-20 >/dev/null
        """
    try:
        world(script, env=env)
    finally:
        world.remove()
    found = (tmp_path / "out").read_text().split()
    assert found == ["found", "127.0.0.53", "found", CLIENT, "found", "127.0.0.53"]
