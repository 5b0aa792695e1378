# SPDX-License-Identifier: Apache-2.0
"""--network: which network a container has, as a value."""

from __future__ import annotations

from pypod.errors import PypodError, UsageError
from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

KINDS = ("default", "pasta", "slirp4netns", "none", "host", "container", "ns")
USER_NETWORK = ("default", "pasta", "slirp4netns")
"""Kinds that have a namespace of their own which a program connects with the host's network."""

ADDRESS = "10.0.2.100"
"""The container's own IPv4 address, slirp4netns' default. Not a copy of the host's: then the host's
could not be reached from the container, and it would change with every Wi-Fi."""
PREFIX = 24
GATEWAY = "10.0.2.2"
DNS = "10.0.2.3"


class Network(Value):
    """What --network asks for."""

    kind: str
    """One of KINDS; `default` is no --network at all: it may fall back to loopback alone."""
    arguments: tuple[str, ...] = ()
    """Words for pasta, options for slirp4netns (`pasta:ARG,ARG`)."""
    target: str = ""
    """The container's name or id, or the path of a namespace."""

    @property
    def connected(self) -> bool:
        """True for a namespace of its own with a way out."""
        return self.kind in USER_NETWORK

    @property
    def joined(self) -> bool:
        """True for another's namespace."""
        return self.kind in ("container", "ns")


def network(typed: str) -> Network:
    """Return what --network asks for. Raises UsageError, and PypodError for what is not there."""
    kind, colon, rest = typed.partition(":")
    if typed in ("", "default", "private"):
        return Network("default")
    if kind in ("none", "host") and not colon:
        return Network(kind)
    if kind in ("pasta", "slirp4netns"):
        return Network(kind, tuple(word for word in rest.split(",") if word))
    if kind in ("container", "ns"):
        if not rest:
            what = "a container" if kind == "container" else "the path of a namespace"
            raise UsageError(f"--network {typed}: {kind}: needs {what}")
        if kind == "ns" and not rest.startswith("/"):
            raise UsageError(f"--network {typed}: the path must be absolute")
        return Network(kind, target=rest)
    raise PypodError(
        f"--network {typed}: networks with a name are not there yet",
        hint="pasta (the default), slirp4netns, none, host, container:NAME and ns:PATH are there",
    )


def check(net: Network, options: Any) -> None:
    """Refuse options that a shared network makes meaningless. Raises UsageError."""
    if net.kind == "container" and (options.publish or options.publish_all):
        raise UsageError(
            "-p: the network is another container's, and so are its ports",
            hint=f"publish them with {net.target}",
        )


def shows_host(kind: str, id_map: str) -> bool:
    """Say whether the namespace is not the container's to show: /sys is then a bind of the host's.

    Only who owns a network namespace may mount a sysfs. One that has a path (`ip netns`) belongs,
    as a rule, to root's own user namespace.
    """
    return kind == "host" or (kind == "ns" and id_map == "root")


def recorded(net: Network) -> str:
    """Return create.json's `network`, and inspect's NetworkMode."""
    if net.kind == "default":
        return "pasta"
    if net.target:
        return f"{net.kind}:{net.target}"
    return net.kind
