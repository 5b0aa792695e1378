# SPDX-License-Identifier: Apache-2.0
"""Fetching signatures: OpenPGP ones from lookaside places, sigstore ones from the registry.

Source: signature-protocols.md of containers/image (PATH@sha256=HEX/signature-N, from 1 on until
one is missing) and cosign's SIGNATURE_SPEC (an image under the tag sha256-HEX.sig). What is not
there is no error here: the policy says whether one is needed.
"""

from __future__ import annotations

import os
from urllib.parse import unquote, urlsplit

from pypod.engine.place import small
from pypod.errors import IntegrityError, PypodError, RegistryError
from pypod.kernel import strictjson, trust_files
from pypod.oci import digest as oci_digest
from pypod.oci import manifest as oci
from pypod.oci import policy, signed
from pypod.registry.client import Client
from pypod.registry.login import NotThere

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pypod.oci.lookaside import Lookasides
    from pypod.oci.reference import Reference
    from pypod.registry.repository import Repository

COUNT_MOST = 128
"""Signatures of one image that are looked at."""
_SIZE_MOST = 1 << 20
_IDLE_SECONDS = 30.0


def openpgp(found: Lookasides, origin: Reference, digest: str) -> Iterator[bytes]:
    """Yield the signatures of a manifest that a lookaside place has. Raises PypodError."""
    base = found.url(policy.scopes_of(origin)) or trust_files.default_lookaside()
    base += f"/{origin.path}@sha256={oci_digest.hex_of(digest)}"
    parts = urlsplit(base)
    client = None
    if parts.scheme != "file":
        client = Client(parts.netloc, verify=True, idle_seconds=_IDLE_SECONDS)
    try:
        for number in range(1, COUNT_MOST + 1):
            name = f"/signature-{number}"
            data = _get(client, base + name) if client else _read(unquote(parts.path) + name)
            if data is None:
                return
            yield data
    finally:
        if client:
            client.close()


def _read(path: str) -> bytes | None:
    if not os.path.lexists(path):
        return None
    return trust_files.read(path)[:_SIZE_MOST]


def _get(client: Client, url: str) -> bytes | None:
    with client.request(url) as answer:
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise RegistryError(f"looking for a signature: {url}: status {answer.status}")
        return answer.read(_SIZE_MOST, "the signature")


def attached(repository: Repository, digest: str) -> Iterator[tuple[object, bytes]]:
    """Yield (signature as it stands in the annotation, what was signed) of a manifest.

    Raises RegistryError, IntegrityError.
    """
    try:
        body, media_type, _digest = repository.manifest(signed.attachment_tag(digest))
    except NotThere:
        return
    document = strictjson.loads(body, "the list of signatures")
    parsed = oci.parse(document, media_type)
    if not isinstance(parsed, oci.Manifest):
        raise IntegrityError("the list of signatures is not a manifest")
    for layer, entry in list(zip(parsed.layers, document["layers"], strict=True))[:COUNT_MOST]:
        if layer.media_type != signed.LAYER or layer.size > _SIZE_MOST:
            continue
        notes = entry.get("annotations")
        yield (
            (notes if isinstance(notes, dict) else {}).get(signed.ANNOTATION),
            small(repository, layer),
        )


def keys(requirement: policy.Requirement) -> list[tuple[str, bytes]]:
    """Return name and bytes of each key of a requirement. Raises PypodError."""
    found = [(path, trust_files.read(path)) for path in requirement.key_paths]
    found += [("keyData of the policy", data) for data in requirement.key_data]
    if not found:
        raise PypodError("the policy names no key")
    return found
