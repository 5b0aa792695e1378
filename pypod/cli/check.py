# SPDX-License-Identifier: Apache-2.0
"""system check: damage in the store, named and healed."""

from __future__ import annotations

import sys

from pypod.cli.lifecycle import report
from pypod.engine import check as engine
from pypod.errors import CorruptStore, PypodError
from pypod.kernel import paths
from pypod.kernel.facts import facts as host_facts
from pypod.output.columns import harmless
from pypod.text import units

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.cli.parse import Args


def check(args: Args) -> int:
    """Look for damage: a line for each; 125 when some is left."""
    paths.prepare(args.places)
    facts, places = host_facts(), args.places
    healed: set[str] = set()
    left = 0
    for damage in engine.find(places, facts, quick=args.quick):
        line = f"{damage.noun}: {damage.text}"
        if args.repair and damage.digest not in healed:
            try:
                engine.repair(places, facts, damage)
            except PypodError as error:
                report(error)
                left += 1
                continue
            if damage.digest:
                healed.add(damage.digest)
            line += " (repaired)"
        elif not args.repair:
            left += 1
        sys.stdout.write(harmless(line) + "\n")
        sys.stdout.flush()
    waste = engine.left_behind(places)
    if waste:
        text = f"{units.human_size(waste)} of blobs that no image has: pypod image prune"
        sys.stdout.write(text + "\n")
    if left:
        cure = None if args.repair else "pypod system check --repair"
        raise CorruptStore("damage detected in local storage", hint=cure)
    return 0
