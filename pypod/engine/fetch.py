# SPDX-License-Identifier: Apache-2.0
"""One blob of a pull: what is here of it already, then the rest from where it comes.

What is here is not believed: it is hashed as it is read. A part, or a whole blob, that turns out to
be wrong is deleted, and the error is `Stale`: the caller begins that blob anew.
"""

from __future__ import annotations

import os

from pypod.errors import BodyCut, IntegrityError
from pypod.store import blobs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from pypod.engine.place import Progress, Source
    from pypod.kernel.paths import Places
    from pypod.oci.manifest import Descriptor

_CHUNK = 1 << 18
_STEP = 1 << 20
"""A connection that brought so many new bytes before it was cut does not count as a failed try."""


class Stale(IntegrityError):
    """What was here of a blob before this pull was wrong; it is gone now."""


class Fetcher:
    """The blobs of one pull."""

    def __init__(
        self,
        places: Places,
        source: Source,
        progress: Progress,
        is_spoiled: Callable[[BaseException], bool],
    ) -> None:
        self._places, self._source, self._progress = places, source, progress
        self._is_spoiled = is_spoiled
        """Says of an error whether what came so far is of no use."""
        self.fetched: set[str] = set()
        """The digests of the blobs that came in whole."""

    def chunks(
        self, blob: Descriptor, *, wanted: bool, check: bool = False
    ) -> Generator[bytes, None, None]:
        """Yield a blob's bytes from the store, or as they come in and are kept there.

        Of a blob that is here nothing is read unless its bytes are `wanted`, or to be compared with
        its digest (`check`). Raises Stale, IntegrityError, RegistryError, NoSpace.
        """
        with blobs.Writer(self._places, blob.digest, blob.size) as writer:
            self._progress.begin(blob, here=writer.done)
            if writer.done:
                if wanted or check:
                    yield from self._stored(blob)
                return
            had = writer.offset
            try:
                yield from self._fetch(writer, blob, wanted)
            except BaseException as error:
                if had and isinstance(error, IntegrityError):
                    writer.abort()
                    raise Stale(f"{error.message}; a part of it was here before") from None
                if self._is_spoiled(error):
                    writer.abort()
                raise
            self.fetched.add(blob.digest)

    def _fetch(self, writer: blobs.Writer, blob: Descriptor, wanted: bool) -> Iterator[bytes]:
        """Yield a blob as it comes in; where it is cut off, ask for the rest.

        What has been yielded cannot be taken back: of a body that begins anew the known part
        is left out, and if it differs this time then digest or diff_id will not fit.
        """
        given = best = 0
        if wanted:
            for chunk in writer.kept():
                given += len(chunk)
                yield chunk
        tries = 1
        while writer.offset < blob.size:
            try:
                with self._source.blob(blob.digest, blob.size, writer.offset) as body:
                    if body.offset != writer.offset:
                        writer.restart()
                    for chunk in body:
                        at = writer.offset
                        writer.write(chunk)
                        self._progress.update(blob, writer.offset)
                        fresh = chunk[max(0, given - at) :]
                        given = max(given, writer.offset)
                        if fresh:
                            yield fresh
            except BodyCut as error:
                tries = 1 if writer.offset >= best + _STEP else tries + 1
                best = max(best, writer.offset)
                if tries > self._source.tries:
                    raise
                self._progress.note(f"{error.message}: going on from byte {writer.offset}")
                self._source.wait(tries - 1 or 1)
        writer.commit()

    def _stored(self, blob: Descriptor) -> Iterator[bytes]:
        """Yield a blob that is here, and delete it when it is not what its name says."""
        hashed = blobs.Hash()
        path = blobs.path(self._places, blob.digest)
        try:
            with open(path, "rb", buffering=0) as file:
                while chunk := file.read(_CHUNK):
                    hashed.update(chunk)
                    yield chunk
                if hashed.digest == blob.digest:
                    return
                if os.stat(path).st_ino == os.fstat(file.fileno()).st_ino:
                    os.unlink(path)  # else another pull has put a good one there
        except FileNotFoundError:
            pass
        raise Stale(f"blob {blob.digest} in the store is damaged")
