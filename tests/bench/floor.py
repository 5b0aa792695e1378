# SPDX-License-Identifier: Apache-2.0
"""The least that a pull can cost on this machine, and how far from it pypod and podman are.

The same blobs from the page cache through sha256, inflate, sha256 and tar, the layers side by side:
what no program can leave out, without network, store, rights and durability.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.bench.costs import Cost, cost
from tests.bench.data import Built

PROGRAM = """
import fcntl, subprocess, sys, threading
from hashlib import sha256
try:
    from isal import isal_zlib as zlib
except ImportError:
    import zlib

def layer(blob, directory):
    packed, plain, inflater = sha256(), sha256(), zlib.decompressobj(31)
    words = ["/bin/tar", "-b", "512", "-xf", "-", "-C", directory]
    tar = subprocess.Popen(words, stdin=subprocess.PIPE)
    fcntl.fcntl(tar.stdin, fcntl.F_SETPIPE_SZ, 1 << 20)
    with open(blob, "rb", buffering=0) as file:
        while data := file.read(1 << 18):
            packed.update(data)
            data = inflater.decompress(data)
            plain.update(data)
            tar.stdin.write(data)
    tar.stdin.close()
    tar.wait()

pairs = zip(sys.argv[1::2], sys.argv[2::2])
threads = [threading.Thread(target=layer, args=pair) for pair in pairs]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


class Floor:
    """Measured like a program: see costs.Subject."""

    def __init__(self, built: Built, where: Path) -> None:
        self._built, self._where, self._count = built, where, 0

    def once(self) -> Cost:
        """Unpack the layers once."""
        words = []
        self._count += 1
        for number, layer in enumerate(self._built.layers):
            directory = self._where / f"floor-{self._count}-{number}"
            directory.mkdir()
            layer.packed.read_bytes()
            words += [str(layer.packed), str(directory)]
        os.sync()
        found = cost([sys.executable, "-c", PROGRAM, *words])
        for directory in words[1::2]:
            for file in Path(directory).rglob("*"):
                if not file.is_dir():
                    os.truncate(file, 0)  # not deleted: see images.py
        return found


def show(limit: Cost, ours: Cost, unsafe: Cost, theirs: Cost) -> None:
    """Print the distances."""
    print(f"{'sha256 + inflate + sha256 + tar = 1.0':40}{'wall':>9}{'':>7}{'CPU':>9}")
    for label, one in (
        ("the floor", limit), ("pypod", ours), ("pypod, not durable", unsafe), ("podman", theirs),
    ):  # fmt: skip
        print(
            f"{'  ' + label:40}{one.wall * 1000:7.0f}ms{one.wall / limit.wall:6.2f}x"
            f"{one.cpu * 1000:7.0f}ms{one.cpu / limit.cpu:6.2f}x"
        )
