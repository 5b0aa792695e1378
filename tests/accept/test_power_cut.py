# SPDX-License-Identifier: Apache-2.0
"""Row S-45: the power goes while pull, load, commit, tag, create or run are at it.

A store on an ext4 of its own loses its disk at a counted system call (tests/probe/strike.c); what
had reached the disk is mounted again. 3 seeded points for each command, 30 in the long form.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import random
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures import images, probe
from tests.fixtures.fault_registry import FaultRegistry
from tests.fixtures.program import Program, environment, within
from tests.fixtures.store import Store

pytestmark = [pytest.mark.own, pytest.mark.passes("root")]
RUN = ("run", "--rm", "--network=none")
EPOCH: dict[str, str | None] = {"SOURCE_DATE_EPOCH": "1000000000"}
POINTS = [3, pytest.param(30, marks=pytest.mark.long)]
SIZE = 96 << 20
SHUTDOWN = 0x8004587D


@pytest.fixture(scope="module")
def strike(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return probe.build(tmp_path_factory.mktemp("strike"), "strike")


class Disk:
    """A store on an ext4 in a file: what was prepared, copied for each power cut."""

    def __init__(self, program: Program, directory: Path) -> None:
        self.directory, self.where = directory, directory / "mounted"
        self.copies = 0
        self.where.mkdir()
        self.store = Store(program, self.where)
        self.template = directory / "template"
        with open(self.template, "wb") as file:
            file.truncate(SIZE)
        subprocess.run(["mkfs.ext4", "-q", "-F", str(self.template)], check=True)

    def mount(self, file: Path) -> None:
        words = ["mount", "-t", "ext4", "-o", "loop", str(file), str(self.where)]
        subprocess.run(words, check=True)

    def unmount(self) -> None:
        """Unmount as soon as the helpers of a killed command are gone.

        Somebody's mount namespace may hold it a while longer: what is not written yet, is now.
        """
        subprocess.run(["sync", "-f", str(self.where)], check=False, capture_output=True)
        command = ["umount", str(self.where)]
        assert within(20, lambda: not subprocess.run(command, capture_output=True).returncode)

    def copy(self, source: Path) -> Path:
        """Return a copy of a disk in a new file: somebody's mounts may hold the one before."""
        self.copies += 1
        made = self.directory / f"copy{self.copies}"
        subprocess.run(["cp", "--sparse=always", str(source), str(made)], check=True)
        return made

    def files(self) -> dict[str, str]:
        """Every file of a layer with its name, and every blob with its name, by their content."""
        found = {}
        for part in ("layers", "images/blobs"):
            for path in (self.store.root / part).rglob("*"):
                name = str(path.relative_to(self.store.root))
                if path.is_symlink():
                    found[name] = os.readlink(path)
                elif path.is_file():
                    found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
                    if part == "images/blobs":
                        assert found[name] == path.name, "a blob that is not what its name says"
        return found


def shut_down(where: Path) -> None:
    """Take a file system's disk away; nothing more is written (EXT4_IOC_SHUTDOWN, NOLOGFLUSH)."""
    fd = os.open(where, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.ioctl(fd, SHUTDOWN, struct.pack("I", 2))
    finally:
        os.close(fd)


@pytest.fixture
def disk(program: Program, tmp_path: Path) -> Iterator[Disk]:
    made = Disk(program, tmp_path)
    yield made
    subprocess.run(["umount", "-R", "-l", str(made.where)], check=False, capture_output=True)


def image(number: int) -> images.Image:
    """An image that runs, with 2 MB that do not compress."""
    big = random.Random(number).randbytes(2 << 20)
    return images.make([images.busybox_files(), {"big": big, "small": b"small\n"}])


COMMANDS = ("pull", "load", "commit", "tag", "create", "run")


@pytest.mark.parametrize("points", POINTS)
@pytest.mark.parametrize("command", COMMANDS)
def test_s45_the_power_is_cut(
    strike: Path, disk: Disk, faulty: FaultRegistry, tmp_path: Path, command: str, points: int
) -> None:
    store, archive, count = disk.store, tmp_path / "archive.tar", tmp_path / "count"
    name, other = faulty.serve("cut", "1", image(45)), faulty.serve("other", "1", image(46))
    disk.mount(disk.template)
    store("pull", "-q", other)
    store("run", "--network=none", "--name", "c", other, "sh", "-c", "cp /big /more; rm -f /small")
    if command == "load":
        store("pull", "-q", name)
        store("save", "-q", "-o", str(archive), name)
        store("rmi", name)
    words, made = {
        "pull": (("pull", "-q", name), name),
        "load": (("load", "-q", "-i", str(archive)), name),
        "commit": (("commit", "-q", "c", "made:1"), "localhost/made:1"),
        "tag": (("tag", other, "made:1"), "localhost/made:1"),
        "create": (("create", "--network=none", "--name", "made", other, "cat", "/small"), "made"),
        "run": (("run", "--network=none", "--name", "made", other, "cat", "/small"), "made"),
    }[command]
    of_container = made == "made"
    disk.unmount()

    def listed() -> list[str]:
        shown = store("images", "--format", "{{.Repository}}:{{.Tag}}").out.split()
        return sorted([*shown, *store("ps", "-a", "--format", "{{.Names}}").out.split()])

    def struck(point: int) -> None:
        """Run the command until the power goes: before a call, or after its end."""
        where = [str(strike), str(point), str(disk.where), str(count)]
        done = subprocess.run(
            [*where, *store.program.argv(*store.first, *words)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=environment(EPOCH),
            timeout=60,
            check=False,
        )
        assert done.returncode in (0, 137), done.stderr
        if done.returncode == 0:
            golden.update(disk.files())
            shut_down(disk.where)

    before: list[str] = []
    golden: dict[str, str] = {}
    cuts = [0]  # the first power cut comes when the command has said that all is done
    for cut in cuts:
        used = disk.copy(disk.template)
        disk.mount(used)
        before = before or listed()
        struck(cut)
        if not cut:
            calls = int(count.read_text())
            cuts += random.Random(45).sample(range(1, calls + 1), min(points, calls))
        disk.unmount()
        after = disk.copy(used)
        disk.mount(after)
        used.unlink()
        after.unlink()
        where = f"cut at call {cut} of {calls}"
        found = listed()
        assert found in (before, sorted([*before, made])), where
        whole = made in found
        assert whole or cut or of_container, "done, it had said"
        odd = {name for name, content in disk.files().items() if golden.get(name) != content}
        assert not odd, where
        if whole and of_container:
            assert store("start", "-a", "made").out == "small\n", where
        elif whole:
            assert store(*RUN, made, "sh", "-c", "wc -c < /big").line == str(2 << 20), where
        store("start", "-a", "c")
        store("image", "prune", "-f")
        assert store("system", "check").out == "", where
        if not whole:
            store(*words, env=EPOCH)
            assert listed() == sorted([*before, made]), where
            assert store("system", "check").out == "", where
        disk.unmount()
