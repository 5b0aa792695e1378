# SPDX-License-Identifier: Apache-2.0
"""`docker-archive:`: what `docker save` writes; several images may share their layers in it.

Source: moby image/spec v1.2 (manifest.json, "combined image JSON + filesystem changeset format").
An archive has no manifests: a docker v2s2 one is made for each image, always the same.
"""

from __future__ import annotations

import struct
from hashlib import sha256

from pypod.errors import IntegrityError, PypodError, UsageError
from pypod.kernel import fastjson, strictjson
from pypod.oci import digest as oci_digest
from pypod.oci import manifest as oci
from pypod.oci import reference
from pypod.transport import files, tar
from pypod.transport.output import Output
from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pypod.oci.convert import Document
    from pypod.oci.manifest import Descriptor
    from pypod.transport.files import Piece, Read
    from pypod.transport.tar import Member

_IMAGES_MOST = 1024
_GZIP, _ZSTD = b"\x1f\x8b", struct.pack("<I", 0xFD2FB528)
_OTHERS = {b"BZh": "bzip2", b"\xfd7zXZ": "xz"}


def is_docker_archive(box: files.Directory | tar.Archive) -> bool:
    """Say whether a tar looks like one."""
    return isinstance(box, tar.Archive) and box.has("manifest.json")


class _Image(Value):
    """An image of manifest.json."""

    config: str
    names: tuple[str, ...]
    layers: tuple[str, ...]


class DockerArchiveSource(files.FileSource):
    """An image of an archive: chosen by name, by `@N`, or the only one."""

    def __init__(self, archive: tar.Archive, wanted: str = "") -> None:
        self.noun, self._tar, self._wanted = archive.noun, archive, wanted
        document = strictjson.loads(archive.small("manifest.json"), f"{self.noun}: manifest.json")
        if not isinstance(document, list) or len(document) > _IMAGES_MOST:
            raise IntegrityError(f"{self.noun}: manifest.json is not a list of images")
        self._images = [self._image(entry) for entry in document]
        self._blobs: dict[str, Member] = {}
        self._config: dict[str, bytes] = {}

    def _image(self, entry: Any) -> _Image:
        config = entry.get("Config") if isinstance(entry, dict) else None
        layers = entry.get("Layers") if isinstance(entry, dict) else None
        names = (entry.get("RepoTags") if isinstance(entry, dict) else None) or []
        if not isinstance(config, str) or not isinstance(layers, list | None):
            raise IntegrityError(f"{self.noun}: manifest.json is damaged")
        layers = layers or []
        if len(layers) > oci.LAYERS_MOST:
            raise IntegrityError(
                f"{self.noun}: {len(layers)} layers, {oci.LAYERS_MOST} are the most"
            )
        if not all(isinstance(one, str) for one in (*layers, *names)):
            raise IntegrityError(f"{self.noun}: manifest.json is damaged")
        return _Image(config, tuple(names), tuple(layers))

    @property
    def images(self) -> list[tuple[str, tuple[str, ...]]]:
        """For each image what chooses it, `@N`, and its names."""
        return [(f"@{number}", image.names) for number, image in enumerate(self._images)]

    def choose(self, wanted: str) -> None:
        """Be another image of the archive from now on."""
        self._wanted = wanted

    def _chosen(self) -> _Image:
        if not self._wanted:
            if len(self._images) != 1:
                raise PypodError(
                    f"{self.noun}: {len(self._images)} images, choose one by :NAME or :@N"
                )
            return self._images[0]
        for number, image in enumerate(self._images):
            if self._wanted == f"@{number}" or self._wanted in map(_full, image.names):
                return image
        shown = ", ".join(ascii(name)[1:-1] for image in self._images for name in image.names)
        raise PypodError(
            f"{self.noun}: no image is called {self._wanted}",
            hint=f"there are {shown[:300]}" if shown else None,
        )

    def manifest(self, wanted: str) -> tuple[bytes, str, str]:
        """Return the manifest that is made for the image. Raises PypodError, IntegrityError."""
        image = self._chosen()
        config = self._tar.small(image.config.removeprefix("./"))
        digest = "sha256:" + sha256(config).hexdigest()
        self._config[digest] = config
        diff_ids = _diff_ids(config, self.noun)
        if len(diff_ids) != len(image.layers):
            raise IntegrityError(
                f"{self.noun}: the image has {len(image.layers)} layers"
                f" and {len(diff_ids)} diff_ids"
            )
        layers = [
            self._layer(name, diff_id)
            for name, diff_id in zip(image.layers, diff_ids, strict=True)
        ]
        document = {
            "schemaVersion": 2,
            "mediaType": oci.DOCKER_MANIFEST,
            "config": {"mediaType": oci.DOCKER_CONFIG, "size": len(config), "digest": digest},
            "layers": layers,
        }
        body = fastjson.dumps(document).encode()
        found = "sha256:" + sha256(body).hexdigest()
        if wanted and wanted != found:
            raise PypodError(f"{self.noun}: it has no manifest {wanted[:19]}")
        return body, oci.DOCKER_MANIFEST, found

    def _layer(self, name: str, diff_id: str) -> dict[str, Any]:
        """Return a layer's descriptor; one that is not compressed has its diff_id as digest."""
        member = self._tar.find(name.removeprefix("./"), follow=True)
        head = b"".join(self._tar.part(member.replace(size=min(member.size, 6)), 0))
        kind, digest = oci.DOCKER_LAYER, oci_digest.check(diff_id)
        for magic, packing in _OTHERS.items():
            if head.startswith(magic):
                raise PypodError(f"{self.noun}: a layer is packed with {packing}: not supported")
        if head.startswith((_GZIP, _ZSTD)):
            kind += ".gzip" if head.startswith(_GZIP) else ".zstd"
            whole = sha256()
            for chunk in self._tar.part(member, 0):
                whole.update(chunk)
            digest = "sha256:" + whole.hexdigest()
        self._blobs[digest] = member
        return {"mediaType": kind, "size": member.size, "digest": digest}

    def blob(self, digest: str, size: int, offset: int = 0) -> _Bytes | Piece:
        """Return a configuration or a layer."""
        if digest in self._config:
            return _Bytes(self._config[digest], offset)
        if digest not in self._blobs:
            raise PypodError(f"{self.noun}: it has no blob {oci_digest.check(digest)[:19]}")
        return self._tar.part(self._blobs[digest], offset)

    def close(self) -> None:
        """Close the archive."""
        self._tar.close()


class _Bytes:
    """A blob in memory."""

    def __init__(self, data: bytes, offset: int) -> None:
        self.offset, self._data = offset, data

    def __iter__(self) -> Any:
        return iter([self._data[self.offset :]])

    def __enter__(self) -> _Bytes:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        pass


def _diff_ids(config: bytes, noun: str) -> list[str]:
    document = strictjson.loads(config, f"{noun}: the configuration")
    rootfs = document.get("rootfs") if isinstance(document, dict) else None
    found = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    if not isinstance(found, list | None):
        raise IntegrityError(f"{noun}: the configuration has no rootfs.diff_ids")
    return [oci_digest.check(one) for one in found or ()]


def _full(name: str) -> str:
    try:
        return str(reference.parse(name))
    except UsageError:
        return name


class DockerArchiveTarget:
    """A tar: configurations `HEX.json`, layers `HEX.tar`, and manifest.json at its end."""

    kinds: tuple[str, ...] = (oci.DOCKER_MANIFEST,)
    plain_layers = True
    packs_layers = False
    several = False
    in_order = True

    def __init__(self, output: Output, names: tuple[str, ...] = ()) -> None:
        self.noun = output.noun
        self.names = names
        """The names of the next image."""
        self._output, self._tar = output, tar.Writer(output.fd, output.noun)
        self._entries: dict[str, dict[str, Any]] = {}

    def connect(self) -> None:
        """Nothing is to be done."""

    def cancel(self) -> None:
        """The source ends."""

    def has(self, blob: Descriptor) -> bool:
        """Say whether a blob is written: images share layers."""
        return self._tar.has(_member(blob))

    def put(self, blob: Descriptor, read: Read) -> None:
        """Append a blob."""
        self._tar.add(_member(blob), blob.size, read(0))

    def put_manifest(self, document: Document, *, top: bool) -> None:
        """Note an image: one that comes twice gets more names."""
        parsed = oci.parse(fastjson.loads(document.body), document.media_type)
        assert isinstance(parsed, oci.Manifest)
        entry = self._entries.setdefault(
            document.digest,
            {
                "Config": _member(parsed.config),
                "RepoTags": [],
                "Layers": [_member(layer) for layer in parsed.layers],
            },
        )
        entry["RepoTags"] += [name for name in self.names if name not in entry["RepoTags"]]

    def finish(self) -> None:
        """Write manifest.json and the end."""
        body = fastjson.dumps(list(self._entries.values())).encode()
        self._tar.add("manifest.json", len(body), [body])
        self._tar.end()
        self._output.finish()

    def close(self) -> None:
        """Close; what was not finished is deleted."""
        self._output.close()


def _member(blob: Descriptor) -> str:
    kind = "tar" if blob.media_type.startswith(oci.DOCKER_LAYER) else "json"
    return f"{oci_digest.hex_of(blob.digest)}.{kind}"
