# SPDX-License-Identifier: Apache-2.0
"""inspect: the whole document of containers and images, or a template of it."""

from __future__ import annotations

import sys

from pypod.cli.lifecycle import latest, report
from pypod.engine import image_inspect as engine_images
from pypod.engine import inspect as engine_inspect
from pypod.errors import NoSuchObject, PypodError, UsageError
from pypod.kernel import fastjson
from pypod.oci import location
from pypod.output import listing
from pypod.store import objects

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pypod.cli.parse import Args


def inspect(args: Args) -> int:
    """Print a JSON array of documents: containers first, then images, then volumes."""
    kind = args.type or "all"
    if kind not in ("all", "container", "image", "volume"):
        known = ("network", "pod")
        if kind in known:
            raise UsageError(f"--type {kind}: there are no {kind}s yet")
        raise UsageError(f'invalid type "{kind}": container, image, volume or all')
    return show(args, list(args.names), kind)


def container_inspect(args: Args) -> int:
    """Print the documents of containers."""
    return show(args, list(args.containers), "container")


def image_inspect(args: Args) -> int:
    """Print the documents of images; of another place than the store, what is there."""
    words = [word.removeprefix(f"{location.STORE}:") for word in args.images]
    if args.raw or args.config or any(location.is_elsewhere(word) for word in words):
        from pypod.cli import image_remote

        return image_remote.inspect(args, words)
    return show(args, words, "image")


def show(args: Args, names: list[str], kind: str) -> int:
    """Print what is found as one array (or through --format), then report what is not."""
    documents: list[dict[str, Any]] = []
    failures: list[PypodError] = []
    if getattr(args, "latest", False):
        if names:
            raise UsageError("--latest and arguments cannot be used together")
        documents.append(engine_inspect.inspect(latest(args), size=args.size))
    elif not names:
        raise UsageError("you must provide at least one name or id")
    for name in names:
        try:
            documents.append(_one(args, name, kind))
        except NoSuchObject as error:
            failures.append(_nothing(args, name) if kind == "all" else error)
    if args.format and args.format != "json":
        for document in documents:
            sys.stdout.write(listing.line(args.format, document))
    elif documents or not args.format:
        print(fastjson.pretty(documents, 5) if documents else "[]")
    sys.stdout.flush()  # what was found stands before what was not, also in one file
    for failure in failures:
        report(failure)
    return failures[-1].code if failures else 0


def _nothing(args: Args, name: str) -> NoSuchObject:
    from pypod.engine import images
    from pypod.store import volumes

    error = NoSuchObject(f'no such object: "{name}"')
    error.word = name
    error.known = lambda: [
        *objects.known_names(args.places),
        *images.known_names(args.places),
        *volumes.known_names(args.places),
    ]
    return error


def _one(args: Args, name: str, kind: str) -> dict[str, Any]:
    if kind in ("all", "container"):
        try:
            container = objects.find(args.places, name)
            return engine_inspect.inspect(container, size=getattr(args, "size", False))
        except NoSuchObject:
            if kind == "container":
                raise
    if kind in ("all", "image"):
        try:
            return engine_images.inspect(args.places, name)
        except NoSuchObject:
            if kind == "image":
                raise
    from pypod.engine import volume_list

    return volume_list.inspect(args.places, name)
