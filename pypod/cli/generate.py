# SPDX-License-Identifier: Apache-2.0
"""generate systemd: a container's unit on standard output or in files."""

from __future__ import annotations

import os

from pypod.cli import replay
from pypod.engine import generate
from pypod.errors import UsageError
from pypod.kernel import fastjson, log
from pypod.spec.process import environment
from pypod.store import objects

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.cli.parse import Args


def systemd(args: Args) -> int:
    """Print the unit of a container, or write it into the working directory."""
    if args.format not in ("", "json"):
        raise UsageError(f'unknown format "{args.format}"', hint="json, or no --format")
    container = objects.find(args.places, args.container)
    new = args.new or args.template
    given = {
        field: getattr(args, field)
        for field in generate.UnitOptions._fields
        if hasattr(args, field)
    }
    given["environment"] = tuple(environment((), (), args.env, os.environ, {}))
    options = generate.UnitOptions(**given)
    command = replay.command(container.create["command_line"]) if new else None
    name, text = generate.unit(container, options, command)
    shown = text
    if args.files:
        shown = generate.write(os.getcwd(), name, text)
        if not generate.lingers():
            log.warn(
                "without linger this user's services end with the last login and do not start at"
                " boot: loginctl enable-linger"
            )
    if args.format == "json":
        shown = fastjson.dumps({name: shown})
    print(shown.removesuffix("\n"))
    return 0
