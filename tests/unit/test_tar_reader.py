# SPDX-License-Identifier: Apache-2.0
"""The tar reader of pypod-files bears any bytes."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
LIBEXEC = CHECKOUT / "libexec"


def archive(form: int) -> bytes:
    """Return an archive with something of everything."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        for name, kind, target in (
            ("dir", tarfile.DIRTYPE, ""),
            ("dir/" + "n" * 95, tarfile.REGTYPE, ""),
            ("dir/link", tarfile.LNKTYPE, "dir/" + "n" * 95),
            ("s", tarfile.SYMTYPE, "t" * 99),
            ("fifo", tarfile.FIFOTYPE, ""),
            ("null", tarfile.CHRTYPE, ""),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            data = b"data" * 300 if kind == tarfile.REGTYPE else b""
            info.size = len(data)
            if form == tarfile.PAX_FORMAT:
                info.pax_headers = {"SCHILY.xattr.user.key": "value", "mtime": "1.5"}
            tar.addfile(info, io.BytesIO(data))
        if form != tarfile.USTAR_FORMAT:
            long = tarfile.TarInfo("long/" * 60)
            long.type, long.linkname, long.uid = tarfile.SYMTYPE, "far/" * 90, 1 << 25
            tar.addfile(long)
    return out.getvalue()


def sparse(records: str, data: bytes) -> bytes:
    """Return an archive with one file of PAX records, each a `key=value` line."""
    body = b"".join(
        f"{len(line) + 5:3d} {line}\n".replace(" ", "0", 3 - len(str(len(line) + 5))).encode()
        for line in records.split("\n")
    )
    head, info = tarfile.TarInfo("pax"), tarfile.TarInfo("f")
    head.type, head.size, info.size = tarfile.XHDTYPE, len(body), len(data)
    parts = (head.tobuf(tarfile.USTAR_FORMAT), body, info.tobuf(tarfile.USTAR_FORMAT), data)
    return b"".join(part + bytes(-len(part) % 512) for part in parts) + bytes(1024)


def test_the_tar_reader_bears_any_bytes(tmp_path: Path) -> None:
    seeds = [
        archive(tarfile.USTAR_FORMAT),
        archive(tarfile.GNU_FORMAT),
        archive(tarfile.PAX_FORMAT),
        sparse("GNU.sparse.size=100\nGNU.sparse.map=0,2,50,2", b"1234"),
        sparse(
            "GNU.sparse.size=9\nGNU.sparse.offset=1\nGNU.sparse.numbytes=2\n"
            "GNU.sparse.offset=5\nGNU.sparse.numbytes=2",
            b"1234",
        ),
        sparse(
            "GNU.sparse.major=1\nGNU.sparse.minor=0\nGNU.sparse.name=f\nGNU.sparse.realsize=99",
            b"2\n0\n2\n50\n2\n".ljust(512, b"\0") + b"1234",
        ),
    ]
    old = bytearray(seeds[1])
    old[156] = ord("S")
    old[482] = 1
    seeds.append(bytes(old))
    paths = []
    for number, seed in enumerate(seeds):
        paths.append(tmp_path / f"{number}.tar")
        paths[-1].write_bytes(seed)
    program = tmp_path / "fuzz"
    subprocess.run(
        [
            "cc", "-std=gnu11", "-g", "-O1", "-fsanitize=address,undefined",
            "-fno-sanitize-recover=all", "-I", str(LIBEXEC), "-o", str(program),
            str(CHECKOUT / "tests" / "fuzz" / "tar.c"),
            str(LIBEXEC / "tar.c"), str(LIBEXEC / "sparse.c"),
        ],
        check=True,
    )  # fmt: skip
    seconds = os.environ.get("FUZZ_SECONDS", "5")
    seed_number = os.environ.get("FUZZ_SEED", str(int.from_bytes(os.urandom(4))))
    done = subprocess.run(
        [str(program), seconds, seed_number, *map(str, paths)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"FUZZ_SEED={seed_number}\n{done.stderr[-3000:]}"
    archives, _, entries = done.stdout.split()[:3]
    assert int(archives) > 500 * int(seconds)
    assert int(entries) > int(archives)
