# SPDX-License-Identifier: Apache-2.0
"""`--security-opt`: its words, and what they make of masks, labels, procfs and the filter.

podman's grammar (podman-run(1)) and docker's `systempaths`. What a word asks for and the host
cannot give is an error, except where podman ignores it: labels on a host without SELinux.
"""

from __future__ import annotations

from pypod.errors import PypodError, UsageError
from pypod.spec.sandbox import Confinement

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

PROFILE_KEY = "seccomp"
_PROC_FLAGS = frozenset("ro rw nosuid nodev noexec suid dev exec relatime noatime".split())
_HIDEPID = frozenset("0 1 2 4 off noaccess invisible ptraceable".split())
_LABEL_KEYS = ("user", "role", "type", "level", "filetype")
_SELINUX_BASE = {"user": "system_u", "role": "system_r", "type": "container_t", "level": "s0"}
"""The label that container-selinux gives to a container's process; options change parts of it."""


def read(words: Iterable[str]) -> Confinement:
    """Return what --security-opt asks for; the last word of a kind wins. Raises UsageError."""
    found: dict[str, Any] = {}
    for word in words:
        key, separator, value = word.partition("=")
        if not separator:  # docker's old form, which still works
            key, separator, value = word.partition(":")
        if key == "no-new-privileges" and value in ("", "true", "false"):
            found["no_new_privs"] = value != "false"
        elif key in _READERS and separator:
            _READERS[key](found, word, value)
        else:
            raise UsageError(
                f'--security-opt: unknown option "{word}"',
                hint="seccomp= no-new-privileges mask= unmask= proc-opts= label= apparmor=",
            )
    return Confinement(**found)


def _seccomp(found: dict[str, Any], word: str, value: str) -> None:
    if not value:
        raise UsageError(f"--security-opt {word}: unconfined, or the file of a profile is missing")
    found["seccomp"] = "" if value == "builtin" else value


def _mask(found: dict[str, Any], word: str, value: str) -> None:
    found["mask"] = found.get("mask", ()) + _paths(word, value)


def _unmask(found: dict[str, Any], word: str, value: str) -> None:
    paths = ("ALL",) if value.upper() == "ALL" else _paths(word, value)
    found["unmask"] = found.get("unmask", ()) + paths


def _paths(word: str, value: str) -> tuple[str, ...]:
    paths = tuple(path for path in value.split(":") if path)
    for path in paths:
        if not path.startswith("/"):
            raise UsageError(f"--security-opt {word}: {path} is not an absolute path")
        if ".." in path.split("/"):
            raise UsageError(f"--security-opt {word}: {path} has a .. in it")
    if not paths:
        raise UsageError(f"--security-opt {word}: a path is missing")
    return tuple("/" + "/".join(part for part in path.split("/") if part) for path in paths)


def _system_paths(found: dict[str, Any], word: str, value: str) -> None:
    if value != "unconfined":
        raise UsageError(f"--security-opt {word}: only systempaths=unconfined is known")
    found["unmask"] = found.get("unmask", ()) + ("ALL",)


def _proc_opts(found: dict[str, Any], word: str, value: str) -> None:
    for option in value.split(","):
        key, _, detail = option.partition("=")
        known = option in _PROC_FLAGS or (key, detail) == ("subset", "pid")
        known = known or (key == "hidepid" and detail in _HIDEPID)
        if not known and not (key == "gid" and detail.isascii() and detail.isdigit()):
            raise UsageError(
                f'--security-opt {word}: unknown option "{option}" of procfs',
                hint="hidepid=0, 1, 2 or 4; gid=N; subset=pid; ro",
            )
        found["proc_opts"] = found.get("proc_opts", ()) + (option,)


def _label(found: dict[str, Any], word: str, value: str) -> None:
    if value in ("disable", "nested"):
        found["label"] = ()
        return
    key, colon, detail = value.partition(":")
    if key not in _LABEL_KEYS or not colon or not detail or not detail.isprintable():
        raise UsageError(
            f'--security-opt {word}: unknown label "{value}"',
            hint="label=disable, user:, role:, type:, level: or filetype:",
        )
    found["label"] = (found.get("label") or ()) + ((key, detail),)


def _apparmor(found: dict[str, Any], word: str, value: str) -> None:
    if not value or not value.isprintable() or any(char.isspace() for char in value):
        raise UsageError(f"--security-opt {word}: unconfined, or a profile's name is missing")
    found["apparmor"] = value


_READERS = {
    "seccomp": _seccomp,
    "mask": _mask,
    "unmask": _unmask,
    "systempaths": _system_paths,
    "proc-opts": _proc_opts,
    "label": _label,
    "apparmor": _apparmor,
}


def masks(
    secure: Confinement, masked: Iterable[str], read_only: Iterable[str]
) -> tuple[list[str], list[str]]:
    """Return masked and read-only paths: the defaults without what `unmask` names, and `mask`'s."""
    kept = [
        [path for path in paths if not any(_matches(path, one) for one in secure.unmask)]
        for paths in (masked, read_only)
    ]
    return kept[0] + [path for path in secure.mask if path not in kept[0]], kept[1]


def _matches(path: str, pattern: str) -> bool:
    """Say whether a pattern of unmask names a path: `*` and `?` stop at a slash, as in Go."""
    if pattern == "ALL":
        return True
    names, patterns = path.split("/"), pattern.split("/")
    return len(names) == len(patterns) and all(map(glob, names, patterns))


def glob(name: str, pattern: str) -> bool:
    """Match a name with `*`, `?` and `[a-c]`; `fnmatch` would import `re`."""
    rows = {0}
    at = 0
    while at < len(pattern):
        char = pattern[at]
        end = pattern.find("]", at + 2) if char == "[" else -1
        if char == "*":
            rows = set(range(min(rows), len(name) + 1)) if rows else rows
        elif end > 0:
            allowed = _class(pattern[at + 1 : end])
            rows = {row + 1 for row in rows if row < len(name) and allowed(name[row])}
            at = end
        else:
            rows = {row + 1 for row in rows if row < len(name) and char in ("?", name[row])}
        at += 1
    return len(name) in rows


def _class(text: str) -> Any:
    negated = text[0] in "^!" and len(text) > 1
    inside = text[1:] if negated else text
    ranges, at = [], 0
    while at < len(inside):
        wide = inside[at + 1 : at + 2] == "-" and at + 2 < len(inside)
        ranges.append((inside[at], inside[at + 2] if wide else inside[at]))
        at += 3 if wide else 1
    return lambda char: any(low <= char <= high for low, high in ranges) != negated


def process_labels(secure: Confinement, selinux: bool, apparmor: bool) -> dict[str, str]:
    """Return `selinuxLabel` and `apparmorProfile` of the OCI process, as far as the host has them.

    Raises PypodError for a profile that nothing on this host could load (podman's rule).
    """
    labels = {}
    parts = dict(secure.label or ())
    parts.pop("filetype", None)
    if parts and selinux:
        whole = {**_SELINUX_BASE, **parts}
        labels["selinuxLabel"] = ":".join(whole[key] for key in _LABEL_KEYS[:4])
    if secure.apparmor and secure.apparmor != "unconfined":
        if not apparmor:
            raise PypodError(
                f'AppArmor profile "{secure.apparmor}" was asked for,'
                " but AppArmor is not enabled on this system",
                hint="leave --security-opt apparmor= out: seccomp and masks do not need it",
            )
        labels["apparmorProfile"] = secure.apparmor
    return labels
