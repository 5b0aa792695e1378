# SPDX-License-Identifier: Apache-2.0
"""The command lines of pasta (passt(1)) and slirp4netns (slirp4netns(1)).

Both take the network namespace as their stdin and run in the container's user namespace
(libexec/network.c). Neither opens the host's loopback to the container: pasta's four `none` and
--no-map-gw, slirp4netns' --disable-host-loopback (measured: --no-map-gw alone does).
"""

from __future__ import annotations

from pypod.errors import UsageError
from pypod.kernel import fastjson
from pypod.spec.network import ADDRESS, DNS, GATEWAY, PREFIX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pypod.net.programs import Pasta
    from pypod.spec.ports import Port

_NAMESPACE = "/proc/self/fd/0"
SLIRP_READY = 3
"""slirp4netns writes to its stdout what is no sign of being ready."""

_SLIRP_OPTIONS = {
    "mtu": "--mtu",
    "cidr": "--cidr",
    "outbound_addr": "--outbound-addr",
    "outbound_addr6": "--outbound-addr6",
}


def pasta(
    program: Pasta, ports: Sequence[Port], extra: Sequence[str], *, root: bool
) -> list[str]:
    """Return pasta's words. `root`: the caller is uid 0, from whom pasta would take the rights."""
    argv = [program.path, "-f", "-q", "--config-net"]
    given = set(extra)
    for flags, value in (
        (("-a", "--address"), ADDRESS),
        (("-n", "--netmask"), str(PREFIX)),
        (("-g", "--gateway"), GATEWAY),
        (("--dns-forward",), DNS),
    ):
        if not given.intersection(flags):
            argv += (flags[0], value)
    for flag, protocol in (("-t", "tcp"), ("-u", "udp")):
        specs = [_spec(port) for port in ports if port.protocol == protocol]
        for spec in specs or ["none"]:
            argv += (flag, spec)
    argv += ("-T", "none", "-U", "none", "--no-map-gw")
    argv += extra
    if root:
        argv += ("--runas", "0:0")
    argv += ("--netns-only", "--netns", _NAMESPACE, "--no-netns-quit", "-P", "/proc/self/fd/1")
    return argv


def _spec(port: Port) -> str:
    return f"{port.address + '/' if port.address else ''}{port.host}:{port.container}"


def slirp4netns(program: str, socket: str, options: Sequence[str]) -> list[str]:
    """Return slirp4netns' words; `socket` is where it takes ports ("": none). Raises UsageError."""
    argv = [program, "--configure", "--disable-host-loopback"]
    given = {}
    for option in options:
        key, equals, value = option.partition("=")
        if key == "enable_ipv6" and value in ("true", "false"):
            argv += ["--enable-ipv6"] if value == "true" else []
        elif key == "port_handler" and value == "slirp4netns":
            continue
        elif key in _SLIRP_OPTIONS and equals:
            given[key] = value
        else:
            raise UsageError(
                f'--network slirp4netns: unknown option "{option}"',
                hint=" ".join(f"{key}=" for key in _SLIRP_OPTIONS) + " enable_ipv6=",
            )
    for key, value in {"mtu": "65520", **given}.items():
        argv.append(f"{_SLIRP_OPTIONS[key]}={value}")
    argv += ("--enable-sandbox", "--enable-seccomp", "--ready-fd", str(SLIRP_READY))
    if socket:
        argv += ("--api-socket", socket)
    return [*argv, "--netns-type", "path", _NAMESPACE, "tap0"]


def slirp_requests(ports: Sequence[Port]) -> list[str]:
    """Return the requests that publish ports (slirp4netns(1), "add_hostfwd")."""
    return [
        fastjson.dumps(
            {
                "execute": "add_hostfwd",
                "arguments": {
                    "proto": port.protocol,
                    "host_addr": port.address or "0.0.0.0",
                    "host_port": port.host,
                    "guest_addr": ADDRESS,
                    "guest_port": port.container,
                },
            }
        )
        for port in ports
    ]
