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
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fixtures import images
from tests.fixtures.fault_registry import FaultRegistry
from tests.fixtures.program import Program, environment, within
from tests.fixtures.store import Store

pytestmark = pytest.mark.own
CALLS = "openat,write,rename,renameat,renameat2,fsync,syncfs,unlink,unlinkat,mkdir,mkdirat,linkat"
RUN = ("run", "--rm", "--network=none")
FS_IOC_SHUTDOWN = 0x8004587D


def two_megabytes() -> images.Image:
    """An image that runs, with 2 MB that do not compress."""
    big = random.Random(41).randbytes(2 << 20)
    return images.make([images.busybox_files(), {"big": big, "small": b"small\n"}])


def traced(store: Store, inject: list[str], log: Path, words: tuple[str, ...], data: bytes) -> int:
    """Run a command with its own calls traced (not its helpers': those have other rights)."""
    command = ["strace", "-qq", "-o", str(log), "-e", f"trace={CALLS}", *inject]
    command += store.program.argv(*store.first, *words)
    done = subprocess.run(
        command, input=data, capture_output=True, env=environment(None), timeout=60, check=False
    )
    assert b"Traceback" not in done.stderr
    return done.returncode


def killed_at_points(
    store: Store,
    log: Path,
    points: int,
    words: tuple[str, ...],
    before: Callable[[], object],
    after: Callable[[], None],
    data: bytes = b"",
) -> None:
    """Kill a command at points of its calls; `before` prepares each time, `after` judges."""
    before()
    assert traced(store, [], log, words, data) == 0
    count = sum("(" in line for line in log.read_text().splitlines())
    assert count > 20
    after()
    names = {line.split("(")[0] for line in log.read_text().splitlines() if "(" in line}
    # `when` counts all calls of the set together only if they are one injection.
    inject = f"inject={','.join(sorted(names))}:signal=KILL:when="
    killed = 0
    for point in random.Random(41).sample(range(1, count + 1), min(points, count)):
        before()
        killed += traced(store, ["-e", f"{inject}{point}"], log, words, data) != 0
        after()
    assert killed > points // 3


def kept_nothing(store: Store) -> None:
    """Remove all images; no byte of any is left."""
    store("rmi", "-a", "-f")
    left = [path for path in store.files() if not path.startswith("images/index")]
    assert left == []


QUICK_OR_LONG = [25, pytest.param(200, marks=pytest.mark.long)]
FEWER_OR_LONG = [12, pytest.param(50, marks=pytest.mark.long)]


@pytest.mark.parametrize("points", QUICK_OR_LONG)
def test_s41_a_pull_is_killed_at_any_point(
    store: Store, faulty: FaultRegistry, tmp_path: Path, points: int
) -> None:
    image = two_megabytes()
    name = faulty.serve("killed", "1", image)

    def judge() -> None:
        assert store("images", "-q", "--no-trunc").out in ("", f"{image.id}\n")
        assert store("pull", "-q", name).line == image.id[7:]
        assert store(*RUN, name, "cat", "/small").out == "small\n"
        kept_nothing(store)

    killed_at_points(store, tmp_path / "log", points, ("pull", "-q", name), lambda: None, judge)


@pytest.mark.parametrize("points", FEWER_OR_LONG)
def test_s42_rmi_is_killed_at_any_point(
    store: Store, faulty: FaultRegistry, tmp_path: Path, points: int
) -> None:
    image = two_megabytes()
    name = faulty.serve("killed", "1", image)

    def judge() -> None:
        if store("images", "-q").out:
            assert store(*RUN, name, "cat", "/small").out == "small\n"
        store("pull", "-q", name)
        assert store(*RUN, name, "cat", "/small").out == "small\n"
        kept_nothing(store)

    killed_at_points(
        store,
        tmp_path / "log",
        points,
        ("rmi", name),
        lambda: store("pull", "-q", name),
        judge,
    )


@pytest.mark.parametrize("points", FEWER_OR_LONG)
def test_s42_load_is_killed_at_any_point(
    store: Store, faulty: FaultRegistry, tmp_path: Path, points: int
) -> None:
    name = faulty.serve("killed", "1", two_megabytes())
    saved = tmp_path / "saved.tar"
    store("pull", "-q", name)
    store("save", "-q", "-o", str(saved), name)
    kept_nothing(store)

    def judge() -> None:
        if store("images", "-q").out:
            assert store(*RUN, name, "cat", "/small").out == "small\n"
        store("load", "-q", "-i", str(saved))
        assert store(*RUN, name, "cat", "/small").out == "small\n"
        kept_nothing(store)

    killed_at_points(
        store, tmp_path / "log", points, ("load", "-q", "-i", str(saved)), lambda: None, judge
    )


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


@pytest.mark.passes("root")
@pytest.mark.parametrize("what", ["s43 bytes", "s44 inodes"])
def test_s43_and_s44_a_full_store_can_be_emptied(
    small: Store, faulty: FaultRegistry, what: str
) -> None:
    where = small.root.parent
    mount("tmpfs", "none", where, "size=32m" if "bytes" in what else "size=64m,nr_inodes=600")
    name = faulty.serve("full", "1", two_megabytes())
    small("pull", "-q", name)
    script = "echo said; exec sleep 1000"
    running = small("run", "-d", "--network=none", name, "sh", "-c", script).line
    small("run", "--network=none", "--name", "gone", name, "true")
    filler = where / "filler"
    filler.mkdir()
    with pytest.raises(OSError, match="No space left"):
        for number in range(10_000):
            with open(filler / str(number), "wb", buffering=0) as file:
                while "bytes" in what and file.write(bytes(4096)) == 4096:
                    pass
    big = images.make([{"more": random.Random(1).randbytes(1 << 20)}])
    refused = small("pull", "-q", faulty.serve("more", "1", big), check=125)
    assert "No space left" in refused.err
    assert "Traceback" not in refused.err
    assert running[:12] in small("ps").out
    assert small("logs", running).out == "said\n"
    small("stop", "-t", "0", running)
    small("rm", running)
    small("rm", "gone")
    small("rmi", name)
    assert small("ps", "-a", "-q").out == ""
    assert small("images", "-q").out == ""


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
