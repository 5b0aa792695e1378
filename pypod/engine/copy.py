# SPDX-License-Identifier: Apache-2.0
"""Copying an image from one place to another, byte for byte where the target takes it so.

A manifest is written after all that it names, an index after its manifests. Nothing is packed anew
without need: because the target wants plain layers or the other format, because plain layers would
travel uncompressed, or because the user asked. What is packed anew is checked against its diff_id.
"""

from __future__ import annotations

from contextlib import nullcontext

from pypod.engine import companions, image_peek, packing, trust, workers
from pypod.engine.companions import Companions
from pypod.engine.place import Silent, small, stream
from pypod.engine.referrers import Referrers
from pypod.engine.scratch import Scratch
from pypod.errors import IntegrityError, PypodError, RegistryError, UsageError
from pypod.kernel import fastjson, log, strictjson
from pypod.oci import convert
from pypod.oci import manifest as oci
from pypod.oci.convert import Document
from pypod.registry.login import Refused
from pypod.store import blobs
from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from typing import Any

    from pypod.engine.place import Progress, Source, Target
    from pypod.engine.signing import Signer
    from pypod.oci.manifest import Descriptor, Manifest, Platform
    from pypod.oci.signed import Signature


_UNKNOWN_FORMAT = (400, 415)
"""What old registries answer to a manifest whose type they do not know."""


class Options(Value):
    """How to copy."""

    platform: Platform
    """Which image of an index."""
    multi: str = "system"
    """`system`: the image of the platform; `all`; `index-only`."""
    format: str = ""
    """`oci`, `v2s2`, or as it is."""
    compression: str = ""
    """`gzip`, `zstd`, or as it is."""
    level: int | None = None
    force: bool = False
    """Pack layers anew that are packed this way already."""
    preserve: bool = False
    """Fail rather than change a digest."""
    keep_plain: bool = False
    """Leave uncompressed layers as they are."""
    policy_file: str = ""
    """--signature-policy."""
    signers: tuple[Signer, ...] = ()
    """Who signs what is copied: each manifest, and the index."""
    identity: str = ""
    """The name that it is signed as; nothing: as it is called in the target."""
    remove_signatures: bool = False
    referrers: bool = False
    """Copy what refers to the manifests, too, where the target keeps that."""


class _Wish(Value):
    """What is to become of a layer."""

    layer: Descriptor
    before: str = ""
    after: str = ""
    anew: bool = False


def copy(
    source: Source,
    wanted: str,
    target: Target,
    options: Options,
    scratch: str,
    progress: Progress | None = None,
) -> Document:
    """Copy an image; return what the target has under its name now.

    `scratch` is a directory for layers that are packed anew. The caller finishes the target, and
    closes both. Raises PypodError, RegistryError, IntegrityError, UsageError.
    """
    job = _Copy(source, target, options, scratch, progress or Silent())
    return workers.awake(lambda: job.run(wanted), job.cancel)


class _Copy:
    """One copy under way."""

    def __init__(
        self,
        source: Source,
        target: Target,
        options: Options,
        scratch: str,
        progress: Progress,
    ) -> None:
        self.source, self.target, self.options = source, target, options
        self.scratch, self.progress = scratch, progress
        self.with_it = Companions(
            source,
            target,
            options.signers,
            identity=options.identity,
            remove=options.remove_signatures,
        )
        self._referring = Referrers(source, target, self._put)
        self._signed = False
        """Something that is signed is copied: it must stay as it is."""

    def cancel(self) -> None:
        self.source.cancel()
        self.target.cancel()

    def run(self, wanted: str) -> Document:
        options = self.options
        if options.compression:
            packing.check_level(options.compression, options.level)
        if options.compression == "zstd" and options.format == "v2s2":
            raise UsageError(
                "--compression-format zstd: docker's format v2s2 has no zstd", hint="--format oci"
            )
        if not self.target.several and (options.multi != "system" or options.preserve):
            which = "--preserve-digests" if options.preserve else "more than one image of an index"
            raise UsageError(f"{which}: {self.target.noun} cannot hold that")
        self.source.connect()
        self.target.connect()
        top = first = image_peek.document(self.source, wanted)
        for _depth in range(oci.INDEX_DEPTH_MOST + 1):
            parsed = image_peek.parse(top)
            if isinstance(parsed, oci.Manifest):
                self._check_trust(wanted, top.digest, first.digest)
                found = self._signatures(top)
                made = self._image(top, parsed, listed=False)
                break
            if options.multi != "system":
                self._check_trust(wanted, top.digest)
                found = self._signatures(top)
                made = self._index(top, parsed)
                break
            top = image_peek.document(self.source, oci.choose(parsed, options.platform).digest)
        else:
            raise RegistryError("indexes within indexes: too deep")
        self.progress.note("Writing manifest to image destination")
        made = self._write(made, found)
        self._with_referrers(top, made)
        return made

    def _with_referrers(self, before: Document, made: Document) -> None:
        """Copy what refers to a manifest, unless that is another one now."""
        if self.options.referrers and before.digest == made.digest:
            self._referring.copy(made.digest)

    def _signatures(self, document: Document) -> list[Signature]:
        found = self.with_it.of(document.digest)
        self._signed = self._signed or bool(found)
        return found

    def _write(self, made: Document, found: list[Signature]) -> Document:
        """Write the top manifest, in docker's format to a registry that knows no other.

        Its signatures come first: nobody sees it unsigned.
        """
        self.with_it.write(made.digest, found, top=True)
        try:
            self.target.put_manifest(made, top=True)
            return made
        except Refused as error:
            options = self.options
            parsed = image_peek.parse(made)
            if (
                error.status not in _UNKNOWN_FORMAT
                or made.media_type != oci.OCI_MANIFEST
                or options.format
                or options.preserve
                or self._signed
                or not isinstance(parsed, oci.Manifest)
                or any(convert.compression(layer) in (None, "zstd") for layer in parsed.layers)
            ):
                raise
        log.info(f"{self.target.noun} takes no OCI manifest: writing docker's v2s2")
        document = fastjson.loads(made.body)
        other = self._changed(convert.manifest_as(document, oci.DOCKER_MANIFEST, parsed.layers))
        self.with_it.write(other.digest, [], top=True)
        self.target.put_manifest(other, top=True)
        return other

    def _check_trust(self, wanted: str, *digests: str) -> None:
        trust.check(self.source, wanted, list(digests), policy_file=self.options.policy_file)

    def _index(self, document: Document, index: oci.Index, depth: int = 1) -> Document:
        """Copy the images of an index; return the index, a new one when an image has changed."""
        if self.options.multi == "index-only":
            return document
        made = []
        for entry in index.manifests:
            inner = image_peek.document(self.source, entry.digest)
            parsed = image_peek.parse(inner)
            before, found = self._signed, self._signatures(inner)
            if isinstance(parsed, oci.Manifest):
                one = self._image(inner, parsed, listed=True)
            elif depth >= oci.INDEX_DEPTH_MOST:
                raise RegistryError("indexes within indexes: too deep")
            else:
                one = self._index(inner, parsed, depth + 1)
            self._signed = before
            self.with_it.write(one.digest, found, top=False)
            self.target.put_manifest(one, top=False)
            self._with_referrers(inner, one)
            made.append(one)
        kind = oci.DOCKER_MANIFEST if index.media_type == oci.DOCKER_LIST else oci.OCI_MANIFEST
        same = [one.digest for one in made] == [entry.digest for entry in index.manifests]
        if same and kind in self.target.kinds:
            return document
        kinds = {one.media_type for one in made}
        kind = kinds.pop() if len(kinds) == 1 else oci.OCI_MANIFEST
        return self._changed(convert.index_as(fastjson.loads(document.body), kind, made))

    def _changed(self, document: dict[str, Any]) -> Document:
        self._check_preserved()
        body = fastjson.dumps(document).encode()
        return Document(body, document["mediaType"], blobs.digest_of(body))

    def _check_preserved(self) -> None:
        if self.options.preserve:
            raise PypodError(
                f"--preserve-digests: {self.target.noun} or an option needs another manifest"
            )
        if self._signed:
            raise companions.changed()

    def _image(self, document: Document, manifest: Manifest, *, listed: bool) -> Document:
        """Copy the blobs of an image; return its manifest as the target shall have it."""
        kind = self._kind(manifest)
        wishes = [self._wish(layer, kind, manifest, listed) for layer in manifest.layers]
        if kind == oci.DOCKER_MANIFEST and any(one.after == "zstd" for one in wishes if one.anew):
            kind = oci.OCI_MANIFEST
        anew = any(one.anew for one in wishes)
        if anew or kind != manifest.media_type:
            self._check_preserved()
        config = small(self.source, manifest.config)
        diff_ids = _diff_ids(config, len(wishes)) if anew else []
        made: dict[int, Descriptor] = {}
        turns = workers.Turns()

        def one(number: int) -> None:
            turn = turns.of(number) if self.target.in_order else nullcontext()
            wish = wishes[number]
            if not wish.anew:
                made[number] = wish.layer
                with turn:
                    self._put(wish.layer)
            else:
                made[number] = self._put_anew(wish, diff_ids[number], kind, turn)

        def stop(_error: BaseException) -> None:
            turns.end()
            self.cancel()

        workers.side_by_side(one, len(wishes), stop)
        self.progress.note(f"Copying config {manifest.config.digest}")
        if not self.target.has(manifest.config):
            self.target.put(manifest.config, lambda offset: [config[offset:]])
        if not anew and kind == manifest.media_type:
            return document
        layers = tuple(made[number] for number in range(len(wishes)))
        return self._changed(convert.manifest_as(fastjson.loads(document.body), kind, layers))

    def _kind(self, manifest: Manifest) -> str:
        """Return the type that the manifest shall have."""
        asked = convert.FORMATS.get(self.options.format, "")
        kind = asked or manifest.media_type
        if kind in self.target.kinds:
            return kind
        if asked:
            raise UsageError(f"--format {self.options.format}: {self.target.noun} cannot hold that")
        return self.target.kinds[0]

    def _wish(self, layer: Descriptor, kind: str, manifest: Manifest, listed: bool) -> _Wish:
        before = convert.compression(layer)
        if before is None:  # no files: an attestation, an artifact
            return _Wish(layer)
        after, options = before, self.options
        if self.target.plain_layers:
            after = ""
        elif options.compression:
            after = options.compression
        elif kind == oci.DOCKER_MANIFEST != manifest.media_type and before == "zstd":
            after = "gzip"
        elif not before and self.target.packs_layers:
            # In an index, layers stay as they are: the digest of the whole is worth more.
            keep = listed or options.preserve or options.keep_plain
            after = "" if keep else "gzip"
        anew = after != before
        if after and not self.target.plain_layers:
            anew = anew or options.force or options.level is not None
        return _Wish(layer, before, after, anew)

    def _put(self, layer: Descriptor) -> None:
        here = self.target.has(layer)
        self.progress.begin(layer, here=here)
        if not here:
            self.target.put(
                layer,
                lambda offset: stream(
                    self.source, layer, offset, lambda done: self.progress.update(layer, done)
                ),
            )

    def _put_anew(
        self, wish: _Wish, diff_id: str, kind: str, turn: AbstractContextManager[None]
    ) -> Descriptor:
        """Pack a layer anew and write it when it is its turn; return its descriptor."""
        packing.check_level(wish.after or "gzip", self.options.level if wish.after else None)
        old = wish.layer
        self.progress.begin(old, here=False)
        with Scratch(self.scratch) as scratch:
            plain = blobs.Hash()
            packing.repack(
                stream(self.source, old, 0, lambda done: self.progress.update(old, done)),
                wish.before,
                wish.after,
                scratch.write,
                level=self.options.level,
                seen=plain.update,
            )
            if plain.digest != diff_id:
                raise IntegrityError(
                    f"the layer unpacks to {plain.digest}, the image says {diff_id}: wrong diff_id"
                )
            kind = convert.layer_type(kind, wish.after)
            new = oci.Descriptor(kind, scratch.digest, scratch.size)
            with turn:
                if not self.target.has(new):
                    self.target.put(new, scratch.read)
        return new


def _diff_ids(config: bytes, count: int) -> list[str]:
    document = strictjson.loads(config, "the image's configuration")
    rootfs = document.get("rootfs") if isinstance(document, dict) else None
    found = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    if not isinstance(found, list) or len(found) != count:
        raise IntegrityError("the image's configuration and its manifest disagree on its layers")
    return [str(one) for one in found]
