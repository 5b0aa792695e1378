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

    from pypod.spec.facts import Extent, HostFacts

KINDS = ("host", "keep-id")
_KEYS = {"keep-id": ("uid", "gid", "size")}


class Userns(Value):
    """What --userns asks for."""

    kind: str
    """`host` for the default: a map of its own with the caller as root."""
    uid: int | None = None
    gid: int | None = None
    size: int | None = None


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


def parse(text: str) -> Userns:
    """Return what `keep-id:uid=5,gid=6` means; empty is the default. Raises UsageError."""
    kind, colon, words = text.partition(":")
    if kind in ("", "private") and not colon:
        return Userns("host")
    if kind in ("auto", "nomap", "container", "ns"):
        raise UsageError(f"--userns {kind} is not there yet", hint="host and keep-id are")
    if kind not in KINDS:
        raise UsageError(
            f'--userns "{text}": unknown mode', hint="host, or keep-id[:uid=UID,gid=GID,size=SIZE]"
        )
    given: dict[str, int] = {}
    for word in words.split(",") if colon else ():
        key, equals, value = word.partition("=")
        if key not in _KEYS.get(kind, ()) or not equals:
            raise UsageError(f'--userns "{text}": unknown option "{word}" of {kind}')
        if not (value.isascii() and value.isdigit()) or len(value) > 10 or int(value) > ID_MAX:
            raise UsageError(f'--userns "{text}": {key} must be an id, 0 to {ID_MAX}')
        given[key] = int(value)
    return Userns(kind, **given)


def choose(text: str, facts: HostFacts) -> Chosen | None:
    """Return the map that `--userns` asks for, None for the default. Raises PypodError."""
    asked = parse(text)
    if asked.kind == "host" or facts.map == "root":
        if asked.kind == "keep-id":
            raise PypodError(
                "--userns keep-id: root's ids are the same inside already",
                hint="leave it out, or run pypod as the user whose ids are to be kept",
            )
        return None
    uid = facts.uid if asked.uid is None else asked.uid
    gid = facts.gid if asked.gid is None else asked.gid
    user = f"{uid}:{gid}"
    if facts.map == "single":
        return Chosen(facts.uid_map, facts.gid_map, user, "", uid, gid)
    if not uid and not gid and asked.size is None:
        return Chosen(facts.uid_map, facts.gid_map, user, "")
    uid_map = keep(facts.uid_map, uid, asked.size)
    gid_map = keep(facts.gid_map, gid, asked.size)
    name = f"keep-{uid}-{gid}" + ("" if asked.size is None else f"-{asked.size}")
    return Chosen(uid_map, gid_map, user, name, uid, gid)


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
