# SPDX-License-Identifier: Apache-2.0
"""Go templates, as `--format` takes them: fields, functions, pipelines, if, range, with.

Source: Go's text/template. Values are what JSON has: dicts, lists, text, numbers, booleans, None.
`define`, `template` and `block` are left out: no one-line format has use for them.
"""

from __future__ import annotations

from pypod.text import go_values
from pypod.text import template_functions as functions
from pypod.text.template_lexer import lex
from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

TemplateError = functions.TemplateError


class _Text(Value):
    text: str


class _Action(Value):
    pipeline: tuple[tuple[Any, ...], ...]
    variable: str = ""
    declares: bool = False


class _Block(Value):
    kind: str
    """if, range or with."""
    pipeline: tuple[tuple[Any, ...], ...]
    variables: tuple[str, ...]
    body: tuple[Any, ...]
    otherwise: tuple[Any, ...]


class _Jump(Value):
    word: str
    """break or continue."""


class _Break(Exception):
    """{{break}} inside a range."""


class _Continue(Exception):
    """{{continue}} inside a range."""


class _Path(Value):
    """`.A.B`, `$x.A`, or `(pipeline).A`."""

    start: Any
    names: tuple[str, ...]


def expand_escapes(text: str) -> str:
    """Return a template as a shell passes it, with `\\t` and `\\n` written out."""
    return text.replace("\\t", "\t").replace("\\n", "\n")


class Template:
    """A template that was read once and renders many values."""

    def __init__(self, text: str) -> None:
        """Read a template as it came from the command line. Raises TemplateError."""
        self._nodes, _ = _parse(lex(expand_escapes(text)), ())

    def render(self, value: Any, to_json: Callable[[Any], str] | None = None) -> str:
        """Return what the template makes of `value`; `to_json` writes for the function `json`.

        Raises TemplateError.
        """
        out: list[str] = []
        scope = _Scope(value, to_json or go_values.to_json)
        try:
            scope.walk(self._nodes, value, out)
        except (_Break, _Continue):
            raise TemplateError("{{break}} or {{continue}} outside {{range}}") from None
        except RecursionError:
            raise TemplateError("exceeded maximum template depth") from None
        return "".join(out)


def render(text: str, value: Any, to_json: Callable[[Any], str] | None = None) -> str:
    """Return what the template `text` makes of one value. Raises TemplateError."""
    return Template(text).render(value, to_json)


def _parse(
    tokens: Iterator[tuple[str, Any]], stops: tuple[str, ...]
) -> tuple[tuple[Any, ...], list[str]]:
    nodes: list[Any] = []
    for kind, content in tokens:
        if kind == "text":
            nodes.append(_Text(content))
            continue
        words = list(content)
        while words and words[0] == " ":
            words.pop(0)
        while words and words[-1] == " ":
            words.pop()
        head = words[0] if words else ""
        if head in stops:
            return tuple(nodes), words
        if head in ("if", "range", "with"):
            nodes.append(_block(head, words[1:], tokens))
        elif head in ("break", "continue") and len(words) == 1:
            nodes.append(_Jump(head))
        elif head in ("end", "else"):
            raise TemplateError(f"unexpected {{{{{head}}}}}")
        else:
            names, declares, rest = _variables(words)
            variable = names[0] if names else ""
            nodes.append(_Action(_pipeline(rest), variable, declares))
    if stops:
        raise TemplateError("unexpected EOF")
    return tuple(nodes), []


def _block(kind: str, words: list[str], tokens: Iterator[tuple[str, Any]]) -> _Block:
    names, _, rest = _variables(words)
    pipeline = _pipeline(rest, kind)
    body, closing = _parse(tokens, ("end", "else"))
    otherwise: tuple[Any, ...] = ()
    if closing[0] == "else":
        following = [word for word in closing[1:] if word != " "]
        if following and following[0] in ("if", "with"):
            inner = closing[closing.index(following[0]) + 1 :]
            otherwise = (_block(following[0], inner, tokens),)
        else:
            otherwise, _ = _parse(tokens, ("end",))
    return _Block(kind, pipeline, names, body, otherwise)


def _variables(words: list[str]) -> tuple[tuple[str, ...], bool, list[str]]:
    """Split `$i, $v := …` into its names and the rest."""
    for operator in (":=", "="):
        if operator in words:
            cut = words.index(operator)
            names = [word for word in words[:cut] if word not in (" ", ",")]
            if names and all(name.startswith("$") for name in names):
                return tuple(names), operator == ":=", words[cut + 1 :]
    return (), False, words


def _pipeline(words: list[str], context: str = "command") -> tuple[tuple[Any, ...], ...]:
    commands, rest = _commands(words, 0, False)
    if rest != len(words):
        raise TemplateError("unexpected ) in operand")
    if not commands:
        raise TemplateError(f"missing value for {context}")
    if commands[0] == (("literal", None),):
        raise TemplateError("nil is not a command")
    return commands


def _commands(words: list[str], at: int, nested: bool) -> tuple[tuple[tuple[Any, ...], ...], int]:
    commands: list[tuple[Any, ...]] = []
    current: list[Any] = []
    while at < len(words):
        word = words[at]
        if word == ")":
            if not nested:
                return tuple([*commands, tuple(current)] if current else commands), at
            break
        if word == " ":
            at += 1
        elif word == "|":
            if not current:
                raise TemplateError("missing value for command")
            commands.append(tuple(current))
            current = []
            at += 1
            if all(later == " " for later in words[at:]):
                raise TemplateError("missing value for command")
        elif word == "(":
            inner, at = _commands(words, at + 1, True)
            if at >= len(words):
                raise TemplateError("unclosed left paren")
            at += 1
            names: tuple[str, ...] = ()
            if at < len(words) and words[at].startswith(".") and len(words[at]) > 1:
                names = tuple(words[at][1:].split("."))
                at += 1
            current.append(_Path(inner, names))
        else:
            current.append(_operand(word))
            at += 1
    if current:
        commands.append(tuple(current))
    return tuple(commands), at


def _operand(word: str) -> Any:
    if word[0] == "'":
        char = functions.unquote(word)
        if len(char) != 1:
            raise TemplateError(f"malformed character constant: {word}")
        return ("literal", ord(char))
    if word[0] in '"`':
        return ("literal", functions.unquote(word))
    if word in ("true", "false"):
        return ("literal", word == "true")
    if word == "nil":
        return ("literal", None)
    digits = word.removeprefix("-").removeprefix("+")
    if digits[:1].isdigit():
        try:
            return ("literal", float(word) if "." in word or "e" in word else int(word, 0))
        except ValueError:
            raise TemplateError(f"bad number syntax: {word!r}") from None
    if word == ".":
        return _Path("", ())
    if word.startswith("."):
        return _Path("", tuple(word[1:].split(".")))
    if word.startswith("$"):
        name, _, rest = word.partition(".")
        return _Path(name, tuple(rest.split(".")) if rest else ())
    if word not in functions.FUNCTIONS and word not in ("and", "or", "json"):
        raise TemplateError(f'function "{word}" not defined')
    return ("function", word)


class _Scope:
    """Variables, and how nodes are walked."""

    def __init__(self, root: Any, to_json: Callable[[Any], str]) -> None:
        self._variables: list[tuple[str, Any]] = [("$", root)]
        self._to_json = to_json

    def walk(self, nodes: tuple[Any, ...], dot: Any, out: list[str]) -> None:
        for node in nodes:
            if isinstance(node, _Text):
                out.append(node.text)
            elif isinstance(node, _Action):
                value = self.evaluate(node.pipeline, dot)
                if not node.variable:
                    out.append(go_values.go_text(value))
                elif node.declares:
                    self._variables.append((node.variable, value))
                else:
                    self._variables[self._place(node.variable)] = (node.variable, value)
            elif isinstance(node, _Jump):
                raise _Break if node.word == "break" else _Continue
            else:
                self._enter(node, dot, out)

    def _enter(self, block: _Block, dot: Any, out: list[str]) -> None:
        value = self.evaluate(block.pipeline, dot)
        mark = len(self._variables)
        if block.kind == "range":
            self._range(block, value, dot, out)
        elif functions.truth(value):
            if block.variables:
                self._variables.append((block.variables[0], value))
            self.walk(block.body, value if block.kind == "with" else dot, out)
        else:
            self.walk(block.otherwise, dot, out)
        del self._variables[mark:]

    def _range(self, block: _Block, value: Any, dot: Any, out: list[str]) -> None:
        items = functions.items(value)
        if not items:
            self.walk(block.otherwise, dot, out)
        mark = len(self._variables)
        for key, item in items:
            # One variable is the item, two are key and item.
            self._variables += zip(block.variables[::-1], (item, key), strict=False)
            try:
                self.walk(block.body, item, out)
            except _Continue:
                pass
            except _Break:
                break
            finally:
                del self._variables[mark:]

    def _place(self, name: str) -> int:
        """Return where the innermost variable of this name is. Raises TemplateError."""
        for at in range(len(self._variables) - 1, -1, -1):
            if self._variables[at][0] == name:
                return at
        raise TemplateError(f'undefined variable "{name}"')

    def evaluate(self, pipeline: tuple[tuple[Any, ...], ...], dot: Any) -> Any:
        value: Any = None
        for number, command in enumerate(pipeline):
            value = self._command(command, dot, (value,) if number else ())
        return value

    def _command(self, command: tuple[Any, ...], dot: Any, piped: tuple[Any, ...]) -> Any:
        head = command[0]
        if isinstance(head, tuple) and head[0] == "function":
            name = head[1]
            if name in ("and", "or"):
                return self._short_circuit(name == "and", command[1:], dot, piped)
            values = [self._value(operand, dot) for operand in command[1:]]
            if name == "json":
                if len(values) + len(piped) != 1:
                    raise TemplateError("wrong number of args for json: want 1")
                return self._to_json(*values, *piped)
            return functions.call(name, [*values, *piped])
        if len(command) == 2 and isinstance(head, _Path) and head.names and not piped:
            # `.Label "key"`: podman's fields that take an argument.
            return functions.call_field(
                self._value(head, dot, whole=False), head.names[-1], self._value(command[1], dot)
            )
        if len(command) > 1 or piped:
            raise TemplateError("can't give argument to non-function")
        return self._value(head, dot)

    def _short_circuit(
        self, wanted: bool, operands: tuple[Any, ...], dot: Any, piped: tuple[Any, ...]
    ) -> Any:
        value: Any = None
        for operand in operands:
            value = self._value(operand, dot)
            if functions.truth(value) != wanted:
                return value
        return piped[0] if piped else value

    def _value(self, operand: Any, dot: Any, whole: bool = True) -> Any:
        if isinstance(operand, tuple):
            if operand[0] == "literal":
                return operand[1]
            return functions.call(operand[1], [])
        start = operand.start
        if start == "":
            value = dot
        elif isinstance(start, str):
            value = self._variables[self._place(start)][1]
        else:
            value = self.evaluate(start, dot)
        names = operand.names if whole else operand.names[:-1]
        for name in names:
            value = functions.field(value, name)
        return value
