# SPDX-License-Identifier: Apache-2.0
"""New images of what is here: a container's changes, or the tar of a root file system.

With SOURCE_DATE_EPOCH in the environment the same content is the same image: that is then its
time, and no file's is later.
"""

from __future__ import annotations

import os
import time

from pypod.engine import container_files, image_changes, images, packing, unpack
from pypod.engine.arrival import Arrival
from pypod.engine.scratch import Scratch
from pypod.errors import PypodError, UsageError
from pypod.kernel import fastjson, strictjson
from pypod.oci import manifest as oci
from pypod.oci import reference
from pypod.oci.image import record
from pypod.store import blobs
from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from pypod.kernel.paths import Places
    from pypod.oci.image import ImageRecord
    from pypod.oci.manifest import Descriptor
    from pypod.spec.facts import HostFacts
    from pypod.store.objects import Container


class Options(Value):
    """How a new image is made."""

    name: str = ""
    author: str = ""
    message: str = ""
    changes: tuple[str, ...] = ()
    docker: bool = False
    """A docker v2s2 manifest instead of OCI's."""
    squash: bool = False
    """One layer of all that the container sees, instead of one more on its image."""
    volumes: tuple[str, ...] = ()
    """Paths that become the image's volumes."""
    os: str = "linux"
    architecture: str = ""
    variant: str = ""


def source_date() -> int | None:
    """Return SOURCE_DATE_EPOCH. Raises UsageError for what is no number of seconds."""
    text = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not text:
        return None
    if not text.isdecimal() or len(text) > 12:
        raise UsageError(f"SOURCE_DATE_EPOCH={ascii(text)[1:-1][:50]}: must be seconds since 1970")
    return int(text)


def commit(
    places: Places, facts: HostFacts, container: Container, options: Options
) -> ImageRecord:
    """Make an image of a container, running or not. Raises PypodError."""
    names = _names(options.name)
    latest = source_date()
    create = container.create
    own = container_files.facts_of(container, facts)
    container_files.upper(container)
    try:
        base = images.find(places, create["image"]["id"])
    except PypodError:
        raise PypodError(f"the image of container {container.name} is not in the store") from None
    document = strictjson.loads(blobs.read(places, base.id), "the image's configuration")
    config = document.setdefault("config", {})
    _run_config(config, create)
    for path in options.volumes:
        config["Volumes"] = {**(config.get("Volumes") or {}), path: {}}
    image_changes.apply(config, options.changes)
    below, kept = (base.layers, base.diff_ids) if not options.squash else ((), ())
    with Arrival(places):
        with Scratch(places.tmp) as scratch:
            if options.squash:
                chunks = container_files.whole(container, own, latest)
            else:
                chunks = container_files.layer(container, own, latest)
            layer, diff_id = _store(places, scratch, chunks, "")
        document["rootfs"] = {"type": "layers", "diff_ids": [*kept, diff_id]}
        step = {"created": _time(latest), "created_by": " ".join(create["command"])}
        if options.squash:
            document["history"] = []
        _describe(document, options, step)
        if options.author:
            document["author"] = options.author
        return _add(places, facts, document, (*below, layer), options.docker, names)


def _run_config(config: dict[str, Any], create: dict[str, Any]) -> None:
    """Take over what the container was given for itself: command, environment, user, labels."""
    options = create["options"]
    for key, value in (("Entrypoint", create["entrypoint"]), ("Cmd", create["cmd"])):
        config.pop(key, None)
        if value:
            config[key] = list(value)
    for key, name in (("User", "user"), ("WorkingDir", "workdir"), ("StopSignal", "stop_signal")):
        if options.get(name):
            config[key] = options[name]
    for entry in options["env"]:
        name, equals, _ = entry.partition("=")
        if equals:
            kept = [one for one in config.get("Env") or () if not one.startswith(f"{name}=")]
            config["Env"] = [*kept, entry]
    labels = {key: value for key, _, value in (one.partition("=") for one in options["label"])}
    if labels:
        config["Labels"] = {**(config.get("Labels") or {}), **labels}


def import_(
    places: Places, facts: HostFacts, chunks: Iterable[bytes], options: Options, noun: str
) -> ImageRecord:
    """Make an image of one layer of a root file system's tar, however it is packed.

    Raises PypodError, IntegrityError.
    """
    names = _names(options.name)
    latest = source_date()
    machine, variant = oci.architecture_of(facts.machine)
    document: dict[str, Any] = {
        "architecture": options.architecture or machine,
        "os": options.os,
        "config": {},
    }
    variant = options.variant or ("" if options.architecture else variant)
    if variant:
        document["variant"] = variant
    image_changes.apply(document["config"], options.changes)
    stream = iter(chunks)
    head = b""
    for chunk in stream:
        head += chunk
        if len(head) >= 6:
            break
    if not head:
        raise PypodError(f"{noun} is empty: no root file system")

    def whole() -> Iterable[bytes]:
        yield head
        yield from stream

    with Arrival(places):
        with Scratch(places.tmp) as scratch:
            layer, diff_id = _store(places, scratch, whole(), packing.compression_of(head))
        document["rootfs"] = {"type": "layers", "diff_ids": [diff_id]}
        added = f"/bin/sh -c #(nop) ADD file:{layer.digest[7:]}"
        step = {"created": _time(latest), "created_by": added}
        message = options.message or f"Imported from {noun}"
        _describe(document, options.replace(message=message), step)
        return _add(places, facts, document, (layer,), options.docker, names)


def _names(name: str) -> list[str]:
    if not name:
        return []
    parsed = reference.local(name)
    if parsed.digest:
        raise UsageError(f"{name}: a new image cannot be named by a digest")
    return [parsed.stored]


def _time(latest: int | None) -> str:
    now = time.time_ns() if latest is None else latest * 10**9
    whole, rest = divmod(now, 10**9)
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))
    return f"{text}.{rest:09d}Z" if rest else f"{text}Z"


def _describe(document: dict[str, Any], options: Options, step: dict[str, str]) -> None:
    document["created"] = step["created"]
    if options.author:
        step["author"] = options.author
    if options.message:
        step["comment"] = options.message
    document["history"] = [*(document.get("history") or ()), step]


def _store(
    places: Places, scratch: Scratch, chunks: Iterable[bytes], packed: str
) -> tuple[Descriptor, str]:
    """Keep a layer, packed with gzip, as a blob; return its descriptor and its diff_id."""
    plain = blobs.Hash()
    packing.repack(chunks, packed, "gzip", scratch.write, seen=plain.update)
    with blobs.Writer(places, scratch.digest, scratch.size) as writer:
        if not writer.done:
            writer.restart()
            for chunk in scratch.read():
                writer.write(chunk)
            writer.commit()
    layer = oci.Descriptor(oci.OCI_LAYER + "+gzip", scratch.digest, scratch.size)
    return layer, plain.digest


def _add(
    places: Places,
    facts: HostFacts,
    document: dict[str, Any],
    layers: tuple[Descriptor, ...],
    docker: bool,
    names: list[str],
) -> ImageRecord:
    """Write manifest and configuration, unpack the new layer, make the image known."""
    config = fastjson.dumps(document).encode()
    kind = oci.DOCKER_MANIFEST if docker else oci.OCI_MANIFEST
    entries = []
    for layer in layers:
        packing_of = layer.compression
        if docker and packing_of == "zstd":
            raise PypodError("-f docker: layers that are packed with zstd are only known to OCI")
        base = oci.DOCKER_LAYER if docker else oci.OCI_LAYER
        suffix = (f".{packing_of}" if docker else f"+{packing_of}") if packing_of else ""
        entries.append({"mediaType": base + suffix, "digest": layer.digest, "size": layer.size})
    manifest = fastjson.dumps(
        {
            "schemaVersion": 2,
            "mediaType": kind,
            "config": {
                "mediaType": oci.DOCKER_CONFIG if docker else oci.OCI_CONFIG,
                "digest": blobs.digest_of(config),
                "size": len(config),
            },
            "layers": entries,
        }
    ).encode()
    parsed = oci.parse(fastjson.loads(manifest), kind)
    assert isinstance(parsed, oci.Manifest)
    image = record(parsed, blobs.digest_of(manifest), document, blobs.sha256_hex)
    # Those of the base may have been dropped (image prune --blobs): unpacked they are here.
    dropped = {one.digest for one in layers[:-1] if not blobs.exists(places, one.digest)}
    unpack.unpack_stored(places, facts, image)
    return images.add_image(
        places, manifest, config, names, content_type=kind, dropped=frozenset(dropped)
    )
