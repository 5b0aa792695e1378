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
    """Return nanoseconds since 1970: exactly the time of a line when that is what was given."""
    if not text:
        return None
    now = time.time()
    zone = time.localtime(now).tm_gmtoff
    try:
        moment = units.parse_time(text, now, zone)
        whole, dot, rest = text.partition(".")
        after = rest.lstrip("0123456789")
        if not dot or (after and text[4:5] != "-"):  # no fraction, or a duration such as 1.5h
            return int(moment * 1e9)
        # A float has room for the seconds and some 300 ns: the fraction goes past it.
        fraction = rest[: len(rest) - len(after)][:9].ljust(9, "0")
        return int(units.parse_time(whole + after, now, zone)) * 10**9 + int(fraction)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None
