# SPDX-License-Identifier: Apache-2.0
"""Telling the service manager: NOTIFY_SOCKET of the caller, sd_notify(3).

The caller's pypod speaks, before it ends: the monitor needs no socket and keeps its clean
environment. The main process is the monitor, whose exit code is the container's (ATTACH.md).
"""

from __future__ import annotations

import _socket
import os
import stat

from pypod.kernel import log
from pypod.spec import service

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SECONDS = 5
"""How long a service manager that does not read is waited for."""
_EXTENDED = 30
"""Seconds more that are asked for at a time during a pull."""


def prepare(config: dict[str, Any], create: dict[str, Any], socket: str) -> dict[str, Any]:
    """Return the configuration with the socket in it, where the container is to have it."""
    if not service.passes_socket(create) or not _is_there(socket):
        return config
    if socket.startswith("@") and create["network"] != "host":
        log.warn(
            f"NOTIFY_SOCKET={socket} cannot be reached from the container, which has its own"
            " network: --sdnotify=conmon, or --network=host"
        )
        return config
    _open_to_all(socket)
    return service.with_socket(config, socket)


class MoreTime:
    """In a `with` block: ask for time while an image is pulled, which TimeoutStartSec= is not for.

    A thread asks; a pull has threads anyway. When the pull hangs its own time limits end it.
    """

    def __init__(self, socket: str) -> None:
        self._socket = socket

    def __enter__(self) -> None:
        import threading

        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)
        if _is_there(self._socket):
            self._thread.start()

    def _ask(self) -> None:
        while True:
            try:
                _send(self._socket, f"EXTEND_TIMEOUT_USEC={_EXTENDED * 1_000_000}\n".encode())
            except OSError:
                return  # the message of the start, which matters more, will warn
            if self._over.wait(_EXTENDED / 3):
                return

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._over.set()


def _open_to_all(socket: str) -> None:
    """Let every user of the container write to the socket, as systemd's system-wide one does.

    That of a user's manager is 0755: root of a rootless container is its owner, everybody else in
    there is a stranger. Who speaks is told by the kernel, and the runtime directory is 0700.
    """
    if socket.startswith("@"):
        return
    try:
        found = os.stat(socket)
        if found.st_uid == os.geteuid() and found.st_mode & 0o002 == 0:
            os.chmod(socket, 0o777)
    except OSError as error:
        log.info(f"only root of the container can write to {socket}: {error.strerror}")


def tell(create: dict[str, Any], monitor: int, socket: str) -> None:
    """Say that the container runs, and which process to watch. Warns when nobody can be told."""
    text = service.message(create, monitor)
    if not text or not _is_there(socket):
        return
    try:
        _send(socket, text.encode())
    except OSError as error:
        log.warn(f"cannot tell the service manager at {socket}: {error.strerror or error}")


def _is_there(socket: str) -> bool:
    if socket.startswith("@"):
        return True
    try:
        found = stat.S_ISSOCK(os.stat(socket).st_mode) and socket.startswith("/")
    except OSError:
        found = False
    if not found:
        log.warn(f"NOTIFY_SOCKET={socket}: there is no socket; nobody is told of the start")
    return found


def _send(path: str, data: bytes) -> None:
    sender = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM | _socket.SOCK_CLOEXEC)
    directory = -1
    try:
        sender.settimeout(_SECONDS)
        if path.startswith("@"):
            sender.sendto(data, "\0" + path[1:])
            return
        # Through the directory's descriptor: sun_path holds 108 bytes (unix(7)).
        directory = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        sender.sendto(data, f"/proc/self/fd/{directory}/{os.path.basename(path)}")
    finally:
        sender.close()
        if directory >= 0:
            os.close(directory)
