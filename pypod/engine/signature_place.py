# SPDX-License-Identifier: Apache-2.0
"""Where a registry's signatures are written: sigstore's beside the image, OpenPGP's in files.

Sources: cosign's SIGNATURE_SPEC; signature-protocols.md and containers-registries.d(5) of
containers/image. A signature that is there stays, one more is put behind it.
"""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from pypod.engine import signatures
from pypod.errors import PypodError
from pypod.kernel import fastjson, trust_files
from pypod.oci import digest as oci_digest
from pypod.oci import manifest as oci
from pypod.oci import policy, signed
from pypod.store import blobs
from pypod.transport import files, signature_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pypod.oci.reference import Reference
    from pypod.oci.signed import Signature
    from pypod.registry.repository import Repository
    from pypod.registry.upload import Upload


def check(kinds: set[str], where: Reference) -> None:
    """Raise PypodError unless registries.d says where signatures of these kinds are written."""
    found = trust_files.lookasides()
    if signed.COSIGN in kinds and not found.attachments(policy.scopes_of(where)):
        raise PypodError(
            f"{where}: sigstore's signatures are written to the registry itself, and registries.d"
            " does not say use-sigstore-attachments",
            hint=f"docker: {{{where.domain}: {{use-sigstore-attachments: true}}}}"
            " in a file of ~/.config/containers/registries.d",
        )
    if signed.SIMPLE in kinds:
        _directory(where, "")


def _directory(where: Reference, digest: str) -> str:
    """Return where the OpenPGP signatures of a manifest are written. Raises PypodError."""
    base = trust_files.lookasides().writable(policy.scopes_of(where))
    parts = urlsplit(base or trust_files.default_lookaside())
    if parts.scheme != "file":
        raise PypodError(
            f"{where}: signatures cannot be written to {parts.scheme}://{parts.hostname}",
            hint="registries.d: lookaside-staging: file:///DIRECTORY, to be copied to the server",
        )
    name = f"@sha256={oci_digest.hex_of(digest)}" if digest else ""
    return f"{unquote(parts.path)}/{where.path}{name}"


def staged(where: Reference, digest: str) -> list[bytes]:
    """Return the files of signatures where those of a manifest are written. Raises PypodError."""
    box = files.Directory(_directory(where, digest))
    there: list[bytes] = []
    while box.has(f"signature-{len(there) + 1}"):
        there.append(box.small(f"signature-{len(there) + 1}"))
    return there


def stage(where: Reference, digest: str, fresh: list[Signature]) -> None:
    """Write OpenPGP signatures of a manifest to its lookaside place. Raises PypodError."""
    directory, there = _directory(where, digest), staged(where, digest)
    files.make_directory(directory)
    for data in map(signature_file.packed, fresh):
        if data not in there:
            there.append(data)
            files.write(directory, f"signature-{len(there)}", [data])


def attach(
    repository: Repository, upload: Upload, digest: str, fresh: list[Signature]
) -> None:
    """Write sigstore's signatures of a manifest to its registry. Raises RegistryError."""
    from pypod.registry.login import NotThere

    tag = signed.attachment_tag(digest)
    there = [one for one, _layer in signatures.attached(repository, digest)]
    missing = [one for one in fresh if one not in there]
    if not missing:
        return
    layers: list[dict[str, Any]] = []
    try:
        layers = fastjson.loads(repository.manifest(tag)[0])["layers"]
    except NotThere:
        pass
    for one in missing:
        layers.append(_put(upload, one.data, one.media_type, dict(one.annotations)))
    # What is signed is not packed: its digest is its diff_id.
    rootfs = {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]}
    config = fastjson.dumps({"architecture": "", "os": "", "config": {}, "rootfs": rootfs})
    document = {
        "schemaVersion": 2,
        "mediaType": oci.OCI_MANIFEST,
        "config": _put(upload, config.encode(), oci.OCI_CONFIG),
        "layers": layers,
    }
    body = fastjson.dumps(document).encode()
    upload.put_manifest(tag, body, oci.OCI_MANIFEST, blobs.digest_of(body))


def _put(
    upload: Upload, data: bytes, media_type: str, notes: dict[str, str] | None = None
) -> dict[str, Any]:
    digest = blobs.digest_of(data)
    if not upload.has(digest):
        upload.put(digest, len(data), lambda offset: [data[offset:]])
    made: dict[str, Any] = {"mediaType": media_type, "digest": digest, "size": len(data)}
    return {**made, "annotations": notes} if notes else made
