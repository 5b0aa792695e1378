# SPDX-License-Identifier: Apache-2.0
"""Programs that keep credentials: docker-credential-NAME, spoken to on stdin and stdout.

Source: docker/docker-credential-helpers. Secrets go through pipes, never into argv, a log or an
error: of what a helper says only its first line is shown, and only when it failed.
"""

from __future__ import annotations

import os
import shutil
import subprocess

from pypod.errors import RegistryError
from pypod.kernel import fastjson

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
_NOT_FOUND = "credentials not found in native keychain"
_HUB = "docker.io"
_HUB_URL = "https://index.docker.io/v1/"
"""What docker calls its hub in a helper."""


def get(helper: str, domain: str) -> tuple[str, str] | None:
    """Return (user name, secret) that a helper has for a registry. Raises RegistryError."""
    for server in (domain, _HUB_URL) if domain == _HUB else (domain,):
        said = _run(helper, "get", server)
        if said is None:
            continue
        document = _document(helper, said)
        user, secret = document.get("Username"), document.get("Secret")
        if not isinstance(user, str) or not isinstance(secret, str):
            raise RegistryError(f"{_program(helper)} get: no user name and secret in its answer")
        if secret:
            return user, secret
    return None


def store(helper: str, domain: str, user: str, secret: str) -> None:
    """Have a helper keep credentials. Raises RegistryError."""
    _run(
        helper,
        "store",
        fastjson.dumps({"ServerURL": domain, "Username": user, "Secret": secret}),
    )


def erase(helper: str, domain: str) -> bool:
    """Have a helper forget credentials; False when it has none. Raises RegistryError."""
    if get(helper, domain) is None:
        return False
    return _run(helper, "erase", domain) is not None


def servers(helper: str) -> list[str]:
    """Return what a helper has credentials for. Raises RegistryError."""
    return list(_document(helper, _run(helper, "list", "") or "{}"))


def _program(helper: str) -> str:
    return f"docker-credential-{ascii(helper)[1:-1][:50]}"


def _run(helper: str, verb: str, text: str) -> str | None:
    """Run a helper; return what it printed, None for `not found`. Raises RegistryError."""
    name = _program(helper)
    path = shutil.which(name) if helper and _NAME.issuperset(helper) else None
    if path is None:
        raise RegistryError(
            f"credential helper {name}: no such program in PATH",
            hint="install it, or take its name out of the file of credentials",
        )
    try:
        done = subprocess.run(
            [path, verb],
            input=text.encode("utf-8", "surrogateescape"),
            capture_output=True,
            check=False,
        )
    except OSError as error:
        raise RegistryError(f"{path}: {os.strerror(error.errno or 0)}") from None
    said = done.stdout.decode("utf-8", "replace")
    if done.returncode == 0:
        return said
    if _NOT_FOUND in said or _NOT_FOUND in done.stderr.decode("utf-8", "replace"):
        return None
    # Of `get` stdout may be a secret even now; of `store` it may be what it was given.
    line = done.stderr.decode("utf-8", "replace").strip().partition("\n")[0]
    shown = f": {ascii(line)[1:-1][:200]}" if line else ""
    raise RegistryError(f"{name} {verb} ended {done.returncode}{shown}")


def _document(helper: str, text: str) -> dict[str, Any]:
    try:
        document = fastjson.loads(text)
    except fastjson.BadJson:
        document = None
    if not isinstance(document, dict):
        raise RegistryError(f"{_program(helper)}: what it printed is no JSON object")
    return document
