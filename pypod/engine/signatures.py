# SPDX-License-Identifier: Apache-2.0
"""Fetching signatures: from lookaside places, beside the image in its registry, from directories.

Source: signature-protocols.md of containers/image (PATH@sha256=HEX/signature-N, from 1 on until
one is missing) and cosign's SIGNATURE_SPEC (an image under the tag sha256-HEX.sig). What is not
there is no error here: the policy says whether one is needed. What cannot be asked for is one.
"""

from __future__ import annotations

import os
import sys
from urllib.parse import unquote, urlsplit

from pypod.engine.place import small
from pypod.errors import BodyCut, IntegrityError, PypodError, RegistryError
from pypod.kernel import strictjson, trust_files
from pypod.oci import digest as oci_digest
from pypod.oci import manifest as oci
from pypod.oci import policy, signed
from pypod.oci.reference import Reference
from pypod.oci.signed import Signature
from pypod.transport import signature_file
from pypod.transport.plain_dir import PlainDirSource
from pypod.transport.signature_file import COUNT_MOST, SIZE_MOST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypeGuard

    from pypod.engine.place import Source
    from pypod.registry.client import Client
    from pypod.registry.repository import Repository

_IDLE_SECONDS = 30.0
_NEVER = ("certificate", "tls", "name")
"""What another try does not change."""


def of(source: Source, digest: str, kind: str = "") -> Iterator[Signature]:
    """Yield the signatures of a manifest, all or those of a kind, where its place keeps any.

    Raises PypodError, RegistryError, IntegrityError.
    """
    found: Iterator[Signature] = iter(())
    if isinstance(source, PlainDirSource):
        found = map(signature_file.unpacked, source.signatures(digest))
    elif is_registry(source):
        found = _of_registry(source, digest, kind)
    return (one for one in found if kind in ("", one.kind))


def is_registry(source: object) -> TypeGuard[Repository]:
    """Say whether a place is a registry's repository. Without requests there is none."""
    module = sys.modules.get("pypod.registry.repository")
    return module is not None and isinstance(source, module.Repository)


def place(repository: Repository) -> Reference:
    """Return the name of an image where it really lies: signatures are looked for there."""
    asked = repository.asked
    tag, digest = (asked.tag, asked.digest) if asked else ("", "")
    return Reference(repository.domain, repository.path, tag, digest)


def are_attached(repository: Repository) -> bool:
    """Say whether registries.d wants sigstore's signatures in this registry. Raises PypodError."""
    return trust_files.lookasides().attachments(policy.scopes_of(place(repository)))


def _of_registry(repository: Repository, digest: str, kind: str) -> Iterator[Signature]:
    yield from _lookaside(repository, digest)
    if kind != signed.SIMPLE and are_attached(repository):
        yield from (one for one, _layer in attached(repository, digest))


def _lookaside(repository: Repository, digest: str) -> Iterator[Signature]:
    where = place(repository)
    found = trust_files.lookasides().url(policy.scopes_of(where))
    base = found or trust_files.default_lookaside()
    base += f"/{where.path}@sha256={oci_digest.hex_of(digest)}"
    parts = urlsplit(base)
    client = None
    if parts.scheme != "file":
        from pypod.registry.client import Client

        host = parts.netloc.rpartition("@")[2]
        client = Client(host, verify=True, idle_seconds=_IDLE_SECONDS)
    try:
        for number in range(1, COUNT_MOST + 1):
            name = f"/signature-{number}"
            if client:
                data = _get(client, base + name, repository)
            else:
                data = _read(unquote(parts.path) + name)
            if data is None:
                return
            yield signature_file.unpacked(data)
    finally:
        if client:
            client.close()


def _read(path: str) -> bytes | None:
    if not os.path.lexists(path):
        return None
    return trust_files.read(path)[:SIZE_MOST]


def _get(client: Client, url: str, repository: Repository) -> bytes | None:
    """Return a signature, None where the place says that there is none; try again as with blobs.

    Only 404 says so: with any other answer there may be one, perhaps one that matters.
    """
    from pypod.registry.client import Unreachable, shown
    from pypod.registry.repository import PASSING

    patience = repository.patience
    for attempt in range(1, patience.tries + 1):
        try:
            with client.request(url) as answer:
                if answer.status == 404:
                    return None
                if answer.status == 200:
                    return answer.read(SIZE_MOST, "the signature")
                after = answer.header("Retry-After")
                noun = f"looking for a signature: {shown(url)}"
                said = RegistryError(f"{noun}: status {answer.status}")
                if answer.status not in PASSING:
                    raise said
        except Unreachable as error:
            # A host that is not there at all is asked once, or as often as --retry says.
            least = patience.connects if error.kind == "refused" else patience.tries
            if error.kind in _NEVER or attempt >= least:
                raise
            after, said = "", error
        except BodyCut as error:
            after, said = "", RegistryError(error.message)
        if attempt < patience.tries:
            repository.wait(attempt, after)
    raise said


def attached(repository: Repository, digest: str) -> Iterator[tuple[Signature, oci.Descriptor]]:
    """Yield sigstore's signatures of a manifest in its registry, with where each lies.

    Raises RegistryError, IntegrityError.
    """
    from pypod.registry.login import NotThere

    try:
        body, media_type, _digest = repository.manifest(signed.attachment_tag(digest))
    except NotThere:
        return
    document = strictjson.loads(body, "the list of signatures")
    parsed = oci.parse(document, media_type)
    if not isinstance(parsed, oci.Manifest):
        raise IntegrityError("the list of signatures is not a manifest")
    for layer, entry in list(zip(parsed.layers, document["layers"], strict=True))[:COUNT_MOST]:
        if layer.media_type != signed.LAYER or layer.size > SIZE_MOST:
            continue
        notes = signature_file.notes_of(entry.get("annotations"))
        yield Signature(signed.COSIGN, small(repository, layer), layer.media_type, notes), layer


def keys(requirement: policy.Requirement) -> list[tuple[str, bytes]]:
    """Return name and bytes of each key of a requirement. Raises PypodError."""
    found = [(path, trust_files.read(path)) for path in requirement.key_paths]
    found += [("keyData of the policy", data) for data in requirement.key_data]
    if not found:
        raise PypodError("the policy names no key")
    return found
