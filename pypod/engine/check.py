# SPDX-License-Identifier: Apache-2.0
"""Looking for damage in the store, and healing it: a bad blob is fetched again from where its
image's name says, a lost or damaged layer is unpacked again.

What `image prune --blobs` dropped is no damage: the unpacked layer is there. There is nothing then
to compare it with.
"""

from __future__ import annotations

import os

from pypod.engine import garbage, images, layer_health, place, remote, unpack
from pypod.errors import CorruptStore, NoSpace, NoSuchContainer, NoSuchVolume, PypodError
from pypod.kernel import fastjson, log
from pypod.oci import manifest as oci
from pypod.oci import reference
from pypod.store import blobs, layout, objects, volumes
from pypod.store.layers import Layers
from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from pypod.kernel.paths import Places
    from pypod.oci.image import ImageRecord
    from pypod.spec.facts import HostFacts

_CHUNK = 1 << 20
_MANIFEST, _BLOB, _LAYER, _RECORD = "manifest", "blob", "layer", "record"


class Damage(Value):
    """One thing that is wrong."""

    kind: str
    noun: str
    """The image or container it is of."""
    text: str
    digest: str = ""
    """Of the blob; of a damaged layer its chain id."""
    size: int = 0
    entry: dict[str, Any] | None = None
    """The image's entry in index.json."""


def find(places: Places, facts: HostFacts, *, quick: bool) -> Iterator[Damage]:
    """Yield all damage of images, containers, volumes; `quick` looks at sizes, not at digests.

    Raises CorruptStore when index.json cannot be read.
    """
    seen: dict[str, str] = {}
    for entry in _entries(places):
        found: list[Damage] = []
        try:
            found += _of_image(places, facts, entry, seen, quick)
        except PypodError:
            if entry in layout.ours(places):
                raise
        # What is missing of an image that was removed meanwhile is no damage.
        if found and entry in layout.ours(places):
            yield from found
    for container in objects.every(places):
        for name in ("state.json", "create.json", "config.json"):
            try:
                container.document(name)
            except NoSuchContainer:
                if os.path.isdir(container.directory):
                    text = f"{name} is missing"
                    yield Damage(_RECORD, f"container {container.id[:12]}", text)
            except CorruptStore as error:
                text = error.message.partition(": ")[2]
                yield Damage(_RECORD, f"container {container.id[:12]}", text)
        for read in (container.pids, container.exit):
            try:
                read()
            except CorruptStore as error:
                text = error.message.partition(": ")[2]
                yield Damage(_RECORD, f"container {container.id[:12]}", text)
    for volume in volumes.every(places):
        try:
            volume.document  # noqa: B018 - read for its errors
        except NoSuchVolume:
            if os.path.isdir(volume.directory):
                yield Damage(_RECORD, f"volume {volume.name}", "volume.json is missing")
        except CorruptStore as error:
            yield Damage(_RECORD, f"volume {volume.name}", error.message.partition(": ")[2])


def _entries(places: Places) -> list[dict[str, Any]]:
    """Return one entry for each image and manifest, one with a name first."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for entry in sorted(layout.ours(places), key=lambda one: not layout.name_of(one)):
        found.setdefault((layout.image_of(entry), str(entry.get("digest"))), entry)
    return list(found.values())


def _of_image(
    places: Places, facts: HostFacts, entry: dict[str, Any], seen: dict[str, str], quick: bool
) -> Iterator[Damage]:
    noun = layout.name_of(entry) or f"image {layout.image_of(entry)[7:19]}"
    whole = True
    for digest in sorted(layout.digests(entry)):
        text = _wrong(places, digest, None, seen, quick)
        if text:
            whole = whole and digest != entry.get("digest")
            yield Damage(_MANIFEST, noun, text, digest, entry=entry)
    if not whole:
        return  # what else belongs to it is not known
    parsed = oci.parse(fastjson.loads(blobs.read(places, str(entry["digest"]))), "")
    if not isinstance(parsed, oci.Manifest):
        return
    config = parsed.config
    text = _wrong(places, config.digest, config.size, seen, quick)
    if text:
        yield Damage(_BLOB, noun, text, config.digest, config.size, entry)
    try:
        image = images.load(places, entry)
    except PypodError as error:
        if not text:
            yield Damage(_RECORD, noun, error.message)
        return
    layers = Layers(places, facts)
    below = True
    """All layers below are there: unpacking one needs them."""
    for blob, chain in zip(image.layers, image.chain_ids, strict=True):
        unpacked = layers.has(chain)
        text = _wrong(places, blob.digest, blob.size, seen, quick)
        if text and (not unpacked or not text.endswith("is missing")):
            yield Damage(_BLOB, noun, text, blob.digest, blob.size, entry)
        if not unpacked:
            yield Damage(_LAYER, noun, f"layer {chain[:12]} is not unpacked", entry=entry)
        below = below and unpacked
        if below and not text and not quick:
            if chain not in seen:
                seen[chain] = _compare(places, facts, image, chain)
            if seen[chain]:
                yield Damage(_LAYER, noun, seen[chain], chain, entry=entry)


def _compare(places: Places, facts: HostFacts, image: ImageRecord, chain: str) -> str:
    """Unpack a layer from its blob once more and say where the one in use differs."""
    layers = Layers(places, facts)
    try:
        with unpack.Staging(places, facts) as staging:
            good = unpack.stage_one(staging, image, chain, durable=False)
            text = layer_health.differences(facts, good, chain, layers)
    except NoSpace:
        log.warn(f"layer {chain[:12]} is not compared with its blob: that needs space on the disk")
        return ""
    if text:
        layers.mark(chain)
    else:
        layers.unmark(chain)
    return text


def _wrong(
    places: Places, digest: str, size: int | None, seen: dict[str, str], quick: bool
) -> str:
    """Say what is wrong with a blob; nothing when it is good. Each is read once."""
    if digest not in seen:
        seen[digest] = _look(places, digest, size, quick)
    return seen[digest]


def _look(places: Places, digest: str, size: int | None, quick: bool) -> str:
    try:
        with open(blobs.path(places, digest), "rb", buffering=0) as file:
            found = os.fstat(file.fileno()).st_size
            if size is not None and found != size:
                return f"blob {digest} has {found} bytes instead of {size}"
            if quick:
                return "" if found else f"blob {digest} is empty"
            hashed = blobs.Hash()
            while chunk := file.read(_CHUNK):
                hashed.update(chunk)
    except FileNotFoundError:
        return f"blob {digest} is missing"
    except OSError as error:
        return f"blob {digest} cannot be read: {error.strerror}"
    return "" if hashed.digest == digest else f"blob {digest} is damaged"


def left_behind(places: Places) -> int:
    """Return how many bytes of blobs and parts belong to no image: prune removes them."""
    return garbage.weigh(places)


def repair(places: Places, facts: HostFacts, damage: Damage) -> None:
    """Heal one damage. Raises PypodError when it cannot be."""
    entry = damage.entry
    if damage.kind == _RECORD or entry is None:
        raise PypodError(
            f"{damage.noun}: {damage.text}", hint=_remover(damage.noun)
        )
    if damage.kind == _LAYER:
        image = images.load(places, entry)
        if damage.digest:
            with unpack.Staging(places, facts) as staging:
                good = unpack.stage_one(staging, image, damage.digest, durable=True)
                layer_health.replace(places, facts, damage.digest, good)
            return
        _fetch_dropped(places, facts, entry, image)
        unpack.unpack_stored(places, facts, image)
        return
    _replace(places, damage, entry)


def _remover(noun: str) -> str:
    kind, _, name = noun.partition(" ")
    return f"pypod volume rm {name}" if kind == "volume" else f"pypod rm -f {name}"


def _fetch_dropped(
    places: Places, facts: HostFacts, entry: dict[str, Any], image: ImageRecord
) -> None:
    missing = set(Layers(places, facts).missing(image.chain_ids))
    for blob, chain in zip(image.layers, image.chain_ids, strict=True):
        if chain in missing and not blobs.exists(places, blob.digest):
            lost = Damage(_BLOB, "", "", blob.digest, blob.size, entry)
            _replace(places, lost, entry)


def _replace(places: Places, damage: Damage, entry: dict[str, Any]) -> None:
    """Put a good copy in the place of a bad blob; where there is none the bad one stays."""
    path = blobs.path(places, damage.digest)
    aside = f"{places.trash}/blob.{os.urandom(8).hex()}"
    try:
        os.rename(path, aside)
    except FileNotFoundError:
        aside = ""
    try:
        if not _from_twin(places, damage, entry):
            _from_registry(places, damage, entry)
    except BaseException:
        _put_back(aside, path)
        raise
    if aside:
        _forget(aside)


def _put_back(aside: str, path: str) -> None:
    """Give a bad blob its name again, unless a pull has put a good one there meanwhile."""
    if aside:
        try:
            os.link(aside, path)
        except (FileExistsError, FileNotFoundError):
            pass
        _forget(aside)


def _forget(aside: str) -> None:
    try:
        os.unlink(aside)
    except FileNotFoundError:
        pass  # another command swept the trash


def _from_twin(places: Places, damage: Damage, entry: dict[str, Any]) -> bool:
    """Make the OCI manifest of a docker image again: no registry has it."""
    original = layout.original_of(entry)
    if damage.kind != _MANIFEST or not original or damage.digest == original:
        return False
    if damage.digest != entry.get("digest"):
        return False
    parsed = oci.parse(fastjson.loads(blobs.read(places, original)), oci.DOCKER_MANIFEST)
    if not isinstance(parsed, oci.Manifest):
        return False
    return blobs.put(places, fastjson.dumps(oci.oci_twin(parsed)).encode()) == damage.digest


def _from_registry(places: Places, damage: Damage, entry: dict[str, Any]) -> None:
    last: PypodError | None = None
    for name in images.names_of(places, layout.image_of(entry)):
        wanted = reference.parse(name)
        if wanted.domain == "localhost":
            continue  # made here
        try:
            opened = remote.repository(places, wanted, remote.Access())
        except PypodError as error:
            last = error
            continue
        try:
            opened.connect()
            if damage.kind == _MANIFEST:
                body, _, _ = opened.manifest(damage.digest)
                if blobs.digest_of(body) == damage.digest:
                    blobs.put(places, body)
                    return
                continue
            blob = oci.Descriptor("", damage.digest, damage.size)
            with blobs.Writer(places, damage.digest, damage.size) as writer:
                if not writer.done:  # else a part was whole, or a pull was quicker
                    writer.restart()
                    for chunk in place.stream(opened, blob):
                        writer.write(chunk)
                    writer.commit()
            return
        except PypodError as error:
            last = error
        finally:
            opened.close()
    why = f": {last.message}" if last else ": no registry that its names say has it"
    raise PypodError(f"{damage.noun}: {damage.text}{why}", hint="pypod rmi removes the image")
