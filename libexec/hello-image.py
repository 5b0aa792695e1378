# SPDX-License-Identifier: Apache-2.0
"""Make the OCI layout of the embedded image at build time: hello-image.py PROGRAM DIRECTORY.

The same program gives the same digest: no time, no user and no order of files comes in.
"""

import gzip
import io
import json
import os
import shutil
import sys
import tarfile
from hashlib import sha256
from pathlib import Path

NAME = "localhost/pypod/hello:latest"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def layer(program: bytes) -> bytes:
    """Return the plain tar of the image's one layer."""
    out = io.BytesIO()
    passwd = b"root:x:0:0:root:/root:/hello\nnobody:x:65534:65534:nobody:/:/hello\n"
    group = b"root:x:0:\nnobody:x:65534:\n"
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, mode, content in (
            ("etc", 0o755, None),
            ("etc/group", 0o644, group),
            ("etc/passwd", 0o644, passwd),
            ("hello", 0o755, program),
        ):
            entry = tarfile.TarInfo(name)
            entry.mode = mode
            if content is None:
                entry.type = tarfile.DIRTYPE
            else:
                entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content or b""))
    return out.getvalue()


def main() -> None:
    """Write the layout."""
    program, directory = Path(sys.argv[1]).read_bytes(), Path(sys.argv[2])
    shutil.rmtree(directory, ignore_errors=True)
    blobs = directory / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def put(data: bytes, media_type: str) -> dict[str, object]:
        name = sha256(data).hexdigest()
        (blobs / name).write_bytes(data)
        return {"mediaType": media_type, "digest": f"sha256:{name}", "size": len(data)}

    plain = layer(program)
    machine = os.uname().machine
    config = {
        "architecture": ARCHITECTURES.get(machine, machine),
        "os": "linux",
        "created": "2026-11-24T00:00:00Z",
        "config": {"Cmd": ["/hello"], "Env": ["PATH=/"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{sha256(plain).hexdigest()}"]},
        "history": [{"created": "2026-11-24T00:00:00Z", "created_by": "libexec/hello-image.py"}],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": put(json.dumps(config).encode(), "application/vnd.oci.image.config.v1+json"),
        "layers": [
            put(
                gzip.compress(plain, 9, mtime=0),
                "application/vnd.oci.image.layer.v1.tar+gzip",
            )
        ],
    }
    descriptor = put(
        json.dumps(manifest).encode(), "application/vnd.oci.image.manifest.v1+json"
    )
    descriptor["annotations"] = {"org.opencontainers.image.ref.name": NAME}
    (directory / "index.json").write_text(
        json.dumps({"schemaVersion": 2, "manifests": [descriptor]})
    )
    (directory / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')


main()
