# SPDX-License-Identifier: Apache-2.0
"""Manifests and indexes, OCI and docker v2s2, as values.

Sources: OCI image-spec 1.1 (manifest.md, image-index.md); docker image manifest v2, schema 2. The
caller has parsed the JSON, refusing duplicate keys, and checked the digest.
"""

from __future__ import annotations

from pypod.errors import IntegrityError, RegistryError
from pypod.oci import digest as oci_digest
from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"

INDEXES = (OCI_INDEX, DOCKER_LIST)
MANIFESTS = (OCI_MANIFEST, DOCKER_MANIFEST)
ACCEPT = (*MANIFESTS, *INDEXES)

LAYERS_MOST = 512
MANIFEST_BYTES_MOST = 4 << 20

_COMPRESSIONS = {"": "", "+gzip": "gzip", ".gzip": "gzip", "+zstd": "zstd", ".zstd": "zstd"}


class Platform(Value):
    """An operating system and architecture, in Go's words."""

    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


class Descriptor(Value):
    """Where a blob is found and how large it is."""

    media_type: str
    digest: str
    size: int
    platform: Platform | None = None

    @property
    def compression(self) -> str:
        """gzip, zstd, or nothing for a plain tar. Raises RegistryError for another kind of layer."""
        for base in (OCI_LAYER, DOCKER_LAYER):
            if self.media_type.startswith(base):
                suffix = self.media_type[len(base) :]
                if suffix in _COMPRESSIONS:
                    return _COMPRESSIONS[suffix]
        raise RegistryError(f"layers of type {self.media_type} cannot be unpacked")


class Manifest(Value):
    """One image for one platform."""

    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]


class Index(Value):
    """One image for several platforms."""

    media_type: str
    manifests: tuple[Descriptor, ...]


def architecture_of(machine: str) -> tuple[str, str]:
    """Return Go's architecture and variant for uname(2)'s machine."""
    return {
        "x86_64": ("amd64", ""),
        "aarch64": ("arm64", "v8"),
        "armv7l": ("arm", "v7"),
        "armv6l": ("arm", "v6"),
        "i686": ("386", ""),
    }.get(machine, (machine, ""))


def parse(document: Any, content_type: str) -> Manifest | Index:
    """Return the manifest or index of a parsed document.

    Its own mediaType and the type it was sent with must agree, and it may not be both (CVE-2021-41190).
    Raises IntegrityError, RegistryError.
    """
    if not isinstance(document, dict):
        raise RegistryError("the manifest is not a JSON object")
    own = document.get("mediaType", "")
    sent = content_type.partition(";")[0].strip()
    both = "manifests" in document and ("layers" in document or "config" in document)
    if both or (own and sent in ACCEPT and own != sent):
        raise IntegrityError("the manifest is ambiguous: its type and its content disagree")
    if document.get("schemaVersion") != 2:
        raise RegistryError(
            "the manifest is of an old schema", hint="ask for the image to be pushed again"
        )
    kind = own or (sent if sent in ACCEPT else "")
    if not kind:
        kind = OCI_INDEX if "manifests" in document else OCI_MANIFEST
    if kind in INDEXES and "manifests" in document:
        entries = _list(document["manifests"], "manifests")
        return Index(kind, tuple(_descriptor(entry) for entry in entries))
    if kind in MANIFESTS and "layers" in document and "config" in document:
        layers = _list(document["layers"], "layers")
        if len(layers) > LAYERS_MOST:
            raise RegistryError(f"the image has {len(layers)} layers, {LAYERS_MOST} are the most")
        return Manifest(
            kind,
            _descriptor(document["config"]),
            tuple(_descriptor(entry) for entry in layers),
        )
    raise IntegrityError("the manifest is ambiguous: its type and its content disagree")


def _list(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise RegistryError(f"the manifest's {name} are not a list")
    return value


def _descriptor(entry: Any) -> Descriptor:
    if not isinstance(entry, dict):
        raise RegistryError("a descriptor of the manifest is not an object")
    size = entry.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size < 1 << 62:
        raise RegistryError("a descriptor of the manifest has no valid size")
    media_type = entry.get("mediaType")
    platform = entry.get("platform")
    return Descriptor(
        media_type if isinstance(media_type, str) else "",
        oci_digest.check(entry.get("digest")),
        size,
        _platform(platform) if isinstance(platform, dict) else None,
    )


def _platform(entry: dict[str, Any]) -> Platform:
    return Platform(*(str(entry.get(key) or "") for key in ("os", "architecture", "variant")))


def choose(index: Index, wanted: Platform) -> Descriptor:
    """Return the image of an index for a platform: the exact variant, else any or none.

    Raises RegistryError that names the platforms there are.
    """
    images = [entry for entry in index.manifests if entry.media_type in ("", *MANIFESTS)]
    for variants in ((wanted.variant,), ("",), None):
        for entry in images:
            there = entry.platform
            if there is None or (there.os, there.architecture) != (wanted.os, wanted.architecture):
                continue
            if variants is None and wanted.variant and wanted.architecture != "arm64":
                continue
            if variants is None or there.variant in variants:
                return entry
    names = sorted({str(entry.platform) for entry in images if entry.platform is not None})
    known = [name for name in names if not name.startswith("unknown")]
    raise RegistryError(
        f"no image for platform {wanted}; there is {', '.join(known) or 'none at all'}",
        hint="--platform OS/ARCH chooses another; running it needs an emulator",
    )


def oci_twin(manifest: Manifest) -> dict[str, Any]:
    """Return the OCI manifest that says the same as a docker v2s2 one (DESIGN section 5)."""

    def convert(descriptor: Descriptor, media_type: str) -> dict[str, Any]:
        return {
            "mediaType": media_type,
            "digest": descriptor.digest,
            "size": descriptor.size,
        }

    layers = []
    for layer in manifest.layers:
        compression = layer.compression
        suffix = f"+{compression}" if compression else ""
        layers.append(convert(layer, OCI_LAYER + suffix))
    return {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": convert(manifest.config, OCI_CONFIG),
        "layers": layers,
    }
