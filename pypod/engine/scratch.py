# SPDX-License-Identifier: Apache-2.0
"""A blob in the making: a file without a name, whose digest is known when it is written."""

from __future__ import annotations

import os
import tempfile

from pypod.errors import NoSpace
from pypod.store import blobs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 1 << 18


class Scratch:
    """Nothing of it is left after the `with` block, nor when the process is killed."""

    def __init__(self, directory: str, *, hashed: bool = True) -> None:
        self._directory = directory
        self._file = tempfile.TemporaryFile(dir=directory, buffering=0)
        self._hash = blobs.Hash() if hashed else None
        self.size = 0
        """Bytes written."""

    @property
    def digest(self) -> str:
        """The digest of what was written."""
        assert self._hash is not None
        return self._hash.digest

    @property
    def fd(self) -> int:
        """The file's descriptor."""
        return self._file.fileno()

    def write(self, data: bytes) -> None:
        """Append. Raises NoSpace."""
        if self._hash is not None:
            self._hash.update(data)
        self.size += len(data)
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self.fd, view) :]
        except OSError as error:
            raise NoSpace(f"cannot write to {self._directory}: {error.strerror}") from None

    def read(self, offset: int = 0) -> Iterator[bytes]:
        """Yield what was written, from an offset on."""
        while chunk := os.pread(self.fd, _CHUNK, offset):
            offset += len(chunk)
            yield chunk

    def __enter__(self) -> Scratch:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._file.close()
