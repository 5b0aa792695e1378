# SPDX-License-Identifier: Apache-2.0
"""Trying whether this kernel takes a file's metadata and its data from different directories."""

from __future__ import annotations

import errno
import os

from pypod.engine import arrival
from pypod.engine.remove_tree import remove_tree
from pypod.errors import PypodError
from pypod.kernel import log
from pypod.plan import tools
from pypod.runtime import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pypod.kernel.paths import Places
    from pypod.spec.facts import HostFacts

_TEXT = "root:x:0:0:root:/root:/bin/sh\n"


def probe(places: Places, facts: HostFacts) -> bool:
    """Say what the kernel says, for this user. Raises PypodError when something else fails.

    A failure with data-only directories is the kernel's answer only where the same mount without
    them works: no memory, no room or no processes is no answer.
    """
    try:
        base, lock = arrival.begin(places)
        try:
            return _try(base, facts)
        finally:
            remove_tree(places, base, facts)
            lock.close()
    except OSError as error:
        raise PypodError(f"cannot try overlayfs in {places.tmp}: {error.strerror}") from None


def _try(base: str, facts: HostFacts) -> bool:
    for name in ("meta/etc", "data/x/etc", "upper", "work", "root"):
        os.makedirs(f"{base}/{name}")
    with open(f"{base}/data/x/etc/passwd", "w", encoding="utf-8") as file:
        file.write(_TEXT)
    meta = f"{base}/meta/etc/passwd"
    with open(meta, "wb") as empty:
        empty.truncate(len(_TEXT))
    try:
        os.setxattr(meta, "user.overlay.redirect", b"/x/etc/passwd")
        os.setxattr(meta, "user.overlay.metacopy", b"")
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return False  # a file system without attributes
        raise
    try:
        return _read(base, facts, (f"{base}/meta", "", f"{base}/data"))
    except PypodError as error:
        log.debug(f"overlayfs with data-only lower directories: {error}")
    _read(base, facts, (f"{base}/data/x",))
    return False


def _read(base: str, facts: HostFacts, lowers: Sequence[str]) -> bool:
    words = ["accounts", f"{base}/root"]
    plan = tools.compile_over(facts, base, lowers, ["pypod-files", *words], files.PROGRAM)
    return files.run(facts, words, "overlayfs", plan=plan).endswith(_TEXT.encode())
