# SPDX-License-Identifier: Apache-2.0
"""--userns: which ids of the host the ids of a container are, and what that makes of a layer.

The layers of the store have the ids of the user's default map (0 is the caller, 1 and up the
subordinate ids; as root each id itself). A container under another map needs the same layers
with other owners: `shift` says which.
"""

from __future__ import annotations

from pypod.errors import PypodError, UsageError
from pypod.spec.ids import ID_MAX
from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from pypod.spec.facts import Extent, HostFacts

_NAME_MOST = 200
"""Of a directory's 255 bytes (NAME_MAX)."""
KINDS = ("host", "keep-id", "nomap", "auto")
_KEYS = {"keep-id": ("uid", "gid", "size"), "auto": ("size",)}
_MAPPINGS = ("uidmapping", "gidmapping")
_FORMS = "host, keep-id[:uid=UID,gid=GID,size=SIZE], nomap, or auto[:size=SIZE,…]"


class Userns(Value):
    """What --userns asks for."""

    kind: str
    """`host` for the default: a map of its own with the caller as root."""
    uid: int | None = None
    gid: int | None = None
    size: int | None = None
    uid_mapping: tuple[Extent, ...] = ()
    """Of `auto`: (id, id of the default map, count) that must be there."""
    gid_mapping: tuple[Extent, ...] = ()


class Chosen(Value):
    """A map that is not the default one."""

    uid_map: tuple[Extent, ...]
    gid_map: tuple[Extent, ...]
    user: str
    """UID:GID that the container runs as when --user is not given; empty: the image's user."""
    layers: str
    """The directory of layers with these owners, below `layers/`; empty: the default ones."""
    uid: int = 0
    gid: int = 0
    mode: str = ""
    """--userns as it was typed."""
    private: tuple[tuple[int, int], tuple[int, int]] | None = None
    """Of `auto`: (first, count) of the host's uids and gids that are this container's alone."""


def parse(text: str) -> Userns:
    """Return what `keep-id:uid=5,gid=6` means; empty is the default. Raises UsageError."""
    kind, colon, words = text.partition(":")
    if kind in ("", "private") and not colon:
        return Userns("host")
    if kind in ("container", "ns"):
        raise UsageError(
            f"--userns {text}: pypod does not share a user namespace by itself",
            hint="--network container:NAME joins the network and the user namespace of a container",
        )
    if kind not in KINDS:
        raise UsageError(f'--userns "{text}": unknown mode', hint=_FORMS)
    given: dict[str, Any] = {}
    for word in words.split(",") if colon else ():
        key, equals, value = word.partition("=")
        if kind == "auto" and key in _MAPPINGS and equals:
            name = key.replace("mapping", "_mapping")
            given[name] = (*given.get(name, ()), _mapping(text, key, value))
            continue
        if key not in _KEYS.get(kind, ()) or not equals:
            raise UsageError(f'--userns "{text}": unknown option "{word}" of {kind}')
        given[key] = _number(text, key, value)
    if given.get("size") == 0:
        raise UsageError(f'--userns "{text}": size must be at least 1')
    return Userns(kind, **given)


def _number(text: str, key: str, value: str) -> int:
    if not (value.isascii() and value.isdigit()) or len(value) > 10 or int(value) > ID_MAX:
        raise UsageError(f'--userns "{text}": {key} must be an id, 0 to {ID_MAX}')
    return int(value)


def _mapping(text: str, key: str, value: str) -> Extent:
    """Return (inside, outside, count) of CONTAINER_ID:HOST_ID[:COUNT]."""
    parts = value.split(":")
    if len(parts) == 2:
        parts.append("1")
    if len(parts) != 3:
        raise UsageError(f'--userns "{text}": {key} is CONTAINER_ID:HOST_ID:COUNT')
    inside, outside, count = (_number(text, key, part) for part in parts)
    if not count:
        raise UsageError(f'--userns "{text}": {key}: the count must be at least 1')
    return inside, outside, count


def choose(text: str, facts: HostFacts) -> Chosen | None:
    """Return the map that `--userns` asks for, None for the default. Raises PypodError.

    Not for `auto`: idranges.choose knows what is free.
    """
    asked = parse(text)
    if asked.kind == "host":
        return None
    if facts.map == "root":
        if asked.kind == "keep-id":
            raise PypodError(
                "--userns keep-id: root's ids are the same inside already",
                hint="leave it out, or run pypod as the user whose ids are to be kept",
            )
        raise PypodError(
            "--userns nomap: root has no subordinate ids to be root of",
            hint="--userns auto gives a container ids that no other has",
        )
    if asked.kind == "nomap":
        return _nomap(text, facts)
    uid = facts.uid if asked.uid is None else asked.uid
    gid = facts.gid if asked.gid is None else asked.gid
    user = f"{uid}:{gid}"
    if facts.map == "single":
        return Chosen(facts.uid_map, facts.gid_map, user, "", uid, gid, text)
    if not uid and not gid and asked.size is None:
        return Chosen(facts.uid_map, facts.gid_map, user, "", mode=text)
    uid_map = keep(facts.uid_map, uid, asked.size)
    gid_map = keep(facts.gid_map, gid, asked.size)
    name = f"keep-{uid}-{gid}" + ("" if asked.size is None else f"-{asked.size}")
    return Chosen(uid_map, gid_map, user, name, uid, gid, text)


def _nomap(text: str, facts: HostFacts) -> Chosen:
    if facts.map == "single":
        raise PypodError(f"--userns nomap needs subordinate ids: {facts.single_reason}")
    uid_map, gid_map = (without_caller(one) for one in (facts.uid_map, facts.gid_map))
    return Chosen(uid_map, gid_map, "", layers_name(facts, uid_map, gid_map), mode=text)


def without_caller(default: Iterable[Extent]) -> tuple[Extent, ...]:
    """Return a default map without the caller: 0 is the first subordinate id."""
    (_, _, own), *rest = default
    return tuple((inside - own, outside, count) for inside, outside, count in rest)


def layers_name(facts: HostFacts, uid_map: Iterable[Extent], gid_map: Iterable[Extent]) -> str:
    """Return the name of the directory of layers with the owners of a map. Raises PypodError.

    Empty when they are those of the default map.
    """
    pairs = ((facts.uid_map, uid_map), (facts.gid_map, gid_map))
    shifts = [shift(default, wanted) for default, wanted in pairs]
    if all(first == name for one in shifts for first, name, _ in one):
        return ""
    names = [words(one).replace(",", "-") for one in shifts]
    name = "map-" + (names[0] if names[0] == names[1] else "_".join(names))
    if len(name) > _NAME_MOST:
        raise PypodError("--userns: the map has too many pieces")
    return name


def covers(default: Iterable[Extent], wanted: Iterable[Extent]) -> bool:
    """Say whether a map has all the ids of the host that the default map has."""
    default = tuple(default)
    return sum(one[2] for one in shift(default, wanted)) == sum(one[2] for one in default)


def keep(default: Iterable[Extent], own: int, size: int | None) -> tuple[Extent, ...]:
    """Return a default map with the caller as `own` and the subordinate ids around it.

    `size` is how many ids there are, with the caller's own. Raises PypodError when there are not
    enough of them for everything below `own`: the container would have no root.
    """
    (_, caller, _), *rest = default
    found: list[Extent] = []
    inside = 0
    left = sum(count for _, _, count in rest) if size is None else max(size - 1, 0)
    for _, outside, count in rest:
        while count and left:
            if inside == own:
                inside += 1
            part = min(count, left, own - inside if inside < own else count)
            found.append((inside, outside, part))
            inside, outside = inside + part, outside + part
            count, left = count - part, left - part
    if own and not found:
        raise PypodError("--userns keep-id: there is no subordinate id for the container's root")
    found.append((own, caller, 1))
    return tuple(sorted(found))


def shift(default: Iterable[Extent], wanted: Iterable[Extent]) -> tuple[Extent, ...]:
    """Return what an id of the default map becomes: (id, id of the default map it gets, count).

    An id k of an image lies in the store as k of the default map. In the container k is the
    host id that `wanted` says; this is that host id's name in the default map.
    """
    found = []
    for inside, outside, count in wanted:
        for name, start, size in default:
            first, last = max(outside, start), min(outside + count, start + size)
            if first < last:
                found.append((inside + first - outside, name + first - start, last - first))
    return tuple(sorted(found))


def shifted(extents: Iterable[Extent], one: int) -> int | None:
    """Return what an id becomes, None where the map has no such id."""
    for first, name, count in extents:
        if first <= one < first + count:
            return name + one - first
    return None


def words(extents: Iterable[Extent]) -> str:
    """Return a shift as pypod-files takes it."""
    return ",".join(str(number) for extent in extents for number in extent)


def account(chosen: Chosen, passwd: str, user: str, home: str) -> str:
    """Return the line of passwd(5) for the kept user, empty when the image has one.

    A program that looks for its user's name must find one: `id`, ssh, git and Java do.
    """
    if not chosen.user or chosen.uid == 0:
        return ""
    fields = [line.split(":") for line in passwd.splitlines()]
    if any(len(one) > 2 and one[2] == str(chosen.uid) for one in fields):
        return ""
    taken = {one[0] for one in fields}
    name = user if user not in taken and _is_name(user) else f"user{chosen.uid}"
    return f"{name}:*:{chosen.uid}:{chosen.gid}:{name}:{home}:/bin/sh"


def default_user(chosen: Chosen, passwd: str) -> str:
    """Return who runs without --user; a user of the image has its further groups too."""
    for line in passwd.splitlines():
        if line.split(":")[2:4] == [str(chosen.uid), str(chosen.gid)]:
            return str(chosen.uid)
    return chosen.user


def membership(chosen: Chosen, group: str, name: str) -> str:
    """Return the line of group(5) for the kept group, empty when the image has one."""
    if not chosen.user or chosen.gid == 0:
        return ""
    fields = [line.split(":") for line in group.splitlines()]
    if any(len(one) > 2 and one[2] == str(chosen.gid) for one in fields):
        return ""
    if name in {one[0] for one in fields} or not _is_name(name):
        name = f"group{chosen.gid}"
    return f"{name}:*:{chosen.gid}:"


def _is_name(word: str) -> bool:
    return word.isascii() and word.replace("-", "").replace("_", "").replace(".", "").isalnum()
