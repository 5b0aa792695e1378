# SPDX-License-Identifier: Apache-2.0
"""Where signatures are looked for: registries.d as a value.

Source: containers-registries.d(5). The most exact scope that says something counts, for each
setting by itself; `sigstore` and `sigstore-staging` are the old names of `lookaside`'s two.
"""

from __future__ import annotations

from pypod.errors import PypodError
from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_OLD = {"sigstore": "lookaside", "sigstore-staging": "lookaside-staging"}
_KEYS = ("lookaside", "lookaside-staging", "use-sigstore-attachments")


class Place(Value):
    """What one scope says."""

    lookaside: str = ""
    staging: str = ""
    """Where signatures are written to, if not there."""
    attachments: bool | None = None


class Lookasides(Value):
    """All files together."""

    default: Place | None = None
    scopes: tuple[tuple[str, Place], ...] = ()

    def _places(self, scopes: list[str]) -> list[Place]:
        known = dict(self.scopes)
        found = [known[scope] for scope in scopes if scope in known]
        return found + ([self.default] if self.default is not None else [])

    def url(self, scopes: list[str]) -> str:
        """Return where signatures are read from; nothing where the default place is meant."""
        return next((one.lookaside for one in self._places(scopes) if one.lookaside), "")

    def writable(self, scopes: list[str]) -> str:
        """Return where signatures are written to; nothing where the default place is meant."""
        said = (one.staging or one.lookaside for one in self._places(scopes))
        return next((url for url in said if url), "")

    def attachments(self, scopes: list[str]) -> bool:
        """Say whether the registry itself is asked for sigstore signatures."""
        said = (one.attachments for one in self._places(scopes))
        return next((one for one in said if one is not None), False)


def merge(before: Lookasides, document: Any) -> Lookasides:
    """Return what was there and one file more. Raises PypodError for one that makes no sense."""
    if document is None:
        return before
    if not isinstance(document, dict):
        raise PypodError("not a mapping")
    for key in document:
        if key not in ("default-docker", "docker"):
            raise PypodError(f"unknown key {ascii(key)[:80]}")
    default, scopes = before.default, dict(before.scopes)
    if document.get("default-docker") is not None:
        if default is not None:
            raise PypodError("default-docker stands in another file too")
        default = _place(document["default-docker"], "default-docker")
    own = document.get("docker") or {}
    if not isinstance(own, dict):
        raise PypodError("docker is not a mapping")
    for scope, value in own.items():
        if not isinstance(scope, str) or scope in scopes:
            raise PypodError(f"scope {ascii(scope)[:80]} stands in another file too")
        scopes[scope] = _place(value, f"docker.{scope}")
    return Lookasides(default, tuple(scopes.items()))


def _place(value: Any, where: str) -> Place:
    if not isinstance(value, dict):
        raise PypodError(f"{where} is not a mapping")
    found: dict[str, Any] = {}
    for key, said in value.items():
        name = _OLD.get(key, key)
        if name not in _KEYS or name in found:
            raise PypodError(f"{where}: unknown key {ascii(key)[:80]}")
        wanted = bool if name == "use-sigstore-attachments" else str
        if not isinstance(said, wanted):
            raise PypodError(f"{where}.{key} is not a {'yes or no' if wanted is bool else 'text'}")
        found[name] = said
    urls = [found.get(key, "") for key in ("lookaside", "lookaside-staging")]
    for url in urls:
        if url and not url.startswith(("http://", "https://", "file:///")):
            raise PypodError(f"{where}: {ascii(url)[:100]}: an http, https or file URL is needed")
    read, write = (url.rstrip("/") for url in urls)
    return Place(read, write, found.get("use-sigstore-attachments"))
