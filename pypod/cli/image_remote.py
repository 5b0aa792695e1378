# SPDX-License-Identifier: Apache-2.0
"""image inspect of other places than the store: only manifest and configuration are fetched."""

from __future__ import annotations

import sys

from pypod.cli import access, image_copy
from pypod.engine import image_peek, locate
from pypod.kernel import fastjson, paths
from pypod.kernel.facts import facts as host_facts
from pypod.oci import location
from pypod.output import listing
from pypod.registry.login import Refused
from pypod.registry.repository import Repository

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pypod.cli.parse import Args


def inspect(args: Args, words: list[str]) -> int:
    """Print the documents of images anywhere, or their manifests or configurations."""
    paths.prepare(args.places)
    documents: list[dict[str, Any]] = []
    for word in words:
        where = location.parse(word)
        source, wanted = locate.source(
            args.places, where, image_copy.one_access(args), whole=args.raw and not args.config
        )
        try:
            found = image_peek.peek(source, wanted, access.platform(args, host_facts()))
            if args.raw:
                _write(found.config if args.config else found.top.body)
            elif args.config:
                print(fastjson.pretty(fastjson.loads(found.config), 4))
            else:
                tags = _tags(source, args)
                documents.append(image_peek.describe(found, where, tags))
        finally:
            source.close()
    if documents and args.format and args.format != "json":
        for document in documents:
            sys.stdout.write(listing.line(args.format, document))
    elif documents:
        print(fastjson.pretty(documents, 5))
    return 0


def _tags(source: object, args: Args) -> list[str]:
    if args.no_tags or not isinstance(source, Repository):
        return []
    try:
        return source.tags()
    except Refused:
        return []  # some registries let an image be read and not the list of them


def _write(data: bytes) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
