# SPDX-License-Identifier: Apache-2.0
"""Subordinate ids: what /etc/subuid and /etc/subgid give the caller (subuid(5))."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.spec.facts import Extent

EXTENTS_MAX = 340
"""Lines of a map (user_namespaces(7))."""


def ranges(path: str, user: str, uid: int) -> tuple[tuple[int, int], ...]:
    """Return the (start, count) ranges of a user, by name or number, in the file's order.

    A missing file, and lines that are no ranges, count as nothing.
    """
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
    except OSError:
        return ()
    found = []
    for line in lines:
        fields = line.split(":")
        if len(fields) != 3 or fields[0] not in (user, str(uid)):
            continue
        if not all(field.isascii() and field.isdigit() for field in fields[1:]):
            continue
        start, count = int(fields[1]), int(fields[2])
        if count > 0 and start + count <= 0xFFFFFFFF:
            found.append((start, count))
    return tuple(found)


def default_map(own: int, subordinate: tuple[tuple[int, int], ...]) -> tuple[Extent, ...]:
    """Return the map of a rootless container: 0 is the caller, 1 and up its subordinate ids.

    The kernel refuses a map in which an id stands twice, so of a range that overlaps with what is
    there only the rest counts: one user often has the same range by name and by number.
    """
    extents = [(0, own, 1)]
    inside = 1
    for start, count in subordinate:
        for first, size in _uncovered(start, count, extents):
            if len(extents) < EXTENTS_MAX:
                extents.append((inside, first, size))
                inside += size
    return tuple(extents)


def _uncovered(start: int, count: int, extents: list[Extent]) -> list[tuple[int, int]]:
    """Return the parts of a range of host ids that no extent has."""
    parts = [(start, start + count)]
    for _inside, outside, size in extents:
        end = outside + size
        parts = [
            piece
            for first, last in parts
            for piece in ((first, min(last, outside)), (max(first, end), last))
            if piece[0] < piece[1]
        ]
    return [(first, last - first) for first, last in parts]


def identity_map(path: str) -> tuple[Extent, ...]:
    """Return root's map: every id that exists here stays itself.

    Root may itself be in a user namespace, where `0 0 4294967295` is EPERM (measured): so the
    extents of its own map, /proc/self/uid_map.
    """
    extents = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            inside, _outside, count = (int(field) for field in line.split())
            extents.append((inside, inside, count))
    return tuple(extents)
