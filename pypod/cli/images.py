# SPDX-License-Identifier: Apache-2.0
"""images, rmi, tag, untag: the images of this store."""

from __future__ import annotations

import sys
import time

from pypod.cli.lifecycle import report
from pypod.engine import image_inspect, images as engine_images
from pypod.errors import ImageNotKnown, PypodError, UsageError
from pypod.oci import reference
from pypod.output import columns, listing
from pypod.store import layout
from pypod.text import units

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pypod.cli.parse import Args
    from pypod.oci.image import ImageRecord

    Line = tuple[ImageRecord, str]
    """An image under one of its names; the name is empty for a dangling one."""


def images(args: Args) -> int:
    """List images, a line for each name."""
    found = [
        (image, layout.name_of(entry))
        for image, entries in engine_images.list_images(args.places)
        for entry in entries
    ]
    test = _tests(args)
    lines = [line for line in found if test(line) and _named(line, args.name)]
    now = time.time()
    if args.quiet and not args.format:
        ids = dict.fromkeys(_shown_id(args, image) for image, _ in lines)
        sys.stdout.write("".join(f"{one}\n" for one in ids))
        return 0
    if args.format:
        rows = [_template_row(args, line, now) for line in lines]
        as_json = _json_rows(lines, now) if "json" in args.format else []
        listing.show(rows, args.format, as_json, heading=not args.noheading)
        return 0
    headings = ["REPOSITORY", "TAG", *(["DIGEST"] if args.digests else [])]
    table = [] if args.noheading else [[*headings, "IMAGE ID", "CREATED", "SIZE"]]
    for line in lines:
        row = _template_row(args, line, now)
        digest = [row["Digest"]] if args.digests else []
        cells = [row["Repository"], row["Tag"], *digest, row["ID"], row["CreatedSince"], row["Size"]]
        table.append(cells)
    columns.print_table(table)
    return 0


def _shown_id(args: Args, image: ImageRecord) -> str:
    return image.id if args.no_trunc else image.id[7:19]


def _template_row(args: Args, line: Line, now: float) -> dict[str, Any]:
    image, name = line
    repository, tag = _split(name)
    created = _created(image)
    return {
        "ID": _shown_id(args, image),
        "Id": image.id[7:],
        "Repository": repository,
        "Tag": tag,
        "Digest": image.original or image.manifest,
        "CreatedAt": units.timestamp(created),
        "Created": units.human_duration(now - created) + " ago",
        "CreatedSince": units.human_duration(now - created) + " ago",
        "Size": units.human_size(image.size),
        "Labels": image.config.get("labels", {}),
        "Containers": 0,
        "History": [],
    }


def _split(name: str) -> tuple[str, str]:
    if not name:
        return "<none>", "<none>"
    parsed = reference.parse(name)
    return parsed.repository, parsed.tag


def _created(image: ImageRecord) -> float:
    try:
        return units.parse_time(image.created, 0)
    except ValueError:
        return 0.0


def _json_rows(lines: list[Line], now: float) -> list[dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    for image, name in lines:
        row = rows.setdefault(
            image.id,
            {
                "Id": image.id[7:],
                "ParentId": "",
                "RepoTags": None,
                "RepoDigests": [],
                "Size": image.size,
                "SharedSize": 0,
                "VirtualSize": image.size,
                "Labels": image.config.get("labels"),
                "Containers": 0,
                "Names": [],
                "Digest": image.original or image.manifest,
                "History": [],
                "Created": int(_created(image)),
                "CreatedAt": units.timestamp_rfc3339(_created(image)),
            },
        )
        if name:
            row["Names"].append(name)
            row["RepoDigests"] = image_inspect.repo_digests(image, row["Names"])
    return list(rows.values())


def _named(line: Line, wanted: str) -> bool:
    if not wanted:
        return True
    name = line[1]
    if not name:
        return False
    repository = _split(name)[0]
    plain = wanted.partition("@")[0]
    has_tag = ":" in plain.rpartition("/")[2]
    return (name if has_tag else repository) in _complete(plain, has_tag) or (
        (name if has_tag else repository).endswith("/" + plain)
    )


def _complete(plain: str, has_tag: bool) -> list[str]:
    try:
        names = reference.candidates(plain)
    except UsageError:
        return []
    return names if has_tag else [name.rpartition(":")[0] for name in names]


def _tests(args: Args) -> Callable[[Line], bool]:
    tests: list[Callable[[Line], bool]] = []
    for word in args.filter:
        key, equals, value = word.partition("=")
        if not equals:
            raise UsageError(f'invalid filter "{word}": must be in the form of key=value')
        if key == "dangling":
            wanted = value.lower() in ("true", "1")
            tests.append(lambda line, wanted=wanted: (not line[1]) == wanted)
        elif key == "reference":
            tests.append(lambda line, value=value: _matches(line, value))
        elif key == "label":
            tests.append(lambda line, value=value: _labelled(line[0], value))
        elif key in ("before", "since"):
            at = _created(engine_images.find(args.places, value))
            tests.append(
                lambda line, at=at, key=key: (
                    _created(line[0]) < at if key == "before" else _created(line[0]) > at
                )
            )
        elif key == "id":
            plain = value.removeprefix("sha256:")
            tests.append(lambda line, plain=plain: line[0].id[7:].startswith(plain))
        else:
            raise UsageError(
                f'"{key}" is an invalid filter',
                hint="filters: before dangling id label reference since",
            )
    return lambda line: all(test(line) for test in tests)


def _matches(line: Line, pattern: str) -> bool:
    import fnmatch

    name = line[1]
    if not name:
        return False
    repository = _split(name)[0]
    short = repository.rpartition("/")[2]
    names = (name, repository, short, name.rpartition("/")[2])
    return any(fnmatch.fnmatchcase(one, pattern) for one in names)


def _labelled(image: ImageRecord, text: str) -> bool:
    key, equals, value = text.partition("=")
    labels = image.config.get("labels", {})
    return key in labels and (not equals or labels[key] == value)


def rmi(args: Args) -> int:
    """Remove images: exit 1 when one is missing, 2 when one is in use."""
    from pypod.engine import remove
    from pypod.kernel.facts import facts as host_facts
    from pypod.store import objects

    facts, places = host_facts(), args.places
    names = list(args.images)
    if args.all:
        if names:
            raise UsageError("when using the --all switch, you may not pass any images names or IDs")
        names = [image.id for image, _ in engine_images.list_images(places)]
    elif not names:
        raise UsageError("image name or ID must be specified")

    def remove_container(id: str) -> None:
        remove.remove(objects.Container(places, id), facts, force=True)

    code = 0
    for name in names:
        try:
            lines = engine_images.remove(
                places,
                facts,
                name,
                force=args.force or args.all,
                remove_container=remove_container if args.force else None,
            )
        except ImageNotKnown as error:
            if not (args.ignore or args.force):
                report(error)
                code = max(code, 1)
        except PypodError as error:
            report(error)
            code = max(code, error.code)
        else:
            sys.stdout.write("".join(f"{line}\n" for line in lines))
    return code


def tag(args: Args) -> int:
    """Give an image more names."""
    engine_images.tag(args.places, args.image, args.names)
    return 0


def untag(args: Args) -> int:
    """Take names from an image, all of them when none is given."""
    engine_images.untag(args.places, args.image, args.names)
    return 0


def exists(args: Args) -> int:
    """End 0 when the image is here, 1 when it is not."""
    try:
        engine_images.find_descriptor(args.places, args.image)
    except ImageNotKnown:
        return 1
    return 0
