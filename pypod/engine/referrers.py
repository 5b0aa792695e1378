# SPDX-License-Identifier: Apache-2.0
"""What refers to a manifest is copied with it: signatures, SBOMs, and what refers to those.

Source: OCI image-spec 1.1 (`subject`) and distribution-spec 1.1 (listing referrers). They say
something of one manifest: of one that was changed on its way they say nothing.
"""

from __future__ import annotations

from pypod.engine import image_peek, signatures
from pypod.errors import IntegrityError, PypodError, RegistryError
from pypod.kernel import fastjson, log
from pypod.oci import manifest as oci
from pypod.registry.login import NotThere, Refused
from pypod.transport.oci_layout import LayoutSource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol, TypeGuard

    from pypod.engine.place import Source, Target
    from pypod.oci.convert import Document
    from pypod.oci.manifest import Descriptor

    class Listing(Target, Protocol):
        """A target that keeps what refers to a manifest."""

        def put_referrers(self, subject: str, found: list[tuple[Document, str]]) -> None:
            """Write manifests that refer to one, each with the type of what it is."""


_MOST = 1000
"""Of one image, those of those too."""
_DEPTH_MOST = 4


def is_kept(target: Target) -> TypeGuard[Listing]:
    """Say whether a target keeps what refers to a manifest."""
    return hasattr(target, "put_referrers")


class Referrers:
    """Copies them from one place to another."""

    def __init__(
        self, source: Source, target: Target, put: Callable[[Descriptor], None]
    ) -> None:
        """`put` copies a blob."""
        self._source, self._target, self._put = source, target, put
        self._seen: set[str] = set()

    def copy(self, subject: str, depth: int = 1) -> None:
        """Copy what refers to a manifest. Raises PypodError."""
        if not is_kept(self._target):
            return
        found = []
        fresh = {one.digest: one for one in self._listed(subject) if one.digest not in self._seen}
        self._seen.update(fresh)
        if len(self._seen) > _MOST or (fresh and depth > _DEPTH_MOST):
            raise PypodError(
                f"more refers to the image than can be copied: {_MOST} manifests,"
                f" {_DEPTH_MOST} deep",
                hint="--referrers=false leaves it out",
            )
        for entry in fresh.values():
            one = self._one(entry, subject)
            if one is not None:
                found.append(one)
        if not found:
            return
        self._target.put_referrers(subject, found)
        for document, _kind in found:
            self.copy(document.digest, depth + 1)

    def _listed(self, subject: str) -> list[Descriptor]:
        if isinstance(self._source, LayoutSource):
            return self._source.referrers(subject)
        if not signatures.is_registry(self._source):
            return []
        from pypod.registry import referrers

        try:
            return referrers.listed(self._source, subject)
        except Refused as error:
            if error.status >= 500:
                raise
            log.warn(f"what refers to the image is not copied: {error.message}")
            return []

    def _one(self, entry: Descriptor, subject: str) -> tuple[Document, str] | None:
        """Copy the blobs of one; return its manifest and its type."""
        try:
            document = image_peek.document(self._source, entry.digest)
            parsed = image_peek.parse(document)
        except RegistryError as error:
            # Another kind of manifest, or one that was deleted and is still listed under a tag.
            if type(error) is not RegistryError and not isinstance(error, NotThere):
                raise
            log.warn(f"{entry.digest[:19]} refers to the image, not copied: {error.message}")
            return None
        body: dict[str, Any] = fastjson.loads(document.body)
        if subject_of(body) != subject:
            raise IntegrityError(
                f"manifest {entry.digest} is listed as one that refers to {subject}: it does not"
            )
        if not isinstance(parsed, oci.Manifest) or parsed.media_type != oci.OCI_MANIFEST:
            log.warn(f"{entry.digest[:19]} refers to the image and is an index: not copied")
            return None
        for blob in dict.fromkeys((parsed.config, *parsed.layers)):
            self._put(blob)
        kind = body.get("artifactType") or parsed.config.media_type
        return document, kind if isinstance(kind, str) else ""


def subject_of(document: dict[str, Any]) -> str:
    """Return the digest of what a manifest refers to; nothing for most."""
    subject = document.get("subject")
    found = subject.get("digest") if isinstance(subject, dict) else None
    return found if isinstance(found, str) else ""


def entry_of(document: Document, kind: str) -> dict[str, Any]:
    """Return a referrer's entry in a list of referrers (distribution-spec, listing referrers)."""
    made: dict[str, Any] = {
        "mediaType": document.media_type,
        "digest": document.digest,
        "size": len(document.body),
        "artifactType": kind,
    }
    notes = fastjson.loads(document.body).get("annotations")
    return {**made, "annotations": notes} if isinstance(notes, dict) and notes else made
