# SPDX-License-Identifier: Apache-2.0
"""The command line that made a container, read again so that a unit can make the next one.

The words are those of create.json, read with today's option table. What belongs to the terminal or
the unit itself is left out: the unit says it anew.
"""

from __future__ import annotations

from pypod.cli import table
from pypod.errors import PypodError
from pypod.text.systemd import Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_DROPPED = frozenset(
    (
        # The unit has its own.
        *("rm", "detach", "cidfile", "conmon_pidfile", "cgroups", "name", "replace", "root"),
        *("runroot", "restart"),
        # Nobody is attached to a service.
        *("attach", "detach_keys", "sig_proxy"),
    )
)
"""Options by their dest in the table."""
_PATHS = frozenset(
    "env_file pidfile rootfs authfile cert_dir label_file hosts_file registries_conf"
    " signature_policy".split()
)
"""Options whose value is a path of the caller's."""


def command(words: Sequence[str]) -> Command:
    """Read a recorded command line, program first. Raises PypodError for one that is no `run`."""
    rest = list(words[1:])
    before = list(_options(rest, table.GLOBAL_OPTIONS))
    found = table.find(rest) if rest else None
    if found is None or found[1] not in ("run", "create"):
        raise PypodError(
            "there is no command to repeat: the container was not made by run or create",
            hint="leave --new out",
        )
    _typed, _key, (_handler, _summary, _positionals, options), used = found
    del rest[:used]
    kept: list[tuple[str, ...]] = []
    inherited: list[str] = []
    named = relative = False
    sdnotify = ""
    for option, value, typed in (*before, *_options(rest, (*table.GLOBAL_OPTIONS, *options))):
        dest = option[1]
        named = named or dest == "name"
        relative = relative or _is_relative(dest, value)
        if dest == "sdnotify":
            sdnotify = value
        elif dest == "env" and "=" not in value:
            inherited.append(value)
        if dest not in _DROPPED and dest != "sdnotify":
            kept.append(typed)
    return Command(tuple(kept), tuple(rest), named, tuple(inherited), sdnotify, relative)


def _options(
    words: list[str], options: tuple[table.Option, ...]
) -> Iterator[tuple[table.Option, str, tuple[str, ...]]]:
    """Take the options off the front of `words`; yield (option, value, its words)."""
    by_flag = {flag: option for option in options for flag in option[0].split()}

    def known(flag: str) -> table.Option:
        try:
            return by_flag[flag]
        except KeyError:
            raise PypodError(f"the recorded command has an unknown option: {flag}") from None

    while words and words[0].startswith("-") and len(words[0]) > 1:
        first = words.pop(0)
        if first == "--":
            return
        if first.startswith("--"):
            flag, equals, value = first.partition("=")
            option = known(flag)
            if equals or option[2] in ("bool", "optbool"):
                yield option, value, (first,)
            else:
                value = words.pop(0)
                yield option, value, (flag, value)
            continue
        letters = first[1:]
        while letters:
            flag, letters = "-" + letters[0], letters[1:]
            option = known(flag)
            if letters.startswith("="):
                yield option, letters[1:], (flag + letters,)
                break
            if option[2] in ("bool", "optbool"):
                yield option, "", (flag,)
                continue
            value = letters or words.pop(0)
            yield option, value, (flag, value)
            break


def _is_relative(dest: str, value: str) -> bool:
    if dest == "volume":
        return value.startswith(".")
    if dest == "mount":
        return "=./" in value or "=../" in value
    if dest == "security_opt":
        key, _, path = value.partition("=")
        return key == "seccomp" and path != "unconfined" and not path.startswith("/")
    return dest in _PATHS and value != "none" and not value.startswith("/")
