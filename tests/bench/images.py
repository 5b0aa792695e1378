# SPDX-License-Identifier: Apache-2.0
"""The rows of images: pull, load, push, and lists of many, each beside podman with a clean store.

The images are made here, always the same. Every measurement has a new store and begins with an idle
disk; nothing is deleted in between, because ext4 without a journal does not use the inodes of files
again that were deleted in the last minutes, and every new file would pay for looking past them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.bench import data, floor, pull_stages
from tests.bench.costs import Cost, Subject, adopt, compare, rows
from tests.bench.pairs import Row
from tests.fixtures.program import Program
from tests.fixtures.registry import Registry

LARGE = [(4500, 375 << 20), (3500, 275 << 20), (2000, 147 << 20)]
"""300 MB packed; files and bytes of each layer."""
SMALL = [(30_000, 30 << 20)]
TINY = 300
PEAK_MB = 150


class Placed(Program):
    """A program with a store of its own."""

    def __init__(self, path: str | None, where: Path) -> None:
        super().__init__(path)
        # Without a storage.conf podman takes vfs, which copies every layer below a new one.
        self._options = [*self._first, *["--storage-driver", "overlay"] * self.is_podman]
        self._where, self._count = where, 0
        self.fresh()

    def fresh(self) -> None:
        """Begin a new store; of the old one only the inodes stay."""
        last = f"{self._where}-{self._count}"
        if os.path.exists(last):
            emptied(self.argv("unshare"), last)
        self._count += 1
        run = f"{os.environ['XDG_RUNTIME_DIR']}/{self._where.name}"  # podman takes 50 characters
        self._first = [*self._options, "--root", f"{self._where}-{self._count}", "--runroot", run]
        self("images")

    def pull_words(self, name: str) -> tuple[str, ...]:
        """The words of a pull from a registry without TLS."""
        insecure = ("--tls-verify=false",) if self.is_podman else ()
        return ("pull", "-q", *insecure, name)


class Bench:
    """Everything that the rows share."""

    def __init__(self, scratch: Path, quick: bool) -> None:
        self.scratch, self.rounds = scratch, 1 if quick else 3
        self.own = Placed(None, scratch / "own")
        self.peer = Placed("/usr/bin/podman", scratch / "peer")
        self.registry = Registry(scratch / "registry")
        self.rows: list[Row] = []
        settings = scratch / "pypod.conf"
        settings.write_text("[store]\ndurable = false\n")
        self.relaxed = {"PYPOD_CONF": str(settings)}

    def both(self, words: tuple[str, ...]) -> list[Subject]:
        """The same line for both."""
        return [Subject(program, words) for program in (self.own, self.peer)]

    def without(self, name: str) -> list[Subject]:
        """A pull of an image that is not there, for both."""
        return [
            Subject(program, program.pull_words(name), program.fresh)
            for program in (self.own, self.peer)
        ]

    def add(
        self,
        label: str,
        ours: Cost,
        theirs: Cost,
        wall: float | None = None,
        cpu: float | None = None,
        count: int = 0,
    ) -> None:
        """Print two rows and keep them."""
        self.rows += rows(label, ours, theirs, wall, cpu, count or self.rounds)


def emptied(prefix: list[str], where: str) -> None:
    """Free the space that files have."""
    words = [where, "-type", "f", "-size", "+8k", "-exec", "truncate", "-s", "0", "{}", "+"]
    subprocess.run([*prefix, "find", *words], stdin=subprocess.DEVNULL, check=True)


def report(quick: bool) -> list[str]:
    """Print the rows and the stages; return the labels of those over their limit."""
    adopt()
    # Who started us deletes it: some of the files are subordinate users'.
    scratch = Path(tempfile.mkdtemp(prefix="images-"))
    # ext4 spreads what is made in a directory marked so: away from what others delete meanwhile.
    subprocess.run(["chattr", "+T", str(scratch)], stderr=subprocess.DEVNULL, check=False)
    bench = Bench(scratch, quick)
    try:
        for part in (_large, _small, _many):
            part(bench)
    finally:
        bench.registry.close()
    return [row.label for row in bench.rows if row.over]


def _large(bench: Bench) -> None:
    built = data.image(bench.scratch / "large", LARGE)
    name = built.push(bench.registry, "bench/large")
    print(f"\npull: {built.packed / 1e6:.0f} MB in 3 layers of gzip, 10,000 files, "
          f"{built.plain / 1e6:.0f} MB unpacked; "
          f"podman's storage: {bench.peer('info', '--format', '{{.Store.GraphDriverName}}').line}",
          flush=True)  # fmt: skip
    own, peer = bench.without(name)
    relaxed = Subject(bench.own, own.words, own.before, bench.relaxed)
    memory = own.memory(), peer.memory()
    least = floor.Floor(built, bench.scratch)
    ours, theirs, unsafe, limit = compare(
        [own, peer, relaxed, least], bench.rounds, warm=False
    )
    bench.add("pull", ours, theirs, 0.4, 0.5)
    bench.add("pull, not durable", unsafe, theirs, 0.4, 0.5)
    over = "   OVER" * (memory[0] > PEAK_MB)
    print(f"{'pull: memory at its peak':40}{memory[0]:7.1f}MB{memory[1]:7.1f}MB{'':8}"
          f"{PEAK_MB:5}MB{1:5}{over}")  # fmt: skip
    floor.show(limit, ours, unsafe, theirs)
    print()
    bench.own.fresh()
    site = next((Path(bench.own.path).parents[1] / "lib/pypod/lib").glob("python3.*"))
    pull_stages.show(site / "site-packages", bench.own.argv(*own.words)[1:])
    print()
    _archive(bench, built)
    _push(bench, name)
    emptied([], str(bench.scratch / "large"))


def _archive(bench: Bench, built: data.Built) -> None:
    name = "localhost/bench/archive:latest"
    archive = built.archive(bench.scratch / "large.tar", name)
    words = ("load", "-q", "-i", str(archive))
    subjects = [Subject(program, words, program.fresh) for program in (bench.own, bench.peer)]
    ours, theirs = compare(subjects, bench.rounds, warm=False)
    bench.add("load of a docker-archive", ours, theirs, 0.5)
    archive.unlink()


def _push(bench: Bench, name: str) -> None:
    # Its own registry: from another repository of the same one both would mount the blobs.
    where = bench.scratch / "empty"
    registry = Registry(where)
    subjects = []
    for program in (bench.own, bench.peer):
        program.fresh()
        program.pull(name)
        insecure = ("--tls-verify=false",) if program.is_podman else ()
        words = ("push", "-q", *insecure, name, f"docker://{registry.host}/bench/large")
        subjects.append(
            Subject(program, words, lambda: shutil.rmtree(where / "data", ignore_errors=True))
        )
    count = min(bench.rounds, 2)
    ours, theirs = compare(subjects, count, warm=False)
    bench.add("push to an empty repository", ours, theirs, 0.7, count=count)
    registry.close()


def _small(bench: Bench) -> None:
    built = data.image(bench.scratch / "small", SMALL, spread=0.9)
    name = built.push(bench.registry, "bench/small")
    ours, theirs = compare(bench.without(name), bench.rounds, warm=False)
    bench.add("pull of 30,000 small files", ours, theirs, 0.5, 0.5)


def _many(bench: Bench) -> None:
    archive = data.many(bench.scratch / "many.tar", TINY)
    for program in (bench.own, bench.peer):
        program.fresh()
        program("load", "-q", "-i", str(archive), timeout=300)
    ours, theirs = compare(bench.both(("images",)), 5 * bench.rounds)
    bench.add(f"images, {TINY} of them", ours, theirs, 0.5, count=5 * bench.rounds)
    ours, theirs = compare(bench.both(("system", "df")), 2 * bench.rounds)
    bench.add(f"system df, {TINY} images", ours, theirs, 0.5, count=2 * bench.rounds)
