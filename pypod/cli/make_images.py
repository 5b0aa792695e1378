# SPDX-License-Identifier: Apache-2.0
"""commit, export, import: containers to images and archives, archives to images."""

from __future__ import annotations

import os
import sys

from pypod.engine import byte_source, container_files
from pypod.engine import commit as engine
from pypod.errors import PypodError, UsageError
from pypod.kernel import log, paths
from pypod.kernel.facts import facts as host_facts
from pypod.store import objects
from pypod.transport.output import STDOUT, Output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.cli.parse import Args
    from pypod.oci.image import ImageRecord


def export(args: Args) -> int:
    """Write a container's root file system as a tar archive."""
    container = objects.find(args.places, args.container)
    facts = container_files.facts_of(container, host_facts())
    if not args.output and os.isatty(1):
        raise UsageError("refusing to export to terminal. Use -o flag or redirect")
    output = Output(args.output or STDOUT)
    try:
        container_files.export(container, facts, output.fd)
        output.finish()
    finally:
        output.close()
    return 0


def commit(args: Args) -> int:
    """Make an image of a container; print its id."""
    container = objects.find(args.places, args.container)
    if args.format not in ("oci", "docker"):
        raise UsageError(f'unknown format "{args.format}": oci or docker')
    if args.message and args.format != "docker":
        raise UsageError("messages are only compatible with the docker image format (-f docker)")
    if args.pause and container.status().alive:
        raise PypodError(
            f"--pause: container {container.name} runs, and only the freezer of a cgroup of its own"
            " stops all of its processes at once: pypod's containers have none yet",
            hint="without it, what changes meanwhile may be in the image half; or stop it first",
        )
    volumes = tuple(container.create["mounts"]) if args.include_volumes else ()
    options = engine.Options(
        name=args.image,
        author=args.author,
        message=args.message,
        changes=tuple(args.change),
        docker=args.format == "docker",
        squash=args.squash,
        volumes=volumes,
    )
    image = engine.commit(args.places, host_facts(), container, options)
    if args.iidfile:
        _write_id(args.iidfile, image)
    _show(args, image, image.id[7:])
    return 0


def import_(args: Args) -> int:
    """Make an image of an archive; print its id."""
    facts = host_facts()
    paths.prepare(args.places)
    if facts.single_reason:
        log.warn(facts.single_reason)
    noun = "standard input" if args.archive == "-" else args.archive.rpartition("/")[2]
    options = engine.Options(
        name=args.image,
        message=args.message,
        changes=tuple(args.change),
        os=args.os or "linux",
        architecture=args.arch,
        variant=args.variant,
    )
    chunks = byte_source.chunks(args.archive)
    image = engine.import_(args.places, facts, chunks, options, noun)
    _show(args, image, image.id)
    return 0


def _write_id(path: str, image: ImageRecord) -> None:
    try:
        with open(path, "w", encoding="ascii") as file:
            file.write(image.id[7:])
    except OSError as error:
        raise PypodError(f"--iidfile {path}: {error.strerror}") from None


def _show(args: Args, image: ImageRecord, id: str) -> None:
    if not args.quiet:
        lines = [f"Copying blob {layer.digest}" for layer in image.layers]
        lines += [f"Copying config {image.id}", "Writing manifest to image destination"]
        os.write(2, "".join(f"{line}\n" for line in lines).encode())
    sys.stdout.write(f"{id}\n")
