# SPDX-License-Identifier: Apache-2.0
"""The YAML file of `image sync --src yaml`: which images of which registries, and how to get there.

Source: skopeo-sync(1). What is not known there is an error: a misspelt word must not mean
all images, or a registry without TLS.
"""

from __future__ import annotations

from pypod.errors import PypodError, UsageError
from pypod.kernel import yaml_file
from pypod.oci import digest as oci_digest
from pypod.oci import reference, semver
from pypod.registry.auth import Credentials
from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from pypod.engine.remote import Access

_IMAGES, _REGEX, _SEMVER = "images", "images-by-tag-regex", "images-by-semver"
_KEYS = (_IMAGES, _REGEX, _SEMVER, "credentials", "tls-verify", "cert-dir")


class Wanted(Value):
    """Images of one repository."""

    repository: str
    access: Access
    tags: tuple[str, ...] = ()
    """Tags and digests; none: all tags that `passes` lets through."""
    passes: Callable[[str], bool] | None = None


def read(path: str, access: Access) -> list[Wanted]:
    """Return what a file names; `access` holds where it says nothing. Raises PypodError."""
    document = yaml_file.read(path, plain=True)
    found: list[Wanted] = []
    for registry, given in _mapping(path, document).items():
        own = _mapping(f"{path}: {registry}", given)
        for key in own:
            if key not in _KEYS:
                raise PypodError(f"{path}: {registry}: {key}: not one of {', '.join(_KEYS)}")
        way = _access(f"{path}: {registry}", own, access)
        found += _of_registry(f"{path}: {registry}", registry, own, way)
    if not found:
        raise PypodError(f"{path}: no images to sync")
    return found


def _of_registry(
    noun: str, registry: str, own: dict[str, Any], access: Access
) -> Iterator[Wanted]:
    for name, words in _mapping(f"{noun}: {_IMAGES}", own.get(_IMAGES, {})).items():
        if words == "":
            words = []
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise PypodError(f"{noun}: {name}: tags must be a list of words")
        repository = _repository(noun, registry, name)
        for word in words:
            mark = "@" if oci_digest.is_digest(word) else ":"
            reference.parse(f"{repository}{mark}{word}")
        yield Wanted(repository, access, tuple(words))
    for key, compiled in ((_REGEX, _regex), (_SEMVER, _semver)):
        for name, text in _mapping(f"{noun}: {key}", own.get(key, {})).items():
            where = f"{noun}: {key}: {name}"
            if not isinstance(text, str) or not text:
                raise PypodError(f"{where}: one expression")
            yield Wanted(_repository(noun, registry, name), access, (), compiled(where, text))


def _repository(noun: str, registry: str, name: str) -> str:
    parsed = reference.parse(f"{registry}/{name}")
    if parsed.digest or ":" in name or parsed.domain != registry:
        raise PypodError(f"{noun}: {name}: not the name of a repository there")
    return parsed.repository


def _regex(noun: str, text: str) -> Callable[[str], bool]:
    import re

    try:
        pattern = re.compile(text)
    except re.error as error:
        raise PypodError(f"{noun}: {error}") from None
    return lambda tag: pattern.search(tag) is not None


def _semver(noun: str, text: str) -> Callable[[str], bool]:
    try:
        semver.compile(text)
    except UsageError as error:
        raise PypodError(f"{noun}: {error.message}") from None
    return lambda tag: semver.matches(text, tag)


def _access(noun: str, own: dict[str, Any], access: Access) -> Access:
    changes: dict[str, Any] = {}
    if "tls-verify" in own:
        if own["tls-verify"] not in ("true", "false"):
            raise PypodError(f"{noun}: tls-verify: true or false")
        changes["tls_verify"] = own["tls-verify"] == "true"
    if "cert-dir" in own:
        if not isinstance(own["cert-dir"], str):
            raise PypodError(f"{noun}: cert-dir: a directory")
        changes["cert_dir"] = own["cert-dir"]
    if "credentials" in own:
        given = _mapping(f"{noun}: credentials", own["credentials"])
        if set(given) != {"username", "password"}:
            raise PypodError(f"{noun}: credentials: username and password")
        changes["credentials"] = Credentials(str(given["username"]), str(given["password"]))
    made: Access = access.replace(**changes)
    return made


def _mapping(noun: str, value: object) -> dict[str, Any]:
    if value is None or value == "":
        return {}
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise PypodError(f"{noun}: must be a mapping of names")
    return value
