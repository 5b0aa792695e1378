# SPDX-License-Identifier: Apache-2.0
"""The row of id maps: the first start of a pulled image under another map."""

from __future__ import annotations

import itertools

from tests.bench.pairs import measure, seconds
from tests.fixtures import many_files
from tests.fixtures.program import Program
from tests.fixtures.registry import Registry

LIMIT = 0.35


def report(own: Program, peer: Program, registry: Registry, rounds: int) -> list[str]:
    """Print the row; return its label when it is over its limit. Each run has a map of its own."""
    image = registry.push(many_files.image(), "bench/manyfiles")
    for program in (own, peer):
        program.pull(image)
    ids = itertools.count(3000)

    def once(program: Program) -> float:
        mode = f"keep-id:uid={next(ids)},gid=3000"
        words = ("run", "--rm", "--network", "none", "--userns", mode, "-u", "0", image, "true")
        return seconds(program.argv(*words))

    label = "first start under keep-id, 500 MB / 10,000 files"
    row = measure(own, peer, label, once, LIMIT, min(3, rounds))
    own("rmi", image)
    return [row.label] if row.over else []
