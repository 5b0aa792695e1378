# SPDX-License-Identifier: Apache-2.0
"""Rows S-43 and S-44: with no byte and with no inode left, what makes room works at the first try.

tests/run mounts two small file systems for it. After each command the disk is filled again.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures import images
from tests.fixtures.fault_registry import FaultRegistry
from tests.fixtures.program import Program, Result, within
from tests.fixtures.store import Store

pytestmark = pytest.mark.own
NONE = "--network=none"


class Full:
    """A store on a file system of its own that can be filled."""

    def __init__(self, program: Program, where: Path, inodes: bool) -> None:
        self.where, self.inodes = where, inodes
        self.store = Store(program, where)

    def fill(self) -> None:
        """Leave nothing free."""
        filler = self.where / "filler"
        filler.mkdir(exist_ok=True)
        number = len(os.listdir(filler))
        with pytest.raises(OSError, match="No space left"):
            while True:
                with open(filler / str(number), "wb", buffering=0) as file:
                    while not self.inodes and file.write(bytes(4096)) == 4096:
                        pass
                number += 1
        room = os.statvfs(self.where)
        assert (room.f_ffree if self.inodes else room.f_bavail) == 0

    def __call__(self, *words: str, check: int | None = 0) -> Result:
        """Run a command with nothing free."""
        self.fill()
        done = self.store(*words, check=check)
        assert "Traceback" not in done.err and "bug of pypod" not in done.err, done.err
        return done


@pytest.fixture(params=["s43 bytes", "s44 inodes"])
def full(program: Program, request: pytest.FixtureRequest) -> Iterator[Full]:
    kind = request.param.split()[1]
    where = Path(os.environ["PYPOD_TEST_DISKS"]) / kind / "store"
    where.mkdir(mode=0o700)
    made = Full(program, where, kind == "inodes")
    yield made
    shutil.rmtree(where / "filler", ignore_errors=True)
    made.store("rm", "-a", "-f", "-t", "0", check=None)
    made.store.remove()
    shutil.rmtree(where)


def image(number: int) -> images.Image:
    """An image of its own that runs, with 2 MB that do not compress."""
    big = random.Random(number).randbytes(2 << 20)
    return images.make([images.busybox_files(), {"big": big, "small": b"small\n"}])


def test_s43_and_s44_a_full_store_is_emptied(full: Full, faulty: FaultRegistry) -> None:
    store = full.store
    names = [faulty.serve(f"full{number}", "1", image(number)) for number in range(4)]
    for name in names:
        store("pull", "-q", name)
    store("tag", names[0], "second:1")
    script = "echo said; exec sleep 1000"
    running = [
        store("run", "-d", NONE, names[0], "sh", "-c", script).line for _ in range(2)
    ]
    for number in range(4):
        store("run", NONE, "--name", f"gone{number}", names[0], "sh", "-c", "echo x > /new")
    logged = lambda: store("logs", running[0]).out == "said\n"  # noqa: E731
    assert within(20, logged)

    big = images.make([{"more": random.Random(9).randbytes(1 << 20)}])
    refused = full("pull", "-q", faulty.serve("more", "1", big), check=125)
    assert "o space left" in refused.err
    (error,) = [line for line in refused.err.splitlines() if line.startswith("Error: ")]
    assert str(full.where) in error
    assert full.inodes or "bytes are needed" in error
    assert not any(path.startswith(("tmp/", "images/partial/")) for path in store.files())
    # What only reads.
    assert running[0][:12] in full("ps").out
    assert len(full("ps", "-a", "-q").out.split()) == 6
    assert full("logs", running[0]).out == "said\n"
    assert len(full("images", "-q").out.split()) == 4
    assert full("inspect", "-f", "{{.State.Status}}", running[0]).line == "running"
    full("system", "df")
    assert full("system", "check").out == ""
    # What makes room: each at the first try.
    full("stop", "-t", "0", running[0])
    full("kill", running[1])
    full("rm", running[0])
    full("rm", "-f", running[1])
    full("rm", "gone0")
    full("rmi", "second:1")
    full("rmi", names[1])
    full("rmi", store("images", "-q", names[2]).line)
    store("rm", "gone1")
    kept = store("ps", "-a", "-q", "--no-trunc").out.split()
    assert sorted(full("container", "prune", "-f").out.split()) == sorted(kept)
    assert full("image", "prune", "-f").out == ""
    assert "Total reclaimed space" in full("system", "prune", "-f").out
    assert len(full("image", "prune", "-a", "-f").out.split()) == 2
    assert full("ps", "-a", "-q").out == ""
    assert full("images", "-q").out == ""
    assert store.files() == {"images/index.json": store.files()["images/index.json"]}


def test_s43_and_s44_system_prune_empties_a_full_store_alone(
    full: Full, faulty: FaultRegistry
) -> None:
    store = full.store
    name = faulty.serve("full", "1", image(1))
    store("pull", "-q", name)
    store("run", NONE, "-v", "/data", name, "sh", "-c", "echo x > /data/new")
    said = full("system", "prune", "-a", "-f", "--volumes").out
    assert "Total reclaimed space" in said
    assert store("ps", "-a", "-q").out == store("images", "-q").out == ""
    assert store("volume", "ls", "-q").out == ""


@pytest.mark.parametrize("what", ["packed", "unpacked", "loaded"])
def test_s43_and_s44_a_pull_that_fills_the_disk_leaves_nothing(
    full: Full, faulty: FaultRegistry, tmp_path: Path, what: str
) -> None:
    store = full.store
    name = faulty.serve("full", "1", image(1))
    store("pull", "-q", name)
    before = store.files()
    full.fill()
    filler = full.where / "filler"
    for path in sorted(filler.iterdir())[-40:]:  # some inodes, or a part of the one large file
        os.truncate(path, max(0, path.stat().st_size - (4 << 20)))
        if full.inodes:
            path.unlink()
    files = {"packed": random.Random(3).randbytes(8 << 20), "unpacked": bytes(16 << 20)}
    content: dict[str, bytes] = {what: files.get(what, files["packed"])}
    if full.inodes:
        content = {f"f{number}": b"" for number in range(2000)}
    made = images.make([{"small": b"small\n"}, content])
    words = ("pull", "-q", faulty.serve("more", "1", made))
    if what == "loaded":
        words = ("load", "-q", "-i", str(images.write_layout(made, tmp_path / "layout", "more")))
    refused = store(*words, check=125)
    (error,) = [line for line in refused.err.splitlines() if line.startswith("Error: ")]
    assert "o space left" in error, error
    assert str(full.where) in error, error
    assert "bug of pypod" not in refused.err
    assert store.files() == before, refused
    assert store("run", "--rm", NONE, name, "cat", "/small").out == "small\n"
