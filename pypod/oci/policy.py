# SPDX-License-Identifier: Apache-2.0
"""Which images are trusted: policy.json as a value, and which of its rules counts for an image.

Source: containers-policy.json(5). What the page does not know makes the whole file worthless: a
rule that was misspelt must not become no rule.
"""

from __future__ import annotations

import binascii

from pypod.errors import PypodError, UsageError
from pypod.oci import reference
from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pypod.oci.reference import Reference

ACCEPT, REJECT = "insecureAcceptAnything", "reject"
SIGNED_BY, SIGSTORE = "signedBy", "sigstoreSigned"
_KEYS = ("keyPath", "keyPaths", "keyData", "keyDatas")
_KEYLESS = ("fulcio", "pki", "rekorPublicKeyPath", "rekorPublicKeyPaths", "rekorPublicKeyData",
            "rekorPublicKeyDatas")  # fmt: skip
_IDENTITIES = {
    "matchExact": (),
    "matchRepoDigestOrExact": (),
    "matchRepository": (),
    "exactReference": ("dockerReference",),
    "exactRepository": ("dockerRepository",),
    "remapIdentity": ("prefix", "signedPrefix"),
}


class BadPolicy(PypodError):
    """The document is no policy."""


class Identity(Value):
    """Which name a signature must have been made for."""

    kind: str = "matchRepoDigestOrExact"
    value: str = ""
    """The reference, the repository or the prefix."""
    other: str = ""
    """What the prefix is in signatures."""


class Requirement(Value):
    """One thing that an image must fulfil."""

    kind: str
    key_paths: tuple[str, ...] = ()
    """Files; one of them holds the key."""
    key_data: tuple[bytes, ...] = ()
    """Keys that stand in the policy itself."""
    identity: Identity = Identity()
    cannot: str = ""
    """What of it pypod cannot verify; then it is never fulfilled."""


class Policy(Value):
    """The rules."""

    default: tuple[Requirement, ...]
    transports: tuple[tuple[str, tuple[tuple[str, tuple[Requirement, ...]], ...]], ...] = ()
    """Of each transport its scopes, of each scope what is required."""

    def rule(self, transport: str, scopes: list[str]) -> tuple[str, tuple[Requirement, ...]]:
        """Return the first of `scopes`, longest first, that has a rule, its name and the rule."""
        known = dict(dict(self.transports).get(transport, ()))
        for scope in (*scopes, ""):
            if scope in known:
                return f"{transport} {scope}".rstrip(), known[scope]
        return "default", self.default


def parse(document: Any) -> Policy:
    """Return the value of a policy. Raises BadPolicy, which names the key that is wrong."""
    found = _object(document, "the document", ("default",), ("transports",))
    transports = []
    for transport, scopes in _any_object(found.get("transports", {}), "transports").items():
        rules = []
        for scope, rule in _any_object(scopes, f"transports.{transport}").items():
            rules.append((scope, _rule(rule, f'transports.{transport}."{scope}"')))
        transports.append((transport, tuple(rules)))
    return Policy(_rule(found["default"], "default"), tuple(transports))


def _any_object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadPolicy(f"{where} is not an object")
    return value


def _object(
    value: Any, where: str, needed: tuple[str, ...], allowed: tuple[str, ...] = ()
) -> dict[str, Any]:
    found = _any_object(value, where)
    for key in needed:
        if key not in found:
            raise BadPolicy(f"{where} has no {key}")
    for key in found:
        if key not in needed and key not in allowed:
            raise BadPolicy(f"{where}: unknown key {ascii(key)[1:-1][:80]}")
    return found


def _text(found: dict[str, Any], key: str, where: str) -> str:
    value = found.get(key)
    if not isinstance(value, str) or not value:
        raise BadPolicy(f"{where}.{key} is not a text")
    return value


def _rule(value: Any, where: str) -> tuple[Requirement, ...]:
    if not isinstance(value, list) or not value:
        raise BadPolicy(f"{where} is not a list of requirements")
    return tuple(_requirement(one, f"{where}[{number}]") for number, one in enumerate(value))


def _requirement(value: Any, where: str) -> Requirement:
    kind = _text(_any_object(value, where), "type", where)
    if kind in (ACCEPT, REJECT):
        _object(value, where, ("type",))
        return Requirement(kind)
    if kind == SIGNED_BY:
        _object(value, where, ("type", "keyType"), (*_KEYS[:3], "signedIdentity"))
        cannot = "" if value["keyType"] == "GPGKeys" else f"keyType {value['keyType']!a:.50}"
        return _signed(kind, value, where, _KEYS[:3], cannot)
    if kind == SIGSTORE:
        _object(value, where, ("type",), (*_KEYS, *_KEYLESS, "signedIdentity"))
        cannot = ", ".join(key for key in _KEYLESS if key in value)
        if "fulcio" in value or "pki" in value:
            return Requirement(kind, cannot=cannot)
        return _signed(kind, value, where, _KEYS, cannot)
    if kind == "signedBaseLayer":
        return Requirement(kind, cannot="signedBaseLayer")
    raise BadPolicy(f"{where}: unknown requirement {ascii(kind)[1:-1][:80]}")


def _signed(
    kind: str, value: dict[str, Any], where: str, keys: tuple[str, ...], cannot: str
) -> Requirement:
    given = [key for key in keys if key in value]
    if len(given) != 1:
        raise BadPolicy(f"{where}: exactly one of {', '.join(keys)} is needed")
    key = given[0]
    words = [_text(value, key, where)] if key in ("keyPath", "keyData") else value[key]
    if not isinstance(words, list) or not words or not all(isinstance(one, str) for one in words):
        raise BadPolicy(f"{where}.{key} is not a list of texts")
    identity = _identity(value["signedIdentity"], where) if "signedIdentity" in value else None
    if key.startswith("keyPath"):
        return Requirement(kind, tuple(words), (), identity or Identity(), cannot)
    try:
        data = tuple(binascii.a2b_base64(word, strict_mode=True) for word in words)
    except ValueError:
        raise BadPolicy(f"{where}.{key} is not base64") from None
    return Requirement(kind, (), data, identity or Identity(), cannot)


def _identity(value: Any, where: str) -> Identity:
    where += ".signedIdentity"
    kind = _text(_any_object(value, where), "type", where)
    if kind not in _IDENTITIES:
        raise BadPolicy(f"{where}: unknown type {ascii(kind)[1:-1][:80]}")
    keys = _IDENTITIES[kind]
    _object(value, where, ("type", *keys))
    words = [_text(value, key, where) for key in keys]
    if kind.startswith("exact") and signed_name(words[0]) is None:
        raise BadPolicy(f"{where}.{keys[0]} is not the name of an image")
    return Identity(kind, *words)


def signed_name(text: str) -> Reference | None:
    """Return the name that a signature was made for; no tag where none stands there."""
    try:
        found = reference.parse(text)
    except UsageError:
        return None
    named = ":" in text.partition("@")[0].rpartition("/")[2]
    return found if named else found.replace(tag="")


def matches(identity: Identity, wanted: Reference | None, signed: str) -> bool:
    """Say whether a signature for `signed` counts for an image that was asked for as `wanted`."""
    name = signed_name(signed)
    if name is None:
        return False
    if identity.kind == "exactReference":
        return str(name) == str(signed_name(identity.value))
    if identity.kind == "exactRepository":
        other = signed_name(identity.value)
        return other is not None and name.repository == other.repository
    if wanted is None:
        return False
    if identity.kind == "matchRepository":
        return name.repository == wanted.repository
    if identity.kind == "matchExact":
        return bool(wanted.wanted) and str(name) == wanted.stored
    meant, tail = wanted.repository, wanted.stored[len(wanted.repository) :]
    if identity.kind == "remapIdentity" and (meant + "/").startswith(identity.value + "/"):
        meant = identity.other + meant[len(identity.value) :]
    if wanted.digest:  # the digest itself is compared with the manifest's
        return name.repository == meant
    return str(name) == meant + tail


def scopes_of(wanted: Reference) -> list[str]:
    """Return the scopes of a registry's image, longest first, `*.example.com` ones last."""
    found = [wanted.stored]
    parts = wanted.repository.split("/")
    found += ["/".join(parts[:count]) for count in range(len(parts), 0, -1)]
    host = wanted.domain.partition(":")[0] if not wanted.domain.startswith("[") else ""
    labels = wanted.domain.split(".") if host else []
    return found + ["*." + ".".join(labels[at:]) for at in range(1, len(labels))]


def scopes_of_path(path: str) -> list[str]:
    """Return the scopes of a file or directory: itself, then the directories above it."""
    parts = path.rstrip("/").split("/")
    return ["/".join(parts[:count]) for count in range(len(parts), 1, -1)]
