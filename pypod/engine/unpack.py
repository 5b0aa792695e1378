# SPDX-License-Identifier: Apache-2.0
"""Unpacking layers: side by side into staging, one after another into place.

Staging lies in `tmp/unpack-…`, locked by its owner: what a killed command leaves is seen by the
next sweep. A layer gets its name after its diff_id is checked and everything is on the disk, so a
layer that has its name is whole.
"""

from __future__ import annotations

import fcntl
import os
import threading
from hashlib import sha256

from pypod.engine import arrival, layer_health, packing
from pypod.engine.remove_tree import remove_tree
from pypod.errors import IntegrityError, NoSpace, ObjectInUse, PypodError
from pypod.kernel import log
from pypod.runtime import files
from pypod.store import blobs, layers
from pypod.store.layers import Layers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pypod.kernel.paths import Places
    from pypod.oci.image import ImageRecord
    from pypod.spec.facts import HostFacts


_CHUNK = 1 << 20
_RESERVE, _LOOK_EVERY = 1 << 26, 1 << 26
"""Unpacking stops while 64 MiB are still free: a full disk harms more than this command."""
_PIPE = 1 << 20
_SETPIPE_SIZE = 1031
"""F_SETPIPE_SZ, which `fcntl` names only from 3.10 on and not everywhere."""
_WORKERS = 3


class Staging:
    """A directory for the layers of one image on their way; use it in a `with` block."""

    def __init__(self, places: Places, facts: HostFacts) -> None:
        self.places, self.facts = places, facts
        self.layers = Layers(places, facts)
        self.directory, self._lock = arrival.begin(places)

    def layer(self, chain: str, diff_id: str, compression: str) -> Layer:
        """Start unpacking one layer."""
        return Layer(self, chain, diff_id, compression)

    def drop(self, chain: str) -> None:
        """Throw away what was unpacked of one layer, to begin it anew."""
        remove_tree(self.places, f"{self.directory}/{chain}", self.facts)

    def finish(self, image: ImageRecord, staged: dict[str, bytes]) -> None:
        """Put the staged layers in place, lowest first; `staged` maps chain ids to pending work.

        Raises PypodError.
        """
        if not staged:
            return
        os.makedirs(self.layers.directory, mode=0o700, exist_ok=True)
        self.complete(image, staged)
        for chain in image.chain_ids:
            if chain in staged:
                self._place(chain)
        if self.places.durable:
            self.layers.sync()

    def complete(
        self, image: ImageRecord, staged: dict[str, bytes], *, durable: bool = True
    ) -> None:
        """Give the staged layers what they need of those below, and bring them to the disk."""
        words: list[str | bytes] = []
        top = max(map(image.chain_ids.index, staged))
        for chain in image.chain_ids[: top + 1]:
            if chain in staged:
                directory = f"{self.directory}/{chain}"
                words += ["layer", directory, directory, staged[chain]]
            else:
                words += ["below", self.layers.path(chain), ""]
        if durable and self.places.durable:
            words += ["sync", self.directory, ""]
        files.run(
            self.facts,
            ["finish"],
            f"image {image.id.removeprefix('sha256:')[:12]}",
            b"".join(one if isinstance(one, bytes) else os.fsencode(one) + b"\0" for one in words),
        )

    def _place(self, chain: str) -> None:
        source, target = f"{self.directory}/{chain}", self.layers.path(chain)
        for suffix in layers.BESIDE:
            if os.path.exists(source + suffix):
                os.rename(source + suffix, target + suffix)
        if self.layers.marked([chain]):
            try:
                layer_health.replace(self.places, self.facts, chain, source)
            except ObjectInUse as error:
                log.warn(f"{error.message}; {error.hint}")
            return
        try:
            os.rename(source, target)
        except OSError:
            if not self.layers.has(chain):  # else another pull was first: its layer is as good
                raise

    def __enter__(self) -> Staging:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        remove_tree(self.places, self.directory, self.facts)
        self._lock.close()


class Layer:
    """One layer being unpacked: compressed bytes in, a verified directory out."""

    def __init__(self, staging: Staging, chain: str, diff_id: str, compression: str) -> None:
        self.chain, self._diff_id = chain, diff_id
        self._store = staging.places.graph
        directory = f"{staging.directory}/{chain}"
        arrival.make_directory(directory, 0o755)
        os.chmod(directory, 0o755)
        self._directory = directory
        self._inflater = packing.inflater(compression, self._take)
        self._hash = sha256()
        self._given = self._plain = self._looked = 0
        reader, self._pipe = os.pipe2(os.O_CLOEXEC)
        try:
            fcntl.fcntl(self._pipe, _SETPIPE_SIZE, _PIPE)
        except OSError:
            pass  # the user's pipe pages are used up: slower, not wrong
        words = ["unpack", directory, staging.facts.layer_map]
        words += ["durable"] * staging.places.durable
        try:
            self._worker = files.Worker(staging.facts, words, reader)
        except BaseException:
            os.close(self._pipe)
            raise
        finally:
            os.close(reader)

    @property
    def _noun(self) -> str:
        return f"layer {self._diff_id[:19]}"

    def write(self, data: bytes) -> None:
        """Feed compressed bytes. Raises PypodError, IntegrityError."""
        self._given += len(data)
        self._inflater.write(data)

    def _take(self, plain: bytes) -> None:
        self._hash.update(plain)
        self._plain += len(plain)
        if self._plain >= self._looked + _LOOK_EVERY:
            self._looked = self._plain
            self._check_room()
        view = memoryview(plain)
        try:
            while view:
                view = view[os.write(self._pipe, view) :]
        except BrokenPipeError:
            self._end()  # raises what the worker has against the archive
            raise PypodError(f"{self._noun} cannot be unpacked") from None

    def _end(self) -> bytes:
        os.close(self._pipe)
        self._pipe = -1
        try:
            return self._worker.wait(self._noun)
        except NoSpace as error:
            raise NoSpace(f"{error.message}: {self._store}") from None

    def _check_room(self) -> None:
        packing.check_ratio(self._noun, self._given, self._plain)
        room = os.statvfs(self._store)
        if room.f_bavail * room.f_frsize < _RESERVE:
            raise NoSpace(f"{self._noun}: no space left in {self._store}")

    def close(self) -> bytes:
        """Wait for the worker, check the diff_id, return the work that is left for `finish`.

        Raises PypodError, IntegrityError.
        """
        self._inflater.end()
        pending = self._end()
        found = "sha256:" + self._hash.hexdigest()
        if found != self._diff_id:
            raise IntegrityError(
                f"the layer unpacks to {found}, the image says {self._diff_id}: wrong diff_id"
            )
        layers.write_size(self._directory, self._plain)
        skipped = pending.split(b"\0")[-3].decode()
        if skipped != "0":
            log.info(f"{self._noun}: {skipped} device files left out, a container has its own")
        return pending

    def abandon(self) -> None:
        """Stop. Does nothing to a layer that ended."""
        if self._pipe >= 0:
            try:
                self._end()
            except PypodError:
                pass  # an archive that we cut off


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


def stage_one(staging: Staging, image: ImageRecord, chain: str, *, durable: bool) -> str:
    """Unpack one layer from its blob and return where it is; it gets no name.

    Raises PypodError, IntegrityError.
    """
    number = image.chain_ids.index(chain)
    descriptor = image.layers[number]
    layer = staging.layer(chain, image.diff_ids[number], descriptor.compression)
    pending = feed(layer, _blob_chunks(staging.places, descriptor.digest))
    staging.complete(image, {chain: pending}, durable=durable)
    return f"{staging.directory}/{chain}"


def feed(layer: Layer, chunks: Iterable[bytes]) -> bytes:
    """Feed a layer to its end; return its pending work. Raises PypodError, IntegrityError."""
    try:
        for chunk in chunks:
            layer.write(chunk)
        return layer.close()
    finally:
        layer.abandon()


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
