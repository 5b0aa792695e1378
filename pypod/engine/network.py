# SPDX-License-Identifier: Apache-2.0
"""The network of a container when it starts: which program connects it, and what it reaches then.

pasta is the default; slirp4netns serves where pasta is missing, or where this pasta needs an
external interface and the host has none. If neither can, the default network becomes loopback
alone with one warning, while ports and a network that was asked for are refused.
"""

from __future__ import annotations

import os

from pypod.constants import FD_PIDFD
from pypod.errors import PypodError, UsageError, WrongState
from pypod.kernel import log
from pypod.net import commands, programs, sockets
from pypod.spec import network as spec_network
from pypod.spec import ports as spec_ports
from pypod.spec.network import ADDRESS, DNS
from pypod.spec.reach import Reach
from pypod.store import objects
from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pypod.kernel.paths import Places
    from pypod.spec.facts import HostFacts
    from pypod.spec.network import Network
    from pypod.spec.ports import Port

_TUN_CURE = "as root: chmod 0666 /dev/net/tun (or modprobe tun), or use --network none or host"


class Connection(Value):
    """What a start needs to know of the network."""

    reach: Reach
    words: tuple[str, ...] = ()
    """The command line of the program that connects the namespace; none: nothing does."""
    requests: tuple[str, ...] = ()
    """What that program is asked once it is ready, one connection to `socket` each."""
    socket: str = ""
    ready_fd: int = 1
    outside: bool = False
    """The program stays in the caller's user namespace."""
    namespace: int = -1
    """A descriptor of the namespace to join, the caller closes it; -1: a new one."""


def fixed(ports: list[Port]) -> list[Port]:
    """Return the ports with those chosen that were left open. Raises PypodError."""
    return sockets.choose(ports) if any(not port.host for port in ports) else ports


def connect(
    places: Places, container_id: str, create: dict[str, Any], facts: HostFacts
) -> Connection:
    """Decide how the container is connected now. Raises PypodError; has no effect but a warning."""
    typed = create.get("options", {}).get("network") or ""
    net = spec_network.network(typed)
    ports = spec_ports.from_words(create.get("ports", ()))
    if net.kind in ("none", "host"):
        return Connection(Reach(net.kind))
    if net.joined:
        return _join(places, net)
    explicit = net.kind != "default"
    refused = programs.tun_refused()
    if refused:
        return _without(f"{refused}, which a network needs", ports, explicit, _TUN_CURE)
    interface = programs.external_interface()
    sockets.check(ports)
    if net.kind != "slirp4netns":
        found = programs.pasta(places)
        lacking = ""
        if found is None:
            lacking = "pasta is not installed (Debian: passt)"
        elif found.needs_interface and not interface:
            lacking = "this pasta needs a network interface with a default route"
        else:
            return _pasta(places, found, net, ports, interface, facts)
        if net.kind == "pasta":
            raise PypodError(f"--network {typed}: {lacking}", hint="--network slirp4netns")
    else:
        lacking = "--network slirp4netns"
    program = programs.find("slirp4netns")
    if program:
        return _slirp(places, container_id, program, net, ports, interface)
    if net.kind == "slirp4netns":
        lacking = "slirp4netns is not installed"
    else:
        lacking += ", and slirp4netns is not installed"
    return _without(lacking, ports, explicit, "install passt or slirp4netns")


def _without(lacking: str, ports: list[Port], explicit: bool, cure: str) -> Connection:
    if ports or explicit:
        what = f"publish {ports[0].shown()}" if ports else "connect the network"
        raise PypodError(f"cannot {what}: {lacking}", hint=cure)
    log.warn(f"the container has loopback alone: {lacking}")
    return Connection(Reach("loopback"))


def _pasta(
    places: Places,
    found: programs.Pasta,
    net: Network,
    ports: list[Port],
    interface: str,
    facts: HostFacts,
) -> Connection:
    outside = facts.uid == 0 and bool(ports) and sockets.needs_privilege(ports)
    if found.splices and ports:
        _say_once(
            places,
            "pasta-splices",
            f"{found.path} ({found.version}) passes clients on this host's loopback to the"
            " container's own: they appear as 127.0.0.1 there. A pasta of 2024-10-30 or later does"
            " not. (Said once.)",
        )
    for port in ports if found.splices else ():
        if port.protocol == "udp" and port.host != port.container:
            log.warn(
                f"this pasta loses the answers of {port.shown()} to clients on this host's"
                f" loopback, but not if both ports are {port.container}"
            )
    host = programs.address_of(interface)
    own = net.kind == "pasta" and {"-a", "--address", "-4", "-6"}.intersection(net.arguments)
    reach = Reach("pasta", address="" if own or not host else ADDRESS, dns=DNS, host=host)
    words = commands.pasta(found, ports, net.arguments, root=facts.uid == 0)
    return Connection(reach, tuple(words), outside=outside)


def _slirp(
    places: Places,
    container_id: str,
    program: str,
    net: Network,
    ports: list[Port],
    interface: str,
) -> Connection:
    for port in ports:
        if ":" in port.address:
            raise PypodError(f"slirp4netns cannot publish on {spec_ports.where(port)}: IPv4 only")
    if ports:
        log.warn("slirp4netns: every client appears as 10.0.2.2 in the container")
    if any(port.protocol == "udp" for port in ports):
        log.warn("slirp4netns: UDP clients on this host's loopback get no answer")
    socket = f"{places.run}/{container_id[:32]}.slirp" if ports else ""
    if len(os.fsencode(socket)) > 107:
        raise PypodError(f"{socket} is too long for a socket", hint="--runroot with a shorter path")
    if socket and os.path.lexists(socket):
        os.unlink(socket)  # of a start that was killed
    words = commands.slirp4netns(program, socket, net.arguments)
    reach = Reach("slirp4netns", address=ADDRESS, dns=DNS, host=programs.address_of(interface))
    return Connection(
        reach,
        tuple(words),
        requests=tuple(commands.slirp_requests(ports)),
        socket=socket,
        ready_fd=commands.SLIRP_READY,
    )


def _say_once(places: Places, name: str, text: str) -> None:
    """Warn once per user, not once per container."""
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        os.close(os.open(f"{places.cache}/said-{name}", flags, 0o600))
    except FileExistsError:
        return
    except OSError:
        pass
    log.warn(text)


def describe(places: Places) -> dict[str, Any]:
    """Return what `info` shows of the programs that connect containers."""
    found = programs.pasta(places)
    slirp = programs.find("slirp4netns")
    return {
        "pasta": found
        and {
            "executable": found.path,
            "version": found.version,
            "splices": found.splices,
            "needsInterface": found.needs_interface,
        },
        "slirp4netns": {"executable": slirp} if slirp else None,
    }


def missing(places: Places) -> list[str]:
    """Return what this host's network lacks, a line each."""
    lacking = []
    found = programs.pasta(places)
    refused = programs.tun_refused()
    if refused:
        lacking.append(f"network: {refused}; containers have loopback alone")
    if found is None:
        lacking.append("network: pasta is not installed (Debian: passt)")
    elif found.splices:
        lacking.append(
            "network: this pasta passes clients on the host's loopback to the container's own"
            " (CVE-2021-20199); one of 2024-10-30 or later does not"
        )
    return lacking


def _join(places: Places, net: Network) -> Connection:
    kind = "container" if net.kind == "container" else "path"
    path = net.target
    if kind == "container":
        other = objects.find(places, net.target)
        status = other.status()
        if not status.alive or status.pids is None:
            raise WrongState(
                f"--network container:{net.target}: {other.name} is {status.name}, it must run",
                hint=f"pypod start {other.name}",
            )
        path = f"/proc/{status.pids.pid}/ns/net"
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise PypodError(f"--network {net.kind}:{net.target}: {error.strerror}") from None
    return Connection(Reach(kind), namespace=fd)


def namespace_kind(fd: int) -> str:
    """Return `own` when the network belongs to the caller's user namespace, else `other`.

    Raises UsageError for what is no network namespace (ioctl_nsfs(2)).
    """
    import fcntl

    try:
        if fcntl.ioctl(fd, _NS_GET_NSTYPE) != _CLONE_NEWNET:
            raise UsageError("--network ns: the path is no network namespace")
        owner = fcntl.ioctl(fd, _NS_GET_USERNS)
    except OSError as error:
        raise UsageError(
            f"--network ns: the path is no network namespace of ours: {error.strerror}"
        ) from None
    try:
        here, there = os.stat("/proc/self/ns/user"), os.fstat(owner)
        return "own" if (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino) else "other"
    finally:
        os.close(owner)


_NS_GET_USERNS, _NS_GET_NSTYPE, _CLONE_NEWNET = 0xB701, 0xB703, 0x40000000


def joined_config(config: dict[str, Any], connection: Connection) -> dict[str, Any]:
    """Return the configuration with the namespace to join named by its descriptor.

    config.json cannot name it: the other container's process is known only now.
    """
    if connection.namespace < 0:
        return config
    own = namespace_kind(connection.namespace) == "own"
    path = f"/proc/self/fd/{FD_PIDFD}"
    spaces = []
    for space in config["linux"]["namespaces"]:
        if space["type"] == "network":
            spaces.append({"type": "network", "path": path})
        elif space["type"] == "user" and not own:
            spaces.append({"type": "user", "path": path})
        else:
            spaces.append(space)
    linux = {**config["linux"], "namespaces": spaces}
    return {**config, "linux": linux}
