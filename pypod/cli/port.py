# SPDX-License-Identifier: Apache-2.0
"""port: where the host takes the traffic of a container's ports."""

from __future__ import annotations

from pypod.cli.lifecycle import latest
from pypod.errors import PypodError, UsageError
from pypod.spec import ports as spec_ports
from pypod.store import objects

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.cli.parse import Args
    from pypod.store.objects import Container


def port(args: Args) -> int:
    """Print the published ports: `80/tcp -> 0.0.0.0:8080`, or of one port only its place."""
    if args.all:
        if args.container or args.latest:
            raise UsageError("--all takes no container")
        for container in objects.every(args.places):
            for line in spec_ports.lines(_published(container)):
                print(f"{container.id[:12]}\t{line}")
        return 0
    wanted = args.port
    if args.latest:
        wanted = args.container or wanted  # the only word is the port then
        container = latest(args)
    elif args.container:
        container = objects.find(args.places, args.container)
    else:
        raise UsageError(_NEEDS)
    published = _published(container)
    if not wanted:
        for line in spec_ports.lines(published):
            print(line)
        return 0
    asked = spec_ports.expose(wanted, "port")
    places = [spec_ports.where(one) for one in published if one.shown() == asked[0].shown()]
    if not places:
        raise PypodError(
            f'failed to find published port "{asked[0].shown()}" of {container.name}',
            hint=f"pypod port {container.name} shows those that there are",
        )
    print("\n".join(places))
    return 0


_NEEDS = "you must supply a running container name or id"


def _published(container: Container) -> list[spec_ports.Port]:
    return spec_ports.from_words(container.create.get("ports", ()))
