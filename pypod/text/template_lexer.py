# SPDX-License-Identifier: Apache-2.0
"""A template's text cut into plain text and the words of its actions."""

from __future__ import annotations

from pypod.text.template_functions import TemplateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


def lex(text: str) -> Iterator[tuple[str, Any]]:
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
        if text.startswith("/*", inside) or text[inside : inside + 3] in (" /*", "\t/*", "\n/*"):
            at, trim = _after_comment(text, inside)
            continue
        words, end = _words(text, inside)
        trim = bool(words) and words[-1] == "-"
        if trim:
            words.pop()
        yield "action", words
        at = end + 2


def _after_comment(text: str, at: int) -> tuple[int, bool]:
    """Return where the text after a comment is, and whether its white space is trimmed."""
    end = text.find("*/", at)
    if end < 0:
        raise TemplateError("unclosed comment")
    rest = text[end + 2 : end + 6]
    if rest.startswith("}}"):
        return end + 4, False
    if rest[1:] == "-}}" and rest[0] in " \t\n":
        return end + 6, True
    raise TemplateError("comment ends before closing delimiter")


def _words(text: str, at: int) -> tuple[list[str], int]:
    """Return the words of an action from `at`, and where its `}}` is."""
    words: list[str] = []
    while at < len(text):
        char = text[at]
        if text.startswith("}}", at):
            return words, at
        if text.startswith("-}}", at) and words and words[-1] == " ":
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
            while end < len(text) and text[end] not in " \t\n\r()|,=\"`'{}":
                if text.startswith(":=", end):
                    break
                end += 1
            if end == at:
                raise TemplateError(f'unexpected "{char}" in command')
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
