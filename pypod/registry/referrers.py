# SPDX-License-Identifier: Apache-2.0
"""What refers to a manifest in a registry: signatures, SBOMs, attestations.

Source: OCI distribution-spec 1.1, listing referrers, and the tag that stands in for it where a
registry has no such list (referrers tag schema).
"""

from __future__ import annotations

from urllib.parse import urljoin

from pypod.errors import RegistryError
from pypod.kernel import fastjson, strictjson
from pypod.oci import digest as oci_digest
from pypod.oci import manifest as oci
from pypod.registry import words
from pypod.registry.login import NotThere, Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pypod.oci.manifest import Descriptor
    from pypod.registry.repository import Repository
    from pypod.registry.upload import Upload

_NO_LIST = (400, 404, 405, 406, 415, 501)
"""Answers of registries that do not know the question."""
_PAGES_MOST = 100
MOST = 1000
"""What refers to one manifest; once more is there, no more is asked for."""


def tag_of(digest: str) -> str:
    """Return the tag that stands in for the list of a manifest's referrers."""
    return f"sha256-{oci_digest.hex_of(digest)}"


def listed(repository: Repository, digest: str) -> list[Descriptor]:
    """Return what refers to a manifest. Raises RegistryError, IntegrityError."""
    noun = f"listing what refers to {digest} in {repository.domain}/{repository.path}"
    url = f"{repository.url}/referrers/{oci_digest.check(digest)}"
    found: list[Descriptor] = []
    asked: set[str] = set()
    # A registry that leads in circles gets no more requests.
    while url and url not in asked and len(found) <= MOST:
        if len(asked) == _PAGES_MOST:
            raise RegistryError(f"{noun}: more than {_PAGES_MOST} pages")
        if not url.startswith(f"{repository.base}/"):
            raise RegistryError(f"{noun}: the next page is on another host")
        asked.add(url)
        try:
            with repository.ask(url, noun, {"Accept": oci.OCI_INDEX}) as answer:
                body = answer.read(oci.MANIFEST_BYTES_MOST, "the list of referrers")
                following = words.next_page(answer.header("Link"))
                if answer.header("Content-Type").partition(";")[0].strip() != oci.OCI_INDEX:
                    return _tagged(repository, digest)  # a page for people: no such list
        except Refused as error:
            if error.status in _NO_LIST:
                return _tagged(repository, digest)
            raise
        found += _entries(body, oci.OCI_INDEX)
        url = urljoin(url, following) if following else ""
    return list({entry.digest: entry for entry in found}.values())


def _entries(body: bytes, content_type: str) -> list[Descriptor]:
    parsed = oci.parse(strictjson.loads(body, "the list of referrers"), content_type)
    return list(parsed.manifests) if isinstance(parsed, oci.Index) else []


def _tagged(repository: Repository, digest: str) -> list[Descriptor]:
    try:
        body, content_type, _digest = repository.manifest(tag_of(digest))
    except NotThere:
        return []
    return _entries(body, content_type)


def add_tagged(
    repository: Repository, upload: Upload, subject: str, entries: list[dict[str, Any]]
) -> None:
    """Put entries into the list under a tag, for a registry that keeps none itself.

    Two that do so at once may lose one's entries: the specification has no lock.
    """
    from hashlib import sha256

    document: dict[str, Any] = {"schemaVersion": 2, "mediaType": oci.OCI_INDEX, "manifests": []}
    try:
        body, content_type, _digest = repository.manifest(tag_of(subject))
        _entries(body, content_type)
        found = fastjson.loads(body)
        document = found if isinstance(found.get("manifests"), list) else document
    except NotThere:
        pass
    there = {entry["digest"] for entry in document["manifests"]}
    fresh = [entry for entry in entries if entry["digest"] not in there]
    if not fresh:
        return
    document["manifests"] += fresh
    body = fastjson.dumps(document).encode()
    digest = f"sha256:{sha256(body).hexdigest()}"
    upload.put_manifest(tag_of(subject), body, oci.OCI_INDEX, digest)
