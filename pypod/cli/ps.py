# SPDX-License-Identifier: Apache-2.0
"""ps: containers as a table, through a template, or as JSON."""

from __future__ import annotations

import sys
import time

from pypod.engine import ps as engine_ps
from pypod.errors import UsageError
from pypod.output import columns, listing
from pypod.text import units

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pypod.cli.parse import Args
    from pypod.engine.ps import Row

_HEADINGS = ("CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES")


def ps(args: Args) -> int:
    """List containers: those that run, or what the options choose."""
    if args.quiet and args.size:
        raise UsageError("quiet and size are mutually exclusive")
    rows = _chosen(args)
    now = time.time()
    if args.quiet and not args.format:
        ids = (row.container.id if args.no_trunc else row.container.id[:12] for row in rows)
        sys.stdout.write("".join(f"{one}\n" for one in ids))
        return 0
    if args.format:
        described = [_template_row(args, row, now) for row in rows]
        as_json = [_json_row(row, now) for row in rows] if "json" in args.format else []
        listing.show(described, args.format, as_json, heading=not args.noheading)
        return 0
    table = [] if args.noheading else [[*_HEADINGS, *(["SIZE"] if args.size else [])]]
    table += [_line(args, row, now) for row in rows]
    columns.print_table(table)
    return 0


def _chosen(args: Args) -> list[Row]:
    rows = engine_ps.rows(args.places)
    last = 1 if args.latest else args.last
    by_status = any(word.startswith(("status=", "exited=")) for word in args.filter)
    test = engine_ps.tests(args.filter)
    if not (args.all or last >= 0 or by_status):
        rows = [row for row in rows if row.status.alive]
    rows = [row for row in rows if test(row)]
    # Oldest first, as podman; docker has the newest first.
    return rows[max(len(rows) - last, 0) :] if last >= 0 else rows


def _line(args: Args, row: Row, now: float) -> list[str]:
    command = " ".join(row.summary["command"])
    if args.no_trunc:
        command = " ".join(row.create.get("command", ()))
    elif len(command) > 20:
        command = command[:17] + "..."
    line = [
        row.container.id if args.no_trunc else row.container.id[:12],
        row.summary["image"],
        command,
        units.human_duration(now - row.created) + " ago",
        engine_ps.status_text(row, now),
        engine_ps.ports(row),
        row.summary["name"],
    ]
    return [*line, _size(row)] if args.size else line


def _size(row: Row) -> str:
    own, whole = engine_ps.sizes(row.container)
    return f"{units.human_size(own)} (virtual {units.human_size(whole)})"


def _template_row(args: Args, row: Row, now: float) -> dict[str, Any]:
    fields = engine_ps.describe(row, now)
    if not args.no_trunc:
        fields["ID"] = fields["ID"][:12]
    if "Size" in args.format:
        fields["Size"] = _size(row)
    return fields


def _json_row(row: Row, now: float) -> dict[str, Any]:
    fields = engine_ps.describe(row, now)
    return {
        "AutoRemove": fields["AutoRemove"],
        "Command": row.create.get("command", []),
        "CreatedAt": fields["CreatedHuman"],
        "Exited": fields["Exited"],
        "ExitedAt": fields["ExitedAt"],
        "ExitCode": fields["ExitCode"],
        "Id": fields["ID"],
        "Image": fields["Image"],
        "ImageID": fields["ImageID"].removeprefix("sha256:"),
        "IsInfra": False,
        "Labels": fields["Labels"],
        "Mounts": row.create.get("mounts", []),
        "Names": [fields["Names"]],
        "Namespaces": {},
        "Networks": [fields["Networks"]] if fields["Networks"] else [],
        "Pid": fields["Pid"],
        "Pod": "",
        "PodName": "",
        "Ports": engine_ps.mappings(row),
        "Restarts": 0,
        "Size": None,
        "StartedAt": fields["StartedAt"],
        "State": fields["State"],
        "Status": fields["Status"],
        "Created": fields["Created"],
    }
