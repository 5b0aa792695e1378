# SPDX-License-Identifier: Apache-2.0
"""argv and the table to values, by the grammar of pflag, which docker and podman have taught.

`--flag=false`, `-i=false`, `-e=V`, `-eV`, `-dit`, `--`, options between positionals, and for `run`
and its kin no option after the first positional. Typer is never asked about a correct line: it
cannot read the first three and costs 40 ms. What is said of a wrong line is in cli/wrong.py.

Kinds of options: `bool`; `optbool` (None, or the word `true` or `false`); `str`; `opt` (None unless
given); `int`, `uint`, `optuint` (as Go reads numbers: 0x10 and 010 too); `list` (each word whole);
`csv` (each word is a line of comma-separated values, as in pflag's StringSlice).
"""

from __future__ import annotations

from pypod.cli import table
from pypod.errors import UsageError
from pypod.kernel import paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pypod.cli.table import Option
    from pypod.kernel.paths import Places

_DEFAULTS: dict[str, Any] = {
    "bool": False,
    "optbool": None,
    "str": "",
    "opt": None,
    "int": 0,
    "uint": 0,
    "optuint": None,
    "list": (),
    "csv": (),
}
"""What an option is when nobody gives it."""

_TRUE = frozenset(("1", "t", "T", "true", "TRUE", "True"))
_FALSE = frozenset(("0", "f", "F", "false", "FALSE", "False"))
"""What Go's strconv.ParseBool takes."""

_DIGITS = frozenset("0123456789abcdefABCDEF_xXoO")


class Help(Exception):
    """--help was asked for; `words` are the command's, `missing` says that one lacks."""

    def __init__(self, words: tuple[str, ...] = (), missing: str = "") -> None:
        super().__init__(missing)
        self.words = words
        self.missing = missing


class Args:
    """The values of one command line: an attribute per option and positional."""

    def __init__(self) -> None:
        self.command_name = ""
        self.command_line: list[str] = []
        self.handler = ""
        self.root = ""
        self.runroot = ""
        self.log_level = ""
        self.registries_conf = ""
        self._places: Places | None = None

    @property
    def places(self) -> Places:
        """The store that the global options choose."""
        if self._places is None:
            self._places = paths.places(self.root or None, self.runroot or None)
        return self._places

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

        def __setattr__(self, name: str, value: Any) -> None: ...


def parse(argv: list[str]) -> Args:
    """Return the values of a command line without its program. Raises UsageError, Help."""
    args = Args()
    args.command_line = ["pypod", *argv]
    rest = _globals(args, argv)
    if not rest:
        raise Help(missing="missing command 'pypod COMMAND'")
    found = table.find(rest)
    if found is None:
        raise _no_command(rest)
    name, key, command, used = found
    args.command_name, args.handler = name, command[0]
    values = Values(command[3], name, key)
    words = values.read(rest[used:], key in table.STOP_AT_FIRST)
    if values.given.pop("help", False):
        raise Help(tuple(name.split()))
    values.store(args)
    _positionals(args, name, command[2], words)
    instead = (getattr(args, other, None) for other in table.INSTEAD_OF_NAMES)
    if not words and key in table.NEEDS and not any(instead):
        raise UsageError(table.NEEDS[key], hint=f"See 'pypod {name} --help'")
    return args


def _globals(args: Args, argv: list[str]) -> list[str]:
    """Read the options before the command; return the words from the command on."""
    at = 0
    values = Values(table.GLOBAL_OPTIONS, "", "")
    while at < len(argv) and argv[at].startswith("-") and len(argv[at]) > 1:
        if argv[at] == "--":
            at += 1
            break
        at = values.take(argv, at)
    if values.given.pop("help", False):
        raise Help
    if values.given.pop("version", False):
        return ["version", "--format", "pypod version {{.Client.Version}}"]
    values.store(args)
    return argv[at:]


def _no_command(words: list[str]) -> Exception:
    from pypod.cli import wrong

    if words[0] == "help":
        found = table.find(words[1:]) if len(words) > 1 else None
        return Help(tuple(found[0].split()) if found else tuple(words[1:2]))
    if words[0] in table.GROUPS:
        if len(words) < 2:
            return Help((words[0],), missing=f"missing command 'pypod {words[0]} COMMAND'")
        if words[1] in ("-h", "--help"):
            return Help((words[0],))
    return wrong.command(words)


class Values:
    """The options of one command as they are read."""

    def __init__(self, options: tuple[Option, ...], name: str, key: str) -> None:
        self.name = name
        self.key = key
        self.given: dict[str, Any] = {}
        self._options = options
        self.by_flag: dict[str, Option] = {}
        if key:
            for option in table.GLOBAL_OPTIONS:
                if option[1] != "version":
                    for flag in option[0].split():
                        self.by_flag[flag] = option
        for option in options:
            for flag in option[0].split():
                self.by_flag[flag] = option

    def read(self, words: list[str], stop_at_first: bool) -> list[str]:
        """Read the options among `words`; return the others. Raises UsageError."""
        others: list[str] = []
        at = 0
        while at < len(words):
            word = words[at]
            if word == "--":
                return others + words[at + 1 :]
            if len(word) > 1 and word[0] == "-":
                at = self.take(words, at)
                continue
            if stop_at_first:
                return words[at:]
            others.append(word)
            at += 1
        return others

    def take(self, words: list[str], at: int) -> int:
        """Read the option at `at` (and its value); return where the next word is."""
        word = words[at]
        if not word.startswith("--"):
            return self._short(words, at)
        flag, equals, value = word.partition("=")
        option = self.by_flag.get(flag)
        if option is None:
            raise self._unknown(flag, word)
        if equals:
            self._set(option, value)
        elif option[2] in ("bool", "optbool"):
            self._set(option, "true")
        else:
            at += 1
            if at == len(words):
                raise self._usage(f"flag needs an argument: {flag}")
            self._set(option, words[at])
        return at + 1

    def _short(self, words: list[str], at: int) -> int:
        letters = words[at][1:]
        while letters:
            flag, cluster, letters = "-" + letters[0], "-" + letters, letters[1:]
            option = self.by_flag.get(flag)
            if option is None:
                raise self._unknown(flag, cluster)
            if letters.startswith("="):
                self._set(option, letters[1:])
                break
            if option[2] in ("bool", "optbool"):
                self._set(option, "true")
                continue
            if letters:
                self._set(option, letters)
                break
            at += 1
            if at == len(words):
                raise self._usage(f"flag needs an argument: '{flag[1]}' in {cluster}")
            self._set(option, words[at])
        return at + 1

    def _set(self, option: Option, value: str) -> None:
        dest, kind = option[1], option[2]
        try:
            if kind == "list":
                self.given.setdefault(dest, []).append(value)
            elif kind == "csv":
                self.given.setdefault(dest, []).extend(_comma_separated(value))
            elif kind == "bool":
                self.given[dest] = _boolean(value)
            elif kind == "optbool":
                self.given[dest] = "true" if _boolean(value) else "false"
            elif kind in ("int", "uint", "optuint"):
                self.given[dest] = _number(value, kind == "int")
            else:
                self.given[dest] = value
        except ValueError as error:
            flags = [flag for flag in option[0].split() if not flag.startswith("--")]
            flags.append(next(flag for flag in option[0].split() if flag.startswith("--")))
            raise self._usage(
                f'invalid argument "{value}" for "{", ".join(flags)}" flag: {error}'
            ) from None

    def store(self, args: Args) -> None:
        """Set every option's attribute: what was given, else the default."""
        for option in self._options:
            value = option[5] if len(option) > 5 else _DEFAULTS[option[2]]
            setattr(args, option[1], value)
        for dest, value in self.given.items():
            setattr(args, dest, tuple(value) if isinstance(value, list) else value)

    def _usage(self, message: str) -> UsageError:
        return UsageError(message, hint=f"See 'pypod {self.name + ' ' if self.name else ''}--help'")

    def _unknown(self, flag: str, word: str) -> Exception:
        from pypod.cli import wrong

        return wrong.flag(self, flag, word)


def _boolean(text: str) -> bool:
    """Go's strconv.ParseBool. Raises ValueError in its words."""
    if text not in _TRUE and text not in _FALSE:
        raise ValueError(f'strconv.ParseBool: parsing "{text}": invalid syntax')
    return text in _TRUE


def _number(text: str, signed: bool) -> int:
    """Go's strconv.ParseInt or ParseUint, base 0, 64 bits. Raises ValueError in its words."""
    digits = text[1:] if signed and text[:1] in ("-", "+") else text
    function = "ParseInt" if signed else "ParseUint"
    try:
        if not digits or not _DIGITS.issuperset(digits):
            raise ValueError
        octal = len(digits) > 1 and digits[0] == "0" and (digits[1].isdigit() or digits[1] == "_")
        number = int(digits, 8 if octal else 0)
    except ValueError:
        raise ValueError(f'strconv.{function}: parsing "{text}": invalid syntax') from None
    number = -number if text[0] == "-" else number
    if not (-(1 << 63) <= number < 1 << 63 if signed else number < 1 << 64):
        raise ValueError(f'strconv.{function}: parsing "{text}": value out of range')
    return number


def _comma_separated(text: str) -> list[str]:
    """Return the values of a line as Go's encoding/csv reads it. Raises ValueError."""
    if '"' not in text:
        return text.split(",") if text else []
    values: list[str] = []
    rest = text
    while True:
        if not rest.startswith('"'):
            value, comma, rest = rest.partition(",")
            if '"' in value:
                raise ValueError('parse error: bare " in non-quoted field')
        else:
            value, rest = "", rest[1:]
            while True:
                piece, quote, rest = rest.partition('"')
                value += piece
                if not quote:
                    raise ValueError('parse error: extraneous or missing " in quoted field')
                if not rest.startswith('"'):
                    break
                value, rest = value + '"', rest[1:]
            if rest and rest[0] != ",":
                raise ValueError('parse error: extraneous or missing " in quoted field')
            comma, rest = rest[:1], rest[1:]
        values.append(value)
        if not comma:
            return values


def _positionals(args: Args, name: str, spec: str, words: list[str]) -> None:
    """Set an attribute for each word of the usage line. Raises UsageError for a wrong number."""
    places = spec.split()
    many = bool(places) and places[-1].rstrip("]").endswith("...")
    least = sum(not place.startswith("[") for place in places)
    received = len(words)
    if received < least or (received > len(places) and not many):
        if not places:
            text = f"`pypod {name}` takes no arguments"
        elif many:
            text = f"requires at least {least} arg(s), only received {received}"
        elif 0 < least < len(places):
            text = f"accepts between {least} and {len(places)} arg(s), received {received}"
        elif least < len(places):
            text = f"accepts at most {len(places)} arg(s), received {received}"
        else:
            text = f"accepts {least} arg(s), received {received}"
        raise UsageError(text, hint=f"Usage: pypod {name} [OPTIONS] {spec}".rstrip())
    rest = list(words)
    for place in places:
        dest = place.strip("[].").lower()
        if place.rstrip("]").endswith("..."):
            setattr(args, dest, rest)
        else:
            setattr(args, dest, rest.pop(0) if rest else "")
