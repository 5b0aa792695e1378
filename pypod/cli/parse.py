# SPDX-License-Identifier: Apache-2.0
"""argv and the table to values, by pflag's grammar, which docker and podman users have in their fingers.

`--flag=false`, `-i=false`, `-e=V`, `-eV`, `-dit`, `--`, options between positionals, and for `run` and
its kin no option after the first positional. Typer is never asked about a correct line: it cannot read
the first three and costs 40 ms.
"""

from __future__ import annotations

from pypod.cli import table
from pypod.errors import UsageError
from pypod.kernel import paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pypod.cli.table import Command, Option
    from pypod.kernel.paths import Places

_DEFAULTS: dict[str, Any] = {
    "bool": False,
    "str": "",
    "int": 0,
    "opt": None,
    "optint": None,
    "list": (),
    "csv": (),
}
"""What an option is when nobody gives it. `opt` and `optint` tell "not given" from empty and 0."""

_TRUE = frozenset(("1", "t", "T", "true", "TRUE", "True"))
_FALSE = frozenset(("0", "f", "F", "false", "FALSE", "False"))
"""What Go's strconv.ParseBool takes."""


class Help(Exception):
    """--help was asked for."""


class Args:
    """The values of one command line: an attribute per option and positional."""

    def __init__(self) -> None:
        self.command_name = ""
        self.command_line: list[str] = []
        self.handler = ""
        self.root = ""
        self.runroot = ""
        self.log_level = ""
        self._places: Places | None = None

    @property
    def places(self) -> Places:
        """The store that the global options choose."""
        if self._places is None:
            self._places = paths.places(self.root or None, self.runroot or None)
        return self._places

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


class NoCommand(UsageError):
    """The words name no command."""


def parse(argv: list[str]) -> Args:
    """Return the values of a command line without its program. Raises UsageError, Help."""
    args = Args()
    args.command_line = ["pypod", *argv]
    rest = _globals(args, argv)
    if not rest:
        raise Help
    found = table.find(rest)
    if found is None:
        raise unknown_command(rest)
    name, command, used = found
    args.command_name, args.handler = name, command[0]
    _options(args, name, command, rest[used:])
    return args


def _globals(args: Args, argv: list[str]) -> list[str]:
    at = 0
    values = _Values(table.GLOBAL_OPTIONS, "pypod")
    while at < len(argv) and argv[at].startswith("-") and len(argv[at]) > 1:
        if argv[at] == "--":
            at += 1
            break
        at = values.take(argv, at)
    values.store(args)
    if args.help:
        raise Help
    if args.version:
        return ["version"] if len(argv) == at else argv[at:]
    return argv[at:]


def unknown_command(words: list[str]) -> NoCommand:
    """Return the error for words that begin with no command."""
    if words[0] in table.GROUPS:
        group = words[0]
        if len(words) < 2:
            return NoCommand(f"missing command '{group} COMMAND'", hint=f"pypod {group} --help")
        return NoCommand(f'unrecognized command "pypod {group} {words[1]}"', hint="pypod --help")
    if words[0] in table.NOT_YET:
        return NoCommand(f'"pypod {words[0]}" is not there yet')
    near = _nearest(words[0], table.TOP_LEVEL)
    hint = f'did you mean "pypod {near}"?' if near else "pypod --help lists the commands"
    return NoCommand(f'unrecognized command "pypod {words[0]}"', hint=hint)


def _options(args: Args, name: str, command: Command, words: list[str]) -> None:
    from pypod.cli.table.container import STOP_AT_FIRST

    values = _Values(command[3], name)
    positionals: list[str] = []
    stop = name.rpartition(" ")[2] in STOP_AT_FIRST
    at = 0
    while at < len(words):
        word = words[at]
        if word == "--":
            positionals += words[at + 1 :]
            break
        if len(word) > 1 and word[0] == "-":
            at = values.take(words, at)
            continue
        if stop:
            positionals += words[at:]
            break
        positionals.append(word)
        at += 1
    values.store(args)
    _positionals(args, name, command[2], positionals)


class _Values:
    """The options of one command as they are read."""

    def __init__(self, options: tuple[Option, ...], name: str) -> None:
        self._name = name
        self._options = options
        self._by_flag = {flag: option for option in options for flag in option[0].split()}
        self._given: dict[str, Any] = {}

    def take(self, words: list[str], at: int) -> int:
        """Read the option at `at` (and its value); return where the next word is."""
        word = words[at]
        if word.startswith("--"):
            flag, equals, value = word.partition("=")
            option = self._by_flag.get(flag)
            if option is None:
                raise self._unknown(flag, word)
            if option[2] == "bool":
                self._set(option, flag, value if equals else "true")
            elif equals:
                self._set(option, flag, value)
            else:
                at += 1
                self._set(option, flag, self._value(words, at, flag))
            return at + 1
        return self._short(words, at)

    def _short(self, words: list[str], at: int) -> int:
        letters = words[at][1:]
        while letters:
            flag, letters = "-" + letters[0], letters[1:]
            option = self._by_flag.get(flag)
            if option is None:
                raise self._unknown(flag, words[at])
            if option[2] == "bool":
                if letters.startswith("="):
                    self._set(option, flag, letters[1:])
                    break
                self._set(option, flag, "true")
                continue
            if letters:
                self._set(option, flag, letters.removeprefix("="))
            else:
                at += 1
                self._set(option, flag, self._value(words, at, flag))
            break
        return at + 1

    def _value(self, words: list[str], at: int, flag: str) -> str:
        if at < len(words):
            return words[at]
        if flag.startswith("--"):
            raise UsageError(f"flag needs an argument: {flag}", hint=f"pypod {self._name} --help")
        raise UsageError(
            f"flag needs an argument: '{flag[1]}' in {flag}", hint=f"pypod {self._name} --help"
        )

    def _set(self, option: Option, flag: str, value: str) -> None:
        dest, kind = option[1], option[2]
        if kind == "bool":
            if value not in _TRUE and value not in _FALSE:
                raise self._invalid(option, flag, value, "parsing as a boolean: invalid syntax")
            self._given[dest] = value in _TRUE
        elif kind in ("int", "optint"):
            digits = value.removeprefix("-").removeprefix("+")
            if not (digits.isascii() and digits.isdigit()):
                raise self._invalid(option, flag, value, "parsing as a number: invalid syntax")
            self._given[dest] = int(value)
        elif kind == "list":
            self._given.setdefault(dest, []).append(value)
        elif kind == "csv":
            self._given.setdefault(dest, []).extend(word for word in value.split(",") if word)
        else:
            self._given[dest] = value

    def _invalid(self, option: Option, flag: str, value: str, reason: str) -> UsageError:
        names = ", ".join(sorted(option[0].split(), key=len))
        return UsageError(
            f'invalid argument "{value}" for "{names}" flag: {reason}',
            hint=f"pypod {self._name} --help",
        )

    def _unknown(self, flag: str, word: str) -> Exception:
        if flag in ("--help", "-h"):
            return Help()
        plain = flag.lstrip("-")
        if self._name in ("run", "create", "container run", "container create"):
            from pypod.cli.table import container

            if not flag.startswith("--"):
                plain = container.NOT_YET_SHORT.get(plain, plain)
            if plain in container.NOT_YET_LIMITS:
                return UsageError(f"--{plain}: cannot {container.NOT_YET_LIMITS[plain]} yet")
            if plain in container.NOT_YET_OPTIONS:
                return UsageError(f"--{plain} is not there yet")
        hint = f"pypod {self._name} --help"
        if not flag.startswith("--"):
            return UsageError(f"unknown shorthand flag: '{flag[1:]}' in {word}", hint=hint)
        near = _nearest(plain, [one[2:] for one in self._by_flag if one.startswith("--")])
        return UsageError(
            f"unknown flag: {flag}", hint=f"did you mean --{near}?" if near else hint
        )

    def store(self, args: Args) -> None:
        """Set every option's attribute: what was given, else the default."""
        for option in self._options:
            dest = option[1]
            if dest in self._given:
                value = self._given[dest]
                setattr(args, dest, tuple(value) if isinstance(value, list) else value)
            else:
                setattr(args, dest, option[5] if len(option) > 5 else _DEFAULTS[option[2]])


def _positionals(args: Args, name: str, spec: str, words: list[str]) -> None:
    rest = list(words)
    for word in spec.split():
        optional, many = word.startswith("["), word.rstrip("]").endswith("...")
        dest = word.strip("[].").lower()
        if many:
            if not rest and not optional:
                raise _too_few(name, spec)
            setattr(args, dest, rest)
            return
        if not rest and not optional:
            raise _too_few(name, spec)
        setattr(args, dest, rest.pop(0) if rest else "")
    if rest:
        raise UsageError(
            f'"pypod {name}" accepts {len(spec.split())} argument(s), received {len(words)}',
            hint=f"usage: pypod {name} [OPTIONS] {spec}".rstrip(),
        )


def _too_few(name: str, spec: str) -> UsageError:
    return UsageError(
        f'"pypod {name}" needs more arguments', hint=f"usage: pypod {name} [OPTIONS] {spec}"
    )


def _nearest(word: str, known: Any) -> str:
    """Return the known word that is at most two edits away, the first of the closest."""
    best, found = 3, ""
    for candidate in known:
        if abs(len(candidate) - len(word)) < best:
            row = list(range(len(candidate) + 1))
            for line, letter in enumerate(word, 1):
                previous, row[0] = row[0], line
                for column, other in enumerate(candidate, 1):
                    previous, row[column] = (
                        row[column],
                        min(row[column] + 1, row[column - 1] + 1, previous + (letter != other)),
                    )
            if row[-1] < min(best, max(len(word) - 1, 1)):
                best, found = row[-1], candidate
    return found
