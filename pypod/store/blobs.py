# SPDX-License-Identifier: Apache-2.0
"""Blobs of the OCI layout: verified as they stream in, kept in part when they are cut off.

Write order: partial file, digest and size checked, fsync, rename, fsync of the directory. A blob
that has its name is whole.
"""

from __future__ import annotations

import os

from pypod.errors import CorruptStore, IntegrityError, PypodError
from pypod.kernel.locks import Lock
from pypod.oci import digest as oci_digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from pypod.kernel.paths import Places

try:
    from _sha2 import sha256 as _sha256
except ImportError:
    from _sha256 import sha256 as _sha256

_LARGE = 1 << 20
SMALL_MOST = 4 << 20
"""Bytes of a manifest or configuration at most (A55)."""

PARTIALS = "partial"
"""Directory of images/ for blobs on their way in; its files are locked by their writers."""


def sha256_hex(data: bytes) -> str:
    """Return the SHA-256 of bytes in hexadecimal."""
    return str(_sha256(data).hexdigest())


def _hasher(size: int) -> Any:
    """Return a hash for so many bytes: OpenSSL's is 13 times faster, and its import costs 2 ms.

    Python 3.11's own also keeps the interpreter's lock while it works.
    """
    if size < _LARGE:
        return _sha256()
    from hashlib import sha256

    return sha256()


class Hash:
    """A digest in the making."""

    def __init__(self) -> None:
        self._hash = _hasher(_LARGE)
        self.size = 0

    def update(self, data: bytes) -> None:
        """Take more bytes."""
        self._hash.update(data)
        self.size += len(data)

    @property
    def digest(self) -> str:
        """The digest of what was taken so far."""
        return "sha256:" + str(self._hash.hexdigest())


def digest_of(data: bytes) -> str:
    """Return the digest of bytes."""
    return "sha256:" + sha256_hex(data)


def path(places: Places, digest: str) -> str:
    """Return where a blob is, or would be. Raises IntegrityError for a malformed digest."""
    return f"{places.images}/blobs/sha256/{oci_digest.hex_of(digest)}"


def exists(places: Places, digest: str, size: int | None = None) -> bool:
    """Say whether the blob is there, with that size if one is given."""
    try:
        found = os.stat(path(places, digest), follow_symlinks=False)
    except FileNotFoundError:
        return False
    return size is None or found.st_size == size


def held(places: Places, digest: str) -> bool:
    """Say whether the blob, or a part of it, is here."""
    try:
        partial = f"{places.images}/{PARTIALS}/{oci_digest.hex_of(digest)}"
        return exists(places, digest) or os.stat(partial).st_size > 0
    except FileNotFoundError:
        return False


def read(places: Places, digest: str) -> bytes:
    """Return a small blob, verified. Raises CorruptStore when it is missing or damaged."""
    try:
        with open(path(places, digest), "rb", buffering=0) as file:
            data = file.read(SMALL_MOST + 1)
    except FileNotFoundError:
        raise CorruptStore(f"blob {digest} is missing", hint="pull the image again") from None
    if digest_of(data) != digest:
        raise CorruptStore(f"blob {digest} is damaged", hint="pull the image again")
    return data


def put(places: Places, data: bytes) -> str:
    """Store small bytes that the caller has made or verified; return their digest.

    A damaged blob of this name is replaced.
    """
    digest = digest_of(data)
    try:
        if read(places, digest) == data:
            return digest
        remove(places, digest)
    except CorruptStore:
        remove(places, digest)
    with Writer(places, digest, len(data)) as writer:
        if not writer.done:
            writer.restart()
            writer.write(data)
            writer.commit()
    return digest


def remove(places: Places, digest: str) -> None:
    """Delete a blob that no image needs."""
    try:
        os.unlink(path(places, digest))
    except FileNotFoundError:
        pass


class Writer:
    """One blob on its way in. A second writer of the same blob waits for the first.

    After that wait the blob may be there: `done`. `offset` is how much a former attempt left.
    """

    def __init__(self, places: Places, digest: str, size: int) -> None:
        self.digest, self.size = oci_digest.check(digest), size
        self._durable = places.durable
        self.final = path(places, digest)
        self._directory = os.path.dirname(self.final)
        partials = f"{places.images}/{PARTIALS}"
        os.makedirs(partials, mode=0o700, exist_ok=True)
        self._partial = f"{partials}/{oci_digest.hex_of(digest)}"
        self.offset = 0
        self.done = False
        self._lock: Lock
        self._held = False
        self._aborted = False
        self._open()

    def _open(self) -> None:
        if os.path.exists(self.final):
            self.done = True
            return
        while True:
            self._lock = Lock(self._partial, create=True)
            self._lock.take()
            try:
                same = os.stat(self._partial).st_ino == os.fstat(self._lock.fd).st_ino
            except FileNotFoundError:
                same = False
            if os.path.exists(self.final):
                self.done = True
                if same:
                    self.abort()  # the first writer has renamed its file, this one is new and empty
                self._lock.close()
                return
            if same:
                self._held = True
                break
            self._lock.close()  # the one we waited for renamed or removed it
        self._hash = _hasher(self.size)
        while data := os.read(self._lock.fd, 1 << 20):
            self._hash.update(data)
            self.offset += len(data)
        if self.offset >= self.size > 0:
            # Whole, and killed before its rename; or no part of this blob at all.
            if self.offset == self.size and self._found() == self.digest:
                self.commit()
                self.close()
            else:
                self.restart()

    def _found(self) -> str:
        return "sha256:" + str(self._hash.hexdigest())

    def kept(self) -> Iterator[bytes]:
        """Yield what a former attempt left, for a reader that needs the blob from its beginning."""
        at = 0
        while at < self.offset and (data := os.pread(self._lock.fd, 1 << 18, at)):
            at += len(data)
            yield data

    def restart(self) -> None:
        """Forget what is there: the server sends from the beginning."""
        os.ftruncate(self._lock.fd, 0)
        os.lseek(self._lock.fd, 0, os.SEEK_SET)
        self._hash, self.offset = _hasher(self.size), 0

    def write(self, data: bytes) -> None:
        """Append bytes. Raises IntegrityError when there are more than the descriptor says.

        Then nothing of it is kept. Raises PypodError when the disk is full.
        """
        if self.offset + len(data) > self.size:
            self.abort()
            raise IntegrityError(f"blob {self.digest} is longer than {self.size} bytes")
        self._hash.update(data)
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._lock.fd, view) :]
        except OSError as error:
            raise PypodError(
                f"cannot write {self._partial}: {error.strerror}"
                f" ({self.size - self.offset} more bytes are needed)",
                hint="make room and try again",
            ) from None
        self.offset += len(data)

    def commit(self) -> None:
        """Give the blob its name. Raises IntegrityError.

        What ended early stays for the next attempt; of what has a wrong digest nothing is left.
        """
        if self.offset != self.size:
            raise IntegrityError(
                f"blob {self.digest} ended after {self.offset} of {self.size} bytes"
            )
        found = self._found()
        if found != self.digest:
            self.abort()
            raise IntegrityError(f"blob {self.digest} arrived as {found}: wrong digest")
        if self._durable:
            os.fsync(self._lock.fd)
        os.chmod(self._partial, 0o644)
        os.rename(self._partial, self.final)
        if self._durable:
            directory = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            os.fsync(directory)
            os.close(directory)
        self.done = True

    def abort(self) -> None:
        """Throw away what came so far; the next writer of this blob begins with nothing."""
        if self._aborted:
            return  # the name may be another writer's by now
        self._aborted = True
        try:
            os.unlink(self._partial)
        except FileNotFoundError:
            pass

    def close(self) -> None:
        """Release the blob; what came so far stays for the next attempt, of nothing nothing."""
        if self._held:
            if not self.done and not self._aborted and self.offset == 0:
                self.abort()
            self._lock.close()
            self._held = False

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.close()
