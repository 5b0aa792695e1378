# SPDX-License-Identifier: Apache-2.0
"""Manifests and indexes said in another format, or with other layers: new values, nothing in place.

Sources: OCI image-spec 1.1 (manifest.md, image-index.md); docker image manifest v2, schema 2.
"""

from __future__ import annotations

from pypod.errors import RegistryError
from pypod.oci import manifest as oci
from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FORMATS = {"oci": oci.OCI_MANIFEST, "v2s2": oci.DOCKER_MANIFEST}
"""What --format calls them."""
_INDEX_OF = {oci.OCI_MANIFEST: oci.OCI_INDEX, oci.DOCKER_MANIFEST: oci.DOCKER_LIST}
_CONFIG_OF = {oci.OCI_MANIFEST: oci.OCI_CONFIG, oci.DOCKER_MANIFEST: oci.DOCKER_CONFIG}


class Document(Value):
    """A manifest or index as bytes: what its digest is of."""

    body: bytes
    media_type: str
    digest: str


def compression(layer: oci.Descriptor) -> str | None:
    """Return gzip, zstd, nothing for a plain tar, and None for what is no layer of files."""
    try:
        return layer.compression
    except RegistryError:
        return None


def layer_type(kind: str, packing: str) -> str:
    """Return the type of a layer in a manifest of this kind."""
    if kind == oci.OCI_MANIFEST:
        return oci.OCI_LAYER + (f"+{packing}" if packing else "")
    return oci.DOCKER_LAYER + (f".{packing}" if packing else "")


def manifest_as(
    document: dict[str, Any], kind: str, layers: tuple[oci.Descriptor, ...]
) -> dict[str, Any]:
    """Return a manifest as one of another kind, with these layers in place of its own.

    Within one kind everything else stays. docker's format has no annotations.
    """
    before = document.get("mediaType") or oci.OCI_MANIFEST
    same = before == kind
    entries = []
    for old, new in zip(document["layers"], layers, strict=True):
        kept = dict(old) if same else _plain(old, kind)
        packing = compression(new)
        kept["mediaType"] = new.media_type if packing is None else layer_type(kind, packing)
        if new.digest != old["digest"]:
            kept.pop("urls", None)
        kept["digest"], kept["size"] = new.digest, new.size
        entries.append(kept)
    config = dict(document["config"]) if same else _plain(document["config"], kind)
    if config.get("mediaType") in _CONFIG_OF.values():
        config["mediaType"] = _CONFIG_OF[kind]
    if same:
        return {**document, "layers": entries}
    made = {"schemaVersion": 2, "mediaType": kind, "config": config, "layers": entries}
    if kind == oci.OCI_MANIFEST and "annotations" in document:
        made["annotations"] = document["annotations"]
    return made


def _plain(entry: dict[str, Any], kind: str) -> dict[str, Any]:
    words = ["mediaType", "digest", "size"]
    if kind == oci.OCI_MANIFEST:
        words.append("annotations")
    return {word: entry[word] for word in words if word in entry}


def index_as(document: dict[str, Any], kind: str, entries: list[Document]) -> dict[str, Any]:
    """Return an index that names these, one for each of its own, as one for manifests of a kind."""
    before = document.get("mediaType") or oci.OCI_INDEX
    made = []
    for old, new in zip(document["manifests"], entries, strict=True):
        made.append(
            {**old, "mediaType": new.media_type, "digest": new.digest, "size": len(new.body)}
        )
    return {**document, "mediaType": _INDEX_OF.get(kind, before), "manifests": made}
