# SPDX-License-Identifier: Apache-2.0
"""What is signed: the small document that names an image's manifest and what it may be called.

Source: atomic-signature(5) of containers/image, and cosign's SIGNATURE_SPEC; they differ in the
type alone. Read only after its signature was found good, and strictly all the same: a key that is
not understood might say that the signature counts for less.
"""

from __future__ import annotations

from pypod.errors import IntegrityError
from pypod.oci import digest as oci_digest
from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SIMPLE = "atomic container signature"
COSIGN = "cosign container image signature"
LAYER = "application/vnd.dev.cosign.simplesigning.v1+json"
"""Media type of a layer that holds such a document (cosign)."""
ANNOTATION = "dev.cosignproject.cosign/signature"
"""Of that layer: the signature in base64."""


_CREATOR = "pypod"


class Signature(Value):
    """A signature on its way from one place to another; nothing of it is believed."""

    kind: str
    """SIMPLE or COSIGN."""
    data: bytes
    """An OpenPGP message with the document in it, or cosign's document."""
    media_type: str = ""
    annotations: tuple[tuple[str, str], ...] = ()
    """cosign's: the signature itself is the one of ANNOTATION."""


class Signed(Value):
    """What a signature says."""

    digest: str
    """Of the manifest."""
    name: str
    """What the image was called."""


def parse(document: Any, kind: str) -> Signed:
    """Return what a document of this type says. Raises IntegrityError."""
    top = _object(document, "it", ("critical", "optional"), optional=("optional",))
    critical = _object(top["critical"], "critical", ("type", "image", "identity"))
    if critical["type"] != kind:
        raise IntegrityError(f"its type is {ascii(critical['type'])[:80]}, not {kind!r}")
    image = _object(critical["image"], "image", ("docker-manifest-digest",))
    identity = _object(critical["identity"], "identity", ("docker-reference",))
    name = identity["docker-reference"]
    if not isinstance(name, str):
        raise IntegrityError("docker-reference is not a text")
    more = top.get("optional")
    if more is not None and not isinstance(more, dict):
        raise IntegrityError("optional is not an object")
    return Signed(oci_digest.check(image["docker-manifest-digest"]), name)


def document(found: Signed, kind: str, seconds: int) -> dict[str, Any]:
    """Return the document of an image that is signed at a time, as containers/image writes it."""
    return {
        "critical": {
            "identity": {"docker-reference": found.name},
            "image": {"docker-manifest-digest": found.digest},
            "type": kind,
        },
        "optional": {"creator": _CREATOR, "timestamp": seconds},
    }


def attachment_tag(digest: str) -> str:
    """Return the tag under which cosign keeps the signatures of a manifest."""
    return f"sha256-{oci_digest.hex_of(digest)}.sig"


def is_companion(tag: str, *, signatures: bool) -> bool:
    """Say whether a tag holds no image, but what refers to one, or its signatures."""
    if signatures:
        tag = tag.removesuffix(".sig")
    return oci_digest.is_digest(tag.replace("-", ":", 1))


def _object(
    value: Any, where: str, keys: tuple[str, ...], *, optional: tuple[str, ...] = ()
) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise IntegrityError(f"{where} is not an object")
    for key in keys:
        if key not in value and key not in optional:
            raise IntegrityError(f"{where} has no {key}")
    for key in value:
        if key not in keys:
            raise IntegrityError(f"{where}: unknown key {ascii(key)[:80]}")
    return value
