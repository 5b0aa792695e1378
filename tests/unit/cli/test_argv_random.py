# SPDX-License-Identifier: Apache-2.0
"""Seeded random command lines: values rendered in any of pflag's forms come back unchanged."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from typing import Any

from pypod.cli import parse, table

SEED = 20261124
LINES = 6000
WORDS = (
    "a", "-", "--", "-x", "--env", "=", "a=b", "A=", "=v", "a,b", "x y", "", "8080:80", "-i=false",
    "'", '"', "\\", "\udc80", "é", "{{.ID}}", "--rm=false", "0", "false", "/tmp:/t:ro", "--help",
)  # fmt: skip
TRUE = ("1", "t", "T", "true", "TRUE", "True")
FALSE = ("0", "f", "F", "false", "FALSE", "False")
Values = dict[str, Any]


def spell_list(values: tuple[str, ...], forms: Counter[str], rng: random.Random) -> list[str]:
    """Return words for the values of a csv option: alone, together, quoted as Go's csv wants."""

    def quoted(value: str) -> str:
        if value == "" or any(char in value for char in ',"\n\r') or rng.random() < 0.1:
            return '"' + value.replace('"', '""') + '"'
        return value

    if rng.random() < 0.5:
        forms["csv"] += 1
        return [",".join(quoted(value) for value in values)]
    return [quoted(value) for value in values]


class Line:
    """A command line in the making, and what must come of it."""

    def __init__(self, rng: random.Random, forms: Counter[str]) -> None:
        self.rng = rng
        self.forms = forms
        self.expected: Values = {}
        self.words: list[str] = []

    def option(self, option: table.Option) -> None:
        """Put an option in, in a random form of its kind."""
        flags, dest, kind = option[:3]
        rng = self.rng
        flag = rng.choice(flags.split())
        if kind in ("bool", "optbool"):
            value = rng.random() < 0.6
            self.expected[dest] = value if kind == "bool" else ("true" if value else "false")
            if value and rng.random() < 0.6:
                self.words.append(flag)
            else:
                self.forms["--flag=false" if flag.startswith("--") else "-i=false"] += not value
                self.words.append(f"{flag}={rng.choice(TRUE if value else FALSE)}")
            return
        if kind in ("list", "csv"):
            values = tuple(rng.choice(WORDS) for _ in range(rng.randint(1, 3)))
            self.expected[dest] = values
            spelled = values if kind == "list" else spell_list(values, self.forms, rng)
        elif kind in ("int", "uint", "optuint"):
            number = rng.choice((0, 1, 7, 10, 86400, *((-1, -5) if kind == "int" else ())))
            self.expected[dest] = number
            sign, digits = "-" * (number < 0), abs(number)
            spelled = [sign + rng.choice((f"{digits}", f"{digits:#x}", f"{digits:#o}"))]
        else:
            self.expected[dest] = rng.choice(WORDS)
            spelled = [self.expected[dest]]
        for word in spelled:
            self.value(rng.choice(flags.split()), word)

    def value(self, flag: str, word: str) -> None:
        """Put a flag with a value in: apart, with `=`, or glued to a short flag."""
        long = flag.startswith("--")
        form = self.rng.choice(("apart", "equals", "glued"))
        if form == "glued" and not long and word and not word.startswith("="):
            self.forms["-p8080:80"] += 1
            self.words.append(flag + word)
        elif form == "apart":
            self.words += [flag, word]
        else:
            self.forms["--flag=value" if long else "-e=V"] += 1
            self.words.append(f"{flag}={word}")

    def cluster(self, options: list[table.Option]) -> None:
        """Put several short flags in as one word; the last may take a value."""
        *flags, last = options
        letters = "-"
        for option in flags:
            letters += next(flag[1] for flag in option[0].split() if len(flag) == 2)
            self.expected[option[1]] = True if option[2] == "bool" else "true"
        short = next(flag[1] for flag in last[0].split() if len(flag) == 2)
        self.forms["-dit"] += 1
        if last[2] in ("bool", "optbool"):
            self.expected[last[1]] = True if last[2] == "bool" else "true"
            self.words.append(letters + short)
        else:
            word = self.rng.choice(("a", "/tmp", "é=1"))
            self.expected[last[1]] = word if last[2] in ("str", "opt") else (word,)
            self.value(letters + short, word) if letters == "-" else self.words.extend(
                self.rng.choice(([letters + short, word], [f"{letters}{short}={word}"]))
            )


def short_options(options: tuple[table.Option, ...], kinds: tuple[str, ...]) -> list[table.Option]:
    return [
        one for one in options if one[2] in kinds and any(len(flag) == 2 for flag in one[0].split())
    ]


def positionals(spec: str, rng: random.Random) -> tuple[Values, list[str]]:
    """Return values for the words of a usage line, and the words."""
    expected: Values = {}
    words: list[str] = []
    for place in spec.split():
        dest, many = place.strip("[].").lower(), place.rstrip("]").endswith("...")
        if many:
            chosen = [rng.choice(WORDS) for _ in range(rng.randint(1, 4))]
            expected[dest] = chosen
        else:
            chosen = [rng.choice(WORDS)]
            expected[dest] = chosen[0]
        words += chosen
    return expected, words


def random_line(
    spellings: list[tuple[list[str], str, table.Command]],
    rng: random.Random,
    forms: Counter[str],
) -> tuple[list[str], Values]:
    """Return an argv and the values that it must give."""
    spelling, key, command = rng.choice(spellings)
    options = command[3]
    line = Line(rng, forms)
    clustered: list[table.Option] = []
    switches = short_options(options, ("bool",))
    if len(switches) > 1 and rng.random() < 0.5:
        clustered = rng.sample(switches, rng.randint(2, min(4, len(switches))))
        takers = short_options(options, ("str", "list", "opt"))
        if takers and rng.random() < 0.5:
            clustered.append(rng.choice(takers))
        line.cluster(clustered)
    rest = [one for one in options if one not in clustered]
    chosen = rng.sample(rest, rng.randint(0, min(5, len(rest))))
    expected, words = positionals(command[2], rng)
    for number, option in enumerate(chosen):
        # Options after a positional are read but where the container's words begin.
        if number == 2 and key not in table.STOP_AT_FIRST and words and plain(words[0]):
            line.words.append(words.pop(0))
            forms["option after a word"] += number < len(chosen)
        line.option(option)
    if words and (key not in table.STOP_AT_FIRST or not plain(words[0]) or rng.random() < 0.3):
        if not all(plain(word) for word in words) or rng.random() < 0.3 or not plain(words[0]):
            line.words.append("--")
            forms["--"] += 1
    elif words:
        forms["stop at IMAGE"] += any(word.startswith("-") for word in words[1:])
    line.words += words
    return spelling + line.words, {**expected, **line.expected}


def plain(word: str) -> bool:
    """Say whether a word stands for itself between options."""
    return not word.startswith("-") or word == "-"


def test_thousands_of_random_lines_come_back_unchanged() -> None:
    rng = random.Random(SEED)
    forms: Counter[str] = Counter()
    commands = table.every()
    spellings = [([name], name, commands[name]) for name in table.TOP_LEVEL]
    spellings += [([*words], name, commands[name]) for words, name in table.IN_GROUP.items()]
    seen: Counter[str] = Counter()
    for _ in range(LINES):
        argv, expected = random_line(spellings, rng, forms)
        args = parse.parse(argv)
        got = {dest: getattr(args, dest) for dest in expected}
        assert got == expected, argv
        assert args.command_line == ["pypod", *argv]
        seen[args.command_name] += 1
    assert len(seen) == len(spellings)
    few = {form: count for form, count in forms.items() if count < 100}
    assert not few
    assert set(forms) == {
        "--flag=false", "-i=false", "--flag=value", "-e=V", "-p8080:80", "-dit", "--", "csv",
        "option after a word", "stop at IMAGE",
    }  # fmt: skip


def test_what_is_not_given_has_the_tables_default() -> None:
    for name, command in table.every().items():
        needed = [f"x{number}" for number, _ in enumerate(command[2].split())]
        args = parse.parse([*name.split(), *needed])
        for option in command[3]:
            value = getattr(args, option[1])
            if len(option) > 5:
                assert value == option[5], (name, option[0])
            else:
                assert value in (False, None, "", 0, ()), (name, option[0])


def test_noise_gives_values_or_one_error_and_never_anything_else() -> None:
    rng = random.Random(SEED)
    pieces = (
        "-",
        "--",
        "=",
        "e",
        "it",
        "env",
        "rm",
        "run",
        "ps",
        "exec",
        "image",
        "a",
        "1",
        ",",
        '"',
    )
    for _ in range(3000):
        argv = ["".join(rng.choices(pieces, k=rng.randint(0, 4))) for _ in range(rng.randint(0, 5))]
        start = rng.choice(([], ["run"], ["exec"], ["ps"], ["container", "rm"]))
        try:
            parse.parse([*start, *argv])
        except (parse.UsageError, parse.Help):
            pass


def test_every_flag_of_a_command_is_its_own() -> None:
    for name, command in table.every().items():
        flags = [flag for option in command[3] for flag in option[0].split()]
        assert len(flags) == len(set(flags)), name
        for option in command[3]:
            long = next(flag for flag in option[0].split() if flag.startswith("--"))
            assert option[1] == long[2:].replace("-", "_"), (name, long)
    assert len(list(itertools.chain(table.TOP_LEVEL, table.IN_GROUP))) > 30
