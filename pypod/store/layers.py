# SPDX-License-Identifier: Apache-2.0
"""Unpacked layers by chain id: `layers/<map>/<chain id>` and, beside it, passwd, group and size."""

from __future__ import annotations

import os

from pypod.errors import CorruptStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pypod.kernel.paths import Places
    from pypod.spec.facts import HostFacts

MAPS = ("full", "single")
"""The maps that layers are unpacked for; other maps' trees are made of theirs."""
BESIDE = (".passwd", ".group", ".size", ".damaged")
"""What lies beside a layer, and comes and goes with it."""


def sizes(places: Places, chains: Iterable[str]) -> tuple[int | None, ...]:
    """Return the bytes of each layer's tar; None for one that is not unpacked."""
    return tuple(_size(places, chain) for chain in chains)


def _size(places: Places, chain: str) -> int | None:
    for kind in MAPS:
        try:
            with open(f"{places.layers}/{kind}/{chain}.size", "rb", buffering=0) as file:
                return int(file.read(32))
        except (OSError, ValueError):
            continue
    return None


def write_size(directory: str, size: int) -> None:
    """Note the size of the tar that a directory was unpacked from."""
    with open(f"{directory}.size", "wb", buffering=0) as file:
        file.write(b"%d" % size)


class Layers:
    """The layers of one id map: those of `full` and `single` are never mixed."""

    def __init__(self, places: Places, facts: HostFacts) -> None:
        self.directory = f"{places.layers}/{facts.layer_map}"

    def path(self, chain: str) -> str:
        """Return the directory of a layer."""
        return f"{self.directory}/{chain}"

    def has(self, chain: str) -> bool:
        """Say whether the layer is unpacked: a layer that has its name is whole."""
        return os.path.isdir(self.path(chain))

    def missing(self, chains: Iterable[str]) -> list[str]:
        """Return those that are not unpacked, lowest first."""
        return [chain for chain in chains if not self.has(chain)]

    def sync(self) -> None:
        """Bring the names of layers to the disk."""
        fd = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        os.fsync(fd)
        os.close(fd)

    def mark(self, chain: str) -> None:
        """Remember that a layer is damaged; a store that takes no more files is left as it is."""
        try:
            os.close(os.open(self._mark(chain), os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        except OSError:
            pass

    def unmark(self, chain: str) -> None:
        """Forget that a layer was damaged."""
        try:
            os.unlink(self._mark(chain))
        except FileNotFoundError:
            pass

    def marked(self, chains: Iterable[str]) -> list[str]:
        """Return those that were found damaged, lowest first."""
        return [chain for chain in chains if os.path.exists(self._mark(chain))]

    def _mark(self, chain: str) -> str:
        return self.path(f"{chain}.damaged")

    def passwd(self, chain: str) -> str:
        """Return /etc/passwd as a container of this layer sees it, empty when there is none."""
        return self._text(f"{chain}.passwd")

    def group(self, chain: str) -> str:
        """Return /etc/group as a container of this layer sees it, empty when there is none."""
        return self._text(f"{chain}.group")

    def _text(self, name: str) -> str:
        try:
            with open(self.path(name), "rb", buffering=0) as file:
                return file.read().decode("utf-8", "surrogateescape")
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise CorruptStore(f"{self.path(name)}: {error.strerror}") from None
