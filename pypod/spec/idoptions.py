# SPDX-License-Identifier: Apache-2.0
"""--uidmap, --gidmap, --subuidname and --subgidname: an id map that is spelled out.

Values are `[FLAGS]CONTAINER_ID:FROM_ID[:COUNT]`. FROM_ID is an id of the default map (0 is the
caller, 1 and up the subordinate ids; as root the host's id), with `@` before it one of the host.
FLAGS: `+` takes the place of what was mapped before, of the default map where it comes first; `u`
and `g` are for one kind alone; without them --uidmap is for the gids too where there is no
--gidmap, and the other way.
"""

from __future__ import annotations

from pypod.errors import PypodError, UsageError
from pypod.spec import idmaps
from pypod.spec.ids import ID_MAX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pypod.spec.facts import Extent, HostFacts
    from pypod.spec.options import CreateOptions

_OPTIONS = {"uid": "--uidmap", "gid": "--gidmap"}


def asked(options: CreateOptions) -> bool:
    """Say whether a map is spelled out. Raises UsageError when --userns is there too."""
    given = (options.uidmap, options.gidmap, options.subuidname, options.subgidname)
    if not any(given):
        return False
    if options.userns not in ("", "private"):
        raise UsageError(
            "--userns and --uidmap, --gidmap, --subuidname or --subgidname exclude each other"
        )
    for kind, extents, name in (
        ("uid", options.uidmap, options.subuidname),
        ("gid", options.gidmap, options.subgidname),
    ):
        if extents and name:
            raise UsageError(f"--{kind}map and --sub{kind}name exclude each other")
    return True


def choose(
    options: CreateOptions, facts: HostFacts, ranges: dict[str, tuple[tuple[int, int], ...]]
) -> idmaps.Chosen:
    """Return the map that these options spell out. Raises UsageError, PypodError.

    `ranges` are those of subuid(5) and subgid(5) for the names given, by `uid` and `gid`.
    """
    if facts.map == "single":
        raise PypodError(f"--uidmap and --gidmap need subordinate ids: {facts.single_reason}")
    words: dict[str, list[tuple[bool, Extent]]] = {"uid": [], "gid": []}
    both = not ((options.uidmap and options.gidmap) or options.subuidname or options.subgidname)
    for kind, given in (("uid", options.uidmap), ("gid", options.gidmap)):
        for text in given:
            _read(kind, text, facts, words, both)
    maps: dict[str, tuple[Extent, ...]] = {}
    for kind, name in (("uid", options.subuidname), ("gid", options.subgidname)):
        if name:
            maps[kind] = _named(kind, name, facts, ranges[kind])
        elif words[kind]:
            maps[kind] = _composed(kind, words[kind], _default(kind, facts))
    for kind in ("uid", "gid"):
        if kind not in maps:
            name = options.subuidname or options.subgidname
            named = name and _named(kind, name, facts, ranges[kind])
            maps[kind] = named or _default(kind, facts)
    uids, gids = maps["uid"], maps["gid"]
    for kind in ("uid", "gid"):
        if not any(inside == 0 for inside, _, _ in maps[kind]):
            raise PypodError(f"{_OPTIONS[kind]}: nothing is mapped to 0: a container needs a root")
    return idmaps.Chosen(uids, gids, "", idmaps.layers_name(facts, uids, gids), mode="by --uidmap")


def _default(kind: str, facts: HostFacts) -> tuple[Extent, ...]:
    return facts.uid_map if kind == "uid" else facts.gid_map


def _read(
    option: str,
    text: str,
    facts: HostFacts,
    words: dict[str, list[tuple[bool, Extent]]],
    both: bool,
) -> None:
    """Put one value where it belongs, with the host's ids."""
    flags = text[: len(text) - len(text.lstrip("+ug"))]
    parts = text[len(flags) :].split(":")
    host = len(parts) > 1 and parts[1].startswith("@")
    if host:
        parts[1] = parts[1][1:]
    if len(parts) == 2:
        parts.append("1")
    numbers = [
        int(part) for part in parts if part.isascii() and part.isdigit() and len(part) <= 10
    ]
    if len(parts) != 3 or len(numbers) != 3 or len(flags) != len(set(flags)):
        raise UsageError(
            f'{_OPTIONS[option]} "{text}": must be [FLAGS]CONTAINER_ID:FROM_ID[:COUNT]'
        )
    inside, outside, count = numbers
    if not count or max(inside, outside) + count - 1 > ID_MAX:
        raise UsageError(f'{_OPTIONS[option]} "{text}": ids are 0 to {ID_MAX}, COUNT at least 1')
    kinds = [kind for kind in ("uid", "gid") if kind[0] in flags]
    kinds = kinds or (["uid", "gid"] if both else [option])
    for kind in kinds:
        default = _default(kind, facts)
        own = _by_host(default, numbers) if host else _by_name(default, numbers)
        if sum(one[2] for one in own) != count:
            raise PypodError(
                f'{_OPTIONS[option]} "{text}": not all of these are {kind}s of the caller',
                hint=f"0 is the caller, 1 and up are the ids of /etc/sub{kind}"
                if facts.map != "root"
                else None,
            )
        words[kind] += [("+" in flags, one) for one in own]


def _by_name(default: Iterable[Extent], numbers: list[int]) -> list[Extent]:
    inside, name, count = numbers
    found = []
    for first, outside, some in default:
        start, end = max(name, first), min(name + count, first + some)
        if start < end:
            found.append((inside + start - name, outside + start - first, end - start))
    return found


def _by_host(default: Iterable[Extent], numbers: list[int]) -> list[Extent]:
    inside, host, count = numbers
    found = []
    for _, outside, some in default:
        start, end = max(host, outside), min(host + count, outside + some)
        if start < end:
            found.append((inside + start - host, start, end - start))
    return found


def _composed(
    kind: str, words: list[tuple[bool, Extent]], default: tuple[Extent, ...]
) -> tuple[Extent, ...]:
    """Return a map of these extents; with `+` what was there before gives way to them."""
    made = list(default) if words[0][0] else []
    for extends, extent in words:
        inside, outside, count = extent
        if extends:
            made = [piece for one in made for piece in _without(one, 0, inside, count)]
            made = [piece for one in made for piece in _without(one, 1, outside, count)]
        for other, there, some in made:
            if inside < other + some and other < inside + count:
                raise PypodError(f"{_OPTIONS[kind]}: {max(inside, other)} is mapped twice")
            if outside < there + some and there < outside + count:
                raise PypodError(f"{_OPTIONS[kind]}: two ids are the same id of the host")
        made.append(extent)
    return tuple(sorted(made))


def _without(extent: Extent, side: int, first: int, count: int) -> list[Extent]:
    """Return an extent without the ids first to first + count, inside (side 0) or outside (1)."""
    inside, outside, some = extent
    begin = extent[side]
    left = max(0, min(first - begin, some))
    right = max(0, min(begin + some - first - count, some))
    found = []
    if left:
        found.append((inside, outside, left))
    if right and left < some:
        skip = some - right
        found.append((inside + skip, outside + skip, right))
    return found


def _named(
    kind: str, name: str, facts: HostFacts, ranges: tuple[tuple[int, int], ...]
) -> tuple[Extent, ...]:
    """Return the map of the ranges of a name in subuid(5), from 0 on."""
    if not ranges:
        raise PypodError(f"--sub{kind}name: {name} has no ids in /etc/sub{kind}")
    if facts.map != "root":
        if name not in (facts.user, str(facts.uid)):
            raise PypodError(
                f"--sub{kind}name: the ids of {name} are not the caller's",
                hint="only root may use those of another",
            )
        return idmaps.without_caller(_default(kind, facts))
    found: list[Extent] = []
    inside = 0
    for first, count in ranges:
        found.append((inside, first, count))
        inside += count
    return tuple(found)
