# SPDX-License-Identifier: Apache-2.0
"""Looking for repositories on registries: the one that is named, else those of the search list."""

from __future__ import annotations

from pypod.engine import remote, workers
from pypod.errors import RegistryError, UsageError
from pypod.kernel import config, log
from pypod.oci import reference, registries
from pypod.oci.reference import Reference
from pypod.registry import catalog
from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.engine.remote import Access
    from pypod.kernel.paths import Places
    from pypod.registry.catalog import Hit

LIMIT = 25
"""Repositories of each registry, unless somebody says otherwise (podman's)."""
_HUB = "index.docker.io"
"""Where docker.io is searched; its images come from another host."""


class Filter(Value):
    """Which repositories are wanted."""

    stars: int = 0
    official: bool | None = None
    automated: bool | None = None

    def fits(self, hit: Hit) -> bool:
        """Say whether a repository is one of them."""
        return (
            hit.stars >= self.stars
            and self.official in (None, hit.official)
            and self.automated in (None, hit.automated)
        )


def parse_filter(texts: list[str]) -> Filter:
    """Return what --filter says: stars=N, is-official[=B], is-automated[=B]. UsageError."""
    found = Filter()
    for text in texts:
        key, equals, value = text.partition("=")
        if key == "stars" and value.isascii() and value.isdigit():
            found = found.replace(stars=int(value[:9]))
        elif key in ("is-official", "is-automated") and value in ("true", "false", ""):
            if equals and not value:
                raise UsageError(f'invalid filter "{text}": true or false')
            found = found.replace(**{key[3:]: value != "false"})
        else:
            raise UsageError(
                f'invalid filter "{text}"', hint="stars=NUMBER, is-official, is-automated"
            )
    return found


def search(
    places: Places, term: str, access: Access, limit: int, wanted: Filter
) -> list[tuple[str, Hit]]:
    """Return (registry, repository) of what is found, the name with its registry.

    One of several registries that fails is warned of. Raises RegistryError, UsageError.
    """
    named = "" if reference.is_short(term) else term.partition("/")[0]
    word = term.partition("/")[2] if named else term
    searched = [named] if named else list(config.load(places).registries.search)
    if not searched:
        raise UsageError(
            "no registry to search: unqualified-search-registries is empty",
            hint=f"pypod search docker.io/{term}",
        )
    if access.credentials is not None and len(set(searched)) > 1:
        raise UsageError(
            f"--creds are for one registry, and {', '.join(searched)} would be searched",
            hint=f"pypod search {searched[0]}/{term}",
        )
    found: list[tuple[str, Hit]] = []
    failures: list[RegistryError] = []
    for domain in dict.fromkeys(searched):
        try:
            hits = _one(places, domain, word, access, limit)
        except RegistryError as error:
            failures.append(error)
            continue
        found += [(domain, _full(domain, hit)) for hit in hits if wanted.fits(hit)]
    if len(failures) == len(set(searched)):
        raise failures[0]
    for failure in failures:
        log.warn(failure.message)
    return found


def _one(places: Places, domain: str, word: str, access: Access, limit: int) -> list[Hit]:
    asked = reference.parse(f"{domain}/a/a")
    place = registries.endpoints(config.load(places).registries, asked)[-1].reference
    if place.domain == reference.DEFAULT_DOMAIN:
        asked, access = Reference(_HUB, "a/a", "latest"), access.replace(credentials=None)
    repository = remote.repository(places, asked, access)

    def act() -> list[Hit]:
        repository.connect()
        return catalog.search(repository, word, limit)

    try:
        return workers.awake(act, repository.cancel)
    finally:
        repository.close()


def _full(domain: str, hit: Hit) -> Hit:
    library = "library/" if domain == reference.DEFAULT_DOMAIN and "/" not in hit.name else ""
    named: Hit = hit.replace(name=f"{domain}/{library}{hit.name}")
    return named


def tags(places: Places, term: str, access: Access, limit: int | None) -> tuple[str, list[str]]:
    """Return a repository's name and tags, all without a limit. Raises RegistryError."""
    wanted = reference.parse(term)
    if reference.is_short(term):
        raise UsageError(
            f"{term}: --list-tags takes a name with its registry",
            hint=f"pypod search --list-tags {wanted.repository}",
        )
    if wanted.digest or ":" in term.rpartition("/")[2]:
        raise UsageError(f"{term}: a repository has neither tag nor digest")
    repository = remote.repository(places, wanted, access)

    def act() -> list[str]:
        repository.connect()
        return repository.tags()

    try:
        return wanted.repository, workers.awake(act, repository.cancel)[:limit]
    finally:
        repository.close()
