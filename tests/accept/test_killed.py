# SPDX-License-Identifier: Apache-2.0
"""Rows S-41 and S-42: pull, rmi, rm, commit, tag, load, volume rm, killed at any system call.

tests/probe/strike.c counts the calls that change something, in every thread and every child, and
kills before the chosen one: by turns the command alone, whose helpers must notice, or all at once.
The points are seeded: 25 of them quick, as many as the row says in the long form.
"""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fixtures import images, probe
from tests.fixtures.fault_registry import FaultRegistry
from tests.fixtures.program import environment
from tests.fixtures.store import Store

pytestmark = [pytest.mark.own, pytest.mark.passes("user", "root")]
RUN = ("run", "--rm", "--network=none")
EPOCH = {"SOURCE_DATE_EPOCH": "1000000000"}
"""What is committed is one image, however often."""
PULL_POINTS = [25, pytest.param(200, marks=pytest.mark.long)]
POINTS = [25, pytest.param(50, marks=pytest.mark.long)]


@pytest.fixture(scope="module")
def strike(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return probe.build(tmp_path_factory.mktemp("strike"), "strike")


def two_megabytes() -> images.Image:
    """An image that runs, with 2 MB that do not compress."""
    big = random.Random(41).randbytes(2 << 20)
    return images.make([images.busybox_files(), {"big": big, "small": b"small\n"}])


class Killing:
    """A command that is killed at points, and what must be true after each."""

    def __init__(self, strike: Path, store: Store, words: tuple[str, ...]) -> None:
        self.strike, self.store, self.words = strike, store, words
        self.kept: list[set[str]] = []
        """What may be left: the files before, and the files after."""

    def run(self, point: int, how: str) -> tuple[int, int]:
        """Run the command and kill it at a point (0: not); return exit code and count of calls."""
        count = self.store.root.parent / "count"
        command = [str(self.strike), str(point), how, str(count)]
        done = subprocess.run(
            [*command, *self.store.program.argv(*self.store.first, *self.words)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=environment(dict(EPOCH)),
            timeout=60,
            check=False,
        )
        assert b"Traceback" not in done.stderr, done.stderr
        if not point:
            assert done.returncode == 0, done.stderr
        return done.returncode, int(count.read_text())

    def files(self) -> set[str]:
        """What the store holds; containers and volumes by number, for their ids are random."""
        found = set(self.store.files()) - {"images/index.json"}
        for part in ("containers", "names", "volumes"):
            where = self.store.root / part
            names = sorted(name.name for name in where.iterdir()) if where.exists() else []
            found |= {f"{part}/{name if part == 'names' else i}" for i, name in enumerate(names)}
        return found

    def at(self, points: int, before: Callable[[], None], after: Callable[[], None]) -> None:
        """Kill at points. `before` makes the state that the command starts from, `after` judges."""
        before()
        self.kept = [self.files()]
        count = self.run(0, "all")[1]
        self.kept.append(self.files())
        after()
        chosen = random.Random(41).sample(range(1, count + 1), min(points, count))
        killed = 0
        for number, point in enumerate(chosen):
            how = ("all", "command")[number % 2]
            before()
            killed += self.run(point, how)[0] == 137
            try:
                if number % 4 < 2:
                    self.nothing_stranded()
                after()
            except (AssertionError, subprocess.TimeoutExpired) as error:
                where = f"killed ({how}) at call {point} of {count}"
                raise AssertionError(f"{where}: {error}") from error
        # Threads and helpers do not make the same calls each time: a late point may not come.
        assert killed > len(chosen) * 3 // 4

    def nothing_stranded(self) -> None:
        """Clear away what the dead left; the store is as before or as after, and is good."""
        self.store("image", "prune", "-f")
        found = self.files()
        if found not in self.kept:
            odd = [(sorted(found - kept), sorted(kept - found)) for kept in self.kept]
            raise AssertionError(f"more and less than before {odd[0]}, and than after {odd[1]}")
        assert self.store("system", "check").out == ""

    def empty(self) -> None:
        """Remove everything; no byte of any image is left."""
        self.store("rm", "-a", "-f", "-t", "0")
        self.store("rmi", "-a", "-f")
        self.store("image", "prune", "-f")
        assert self.files() == set()


@pytest.mark.parametrize("points", PULL_POINTS)
def test_s41_a_pull_is_killed_at_any_point(
    strike: Path, store: Store, faulty: FaultRegistry, points: int
) -> None:
    image = two_megabytes()
    name = faulty.serve("killed", "1", image)
    killing = Killing(strike, store, ("pull", "-q", name))

    def judge() -> None:
        assert store("images", "-q", "--no-trunc").out in ("", f"{image.id}\n")
        assert store("pull", "-q", name).line == image.id[7:]
        assert store(*RUN, name, "cat", "/small").out == "small\n"
        assert store("system", "check").out == ""
        killing.empty()

    killing.at(points, lambda: None, judge)


@pytest.mark.parametrize("points", POINTS)
def test_s42_rmi_is_killed_at_any_point(
    strike: Path, store: Store, faulty: FaultRegistry, points: int
) -> None:
    image = two_megabytes()
    name = faulty.serve("killed", "1", image)
    killing = Killing(strike, store, ("rmi", name))

    def judge() -> None:
        if store("images", "-q").out:
            assert store(*RUN, name, "cat", "/small").out == "small\n"
        store("pull", "-q", name)
        assert store(*RUN, name, "cat", "/small").out == "small\n"
        assert store("system", "check").out == ""

    killing.at(points, lambda: pull(store, name), judge)
    killing.empty()


def ignore(_result: object) -> None:
    """Take what a command said."""


def pull(store: Store, name: str) -> None:
    """Have an image."""
    store("pull", "-q", name)


@pytest.mark.parametrize("points", POINTS)
def test_s42_rm_is_killed_at_any_point(
    strike: Path, store: Store, faulty: FaultRegistry, points: int
) -> None:
    name = faulty.serve("killed", "1", two_megabytes())
    pull(store, name)
    killing = Killing(strike, store, ("rm", "killed"))
    script = "mkdir -p /a/b && cp /small /a/b && chown 1:1 /a/b || cp /small /a/b"
    words = ("run", "--network=none", "--cidfile", str(store.root.parent / "cid"), "-v", "/data")

    def before() -> None:
        store(*words, "--name", "killed", name, "sh", "-c", script)

    def judge() -> None:
        listed = store("ps", "-a", "--format", "{{.Names}}").line
        assert listed in ("", "killed")
        if listed:
            assert store("start", "-a", "killed").rc == 0
            store("rm", "killed")
        store("rm", "-f", "killed")
        (store.root.parent / "cid").unlink(missing_ok=True)
        assert store(*RUN, "--name", "killed", name, "cat", "/small").out == "small\n"
        store("volume", "prune", "-f")
        assert store("system", "check").out == ""
        assert store("ps", "-a", "-q").out == ""

    killing.at(points, before, judge)
    killing.empty()


@pytest.mark.parametrize("points", POINTS)
def test_s42_commit_is_killed_at_any_point(
    strike: Path, store: Store, faulty: FaultRegistry, points: int
) -> None:
    name = faulty.serve("killed", "1", two_megabytes())
    pull(store, name)
    store("run", "--network=none", "--name", "c", name, "sh", "-c", "cp /big /more; rm /small")
    killing = Killing(strike, store, ("commit", "-q", "c", "made:1"))
    compare = (*RUN, "made:1", "sh", "-c", "cmp /big /more && ! test -e /small && echo same")

    def judge() -> None:
        if store("images", "-q", "made:1").out:
            assert store(*compare).out == "same\n"
        store("commit", "-q", "c", "made:1", env=dict(EPOCH))
        assert store(*compare).out == "same\n"
        store("rmi", "-f", "made:1")
        assert store("system", "check").out == ""

    killing.at(points, lambda: None, judge)
    killing.empty()


@pytest.mark.parametrize("points", POINTS)
def test_s42_tag_is_killed_at_any_point(
    strike: Path, store: Store, faulty: FaultRegistry, points: int
) -> None:
    name = faulty.serve("killed", "1", two_megabytes())
    other = faulty.serve("killed", "2", images.make([{"f": b"f"}]))
    pull(store, name)
    pull(store, other)
    killing = Killing(strike, store, ("tag", name, "moved:1"))
    of_name, of_other = (store("inspect", "-f", "{{.Id}}", one).line for one in (name, other))

    def judge() -> None:
        shown = store("images", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}").out
        now = dict(line.split() for line in shown.splitlines())
        moved = now.pop("localhost/moved:1")
        assert moved in (f"sha256:{of_name}", f"sha256:{of_other}")
        assert now == {name: f"sha256:{of_name}", other: f"sha256:{of_other}"}
        store("tag", name, "moved:1")
        assert store(*RUN, "moved:1", "cat", "/small").out == "small\n"
        assert store("system", "check").out == ""

    killing.at(points, lambda: ignore(store("tag", other, "moved:1")), judge)
    killing.empty()


@pytest.mark.parametrize("points", POINTS)
def test_s42_volume_rm_is_killed_at_any_point(
    strike: Path, store: Store, faulty: FaultRegistry, points: int
) -> None:
    name = faulty.serve("killed", "1", two_megabytes())
    pull(store, name)
    killing = Killing(strike, store, ("volume", "rm", "v"))
    words = (*RUN, "-v", "v:/v", name, "sh", "-c")

    def before() -> None:
        store(*words, "mkdir -p /v/a/b && echo mine > /v/a/b/c")

    def judge() -> None:
        if store("volume", "ls", "-q").out:
            assert store(*words, "cat /v/a/b/c").out == "mine\n"
            store("volume", "rm", "v")
        assert store(*words, "ls /v").out == ""
        store("volume", "rm", "v")
        assert store("system", "check").out == ""

    killing.at(points, before, judge)
    killing.empty()


@pytest.mark.parametrize("points", POINTS)
def test_s42_load_is_killed_at_any_point(
    strike: Path, store: Store, faulty: FaultRegistry, tmp_path: Path, points: int
) -> None:
    name = faulty.serve("killed", "1", two_megabytes())
    saved = tmp_path / "saved.tar"
    pull(store, name)
    store("save", "-q", "-o", str(saved), name)
    killing = Killing(strike, store, ("load", "-q", "-i", str(saved)))
    killing.empty()

    def judge() -> None:
        if store("images", "-q").out:
            assert store(*RUN, name, "cat", "/small").out == "small\n"
        store("load", "-q", "-i", str(saved))
        assert store(*RUN, name, "cat", "/small").out == "small\n"
        assert store("system", "check").out == ""
        killing.empty()

    killing.at(points, lambda: None, judge)
