# SPDX-License-Identifier: Apache-2.0
"""The bytes of a file, of standard input, or of a URL."""

from __future__ import annotations

import os

from pypod.errors import PypodError, RegistryError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 1 << 18
_SECONDS = 60.0
"""A server that says nothing for so long is given up."""


def chunks(where: str) -> Iterator[bytes]:
    """Yield the bytes at a path, `-` or http(s) URL. Raises PypodError, RegistryError."""
    if where.startswith(("http://", "https://")):
        yield from _fetched(where)
        return
    noun = "standard input" if where == "-" else where
    try:
        fd = os.dup(0) if where == "-" else os.open(where, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise PypodError(f"{noun}: {error.strerror}") from None
    try:
        if os.isatty(fd):
            raise UsageError("cannot read an archive from a terminal", hint="< FILE")
        while chunk := os.read(fd, _CHUNK):
            yield chunk
    except OSError as error:
        raise PypodError(f"{noun}: {error.strerror}") from None
    finally:
        os.close(fd)


def _fetched(url: str) -> Iterator[bytes]:
    import http.client
    import urllib.error
    import urllib.request

    shown = url.partition("?")[0].rpartition("@")[2] if "@" in url else url.partition("?")[0]
    try:
        with urllib.request.urlopen(url, timeout=_SECONDS) as answer:
            length = answer.headers.get("Content-Length", "")
            given = 0
            while chunk := answer.read(_CHUNK):
                given += len(chunk)
                yield chunk
    except urllib.error.HTTPError as error:
        raise RegistryError(f"{shown}: the server says {error.code} {error.reason}") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise RegistryError(f"{shown}: {reason}") from None
    if length.isdecimal() and given != int(length):
        raise RegistryError(f"{shown}: ended after {given} of {length} bytes")
