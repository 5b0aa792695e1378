# SPDX-License-Identifier: Apache-2.0
"""Sealed memory files: helpers run from them so that no container can write the file it runs.

CVE-2019-5736 class: in a rootless container root *is* the owner of a helper that pip installed, and
/proc/PID/exe leads to it. A sealed copy costs about 0.1 ms.
"""

from __future__ import annotations

import fcntl
import os

from pypod.errors import PypodError
from pypod.kernel.paths import LIBEXEC

_MFD_EXEC = 0x10  # linux/memfd.h, since 6.3; older kernels answer EINVAL
_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


def sealed(name: str, content: bytes, *, executable: bool = False) -> int:
    """Return a close-on-exec descriptor, at offset 0, of a sealed memory file."""
    flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    try:
        fd = os.memfd_create(name, flags | (_MFD_EXEC if executable else 0))
    except OSError:
        fd = os.memfd_create(name, flags)
    view = memoryview(content)
    while view:
        view = view[os.write(fd, view) :]
    os.lseek(fd, 0, os.SEEK_SET)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
    return fd


def helper_path(name: str) -> str:
    """Return the installed path of a helper such as `pypod-init`."""
    return f"{LIBEXEC}/{name}"


def helper(name: str) -> int:
    """Return a sealed executable copy of an installed helper. Raises PypodError."""
    path = helper_path(name)
    try:
        with open(path, "rb", buffering=0) as file:
            content = file.read()
    except OSError as error:
        raise PypodError(
            f"helper {path}: {error.strerror}", hint="reinstall pypod; in a checkout run make"
        ) from None
    return sealed(name, content, executable=True)
