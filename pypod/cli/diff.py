# SPDX-License-Identifier: Apache-2.0
"""diff: what a container, or an image's last layer, changes of what is below it, or of another."""

from __future__ import annotations

import sys

from pypod.cli.lifecycle import latest
from pypod.engine import changes
from pypod.errors import UsageError
from pypod.kernel import fastjson
from pypod.kernel.facts import facts as host_facts
from pypod.output.columns import harmless

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.cli.parse import Args


_NOTHING = '"pypod {}" requires a name, id, or the "--latest" flag'


def diff(args: Args) -> int:
    """Show the changes of a container or an image."""
    return _show(args, list(args.objects), "", _NOTHING.format("diff"))


def container_diff(args: Args) -> int:
    """Show the changes of a container."""
    return _show(args, list(args.containers), "container", _NOTHING.format("container diff"))


def image_diff(args: Args) -> int:
    """Show the changes of an image's last layer."""
    return _show(args, list(args.images), "image", "image must be specified")


def _show(args: Args, words: list[str], kind: str, nothing: str) -> int:
    if args.format not in ("", "json"):
        raise UsageError("only supported value for '--format' is 'json'")
    facts, places = host_facts(), args.places
    of_latest = getattr(args, "latest", False)
    if of_latest and words:
        raise UsageError("--latest and containers cannot be used together")
    if not of_latest and not words:
        raise UsageError(nothing)
    if len(words) > 2:
        raise UsageError(f"accepts between 1 and 2 arg(s), received {len(words)}")
    if of_latest:
        stacks = [changes.of_container(latest(args), facts)]
    else:
        stacks = [changes.stack(places, facts, word, kind) for word in words]
    if len(stacks) == 2:
        pairs = changes.between(facts, stacks[0], stacks[1])
    else:
        pairs = changes.own(facts, stacks[0])
    if args.format == "json":
        kinds = {"C": "changed", "A": "added", "D": "deleted"}
        found: dict[str, list[str]] = {}
        for letter, word in kinds.items():
            names = [path for one, path in pairs if one == letter]
            if names:
                found[word] = names
        print(fastjson.pretty(found))
    else:
        sys.stdout.write("".join(f"{letter} {harmless(path)}\n" for letter, path in pairs))
    return 0
