# SPDX-License-Identifier: Apache-2.0
"""Layers under test: archives made in memory, the real worker, shown by the real overlayfs."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pypod.engine import unpack
from pypod.engine.remove_tree import remove_tree
from pypod.errors import PypodError
from pypod.kernel import paths
from pypod.kernel.facts import facts as host_facts
from pypod.oci.image import chain_ids
from pypod.plan.compile import compile_tool
from pypod.runtime.init import run_tool
from pypod.spec.facts import HostFacts

MTIME = 1_600_000_000
PASSWD = b"root:x:0:0:root:/root:/bin/sh\n"
Entry = tarfile.TarInfo | tuple[tarfile.TarInfo, bytes]


class Image:
    """As much of an image record as unpacking reads."""

    def __init__(self, diff_ids: list[str]) -> None:
        self.id = "sha256:" + "0" * 64
        self.diff_ids = tuple(diff_ids)
        self.chain_ids = chain_ids(self.diff_ids, lambda data: hashlib.sha256(data).hexdigest())


def digest(data: bytes) -> str:
    """Return the digest of bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def entry(name: str, kind: bytes = tarfile.DIRTYPE, **fields: object) -> tarfile.TarInfo:
    """Return a header; other fields are tarfile's."""
    info = tarfile.TarInfo(name)
    info.type, info.mtime = kind, MTIME
    info.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    for key, value in fields.items():
        setattr(info, key, value)
    return info


def directory(name: str, **fields: object) -> tarfile.TarInfo:
    """Return a directory."""
    return entry(name, **fields)


def file(name: str, data: bytes = b"", **fields: object) -> Entry:
    """Return a regular file."""
    return entry(name, tarfile.REGTYPE, size=len(data), **fields), data


def symlink(name: str, target: str, **fields: object) -> tarfile.TarInfo:
    """Return a symbolic link."""
    return entry(name, tarfile.SYMTYPE, linkname=target, **fields)


def link(name: str, target: str) -> tarfile.TarInfo:
    """Return a hard link."""
    return entry(name, tarfile.LNKTYPE, linkname=target)


def archive(*entries: Entry, form: int = tarfile.PAX_FORMAT) -> bytes:
    """Return a tar of the entries, in their order."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        for one in entries:
            info, data = one if isinstance(one, tuple) else (one, b"")
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


class Store:
    """A store of its own, and what was unpacked into it."""

    def __init__(self, root: Path, facts: HostFacts | None = None) -> None:
        self.places = paths.Places(str(root / "graph"), str(root / "run"))
        paths.prepare(self.places)
        self.facts = facts or host_facts()

    def unpack(
        self,
        *tars: bytes,
        compress: Callable[[bytes], bytes] = gzip.compress,
        compression: str = "gzip",
        step: int = 1 << 18,
    ) -> list[Path]:
        """Unpack the layers of one image; return their directories, lowest first."""
        image = Image([digest(tar) for tar in tars])
        with unpack.Staging(self.places, self.facts) as staging:
            staged = {}
            for tar, diff_id, chain in zip(tars, image.diff_ids, image.chain_ids, strict=True):
                if not staging.layers.has(chain):
                    layer = staging.layer(chain, diff_id, compression)
                    packed = compress(tar)
                    chunks = (packed[at : at + step] for at in range(0, len(packed), step))
                    staged[chain] = unpack.feed(layer, chunks)
            staging.finish(image, staged)  # type: ignore[arg-type]
            return [Path(staging.layers.path(chain)) for chain in image.chain_ids]

    def unpack_one(self, *entries: Entry) -> Path:
        """Unpack a layer of these entries; return its directory."""
        return self.unpack(archive(*entries))[0]

    def inside(self, script: str) -> str:
        """Run a shell script as root of the user's namespaces; return its output."""
        out = os.memfd_create("out")
        words = ["/bin/sh", "-ec", script]
        code = run_tool(compile_tool(self.facts, words), stdout=out, stderr=out).wait()
        text = os.pread(out, 1 << 20, 0).decode("utf-8", "replace")
        os.close(out)
        assert code == 0, text
        return text

    def shown(self, layers: list[Path], script: str) -> str:
        """Run a script where overlayfs shows the layers as the working directory."""
        lower = ":".join(str(path) for path in reversed(layers))
        root = Path(self.places.tmp) / "shown"
        root.mkdir(exist_ok=True)
        if len(layers) == 1:
            lower += f":{root}"
        mount = f"mount -t overlay -o userxattr,lowerdir={lower} none {root}"
        return self.inside(f"{mount}\ncd {root}\n{script}")

    def tree(self, layers: list[Path]) -> list[str]:
        """Return the names that overlayfs shows, sorted."""
        return sorted(self.shown(layers, "find . -mindepth 1").split())

    @property
    def leftovers(self) -> list[str]:
        """Return what lies in staging and what has a layer's name."""
        kept = [name for name in os.listdir(self.places.tmp) if name != "shown"]
        for kind in os.listdir(self.places.layers):
            kept += os.listdir(f"{self.places.layers}/{kind}")
        return kept

    def remove(self) -> None:
        """Delete the store."""
        remove_tree(self.places, self.places.graph, self.facts)


def refused(store: Store, *tars: bytes) -> str:
    """Unpack layers that are no good; return the error's line, and see that nothing stays."""
    with pytest.raises(PypodError) as caught:
        store.unpack(*tars)
    assert store.leftovers == ["full"] or store.leftovers == []
    assert "\n" not in caught.value.message
    return caught.value.message


def host_id(store: Store, inside: int) -> int:
    """Return what an id of the container is outside of it."""
    for start, outside, count in store.facts.uid_map:
        if start <= inside < start + count:
            return outside + inside - start
    raise AssertionError(inside)


def xattrs(path: Path) -> dict[str, bytes]:
    """Return a file's attributes that its owner sees."""
    return {name: os.getxattr(path, name) for name in os.listxattr(path)}
