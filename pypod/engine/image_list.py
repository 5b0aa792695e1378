# SPDX-License-Identifier: Apache-2.0
"""The rows of `images`: which images, under which names, in what order, with what to say of each.

Costs one read of index.json and one of a summary per image; manifests and layers stay shut.
"""

from __future__ import annotations

import time

from pypod.engine import image_inspect, images, kept
from pypod.engine.image_remove import users
from pypod.errors import ImageNotKnown, PypodError, UsageError
from pypod.oci import reference
from pypod.store import layout
from pypod.text import units
from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from pypod.kernel.paths import Places
    from pypod.oci.image import ImageRecord

    Test = Callable[["Row"], bool]

SORTS = ("created", "id", "repository", "size", "tag")
_NO_NAME = "<none>"
_TRUE = ("1", "t", "T", "true", "TRUE", "True")
_FALSE = ("0", "f", "F", "false", "FALSE", "False")


class Row(Value):
    """An image under one of its names."""

    image: ImageRecord
    name: str
    """`repository:tag`, `repository@digest`, or nothing for a dangling image."""
    entries: tuple[dict[str, Any], ...]
    """All entries of the image in index.json."""

    @property
    def repository(self) -> str:
        """The name without its tag."""
        return reference.split_stored(self.name)[0] or _NO_NAME

    @property
    def tag(self) -> str:
        """The name's tag."""
        return reference.split_stored(self.name)[1] or _NO_NAME

    @property
    def names(self) -> list[str]:
        """All tagged names of the image."""
        return image_inspect.tagged_names(list(self.entries))

    @property
    def is_list(self) -> bool:
        """Whether it is a list of images."""
        return not any(map(layout.image_of, self.entries))

    @property
    def created(self) -> float:
        """When the image was made, in seconds since the epoch; 0 when it does not say."""
        try:
            return units.parse_time(self.image.created, 0)
        except ValueError:
            return 0.0

    @property
    def digest(self) -> str:
        """The digest that the registry knows the image by."""
        return self.image.original or self.image.manifest


def rows(
    places: Places, wanted: str = "", filters: Iterable[str] = (), sort: str = "created"
) -> list[Row]:
    """Return a row for each name of the images that pass, newest image first unless sorted.

    `wanted` is a name: all images of that repository, or the one with that tag. Raises UsageError,
    ImageNotKnown for an image that a filter names.
    """
    if sort not in SORTS:
        raise UsageError(
            f'"{sort}" is not a valid field for sorting. Choose from: {", ".join(SORTS)}'
        )
    passes = _tests(places, filters)
    found = []
    descriptors = layout.read(places)
    pairs = images.list_images(places, descriptors)
    if any(kept.LIST in layout.notes_of(entry) for entry in descriptors):
        from pypod.engine import list_names

        pairs += list_names.listed(descriptors)
        pairs.sort(key=lambda pair: pair[0].created, reverse=True)
    for image, entries in pairs:
        names = [layout.name_of(entry) for entry in entries if layout.name_of(entry)]
        shown = [name for name in names if "@" not in name] or names or [""]
        own = [Row(image, name, tuple(entries)) for name in shown]
        found += [row for row in own if passes(row) and (not wanted or _is_of(row, wanted))]
    if sort != "created":
        found.sort(key=_KEYS[sort])
    return found


_KEYS: dict[str, Callable[[Row], Any]] = {
    "id": lambda row: row.image.id,
    "repository": lambda row: (row.repository, row.tag),
    "size": lambda row: row.image.size,
    "tag": lambda row: (row.tag, row.repository),
}


_BOOLEANS: dict[str, Test] = {
    "dangling": lambda row: not row.names,
    "intermediate": lambda row: False,
    "manifest": lambda row: row.is_list,
    "readonly": lambda row: False,
}
"""Filters that are true or false. Intermediate and read-only images do not exist here."""


def containers_of(places: Places) -> dict[str, int]:
    """Return how many containers each image id has."""
    return {image_id: len(ids) for image_id, ids in users(places).items()}


def shown(row: Row, now: float, *, short: bool = True) -> dict[str, str]:
    """Return the columns of a plain `images`: what costs nothing per name of the image."""
    repository, tag = reference.split_stored(row.name)
    return {
        "ID": row.image.id[7:19] if short else row.image.id,
        "Repository": repository or _NO_NAME,
        "Tag": tag or _NO_NAME,
        "Digest": row.digest,
        "CreatedSince": since(row.created, now),
        "Size": units.human_size(row.image.size, 3, " "),
    }


def describe(row: Row, now: float, containers: int = 0, *, short: bool = True) -> dict[str, Any]:
    """Return the fields of `images --format` templates (podman's names)."""
    image, plain, names = row.image, shown(row, now, short=short), row.names
    return {
        **plain,
        "Id": image.id[7:],
        "ParentID": "",
        "ParentId": "",
        "CreatedAt": units.timestamp(row.created),
        "Created": plain["CreatedSince"],
        "CreatedTime": units.timestamp(row.created),
        "VirtualSize": image.size,
        "SharedSize": 0,
        "Labels": image.config.get("labels", {}),
        "Containers": containers,
        "Names": names,
        "RepoTags": names,
        "RepoDigests": image_inspect.repo_digests(list(row.entries)),
        "Dangling": not names,
        "ReadOnly": False,
        "History": ", ".join(names),
    }


def since(created: float, now: float) -> str:
    """Return how long ago that was; docker's `N/A` for what does not say when it was made."""
    return units.human_duration(now - created) + " ago" if created else "N/A"


def documents(found: list[Row], containers: dict[str, int]) -> list[dict[str, Any]]:
    """Return the objects of `images --format json`: one for each image."""
    made: dict[str, dict[str, Any]] = {}
    for row in found:
        image = row.image
        if image.id in made:
            continue
        digests = image_inspect.repo_digests(list(row.entries))
        made[image.id] = {
            "Id": image.id[7:],
            "ParentId": "",
            "RepoTags": row.names or None,
            "RepoDigests": digests,
            "Size": image.size,
            "SharedSize": 0,
            "VirtualSize": image.size,
            "Labels": image.config.get("labels"),
            "Containers": containers.get(image.id, 0),
            "Names": row.names,
            "Digest": row.digest,
            "History": row.names,
            "Created": int(row.created),
            "CreatedAt": image.created,
            **({} if row.names else {"Dangling": True}),
        }
    return list(made.values())


def _is_of(row: Row, wanted: str) -> bool:
    if not row.name:
        return False
    plain, at, digest = wanted.partition("@")
    if at and not any(digest in layout.digests(entry) for entry in row.entries):
        return False
    tagged = ":" in plain.rpartition("/")[2]
    own = row.name if tagged else row.repository
    full = list(images.candidates(plain))
    if own in (full if tagged else [name.rpartition(":")[0] for name in full]):
        return True
    return reference.is_short(plain) and own.endswith("/" + plain)


def _tests(places: Places, filters: Iterable[str]) -> Test:
    """Return one test: filters of one key are OR (label and times: AND), keys are AND."""
    groups: dict[str, list[Test]] = {}
    for word in filters:
        key, equals, value = word.partition("=")
        negated = key.endswith("!")
        key = key.rstrip("!")
        if not equals:
            raise UsageError(f'invalid image filter "{word}": must be KEY=VALUE or KEY!=VALUE')
        test = _test(places, key, value)
        if negated:
            test = _not(test)
        alone = negated or key in ("label", "before", "since", "after", "until")
        groups.setdefault(word if alone else key, []).append(test)
    return lambda row: all(any(test(row) for test in group) for group in groups.values())


def _not(test: Test) -> Test:
    return lambda row: not test(row)


def _test(places: Places, key: str, value: str) -> Test:
    if key in _BOOLEANS:
        if value not in _TRUE + _FALSE:
            raise UsageError(f'filter {key}: "{value}" is not a boolean')
        return lambda row: _BOOLEANS[key](row) == (value in _TRUE)
    if key == "containers":
        used = users(places)
        if value in _TRUE + _FALSE:
            return lambda row: (row.image.id in used) == (value in _TRUE)
        raise UsageError(f'filter containers: "{value}" is not a boolean')
    if key == "until":
        try:
            until = units.parse_time(value, time.time())
        except ValueError as error:
            raise UsageError(f"filter until: {error}") from None
        return lambda row: row.created < until
    if key == "reference":
        return lambda row: _matches(row, value)
    if key == "label":
        return lambda row: _labelled(row, value)
    if key in ("before", "since", "after"):
        try:
            other = images.find(places, value)
        except ImageNotKnown as error:
            raise PypodError(f"filter {key}: {error.message}") from None
        limit = Row(other, "", ()).created
        if key == "before":
            return lambda row: row.created < limit
        return lambda row: row.created > limit
    if key == "id":
        plain = value.removeprefix("sha256:")
        return lambda row: row.image.id[7:].startswith(plain)
    if key == "digest":
        return lambda row: any(
            digest.startswith(value) or digest[7:].startswith(value)
            for entry in row.entries
            for digest in layout.digests(entry)
        )
    raise UsageError(
        f'unsupported image filter "{key}"',
        hint="there are before containers dangling digest id intermediate label manifest readonly"
        " reference since until",
    )


def _matches(row: Row, pattern: str) -> bool:
    """Match a pattern with the whole name, or with as many last parts as the pattern has."""
    if not row.name:
        return False
    repository = row.repository
    last = "/".join(repository.split("/")[-(pattern.count("/") + 1) :])
    tag = "" if row.tag == _NO_NAME else f":{row.tag}"
    names = (repository, repository + tag, last, last + tag)
    return any(glob(name, pattern) for name in names)


def glob(text: str, pattern: str) -> bool:
    """Match Go's path.Match without its classes: `*` is any run without a slash, `?` one character.

    The fnmatch module is not on the start-up path: it needs `re`.
    """
    at = mark = 0
    star = -1
    for_ever = len(text)
    while at < for_ever:
        wanted = pattern[mark : mark + 1]
        if wanted == "*":
            star, mark, held = mark, mark + 1, at
        elif wanted and (wanted == text[at] or (wanted == "?" and text[at] != "/")):
            at, mark = at + 1, mark + 1
        elif star >= 0 and text[held] != "/":
            held += 1
            at, mark = held, star + 1
        else:
            return False
    return pattern[mark:].strip("*") == ""


def _labelled(row: Row, text: str) -> bool:
    key, equals, value = text.partition("=")
    labels = row.image.config.get("labels", {})
    return key in labels and (not equals or labels[key] == value)
