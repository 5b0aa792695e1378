# SPDX-License-Identifier: Apache-2.0
"""A registry's repository as a place that images are copied to."""

from __future__ import annotations

from pypod.engine import referrers, signature_place, signatures
from pypod.oci import manifest as oci
from pypod.oci import signed
from pypod.registry.referrers import add_tagged
from pypod.registry.upload import Upload
from pypod.transport import signature_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.engine.place import Read
    from pypod.oci.convert import Document
    from pypod.oci.manifest import Descriptor
    from pypod.oci.signed import Signature
    from pypod.registry.repository import Repository


class RegistryTarget:
    """Blobs that are there are not sent; the manifest gets its tags last."""

    kinds: tuple[str, ...] = oci.MANIFESTS
    plain_layers = False
    packs_layers = True
    several = True
    in_order = False

    def __init__(
        self,
        repository: Repository,
        tags: tuple[str, ...],
        mounts: dict[str, str] | None = None,
    ) -> None:
        """`tags` is empty for a push by digest; `mounts` says which repository has a blob."""
        assert repository.asked is not None
        self._where = repository.asked
        self.identity = str(repository.asked)
        self.noun = f"registry {repository.domain}"
        self._repository, self._upload = repository, Upload(repository)
        self._tags, self._mounts = tags, mounts or {}

    def connect(self) -> None:
        """Find the registry and log in. Raises RegistryError."""
        self._repository.connect()

    def has(self, blob: Descriptor) -> bool:
        """Ask the registry."""
        return self._upload.has(blob.digest)

    def put(self, blob: Descriptor, read: Read) -> None:
        """Upload a blob, or have it mounted from another repository."""
        self._upload.put(blob.digest, blob.size, read, self._mounts.get(blob.digest, ""))

    def put_manifest(self, document: Document, *, top: bool) -> None:
        """Upload a manifest, the top one under each tag."""
        for wanted in (self._tags if top else ()) or (document.digest,):
            self._upload.put_manifest(
                wanted, document.body, document.media_type, document.digest
            )

    def put_referrers(self, subject: str, found: list[tuple[Document, str]]) -> None:
        """Upload manifests that refer to one, and list them where the registry does not."""
        unlisted = []
        for document, kind in found:
            if not self._upload.put_manifest(
                document.digest, document.body, document.media_type, document.digest
            ):
                unlisted.append(referrers.entry_of(document, kind))
        if unlisted:
            add_tagged(self._repository, self._upload, subject, unlisted)

    def check_signatures(self, kinds: set[str]) -> None:
        """Raise PypodError unless registries.d says where signatures are written."""
        signature_place.check(kinds, self._where)

    def signatures_of(self, digest: str, kinds: set[str]) -> list[Signature]:
        """Return the signatures of these kinds that are there. Raises PypodError."""
        found: list[Signature] = []
        if signed.SIMPLE in kinds:
            found += map(signature_file.unpacked, signature_place.staged(self._where, digest))
        if signed.COSIGN in kinds:
            found += (one for one, _layer in signatures.attached(self._repository, digest))
        return found

    def put_signatures(self, digest: str, found: list[Signature], *, top: bool) -> None:
        """Write the signatures of a manifest, each kind to its own place."""
        simple = [one for one in found if one.kind == signed.SIMPLE]
        sigstore = [one for one in found if one.kind == signed.COSIGN]
        if simple:
            signature_place.stage(self._where, digest, simple)
        if sigstore:
            signature_place.attach(self._repository, self._upload, digest, sigstore)

    def finish(self) -> None:
        """All is there already."""

    def cancel(self) -> None:
        """Stop what is under way."""
        self._repository.cancel()

    def close(self) -> None:
        """Close the connections."""
        self._repository.close()
