# SPDX-License-Identifier: Apache-2.0
"""An image looked at where it is: its manifest and configuration, verified, and nothing else."""

from __future__ import annotations

from pypod.engine import workers
from pypod.engine.place import small
from pypod.errors import IntegrityError, RegistryError
from pypod.kernel import strictjson
from pypod.oci import location, reference
from pypod.oci import manifest as oci
from pypod.oci.convert import Document
from pypod.store import blobs
from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pypod.engine.place import Source
    from pypod.oci.location import Location
    from pypod.oci.manifest import Manifest, Platform


class Peek(Value):
    """What was found."""

    top: Document
    """What the name stands for: a manifest or an index."""
    manifest: Manifest
    """Of the platform."""
    config: bytes


def document(source: Source, wanted: str) -> Document:
    """Return a manifest or index, verified. Raises IntegrityError, RegistryError."""
    body, media_type, promised = source.manifest(wanted)
    digest = blobs.digest_of(body)
    for expected in (wanted, promised):
        if expected.startswith("sha256:") and expected != digest:
            raise IntegrityError(
                f"manifest {ascii(expected)[1:-1][:80]} arrived as {digest}: wrong digest"
            )
    parsed = oci.parse(strictjson.loads(body, "the manifest"), media_type)
    return Document(body, parsed.media_type, digest)


def parse(found: Document) -> oci.Manifest | oci.Index:
    """Return the value of a document that was read before."""
    return oci.parse(strictjson.loads(found.body, "the manifest"), found.media_type)


def peek(source: Source, wanted: str, platform: Platform) -> Peek:
    """Return what an image is, for a platform. Raises RegistryError, IntegrityError."""

    def act() -> Peek:
        source.connect()
        top = found = document(source, wanted)
        for _depth in range(oci.INDEX_DEPTH_MOST + 1):
            parsed = parse(found)
            if isinstance(parsed, oci.Manifest):
                return Peek(top, parsed, small(source, parsed.config))
            found = document(source, oci.choose(parsed, platform).digest)
        raise RegistryError("indexes within indexes: too deep")

    return workers.awake(act, source.cancel)


def describe(found: Peek, where: Location, tags: list[str]) -> dict[str, Any]:
    """Return skopeo's document of an image."""
    config = strictjson.loads(found.config, "the image's configuration")
    config = config if isinstance(config, dict) else {}
    own = config.get("config")
    own = own if isinstance(own, dict) else {}
    name = ""
    if where.transport == location.REGISTRY:
        name = reference.parse(where.reference).repository
    layers = found.manifest.layers
    return {
        "Name": name,
        "Digest": found.top.digest,
        "RepoTags": tags,
        "Created": config.get("created"),
        "DockerVersion": config.get("docker_version", ""),
        "Labels": own.get("Labels"),
        "Architecture": config.get("architecture", ""),
        "Os": config.get("os", ""),
        "Layers": [layer.digest for layer in layers],
        "LayersData": [
            {"MIMEType": layer.media_type, "Digest": layer.digest, "Size": layer.size}
            for layer in layers
        ],
        "Env": own.get("Env"),
    }
