# SPDX-License-Identifier: Apache-2.0
"""Layers under another id map (--userns): made once for each map and layer, then found.

`layers/keep-UID-GID/CHAIN` has the owners of that map. Where the kernel lets users mount data-only
lower directories it is one tree of all layers up to CHAIN, whose files are empty and point into
`layers/full`; else each layer is copied. Both are made by pypod-files in staging, synced, renamed.
"""

from __future__ import annotations

import os
import time

from pypod.errors import PypodError
from pypod.kernel import log, procfs
from pypod.kernel.locks import Lock
from pypod.spec import idmaps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pypod.kernel.paths import Places
    from pypod.plan.ops import Op
    from pypod.spec.facts import HostFacts

_PROGRAM = 5
"""runtime.files.PROGRAM, without loading it where everything is there."""
_PROBED = "metacopy"
"""A file of the cache: the boot id, and yes or no."""
_TREE = "tree"
"""The layer itself. Only its owner may move a directory, so it lies in one of the caller's."""
_PATIENCE = 0.5
"""Seconds before a terminal shows how far it is."""
_PROBE_TEXT = "root:x:0:0:root:/root:/bin/sh\n"


def lower(
    places: Places, facts: HostFacts, chosen: idmaps.Chosen, chains: Sequence[str], noun: str
) -> tuple[str, ...]:
    """Return the lower directories for an image's layers, uppermost first; make what is missing.

    An empty word stands before the directory that holds data only. Raises PypodError.
    """
    full = f"{places.layers}/{facts.layer_map}"
    if not chains:
        return ()
    if has_data_only(places, facts):
        directory = f"{places.layers}/{chosen.layers}"
        top = chains[-1]
        if not os.path.isdir(f"{directory}/{top}"):
            with _Staging(places, facts, directory, noun) as staging:
                staging.flatten(chosen, chains)
        return f"{directory}/{top}/{_TREE}", "", full
    # Never mixed: an older kernel would show the files of the others as empty.
    directory = f"{places.layers}/{chosen.layers}-copy"
    missing = [chain for chain in chains if not os.path.isdir(f"{directory}/{chain}")]
    if missing:
        said = f"{len(missing)} layers of {noun} for --userns {chosen.user}"
        log.notice(f"Copying {said} (only once)")
        with _Staging(places, facts, directory, noun) as staging:
            staging.copy(chosen, missing)
    return tuple(f"{directory}/{chain}/{_TREE}" for chain in reversed(chains))


class _Staging:
    """A locked directory where layers are made; use it in a `with` block."""

    def __init__(self, places: Places, facts: HostFacts, target: str, noun: str) -> None:
        self.places, self.facts, self.target, self.noun = places, facts, target, noun
        self.full = f"{places.layers}/{facts.layer_map}"
        self.directory = f"{places.tmp}/unpack-{os.getpid()}-{os.urandom(4).hex()}"
        os.mkdir(self.directory, 0o700)
        self._lock = Lock(self.directory)
        self._lock.take()

    def __enter__(self) -> _Staging:
        return self

    def __exit__(self, *_exception: object) -> None:
        from pypod.engine.remove_tree import remove_tree

        remove_tree(self.places, self.directory, self.facts)
        self._lock.close()

    def flatten(self, chosen: idmaps.Chosen, chains: Sequence[str]) -> None:
        """Make one tree of all layers, whose files hold no data."""
        from pypod.plan import tools

        top = chains[-1]
        for name in (f"{top}/{_TREE}", "root", "upper", "work"):
            os.makedirs(f"{self.directory}/{name}")
        downwards = list(reversed(chains))
        words = ["flatten", *self._shifts(chosen), f"{self.directory}/root"]
        words += [f"{self.directory}/{top}/{_TREE}", self.full, *downwards]
        lowers = [f"{self.full}/{chain}" for chain in downwards]
        argv = ["pypod-files", *words]
        self._run(words, tools.compile_over(self.facts, self.directory, lowers, argv, _PROGRAM))
        self._place([top])

    def copy(self, chosen: idmaps.Chosen, chains: list[str]) -> None:
        """Copy layers, each with its data."""
        words = ["shift", *self._shifts(chosen)]
        for chain in chains:
            os.makedirs(f"{self.directory}/{chain}/{_TREE}")
            words += [f"{self.full}/{chain}", f"{self.directory}/{chain}/{_TREE}"]
        self._run(words, None)
        self._place(chains)

    def _shifts(self, chosen: idmaps.Chosen) -> list[str]:
        return [idmaps.words(extents) for extents in shifts(self.facts, chosen)]

    def _run(self, words: list[str], plan: list[Op] | None) -> None:
        from pypod.runtime import files
        from pypod.text import units

        noun = f"cannot make the layers of {self.noun} for --userns"
        line = log.Line()
        began = time.monotonic()

        def tick(said: bytes) -> None:
            if said and time.monotonic() - began > _PATIENCE:
                how_far = f"{int(said)} files" if plan else units.human_size(int(said))
                line.show(f"Layers of {self.noun} for --userns: {how_far}")

        try:
            files.run(self.facts, words, noun, plan=plan, tick=tick)
        finally:
            line.close()

    def _place(self, chains: list[str]) -> None:
        os.makedirs(self.target, mode=0o700, exist_ok=True)
        for chain in chains:
            try:
                os.rename(f"{self.directory}/{chain}", f"{self.target}/{chain}")
            except OSError:
                if not os.path.isdir(f"{self.target}/{chain}"):  # another command's is as good
                    raise
        fd = os.open(self.target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        os.fsync(fd)
        os.close(fd)


def shifts(facts: HostFacts, chosen: idmaps.Chosen) -> tuple[tuple[tuple[int, int, int], ...], ...]:
    """Return what the uids and the gids of the default layers become."""
    return (
        idmaps.shift(facts.uid_map, chosen.uid_map),
        idmaps.shift(facts.gid_map, chosen.gid_map),
    )


def give_upper(facts: HostFacts, chosen: idmaps.Chosen, directory: str) -> None:
    """Give the writable layer of a new record the owner of the root directory below it.

    The caller makes it, and the caller is not root of that container. Raises PypodError.
    """
    from pypod.runtime import files

    uids, gids = shifts(facts, chosen)
    ids = (idmaps.shifted(uids, 0), idmaps.shifted(gids, 0))
    if None in ids:
        raise PypodError("--userns: the map has no root")
    words = ["chown", str(ids[0]), str(ids[1])]
    for name in ("upper", "work"):
        words += [f"{directory}/{name}", ""]
    files.run(facts, words, f"cannot give {directory} to the container")


def has_data_only(places: Places, facts: HostFacts) -> bool:
    """Say whether overlayfs takes metadata from one directory and data from another, for this user.

    Tried once per boot: distributions differ, and so do kernels of one version.
    """
    path = f"{places.cache}/{_PROBED}"
    boot = procfs.boot_id()
    try:
        with open(path, encoding="utf-8") as file:
            seen, _, answer = file.read().partition(" ")
            if seen == boot and answer in ("yes", "no"):
                return answer == "yes"
    except OSError:
        pass
    answer = "yes" if _probe(places, facts) else "no"
    log.debug(f"overlayfs with data-only lower directories: {answer}")
    temporary = f"{path}.{os.getpid()}"
    with open(temporary, "w", encoding="utf-8") as file:
        file.write(f"{boot} {answer}")
    os.rename(temporary, path)
    return answer == "yes"


def _probe(places: Places, facts: HostFacts) -> bool:
    from pypod.engine.remove_tree import remove_tree
    from pypod.plan import tools
    from pypod.runtime import files

    base = f"{places.tmp}/unpack-{os.getpid()}-{os.urandom(4).hex()}"
    os.mkdir(base, 0o700)
    with Lock(base):
        try:
            for name in ("meta/etc", "data/x/etc", "upper", "work", "root"):
                os.makedirs(f"{base}/{name}")
            with open(f"{base}/data/x/etc/passwd", "w", encoding="utf-8") as file:
                file.write(_PROBE_TEXT)
            meta = f"{base}/meta/etc/passwd"
            with open(meta, "wb") as empty:
                empty.truncate(len(_PROBE_TEXT))
            os.setxattr(meta, "user.overlay.redirect", b"/x/etc/passwd")
            os.setxattr(meta, "user.overlay.metacopy", b"")
            argv = ["pypod-files", "accounts", f"{base}/root"]
            lowers = (f"{base}/meta", "", f"{base}/data")
            plan = tools.compile_over(facts, base, lowers, argv, files.PROGRAM)
            answer = files.run(facts, argv[1:], "overlayfs", plan=plan)
            return answer.endswith(_PROBE_TEXT.encode())
        except (OSError, PypodError) as error:
            log.debug(f"overlayfs with data-only lower directories: {error}")
            return False
        finally:
            remove_tree(places, base, facts)
