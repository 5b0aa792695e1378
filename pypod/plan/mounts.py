# SPDX-License-Identifier: Apache-2.0
"""The mounts of a config.json to operations: the root file system, binds, new file systems."""

from __future__ import annotations

from pypod.errors import PypodError
from pypod.plan.ops import Op, op
from pypod.spec.volumes import SUBPATH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_REAL_PLACES = frozenset(("/proc", "/sys", "/dev"))
"""Where an image's symbolic link would move the file system that protects the host."""

_ATTRIBUTES = frozenset(
    "ro rw nosuid nodev noexec noatime relatime strictatime nodiratime".split()
)
_PROPAGATION = {
    word: word.removeprefix("r")
    for word in "private rprivate slave rslave shared rshared unbindable runbindable".split()
}
_IGNORED = frozenset(
    "suid dev exec atime diratime rbind bind async defaults z Z notmpcopyup".split()
)


class PlanError(PypodError):
    """The configuration asks for something that pypod-init does not do."""


def is_overlay(mounts: Sequence[dict[str, Any]]) -> bool:
    return bool(mounts) and mounts[0]["destination"] == "/" and mounts[0].get("type") == "overlay"


def root_ops(config: dict[str, Any]) -> list[Op]:
    """Return what mounts the root file system of a configuration."""
    root, mounts = config["root"]["path"], config["mounts"]
    if not is_overlay(mounts):
        return [op("root", root)]
    options, lowers, upper, work = [], "", "", ""
    for option in mounts[0].get("options", ()):
        key, _, value = option.partition("=")
        if key == "lowerdir":
            lowers = value
        elif key == "upperdir":
            upper = value
        elif key == "workdir":
            work = value
        else:
            options.append(option)
    return [op("overlay", root, upper, work, ",".join(options), *split_layers(lowers))]


def split_layers(text: str) -> list[str]:
    """Return the directories of a `lowerdir=` value; `\\:` and `\\,` are escapes (overlayfs)."""
    layers, current = [], ""
    at = 0
    while at < len(text):
        if text[at] == "\\" and at + 1 < len(text):
            current += text[at + 1]
            at += 1
        elif text[at] == ":":
            layers.append(current)
            current = ""
        else:
            current += text[at]
        at += 1
    return [*layers, current]


class Binds:
    """The bind sources of a configuration: they are taken before the ids change."""

    def __init__(self) -> None:
        self.sources: list[Op] = []

    def bind(
        self, source: str, destination: str, flags: str, *, recursive: bool, part: str = ""
    ) -> Op:
        slot = str(len(self.sources))
        shown = ",".join(word for word in flags.split(",") if word not in ("", "private"))
        text = f"bind {source} -> {destination}" + (f" ({shown})" if shown else "")
        words = (slot, source, "rec" if recursive else "one", *([part] if part else []))
        self.sources.append(Named("source", words, text))
        return Named("bind", (slot, destination, flags), text)


class Named(Op):
    """An operation that is only half of what people know it as: both halves of a bind say all."""

    text: str = ""

    def describe(self) -> str:
        """Return `bind SOURCE -> DESTINATION (flags)`."""
        return self.text


def mount_ops(mount: dict[str, Any], binds: Binds) -> list[Op]:
    destination, kind = mount["destination"], mount.get("type", "bind")
    options = mount.get("options", [])
    flags, data = [], []
    for option in options:
        if option in _ATTRIBUTES:
            flags.append(option)
        elif option in _PROPAGATION:
            flags.append(_PROPAGATION[option])
        elif option == "tmpcopyup":
            flags.append("copyup")
        elif option not in _IGNORED:
            data.append(option)
    if destination in _REAL_PLACES:
        flags.append("real")
    words = ",".join(flag for flag in flags if flag != "rw")
    if kind == "overlay":
        return [_cover(destination, words, data)]
    part = next((option[len(SUBPATH) :] for option in data if option.startswith(SUBPATH)), "")
    data = [option for option in data if not option.startswith(SUBPATH)]
    if kind == "bind" or "bind" in options or "rbind" in options:
        if data:
            raise PlanError(f"bind mount at {destination}: option {data[0]} is not supported")
        whole = "bind" not in options
        return [binds.bind(mount["source"], destination, words, recursive=whole, part=part)]
    if kind == "cgroup":
        raise PlanError("cgroup version 1 cannot be mounted in a container")
    if kind == "devpts":
        data = [option for option in data if option != "newinstance"]  # since 4.7 always so
    source = mount.get("source") or kind
    return [op("mount", destination, kind, words, f"source={source}", *data)]


def _cover(destination: str, flags: str, options: list[str]) -> Op:
    """Return what puts a writable layer over one host directory (`-v SOURCE:DESTINATION:O`)."""
    fields = dict(option.partition("=")[::2] for option in options)
    lowers = split_layers(fields.get("lowerdir", ""))
    if len(lowers) != 1 or not fields.get("upperdir") or not fields.get("workdir"):
        raise PlanError(f"overlay at {destination}: one lower directory, an upper and a work one")
    own = "own" if fields.pop("X-pypod.own", None) is not None else "given"
    words = (destination, flags, fields["upperdir"], fields["workdir"], lowers[0], own)
    return Named("cover", words, f"overlay {lowers[0]} -> {destination}")
