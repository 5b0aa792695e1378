# SPDX-License-Identifier: Apache-2.0
"""Rows S-23 to S-27, S-30, S-31, S-34: no layer or digest of an image leads out of the store.

Each row once, through `pull`; tests/helper/test_hostile_layers.py and tests/system have the cases.
"""

from __future__ import annotations

import io
import json
import os
import struct
import subprocess
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest

from tests.accept.conftest import Sentinel
from tests.fixtures import fault_registry as faults
from tests.fixtures import images
from tests.fixtures.fault_registry import FaultRegistry
from tests.fixtures.store import Store

pytestmark = pytest.mark.own
RUN = ("run", "--rm", "--network=none")


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


DIGESTS = [
    "sha256:../../../../../../etc/passwd",
    "sha512:" + "0" * 128 + "/..",
    "sha256:" + "ABCDEF01" * 8,
    "sha256:abcd",
    "../../x",
    "sha256:" + "0" * 64 + "/../../x",
]


@pytest.mark.parametrize("where", ["layer", "config", "index", "name"])
@pytest.mark.parametrize("digest", DIGESTS)
def test_s30_a_bad_digest_is_in_no_request_and_no_path(
    store: Store, faulty: FaultRegistry, tmp_path: Path, digest: str, where: str
) -> None:
    good = images.make([{"f": b"f"}])
    document, media_type = json.loads(good.manifest), good.media_type
    if where == "index":
        body, media_type = images.index([(good, "amd64")])
        document = json.loads(body)
        document["manifests"][0]["digest"] = digest
    elif where == "config":
        document["config"]["digest"] = digest
    elif where == "layer":
        document["layers"][0]["digest"] = digest
    name = faulty.serve("bad", "good", good)
    if where == "name":
        name = f"{faulty.host}/bad@{digest}"
    else:
        name = faulty.serve_bytes("bad", "1", json.dumps(document).encode(), media_type)
    store("images", "-q")  # the first command of a store asks the machine, through helpers
    log = tmp_path / "log"
    command = ["strace", "-f", "-b", "execve", "-qq", "-s", "4096", "-o", str(log)]
    command += ["-e", "trace=%file,sendto,sendmsg"]
    command += store.program.argv(*store.first, "pull", "-q", name)
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 125
    said = one_error(done.stderr)
    assert "digest" in said or (where == "name" and "invalid" in said), said
    rest = digest.partition(":")[2] or digest
    started = False
    for line in log.read_text(errors="replace").splitlines():
        call = line.split(maxsplit=1)[-1]
        if call.startswith("execve("):  # our own words
            started = True
            continue
        assert digest not in call
        assert f"/{rest}" not in call
    assert started
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
    faulty.fault(good.id, faults.wrong(), times=2)
    error = one_error(store("pull", "-q", name, check=125).err)
    assert good.id in error
    assert len(faulty.paths(good.id)) <= 2


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
    name = faulty.serve("lies", "1", lying)
    faulty.requests.clear()
    error = one_error(store("pull", "-q", name, check=125).err)
    assert truth in error
    assert lie in error
    assert store.files() == before
    assert len(faulty.paths(other.layers[0])) <= 2


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
