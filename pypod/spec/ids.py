# SPDX-License-Identifier: Apache-2.0
"""Ids: USER[:GROUP] to numbers by the image's own files, and the maps of a container.

An id is never guessed and never falls to 0 (CVE-2026-30892, CVE-2024-40635): a number is decimal
and whole, a name stands in the image's passwd or group, everything else is an error.
"""

from __future__ import annotations

from pypod.errors import PypodError
from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pypod.spec.facts import Extent, HostFacts

ID_MAX = 0xFFFFFFFE - 1
"""2^32-2 is "no change" for some calls and -1 for others: neither is an id."""


class User(Value):
    """Who a process is, in the container's ids."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()
    home: str = "/"


def resolve_user(text: str, passwd: str, group: str) -> User:
    """Return the ids of USER[:GROUP]; empty means root. Raises PypodError.

    `passwd` and `group` are the texts of the image's files (passwd(5), group(5)). A number that no
    line of passwd has gets gid 0 and no groups, as docker and podman do.
    """
    name, group_name = split_user(text or "0")
    uid = number(name, text)
    account = _account(passwd, name, uid)
    if uid is None:
        if account is None:
            raise PypodError(f'unable to find user "{name}": no matching entries in passwd file')
        uid = _plain(account[2])
    gid: int | None = 0 if account is None else _plain(account[3])
    groups = []
    if group_name is not None:
        gid = number(group_name, text)
        if gid is None:
            gid = _group(group, group_name)
    elif account is not None:
        for fields in _lines(group):
            member_of = _plain(fields[2])
            if member_of is not None and account[0] in fields[3].split(","):
                groups.append(member_of)
    if uid is None or gid is None:
        raise PypodError(f'user "{text}": its line in the image\'s passwd file holds no valid ids')
    home = account[5] if account is not None and account[5] else ("/root" if uid == 0 else "/")
    return User(uid, gid, tuple(dict.fromkeys(groups)), home)


def split_user(text: str) -> tuple[str, str | None]:
    """Return the user and the group of USER[:GROUP], None for no group. Raises PypodError."""
    name, colon, group = text.partition(":")
    if not name or (colon and not group):
        raise PypodError(f'user "{text}": a name or number is missing', hint="USER or USER:GROUP")
    return name, group if colon else None


def number(word: str, whole: str) -> int | None:
    """Return an id, None for what can be a name.

    What begins like a number must be one, without leading zeros: `00` and `+0` are nobody's way to
    write root. `whole` is what the error shows. Raises PypodError.
    """
    if word.isascii() and word.isdigit() and (word == "0" or word[0] != "0"):
        if len(word) > 10 or int(word) > ID_MAX:
            raise PypodError(f'user "{whole}": {word} is not an id (0 to {ID_MAX})')
        return int(word)
    if word[0] in "+- \t" or word[0].isdigit() or not word.isprintable():
        raise PypodError(f'user "{whole}": {word!r} is neither a name nor a number')
    return None


def group_number(word: str, group: str, option: str) -> int:
    """Return the gid of a number or of a name in the image's group file. Raises PypodError."""
    if not word:
        raise PypodError(f"{option}: a name or number is missing")
    try:
        found = number(word, word)
        return _group(group, word) if found is None else found
    except PypodError as error:
        text = error.message.removeprefix(f'user "{word}": ')
        raise PypodError(f"{option} {word}: {text}") from None


def container_maps(facts: HostFacts, user: User) -> tuple[tuple[Extent, ...], tuple[Extent, ...]]:
    """Return the uid and gid map of a container that runs as `user`.

    With a single id the one entry is the container's user: whoever runs in there is the caller.
    """
    if facts.map == "single":
        return ((user.uid, facts.uid, 1),), ((user.gid, facts.gid, 1),)
    return facts.uid_map, facts.gid_map


def is_mapped(extents: Iterable[Extent], wanted: int) -> bool:
    """Say whether an id exists inside."""
    return any(inside <= wanted < inside + count for inside, _outside, count in extents)


def mappings(extents: Iterable[Extent]) -> list[dict[str, int]]:
    """Return a map as config.json has it (OCI runtime-spec, config-linux.md)."""
    return [
        {"containerID": inside, "hostID": outside, "size": count}
        for inside, outside, count in extents
    ]


def _account(passwd: str, name: str, uid: int | None) -> list[str] | None:
    for fields in _lines(passwd):
        if fields[0] == name if uid is None else _plain(fields[2]) == uid:
            return fields
    return None


def _group(group: str, name: str) -> int:
    for fields in _lines(group):
        found = _plain(fields[2])
        if fields[0] == name and found is not None:
            return found
    raise PypodError(f'unable to find group "{name}": no matching entries in group file')


def _lines(text: str) -> Iterable[list[str]]:
    for line in text.splitlines():
        fields = line.strip().split(":")
        if len(fields) >= 3 and not line.startswith("#"):
            yield fields + [""] * (7 - len(fields))


def _plain(word: str) -> int | None:
    if word.isascii() and word.isdigit() and len(word) <= 10 and int(word) <= ID_MAX:
        return int(word)
    return None
