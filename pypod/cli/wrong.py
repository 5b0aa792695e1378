# SPDX-License-Identifier: Apache-2.0
"""What is said of wrong words: not there yet, or what is close to them.

Only wrong command lines and failures load this.
"""

from __future__ import annotations

import errno

from pypod.cli import table
from pypod.cli.table import absent
from pypod.errors import NoSuchObject, UsageError
from pypod.output.columns import harmless

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pypod.cli.parse import Args, Values
    from pypod.errors import PypodError

_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)


def cure(error: PypodError, args: Args | None = None) -> str:
    """Return the hint of an error: its own, or the nearest name or value that exists, or ""."""
    hint = error.hint or ""
    near = ""
    if isinstance(error, NoSuchObject) and error.known is not None:
        near = nearest(error.word, error.known())
    elif args is not None and args.handler:
        near = _nearest_value(error.message, args)
    return f'did you mean "{near}"? {hint}'.rstrip() if near else hint


def unforeseen(error: Exception) -> str:
    """Return what is said of an error that nobody expected: the disk's, else a bug of ours."""
    if isinstance(error, OSError) and error.errno in _OF_THE_DISK:
        where = f"{error.filename}: " if error.filename else ""
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        hint = "Hint: pypod system prune makes room\n" if full else ""
        return f"Error: {harmless(where)}{error.strerror}\n{hint}"
    return (
        f"Error: {type(error).__name__}: {error}\n"
        "Hint: this is a bug of pypod; --log-level debug shows where\n"
    )


def _nearest_value(message: str, args: Args) -> str:
    """Return the word of a closed set that is nearest to the value that a message refuses."""
    from pypod.cli.table import completers

    found = table.find(args.command_name.split())
    key, options = (found[1], found[2][3]) if found else ("", ())
    for option in (*options, *table.GLOBAL_OPTIONS):
        known = completers.of_option(key, option)[1:]
        given = getattr(args, option[1], None)
        for value in (given,) if isinstance(given, str) else given or () if known else ():
            stem, rest = _stem(value)
            if value in known or stem in known or (stem.rstrip("=:") not in message and (
                not rest or rest not in message
            )):
                continue
            near = nearest(value, known) or nearest(stem, {_stem(word)[0] for word in known})
            if near:
                return near
    return ""


def _stem(word: str) -> tuple[str, str]:
    """Split `key=value` or `key:value` behind the sign; a word without one is whole."""
    for sign in "=:":
        if sign in word:
            key, sign, value = word.partition(sign)
            return key + sign, value
    return word, ""


def command(words: list[str]) -> UsageError:
    """Return the error for words that begin with no command."""
    first = words[0]
    if first in table.GROUPS:
        known: Iterable[str] = sorted(verb for group, verb in table.IN_GROUP if group == first)
        typed, word = f"{first} {words[1]}", words[1]
        missing = word in absent.IN_GROUP.get(first, ())
        near = nearest(word, known)
        near = f"{first} {near}" if near else ""
        help_line = f"pypod {first} --help"
    else:
        typed, missing = first, first in absent.COMMANDS
        near = nearest(first, [*table.TOP_LEVEL, *table.GROUPS])
        help_line = "pypod --help"
    if missing:
        return UsageError(f'"pypod {typed}" is not there yet')
    hint = f'did you mean "pypod {near}"?' if near else f"Try '{help_line}' for more information"
    return UsageError(f"unrecognized command `pypod {typed}`", hint=hint)


def flag(values: Values, flag: str, word: str) -> UsageError:
    """Return the error for an unknown option; `word` is what was typed, from the option on."""
    program = f"pypod {values.name}".rstrip()
    hint = f"See '{program} --help'"
    if flag == "--":  # --=x
        return UsageError(f"bad flag syntax: {word}", hint=hint)
    if flag.startswith("--"):
        name = flag[2:]
        said = absent.what_is_said(values.key, name)
        if said:
            return UsageError(said)
        near = nearest(name, [one[2:] for one in values.by_flag if one.startswith("--")])
        return UsageError(
            f"unknown flag: {flag}", hint=f"did you mean --{near}? {hint}" if near else hint
        )
    letter = flag[1:]
    name = absent.SHORT.get(values.key, {}).get(letter, "")
    said = absent.what_is_said(values.key, name) if name else ""
    if said:
        return UsageError(said)
    return UsageError(f"unknown shorthand flag: '{letter}' in {word}", hint=hint)


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the known word at one edit from `word` (two when it is long), the closest, or ""."""
    best, found = (2 if len(word) < 5 else 3), ""
    for candidate in known:
        if abs(len(candidate) - len(word)) < best:
            distance = _edits(word, candidate)
            if distance < min(best, len(word)):
                best, found = distance, candidate
    return found


def _edits(left: str, right: str) -> int:
    """Return how many letters put in, left out, changed or swapped with a neighbour differ."""
    before: list[int] = []
    row = list(range(len(right) + 1))
    for line, letter in enumerate(left):
        earlier, before, row = before, row, [line + 1] * (len(right) + 1)
        for column, other in enumerate(right):
            row[column + 1] = min(
                row[column] + 1, before[column + 1] + 1, before[column] + (letter != other)
            )
            if line and column and letter == right[column - 1] and left[line - 1] == other:
                row[column + 1] = min(row[column + 1], earlier[column - 1] + 1)
    return row[-1]
