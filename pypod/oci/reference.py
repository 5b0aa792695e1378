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

_DIGITS = frozenset("0123456789")
_LOWER = _DIGITS | frozenset("abcdefghijklmnopqrstuvwxyz")
_ALPHANUMERIC = _LOWER | frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_WORD = _ALPHANUMERIC | frozenset("_")
_HEX_OR_COLON = frozenset("0123456789abcdefABCDEF:.")
_SEPARATORS = frozenset("._-")


class Reference(Value):
    """A complete image name."""

    domain: str
    """Host and perhaps port of the registry."""
    path: str
    tag: str = ""
    digest: str = ""

    @property
    def repository(self) -> str:
        """The name without tag and digest."""
        return f"{self.domain}/{self.path}"

    @property
    def name(self) -> str:
        """The name with its tag, without a digest."""
        return f"{self.repository}:{self.tag}" if self.tag else self.repository

    @property
    def stored(self) -> str:
        """What index.json holds: `repository:tag`, or `repository@digest` when pulled by digest."""
        return f"{self.repository}@{self.digest}" if self.digest else self.name

    @property
    def wanted(self) -> str:
        """What a registry is asked for: the digest, else the tag."""
        return self.digest or self.tag

    @property
    def familiar(self) -> str:
        """The name as docker shows it: docker.io and library/ left out, the tag kept."""
        shown = str(self).removeprefix(f"{DEFAULT_DOMAIN}/")
        if self.domain == DEFAULT_DOMAIN and self.path.count("/") == 1:
            return shown.removeprefix("library/")
        return shown

    def __str__(self) -> str:
        return self.name + (f"@{self.digest}" if self.digest else "")


def parse(text: str) -> Reference:
    """Return the normal form: docker.io and library/ where they are left out, tag `latest`.

    Raises UsageError.
    """
    rest, at, digest = text.partition("@")
    if at and not oci_digest.is_digest(digest):
        raise _invalid(text, "the digest must be sha256: and 64 lower-case hex digits")
    domain, path = _split(rest)
    domain = domain or DEFAULT_DOMAIN
    path, colon, tag = path.partition(":")
    if domain in (DEFAULT_DOMAIN, "index.docker.io"):
        domain = DEFAULT_DOMAIN
        if "/" not in path:
            if len(path) == 64 and oci_digest.is_digest(f"sha256:{path}"):
                raise _invalid(text, "64 hex digits are an id and cannot be a name")
            path = "library/" + path if path else path
    problem = _domain_problem(domain) or _path_problem(path) or (_tag_problem(tag) if colon else "")
    if problem:
        raise _invalid(text, problem)
    if not tag and not digest:
        tag = "latest"
    return Reference(domain, path, tag, digest)


def _invalid(text: str, problem: str) -> UsageError:
    return UsageError(f"invalid reference {ascii(text)[:300]}: {problem}")


def _split(text: str) -> tuple[str, str]:
    """Split off the registry: a first part with a dot, a colon or a capital, or `localhost`."""
    first, slash, rest = text.partition("/")
    named = "." in first or ":" in first or first == LOCALHOST or first != first.lower()
    return (first, rest) if slash and named else ("", text)


def split_stored(name: str) -> tuple[str, str]:
    """Return repository and tag of a name as index.json holds it; no tag when it has a digest."""
    if "@" in name:
        return name.partition("@")[0], ""
    repository, _, tag = name.rpartition(":")
    return repository, tag


def is_short(text: str) -> bool:
    """Say whether a name has no registry in front."""
    return not _split(text)[0]


def candidates(text: str) -> list[str]:
    """Return the tagged names that a name may stand for in the store, most likely first.

    Empty for a name with a digest, which stands for whatever has that digest. Raises UsageError.
    """
    reference = parse(text)
    if reference.digest:
        return []
    names = [reference.name]
    if is_short(text):
        names.insert(0, local(text).name)
    return names


def local(text: str) -> Reference:
    """Return the name a user gives an image of this store: `x` is localhost/x (podman's rule).

    Raises UsageError.
    """
    return parse(f"{LOCALHOST}/{text}" if is_short(text) else text)


def ends_with(name: str, short: str) -> bool:
    """Say whether a stored name is of this short name: quay.io/a/b:1 of `b:1` and `a/b:1`.

    The tag is `latest` where `short` has none.
    """
    tagged = short if ":" in short.rpartition("/")[2] else f"{short}:latest"
    return name.endswith("/" + tagged)


def _domain_problem(domain: str) -> str:
    host, port = domain, ""
    if domain.startswith("["):
        host, bracket, rest = domain[1:].partition("]")
        if not bracket or not host or not _HEX_OR_COLON.issuperset(host):
            return "the registry's IPv6 address is not valid"
        if rest and not rest.startswith(":"):
            return "the registry's port is not a number"
        port = rest
    else:
        host, colon, digits = domain.partition(":")
        port = colon + digits
        for label in host.split("."):
            if not label or not _ALPHANUMERIC.issuperset(label.replace("-", "a")):
                return "the registry's name has characters that are not allowed"
            if label[0] == "-" or label[-1] == "-":
                return "a part of the registry's name begins or ends with a dash"
    if port and not (
        _DIGITS.issuperset(port[1:]) and 2 <= len(port) <= 6 and int(port[1:]) < 65536
    ):
        return "the registry's port is not a number"
    return "the registry's name is too long" if len(domain) > 255 else ""


def _path_problem(path: str) -> str:
    if not path or len(path) > 255:
        return "the repository name is empty or too long"
    if path != path.lower():
        return "repository name must be lowercase"
    for part in path.split("/"):
        if not part:
            return "the repository name has an empty part"
        if part[0] not in _LOWER or part[-1] not in _LOWER:
            return f"part {part!a} must begin and end with a letter or digit"
        separator = ""
        for char in part:
            if char in _LOWER:
                separator = ""
                continue
            separator += char
            # One dot, one or two underscores, any number of dashes (distribution-spec).
            if char not in _SEPARATORS or not (
                separator in (".", "_", "__") or separator.strip("-") == ""
            ):
                return f"part {part!a} has characters that are not allowed"
    return ""


def _tag_problem(tag: str) -> str:
    if not tag:
        return "the tag is empty"
    if tag[0] not in _WORD or len(tag) > 128 or not (_WORD | frozenset(".-")).issuperset(tag):
        return "the tag has characters that are not allowed"
    return ""
