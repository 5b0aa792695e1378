# SPDX-License-Identifier: Apache-2.0
"""manifest: lists of images, made here and pushed (podman's verbs)."""

from __future__ import annotations

import sys

from pypod.cli import access, push
from pypod.cli.lifecycle import report
from pypod.engine import copy as engine_copy
from pypod.engine import image_lists, image_peek, kept, list_names, locate
from pypod.engine.arrival import Arrival
from pypod.engine.image_lists import Said
from pypod.engine.remote import Access
from pypod.errors import ImageNotKnown, PypodError, UsageError
from pypod.kernel import fastjson, log, paths
from pypod.kernel.facts import facts as host_facts
from pypod.oci import location
from pypod.oci import manifest as oci
from pypod.output.progress import Bars

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.cli.parse import Args
    from pypod.engine.image_lists import Found


def _access(args: Args) -> Access:
    """Return what a command says about registries; not every one has every option."""
    given = vars(args)
    return Access(
        tls_verify=access.verified(given.get("tls_verify")),
        credentials=access.credentials("--creds", given.get("creds", "")),
        authfile=given.get("authfile", ""),
        cert_dir=given.get("cert_dir", ""),
        patience=access.patience(args) if "retry" in given else None,
    )


def _found(args: Args, words: list[str]) -> list[Found]:
    platform = access.machine(host_facts())
    return [
        image_lists.look(args.places, word, _access(args), platform, every=args.all)
        for word in words
    ]


def create(args: Args) -> int:
    """Make a list and print its id."""
    paths.prepare(args.places)
    image_lists.check_free(args.places, args.list)
    if not args.amend and image_lists.known(args.places, args.list):
        # Before anything is fetched; `create` looks again under the lock.
        image_lists.create(args.places, args.list, [], amend=False)
    with Arrival(args.places):
        found = _found(args, args.images)
        print(image_lists.create(args.places, args.list, found, amend=args.amend).id)
    return 0


def add(args: Args) -> int:
    """Add images to a list and print its id."""
    paths.prepare(args.places)
    kept.find(args.places, kept.LIST, args.list)
    with Arrival(args.places):
        found = _found(args, args.images)
        print(image_lists.add(args.places, args.list, found, _said(args)).id)
    return 0


def annotate(args: Args) -> int:
    """Change what a list says of an image, and print the list's id."""
    words = list(args.image)
    if len(words) != (0 if args.index else 1):
        raise UsageError("annotate takes a list and an image, with --index a list alone")
    said = _said(args)
    if args.index and said.replace(annotations=()) != Said():
        raise UsageError("--index: a list itself has annotations only")
    made = image_lists.annotate(
        args.places, args.list, words[0] if words else "", said, index=args.index
    )
    print(made.id)
    return 0


def _said(args: Args) -> Said:
    given = vars(args)
    pairs = []
    for text in args.annotation:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise UsageError(f"--annotation {text}: KEY=VALUE")
        pairs.append((key, value))
    return Said(
        os=args.os,
        architecture=args.arch,
        variant=args.variant,
        os_version=args.os_version,
        os_features=tuple(given.get("os_features", ())),
        features=tuple(args.features),
        annotations=tuple(pairs),
    )


def inspect(args: Args) -> int:
    """Print a list of this store, or the index or manifest of any place."""
    try:
        body = kept.read(args.places, kept.find(args.places, kept.LIST, args.list))
    except ImageNotKnown:
        body = _elsewhere(args)
    print(fastjson.pretty(fastjson.loads(body), 4))
    return 0


def _elsewhere(args: Args) -> bytes:
    paths.prepare(args.places)
    where = location.parse(args.list)
    source = None
    if where.transport == location.STORE:
        try:
            source, wanted = locate.source(args.places, where, _access(args), whole=True)
        except ImageNotKnown:
            where = location.parse(where.reference, location.REGISTRY)
    if source is None:
        source, wanted = locate.source(args.places, where, _access(args))
    try:
        source.connect()
        found = image_peek.document(source, wanted)
    finally:
        source.close()
    if found.media_type not in oci.INDEXES:
        log.warn(f"{args.list}: not a manifest list but a single image")
    return found.body


def push_(args: Args) -> int:
    """Push a list and its images."""
    paths.prepare(args.places)
    words = list(args.destination)
    if len(words) > 1:
        raise UsageError("manifest push takes a list and at most one destination")
    one = kept.find(args.places, kept.LIST, args.list)
    where = location.parse(words[0] if words else one.name, location.REGISTRY)
    options = push.copy_options(args, "all" if args.all else "index-only")
    how = _access(args)
    source = image_lists.push_source(args.places, one, where, how, docker=args.format == "v2s2")
    target = locate.target(args.places, where, how)
    try:
        with Bars(args.quiet) as bars:
            made = engine_copy.copy(source, "", target, options, args.places.tmp, bars)
            target.finish()
    finally:
        source.close()
        target.close()
    push.write_digest(args.digestfile, made)
    if args.rm:
        kept.remove(args.places, kept.LIST, one.name)
    return 0


def remove(args: Args) -> int:
    """Take an image out of a list and print the list's id."""
    print(image_lists.take_out(args.places, args.list, args.image).id)
    return 0


def rm(args: Args) -> int:
    """Remove lists; their images stay."""
    code = 0
    for word in args.lists:
        try:
            one = kept.find(args.places, kept.LIST, word)
            lines = list_names.remove(args.places, word, one, every_name=False)
        except ImageNotKnown as error:
            report(error)
            code = max(code, 1)
        except PypodError as error:
            report(error)
            code = error.code
        else:
            sys.stdout.write("".join(f"{line}\n" for line in lines))
    return code


def exists(args: Args) -> int:
    """End 0 when there is such a list, else 1."""
    return 0 if image_lists.known(args.places, args.list) else 1
