# SPDX-License-Identifier: Apache-2.0
"""Images for the bench: always the same, about as compressible as a distribution's files."""

from __future__ import annotations

import io
import json
import random
import tarfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from tests.fixtures.images import OCI, digest
from tests.fixtures.registry import Registry

_POOL = 16 << 20
_LETTERS = "etaoinshrdlucmfwypvbgkqjxz"
_ROOTS = ("etc", "opt", "srv", "usr", "var")


def pool(size: int = _POOL) -> bytes:
    """Return bytes that gzip makes 2.8 times smaller: words, and code with addresses in it."""
    chance = random.Random(7)
    falling = range(len(_LETTERS), 0, -1)
    words = [
        "".join(chance.choices(_LETTERS, falling, k=chance.randint(2, 11))).encode()
        for _ in range(2500)
    ]
    word_weights = [1 / (rank + 3) ** 1.1 for rank in range(len(words))]
    codes = [chance.randbytes(chance.choice((2, 3, 3, 4, 7))) for _ in range(600)]
    code_weights = [1 / (rank + 1) ** 1.2 for rank in range(len(codes))]
    made = bytearray()
    while len(made) < size:
        made += b" ".join(chance.choices(words, word_weights, k=2000))
        block = chance.choices(codes, code_weights, k=1200)
        block[::20] = [chance.randbytes(2) + b"\0\0" for _ in block[::20]]
        made += b"".join(block)
    return bytes(made[:size])


@dataclass
class Layer:
    """One layer on the disk, plain and packed."""

    plain: Path
    packed: Path
    diff_id: str
    digest: str


@dataclass
class Built:
    """An image: its layers and its configuration."""

    layers: list[Layer]
    config: bytes

    @property
    def packed(self) -> int:
        """Bytes of the packed layers."""
        return sum(layer.packed.stat().st_size for layer in self.layers)

    @property
    def plain(self) -> int:
        """Bytes of the tars."""
        return sum(layer.plain.stat().st_size for layer in self.layers)

    def push(self, registry: Registry, repository: str) -> str:
        """Upload it; return the name to pull."""
        described = []
        for layer in self.layers:
            registry.put_blob(repository, layer.packed.read_bytes())
            described.append(
                {
                    "mediaType": OCI + "layer.v1.tar+gzip",
                    "digest": layer.digest,
                    "size": layer.packed.stat().st_size,
                }
            )
        registry.put_blob(repository, self.config)
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI + "manifest.v1+json",
            "config": {
                "mediaType": OCI + "config.v1+json",
                "digest": digest(self.config),
                "size": len(self.config),
            },
            "layers": described,
        }
        body = json.dumps(manifest).encode()
        registry.put_manifest(repository, "latest", body, manifest["mediaType"])
        return f"{registry.host}/{repository}:latest"

    def archive(self, where: Path, name: str) -> Path:
        """Write it as `docker save` does: plain layers."""
        with tarfile.open(where, "w") as archive:
            for layer in self.layers:
                archive.add(layer.plain, f"{layer.diff_id[7:]}.tar")
            _add(archive, f"{digest(self.config)[7:]}.json", self.config)
            entry = {
                "Config": f"{digest(self.config)[7:]}.json",
                "RepoTags": [name],
                "Layers": [f"{layer.diff_id[7:]}.tar" for layer in self.layers],
            }
            _add(archive, "manifest.json", json.dumps([entry]).encode())
        return where


def image(where: Path, layers: list[tuple[int, int]], spread: float = 1.2) -> Built:
    """Make an image; each layer has so many files and so many bytes."""
    source = pool()
    where.mkdir()
    with ThreadPoolExecutor(2) as threads:
        made = list(
            threads.map(
                lambda one: _layer(source, where / str(one[0]), one[0], *one[1], spread),
                enumerate(layers),
            )
        )
    return Built(made, configuration([layer.diff_id for layer in made]))


def configuration(diff_ids: list[str], note: str = "") -> bytes:
    """Return the configuration of an image with these layers."""
    document = {
        "architecture": "amd64",
        "os": "linux",
        "created": "2026-11-01T00:00:00Z",
        "config": {"Cmd": ["/bin/sh"], "Env": [f"NOTE={note}"]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": [{"created_by": "bench"} for _ in diff_ids],
    }
    return json.dumps(document).encode()


def _layer(source: bytes, base: Path, seed: int, files: int, size: int, spread: float) -> Layer:
    """Write a layer: directories of about 12 files, sizes spread as those of real files are."""
    chance = random.Random(seed)
    weights = [chance.lognormvariate(0, spread) for _ in range(files)]
    scale = size / sum(weights)
    output = _Output(base)
    with tarfile.open(fileobj=output, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for number, weight in enumerate(weights):
            directory = f"{_ROOTS[seed % 5]}/lib{number // 144}/part{number // 12}"
            if number % 12 == 0:
                _directories(archive, directory, number)
            length = int(weight * scale)
            at = chance.randrange(len(source))
            data = source[at : at + length]
            while len(data) < length:
                data += source[: length - len(data)]
            mode = 0o755 if number % 9 == 0 else 0o644
            _add(archive, f"{directory}/file-{number}.data", data, mode)
    return output.close()


def _directories(archive: tarfile.TarFile, path: str, number: int) -> None:
    parts = path.split("/")
    for depth in range(1, len(parts) + 1):
        new = depth == 3 or (depth == 2 and number % 144 == 0) or number == 0
        if new:
            entry = tarfile.TarInfo("/".join(parts[:depth]))
            entry.type, entry.mode, entry.mtime = tarfile.DIRTYPE, 0o755, 1_700_000_000
            archive.addfile(entry)


def _add(archive: tarfile.TarFile, name: str, data: bytes, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = len(data), mode, 1_700_000_000
    archive.addfile(entry, io.BytesIO(data))


class _Output:
    """Writes a tar plain and packed (gzip -6, as docker and podman push it), hashing both."""

    def __init__(self, base: Path) -> None:
        self._plain, self._packed = base.with_suffix(".tar"), base.with_suffix(".tar.gz")
        self._files = self._plain.open("wb"), self._packed.open("wb")
        self._hashes = sha256(), sha256()
        self._engine = zlib.compressobj(6, zlib.DEFLATED, 31)
        self._held = bytearray()

    def write(self, data: bytes) -> int:
        self._held += data
        if len(self._held) >= 1 << 20:
            self._flush()
        return len(data)

    def _flush(self) -> None:
        plain = bytes(self._held)
        self._held.clear()
        self._put(plain, self._engine.compress(plain))

    def _put(self, *parts: bytes) -> None:
        for file, hashed, part in zip(self._files, self._hashes, parts, strict=True):
            file.write(part)
            hashed.update(part)

    def close(self) -> Layer:
        self._flush()
        self._put(b"", self._engine.flush())
        for file in self._files:
            file.close()
        diff_id, packed = (f"sha256:{one.hexdigest()}" for one in self._hashes)
        return Layer(self._plain, self._packed, diff_id, packed)


def many(where: Path, count: int) -> Path:
    """Write an archive of so many tiny images, each with a layer of its own."""
    entries = []
    with tarfile.open(where, "w") as archive:
        for number in range(count):
            inner = io.BytesIO()
            with tarfile.open(fileobj=inner, mode="w") as layer:
                _add(layer, f"etc/note-{number}", f"{number}\n".encode())
            plain = inner.getvalue()
            config = configuration([digest(plain)], str(number))
            _add(archive, f"{digest(plain)[7:]}.tar", plain)
            _add(archive, f"{digest(config)[7:]}.json", config)
            entries.append(
                {
                    "Config": f"{digest(config)[7:]}.json",
                    "RepoTags": [f"localhost/tiny-{number}:latest"],
                    "Layers": [f"{digest(plain)[7:]}.tar"],
                }
            )
        _add(archive, "manifest.json", json.dumps(entries).encode())
    return where
