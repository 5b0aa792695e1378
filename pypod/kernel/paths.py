# SPDX-License-Identifier: Apache-2.0
"""Where pypod keeps things: the graph root (store), the run root (sockets), the helpers."""

from __future__ import annotations

import os
import stat

from pypod.errors import PypodError
from pypod.value import Value

LIBEXEC = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "_libexec")
"""The compiled helpers and the data built with them (seccomp filter, embedded image)."""


class Places(Value):
    """The absolute directories of one store. Making one creates nothing on disk."""

    graph: str
    """Images, layers, containers: survives reboots. `--root`, PYPOD_ROOT."""
    run: str
    """Sockets only: logind may delete it while containers live. `--runroot`, PYPOD_RUNROOT."""
    durable: bool = True
    """Wait until images are on the disk (pypod.conf; those who write them ask for it)."""

    @property
    def images(self) -> str:
        """The OCI image layout."""
        return self.graph + "/images"

    @property
    def summaries(self) -> str:
        """One small JSON file per image id, for `images` and `run`."""
        return self.graph + "/summary"

    @property
    def layers(self) -> str:
        """Unpacked layers, `<map>/<chain id hex>`."""
        return self.graph + "/layers"

    @property
    def containers(self) -> str:
        """One directory per container id."""
        return self.graph + "/containers"

    @property
    def names(self) -> str:
        """Symlinks from container names to ids."""
        return self.graph + "/names"

    @property
    def volumes(self) -> str:
        """One directory per volume, called as it is."""
        return self.graph + "/volumes"

    @property
    def mounts(self) -> str:
        """Where `image mount` mounts; always empty outside of its mount namespace."""
        return self.graph + "/mounts"

    @property
    def trash(self) -> str:
        """Renamed here first, deleted after: readers never see half an object."""
        return self.graph + "/trash"

    @property
    def tmp(self) -> str:
        """Staging, on the same filesystem as what it becomes."""
        return self.graph + "/tmp"

    @property
    def cache(self) -> str:
        """Derived data; may be deleted at any time."""
        return self.graph + "/cache"


def places(root: str | None = None, runroot: str | None = None) -> Places:
    """Return the store of this user: options, then environment, then XDG defaults."""
    environ = os.environ
    uid = os.geteuid()
    graph = root or environ.get("PYPOD_ROOT")
    if not graph:
        if uid == 0:
            graph = "/var/lib/pypod"
        else:
            home = environ.get("XDG_DATA_HOME") or _home() + "/.local/share"
            graph = home + "/pypod"
    run = runroot or environ.get("PYPOD_RUNROOT")
    if not run:
        if uid == 0:
            run = "/run/pypod"
        elif runtime := environ.get("XDG_RUNTIME_DIR"):
            run = runtime + "/pypod"
        else:
            run = f"/tmp/pypod-run-{uid}"
    return Places(os.path.abspath(graph), os.path.abspath(run))


def _home() -> str:
    home = os.environ.get("HOME")
    if not home:
        import pwd

        home = pwd.getpwuid(os.geteuid()).pw_dir
    return home


def private_directory(path: str) -> None:
    """Make `path` with mode 0700, parents too; refuse one that others own or can enter.

    The run root may lie in /tmp, where another user can be first (security.md A71).
    Raises PypodError.
    """
    try:
        os.makedirs(path, mode=0o700, exist_ok=True)
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise PypodError(
            f"cannot use directory {path}: {error.strerror}",
            hint="--root and --runroot choose other places",
        ) from None
    try:
        found = os.fstat(fd)
        if found.st_uid != os.geteuid():
            raise PypodError(f"directory {path} belongs to another user (uid {found.st_uid})")
        if stat.S_IMODE(found.st_mode) & 0o077:
            os.fchmod(fd, 0o700)
    finally:
        os.close(fd)


def prepare(where: Places) -> None:
    """Make the directories of the store and of the run root. Raises PypodError."""
    private_directory(where.graph)
    for path in (
        where.images,
        where.images + "/blobs/sha256",
        where.summaries,
        where.layers,
        where.containers,
        where.names,
        where.mounts,
        where.trash,
        where.tmp,
        where.cache,
    ):
        if not os.path.isdir(path):
            os.makedirs(path, mode=0o700, exist_ok=True)
