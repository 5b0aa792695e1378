# SPDX-License-Identifier: Apache-2.0
"""`docker-daemon:`: docker's API on a unix socket, which takes and gives docker archives.

Source: Docker Engine API v1.24 and later (images/get, images/load).
"""

from __future__ import annotations

import http.client
import os
import socket
from urllib.parse import quote

from pypod.errors import PypodError
from pypod.kernel import fastjson

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_DEFAULT = "/var/run/docker.sock"
_SECONDS = 600.0
_CHUNK = 1 << 18
_ANSWER_MOST = 1 << 22
_API = "/v1.24"


class _Connection(http.client.HTTPConnection):
    """HTTP to a socket file."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def socket_path() -> str:
    """Return where the daemon listens. Raises PypodError for a daemon on the network."""
    host = os.environ.get("DOCKER_HOST", "")
    if host:
        if not host.startswith("unix://"):
            raise PypodError(f"DOCKER_HOST={host}: only unix:// sockets are supported")
        return host.removeprefix("unix://")
    own = os.environ.get("XDG_RUNTIME_DIR", "") + "/docker.sock"
    return own if os.path.exists(own) and not os.path.exists(_DEFAULT) else _DEFAULT


def save(name: str, write: Callable[[bytes], None]) -> None:
    """Fetch an image as a docker archive. Raises PypodError."""
    with _Request("GET", f"/images/{quote(name, safe='')}/get") as answer:
        if answer.status != 200:
            raise PypodError(f"docker daemon: {name}: {_said(answer.read(_ANSWER_MOST))}")
        while chunk := answer.read(_CHUNK):
            write(chunk)


def load(size: int, chunks: Iterable[bytes]) -> None:
    """Send a docker archive. Raises PypodError."""
    headers = {"Content-Type": "application/x-tar", "Content-Length": str(size)}
    with _Request("POST", "/images/load?quiet=1", chunks, headers) as answer:
        body = answer.read(_ANSWER_MOST)
        if answer.status != 200:
            raise PypodError(f"docker daemon: {_said(body)}")
        for line in body.splitlines():
            # The status was sent before the archive was read: errors come in the stream.
            if b'"error"' in line:
                raise PypodError(f"docker daemon: {_said(line)}")


class _Request:
    """One request; its answer in a `with` block."""

    def __init__(
        self,
        method: str,
        path: str,
        body: Iterable[bytes] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        self._path = socket_path()
        self._connection = _Connection(self._path)
        self._words = (method, _API + path, body, headers or {})

    def __enter__(self) -> http.client.HTTPResponse:
        method, path, body, headers = self._words
        try:
            self._connection.request(method, path, body, headers)
            return self._connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise PypodError(
                f"docker daemon at {self._path}: {reason}",
                hint="DOCKER_HOST=unix://PATH names another socket",
            ) from None

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._connection.close()
        if isinstance(error, OSError | http.client.HTTPException):
            raise PypodError(f"docker daemon at {self._path}: the connection ended") from None


def _said(body: bytes) -> str:
    try:
        document = fastjson.loads(body)
    except fastjson.BadJson:
        document = None
    words = None
    if isinstance(document, dict):
        words = document.get("message") or document.get("error")
    return ascii(words)[1:-1][:300] if isinstance(words, str) else "it refuses"
