# SPDX-License-Identifier: Apache-2.0
"""The host's ports: choosing free ones, and saying why one cannot be had before anything starts."""

from __future__ import annotations

import _socket
import errno
import os
import time

from pypod.errors import PypodError
from pypod.spec.ports import where

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pypod.spec.ports import Port

_PATIENCE = 0.5
"""Seconds for a port that is about to be freed: a killed pasta needs 35 ms to die."""
_LOW = "/proc/sys/net/ipv4/ip_unprivileged_port_start"


def choose(ports: Sequence[Port]) -> list[Port]:
    """Return the ports with a free one of the host for each that has none. Raises PypodError."""
    held = []
    chosen: list[Port] = []
    try:
        for port in ports:
            if port.host:
                chosen.append(port)
                continue
            socket = _bind(port)
            held.append(socket)  # until all are chosen: none is chosen twice
            chosen.append(port.replace(host=socket.getsockname()[1]))
    finally:
        for socket in held:
            socket.close()
    return chosen


def check(ports: Sequence[Port]) -> None:
    """Try every port. Raises PypodError for one that is used or forbidden, with the cure."""
    until = time.monotonic() + _PATIENCE
    for port in ports:
        while True:
            try:
                _bind(port).close()
                break
            except _Busy as busy:
                if time.monotonic() >= until:
                    raise PypodError(busy.message, hint=busy.hint) from None
                time.sleep(0.01)


def needs_privilege(ports: Sequence[Port]) -> bool:
    """Say whether one is below net.ipv4.ip_unprivileged_port_start (ip_sysctl)."""
    start = first_unprivileged()
    return any(port.host < start for port in ports)


def first_unprivileged() -> int:
    """Return the lowest port that everybody may listen on."""
    try:
        with open(_LOW, "rb", buffering=0) as file:
            return int(file.read(16))
    except (OSError, ValueError):
        return 1024


class _Busy(PypodError):
    """The port is in use; perhaps not for long."""


def _bind(port: Port) -> _socket.socket:
    family = _socket.AF_INET6 if ":" in port.address else _socket.AF_INET
    kind = _socket.SOCK_STREAM if port.protocol == "tcp" else _socket.SOCK_DGRAM
    socket = _socket.socket(family, kind | _socket.SOCK_CLOEXEC)
    try:
        if kind == _socket.SOCK_STREAM:
            socket.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
        socket.bind((port.address or "0.0.0.0", port.host))
        if kind == _socket.SOCK_STREAM:
            socket.listen(1)  # SO_REUSEADDR lets a bind succeed beside another that only bound
    except OSError as error:
        socket.close()
        raise _refused(port, error) from None
    return socket


def _refused(port: Port, error: OSError) -> PypodError:
    message = f"cannot publish {port.shown()} on {where(port)}: "
    if error.errno == errno.EADDRINUSE:
        return _Busy(
            f"{message}port {port.host} is already in use",
            hint=f"choose another (-p PORT:{port.container}), or let one be chosen"
            f" (-p {port.container}); `ss -lnp` shows who listens",
        )
    if error.errno in (errno.EACCES, errno.EPERM) and port.host < first_unprivileged():
        return PypodError(
            f"{message}ports below {first_unprivileged()} are root's",
            hint=f"choose a higher one (-p {port.host + 8000}:{port.container}), or as root:"
            f" sysctl net.ipv4.ip_unprivileged_port_start={port.host}, or let a systemd socket"
            " unit listen and pass it on (--preserve-fds)",
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return PypodError(f"{message}this host has no such address")
    return PypodError(message + os.strerror(error.errno or 0))
