# SPDX-License-Identifier: Apache-2.0
"""The operations of a plan as values: the words that pypod-init reads, and what to tell people.

libexec/PLAN.md describes each verb. One generic class and not thirty: an operation has no behaviour
here, a verb is a word and its words.
"""

from __future__ import annotations

from pypod.constants import PLAN_VERSION
from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Op(Value):
    """One operation."""

    verb: str
    words: tuple[str, ...] = ()

    def describe(self) -> str:
        """Return the operation as an error message names it: `bind /data -> /srv (ro)`."""
        explain = _DESCRIPTIONS.get(self.verb)
        return explain(self.words) if explain else " ".join((self.verb, *self.words))


def op(verb: str, *words: object) -> Op:
    """Make an operation; numbers become decimal words."""
    return Op(verb, tuple(str(word) for word in words))


def serialise(plan: Iterable[Op]) -> bytes:
    """Return the plan as pypod-init reads it: NUL-ended words, VERB ARGC ARG..."""
    words = [PLAN_VERSION]
    for one in plan:
        words.append(one.verb)
        words.append(str(len(one.words)))
        words += one.words
    words.append("")
    return "\0".join(words).encode("utf-8", "surrogateescape")


def _flags(words: str) -> str:
    return f" ({words})" if words else ""


_DESCRIPTIONS: dict[str, Callable[[tuple[str, ...]], str]] = {
    "map": lambda w: f"{w[0]} map",
    "unshare": lambda w: "new namespaces",
    "nest": lambda w: "new namespaces for the layers",
    "join": lambda w: "join the container",
    "source": lambda w: f"mount {w[1]}",
    "identity": lambda w: "become root of the container",
    "overlay": lambda w: f"overlay of {len(w) - 4} layers",
    "show": lambda w: f"directory {w[0]}/{w[1]}",
    "hide": lambda w: f"unmount {w[0]}/{w[1]}",
    "root": lambda w: f"root file system {w[0]}",
    "mount": lambda w: f"mount {w[1]} at {w[0]}",
    "bind": lambda w: f"bind {w[0]} -> {w[1]}{_flags(w[2])}",
    "device": lambda w: f"device /dev/{w[0]}",
    "append": lambda w: f"add a line to {w[0]}",
    "directory": lambda w: f"directory {w[0]}",
    "mask": lambda w: f"mask {w[0]}",
    "readonly": lambda w: f"make {w[0]} read-only",
    "sysctl": lambda w: f"sysctl {w[0]}={w[1]}",
    "hostname": lambda w: f"hostname {w[0]}",
    "rlimit": lambda w: f"ulimit {w[0].lower()}={w[1]}:{w[2]}",
    "console": lambda w: "terminal",
    "environment": lambda w: "environment",
    "user-name": lambda w: f"user {w[0]}",
    "user": lambda w: f"user {w[0]}:{w[1]}",
    "groups": lambda w: "groups",
    "cwd": lambda w: f"working directory {w[0]}",
    "capabilities": lambda w: "capabilities",
    "bounding": lambda w: "capabilities",
    "seccomp": lambda w: "seccomp filter",
    "descriptors": lambda w: f"{w[1]} file descriptors from 3 on",
    "label": lambda w: f"{'SELinux label' if w[0] == 'selinux' else 'AppArmor profile'} {w[1]}",
    "exec": lambda w: f"exec {w[0]}",
    "exec-fd": lambda w: f"exec {w[1]}",
}
