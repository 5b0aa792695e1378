# SPDX-License-Identifier: Apache-2.0
"""Paired measurements: one program, then the other, in changing order; medians and their ratio."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.fixtures.program import Program

NULL = open(os.devnull, "r+b")


@dataclass
class Row:
    """Two medians and what their ratio may be."""

    label: str
    ours: float
    theirs: float
    limit: float | None
    count: int
    unit: str = "ms"

    @property
    def over(self) -> bool:
        """True when the ratio is over its limit."""
        return self.limit is not None and self.ours / self.theirs > self.limit

    def show(self) -> None:
        """Print it."""
        limit = f"{self.limit:6.2f}x" if self.limit is not None else " " * 7
        print(
            f"{self.label:40}{self.ours:7.1f}{self.unit}{self.theirs:7.1f}{self.unit}"
            f"{self.ours / self.theirs:7.2f}x{limit}{self.count:5}" + ("   OVER" * self.over),
            flush=True,
        )


def seconds(argv: list[str], data: int = 0) -> float:
    """Run a command line to its end, with `data` zero bytes as its input; return its wall time."""
    begin = time.perf_counter()
    if data:
        source = subprocess.Popen(
            ["/usr/bin/head", "-c", str(data), "/dev/zero"], stdout=subprocess.PIPE
        )
        child = subprocess.Popen(argv, stdin=source.stdout, stdout=NULL)
        assert source.stdout is not None
        source.stdout.close()
    else:
        child = subprocess.Popen(argv, stdin=NULL, stdout=NULL)
    if child.wait() != 0:
        raise SystemExit(f"bench: {' '.join(argv)} ended {child.returncode}")
    end = time.perf_counter() - begin
    if data:
        source.wait()
    return end


def measure(
    own: Program,
    peer: Program,
    label: str,
    once: Callable[[Program], float],
    limit: float | None,
    count: int,
) -> Row:
    """Print and return the row of a measurement in seconds, after one round for the caches."""
    times: dict[Program, list[float]] = {own: [], peer: []}
    for program in (own, peer):
        once(program)
    for turn in range(count):
        for program in (own, peer) if turn % 2 else (peer, own):
            times[program].append(once(program))
    ours, theirs = (statistics.median(times[program]) * 1000 for program in (own, peer))
    row = Row(label, ours, theirs, limit, count)
    row.show()
    return row


def commands(
    own: Program,
    peer: Program,
    label: str,
    words: tuple[str, ...],
    limit: float | None,
    count: int,
    data: int = 0,
) -> Row:
    """Measure one command line of both programs."""
    return measure(
        own, peer, label, lambda program: seconds(program.argv(*words), data), limit, count
    )
