# SPDX-License-Identifier: Apache-2.0
"""Taking images in: from a registry or another place, verified as they stream, their names last.

Manifest and configuration stay in memory until the platform is chosen and everything fits: an image
for another machine leaves no byte. Layers come side by side; each is hashed, kept as a blob and
unpacked in one pass. What the network cut off is kept and asked for from there by the next pull;
what is wrong leaves nothing.
"""

from __future__ import annotations

import threading
from contextlib import closing

from pypod.engine import images, remove, trust, unpack, workers
from pypod.engine.arrival import Arrival, Turn
from pypod.engine.fetch import Fetcher, Stale
from pypod.engine.place import Silent, small
from pypod.errors import CorruptStore, IntegrityError, NoSpace, PypodError, RegistryError
from pypod.kernel import config as settings
from pypod.kernel import strictjson
from pypod.oci import manifest as oci_manifest
from pypod.oci.image import platform_of, record
from pypod.oci.manifest import Platform
from pypod.store import blobs, layout
from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pypod.engine.place import Progress, Source
    from pypod.kernel.paths import Places
    from pypod.oci.image import ImageRecord
    from pypod.oci.manifest import Descriptor, Index, Manifest
    from pypod.oci.reference import Reference
    from pypod.registry.auth import Credentials
    from pypod.registry.repository import Patience
    from pypod.spec.facts import HostFacts


_SIGNAL_SECONDS = 0.2
"""Ctrl-C on a terminal also ends our helpers, and their end may be seen before the signal is."""


class Options(Value):
    """How to pull."""

    platform: Platform
    tls_verify: bool = True
    credentials: Credentials | None = None
    trusted_realms: tuple[str, ...] = ()
    patience: Patience | None = None
    source: Reference | None = None
    """Where it comes from if that is not its name's own place: a mirror."""
    cert_dir: str = ""
    policy_file: str = ""
    """--signature-policy."""
    check_stored: bool = True
    """Hash the blobs that are here already, and fetch those anew that are damaged."""


def pull(
    places: Places,
    facts: HostFacts,
    wanted: Reference,
    options: Options,
    progress: Progress | None = None,
) -> ImageRecord:
    """Pull an image and return it. Raises RegistryError, IntegrityError, PypodError."""
    from pypod.registry.repository import Repository  # loads requests: 50 ms that `load` spares

    source = options.source or wanted
    repository = Repository(
        source.domain,
        source.path,
        cert_dir=options.cert_dir,
        credentials=options.credentials,
        tls_verify=options.tls_verify,
        trusted_realms=options.trusted_realms,
        patience=options.patience,
        asked=wanted,
    )
    try:
        return take(
            places,
            facts,
            repository,
            source.wanted,
            [wanted.stored],
            options.platform,
            progress,
            digest=wanted.digest,
            asked=wanted,
            policy_file=options.policy_file,
            check_stored=options.check_stored,
        )
    finally:
        repository.close()


def take(
    places: Places,
    facts: HostFacts,
    source: Source,
    wanted: str,
    names: list[str],
    platform: Platform | None,
    progress: Progress | None = None,
    *,
    digest: str = "",
    every: bool = False,
    asked: Reference | None = None,
    policy_file: str = "",
    check_stored: bool = True,
) -> ImageRecord:
    """Take an image from any place into the store, under these names, and return it.

    `platform` is the one to choose from an index and to insist on; None takes what there is.
    `every` brings all images of an index. `asked` is the name that the policy is asked about, where
    the source is a mirror; `policy_file` is --signature-policy. Raises PypodError.
    """
    places = places.replace(durable=settings.load(places).durable)
    job = _Pull(places, facts, source, progress or Silent())
    job.wanted, job.digest, job.names, job.platform = wanted, digest, names, platform
    job.every, job.asked, job.policy_file = every, asked, policy_file
    job.check_stored = check_stored
    with Arrival(places):
        return workers.awake(job.run, job.interrupt)


class _Pull:
    """One image on its way in."""

    wanted = digest = ""
    names: list[str]
    platform: Platform | None
    every = False
    asked: Reference | None = None
    policy_file = ""
    check_stored = True

    def __init__(
        self, places: Places, facts: HostFacts, source: Source, progress: Progress
    ) -> None:
        self.places, self.facts = places, facts
        self.source, self.progress = source, progress
        self._blobs = Fetcher(places, source, self.progress, self._is_spoiled)
        self._spoiled = False
        """The image is wrong or cannot be unpacked: what came of it is of no use."""
        self._interrupted = threading.Event()

    def interrupt(self) -> None:
        """Stop, and keep what came so far."""
        self._interrupted.set()
        self.source.cancel()

    def run(self) -> ImageRecord:
        remove.sweep(self.places, self.facts)
        self.source.connect()
        body, content_type, parsed, index = self._resolve()
        self._check_trust(body, index)
        for layer in parsed.layers:
            layer.compression  # noqa: B018 - raises for layers that cannot be unpacked
        config = self._config(parsed.config)
        image = record(
            parsed,
            blobs.digest_of(body),
            strictjson.loads(config, "the image's configuration"),
            blobs.sha256_hex,
        )
        if self.platform is not None:
            _check_platform(image, self.platform)
        try:
            return self._arrive(image, body, config, content_type, index)
        except CorruptStore as error:
            # An `rmi` took blobs that this image shares; all that brings them back is in hand.
            self.progress.note(f"{error.message}: once more")
            return self._arrive(image, body, config, content_type, index)

    def _arrive(
        self, image: ImageRecord, body: bytes, config: bytes, content_type: str, index: bytes
    ) -> ImageRecord:
        """Bring what is missing of an image, then give it its names. Raises CorruptStore."""
        with Turn(self.places, image.id, self._say_waiting):
            self._layers(image)
        if self.every and index:
            self._others(index, blobs.digest_of(body))
        self.progress.note(f"Copying config {image.id}")
        self.progress.note("Writing manifest to image destination")
        return images.add_image(
            self.places, body, config, self.names, content_type=content_type, index=index
        )

    def _say_waiting(self) -> None:
        self.progress.note("Waiting for another pull of this image")

    def _resolve(self) -> tuple[bytes, str, Manifest, bytes]:
        """Return the manifest for the platform, its type, its value, and the index around it.

        From the first answer on everything is asked for by digest: a tag that moves meanwhile
        cannot mix two images.
        """
        wanted, digest, index = self.wanted, self.digest, b""
        for _depth in range(oci_manifest.INDEX_DEPTH_MOST + 1):
            body, content_type = self._manifest(wanted, digest)
            parsed = oci_manifest.parse(strictjson.loads(body, "the manifest"), content_type)
            if not isinstance(parsed, oci_manifest.Index):
                return body, content_type, parsed, index
            index = index or body
            wanted = digest = self._choose(parsed)
        raise RegistryError(
            f"indexes within indexes, more than {oci_manifest.INDEX_DEPTH_MOST} deep"
        )

    def _check_trust(self, body: bytes, index: bytes) -> None:
        """Ask the policy. Of a whole index the index itself must be what is signed."""
        digests = [blobs.digest_of(one) for one in (body, index) if one]
        if self.every and index:
            digests = digests[1:]
        trust.check(
            self.source, self.wanted, digests, name=self.asked, policy_file=self.policy_file
        )

    def _manifest(self, wanted: str, digest: str) -> tuple[bytes, str]:
        body, content_type, promised = self.source.manifest(wanted)
        found = blobs.digest_of(body)
        for expected in (digest, promised if promised.startswith("sha256:") else ""):
            if expected and found != expected:
                raise IntegrityError(
                    f"manifest {ascii(expected)[1:-1][:80]} arrived as {found}: wrong digest"
                )
        return body, content_type

    def _choose(self, index: Index) -> str:
        """Return the digest of this machine's image; where any will do, else of the first one."""
        machine = Platform("linux", *oci_manifest.architecture_of(self.facts.machine))
        try:
            return oci_manifest.choose(index, self.platform or machine).digest
        except RegistryError:
            if self.platform is not None or not index.manifests:
                raise
            return index.manifests[0].digest

    def _config(self, descriptor: Descriptor) -> bytes:
        """Return the configuration, verified, without keeping it: the platform is not known yet."""
        if blobs.exists(self.places, descriptor.digest, descriptor.size):
            try:
                return blobs.read(self.places, descriptor.digest)
            except CorruptStore:
                pass  # `add_image` puts this one in its place
        return small(self.source, descriptor)

    def _others(self, index: bytes, chosen: str, depth: int = 1) -> None:
        """Fetch an index's other images: their blobs are kept as they are, nothing is unpacked."""
        parsed = oci_manifest.parse(strictjson.loads(index, "the index"), "")
        assert isinstance(parsed, oci_manifest.Index)
        for entry in parsed.manifests:
            if entry.digest == chosen:
                continue
            body, content_type = self._manifest(entry.digest, entry.digest)
            inner = oci_manifest.parse(strictjson.loads(body, "the manifest"), content_type)
            if isinstance(inner, oci_manifest.Manifest):
                for blob in dict.fromkeys((*inner.layers, inner.config)):
                    self._keep(blob)
            elif depth >= oci_manifest.INDEX_DEPTH_MOST:
                raise RegistryError("indexes within indexes: too deep")
            else:
                self._others(body, chosen, depth + 1)
            blobs.put(self.places, body)

    def _layers(self, image: ImageRecord) -> None:
        """Fetch what is not here and unpack what is not unpacked. Raises PypodError."""
        with unpack.Staging(self.places, self.facts) as staging:
            missing = set(staging.layers.missing(image.chain_ids))
            missing.update(staging.layers.marked(image.chain_ids))
            pending: dict[str, bytes] = {}

            def one(number: int) -> None:
                blob, chain = image.layers[number], image.chain_ids[number]
                old = blobs.held(self.places, blob.digest)
                try:
                    self._layer(staging, image, number, chain in missing, pending)
                except (RegistryError, NoSpace):
                    raise
                except PypodError as error:
                    # What an earlier pull left may be to blame. Once more with nothing of it.
                    if not old or self._interrupted.is_set():
                        raise
                    self.progress.note(f"{error.message}: beginning it anew")
                    staging.drop(chain)
                    self._layer(staging, image, number, chain in missing, pending)

            try:
                workers.side_by_side(one, len(image.layers), self._stop)
                staging.finish(image, pending)
            except (PypodError, OSError) as error:  # of the disk: no inode is left
                if self._is_spoiled(error):
                    self._discard()
                raise

    def _layer(
        self,
        staging: unpack.Staging,
        image: ImageRecord,
        number: int,
        missing: bool,
        pending: dict[str, bytes],
    ) -> None:
        """Fetch one layer and unpack it."""
        blob, chain = image.layers[number], image.chain_ids[number]
        # A new blob for a layer that is here may be another one: its diff_id is checked by
        # unpacking it, too; what comes of that is not placed.
        if not missing and blobs.exists(self.places, blob.digest, blob.size):
            self._keep(blob)
            return
        with closing(self._blobs.chunks(blob, wanted=True)) as chunks:
            layer = staging.layer(chain, image.diff_ids[number], blob.compression)
            work = _unpack(layer, chunks)
        if missing:
            pending[chain] = work

    def _keep(self, blob: Descriptor) -> None:
        """Have a blob in the store, and nothing more. Raises IntegrityError, RegistryError."""
        try:
            for _chunk in self._blobs.chunks(blob, wanted=False, check=self.check_stored):
                pass
        except Stale as error:
            self.progress.note(f"{error.message}: fetching it anew")
            for _chunk in self._blobs.chunks(blob, wanted=False):
                pass

    def _is_spoiled(self, error: BaseException) -> bool:
        if not self._spoiled and not isinstance(error, RegistryError):
            self._spoiled = not self._interrupted.wait(_SIGNAL_SECONDS)
        return self._spoiled

    def _stop(self, error: BaseException) -> None:
        self._is_spoiled(error)
        self.source.cancel()

    def _discard(self) -> None:
        """Delete the blobs that this pull brought and no image has."""
        if not self._blobs.fetched:
            return
        needed: set[str] = set()
        for image, entries in images.list_images(self.places):
            needed.update(layer.digest for layer in image.layers)
            for entry in entries:
                needed |= layout.digests(entry)
        for digest in self._blobs.fetched - needed:
            blobs.remove(self.places, digest)


def _unpack(layer: unpack.Layer, chunks: Iterable[bytes]) -> bytes:
    """Feed a layer to its end; return its pending work.

    What cannot be unpacked is still read to its end: a wrong digest is the better explanation.
    Raises PypodError, RegistryError.
    """
    problem: PypodError | None = None
    try:
        for chunk in chunks:
            if problem is not None:
                continue
            try:
                layer.write(chunk)
            except PypodError as error:
                layer.abandon()
                if isinstance(error, NoSpace):
                    raise  # nothing more is written to a full disk
                problem = error
        if problem is None:
            return layer.close()
    except BaseException:
        layer.abandon()
        raise
    raise problem


def _check_platform(image: ImageRecord, wanted: Platform) -> None:
    there = platform_of(image)
    if not oci_manifest.runs_on(there, wanted):
        raise RegistryError(
            f"no image for platform {wanted}; there is {ascii(str(there))[1:-1][:100]}",
            hint="--platform OS/ARCH chooses another; running it needs an emulator",
        )
