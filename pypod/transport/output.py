# SPDX-License-Identifier: Apache-2.0
"""The file that an archive is written to: it has its name when it is whole, or it is a stream."""

from __future__ import annotations

import os
import stat

from pypod.errors import PypodError
from pypod.transport.files import wrong

STDOUT = "/dev/stdout"


class Output:
    """An archive in the making. A file of this name is replaced at the end, never in between."""

    def __init__(self, path: str, fd: int = -1) -> None:
        """`fd` is written to instead, and closed; then `path` is only what messages say."""
        self.noun = path
        self._path = os.path.abspath(path)
        self._staged = ""
        self.fd = fd if fd >= 0 else self._open()

    def _open(self) -> int:
        try:
            if self._path == STDOUT:
                return os.dup(1)
            try:
                mode = os.stat(self._path).st_mode
            except FileNotFoundError:
                mode = stat.S_IFREG
            if stat.S_ISDIR(mode):
                raise PypodError(f"{self.noun}: is a directory")
            flags = os.O_WRONLY | os.O_CLOEXEC
            if not stat.S_ISREG(mode):
                return os.open(self._path, flags)  # a pipe, a device
            directory, _, name = self._path.rpartition("/")
            staged = f"{directory}/.{name}.{os.urandom(4).hex()}"
            fd = os.open(staged, flags | os.O_CREAT | os.O_EXCL, 0o666)
            self._staged = staged
            return fd
        except OSError as error:
            raise PypodError(f"{self.noun}: {error.strerror}") from None

    def finish(self) -> None:
        """Give the file its name. Raises PypodError."""
        try:
            if self._staged:
                os.fsync(self.fd)
                os.rename(self._staged, self._path)
                self._staged = ""
        except OSError as error:
            raise wrong(self.noun, error) from None

    def close(self) -> None:
        """Close; what was not finished is deleted."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
        if self._staged:
            os.unlink(self._staged)
            self._staged = ""
