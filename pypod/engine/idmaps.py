# SPDX-License-Identifier: Apache-2.0
"""Layers under another id map (--userns): made once for each map and layer, then found.

A layer `layers/keep-UID-GID/CHAIN` has the owners of that map. Where the kernel lets users mount
data-only lower directories its files are empty and point into `layers/full/CHAIN`; else they
are copies. Both are made by pypod-files in staging, synced, and renamed, lowest first.
"""

from __future__ import annotations

import os

from pypod.errors import PypodError
from pypod.kernel import log, procfs
from pypod.kernel.locks import Lock
from pypod.spec import idmaps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pypod.kernel.paths import Places
    from pypod.spec.facts import HostFacts

_PROBED = "metacopy"
"""A file of the cache: the boot id, and yes or no."""
_TREE = "tree"
"""The layer itself. Only its owner may move a directory, so it lies in one of the caller's."""
_PROBE_TEXT = "root:x:0:0:root:/root:/bin/sh\n"


def lower(
    places: Places, facts: HostFacts, chosen: idmaps.Chosen, chains: Sequence[str], noun: str
) -> tuple[str, ...]:
    """Return the lower directories for an image's layers, uppermost first; make what is missing.

    An empty word stands before the directory that holds data only. Raises PypodError.
    """
    full = f"{places.layers}/{facts.layer_map}"
    # Linux 6.18 follows a user's metacopy only from the lowest of the other layers.
    fast = len(chains) == 1 and has_data_only(places, facts)
    # Never mixed: an older kernel would show the files of the first as empty.
    directory = f"{places.layers}/{chosen.layers}" + ("" if fast else "-copy")
    missing = [chain for chain in chains if not os.path.isdir(f"{directory}/{chain}")]
    if missing:
        _make(places, facts, chosen, missing, directory, fast, noun)
    found = tuple(f"{directory}/{chain}/{_TREE}" for chain in reversed(chains))
    return (*found, "", full) if chains and fast else found


def _make(
    places: Places,
    facts: HostFacts,
    chosen: idmaps.Chosen,
    chains: list[str],
    target: str,
    fast: bool,
    noun: str,
) -> None:
    from pypod.engine.remove_tree import remove_tree
    from pypod.runtime import files

    if not fast:
        log.notice(f"Copying {len(chains)} layers of {noun} for --userns {chosen.user} (only once)")
    staging = f"{places.tmp}/unpack-{os.getpid()}-{os.urandom(4).hex()}"
    os.mkdir(staging, 0o700)
    with Lock(staging):
        try:
            words = ["shift", *(idmaps.words(extents) for extents in shifts(facts, chosen))]
            for chain in chains:
                os.makedirs(f"{staging}/{chain}/{_TREE}")
                source = f"{places.layers}/{facts.layer_map}/{chain}"
                words += [source, f"{staging}/{chain}/{_TREE}", f"/{chain}" if fast else ""]
            files.run(facts, words, f"cannot make the layers of {noun} for --userns")
            os.makedirs(target, mode=0o700, exist_ok=True)
            for chain in chains:
                try:
                    os.rename(f"{staging}/{chain}", f"{target}/{chain}")
                except OSError:
                    if not os.path.isdir(f"{target}/{chain}"):  # another command's is as good
                        raise
            fd = os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            os.fsync(fd)
            os.close(fd)
        finally:
            remove_tree(places, staging, facts)


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
