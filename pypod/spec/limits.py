# SPDX-License-Identifier: Apache-2.0
"""`--ulimit`, `--sysctl`, `--umask` and `--group-add`: words to numbers that can hold.

Sources: getrlimit(2), docker's go-units for the words of --ulimit, runc's list of the settings that
belong to a namespace.
"""

from __future__ import annotations

from pypod.errors import PypodError, UsageError
from pypod.spec import ids

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

KEEP_GROUPS = "keep-groups"

LIMITS = {
    "as": "address space",
    "core": "core file size",
    "cpu": "cpu time",
    "data": "data size",
    "fsize": "file size",
    "locks": "file locks",
    "memlock": "locked memory",
    "msgqueue": "msgqueue size",
    "nice": "nice priority",
    "nofile": "open files",
    "nproc": "processes",
    "rss": "resident set",
    "rtprio": "realtime priority",
    "rttime": "realtime timeout",
    "sigpending": "pending signals",
    "stack": "stack size",
}
"""Names of --ulimit, and as /proc/PID/limits calls them (after `Max `)."""

INFINITY = (1 << 64) - 1
_HOST = "host"

_IPC = frozenset(
    "kernel.msgmax kernel.msgmnb kernel.msgmni kernel.sem kernel.shmall kernel.shmmax"
    " kernel.shmmni kernel.shm_rmid_forced".split()
)
_SEGMENT = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


def rlimits(words: Iterable[str], hard: Mapping[str, int]) -> list[dict[str, Any]] | None:
    """Return `process.rlimits` of --ulimit, None for `host`: every limit is the caller's then.

    `hard` are the caller's own hard limits by the names of LIMITS. Raises UsageError for words that
    are no limit, PypodError for a limit above the caller's.
    """
    found: dict[str, tuple[int, int]] = {}
    asked = tuple(words)
    if _HOST in asked:
        if len(asked) > 1:
            raise UsageError("--ulimit host takes no other --ulimit beside it")
        return None
    for word in asked:
        name, equals, values = word.partition("=")
        if name not in LIMITS:
            raise UsageError(f"--ulimit {word}: invalid ulimit type: {name}", hint=" ".join(LIMITS))
        soft_word, colon, hard_word = values.partition(":")
        if not equals or not soft_word or (colon and not hard_word):
            raise UsageError(f"--ulimit {word}: NAME=SOFT[:HARD] is needed")
        soft = _limit(word, soft_word)
        most = _limit(word, hard_word) if colon else soft
        if soft > most:
            raise UsageError(
                f"--ulimit {word}: ulimit soft limit must be less than or equal to hard limit:"
                f" {soft_word} > {hard_word}"
            )
        if most > hard.get(name, INFINITY):
            own = hard[name]
            raise PypodError(
                f"--ulimit {word}: the hard limit of {LIMITS[name]} ({name}) is {own} for you,"
                " and a container cannot have more",
                hint="/etc/security/limits.conf, or LimitNAME= of the unit, can raise it",
            )
        found[name] = (soft, most)
    return [
        {"type": "RLIMIT_" + name.upper(), "hard": most, "soft": soft}
        for name, (soft, most) in found.items()
    ]


def _limit(word: str, text: str) -> int:
    if text in ("-1", "unlimited"):
        return INFINITY
    if not text.isascii() or not text.isdigit() or int(text) > INFINITY:
        raise UsageError(f"--ulimit {word}: {text} is not a number, -1 or unlimited")
    return int(text)


def sysctls(words: Iterable[str], *, own_network: bool, own_ipc: bool) -> dict[str, str]:
    """Return `linux.sysctl` of --sysctl. Raises UsageError for one that is not the container's own.

    What belongs to no namespace would be the host's (A75); nothing is started then.
    """
    found = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise UsageError(f"--sysctl {word}: KEY=VALUE is needed")
        if "\0" in value or not all(part and _SEGMENT.issuperset(part) for part in key.split(".")):
            raise UsageError(f"--sysctl {word}: {key!r} is not the name of a setting")
        if key in _IPC or key.startswith("fs.mqueue."):
            if not own_ipc:
                raise UsageError(f"--sysctl {word}: {key} is the host's with --ipc host")
        elif key.startswith("net."):
            if not own_network:
                raise UsageError(
                    f"--sysctl {word}: {key} is the host's, as the network is: not allowed"
                )
        elif not key.startswith("user."):
            raise UsageError(
                f"--sysctl {word}: sysctl '{key}' is not allowed: it belongs to the host",
                hint="net.*, fs.mqueue.*, user.* and System V IPC (kernel.shm*, msg*, sem) are"
                " a container's own",
            )
        found[key] = value
    return found


def umask(text: str) -> int:
    """Return the mode of --umask, octal. Raises UsageError."""
    if not text:
        return 0o22
    if len(text) > 4 or not frozenset("01234567").issuperset(text) or int(text, 8) > 0o777:
        raise UsageError(f"--umask {text}: invalid umask: octal, as 0022")
    return int(text, 8)


def groups(words: Iterable[str], group: str) -> tuple[int, ...] | None:
    """Return the gids of --group-add, None for keep-groups.

    `group` is the text of the image's /etc/group: names are looked up there. Raises UsageError,
    PypodError.
    """
    asked = tuple(words)
    if KEEP_GROUPS in asked:
        if len(asked) > 1:
            raise UsageError(
                "the '--group-add keep-groups' option is not allowed with any other"
                " --group-add options"
            )
        return None
    return tuple(ids.group_number(word, group, "--group-add") for word in asked)


def annotation_pairs(words: Iterable[str]) -> dict[str, str]:
    """Return `annotations` of --annotation. Raises UsageError."""
    found = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise UsageError(f"--annotation {word}: annotations must be formatted KEY=VALUE")
        if key.startswith("io.pypod."):
            raise UsageError(f"--annotation {word}: io.pypod. is pypod's own")
        found[key] = value
    return found
