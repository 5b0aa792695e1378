# SPDX-License-Identifier: Apache-2.0
"""save and load: images to and from archives and directories."""

from __future__ import annotations

import os
import sys

from pypod.cli import access
from pypod.engine import copy, images
from pypod.engine import load as engine_load
from pypod.engine.store_place import StoreSource
from pypod.errors import UsageError
from pypod.kernel import log, paths
from pypod.kernel.facts import facts as host_facts
from pypod.output.progress import Bars
from pypod.transport.docker_archive import DockerArchiveTarget
from pypod.transport.oci_layout import ArchiveTarget, LayoutTarget
from pypod.transport.output import STDOUT, Output
from pypod.transport.plain_dir import PlainDirTarget

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.cli.parse import Args

    Archive = DockerArchiveTarget | ArchiveTarget | LayoutTarget | PlainDirTarget

_FORMATS = ("docker-archive", "docker-dir", "oci-archive", "oci-dir")


def save(args: Args) -> int:
    """Write images to an archive or a directory."""
    kind = args.format or "docker-archive"
    _check(args, kind)
    paths.prepare(args.places)
    words = list(dict.fromkeys(args.images))
    for word in words:
        images.found(args.places, word)  # what is not here must not cost an archive
    options = copy.Options(
        platform=access.machine(host_facts()),
        format="v2s2" if kind == "docker-dir" else "",
        keep_plain=args.uncompressed,
    )
    target = _target(kind, args.output or STDOUT, args.compress)
    try:
        with Bars(args.quiet or not args.output) as bars:
            for word in words:
                source = StoreSource(args.places, word, whole=False)
                if not isinstance(target, PlainDirTarget):
                    target.names = (source.name,) if "@" not in source.name else ()
                    target.names = tuple(name for name in target.names if name)
                copy.copy(source, "", target, options, args.places.tmp, bars)
            target.finish()
    finally:
        target.close()
    return 0


def _check(args: Args, kind: str) -> None:
    if kind not in _FORMATS:
        raise UsageError(f'unknown format "{kind}": {", ".join(_FORMATS)}')
    if args.compress and kind != "docker-dir":
        raise UsageError("--compress can only be set when --format is 'docker-dir'")
    if args.uncompressed and not kind.startswith("oci"):
        raise UsageError("--uncompressed can only be set when --format is oci-archive or oci-dir")
    if len(args.images) > 1 and not args.multi_image_archive:
        raise UsageError("several images need --multi-image-archive", hint="-m")
    if len(args.images) > 1 and kind == "docker-dir":
        raise UsageError("--format docker-dir: a directory of this kind holds one image")
    if not args.output:
        if kind.endswith("-dir"):
            raise UsageError(f"--format {kind} needs --output", hint="-o DIRECTORY")
        if os.isatty(1):
            raise UsageError("refusing to save to terminal. Use -o flag or redirect")


def _target(kind: str, output: str, pack: bool) -> Archive:
    if kind == "docker-archive":
        return DockerArchiveTarget(Output(output))
    if kind == "oci-archive":
        return ArchiveTarget(output, ())
    if kind == "oci-dir":
        return LayoutTarget(output, ())
    return PlainDirTarget(output, pack=pack)


def load(args: Args) -> int:
    """Read images from an archive or a directory; print their names."""
    facts = host_facts()
    paths.prepare(args.places)
    if facts.single_reason:
        log.warn(facts.single_reason)
    with Bars(args.quiet) as bars:
        path, policy = args.input or "-", args.signature_policy
        for image, names in engine_load.load(args.places, facts, path, bars, policy):
            for name in names or [image.id]:
                sys.stdout.write(f"Loaded image: {name}\n")
    return 0
