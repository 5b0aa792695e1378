# SPDX-License-Identifier: Apache-2.0
"""Go templates, as `--format` takes them: fields, functions, pipelines, if, range, with.

Source: Go's text/template. Values are what JSON has: dicts, lists, text, numbers, booleans, None.
"""

from __future__ import annotations

from pypod.text import template_functions as functions
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


class _Path(Value):
    """`.A.B`, `$x.A`, or `(pipeline).A`."""

    start: Any
    names: tuple[str, ...]


def expand_escapes(text: str) -> str:
    """Return a template as a shell passes it, with `\\t` and `\\n` written out."""
    return text.replace("\\t", "\t").replace("\\n", "\n")


def render(text: str, value: Any, to_json: Callable[[Any], str] | None = None) -> str:
    """Return what the template makes of `value`; `to_json` serialises for the function `json`.

    Raises TemplateError.
    """
    nodes, _ = _parse(_lex(expand_escapes(text)), ())
    out: list[str] = []
    scope = _Scope(value, to_json or functions.to_json)
    scope.walk(nodes, value, out)
    return "".join(out)


def _lex(text: str) -> Iterator[tuple[str, Any]]:
    """Yield ("text", str) and ("action", words), white space trimmed by `{{-` and `-}}`."""
    at, trim = 0, False
    while True:
        start = text.find("{{", at)
        piece = text[at:] if start < 0 else text[at:start]
        if trim:
            piece = piece.lstrip()
        if start < 0:
            if piece:
                yield "text", piece
            return
        inside = start + 2
        if text[inside : inside + 1] == "-" and text[inside + 1 : inside + 2] in " \t\n":
            piece = piece.rstrip()
            inside += 1
        if piece:
            yield "text", piece
        if text[inside:].lstrip().startswith("/*"):
            end = text.find("*/", inside)
            if end < 0:
                raise TemplateError("unclosed comment")
            end = text.find("}}", end)
            words: list[str] = []
        else:
            words, end = _words(text, inside)
        if end < 0:
            raise TemplateError("unclosed action")
        trim = bool(words) and words[-1] == "-"
        if trim:
            words.pop()
        if words:
            yield "action", words
        at = end + 2


def _words(text: str, at: int) -> tuple[list[str], int]:
    """Return the words of an action from `at`, and where its `}}` is."""
    words: list[str] = []
    while at < len(text):
        char = text[at]
        if text.startswith("}}", at):
            return words, at
        if text.startswith("-}}", at):
            return [*words, "-"], at + 1
        if char in " \t\n\r":
            at += 1
            if words and words[-1] != " ":
                words.append(" ")
            continue
        if char in "\"`'":
            end = _string_end(text, at)
            words.append(text[at:end])
            at = end
        elif text.startswith(":=", at):
            words.append(":=")
            at += 2
        elif char in "()|,=":
            words.append(char)
            at += 1
        else:
            end = at
            while end < len(text) and text[end] not in " \t\n\r()|,=\"`'}":
                if text.startswith(":=", end):
                    break
                end += 1
            if end == at:
                raise TemplateError(f"unexpected {char!r} in operand")
            words.append(text[at:end])
            at = end
    raise TemplateError("unclosed action")


def _string_end(text: str, at: int) -> int:
    quote, end = text[at], at + 1
    while end < len(text) and text[end] != quote:
        end += 2 if text[end] == "\\" and quote != "`" else 1
    if end >= len(text):
        raise TemplateError("unterminated quoted string")
    return end + 1


def _parse(
    tokens: Iterator[tuple[str, Any]], stops: tuple[str, ...]
) -> tuple[tuple[Any, ...], list[str]]:
    nodes: list[Any] = []
    for kind, content in tokens:
        if kind == "text":
            nodes.append(_Text(content))
            continue
        words = [word for word in content]
        while words and words[0] == " ":
            words.pop(0)
        while words and words[-1] == " ":
            words.pop()
        head = words[0] if words else ""
        if head in stops:
            return tuple(nodes), words
        if head in ("if", "range", "with"):
            nodes.append(_block(head, words[1:], tokens))
        elif head in ("end", "else"):
            raise TemplateError(f"unexpected {{{{{head}}}}}")
        else:
            names, declares, rest = _variables(words)
            variable = names[0] if names else ""
            nodes.append(_Action(_pipeline(rest), variable, declares))
    if stops:
        raise TemplateError("unexpected EOF: {{end}} is missing")
    return tuple(nodes), []


def _block(kind: str, words: list[str], tokens: Iterator[tuple[str, Any]]) -> _Block:
    names, _, rest = _variables(words)
    pipeline = _pipeline(rest)
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


def _pipeline(words: list[str]) -> tuple[tuple[Any, ...], ...]:
    commands, rest = _commands(words, 0, False)
    if rest != len(words):
        raise TemplateError("unexpected ) in operand")
    if not commands:
        raise TemplateError("missing value for command")
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
    if word[0] in "\"`'":
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
        self.variables: dict[str, Any] = {"$": root}
        self._to_json = to_json

    def walk(self, nodes: tuple[Any, ...], dot: Any, out: list[str]) -> None:
        for node in nodes:
            if isinstance(node, _Text):
                out.append(node.text)
            elif isinstance(node, _Action):
                value = self.evaluate(node.pipeline, dot)
                if node.variable:
                    self.variables[node.variable] = value
                else:
                    out.append(functions.go_text(value))
            else:
                self._enter(node, dot, out)

    def _enter(self, block: _Block, dot: Any, out: list[str]) -> None:
        value = self.evaluate(block.pipeline, dot)
        saved = dict(self.variables)
        if block.kind == "range":
            items = functions.items(value)
            for key, item in items:
                if block.variables:
                    self.variables[block.variables[-1]] = item
                if len(block.variables) > 1:
                    self.variables[block.variables[0]] = key
                self.walk(block.body, item, out)
            if not items:
                self.walk(block.otherwise, dot, out)
        elif functions.truth(value):
            if block.variables:
                self.variables[block.variables[0]] = value
            self.walk(block.body, value if block.kind == "with" else dot, out)
        else:
            self.walk(block.otherwise, dot, out)
        self.variables = {key: self.variables.get(key, saved[key]) for key in saved}

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
                return self._to_json(*values, *piped)
            return functions.call(name, [*values, *piped])
        if len(command) == 2 and isinstance(head, _Path) and head.names and not piped:
            # `.Label "key"`: podman's fields that take an argument.
            return functions.call_field(self._value(head, dot, whole=False), head.names[-1],
                                        self._value(command[1], dot))
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
            if start not in self.variables:
                raise TemplateError(f"undefined variable: {start}")
            value = self.variables[start]
        else:
            value = self.evaluate(start, dot)
        names = operand.names if whole else operand.names[:-1]
        for name in names:
            value = functions.field(value, name)
        return value
