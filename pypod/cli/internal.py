# SPDX-License-Identifier: Apache-2.0
"""Hidden commands that pypod's own parts run."""

from __future__ import annotations

from pypod.engine import remove, stop
from pypod.errors import NoSuchContainer
from pypod.kernel.facts import facts as host_facts
from pypod.store import objects

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.cli.parse import Args


def cleanup(args: Args) -> int:
    """Remove a `--rm` container that has ended; its monitor runs this when no client will."""
    for name in args.containers:
        try:
            container = objects.find(args.places, name)
            status = container.status()
            if status.name == "stopping":
                stop.settle(container, status)
                status = container.status()
            if not status.alive and container.create["auto_remove"]:
                remove.remove(container, host_facts())
        except NoSuchContainer:
            continue
    return 0


def refresh_names(args: Args) -> int:
    """Bring resolv.conf of running containers up to date; their monitors run this on a change."""
    from pypod.engine import names

    for name in args.containers:
        try:
            container = objects.find(args.places, name)
            with container.lock():
                if container.status().alive:
                    names.follow(container)
        except NoSuchContainer:
            continue
    return 0
