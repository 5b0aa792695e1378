# SPDX-License-Identifier: Apache-2.0
"""Published ports: the grammar of -p and --expose, and how ports are shown.

Grammar: podman-run(1) `--publish`: `[[IP:][HOSTPORT]:]CONTAINERPORT[/PROTOCOL]`, ranges on both
sides of one length, an IPv6 address in brackets, an empty host port for one that the kernel
chooses.
"""

from __future__ import annotations

from pypod.errors import PypodError, UsageError
from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PROTOCOLS = ("tcp", "udp")
SHORT = 300
"""Characters of the PORTS column that state.json keeps; a longer one is made of create.json."""
_MOST = 65535
_HEX = frozenset("0123456789abcdefABCDEF:.")


class Port(Value):
    """One port of a container and, when it is published, where the host takes its traffic."""

    container: int
    protocol: str = "tcp"
    host: int = 0
    """0: to be chosen when the container is made."""
    address: str = ""
    """Of the host; "" is every address."""

    def shown(self) -> str:
        """Return `80/tcp`."""
        return f"{self.container}/{self.protocol}"


def publish(text: str) -> list[Port]:
    """Return the ports of one `-p`, a range expanded. Raises UsageError."""
    words, protocol = _protocol(text, f"-p {text}")
    address, rest = _address(words, text)
    fields = rest.split(":")
    if len(fields) == 3 and not address:
        address, fields = fields[0], fields[1:]
        _check_ipv4(address, text)
    if len(fields) > 2 or (address and len(fields) == 1 and words != rest and not rest):
        raise UsageError(
            f"-p {text}: invalid port format",
            hint="[[ip:]hostPort:]containerPort[/tcp|udp], an IPv6 address in brackets",
        )
    first, last = _range(fields[-1], text, "container port")
    if len(fields) == 1 or not fields[0]:
        hosts = [0] * (last - first + 1)
    else:
        low, high = _range(fields[0], text, "host port")
        if high - low != last - first:
            if first != last:
                raise UsageError(
                    f"-p {text}: the two ranges differ in length: {high - low + 1} host ports,"
                    f" {last - first + 1} container ports"
                )
            raise UsageError(f"-p {text}: a range of host ports needs as many container ports")
        hosts = list(range(low, high + 1))
    shown = "" if address in ("0.0.0.0", "") else address
    return [
        Port(number, protocol, host, shown)
        for number, host in zip(range(first, last + 1), hosts, strict=True)
    ]


def expose(text: str, what: str = "--expose") -> list[Port]:
    """Return the ports of `--expose PORT[-PORT][/PROTOCOL]` or of an image. Raises UsageError."""
    words, protocol = _protocol(text, f"{what} {text}")
    first, last = _range(words, text, "port", what)
    return [Port(number, protocol) for number in range(first, last + 1)]


def exposed_by_image(words: Iterable[str]) -> list[Port]:
    """Return an image's ports; what is none there is not the user's mistake and is left out."""
    found: list[Port] = []
    for word in words:
        try:
            found += expose(word)
        except PypodError:
            continue
    return found


def wanted(
    published: Sequence[str], exposed: Sequence[str], image: Iterable[str], *, every: bool
) -> tuple[list[Port], list[Port]]:
    """Return (ports to publish, all exposed ports). `every` is -P: exposed ones get random ports.

    Raises UsageError when two want one port of the host.
    """
    ports = [port for text in published for port in publish(text)]
    known = [port for text in exposed for port in expose(text)] + exposed_by_image(image)
    if every:
        there = {port.shown() for port in ports}
        for port in known:
            if port.shown() not in there:
                ports.append(port)
                there.add(port.shown())
    seen: dict[tuple[int, str], str] = {}
    for port in ports:
        if not port.host:
            continue
        other = seen.get((port.host, port.protocol))
        if other is not None and (not other or not port.address or other == port.address):
            raise UsageError(f"host port {port.host}/{port.protocol} is published twice")
        seen[port.host, port.protocol] = port.address
    return ports, [*known, *(Port(port.container, port.protocol) for port in ports)]


def words(ports: Sequence[Port]) -> list[list[str | int]]:
    """Return the form of create.json; `from_words` is its reverse."""
    return [[port.address, port.host, port.container, port.protocol] for port in ports]


def from_words(kept: Sequence[Sequence[str | int]]) -> list[Port]:
    """Return the ports of create.json."""
    return [
        Port(int(container), str(protocol), int(host), str(address))
        for address, host, container, protocol in kept
    ]


def column(ports: Sequence[Port]) -> str:
    """Return the PORTS column of `ps`: `0.0.0.0:8000-8001->80-81/tcp, …`, neighbours joined."""
    shown: list[str] = []
    run: list[Port] = []
    for port in [*sorted(ports, key=_order), None]:
        if port is not None and run and _continues(run[-1], port):
            run.append(port)
            continue
        if run:
            first, last = run[0], run[-1]
            shown.append(
                f"{_bracketed(first.address)}:{_span(first.host, last.host)}"
                f"->{_span(first.container, last.container)}/{first.protocol}"
            )
        run = [port] if port is not None else []
    return ", ".join(shown)


def lines(ports: Sequence[Port]) -> list[str]:
    """Return the lines of the command `port`: `80/tcp -> 0.0.0.0:8080`."""
    return [f"{port.shown()} -> {where(port)}" for port in sorted(ports, key=_order)]


def where(port: Port) -> str:
    """Return where the host takes the traffic: `0.0.0.0:8080`."""
    return f"{_bracketed(port.address)}:{port.host}"


def bindings(
    ports: Sequence[Port], exposed: Sequence[Port] = ()
) -> dict[str, list[dict[str, str]] | None]:
    """Return `Ports` of inspect: {"80/tcp": [{"HostIp": …, "HostPort": …}], "90/tcp": null}."""
    found: dict[str, list[dict[str, str]] | None] = {port.shown(): None for port in exposed}
    for port in ports:
        entry = {"HostIp": port.address, "HostPort": str(port.host)}
        found[port.shown()] = [*(found.get(port.shown()) or ()), entry]
    return found


def _order(port: Port) -> tuple[str, str, int, int]:
    return port.protocol, port.address, port.container, port.host


def _continues(before: Port, port: Port) -> bool:
    return (
        (before.protocol, before.address) == (port.protocol, port.address)
        and port.container == before.container + 1
        and port.host == before.host + 1
    )


def _span(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address or "0.0.0.0"


def _protocol(text: str, what: str) -> tuple[str, str]:
    words, slash, protocol = text.partition("/")
    protocol = protocol.lower() if slash else "tcp"
    if protocol == "sctp":
        raise PypodError(f"{what}: SCTP cannot be forwarded without root", hint="tcp or udp")
    if protocol not in PROTOCOLS:
        raise UsageError(f'{what}: unknown protocol "{protocol}"', hint="tcp or udp")
    return words, protocol


def _address(words: str, text: str) -> tuple[str, str]:
    """Return (IPv6 address without brackets, the rest); ("", words) when there is no bracket."""
    if not words.startswith("["):
        return "", words
    address, closed, rest = words[1:].partition("]")
    if not closed or not rest.startswith(":") or not address or not _HEX.issuperset(address):
        raise UsageError(f"-p {text}: invalid IPv6 address", hint="-p [::1]:8080:80")
    return address, rest[1:]


def _check_ipv4(address: str, text: str) -> None:
    parts = address.split(".")
    if len(parts) != 4 or not all(
        part.isascii() and part.isdigit() and len(part) <= 3 and int(part) <= 255 for part in parts
    ):
        raise UsageError(f'-p {text}: "{address}" is no IP address')


def _range(text: str, whole: str, what: str, option: str = "-p") -> tuple[int, int]:
    low, dash, high = text.partition("-")
    first = _number(low, whole, what, option)
    last = _number(high, whole, what, option) if dash else first
    if last < first:
        raise UsageError(f"{option} {whole}: the {what} range ends before it begins")
    return first, last


def _number(text: str, whole: str, what: str, option: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) <= _MOST):
        raise UsageError(f'{option} {whole}: "{text}" is no {what} (1 to {_MOST})')
    return int(text)
