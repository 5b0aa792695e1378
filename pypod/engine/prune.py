# SPDX-License-Identifier: Apache-2.0
"""Removing what is not used: containers that do not run, images that no container has."""

from __future__ import annotations

import time

from pypod.engine import image_list, image_remove, ps, remove
from pypod.engine.image_list import Row
from pypod.errors import ImageNotKnown, NoSuchContainer, ObjectInUse, PypodError
from pypod.text import units

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pypod.kernel.paths import Places
    from pypod.spec.facts import HostFacts
    from pypod.store.objects import Container

    Test = Callable[[float, dict[str, str]], bool]


def test_of(filters: Iterable[str]) -> Test:
    """Return one test of (time of making, labels): until, label, label!; all must hold.

    Raises PypodError for other filters.
    """
    tests: list[Test] = []
    for word in filters:
        key, equals, value = word.partition("=")
        if not equals:
            raise PypodError(f'invalid filter "{word}": must be in the form of key=value')
        if key == "until":
            tests.append(_until(value))
        elif key in ("label", "label!"):
            tests.append(_label(value, wanted=key == "label"))
        else:
            raise PypodError(f'"{key}" is an invalid filter', hint="filters: label label! until")
    return lambda created, labels: all(test(created, labels) for test in tests)


def _until(value: str) -> Test:
    try:
        until = units.parse_time(value, time.time())
    except ValueError as error:
        raise PypodError(f"filter until: {error}") from None
    return lambda created, _labels: created < until


def _label(text: str, *, wanted: bool) -> Test:
    key, equals, value = text.partition("=")

    def test(_created: float, labels: dict[str, str]) -> bool:
        return (key in labels and (not equals or labels[key] == value)) == wanted

    return test


def containers(places: Places, filters: Iterable[str]) -> list[Container]:
    """Return the containers that do not run and pass the filters."""
    test = test_of(filters)
    found = []
    for row in ps.rows(places):
        if row.status.name not in ("created", "exited"):
            continue  # a record that cannot be read may be of one that runs
        try:
            labels = row.container.create.get("labels", {})
        except PypodError:
            labels = {}
        if test(float(row.summary.get("created", 0)), labels):
            found.append(row.container)
    return found


def remove_containers(
    places: Places, facts: HostFacts, filters: Iterable[str]
) -> Iterator[tuple[str, PypodError | None]]:
    """Remove them; yield each id, and what went wrong. One that is started meanwhile stays."""
    for container in containers(places, filters):
        try:
            remove.remove(container, facts)
        except NoSuchContainer:
            continue
        except PypodError as error:
            yield container.id, error
        else:
            yield container.id, None


def images(places: Places, filters: Iterable[str], *, every: bool) -> list[Row]:
    """Return the images that no container has: dangling ones, or all. One row for each image."""
    test = test_of(filters)
    used = image_list.containers_of(places)
    found: dict[str, Row] = {}
    for row in image_list.rows(places):
        unused = row.image.id not in used and (every or not any(_names(row)))
        if unused and test(row.created, row.image.config.get("labels", {})):
            found.setdefault(row.image.id, row)
    return list(found.values())


def _names(row: Row) -> list[str]:
    from pypod.store import layout

    return [layout.name_of(entry) for entry in row.entries]


def remove_images(
    places: Places, facts: HostFacts, filters: Iterable[str], *, every: bool
) -> Iterator[tuple[Row, PypodError | None]]:
    """Remove them; yield each, and what went wrong. One that gets a container meanwhile stays."""
    for row in images(places, filters, every=every):
        try:
            image_remove.remove(places, facts, row.image.id, every_name=every)
        except (ImageNotKnown, ObjectInUse):
            continue
        except PypodError as error:
            yield row, error
        else:
            yield row, None
