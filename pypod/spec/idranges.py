# SPDX-License-Identifier: Apache-2.0
"""--userns auto: a range of ids for one container alone, out of those that its user may give."""

from __future__ import annotations

from pypod.errors import PypodError
from pypod.spec import idmaps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pypod.spec.facts import Extent, HostFacts

Range = tuple[int, int]
"""(first, count) of the host's ids."""

LEAST, MOST = 1024, 65536
"""Ids of a container whose image says nothing else (storage.conf, auto-userns-min-size)."""
_NOBODY = 65534
OWNER = "containers"
"""The user whose ranges in /etc/subuid are for root's containers (podman's rule)."""


def size_for(passwd: str, group: str, user: str, owner: int = 0) -> int:
    """Return how many ids an image needs: all of its passwd and group, and the user it runs as.

    `owner` is the largest id that a file of it belongs to.

    nobody, 65534, does not count: the kernel shows an owner without an id as that.
    """
    ids = [LEAST - 1, owner]
    words = user.split(":")
    words += [word for line in passwd.splitlines() for word in line.split(":")[2:4]]
    words += [word for line in group.splitlines() for word in line.split(":")[2:3]]
    ids += [int(one) for one in words if one.isascii() and one.isdigit() and len(one) < 10]
    return min(max(one for one in ids if one < _NOBODY) + 1, MOST)


def available(facts: HostFacts, uids: Iterable[Range], gids: Iterable[Range]) -> tuple[
    tuple[Range, ...], tuple[Range, ...]
]:
    """Return the ranges that may be given away; `uids` and `gids` are those of OWNER, for root.

    Raises PypodError when there are none at all.
    """
    if facts.map == "root":
        found = tuple(uids), tuple(gids)
        if not all(found):
            raise PypodError(
                f"--userns auto: the user {OWNER} has no ids in /etc/subuid and /etc/subgid",
                hint=f"useradd -r {OWNER}; usermod --add-subuids 2147483647-4294967293"
                f" --add-subgids 2147483647-4294967293 {OWNER}",
            )
        return found
    if facts.map == "single":
        raise PypodError(f"--userns auto needs subordinate ids: {facts.single_reason}")
    maps = (idmaps.without_caller(one) for one in (facts.uid_map, facts.gid_map))
    uid, gid = (tuple((outside, count) for _, outside, count in one) for one in maps)
    return uid, gid


def choose(
    text: str,
    facts: HostFacts,
    size: int,
    ranges: tuple[tuple[Range, ...], tuple[Range, ...]],
    taken: tuple[list[Range], list[Range]],
) -> idmaps.Chosen:
    """Return the map of `auto`: ids that no other container of `taken` has. Raises PypodError."""
    asked = idmaps.parse(text)
    size = asked.size or size
    maps: list[tuple[Extent, ...]] = []
    own: list[Range] = []
    for kind, default, given, may, used in (
        ("uid", facts.uid_map, asked.uid_mapping, ranges[0], taken[0]),
        ("gid", facts.gid_map, asked.gid_mapping, ranges[1], taken[1]),
    ):
        fixed = [one for extent in given for one in _on_host(default, extent, f"{kind}mapping")]
        gaps = _gaps(size, fixed, f"{kind}mapping")
        count = sum(length for _, length in gaps)
        first = _free(may, [*used, *((outside, some) for _, outside, some in fixed)], count)
        if first is None:
            raise _nothing_free(kind, count, may, used)
        own.append((first, count))
        for inside, length in gaps:
            fixed.append((inside, first, length))
            first += length
        maps.append(tuple(sorted(fixed)))
    name = idmaps.layers_name(facts, maps[0], maps[1])
    return idmaps.Chosen(maps[0], maps[1], "", name, mode=text, private=(own[0], own[1]))


def _on_host(default: Iterable[Extent], extent: Extent, key: str) -> list[Extent]:
    """Return an extent whose ids of the default map are replaced by the host's."""
    inside, name, count = extent
    found = []
    for first, outside, some in default:
        start, end = max(name, first), min(name + count, first + some)
        if start < end:
            found.append((inside + start - name, outside + start - first, end - start))
    if sum(some for _, _, some in found) != count:
        raise PypodError(f"--userns auto: {key}: {name} and so on are not all ids of this user")
    return found


def _gaps(size: int, fixed: list[Extent], key: str) -> list[Range]:
    """Return the parts of 0 to size that `fixed` leaves."""
    gaps: list[Range] = []
    at = 0
    for inside, _, count in sorted(fixed):
        if inside < at:
            raise PypodError(f"--userns auto: {key}: {inside} is there twice")
        if at < min(inside, size):
            gaps.append((at, min(inside, size) - at))
        at = inside + count
    if at < size:
        gaps.append((at, size - at))
    return gaps


def _free(may: Iterable[Range], used: list[Range], count: int) -> int | None:
    """Return the first of `count` ids in a row that nobody has."""
    for start, length in may:
        at = start
        for first, some in sorted(used):
            if first + some <= at:
                continue
            if first >= at + count:
                break
            at = first + some
        if at + count <= start + length:
            return at
    return None


def _nothing_free(kind: str, count: int, may: Iterable[Range], used: list[Range]) -> PypodError:
    whole = sum(some for _, some in may)
    gone = sum(some for _, some in used)
    return PypodError(
        f"--userns auto: there are no {count} free {kind}s: {gone} of {whole} are in other"
        " containers",
        hint="remove containers (pypod ps -a), ask for fewer (auto:size=N), or get more ids:"
        f" usermod --add-sub{kind}s",
    )
