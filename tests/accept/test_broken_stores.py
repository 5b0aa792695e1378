# SPDX-License-Identifier: Apache-2.0
"""Rows S-41 to S-46: killed at any point, no space, a power cut, flipped bits.

The quick form takes 25 seeded points (5 for a power cut), the long one what the row asks for.
"""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures import images
from tests.fixtures.fault_registry import FaultRegistry
from tests.fixtures.program import Program, within
from tests.fixtures.store import Store

pytestmark = pytest.mark.own
CALLS = "openat,write,rename,renameat,renameat2,fsync,syncfs,unlink,unlinkat,mkdir,mkdirat,linkat"
RUN = ("run", "--rm", "--network=none")
FS_IOC_SHUTDOWN = 0x8004587D


def two_megabytes() -> images.Image:
    """An image that runs, with 2 MB that do not compress."""
    big = random.Random(41).randbytes(2 << 20)
    return images.make([images.busybox_files(), {"big": big, "small": b"small\n"}])


def mount(kind: str, source: str, where: Path, options: str) -> None:
    """Mount a file system for a test."""
    subprocess.run(["mount", "-t", kind, "-o", options, source, str(where)], check=True)


def unmount(where: Path) -> None:
    """Unmount as soon as the helpers of a killed command are gone."""
    command = ["umount", str(where)]
    assert within(20, lambda: not subprocess.run(command, capture_output=True).returncode)


@pytest.fixture
def small(program: Program, tmp_path: Path) -> Iterator[Store]:
    """Return a store on a file system of its own, not mounted yet."""
    where = tmp_path / "small"
    where.mkdir()
    made = Store(program, where)
    yield made
    made("rm", "-a", "-f", "-t", "0", check=None)
    subprocess.run(["umount", "-R", "-l", str(where)], check=False)


def shut_down(where: Path) -> None:
    """Take a file system's disk away, as a power cut does: nothing more is written (man ioctl)."""
    fd = os.open(where, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.ioctl(fd, FS_IOC_SHUTDOWN, struct.pack("I", 2))  # NOLOGFLUSH
    finally:
        os.close(fd)


@pytest.mark.passes("root")
@pytest.mark.parametrize("points", [5, pytest.param(30, marks=pytest.mark.long)])
def test_s45_the_power_is_cut(
    small: Store, faulty: FaultRegistry, tmp_path: Path, points: int
) -> None:
    where = small.root.parent
    image = two_megabytes()
    name = faulty.serve("cut", "1", image)
    chance = random.Random(45)
    for point in range(points):
        disk = tmp_path / f"before{point}"
        with open(disk, "wb") as file:
            file.truncate(64 << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", str(disk)], check=True)
        mount("ext4", str(disk), where, "loop")
        running = small.start("pull", "-q", name)
        if point:
            try:
                running.wait(chance.uniform(0.1, 1.5))
            except subprocess.TimeoutExpired:
                pass
        else:
            running.wait()
        shut_down(where)
        running.kill()
        running.communicate()
        unmount(where)
        # What reached the disk, on another: a mount namespace of somebody may hold the first one.
        after = tmp_path / f"after{point}"
        shutil.copyfile(disk, after)
        mount("ext4", str(after), where, "loop")
        listed = small("images", "-q", "--no-trunc").out
        assert listed == f"{image.id}\n" if not point else listed in ("", f"{image.id}\n")
        if listed:
            for digest, data in image.blobs.items():
                assert small.blob(digest).read_bytes() == data
            script = "wc -c < /big; cat /small; md5sum < /bin/busybox"
            said = small(*RUN, name, "sh", "-c", script).out.split()
            assert said[:2] == [str(2 << 20), "small"]
        small("pull", "-q", name)
        assert small(*RUN, name, "cat", "/small").out == "small\n"
        unmount(where)


@pytest.mark.parametrize("size", [0, 0.5])
def test_s46_broken_metadata_of_a_container_harms_no_other(
    store: Store, faulty: FaultRegistry, size: float
) -> None:
    name = faulty.serve("bits", "1", two_megabytes())
    store("pull", "-q", name)
    good = store("create", "--network=none", "--name", "good", name, "cat", "/small").line
    bad = store("create", "--network=none", "--name", "bad", name, "true").line
    files = [
        path
        for path in store.root.rglob("*.json")
        if bad in str(path) and path.is_file() and not path.is_symlink()
    ]
    assert files
    for path in files:
        whole = path.read_bytes()
        path.write_bytes(whole[: int(len(whole) * size)])
        listed = store("ps", "-a", "--no-trunc", check=None)
        assert good in listed.out, path
        assert bad[:12] in listed.out + listed.err, path
        assert "Traceback" not in listed.err
        assert "Traceback" not in store("inspect", "bad", check=None).err
        assert store("start", "-a", "good").out == "small\n"
        path.write_bytes(whole)
    store("rm", "bad")
