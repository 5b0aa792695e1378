# SPDX-License-Identifier: Apache-2.0
"""Rows S-28 and S-29: layers and manifests beyond all measure cost no memory, disk or time."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.accept.test_hostile_images import RUN, entry, layer, one_error
from tests.fixtures import images
from tests.fixtures.fault_registry import FaultRegistry
from tests.fixtures.store import Store

pytestmark = pytest.mark.own
PEAK = 200 << 10
"""KiB of memory that a hostile image may cost."""
MEASURE = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_maxrss, used.ru_utime + used.ru_stime)
sys.exit(code)
"""
SECONDS = 2
"""Of CPU, of all processes together: what it waits for on a machine of many does not count."""


def peak(store: Store, *words: str) -> tuple[str, int, float]:
    """Run a command in vain; return its error, the KiB that the largest of its processes took, and
    the seconds of CPU of all of them.

    From a small process: what a child of this one is charged begins with this one's memory.
    """
    command = [sys.executable, "-c", MEASURE, *store.program.argv(*store.first, *words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 125
    assert "Traceback" not in done.stderr
    memory, seconds = done.stdout.split()[-2:]
    return one_error(done.stderr), int(memory), float(seconds)


def bomb(kind: str) -> images.Image:
    """Return an image with a layer that is much larger than it looks."""
    import zstandard

    base = images.make([{"f": b"f"}])
    zero = bytes(1 << 24)
    head = entry("zeros", size=10 << 30).tobuf(tarfile.GNU_FORMAT)
    media = "gzip"
    if kind == "gzip":  # members follow each other, as gzip allows: 10 GiB of nothing
        data = gzip.compress(head) + gzip.compress(zero) * 640
    elif kind == "window":  # RFC 8878 3.1.1.1: a window of 2 GiB
        data = b"\x28\xb5\x2f\xfd\x00" + bytes([21 << 3]) + b"\x01\x00\x00"
        media = "zstd"
    elif kind == "entries":
        thousand = entry("", tarfile.DIRTYPE).tobuf(tarfile.GNU_FORMAT) * 1000
        squeeze = zstandard.ZstdCompressor().compress
        data, media = squeeze(thousand) * 1001, "zstd"
    else:
        data = gzip.compress(layer(entry("d/" * 5000 + "f")))
    manifest = json.loads(base.manifest)
    manifest["layers"] = [
        {
            "mediaType": f"{images.OCI}layer.v1.tar+{media}",
            "digest": images.digest(data),
            "size": len(data),
        }
    ]
    blobs = {**base.blobs, images.digest(data): data}
    return images.Image(json.dumps(manifest).encode(), base.media_type, blobs)


@pytest.mark.parametrize("kind", ["gzip", "window", "entries", "depth"])
def test_s28_bombs_cost_nothing(store: Store, faulty: FaultRegistry, kind: str) -> None:
    good = images.make([images.busybox_files()])
    name = faulty.serve("good", "1", good)
    store("pull", "-q", name)
    before = store.files()
    room = os.statvfs(store.root).f_bavail
    _error, memory, _seconds = peak(store, "pull", "-q", faulty.serve("bomb", kind, bomb(kind)))
    assert memory < PEAK
    assert store.files() == before
    # Others use the disk too: what 10 GiB of zeros would take is not gone.
    assert room - os.statvfs(store.root).f_bavail < (8 << 30) // os.statvfs(store.root).f_frsize
    assert store(*RUN, name, "echo", "well").out == "well\n"
    store("image", "prune", "-f")
    store("rmi", name)
    assert store.files() == {"images/index.json": store.files()["images/index.json"]}


def manifest_of(kind: str, good: images.Image) -> bytes:
    """Return a manifest that must be refused."""
    document = json.loads(good.manifest)
    if kind == "64 MiB":
        return good.manifest[:-1] + b" " * (64 << 20) + b"}"
    if kind == "20k layers":
        return json.dumps({**document, "layers": document["layers"] * 20_000}).encode()
    if kind == "duplicate keys":
        return good.manifest[:-1] + b', "config": {}}'
    if kind == "both kinds":
        return json.dumps({**document, "manifests": []}).encode()
    if kind == "no kind":
        return b'{"schemaVersion": 2}'
    return json.dumps({**document, "mediaType": f"{images.OCI}index.v1+json"}).encode()


MANIFESTS = ["64 MiB", "20k layers", "duplicate keys", "both kinds", "no kind", "wrong mediaType"]


@pytest.mark.parametrize("kind", [*MANIFESTS, "itself"])
def test_s29_manifests_beyond_measure_are_refused(
    store: Store, faulty: FaultRegistry, kind: str
) -> None:
    store("images", "-q")  # the first command of a store looks at the machine
    good = images.make([{"f": b"f"}])
    if kind == "itself":
        index = f"{images.OCI}index.v1+json"
        claimed = images.digest(b"itself")
        one = {"mediaType": index, "digest": claimed, "size": 300}
        body = json.dumps({"schemaVersion": 2, "mediaType": index, "manifests": [one]}).encode()
        faulty.serve_bytes("odd", claimed, body, index)
        name = faulty.serve_bytes("odd", "1", body, index)
    else:
        name = faulty.serve_bytes("odd", "1", manifest_of(kind, good), good.media_type)
    _error, memory, seconds = peak(store, "pull", "-q", name)
    assert memory < PEAK
    assert seconds < SECONDS
    assert len(faulty.paths("/manifests/")) <= 5
    assert faulty.paths("/blobs/") == []
    assert store.files() == {}


@pytest.mark.parametrize("kind", MANIFESTS[1:])
def test_s29_a_manifest_is_refused_wherever_it_comes_from(
    store: Store, faulty: FaultRegistry, tmp_path: Path, kind: str
) -> None:
    good = images.make([images.busybox_files()])
    body = manifest_of(kind, good)
    name = faulty.serve_bytes("odd", "1", body, good.media_type)
    where = images.write_layout(good, tmp_path / "layout", "odd")
    index = json.loads((where / "index.json").read_text())
    index["manifests"][0].update(digest=images.digest(body), size=len(body))
    (where / "index.json").write_text(json.dumps(index))
    (where / "blobs/sha256" / images.digest(body)[7:]).write_bytes(body)
    archive = tmp_path / "odd.tar"
    with tarfile.open(archive, "w") as tar:
        for path in sorted(where.rglob("*")):
            tar.add(path, path.relative_to(where), recursive=False)
    said = set()
    for words in (
        ("pull", "-q", name),
        ("image", "inspect", f"docker://{name}"),
        ("load", "-q", "-i", str(archive)),
        ("load", "-q", "-i", str(where)),
        ("image", "copy", "-q", f"docker://{name}", f"dir:{tmp_path}/copy"),
    ):
        error, memory, seconds = peak(store, *words)
        said.add(error.removeprefix("Error: ").replace(str(archive), "").replace(str(where), ""))
        assert memory < PEAK
        assert seconds < SECONDS
    assert store("images", "-q").out == ""
    # The same reason, whatever stands around it.
    shortest = min(said, key=len)
    assert all(shortest[-30:] in one for one in said), said
