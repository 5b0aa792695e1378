# SPDX-License-Identifier: Apache-2.0
"""Image names: `[domain/]path[:tag][@digest]` (OCI distribution-spec; docker's normal form).

>>> str(parse("busybox"))
'docker.io/library/busybox:latest'
>>> str(parse("localhost:5000/a/b:1"))
'localhost:5000/a/b:1'
"""

from __future__ import annotations

from pypod.errors import UsageError
from pypod.oci import digest as oci_digest
from pypod.value import Value

DEFAULT_DOMAIN = "docker.io"
LOCALHOST = "localhost"
EMBEDDED = "localhost/pypod/hello:latest"
"""The image that comes with pypod; the short name `pypod/hello` stands for it."""

_LOWER = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_WORD = _LOWER | frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ_")
_DOMAIN = _LOWER | frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ.-:[]")


class Reference(Value):
    """A complete image name."""

    domain: str
    path: str
    tag: str = ""
    digest: str = ""

    @property
    def repository(self) -> str:
        """The name without tag and digest."""
        return f"{self.domain}/{self.path}"

    @property
    def name(self) -> str:
        """The name with its tag, without a digest: what index.json holds."""
        return f"{self.repository}:{self.tag}" if self.tag else self.repository

    @property
    def wanted(self) -> str:
        """What a registry is asked for: the digest, else the tag."""
        return self.digest or self.tag

    def __str__(self) -> str:
        return self.name + (f"@{self.digest}" if self.digest else "")


def parse(text: str) -> Reference:
    """Return the normal form: docker.io and library/ where they are left out, tag `latest`.

    Raises UsageError.
    """
    rest, at, digest = text.partition("@")
    if at and not oci_digest.is_digest(digest):
        raise UsageError(f'invalid reference "{text}": the digest must be sha256: and 64 hex digits')
    first, slash, remainder = rest.partition("/")
    if slash and ("." in first or ":" in first or first == LOCALHOST or first != first.lower()):
        domain, path = first, remainder
    else:
        domain, path = DEFAULT_DOMAIN, rest
    path, colon, tag = path.partition(":")
    if domain in (DEFAULT_DOMAIN, "index.docker.io"):
        domain = DEFAULT_DOMAIN
        if "/" not in path:
            path = "library/" + path
    problem = _problem(domain, path, tag, bool(colon))
    if problem:
        raise UsageError(f'invalid reference "{text}": {problem}')
    if not tag and not digest:
        tag = "latest"
    return Reference(domain, path, tag, digest)


def is_short(text: str) -> bool:
    """Say whether a name has no registry in front."""
    first, slash, _ = text.partition("/")
    return not (slash and ("." in first or ":" in first or first == LOCALHOST))


def candidates(text: str) -> list[str]:
    """Return the complete names that a name may stand for in the store, most likely first."""
    reference = parse(text)
    names = [str(reference)] if not reference.digest else []
    if is_short(text):
        plain = text.partition("@")[0]
        path, _, tag = plain.rpartition(":") if ":" in plain.rpartition("/")[2] else (plain, "", "")
        names.insert(0, f"{LOCALHOST}/{path}:{tag or 'latest'}")
    return names


def _problem(domain: str, path: str, tag: str, colon: bool) -> str:
    if not domain or not _DOMAIN.issuperset(domain):
        return "the registry's name has characters that are not allowed"
    if not path or len(path) > 255:
        return "the repository name is empty or too long"
    for part in path.split("/"):
        if not part:
            return "the repository name has an empty part"
        if part != part.lower():
            return "repository name must be lowercase"
        if part[0] not in _LOWER or part[-1] not in _LOWER:
            return f"part {part!r} must begin and end with a letter or digit"
        if not (_LOWER | frozenset("._-")).issuperset(part):
            return f"part {part!r} has characters that are not allowed"
    if colon and not tag:
        return "the tag is empty"
    if tag and (tag[0] not in _WORD or len(tag) > 128 or not (_WORD | frozenset(".-")).issuperset(tag)):
        return "the tag has characters that are not allowed"
    return ""
