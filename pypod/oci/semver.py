# SPDX-License-Identifier: Apache-2.0
"""Versions of tags and constraints on them, as skopeo's images-by-semver has them.

Source: semver.org 2.0.0 for the order; the constraints are those of github.com/Masterminds/semver:
`,` or a space is and, `||` is or; = != > < >= <= ~ ^, `1.2 - 2.0`, and x, X or * for any number.

>>> matches(">= 1.2, < 2", "v1.10.3")
True
>>> matches("^1.2 || 3.x", "2.0.0")
False
>>> matches("~1.2.3", "1.3.0")
False
"""

from __future__ import annotations

from pypod.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Numbers = tuple[int, int, int]
    Version = tuple[Numbers, tuple[str, ...]]
    Test = Callable[[Version], bool]

_OPERATORS = (">=", "=>", "<=", "=<", "!=", "~>", "=", ">", "<", "~", "^")
_ANY = ("x", "X", "*")
_ALPHABET = frozenset("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-")


def parse(text: str) -> Version | None:
    """Return (major, minor, patch) and the pre-release of a version; None for what is none.

    A leading `v`, and missing minor and patch numbers, are allowed: tags are like that.
    """
    found = _parse(text)
    return None if found is None or found[1] < 0 else (found[0], found[2])


def _parse(text: str) -> tuple[Numbers, int, tuple[str, ...]] | None:
    """Return numbers, how many of them were given (-1 less that, with a wildcard), pre-release."""
    plain, plus, build = text.removeprefix("v").partition("+")
    core, dash, pre = plain.partition("-")
    identifiers = tuple(pre.split(".")) if dash else ()
    builds = build.split(".") if plus else ()
    if not all(one and _ALPHABET.issuperset(one) for one in (*identifiers, *builds)):
        return None
    numbers: list[int] = []
    wild = False
    parts = core.split(".")
    if len(parts) > 3:
        return None
    for part in parts:
        if part in _ANY:
            wild = True
        elif wild or not (part.isascii() and part.isdigit()) or len(part) > 18:
            return None
        else:
            numbers.append(int(part))
    given = len(numbers)
    numbers += [0] * (3 - given)
    return (numbers[0], numbers[1], numbers[2]), -1 - given if wild else given, identifiers


def _key(version: Version) -> tuple[object, ...]:
    """Return what sorts versions: a pre-release is before its version, numbers before words."""
    numbers, pre = version
    parts = tuple((0, int(one), "") if one.isdigit() else (1, 0, one) for one in pre)
    return (*numbers, not pre, parts)


def matches(constraint: str, text: str) -> bool:
    """Say whether a version fulfils a constraint; what is no version does not.

    Pre-releases count only where the constraint names one. Raises UsageError.
    """
    tests = compile(constraint)
    version = parse(text)
    return version is not None and any(all(test(version) for test in group) for group in tests)


def compile(constraint: str) -> list[list[Test]]:
    """Return the tests of a constraint: one of the lists must hold whole. Raises UsageError."""
    return [list(_group(constraint, part)) for part in constraint.split("||")]


def _group(constraint: str, text: str) -> Iterator[Test]:
    words = text.replace(",", " ").split()
    if not words:
        raise UsageError(f'"{constraint}" is no constraint on versions')
    at = 0
    while at < len(words):
        word = words[at]
        operator = next((one for one in _OPERATORS if word.startswith(one)), "")
        version = word[len(operator) :]
        if not version and at + 1 < len(words):
            at += 1
            version = words[at]
        if not operator and words[at + 1 : at + 2] == ["-"] and at + 2 < len(words):
            yield _test(constraint, ">=", version)
            operator, version = "<=", words[at + 2]
            at += 2
        yield _test(constraint, operator, version)
        at += 1


def _test(constraint: str, operator: str, text: str) -> Test:
    found = _parse(text)
    if found is None:
        raise UsageError(f'"{constraint}": "{text}" is no version')
    numbers, given, pre = found
    count = given if given >= 0 else -1 - given
    low = _key((numbers, pre))
    high = _key((_next(numbers, count), ("0",))) if 0 < count < 3 else None
    """Where a version with fewer numbers ends: 1.2 is all of 1.2.x."""

    def test(version: Version) -> bool:
        if version[1] and not pre:
            return False
        key = _key(version)
        if operator in ("~", "~>"):
            end = _next(numbers, min(count, 2))
            return low <= key and (count == 0 or key < _key((end, ("0",))))
        if operator == "^":
            return low <= key and (count == 0 or key < _key((_caret(numbers, count), ("0",))))
        within = count == 0 or (low <= key < high if high is not None else key == low)
        if operator == "!=":
            return not within
        if operator == ">":
            return key > low and not within
        if operator == "<":
            return count > 0 and key < low
        if operator in (">=", "=>"):
            return key >= low
        if operator in ("<=", "=<"):
            return within or key <= low
        return within

    return test


def _next(numbers: Numbers, count: int) -> Numbers:
    """Return the first version after those that begin with `count` of these numbers."""
    major, minor, patch = numbers
    if count == 1:
        return major + 1, 0, 0
    return (major, minor + 1, 0) if count == 2 else (major, minor, patch + 1)


def _caret(numbers: Numbers, count: int) -> Numbers:
    """Return where `^` ends: the leftmost number that is not zero stays as it is."""
    major, minor, _patch = numbers
    if major or count == 1:
        return _next(numbers, 1)
    return _next(numbers, 2 if minor or count == 2 else 3)
