# SPDX-License-Identifier: Apache-2.0
"""logs: what a container wrote, its two streams on our two."""

from __future__ import annotations

import os
import time

from pypod.cli.lifecycle import latest
from pypod.engine import watch
from pypod.errors import UsageError
from pypod.store import objects
from pypod.text import units

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.cli.parse import Args


def logs(args: Args) -> int:
    """Print a container's log, from its beginning or its last lines, once or as it grows."""
    if args.latest:
        container = latest(args)
    elif args.container:
        container = objects.find(args.places, args.container)
    else:
        raise UsageError("logs needs a container", hint="pypod logs [OPTIONS] CONTAINER")
    records = watch.log(
        container,
        follow=args.follow,
        tail=args.tail if args.tail >= 0 else None,
        since=_time("--since", args.since),
        until=_time("--until", args.until),
    )
    for stamp, stream, whole, text in records:
        if stream == "lost":
            os.write(2, b"[pypod: " + text + b"]\n")
            continue
        line = (stamp + b" " if args.timestamps else b"") + text + (b"\n" if whole else b"")
        view = memoryview(line)
        while view:
            view = view[os.write(2 if stream == "stderr" else 1, view) :]
    return 0


def _time(option: str, text: str) -> int | None:
    if not text:
        return None
    try:
        now = time.time()
        return int(units.parse_time(text, now, time.localtime(now).tm_gmtoff) * 1e9)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None
