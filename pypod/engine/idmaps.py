# SPDX-License-Identifier: Apache-2.0
"""Layers under another id map (--userns): made once for each map and layer, then found.

`layers/keep-UID-GID/CHAIN` has the owners of that map. Where the kernel lets users mount data-only
lower directories it is one tree of all layers up to CHAIN, whose files are empty and point into
`layers/full`; else each layer is copied. Both are made by pypod-files in staging, synced, renamed.
"""

from __future__ import annotations

import os
import time
from _struct import Struct

from pypod.engine import arrival, id_ranges
from pypod.errors import NoSuchContainer, PypodError
from pypod.kernel import log, procfs
from pypod.kernel.locks import Lock
from pypod.plan.compile import extents, is_nested
from pypod.plan.mounts import split_layers
from pypod.spec import idmaps
from pypod.store import layout, objects

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from pypod.kernel.paths import Places
    from pypod.plan.ops import Op
    from pypod.spec.facts import HostFacts
    from pypod.spec.options import CreateOptions

_PROGRAM = 5
"""runtime.files.PROGRAM, without loading it where everything is there."""
_PROBED = "metacopy"
"""A file of the cache: the boot id, and yes or no."""
OTHERS = ("keep-", "map-")
"""How the directories of layers under other maps begin (spec/idmaps.py)."""
_TREE = "tree"
"""The layer itself. Only its owner may move a directory, so it lies in one of the caller's."""
_ACL, _ENTRY = Struct("<I"), Struct("<HHI")
_OWNER, _USER, _GROUP, _MASK, _OTHER, _NO_ID = 1, 2, 4, 16, 32, 0xFFFFFFFF
"""linux/posix_acl_xattr.h."""
_PATIENCE = 0.5
"""Seconds before a terminal shows how far it is."""


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
            with _Staging(places, facts, directory, noun, chains) as staging:
                staging.flatten(chosen, chains)
        return f"{directory}/{top}/{_TREE}", "", full
    # Never mixed: an older kernel would show the files of the others as empty.
    directory = f"{places.layers}/{chosen.layers}-copy"
    missing = [chain for chain in chains if not os.path.isdir(f"{directory}/{chain}")]
    if missing:
        said = f"{len(missing)} layers of {noun} for --userns {chosen.mode}"
        log.notice(f"Copying {said} (only once)")
        with _Staging(places, facts, directory, noun, chains) as staging:
            staging.copy(chosen, missing)
    return tuple(f"{directory}/{chain}/{_TREE}" for chain in reversed(chains))


def ensure(
    places: Places, facts: HostFacts, config: dict[str, Any], create: dict[str, Any]
) -> None:
    """Make a container's layers again that are not there: `system check` may have dropped them.

    Raises PypodError, also when this kernel mounts them in another way than that of `create`.
    """
    options = config["mounts"][0].get("options", ())
    text = next(one for one in options if one.startswith("lowerdir=")).partition("=")[2]
    wanted = tuple(split_layers(text))
    if all(os.path.isdir(path) for path in wanted if path):
        return
    uids, gids = extents(config["linux"])
    mode = create["options"].get("userns") or "by --uidmap"
    chosen = idmaps.Chosen(uids, gids, "", create["layers"], mode=mode)
    if lower(places, facts, chosen, create["chain_ids"], create["image"]["name"]) != wanted:
        raise PypodError(
            f"container {create['name']} was made on a kernel with another kind of overlayfs",
            hint="make it anew: pypod create --replace",
        )


class _Staging:
    """A locked directory where layers are made; use it in a `with` block."""

    def __init__(
        self, places: Places, facts: HostFacts, target: str, noun: str, chains: Sequence[str]
    ) -> None:
        self.places, self.facts, self.target, self.noun = places, facts, target, noun
        self.full = f"{places.layers}/{facts.layer_map}"
        self.chains = chains
        self._made_of = self._identities()
        self.directory, self._lock = arrival.begin(places)

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
        except PypodError:
            self._check_whole()
            raise
        finally:
            line.close()

    def _place(self, chains: list[str]) -> None:
        def act(_descriptors: list[dict[str, Any]]) -> None:
            os.makedirs(self.target, mode=0o700, exist_ok=True)
            self._check_whole()
            for chain in chains:
                try:
                    os.rename(f"{self.directory}/{chain}", f"{self.target}/{chain}")
                except OSError:
                    if not os.path.isdir(f"{self.target}/{chain}"):  # another's is as good
                        raise

        layout.locked(self.places, act)
        fd = os.open(self.target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        os.fsync(fd)
        os.close(fd)

    def _check_whole(self) -> None:
        """Raise PypodError when layers went meanwhile: what was made of them may be a part only.

        Whoever removes an image takes them away under the lock of the index.
        """
        if self._identities() != self._made_of:
            raise PypodError(f"{self.noun} was removed while its layers were made for --userns")

    def _identities(self) -> list[int]:
        try:
            return [os.stat(f"{self.full}/{chain}").st_ino for chain in self.chains]
        except FileNotFoundError:
            return []


def unused(places: Places) -> tuple[list[str], Lock | None]:
    """Return the layers (KIND/CHAIN) of other maps that no container has, and what keeps it so.

    None of them, and no lock, while a container is made or where a record cannot be read.
    """
    found = {
        f"{kind}/{chain}"
        for kind in (os.listdir(places.layers) if os.path.isdir(places.layers) else ())
        if kind.startswith(OTHERS)
        for chain in os.listdir(f"{places.layers}/{kind}")
    }
    if not found:
        return [], None
    lock = id_ranges.reserve(places, alone=True, wait=False)
    if lock is None:
        return [], None
    try:
        for container in objects.every(places):
            try:
                create = container.create
            except NoSuchContainer:
                continue
            kind = create.get("layers", "")
            for chain in create["chain_ids"] if kind else ():
                found -= {f"{kind}/{chain}", f"{kind}-copy/{chain}"}
    except (PypodError, KeyError):
        lock.close()
        return [], None
    return sorted(found), lock


def check(places: Places, facts: HostFacts, options: CreateOptions, config: dict[str, Any]) -> None:
    """Refuse what a container under another map cannot have; `facts` are those of the default map.

    Raises PypodError.
    """
    linux = config["linux"]
    if is_nested(linux, facts):
        for mount in config["mounts"][1:]:
            if mount.get("type") == "overlay":
                raise PypodError(
                    f"{mount['destination']}: an overlay (:O) needs the caller's own ids in the"
                    f" container, which --userns {options.userns} leaves out"
                )
    if options.network.startswith("container:"):
        other = objects.find(places, options.network.partition(":")[2])
        if extents(other.config["linux"]) != extents(linux) or is_nested(linux, facts):
            raise PypodError(
                f"--network container: joins the user namespace of {other.name} too, whose ids"
                f" are not those of --userns {options.userns or 'host'}",
                hint="--userns keep-id for both, or for none of them",
            )


def shifts(facts: HostFacts, chosen: idmaps.Chosen) -> tuple[tuple[tuple[int, int, int], ...], ...]:
    """Return what the uids and the gids of the default layers become."""
    return (
        idmaps.shift(facts.uid_map, chosen.uid_map),
        idmaps.shift(facts.gid_map, chosen.gid_map),
    )


def let_root_write(directory: str, facts: HostFacts, config: dict[str, Any]) -> None:
    """Let the container's root write to its /etc/hosts and the like, which are the caller's files.

    By an access control list (acl(5)): given away they could not be kept true any more. Where the
    file system has none they can only be read.
    """
    if not is_nested(config["linux"], facts):
        return
    uids, _ = extents(config["linux"])
    root = next((outside for inside, outside, _ in uids if inside == 0), None)
    if root is None:
        return
    entries = ((_OWNER, 6, _NO_ID), (_USER, 6, root), (_GROUP, 4, _NO_ID), (_MASK, 6, _NO_ID))
    acl = _ACL.pack(2) + b"".join(_ENTRY.pack(*one) for one in (*entries, (_OTHER, 4, _NO_ID)))
    for name in ("hosts", "hostname", "resolv.conf"):
        try:
            os.setxattr(f"{directory}/{name}", "system.posix_acl_access", acl)
        except OSError as error:
            log.debug(f"{directory}/{name}: {error.strerror}")


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

    Tried once per boot: distributions differ, and so do kernels of one version. Raises PypodError
    when it cannot be tried: nothing is learned from that, and nothing kept.
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
    from pypod.engine import data_only

    answer = "yes" if data_only.probe(places, facts) else "no"
    log.debug(f"overlayfs with data-only lower directories: {answer}")
    temporary = f"{path}.{os.getpid()}"
    with open(temporary, "w", encoding="utf-8") as file:
        file.write(f"{boot} {answer}")
    os.rename(temporary, path)
    return answer == "yes"
