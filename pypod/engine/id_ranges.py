# SPDX-License-Identifier: Apache-2.0
"""Id maps that are looked up: the ids that no container has yet, and those of a name."""

from __future__ import annotations

import os

from pypod.errors import NoSuchContainer
from pypod.kernel import fastjson, userns
from pypod.kernel.locks import Lock
from pypod.spec import idmaps
from pypod.store import objects

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pypod.kernel.paths import Places
    from pypod.spec.facts import HostFacts
    from pypod.spec.options import CreateOptions

_RANGES = "id-ranges"
"""A file of the cache that is only locked."""
_OWNERS = "owners.json"
"""A file of the cache: chain id to the largest id that owns a file of that layer."""


def reserve(places: Places, *, alone: bool, wait: bool = True) -> Lock | None:
    """Return a lock to hold from the choice of a map until the container is there.

    Its layers are not collected meanwhile, and with `alone` nobody else gets ids for itself.
    None when it is another's and `wait` is false.
    """
    lock = Lock(f"{places.cache}/{_RANGES}", create=True)
    if lock.take(shared=not alone, wait=wait):
        return lock
    lock.close()
    return None


def spelled_out(facts: HostFacts, options: CreateOptions) -> idmaps.Chosen:
    """Return the map of --uidmap and its like. Raises UsageError, PypodError."""
    from pypod.spec import idoptions

    name = options.subuidname or options.subgidname
    ranges = {}
    for kind, own in (("uid", options.subuidname), ("gid", options.subgidname)):
        word = own or name
        number = int(word) if word.isascii() and word.isdigit() else -1
        ranges[kind] = userns.ranges(f"/etc/sub{kind}", word, number) if word else ()
    return idoptions.choose(options, facts, ranges)


def private(
    places: Places,
    facts: HostFacts,
    options: CreateOptions,
    user: str,
    passwd: str,
    group: str,
    chains: Sequence[str],
) -> idmaps.Chosen:
    """Return a map for `--userns auto`, of ids that no container has; `reserve` is held.

    Raises PypodError.
    """
    from pypod.spec import idranges

    found = [
        userns.ranges(path, idranges.OWNER, -1) if facts.map == "root" else ()
        for path in ("/etc/subuid", "/etc/subgid")
    ]
    ranges = idranges.available(facts, found[0], found[1])
    taken: tuple[list[tuple[int, int]], list[tuple[int, int]]] = ([], [])
    for container in objects.every(places):
        try:
            own = container.create.get("id_ranges")
        except NoSuchContainer:
            continue
        for kind, used in zip(own or (), taken, strict=False):
            used.append((kind[0], kind[1]))
    owner = 0 if idmaps.parse(options.userns).size else _largest_owner(places, facts, chains)
    size = idranges.size_for(passwd, group, options.user or user, owner)
    return idranges.choose(options.userns, facts, size, ranges, taken)


def _largest_owner(places: Places, facts: HostFacts, chains: Sequence[str]) -> int:
    """Return the largest id that a file of these layers belongs to. Each is looked through once."""
    path = f"{places.cache}/{_OWNERS}"
    try:
        with open(path, encoding="utf-8") as file:
            known = fastjson.loads(file.read())
    except (OSError, fastjson.BadJson):
        known = {}
    if not isinstance(known, dict):
        known = {}
    fresh = [chain for chain in chains if not isinstance(known.get(chain), int)]
    if fresh:
        from pypod.runtime import files

        words = ["owners", *(f"{places.layers}/{facts.layer_map}/{chain}" for chain in fresh)]
        answer = files.run(facts, words, "cannot look at the image's owners").splitlines()
        for chain, line in zip(fresh, answer, strict=True):
            known[chain] = max(map(int, line.split()))
        temporary = f"{path}.{os.getpid()}"
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(fastjson.dumps(known))
        os.rename(temporary, path)
    return max((known[chain] for chain in chains), default=0)
