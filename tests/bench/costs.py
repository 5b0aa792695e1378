# SPDX-License-Identifier: Apache-2.0
"""What a command costs with all its processes: wall time, CPU time, memory at its peak."""

from __future__ import annotations

import ctypes
import os
import resource
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests.bench.pairs import NULL, Row
from tests.fixtures.program import Program

PR_SET_CHILD_SUBREAPER = 36
_LOOK_SECONDS = 0.01


@dataclass
class Cost:
    """Seconds."""

    wall: float
    cpu: float


def adopt() -> None:
    """Become the parent of processes whose own has ended: their CPU time counts, too."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _spent() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def cost(argv: list[str], env: dict[str, str] | None = None) -> Cost:
    """Run a command to its end. What it left running is not counted."""
    _reap()
    before, begin = _spent(), time.perf_counter()
    with tempfile.TemporaryFile() as errors:
        code = subprocess.call(
            argv, stdin=NULL, stdout=NULL, stderr=errors, env={**os.environ, **(env or {})}
        )
        wall = time.perf_counter() - begin
        _reap()
        _check(argv, code, errors)
    return Cost(wall, _spent() - before)


def peak(argv: list[str]) -> float:
    """Run a command; return the most MB that all its processes had at one time (RSS, summed)."""
    errors = tempfile.TemporaryFile()
    child = subprocess.Popen(argv, stdin=NULL, stdout=NULL, stderr=errors)
    found = 0.0
    over = threading.Event()

    def look() -> None:
        nonlocal found
        while not over.wait(_LOOK_SECONDS):
            found = max(found, _memory(child.pid))

    watcher = threading.Thread(target=look)
    watcher.start()
    code = child.wait()
    over.set()
    watcher.join()
    _check(argv, code, errors)
    return found


def _check(argv: list[str], code: int, errors: IO[bytes]) -> None:
    if code:
        errors.seek(0)
        text = errors.read()[-500:].decode(errors="replace")
        raise SystemExit(f"bench: {' '.join(argv)} ended {code}: {text}")


def _memory(root: int) -> float:
    parents: dict[int, int] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(entry)] = int(fields[1])
    total = 0
    for pid in parents:
        above = pid
        while above in parents and above != root:
            above = parents[above]
        if above == root:
            try:
                pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
            except OSError:
                continue
            total += int(pages)
    return total * os.sysconf("SC_PAGE_SIZE") / 1e6


@dataclass
class Subject:
    """Who is measured: a command line, and how to make its start the same each time."""

    program: Program
    words: tuple[str, ...]
    before: Callable[[], object] = lambda: None
    env: dict[str, str] | None = None

    def once(self) -> Cost:
        """Measure it once, with nothing of others to be written to the disk meanwhile."""
        self.before()
        os.sync()
        return cost(self.program.argv(*self.words), self.env)

    def memory(self) -> float:
        """Measure its memory once."""
        self.before()
        os.sync()
        return peak(self.program.argv(*self.words))


def compare(subjects: list[Subject], rounds: int, warm: bool = True) -> list[Cost]:
    """Measure subjects in turn, in changing order; return their medians."""
    found: list[list[Cost]] = [[] for _ in subjects]
    if warm:
        for subject in subjects:
            subject.once()
    order = list(range(len(subjects)))
    for turn in range(rounds):
        for number in order if turn % 2 else reversed(order):
            found[number].append(subjects[number].once())
    return [
        Cost(statistics.median(one.wall for one in own), statistics.median(one.cpu for one in own))
        for own in found
    ]


def rows(
    label: str, ours: Cost, theirs: Cost, wall: float | None, cpu: float | None, count: int
) -> list[Row]:
    """Print and return the rows of wall and CPU time."""
    made = [
        Row(f"{label}: wall", ours.wall * 1000, theirs.wall * 1000, wall, count),
        Row(f"{label}: CPU", ours.cpu * 1000, theirs.cpu * 1000, cpu, count),
    ]
    for row in made:
        row.show()
    return made
