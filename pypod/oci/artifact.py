# SPDX-License-Identifier: Apache-2.0
"""Artifacts: manifests that name any files. Source: OCI image-spec 1.1, manifest.md (artifacts).

>>> safe_title("notes.txt")
'notes.txt'
>>> safe_title("../x")
''
"""

from __future__ import annotations

from pypod.oci.manifest import OCI_MANIFEST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

TITLE = "org.opencontainers.image.title"
UNKNOWN_TYPE = "application/vnd.unknown.artifact.v1"
"""Of an artifact whose maker says nothing (podman's, oras's)."""
EMPTY = b"{}"
"""The configuration of an artifact that has none."""
_EMPTY_DESCRIPTOR = {
    "mediaType": "application/vnd.oci.empty.v1+json",
    "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
    "size": 2,
    "data": "e30=",
}


def fresh(kind: str) -> dict[str, Any]:
    """Return the manifest of an artifact without files."""
    return {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": kind or UNKNOWN_TYPE,
        "config": dict(_EMPTY_DESCRIPTOR),
        "layers": [],
    }


def title_of(layer: dict[str, Any]) -> str:
    """Return the file name of a layer as its maker wrote it, nothing where there is none."""
    notes = layer.get("annotations")
    title = notes.get(TITLE, "") if isinstance(notes, dict) else ""
    return title if isinstance(title, str) else ""


def safe_title(title: str) -> str:
    """Return a title that names a file of one directory and nothing else; nothing for others."""
    if title in ("", ".", "..") or "/" in title or not title.isprintable():
        return ""
    return title if len(title.encode("utf-8", "replace")) <= 255 else ""


def file_type(name: str, first: bytes) -> str:
    """Return the media type of a file by its first bytes, and for JSON by its name."""
    for magic, kind in _MAGIC:
        if first.startswith(magic):
            return kind
    try:
        # The last character may be cut in two.
        first[:-3].decode() if len(first) > 3 else first.decode()
    except UnicodeDecodeError:
        return "application/octet-stream"
    if b"\0" in first:
        return "application/octet-stream"
    if name.endswith(".json"):
        return "application/json"
    return "text/plain; charset=utf-8"


_MAGIC = (
    (b"\x1f\x8b\x08", "application/gzip"),
    (b"\x28\xb5\x2f\xfd", "application/zstd"),
    (b"PK\x03\x04", "application/zip"),
    (b"%PDF-", "application/pdf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
)
