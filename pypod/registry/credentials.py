# SPDX-License-Identifier: Apache-2.0
"""Keeping credentials: the writing side of auth.json (containers-auth.json(5)).

A file is replaced whole, never changed in place, is readable by its owner alone, and keeps every
key that is not ours.
"""

from __future__ import annotations

import base64
import os

from pypod.errors import RegistryError
from pypod.kernel import fastjson
from pypod.kernel.locks import Lock
from pypod.registry import auth, credential_helpers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pypod.registry.auth import Credentials


def place(key: str, authfile: str = "") -> str:
    """Return the file that a login is written to.

    podman writes to the runtime directory, where a login is gone after a reboot: here it lasts,
    unless that file has an entry already, which would hide ours. Raises RegistryError.
    """
    named = authfile or os.environ.get("REGISTRY_AUTH_FILE")
    if named:
        return named
    runtime, lasting = auth.own_files()
    document = auth.read(runtime) or {}
    return runtime if key in _keys(document) or auth.helper_of(document, key) else lasting


def keep(path: str, key: str, credentials: Credentials, helper: str = "") -> str:
    """Write credentials for HOST[:PORT][/PATH]; return where they are now. Raises RegistryError.

    In the file, or with the helper that the file or the configuration names for this registry.
    """
    document = auth.read(path) or {}
    domain = key.partition("/")[0]
    store = document.get("credsStore")
    helper = auth.helper_of(document, domain) or helper or (store if isinstance(store, str) else "")
    if helper:
        credential_helpers.store(helper, key, credentials.username, credentials.password)
        return f"docker-credential-{helper}"
    text = f"{credentials.username}:{credentials.password}".encode("utf-8", "surrogateescape")

    def change(found: dict[str, Any]) -> None:
        _forget_in(found, key)
        auths = found.setdefault("auths", {})
        auths[key] = {"auth": base64.b64encode(text).decode()}

    _rewrite(path, change)
    return path


def forget(path: str, key: str, helper: str = "") -> bool:
    """Take credentials away; False when there are none. Raises RegistryError."""
    document = auth.read(path)
    if document is None and not helper:
        return False
    document = document or {}
    gone = False
    store = document.get("credsStore")
    domain = key.partition("/")[0]
    for program in (auth.helper_of(document, domain), helper, store):
        if isinstance(program, str) and program:
            gone = credential_helpers.erase(program, key) or gone
    if key in _keys(document):
        _rewrite(path, lambda found: _forget_in(found, key))
        gone = True
    return gone


def forget_all(path: str) -> None:
    """Take all credentials of a file away, and those its helpers have. Raises RegistryError."""
    document = auth.read(path)
    if document is None:
        return
    table = document.get("credHelpers")
    for domain, helper in (table.items() if isinstance(table, dict) else ()):
        if isinstance(helper, str):
            credential_helpers.erase(helper, domain)
    store = document.get("credsStore")
    if isinstance(store, str) and store:
        for server in credential_helpers.servers(store):
            credential_helpers.erase(store, server)
    if document.get("auths"):
        _rewrite(path, lambda found: found.update(auths={}))


def _keys(document: dict[str, Any]) -> set[str]:
    auths = document.get("auths")
    return {auth.plain(key) for key in auths} if isinstance(auths, dict) else set()


def _forget_in(document: dict[str, Any], key: str) -> None:
    auths = document.get("auths")
    if not isinstance(auths, dict):
        document["auths"] = {}
        return
    for known in [known for known in auths if auth.plain(known) == key]:
        del auths[known]


def _rewrite(path: str, change: Any) -> None:
    """Change a file under a lock: a new file, 0600 from its first byte, renamed over the old."""
    real = os.path.realpath(path)  # of a symbolic link the target is replaced, not the link
    directory = os.path.dirname(real)
    temporary = f"{real}.{os.getpid()}.{os.urandom(4).hex()}"
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        with Lock(directory):
            document = auth.read(real) or {}
            change(document)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
            fd = os.open(temporary, flags, 0o600)
            try:
                with open(fd, "wb") as file:
                    file.write(fastjson.pretty(document).encode() + b"\n")
                    file.flush()
                    os.fsync(file.fileno())
                os.rename(temporary, real)
            except BaseException:
                os.unlink(temporary)
                raise
    except OSError as error:
        raise RegistryError(f"{path}: {error.strerror}") from None
