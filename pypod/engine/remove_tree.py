# SPDX-License-Identifier: Apache-2.0
"""Deleting a directory of the store: by the caller where the caller may, else by pypod-files."""

from __future__ import annotations

import errno
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.kernel.paths import Places
    from pypod.spec.facts import HostFacts


_PATH_MOST = 2048
"""Walking by paths takes the square of the depth; the worker walks by descriptors."""


def remove_tree(places: Places, path: str, facts: HostFacts) -> None:
    """Delete `path`, which is already out of sight in the trash or in staging.

    A fresh container is a dozen files of the caller's own: starting a worker for them would double
    the time of `run --rm`. Raises PypodError.
    """
    try:
        _remove(path)
    except FileNotFoundError:
        return
    except OSError:
        from pypod.runtime import files

        files.run(facts, ["rmtree", path], f"cannot delete {path}")


def _remove(path: str) -> None:
    # Bounded by hand: an image's tree may be thousands deep, and then the worker takes over.
    pending = [path]
    order = []
    while pending:
        directory = pending.pop()
        if len(directory) > _PATH_MOST:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), path)
        order.append(directory)
        with os.scandir(directory) as entries:
            for entry in entries:
                if not entry.is_dir(follow_symlinks=False):
                    os.unlink(entry.path)
                    continue
                try:
                    os.rmdir(entry.path)  # overlayfs leaves a work directory of mode 0
                except OSError:
                    found = entry.stat(follow_symlinks=False)
                    if found.st_uid == os.geteuid() and not found.st_mode & stat.S_IRWXU:
                        os.chmod(entry.path, 0o700)
                    pending.append(entry.path)
    for directory in reversed(order):
        os.rmdir(directory)
