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
MANIFESTS_MOST = 4096
"""Entries of an index."""
INDEX_DEPTH_MOST = 2
"""An index may name another one, and that one only images (A55)."""
MANIFEST_BYTES_MOST = 4 << 20
CONFIG_BYTES_MOST = 4 << 20

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
        """gzip, zstd, or nothing for a plain tar. Raises RegistryError for other layers."""
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

    Its own mediaType and the type it was sent with must agree, and it may not be both
    (CVE-2021-41190).
    Raises IntegrityError, RegistryError.
    """
    if not isinstance(document, dict):
        raise RegistryError("the manifest is not a JSON object")
    own = document.get("mediaType", "")
    sent = content_type.partition(";")[0].strip()
    both = "manifests" in document and ("layers" in document or "config" in document)
    if both or not isinstance(own, str) or (own and sent in ACCEPT and own != sent):
        raise _ambiguous()
    if "fsLayers" in document or document.get("schemaVersion") != 2:
        raise RegistryError(
            "the manifest is of an old schema", hint="ask for the image to be pushed again"
        )
    kind = own or (sent if sent in ACCEPT else "")
    if not kind:
        kind = OCI_INDEX if "manifests" in document else OCI_MANIFEST
    if kind not in ACCEPT:
        raise RegistryError(f"a manifest of type {ascii(kind)[:100]} is not an image")
    if kind in INDEXES and "manifests" in document:
        return Index(kind, _descriptors(document["manifests"], "manifests", MANIFESTS_MOST))
    if kind in MANIFESTS and "layers" in document and "config" in document:
        config = _descriptor(document["config"])
        if config.size > CONFIG_BYTES_MOST:
            raise RegistryError(
                f"the image's configuration has {config.size} bytes,"
                f" {CONFIG_BYTES_MOST} are the most"
            )
        return Manifest(kind, config, _descriptors(document["layers"], "layers", LAYERS_MOST))
    raise _ambiguous()


def _ambiguous() -> IntegrityError:
    return IntegrityError("the manifest is ambiguous: its type and its content disagree")


def _descriptors(value: Any, name: str, most: int) -> tuple[Descriptor, ...]:
    if not isinstance(value, list):
        raise RegistryError(f"the manifest's {name} are not a list")
    if len(value) > most:
        raise RegistryError(f"the manifest has {len(value)} {name}, {most} are the most")
    return tuple(_descriptor(entry) for entry in value)


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
    words = (entry.get(key) for key in ("os", "architecture", "variant"))
    return Platform(*(word if isinstance(word, str) else "" for word in words))


def _variants(wanted: Platform) -> tuple[str, ...]:
    """Return the variants that a machine runs, best first.

    Sources: image-spec, image-index.md (variants); containerd's and containers/image's order.
    """
    own = wanted.variant
    if wanted.architecture == "arm" and own in ("v5", "v6", "v7", "v8"):
        return (*(f"v{number}" for number in range(int(own[1]), 4, -1)), "")
    if wanted.architecture == "arm64":
        return (own, "v8", "") if own else ("", "v8")
    if wanted.architecture == "amd64":
        # v1 is what every amd64 machine has; v2 to v4 are only for those who ask.
        return (own, "", "v1") if own else ("", "v1")
    return (own, "")


def runs_on(found: Platform, wanted: Platform) -> bool:
    """Say whether an image for one platform runs on another; what is not named fits."""
    if found.os and found.os != wanted.os:
        return False
    if found.architecture and found.architecture != wanted.architecture:
        return False
    return not found.architecture or found.variant in _variants(wanted)


def choose(index: Index, wanted: Platform) -> Descriptor:
    """Return the entry of an index for a platform: the best variant, else an index inside.

    The caller that gets an index counts INDEX_DEPTH_MOST. Raises RegistryError that names the
    platforms there are.
    """
    images = [entry for entry in index.manifests if entry.media_type in ("", *MANIFESTS)]
    named = [entry for entry in images if entry.platform is not None]
    for variant in _variants(wanted):
        for entry in named:
            if entry.platform == wanted.replace(variant=variant):
                return entry
    for entry in index.manifests:
        nested = entry.media_type in INDEXES
        if nested and (entry.platform is None or runs_on(entry.platform, wanted)):
            return entry
    if len(images) == 1 and not named:
        return images[0]  # umoci and others write no platform: the configuration will tell
    names = sorted({str(entry.platform) for entry in named})
    known = [ascii(name)[1:-1] for name in names if name and not name.startswith("unknown")]
    raise RegistryError(
        f"no image for platform {wanted}; there is {', '.join(known)[:300] or 'none at all'}",
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
