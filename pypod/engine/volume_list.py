# SPDX-License-Identifier: Apache-2.0
"""Volumes as `volume ls`, `inspect` and `prune` see them: which, and what to say of each."""

from __future__ import annotations

import time

from pypod.errors import CorruptStore, NoSuchVolume, ObjectInUse, PypodError
from pypod.store import objects
from pypod.store import volumes as store
from pypod.text import units

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from pypod.kernel.paths import Places
    from pypod.spec.facts import HostFacts
    from pypod.store.objects import Container
    from pypod.store.volumes import Volume

    Users = dict[str, list[Container]]
    Test = Callable[[Volume], bool]

_DRIVER = _SCOPE = "local"


def users(places: Places) -> Users:
    """Return the containers of each volume that has some, by the volume's name."""
    found: Users = {}
    for container in objects.every(places):
        try:
            records = container.create.get("volumes", ())
        except PypodError:
            continue
        for name in {one["source"] for one in records if one["kind"] == "volume"}:
            found.setdefault(name, []).append(container)
    return found


def describe(volume: Volume, used: Users) -> dict[str, Any]:
    """Return podman's document of a volume. Raises NoSuchVolume, CorruptStore."""
    todo = volume.first_use()
    running = [one for one in used.get(volume.name, ()) if one.status().alive]
    return {
        "Name": volume.name,
        "Driver": _DRIVER,
        "Mountpoint": volume.mountpoint,
        "CreatedAt": units.timestamp_rfc3339(volume.created),
        "Labels": volume.labels,
        "Scope": _SCOPE,
        "Options": volume.options,
        "Anonymous": volume.anonymous,
        "MountCount": len(running),
        "NeedsCopyUp": "copy" in todo,
        "NeedsChown": "owner" in todo,
    }


def inspect(places: Places, name: str) -> dict[str, Any]:
    """Return the document of the volume of a name. Raises NoSuchVolume, AmbiguousId."""
    return describe(store.find(places, name), users(places))


def chosen(places: Places, filters: Iterable[str]) -> list[Volume]:
    """Return the volumes that pass all filters, by name. Raises PypodError for a wrong filter."""
    test = tests(places, filters)
    found = []
    for volume in store.every(places):
        try:
            if volume.document is not None and test(volume):
                found.append(volume)
        except NoSuchVolume:
            continue
        except CorruptStore:
            if not filters:
                found.append(volume)
    return found


def tests(places: Places, filters: Iterable[str]) -> Test:
    """Return one test for `--filter KEY=VALUE` words: one key is OR (label: AND), keys are AND."""
    groups: dict[str, list[Test]] = {}
    for word in filters:
        key, equals, value = word.partition("=")
        if key not in _FILTERS:
            raise PypodError(
                f'"{key}" is an invalid volume filter', hint=" ".join(sorted(_FILTERS))
            )
        if not equals:
            raise PypodError(f'invalid filter "{word}": must be in the form of key=value')
        together = key.startswith("label")
        groups.setdefault(word if together else key, []).append(_FILTERS[key](value, places))
    wanted = list(groups.values())
    return lambda volume: all(any(test(volume) for test in group) for group in wanted)


def _by_name(value: str, _places: Places) -> Test:
    if not any(char in ".^$*+?{}[]\\|()" for char in value):
        return lambda volume: value in volume.name
    import re  # 4 ms that a plain word does not pay

    try:
        pattern = re.compile(value)
    except re.error as error:
        raise PypodError(f'filter name="{value}" is not a regular expression: {error}') from None
    return lambda volume: pattern.search(volume.name) is not None


def _by_label(value: str, _places: Places) -> Test:
    key, equals, wanted = value.partition("=")

    def test(volume: Volume) -> bool:
        labels = volume.labels
        return key in labels and (not equals or labels[key] == wanted)

    return test


def _without_label(value: str, places: Places) -> Test:
    with_label = _by_label(value, places)
    return lambda volume: not with_label(volume)


def _by_option(value: str, _places: Places) -> Test:
    key, equals, wanted = value.partition("=")

    def test(volume: Volume) -> bool:
        options = volume.options
        return key in options and (not equals or options[key] == wanted)

    return test


def _by_word(value: str, _places: Places) -> Test:
    return lambda _volume: value == _DRIVER


def _boolean(key: str, value: str) -> bool:
    if value.lower() in ("true", "1", "t"):
        return True
    if value.lower() in ("false", "0", "f"):
        return False
    raise PypodError(f'filter {key}="{value}" is true or false')


def _dangling(value: str, places: Places) -> Test:
    wanted = _boolean("dangling", value)
    used = users(places)
    return lambda volume: (volume.name not in used) == wanted


def _anonymous(value: str, _places: Places) -> Test:
    wanted = _boolean("anonymous", value)
    return lambda volume: volume.anonymous == wanted


def _until(value: str, _places: Places) -> Test:
    try:
        until = units.parse_time(value, time.time())
    except ValueError as error:
        raise PypodError(f"filter until: {error}") from None
    return lambda volume: volume.created < until


def _since(value: str, places: Places) -> Test:
    other = store.get(places, value)
    if other is None:
        raise NoSuchVolume(value)
    since = other.created
    return lambda volume: volume.created > since


_FILTERS: dict[str, Callable[[str, Places], Test]] = {
    "after": _since,
    "anonymous": _anonymous,
    "dangling": _dangling,
    "driver": _by_word,
    "label": _by_label,
    "label!": _without_label,
    "name": _by_name,
    "opt": _by_option,
    "scope": _by_word,
    "since": _since,
    "until": _until,
}


def prunable(places: Places, filters: Iterable[str], *, every: bool) -> list[Volume]:
    """Return what `volume prune` removes: unused, and anonymous unless `every`."""
    used = users(places)
    return [
        volume
        for volume in chosen(places, list(filters))
        if volume.name not in used and (every or volume.anonymous)
    ]


def remove(
    places: Places, facts: HostFacts, volume: Volume, *, force: bool = False, seconds: float = 0
) -> None:
    """Remove a volume that no container uses; with `force` those containers go first.

    Raises NoSuchVolume, and ObjectInUse (exit code 2) naming the containers.
    """
    from pypod.engine import remove as engine_remove
    from pypod.engine.remove_tree import remove_tree
    from pypod.engine.volumes import users as users_of
    from pypod.errors import NoSuchContainer

    for _attempt in range(5):
        for container in users_of(places, volume.name) if force else ():
            try:
                engine_remove.remove(container, facts, force=True, seconds=seconds)
            except NoSuchContainer:
                continue
        with volume.lock():
            left = list(users_of(places, volume.name))
            if not left:
                path = volume.to_trash()
                break
        if not force:
            names = ", ".join(one.id for one in left)
            raise ObjectInUse(
                f"volume {volume.name} is being used by the following container(s): {names}:"
                " volume is being used",
                hint="pypod rm the containers first, or use --force",
                code=2,
            )
    else:
        raise ObjectInUse(f"volume {volume.name} is taken again and again", code=2)
    remove_tree(places, path, facts)
