# SPDX-License-Identifier: Apache-2.0
"""WWW-Authenticate: what a registry asks for before it answers (RFC 9110 section 11.6.1)."""

from __future__ import annotations

from pypod.value import Value

_SEPARATORS = frozenset('()<>@,;:\\"/[]?={} \t')
_CHALLENGES_MOST = 16
_SIZE_MOST = 1 << 14


class Challenge(Value):
    """One way to authenticate; scheme and parameter names in lower case."""

    scheme: str
    parameters: dict[str, str]


class _Reader:
    """Takes words off the front of a header."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    @property
    def next(self) -> str:
        return self.text[self.at : self.at + 1]

    def skip(self, chars: str) -> None:
        while self.next and self.next in chars:
            self.at += 1

    def token(self) -> str:
        start = self.at
        while self.next and self.next not in _SEPARATORS:
            self.at += 1
        return self.text[start : self.at]

    def value(self) -> str:
        if self.next != '"':
            return self.token()
        self.at += 1
        chars = []
        while self.next and self.next != '"':
            if self.next == "\\":
                self.at += 1
            chars.append(self.next)
            self.at += 1
        self.at += 1
        return "".join(chars)

    def until_comma(self) -> None:
        while self.next and self.next != ",":
            self.at += 1


def parse(header: str) -> list[Challenge]:
    """Return the challenges of a header in its order; what cannot be read is left out."""
    reader = _Reader(header[:_SIZE_MOST])
    found: list[Challenge] = []
    while len(found) < _CHALLENGES_MOST:
        reader.skip(" \t,")
        word = reader.token()
        if not word:
            if not reader.next:
                break
            reader.until_comma()
            continue
        reader.skip(" \t")
        if reader.next != "=":
            found.append(Challenge(word.lower(), {}))
            continue
        reader.at += 1
        reader.skip(" \t")
        if not reader.next or reader.next in "=,":
            reader.until_comma()  # a token68, of a scheme that is none of ours
            continue
        value = reader.value()
        if found:
            found[-1].parameters.setdefault(word.lower(), value)
    return found
