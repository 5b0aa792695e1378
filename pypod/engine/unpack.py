# SPDX-License-Identifier: Apache-2.0
"""Unpacking layers: side by side into staging, one after another into place.

Staging lies in `tmp/unpack-…`, locked by its owner: what a killed command leaves is seen by the
next sweep. A layer gets its name after its diff_id is checked and everything is on the disk, so a layer
that has its name is whole.
"""

from __future__ import annotations

import os
import threading
import zlib
from hashlib import sha256

from pypod.engine.remove_tree import remove_tree
from pypod.errors import IntegrityError, PypodError
from pypod.kernel.locks import Lock
from pypod.runtime import files
from pypod.store import blobs
from pypod.store.layers import Layers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Protocol

    from pypod.kernel.paths import Places
    from pypod.oci.image import ImageRecord
    from pypod.spec.facts import HostFacts

    class Inflater(Protocol):
        """Turns compressed chunks into plain ones."""

        def decompress(self, data: bytes) -> bytes:
            """Return what `data` gives."""

        def flush(self) -> bytes:
            """Return what is left at the end. Raises IntegrityError when it is not the end."""


_CHUNK = 1 << 20
_ZSTD_WINDOW_MOST = 1 << 27
"""128 MiB: a frame that asks for more is refused (A54)."""
_PIPE = 1 << 20
_SETPIPE_SIZE = 1031
"""F_SETPIPE_SZ, which `fcntl` names only from 3.10 on and not everywhere."""
_WORKERS = 3


class _Plain:
    def decompress(self, data: bytes) -> bytes:
        return data

    def flush(self) -> bytes:
        return b""


class _Gzip:
    """gzip with several members, by isal (3 times faster than zlib) where it is installed."""

    def __init__(self) -> None:
        try:
            from isal import isal_zlib as library
        except ImportError:
            library = zlib
        self._library = library
        self._wbits = 31
        self._inflater = library.decompressobj(self._wbits)
        self._ended = False

    def decompress(self, data: bytes) -> bytes:
        out = b""
        while data:
            if self._inflater.eof:
                if data.strip(b"\0") == b"":
                    return out  # padding behind the last member
                self._inflater = self._library.decompressobj(self._wbits)
            try:
                out += self._inflater.decompress(data)
            except Exception as error:
                raise IntegrityError(f"the layer is not gzip: {error}") from None
            data = self._inflater.unused_data if self._inflater.eof else b""
        return out

    def flush(self) -> bytes:
        if not self._inflater.eof:
            raise IntegrityError("the layer's gzip data ends too early")
        return b""


class _Zstd:
    """zstd, several frames, a bounded window."""

    def __init__(self) -> None:
        import zstandard

        self._error = zstandard.ZstdError
        self._context = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_MOST)
        self._inflater = self._context.decompressobj()
        self._begun = False

    def decompress(self, data: bytes) -> bytes:
        out = b""
        while data:
            if self._inflater.eof:
                self._inflater = self._context.decompressobj()
            try:
                out += self._inflater.decompress(data)
            except self._error as error:
                raise IntegrityError(f"the layer is not zstd: {error}") from None
            data = self._inflater.unused_data if self._inflater.eof else b""
        return out

    def flush(self) -> bytes:
        if not self._inflater.eof:
            raise IntegrityError("the layer's zstd data ends too early")
        return b""


_INFLATERS: dict[str, Callable[[], Inflater]] = {"": _Plain, "gzip": _Gzip, "zstd": _Zstd}


class Staging:
    """A directory for the layers of one image on their way; use it in a `with` block."""

    def __init__(self, places: Places, facts: HostFacts) -> None:
        self.places, self.facts = places, facts
        self.layers = Layers(places, facts)
        while True:
            self.directory = f"{places.tmp}/unpack-{os.getpid()}-{os.urandom(4).hex()}"
            os.mkdir(self.directory, 0o700)
            try:
                self._lock = Lock(self.directory)
                self._lock.take()
                os.stat(self.directory)
                break
            except FileNotFoundError:
                continue  # a sweep came between

    def layer(self, chain: str, diff_id: str, compression: str) -> Layer:
        """Start unpacking one layer."""
        return Layer(self, chain, diff_id, compression)

    def finish(self, image: ImageRecord, staged: dict[str, bytes]) -> None:
        """Put the staged layers in place, lowest first; `staged` maps chain ids to pending work.

        Raises PypodError.
        """
        os.makedirs(self.layers.directory, mode=0o700, exist_ok=True)
        below: list[str] = []
        ready = []
        for chain in image.chain_ids:
            if chain in staged:
                directory = f"{self.directory}/{chain}"
                files.run(
                    self.facts,
                    ["finish", directory, directory, *reversed(below)],
                    f"layer {chain[:12]}",
                    staged[chain],
                )
                ready.append(chain)
                below.append(directory)
            else:
                below.append(self.layers.path(chain))
        files.run(self.facts, ["sync", self.directory], "cannot write the layers to the disk")
        for chain in ready:
            self._place(chain)
        self._sync_parent()

    def _place(self, chain: str) -> None:
        source, target = f"{self.directory}/{chain}", self.layers.path(chain)
        for suffix in (".passwd", ".group"):
            if os.path.exists(source + suffix):
                os.rename(source + suffix, target + suffix)
        try:
            os.rename(source, target)
        except OSError:
            if not self.layers.has(chain):  # else another pull was first: its layer is as good
                raise

    def _sync_parent(self) -> None:
        fd = os.open(self.layers.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        os.fsync(fd)
        os.close(fd)

    def __enter__(self) -> Staging:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        remove_tree(self.places, self.directory, self.facts)
        self._lock.close()


class Layer:
    """One layer being unpacked: compressed bytes in, a verified directory out."""

    def __init__(self, staging: Staging, chain: str, diff_id: str, compression: str) -> None:
        self.chain, self._diff_id = chain, diff_id
        directory = f"{staging.directory}/{chain}"
        os.mkdir(directory, 0o755)
        os.chmod(directory, 0o755)
        self._inflater = _INFLATERS[compression]()
        self._hash = sha256()
        reader, self._pipe = os.pipe2(os.O_CLOEXEC)
        try:
            import fcntl

            fcntl.fcntl(self._pipe, _SETPIPE_SIZE, _PIPE)
        except OSError:
            pass  # the user's pipe pages are used up: slower, not wrong
        kind = staging.facts.layer_map
        try:
            self._worker = files.Worker(staging.facts, ["unpack", directory, kind], reader)
        except BaseException:
            os.close(self._pipe)
            raise
        finally:
            os.close(reader)
        self._broken = False

    def write(self, data: bytes) -> None:
        """Feed compressed bytes. Raises IntegrityError."""
        plain = self._inflater.decompress(data)
        self._hash.update(plain)
        self._put(plain)

    def _put(self, plain: bytes) -> None:
        view = memoryview(plain)
        try:
            while view:
                view = view[os.write(self._pipe, view) :]
        except BrokenPipeError:
            self._broken = True  # the worker refused the archive: `close` says why
            raise PypodError("the layer cannot be unpacked") from None

    def close(self) -> bytes:
        """Wait for the worker, check the diff_id, return the work that is left for `finish`.

        Raises PypodError, IntegrityError.
        """
        noun = f"layer {self._diff_id[:19]}"
        try:
            if not self._broken:
                self._put(self._inflater.flush())
        finally:
            os.close(self._pipe)
            self._pipe = -1
            pending = self._worker.wait(noun)
        found = "sha256:" + self._hash.hexdigest()
        if found != self._diff_id:
            raise IntegrityError(
                f"the layer unpacks to {found}, the image says {self._diff_id}: wrong diff_id"
            )
        return pending

    def abandon(self) -> str:
        """Stop; return what the worker says was wrong, if anything."""
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1
            try:
                self._worker.wait(f"layer {self._diff_id[:19]}")
            except PypodError as error:
                return error.message
        return ""


def unpack_stored(places: Places, facts: HostFacts, image: ImageRecord) -> None:
    """Unpack the missing layers of an image from its blobs: another id map, or lost layers.

    Raises PypodError, IntegrityError.
    """
    chains = Layers(places, facts).missing(image.chain_ids)
    with Staging(places, facts) as staging:

        def one(chain: str) -> bytes:
            number = image.chain_ids.index(chain)
            descriptor = image.layers[number]
            layer = staging.layer(chain, image.diff_ids[number], descriptor.compression)
            return feed(layer, _blob_chunks(places, descriptor.digest))

        staging.finish(image, run_all(one, chains))


def feed(layer: Layer, chunks: Iterable[bytes]) -> bytes:
    """Feed a layer to its end; return its pending work. The worker's own words win over ours."""
    try:
        for chunk in chunks:
            layer.write(chunk)
        return layer.close()
    except BaseException as error:
        said = layer.abandon()
        if said and not isinstance(error, IntegrityError):
            raise PypodError(said) from None
        raise


def _blob_chunks(places: Places, digest: str) -> Iterable[bytes]:
    try:
        with open(blobs.path(places, digest), "rb", buffering=0) as file:
            while chunk := file.read(_CHUNK):
                yield chunk
    except FileNotFoundError:
        raise PypodError(f"blob {digest} is missing", hint="pull the image again") from None


def run_all(act: Callable[[str], bytes], chains: list[str]) -> dict[str, bytes]:
    """Run `act` for each layer, a few at once; return its results. Raises the first error."""
    results: dict[str, bytes] = {}
    errors: list[BaseException] = []
    waiting = list(chains)
    lock = threading.Lock()

    def work() -> None:
        while not errors:
            with lock:
                if not waiting:
                    return
                chain = waiting.pop(0)
            try:
                results[chain] = act(chain)
            except BaseException as error:
                errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(min(_WORKERS, len(chains)) - 1)]
    for thread in threads:
        thread.start()
    work()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results
