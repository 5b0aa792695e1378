# SPDX-License-Identifier: Apache-2.0
"""Rows S-23 to S-31 and S-34: no layer, manifest or digest of an image leads out of the store.

Each row once, through `pull`; tests/helper/test_hostile_layers.py and tests/system have the cases.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import struct
import subprocess
import sys
import tarfile
import time
from typing import Any

import pytest

from tests.accept.conftest import Sentinel
from tests.fixtures import fault_registry as faults
from tests.fixtures import images
from tests.fixtures.fault_registry import FaultRegistry
from tests.fixtures.store import Store

pytestmark = pytest.mark.own
RUN = ("run", "--rm", "--network=none")
PEAK = 200 << 10
"""KiB of memory that a hostile image may cost."""


def entry(name: str, kind: bytes = tarfile.REGTYPE, **more: Any) -> tarfile.TarInfo:
    """Return an entry of an archive."""
    made = tarfile.TarInfo(name)
    made.type = kind
    for key, value in more.items():
        setattr(made, key, value)
    return made


def layer(*entries: tarfile.TarInfo | tuple[tarfile.TarInfo, bytes]) -> bytes:
    """Return an archive with exactly these entries, repeated names too."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for one in entries:
            info, data = one if isinstance(one, tuple) else (one, b"")
            if data:
                info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def bad(name: str) -> tuple[tarfile.TarInfo, bytes]:
    """Return a file that must not land outside."""
    return entry(name), b"bad\n"


def pulled(store: Store, faulty: FaultRegistry, *layers: Any) -> tuple[int, str, str]:
    """Pull busybox with these layers upon it; return exit code, error and name."""
    made = images.make([images.busybox_files(), *layers], {"Cmd": ["/bin/sh"]})
    name = faulty.serve("hostile", images.digest(made.manifest)[7:15], made)
    done = store("pull", "-q", name, check=None)
    assert "Traceback" not in done.err
    assert done.rc in (0, 125)
    if done.rc:
        one_error(done.err)
        assert name not in store("images", "--format", "{{.Repository}}:{{.Tag}}").out
    return done.rc, done.err, name


def one_error(text: str) -> str:
    """Return the one error line."""
    (found,) = [line for line in text.splitlines() if line.startswith("Error: ")]
    return found


@pytest.mark.parametrize("way", ["dot-dot", "absolute", "through a link", "across layers"])
def test_s23_names_of_a_layer_stay_inside(
    store: Store, faulty: FaultRegistry, sentinel: Sentinel, way: str
) -> None:
    host = str(sentinel.path)
    to = entry("d", tarfile.SYMTYPE, linkname=host)
    layers: dict[str, list[bytes]] = {
        "dot-dot": [layer(bad("a/../../../../../../../../.." + host + "/x"))],
        "absolute": [layer(bad(host + "/x"))],
        "through a link": [layer(to, bad("d/x"), bad("d/keep"))],
        "across layers": [layer(to), layer(bad("d/x"), bad("d/keep"))],
    }
    code, _error, name = pulled(store, faulty, *layers[way])
    assert (code == 125) == (way == "dot-dot")
    if not code:
        assert store(*RUN, name, "cat", f"{host}/x" if way == "absolute" else "/d/x").out == "bad\n"
    assert not (sentinel.path / "x").exists()


def test_s24_hard_links_stay_inside(
    store: Store, faulty: FaultRegistry, sentinel: Sentinel
) -> None:
    keep = f"{sentinel.path}/keep"
    for target in (f"../../../../../../../../..{keep}", keep, "d/keep"):
        link = entry("d", tarfile.SYMTYPE, linkname=str(sentinel.path))
        out = layer(link, entry("h", tarfile.LNKTYPE, linkname=target))
        assert pulled(store, faulty, out)[0] == 125
    made = layer(
        entry("s", tarfile.SYMTYPE, linkname=keep),
        entry("h", tarfile.LNKTYPE, linkname="s"),
        entry("names", tarfile.LNKTYPE, linkname="etc/passwd"),
    )
    code, _error, name = pulled(store, faulty, made)
    assert code == 0
    assert store(*RUN, name, "readlink", "h").line == keep
    assert "root:x:0:0" in store(*RUN, name, "cat", "/names").out


WHITEOUTS = [
    ".wh...",
    ".wh..",
    ".wh.",
    ".wh..wh..opq",
    "d/.wh.keep",
    "d/.wh..wh..opq",
    ".wh..wh.plnk",
]


@pytest.mark.parametrize("name", WHITEOUTS)
def test_s25_whiteouts_delete_nothing_outside(
    store: Store, faulty: FaultRegistry, sentinel: Sentinel, name: str
) -> None:
    below = layer(entry("d", tarfile.SYMTYPE, linkname=str(sentinel.path)), bad("below"))
    code, _error, image = pulled(store, faulty, below, layer(entry(name), bad("above")))
    refused = name in (".wh...", ".wh..", ".wh.")
    assert (code == 125) == refused
    if name == ".wh..wh..opq":  # everything of the layers below is gone, busybox too
        assert store(*RUN, image, "/bin/sh", check=127).out == ""
    elif not refused:
        assert store(*RUN, image, "cat", "/below", "/above").out == "bad\nbad\n"


def test_s26_attributes_of_the_store_are_not_taken_from_a_layer(
    store: Store, faulty: FaultRegistry, test_pass: str
) -> None:
    names = ["overlay.opaque", "overlay.redirect", "overlay.metacopy", "overlay.whiteout"]
    full = [f"{kind}.{name}" for name in names for kind in ("trusted", "user")]
    full += ["user.containers.override_stat", "user.pypod.owner", "user.fuseoverlayfs.opaque"]
    headers = {f"SCHILY.xattr.{name}": "y" for name in full}
    capability = struct.pack("<IIIII", 2 << 24 | 1, 1 << 10, 0, 0, 0).decode("latin-1")
    made = layer(
        entry("d", tarfile.DIRTYPE, mode=0o755, pax_headers=headers),
        entry("f", pax_headers=headers),
        entry("cap", pax_headers={"SCHILY.xattr.security.capability": capability}),
    )
    code, _error, name = pulled(store, faulty, layer(entry("d", tarfile.DIRTYPE), bad("d/x")), made)
    assert code == 0
    assert store(*RUN, name, "cat", "/d/x").out == "bad\n"
    seen = 0
    for path in (store.root / "layers").rglob("*"):
        if path.name in ("f", "d", "cap") and not path.is_symlink():
            seen += 1
            found = os.listxattr(path, follow_symlinks=False)
            assert not set(found) & set(full), path
            if path.name == "cap" and test_pass == "user":
                raw = os.getxattr(path, "security.capability")
                assert len(raw) == 24, "bound to the user namespace of the containers"
    assert seen >= 3


def test_s27_devices_and_fifos_are_harmless(store: Store, faulty: FaultRegistry) -> None:
    made = layer(
        entry("mem", tarfile.CHRTYPE, devmajor=1, devminor=1),
        entry("disk", tarfile.BLKTYPE, devmajor=8, devminor=0),
        entry("pipe", tarfile.FIFOTYPE),
    )
    started = time.monotonic()
    code, _error, name = pulled(store, faulty, made)
    assert code == 0
    assert time.monotonic() - started < 20
    script = "for f in mem disk; do head -c 1 /$f && echo OPENED; done; test -p /pipe && echo pipe"
    assert store(*RUN, name, "sh", "-c", script).out == "pipe\n"


MEASURE = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""


def peak(store: Store, *words: str) -> tuple[int, int]:
    """Run a command; return its exit code and the KiB that the largest of its processes took.

    From a small process: what a child of this one is charged begins with this one's memory.
    """
    command = [sys.executable, "-c", MEASURE, *store.program.argv(*store.first, *words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    one_error(done.stderr)
    return done.returncode, int(done.stdout.split()[-1])


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
    name = faulty.serve("bomb", kind, bomb(kind))
    code, memory = peak(store, "pull", "-q", name)
    assert code == 125
    assert memory < PEAK
    left = sum(size for path, size in store.files().items() if "/blobs/" not in path)
    assert left < 1 << 20
    assert [path for path in store.files() if path.startswith(("layers/", "tmp/"))] == []


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


@pytest.mark.parametrize("kind", MANIFESTS)
def test_s29_manifests_beyond_measure_are_refused(
    store: Store, faulty: FaultRegistry, kind: str
) -> None:
    good = images.make([{"f": b"f"}])
    body = manifest_of(kind, good)
    name = faulty.serve_bytes("odd", "1", body, good.media_type)
    started = time.monotonic()
    code, memory = peak(store, "pull", "-q", name)
    assert code == 125
    assert memory < PEAK
    assert time.monotonic() - started < 10  # 2 s on a machine of its own; this one is shared
    assert faulty.paths("/blobs/") == []
    assert store.files() == {}


def test_s29_an_index_that_holds_itself_is_refused(store: Store, faulty: FaultRegistry) -> None:
    kind = f"{images.OCI}index.v1+json"
    claimed = images.digest(b"itself")
    one = {"mediaType": kind, "digest": claimed, "size": 300}
    body = json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": [one]}).encode()
    faulty.serve_bytes("self", claimed, body, kind)
    code, _memory = peak(store, "pull", "-q", faulty.serve_bytes("self", "1", body, kind))
    assert code == 125
    assert len(faulty.paths("/manifests/")) <= 5
    assert store.files() == {}


DIGESTS = [
    "sha256:../../../../../../etc/passwd",
    "sha512:" + "0" * 128 + "/..",
    "sha256:" + "ABCDEF01" * 8,
    "sha256:abcd",
    "../../x",
    "sha256:" + "0" * 64 + "/../../x",
]


@pytest.mark.parametrize("where", ["layer", "config", "index"])
@pytest.mark.parametrize("digest", DIGESTS)
def test_s30_a_bad_digest_is_in_no_request_and_no_path(
    store: Store, faulty: FaultRegistry, digest: str, where: str
) -> None:
    good = images.make([{"f": b"f"}])
    document, media_type = json.loads(good.manifest), good.media_type
    if where == "index":
        body, media_type = images.index([(good, "amd64")])
        document = json.loads(body)
        document["manifests"][0]["digest"] = digest
    elif where == "config":
        document["config"]["digest"] = digest
    else:
        document["layers"][0]["digest"] = digest
    faulty.serve("bad", "good", good)
    name = faulty.serve_bytes("bad", "1", json.dumps(document).encode(), media_type)
    refused = store("pull", "-q", name, check=125)
    assert "digest" in one_error(refused.err)
    asked = [one.path for one in faulty.requests]
    assert not any(digest in path or "passwd" in path for path in asked)
    assert faulty.paths("/blobs/") == []
    assert store.files() == {}


def test_s31_a_wrong_digest_or_diff_id_is_refused_with_both(
    store: Store, faulty: FaultRegistry
) -> None:
    good = images.make([{"f": b"f"}])
    name = faulty.serve("wrong", "1", good)
    faulty.fault(good.layers[0], faults.wrong())
    error = one_error(store("pull", "-q", name, check=125).err)
    assert good.layers[0] in error
    assert error.count("sha256:") == 2
    assert len(faulty.paths(good.layers[0])) <= 2
    assert store.files() == {}


def test_s31_a_lying_diff_id_does_not_reach_a_trusted_layer(
    store: Store, faulty: FaultRegistry
) -> None:
    trusted = images.make([{"f": b"trusted"}])
    store("pull", "-q", faulty.serve("trusted", "1", trusted))
    before = store.files()
    (lie,) = json.loads(trusted.blobs[trusted.id])["rootfs"]["diff_ids"]
    other = images.make([{"f": b"evil"}])
    config = json.loads(other.blobs[other.id])
    (truth,) = config["rootfs"]["diff_ids"]
    config["rootfs"]["diff_ids"] = [lie]
    raw = json.dumps(config).encode()
    manifest = json.loads(other.manifest)
    manifest["config"].update(digest=images.digest(raw), size=len(raw))
    blobs = {**other.blobs, images.digest(raw): raw}
    lying = images.Image(json.dumps(manifest).encode(), other.media_type, blobs)
    error = one_error(store("pull", "-q", faulty.serve("lies", "1", lying), check=125).err)
    assert truth in error
    assert lie in error
    assert store.files() == before


def test_s34_urls_of_a_descriptor_are_not_asked(store: Store, faulty: FaultRegistry) -> None:
    made = images.make([images.busybox_files()])
    document = json.loads(made.manifest)
    with FaultRegistry() as other:
        for one in (document["config"], *document["layers"]):
            one["urls"] = [f"{other.url}/v2/app/blobs/{one['digest']}"]
        faulty.serve("app", "good", made)
        body = json.dumps(document).encode()
        store("pull", "-q", faulty.serve_bytes("app", "1", body, made.media_type))
        assert other.requests == []
