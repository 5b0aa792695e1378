# SPDX-License-Identifier: Apache-2.0
"""What a registry has: repositories by a word.

Sources: docker registry API v1 (`GET /v1/search`, which Docker Hub and quay.io still answer), and
distribution's `GET /v2/_catalog`, which knows no words: the names are searched here.
"""

from __future__ import annotations

from urllib.parse import urlencode, urljoin

from pypod.errors import RegistryError
from pypod.oci.manifest import MANIFEST_BYTES_MOST
from pypod.registry import words
from pypod.registry.login import Refused
from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from pypod.registry.repository import Repository

_PAGE = 100
_PAGES_MOST = 1000


class Hit(Value):
    """A repository that was found; its name lacks the registry."""

    name: str
    description: str = ""
    stars: int = 0
    official: bool = False
    automated: bool = False


def search(repository: Repository, word: str, limit: int) -> list[Hit]:
    """Return at most `limit` repositories with a word in name or description.

    `repository` is any of the registry, connected. Raises RegistryError.
    """
    if word:
        try:
            return _v1(repository, word, limit)
        except Refused as error:
            if error.status in (401, 403):
                raise
    found: list[Hit] = []
    for name in _names(repository):
        if word in name:
            found.append(Hit(name))
        if len(found) >= limit:
            break
    return found


def _v1(repository: Repository, word: str, limit: int) -> list[Hit]:
    query = urlencode({"q": word, "n": limit})
    noun = f'searching {repository.domain} for "{word}"'
    with repository.ask(f"{repository.base}/v1/search?{query}", noun) as answer:
        page = words.document(answer.read(MANIFEST_BYTES_MOST, "the answer"))
    rows = page.get("results")
    if not isinstance(rows, list):
        raise Refused(f"{noun}: the answer is no list of repositories")
    return [hit for hit in map(_hit, rows) if hit is not None][:limit]


def _hit(row: Any) -> Hit | None:
    name = row.get("name") if isinstance(row, dict) else None
    if not isinstance(name, str) or not name:
        return None
    description, stars = row.get("description"), row.get("star_count")
    return Hit(
        name,
        description if isinstance(description, str) else "",
        stars if isinstance(stars, int) else 0,
        row.get("is_official") is True,
        row.get("is_automated") is True,
    )


def _names(repository: Repository) -> Iterator[str]:
    noun = f"listing the repositories of {repository.domain}"
    url = f"{repository.base}/v2/_catalog?n={_PAGE}"
    asked: set[str] = set()
    # A registry that leads in circles or elsewhere gets no more requests.
    while url and url not in asked and len(asked) < _PAGES_MOST:
        if not url.startswith(f"{repository.base}/"):
            raise RegistryError(f"{noun}: the next page is on another host")
        asked.add(url)
        with repository.ask(url, noun) as answer:
            page = words.document(answer.read(MANIFEST_BYTES_MOST, "the list of repositories"))
            following = words.next_page(answer.header("Link"))
            url = urljoin(url, following) if following else ""
        names = page.get("repositories")
        if not isinstance(names, list) or not names:
            return
        yield from (name for name in names if isinstance(name, str))
