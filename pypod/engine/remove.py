# SPDX-License-Identifier: Apache-2.0
"""Removing containers, and clearing away what killed commands left behind."""

from __future__ import annotations

import os

from pypod.engine import stop
from pypod.engine.remove_tree import remove_tree
from pypod.errors import NoSuchContainer, ObjectInUse, PypodError
from pypod.kernel.locks import Lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pypod.kernel.paths import Places
    from pypod.spec.facts import HostFacts
    from pypod.store.objects import Container

SIGTERM = 15


def remove(
    container: Container,
    facts: HostFacts,
    *,
    force: bool = False,
    seconds: float = 0,
    volumes: bool = False,
) -> None:
    """Remove a container: its record, its name, its writable layer.

    A running one is refused unless `force`, which stops it first, with `seconds` of patience before
    SIGKILL. With `volumes`, and always for a `--rm` container, its anonymous volumes go too. Raises
    ObjectInUse, NoSuchContainer.
    """
    for _attempt in range(3):
        with container.lock():
            status = container.status()
            if not status.alive:
                cidfile = _cidfile(container)
                create = _create_record(container)
                path = container.to_trash()
                break
        if not force:
            raise ObjectInUse(
                f"cannot remove container {container.id} as it is {status.name}:"
                " running or paused containers cannot be removed without force",
                hint=f"pypod stop {container.id[:12]} first, or use --force",
                code=2,
            )
        if seconds > 0:
            stop.stop(container, _stop_signal(container), seconds)
        else:
            stop.stop(container, stop.SIGKILL, 0)
    else:
        raise ObjectInUse(f"container {container.id[:12]} is started again and again", code=2)
    if cidfile:
        _drop_cidfile(cidfile, container.id)
    remove_tree(container.places, path, facts)
    if create.get("volumes") and (volumes or create.get("auto_remove")):
        from pypod.engine.volumes import remove_anonymous

        remove_anonymous(container.places, facts, create)
    if status.pids is not None:
        forget_socket(container.places, container.id)


def _cidfile(container: Container) -> str:
    try:
        if not container.summary.get("cidfile"):
            return ""
        return str(container.create["options"]["cidfile"])
    except (PypodError, KeyError):  # a damaged record can be removed too
        return ""


def _drop_cidfile(path: str, id: str) -> None:
    """Remove the --cidfile of a container that is gone, unless another container has it now."""
    try:
        with open(path, "rb") as file:
            ours = file.read(65).strip() == id.encode()
        if ours:
            os.unlink(path)
    except OSError:
        pass


def _create_record(container: Container) -> dict[str, Any]:
    try:
        return container.create
    except PypodError:  # a damaged record must be removable
        return {}


def _stop_signal(container: Container) -> int:
    try:
        return int(container.create["stop_signal"])
    except (PypodError, KeyError):  # a damaged record must not keep its container alive
        return SIGTERM


def discard_ended(container: Container, facts: HostFacts) -> None:
    """Remove a `--rm` container that has ended; somebody's `rm -f` may have been faster."""
    try:
        remove(container, facts, force=True)
    except NoSuchContainer:
        pass


def forget_socket(places: Places, id: str) -> None:
    """Remove the attach socket of a container whose monitor could not."""
    try:
        os.unlink(f"{places.run}/{id[:32]}")
    except OSError:
        pass


def sweep(places: Places, facts: HostFacts) -> None:
    """Delete what killed commands left: the trash, and staging that no live process holds.

    Costs two directory reads when there is nothing to do. Errors are left for the next sweep.
    """
    for name in _entries(places.trash):
        _delete_unless_held(places, f"{places.trash}/{name}", facts)
    for name in _entries(places.tmp):
        if name.startswith(("container-", "unpack-", "volume-")):
            _delete_unless_held(places, f"{places.tmp}/{name}", facts)


def _entries(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except FileNotFoundError:
        return []


def _delete_unless_held(places: Places, path: str, facts: HostFacts) -> None:
    try:
        lock = Lock(path)
    except OSError:
        return
    try:
        if lock.take(wait=False):
            remove_tree(places, path, facts)
    except (OSError, PypodError):
        pass
    finally:
        lock.close()
