# SPDX-License-Identifier: Apache-2.0
"""artifact: files that travel as images do (podman's verbs)."""

from __future__ import annotations

import sys

from pypod.cli import access, push
from pypod.cli.image_copy import one_access
from pypod.cli.lifecycle import report
from pypod.engine import artifacts, kept, locate
from pypod.engine import copy as engine_copy
from pypod.errors import ImageNotKnown, UsageError
from pypod.kernel import fastjson, paths
from pypod.kernel.facts import facts as host_facts
from pypod.oci import location, reference
from pypod.output import columns, listing
from pypod.output.progress import Bars
from pypod.text import units

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pypod.cli.parse import Args
    from pypod.engine.kept import Kept

_DEFAULT = "table {{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.Size}}"


def add(args: Args) -> int:
    """Make an artifact of files, or add to one, and print its digest."""
    paths.prepare(args.places)
    if args.append and args.type:
        raise UsageError("append option is not compatible with type option")
    if args.append and args.replace:
        raise UsageError("append option is not compatible with replace option")
    pairs = []
    for text in args.annotation:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise UsageError(f"--annotation {text}: KEY=VALUE")
        pairs.append((key, value))
    how = artifacts.Making(args.type, args.file_type, tuple(pairs), args.append, args.replace)
    print(artifacts.add(args.places, args.name, list(args.paths), how).id)
    return 0


def pull(args: Args) -> int:
    """Fetch an artifact and print its digest."""
    paths.prepare(args.places)
    where = location.parse(args.name, location.REGISTRY)
    if where.transport == location.STORE:
        raise UsageError(f"{where}: an artifact comes from a registry, a layout or a directory")
    name = where.reference
    if where.transport == location.REGISTRY:
        name = reference.parse(where.reference).stored
    if not name:
        raise UsageError(f"{where}: the artifact needs a name", hint=f"{where}:NAME")
    source, wanted = locate.source(args.places, where, one_access(args))
    try:
        with Bars(args.quiet) as bars:
            made = artifacts.pull(args.places, source, wanted, name, bars)
    finally:
        source.close()
    print(made.id)
    return 0


def push_(args: Args) -> int:
    """Push an artifact to a registry or another place."""
    paths.prepare(args.places)
    words = list(args.destination)
    if len(words) > 1:
        raise UsageError("artifact push takes an artifact and at most one destination")
    one = artifacts.find(args.places, args.name)
    where = location.parse(words[0] if words else one.name, location.REGISTRY)
    options = engine_copy.Options(platform=access.machine(host_facts()), keep_plain=True)
    source = artifacts.ArtifactSource(args.places, one)
    target = locate.target(args.places, where, one_access(args))
    try:
        with Bars(args.quiet) as bars:
            made = engine_copy.copy(source, "", target, options, args.places.tmp, bars)
            target.finish()
    finally:
        target.close()
    push.write_digest(args.digestfile, made)
    return 0


def inspect(args: Args) -> int:
    """Print an artifact's manifest, name and digest."""
    one = artifacts.find(args.places, args.name)
    document = {
        "Manifest": artifacts.manifest(args.places, one),
        "Name": one.name,
        "Digest": one.digest,
    }
    if args.format and args.format != "json":
        sys.stdout.write(listing.line(args.format, document))
    else:
        print(fastjson.pretty(document, 5))
    return 0


def list_(args: Args) -> int:
    """List the artifacts of the store."""
    found = kept.every(args.places, kept.ARTIFACT)
    if args.quiet:
        sys.stdout.write("".join(f"{one.id if args.no_trunc else one.id[:12]}\n" for one in found))
        return 0
    rows = [_row(args, one) for one in found]
    listing.show(rows, args.format or _DEFAULT, rows, heading=not args.noheading)
    return 0


def _row(args: Args, one: Kept) -> dict[str, Any]:
    repository, tag = reference.split_stored(one.name)
    return {
        "Digest": one.id if args.no_trunc else one.id[:12],
        "Repository": columns.harmless(repository),
        "Size": units.human_size(artifacts.size(artifacts.manifest(args.places, one))),
        "Tag": columns.harmless(tag) or "<none>",
    }


def extract(args: Args) -> int:
    """Write the files of an artifact to a directory, or one of them to a file."""
    if args.digest and args.title:
        raise UsageError("--digest and --title cannot be used together")
    one = artifacts.find(args.places, args.name)
    artifacts.extract(args.places, one, args.path, digest=args.digest, title=args.title)
    return 0


def rm(args: Args) -> int:
    """Remove artifacts and print their digests."""
    words = list(args.names)
    if args.all == bool(words):
        raise UsageError("a single argument or --all must be specified")
    paths.prepare(args.places)
    code = 0
    for word in words or [one.name for one in kept.every(args.places, kept.ARTIFACT)]:
        try:
            print(kept.remove(args.places, kept.ARTIFACT, word).id)
        except ImageNotKnown as error:
            if not args.ignore:
                report(error)
                code = 1
    return code
