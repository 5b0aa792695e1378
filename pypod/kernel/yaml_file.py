# SPDX-License-Identifier: Apache-2.0
"""YAML of files that people write. The only user of PyYAML: it makes plain values here."""

from __future__ import annotations

from pypod.errors import PypodError

_MOST = 4 << 20


def parse(path: str, text: bytes | str, *, plain: bool = False) -> object:
    """Return the value of a file's text; `plain` leaves every scalar the text that it is.

    Raises PypodError with the file and the line.
    """
    import yaml

    try:
        return yaml.load(text, Loader=yaml.BaseLoader if plain else yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark is not None else ""
        said = getattr(error, "problem", None) or "it is nested too deeply"
        raise PypodError(f"{path}{line}: not YAML: {said}") from None


def read(path: str, *, plain: bool = False) -> object:
    """Return the value of a file. Raises PypodError."""
    try:
        with open(path, "rb") as file:
            text = file.read(_MOST + 1)
    except OSError as error:
        raise PypodError(f"{path}: {error.strerror}") from None
    if len(text) > _MOST:
        raise PypodError(f"{path}: larger than {_MOST >> 20} MiB")
    return parse(path, text, plain=plain)
