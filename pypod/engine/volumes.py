# SPDX-License-Identifier: Apache-2.0
"""The volumes of a container that is there: filled when it starts, removed with it.

Two locks never wait for each other: a container's may be held while volumes are awaited, in the
order of their names, never the other way round.
"""

from __future__ import annotations

import os

from pypod.engine.remove_tree import remove_tree
from pypod.errors import NoSuchContainer, NoSuchVolume, PypodError
from pypod.kernel import log
from pypod.plan import compile as plan
from pypod.store import objects
from pypod.store import volumes as store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from pypod.kernel.locks import Lock
    from pypod.kernel.paths import Places
    from pypod.spec.facts import HostFacts
    from pypod.store.objects import Container
    from pypod.store.volumes import Volume


def before_start(
    container: Container, facts: HostFacts, config: dict[str, Any], create: dict[str, Any]
) -> None:
    """Do what the container's volumes need before each start: layers of `O`, first content, `U`.

    Raises PypodError.
    """
    records = create["volumes"]
    for number, record in enumerate(records):
        if record.get("overlay") and not record.get("upper"):
            _fresh_layer(container, number, facts)
    places = container.places
    waiting = []
    for record in records:
        if record["kind"] == "volume" and record.get("path", "").startswith(places.volumes + "/"):
            volume = store.Volume(places, record["source"])
            if volume.first_use() and not record.get("overlay"):
                waiting.append((volume, record))
    if waiting:
        _first_use(container, facts, config, waiting)
    given = [one for one in records if one.get("chown") and one["kind"] != "tmpfs"]
    if given:
        _give(facts, config, given)


def _fresh_layer(container: Container, number: int, facts: HostFacts) -> None:
    path = f"{container.directory}/overlay{number}"
    if os.path.lexists(path):
        trash = f"{container.places.trash}/layer.{os.urandom(8).hex()}"
        os.rename(path, trash)
        remove_tree(container.places, trash, facts)
    for name in ("", "/upper", "/work"):
        os.mkdir(path + name, 0o755)


def _first_use(
    container: Container,
    facts: HostFacts,
    config: dict[str, Any],
    waiting: list[tuple[Volume, dict[str, Any]]],
) -> None:
    """Give volumes their first content and owner, all in one worker."""
    locks: list[Lock] = []
    chosen: dict[str, tuple[Volume, list[str], str]] = {}
    try:
        for volume, record in sorted(waiting, key=lambda pair: pair[0].name):
            if volume.name in chosen:
                continue
            locks.append(volume.lock())
            words = volume.first_use()
            if _is_used(volume):
                volume.set_first_use([])
                continue
            todo = [word for word in words if word != "copy" or record.get("copy", True)]
            if todo:
                chosen[volume.name] = volume, todo, record["destination"]
        if chosen:
            _fill(container, facts, config, list(chosen.values()))
    finally:
        for lock in locks:
            lock.close()


def _is_used(volume: Volume) -> bool:
    """Say whether the volume has files; False when that cannot be seen, or a copy is half moved."""
    if os.path.lexists(f"{volume.directory}/ready"):
        return False
    try:
        with os.scandir(volume.mountpoint) as entries:
            return next(entries, None) is not None
    except OSError:
        return False


def _fill(
    container: Container,
    facts: HostFacts,
    config: dict[str, Any],
    chosen: list[tuple[Volume, list[str], str]],
) -> None:
    from pypod.plan import tools
    from pypod.runtime import files

    words = ["copyup", config["root"]["path"], *_owner(facts, config)]
    words.append("single" if facts.map == "single" else "full")
    for volume, todo, destination in chosen:
        words += [destination, volume.directory, ",".join(todo)]
    ops = tools.compile_in_root(config, facts, ["pypod-files", *words], files.PROGRAM)
    answer = files.run(facts, words, f"volume {chosen[0][0].name}", plan=ops)
    for (volume, _todo, _), said in zip(chosen, answer.decode().split(), strict=False):
        if said in ("copied", "used"):
            volume.set_first_use([])
        else:
            volume.set_first_use([word for word in volume.first_use() if word != "owner"])


def _owner(facts: HostFacts, config: dict[str, Any]) -> list[str]:
    """Return the ids of the container's user in the map that tools.compile_in_map makes."""
    user = config["process"]["user"]
    ids: list[int | None] = [user["uid"], user["gid"]]
    linux = config.get("linux", {})
    if plan.is_nested(linux, facts):
        from pypod.spec import idmaps

        uids, gids = plan.extents(linux)
        ids = [
            idmaps.shifted(idmaps.shift(facts.uid_map, uids), user["uid"]),
            idmaps.shifted(idmaps.shift(facts.gid_map, gids), user["gid"]),
        ]
        if None in ids:
            raise PypodError(f"{user['uid']}:{user['gid']} is not in the container's id map")
    return [str(one) for one in ids]


def _give(facts: HostFacts, config: dict[str, Any], records: list[dict[str, Any]]) -> None:
    """Do what `U` asks for."""
    from pypod.engine.claim import check_given
    from pypod.plan import tools
    from pypod.runtime import files

    if facts.map == "single":
        log.warn("U changes nothing: there is a single id, and every file belongs to it")
        return
    words = ["chown", *_owner(facts, config)]
    for record in records:
        source = record.get("path") or record["source"]
        check_given(source, record["typed"])
        words += [source, record.get("subpath", "")]
    ops = tools.compile_in_map(config, facts, ["pypod-files", *words], files.PROGRAM)
    files.run(facts, words, f"cannot change the owner of {records[0]['destination']}", plan=ops)


def users(places: Places, name: str) -> Iterator[Container]:
    """Yield the containers that use a volume, running or not."""
    for container in objects.every(places):
        try:
            records = container.create.get("volumes", ())
        except PypodError:
            continue
        if any(one["kind"] == "volume" and one.get("source") == name for one in records):
            yield container


def remove_anonymous(places: Places, facts: HostFacts, create: dict[str, Any]) -> None:
    """Remove the anonymous volumes of a container that is gone; not those that another one uses."""
    for record in create.get("volumes", ()):
        if not record.get("anonymous"):
            continue
        try:
            volume = store.Volume(places, record["source"])
            with volume.lock():
                if next(users(places, volume.name), None) is not None:
                    continue
                path = volume.to_trash()
        except (NoSuchVolume, NoSuchContainer):
            continue
        remove_tree(places, path, facts)
