# SPDX-License-Identifier: Apache-2.0
"""The network of a container: what it reaches, who reaches it, and what is said where it cannot."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from tests.fixtures import images, network, probe
from tests.fixtures.network import CLIENT, HOST, World
from tests.fixtures.program import Program, within
from tests.fixtures.registry import Registry

FREE = "127.0.0.1::"
SERVE = "mkdir -p /www; echo hello >/www/index.html; exec httpd -f -vv -p 80 -h /www"


@pytest.fixture(scope="module")
def peer(program: Program, registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image with tests/probe/peer.c, which tells its clients their address."""
    built = probe.build(tmp_path_factory.mktemp("peer"), "peer").read_bytes()
    files = images.busybox_files(peer=(built, 0o755))
    name = registry.push(images.make([files], {"Cmd": ["/bin/sh"]}), "test/peer")
    program.pull(name)
    return name


@pytest.fixture(scope="module")
def world(
    program: Program, peer: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    made = network.make(program, tmp_path_factory.mktemp("world"), peer)
    yield made
    made.remove()


@contextmanager
def answering(kind: int, address: str, answer: bytes) -> Iterator[int]:
    """A service of the host: yields its port."""
    with closing(socket.socket(socket.AF_INET, kind)) as server:
        server.bind((address, 0))
        if kind == socket.SOCK_STREAM:
            server.listen(8)

        def serve() -> None:
            while True:
                try:
                    if kind == socket.SOCK_STREAM:
                        peer, _ = server.accept()
                        with peer:
                            peer.sendall(answer)
                    else:
                        _data, peer_address = server.recvfrom(2048)
                        server.sendto(answer, peer_address)
                except OSError:
                    return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR) if kind == socket.SOCK_STREAM else None


def get(port: int, address: str = "127.0.0.1") -> bytes:
    """Fetch / from a port; nothing when nobody answers."""
    try:
        with socket.create_connection((address, port), timeout=5) as client:
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            data = b""
            while piece := client.recv(4096):
                data += piece
            return data
    except OSError:
        return b""


def published(pypod: Program, name: str, port: str = "80/tcp") -> int:
    return int(pypod("port", name, port).line.splitlines()[0].rpartition(":")[2])


def test_a_port_that_was_chosen_answers_on_loopback(pypod: Program, image: str) -> None:
    pypod("run", "-d", "--name", "web", "-p", "80", image, "sh", "-c", SERVE)
    port = published(pypod, "web")
    assert within(10, lambda: b"hello" in get(port))
    assert pypod("port", "web").line == f"80/tcp -> 0.0.0.0:{port}"
    assert pypod("ps", "--format", "{{.Ports}}").line == f"0.0.0.0:{port}->80/tcp"
    assert f"0.0.0.0:{port}->80/tcp" in pypod("ps").out
    (shown,) = json.loads(pypod("ps", "--format", "json").out)[0]["Ports"]
    assert (shown["host_port"], shown["container_port"], shown["protocol"]) == (port, 80, "tcp")
    bindings = json.loads(pypod("inspect", "web").out)[0]["NetworkSettings"]["Ports"]
    assert bindings == {"80/tcp": [{"HostIp": "", "HostPort": str(port)}]}
    pypod("rm", "-f", "-t", "0", "web")
    assert get(port) == b""


@pytest.mark.own
@pytest.mark.passes("user", "root")
def test_a_client_in_another_namespace_is_seen_with_its_address(world: World, peer: str) -> None:
    done = world(
        f"""
        pypod run -d --name web -p 8080:80 -p 53:53/udp {peer} sh -c \
            '/peer udp 0.0.0.0 53 & /peer tcp 0.0.0.0 80' >/dev/null
        until [ $(pypod logs web | grep -c ready) = 2 ]; do sleep 0.1; done
        from_client busybox nc -w 2 {HOST} 8080
        from_client /usr/bin/python3 -c 'import socket
peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
peer.settimeout(5)
peer.connect(("{HOST}", 53))
peer.send(b"x")
print("udp", peer.recv(99).decode())'
        echo log; pypod logs web
        pypod rm -f -t 0 web >/dev/null
        """.replace("53:53", "5353:53").replace(f'"{HOST}", 53', f'"{HOST}", 5353')
    )
    answers, _, log = done.out.partition("log\n")
    assert answers.split() == ["from", CLIENT, "udp", "from", CLIENT]
    assert log.count(f"from {CLIENT}\n") == 2, "its log has the address, too"


@pytest.mark.own
def test_loopback_clients_are_kept_off_the_containers_loopback_or_it_is_said(
    pypod: Program, peer: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    splices = json.loads(pypod("info", "-f", "json").out)["host"]["network"]["pasta"]["splices"]
    fresh = tmp_path_factory.mktemp("said")  # what is said once per user is said there
    env: dict[str, str | None] = {"PYPOD_RUNROOT": str(fresh / "run"), "PYPOD_ROOT": str(fresh)}
    pypod("pull", "-q", peer, env=env)
    script = "/peer tcp 0.0.0.0 80 & /peer tcp 127.0.0.1 81"
    words = ("run", "-d", "-p", FREE + "80", "-p", FREE + "81", peer, "sh", "-c", script)
    started = pypod(*words, env=env)
    try:
        name = started.line
        outer, inner = (
            int(pypod("port", name, one, env=env).line.rpartition(":")[2]) for one in ("80", "81")
        )
        assert within(30, lambda: get(outer).startswith(b"from "))
        if splices:
            assert within(30, lambda: get(outer) == b"from 127.0.0.1\n")
            assert "127.0.0.1" in started.err and "WARN" in started.err
            assert pypod(*words, env=env).err == "", "it is said once"
        else:
            assert started.err == ""
            assert get(outer) != b"from 127.0.0.1\n"
            assert get(inner) == b""
    finally:
        pypod("rm", "-f", "-a", "-t", "0", env=env)


@pytest.mark.own
def test_the_hosts_loopback_is_closed_to_the_container(pypod: Program, image: str) -> None:
    with answering(socket.SOCK_STREAM, "127.0.0.1", b"secret") as port:
        script = (
            "gateway=$(ip route | sed -n 's/default via \\([^ ]*\\).*/\\1/p');"
            f" for a in 127.0.0.1 $gateway 10.0.2.2 {host_address()};"
            f" do echo | timeout 2 nc -w 1 $a {port}; done; echo done"
        )
        done = pypod("run", "--rm", image, "sh", "-c", script.replace("sed", "busybox sed"))
        assert done.line == "done"


def host_address() -> str:
    """An address of this machine that is not its loopback, a documentation address if none."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
        try:
            probe.connect(("192.0.2.99", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return "192.0.2.98"


def test_a_port_that_is_not_published_is_closed(pypod: Program, peer: str) -> None:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    script = f"exec /peer tcp 0.0.0.0 {port}"
    pypod("run", "-d", "--name", "shut", "--expose", str(port), peer, "sh", "-c", script)
    assert within(10, lambda: "ready" in pypod("logs", "shut").out)
    assert get(port) == b""
    assert pypod("port", "shut").out == ""
    exposed = json.loads(pypod("inspect", "shut").out)[0]["NetworkSettings"]["Ports"]
    assert exposed == {f"{port}/tcp": None}


def asked_by_udp(port: int) -> bool:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as client:
        client.settimeout(0.5)
        client.connect(("127.0.0.1", port))
        try:
            client.send(b"ping")
            return client.recv(64).startswith(b"from ")
        except OSError:
            return False


@pytest.mark.own
def test_udp_that_this_pasta_cannot_answer_is_said(pypod: Program, peer: str) -> None:
    splices = json.loads(pypod("info", "-f", "json").out)["host"]["network"]["pasta"]["splices"]
    words = ("-p", FREE + "53/udp", peer, "/peer", "udp", "0.0.0.0", "53")
    done = pypod("run", "-d", "--name", "udp", *words)
    port = published(pypod, "udp", "53/udp")
    assert pypod("port", "udp").line == f"53/udp -> 127.0.0.1:{port}"
    assert ("both ports are 53" in done.err) == splices
    assert splices or within(15, lambda: asked_by_udp(port))


def test_udp_with_one_port_number(pypod: Program, peer: str) -> None:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ("-p", f"{port}:{port}/udp", peer, "/peer", "udp", "0.0.0.0", str(port))
    pypod("run", "-d", "--name", "udp", *words)
    assert within(15, lambda: asked_by_udp(port))


def test_publish_all_takes_exposed_ports(
    pypod: Program, program: Program, registry: Registry
) -> None:
    config = {"ExposedPorts": {"80/tcp": {}, "53/udp": {}}}
    name = registry.push(images.busybox(config), "test/exposes")
    program.pull(name)
    pypod("run", "-d", "--name", "all", "-P", "--expose", "81", name, "sleep", "60")
    lines = pypod("port", "all").out.splitlines()
    assert [line.split()[0] for line in lines] == ["80/tcp", "81/tcp", "53/udp"]
    assert len({line.rpartition(":")[2] for line in lines}) == 3


def test_port_of_all_of_latest_and_of_one(pypod: Program, image: str) -> None:
    pypod("create", "--name", "one", "-p", "127.0.0.1::80", image)
    pypod("create", "--name", "two", "-p", "127.0.0.1::81", image)
    assert pypod("port", "-l").line.startswith("81/tcp -> 127.0.0.1:")
    every = pypod("port", "--all").out
    assert "80/tcp -> " in every and "81/tcp -> " in every
    refused = pypod("port", "one", "99", check=125)
    assert "99/tcp" in refused.err and refused.out == ""
    pypod("port", "nobody", check=125)
    pypod("port", check=125)


@pytest.mark.own
def test_a_used_port_is_named_with_the_cure(pypod: Program, image: str) -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = pypod("run", "--name", "no", "-p", f"127.0.0.1:{port}:80", image, "true", check=125)
    assert f"port {port} is already in use" in done.err and "Hint: " in done.err
    assert pypod("ps", "-a", "-q").out == "", "nothing is left of it"


@pytest.mark.own
@pytest.mark.passes("user", "single")
def test_a_low_port_is_refused_with_three_cures(pypod: Program, image: str) -> None:
    done = pypod("run", "--rm", "-p", "127.0.0.1:81:80", image, "true", check=125)
    assert "cannot publish 80/tcp on 127.0.0.1:81" in done.err
    for cure in ("8081:80", "ip_unprivileged_port_start=81", "systemd"):
        assert cure in done.err


@pytest.mark.own
@pytest.mark.passes("root")
def test_root_publishes_low_ports(pypod: Program, image: str) -> None:
    pypod("run", "-d", "--name", "low", "-p", "127.0.0.1:81:80", image, "sh", "-c", SERVE)
    assert within(10, lambda: b"hello" in get(81))


def test_ranges_are_published_in_pairs(pypod: Program, peer: str) -> None:
    script = "/peer tcp 0.0.0.0 80 & /peer tcp 0.0.0.0 81"
    low = 20000 + os.getpid() % 10000
    pypod(
        "run", "-d", "--name", "range", "-p", f"127.0.0.1:{low}-{low + 1}:80-81", peer,
        "sh", "-c", script,
    )  # fmt: skip
    assert within(10, lambda: get(low) and get(low + 1))


def test_many_ports_are_shown_in_full(pypod: Program, image: str) -> None:
    words = [word for port in range(1, 80, 2) for word in ("-p", f"127.0.0.1::{port}")]
    pypod("create", "--name", "many", *words, image)
    shown = pypod("ps", "-a", "--format", "{{.Ports}}").line
    assert shown.count("->") == 40 and shown.endswith("->79/tcp")


def test_low_ports_inside_are_for_everybody(pypod: Program, image: str) -> None:
    script = "nc -l -p 80 -e true & sleep 0.2; netstat -ltn | grep -c ':80 '"
    words = ("run", "--rm", "--network", "none", "-u", "0", "--cap-drop", "all", image)
    assert pypod(*words, "sh", "-c", script).line == "1"


@pytest.mark.parametrize("kind", ["none", "host"])
def test_without_a_network_of_its_own_ports_are_not_published(
    pypod: Program, image: str, kind: str
) -> None:
    done = pypod("create", "--name", "x", "--network", kind, "-p", "80", image)
    assert pypod("port", "x").out == ""
    assert pypod.is_podman or "Port mappings have been discarded" in done.err


@pytest.mark.own
def test_another_containers_network_is_shared(pypod: Program, peer: str) -> None:
    image = peer
    pypod("run", "-d", "--name", "first", image, "/peer", "tcp", "127.0.0.1", "80")
    joined = ("run", "--rm", "--network", "container:first", image)
    words = (*joined, "nc", "127.0.0.1", "80")
    assert within(10, lambda: pypod(*words, check=None).out == "from 127.0.0.1\n")
    ours = pypod("exec", "first", "readlink", "/proc/self/ns/net").line
    assert pypod(*joined, "readlink", "/proc/self/ns/net").line == ours
    assert pypod(*joined, "readlink", "/proc/self/ns/pid").line != ours
    assert "publish them with" in pypod(*joined[:-1], "-p", "80", image, check=125).err
    pypod("stop", "-t", "0", "first")
    assert "it must run" in pypod(*joined, "true", check=125).err
    assert "no such container" in pypod(*joined[:-2], "container:nobody", image, check=125).err


@pytest.mark.own
def test_a_namespace_is_joined_by_its_path(pypod: Program, image: str) -> None:
    pypod("run", "-d", "--name", "holder", image, "sleep", "60")
    pid = pypod("inspect", "-f", "{{.State.Pid}}", "holder").line
    there = pypod("exec", "holder", "readlink", "/proc/self/ns/net").line
    path = f"ns:/proc/{pid}/ns/net"
    assert pypod("run", "--rm", "--network", path, image, "readlink", "/proc/self/ns/net").line == (
        there
    )
    for wrong in ("ns:", "ns:relative", "ns:/nowhere", "ns:/proc/self/ns/uts", "ns:/etc/passwd"):
        done = pypod("run", "--rm", "--network", wrong, image, "true", check=125)
        assert done.err.startswith("Error: ") and "Traceback" not in done.err


@pytest.mark.parametrize("name", ["bridge", "mynet", "container:", "pasta:", "slirp4netns:x=1"])
@pytest.mark.own
def test_a_network_that_is_not_there_is_one_line(pypod: Program, image: str, name: str) -> None:
    done = pypod("run", "--rm", "--network", name, image, "true", check=None)
    assert done.rc == (0 if name == "pasta:" else 125)
    assert name == "pasta:" or done.err.startswith("Error: --network")


@pytest.mark.own
def test_words_for_pasta_are_passed_on(pypod: Program, image: str) -> None:
    done = pypod("run", "--rm", "--network", "pasta:-I,seen0", image, "ip", "-o", "link")
    assert "seen0" in done.out
    bad = pypod("run", "--rm", "--network", "pasta:--no-such-word", image, "true", check=125)
    assert bad.err.startswith("Error: cannot connect the network: ")


@pytest.mark.own
@pytest.mark.parametrize("port", [True, False])
def test_slirp4netns_serves_when_it_is_asked_for(pypod: Program, image: str, port: bool) -> None:
    words = ["-p", "127.0.0.1::80"] if port else []
    done = pypod(
        "run", "-d", "--name", "slirp", "--network", "slirp4netns", *words, image, "sh", "-c", SERVE
    )
    assert ("10.0.2.2" in done.err) == port
    inside = pypod("exec", "slirp", "ip", "-o", "-4", "address").out
    assert "10.0.2.100" in inside
    if port:
        where = published(pypod, "slirp")
        assert within(10, lambda: b"hello" in get(where))


@pytest.mark.own
@pytest.mark.passes("user", "root")
def test_on_a_host_with_only_lo(world: World, peer: str) -> None:
    """pasta, slirp4netns and neither, as issue 4 says; each with a container that serves."""
    script = f"""
        pypod info -f '{{{{json .host.network}}}}'
        pypod run -d --name web -p 8080:80 {peer} sh -c '{SERVE}' >/dev/null
        for try in 1 2 3 4 5 6 7 8 9 10; do
            busybox wget -q -O - http://127.0.0.1:8080/ && break; sleep 0.2
        done
        pypod exec web ip -o link
        pypod rm -f -t 0 web >/dev/null
    """
    done = world(script, lan=False)
    facts = json.loads(done.out.splitlines()[0])
    assert "hello" in done.out
    needs = facts["pasta"]["needsInterface"]
    assert ("tap0" in done.out) == needs, "slirp4netns where this pasta refuses such a host"
    assert ("10.0.2.2" in done.err) == needs
    slirp = world(script, lan=False, env={"PYPOD_PASTA": "none"})
    assert "hello" in slirp.out and "tap0" in slirp.out and "10.0.2.2" in slirp.err

    neither: dict[str, str | None] = {"PYPOD_PASTA": "none", "PYPOD_SLIRP4NETNS": "none"}
    alone = world(f"pypod run --rm {peer} ip -o link", lan=False, env=neither)
    assert "lo" in alone.out and "tap0" not in alone.out
    assert alone.err.count("WARN") == 1 and "loopback" in alone.err
    refused = world(f"pypod run --rm -p 8080:80 {peer} true", lan=False, env=neither, check=125)
    assert "cannot publish 80/tcp" in refused.err and "Hint: " in refused.err


@pytest.mark.own
@pytest.mark.passes("user")
def test_a_tun_device_that_cannot_be_opened(world: World, peer: str) -> None:
    """As on a machine with /dev/net/tun 0600: a file that we may not open lies over it."""
    cover = "mount --bind /etc/shadow /dev/net/tun\n"
    alone = world(f"{cover} pypod run --rm {peer} ip -o link")
    assert alone.out.count("\n") == 1 and " lo" in alone.out
    assert alone.err.count("WARN") == 1 and "/dev/net/tun" in alone.err
    for words in ("-p 8080:80", "--network pasta", "--network slirp4netns"):
        refused = world(f"{cover} pypod run --rm {words} {peer} true", check=125)
        assert "/dev/net/tun" in refused.err and "Hint: " in refused.err
    left = world(f"{cover} pypod run --rm {peer} true; pgrep -c pasta || true")
    assert left.out.strip() == "0" or not left.out.strip().isdigit()
