# SPDX-License-Identifier: Apache-2.0
"""Following a container: its streams, its log, its end."""

from __future__ import annotations

import os

from pypod.engine import attach
from pypod.errors import PypodError
from pypod.kernel import procfs
from pypod.runtime import attach as runtime_attach
from pypod.store import logs as store_logs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pypod.kernel.paths import Places
    from pypod.runtime.attach import Channel
    from pypod.store.objects import Container
    from pypod.text.record import LogLine

LOG = "ctr.log"


def socket_name(id: str) -> str:
    """Return the name of a container's attach socket in the run root."""
    return id[:32]


def connect(places: Places, container: Container, *, stdin: bool) -> Channel:
    """Join the streams of a running container. Raises PypodError."""
    flags = runtime_attach.WANT_OUTPUT | (runtime_attach.SEND_STDIN if stdin else 0)
    return runtime_attach.connect(places.run, socket_name(container.id), flags, container.name)


def wait(container: Container) -> int:
    """Wait for the container's end; return its exit code, -1 when nobody knows it.

    One that was never started is waited for like docker's and podman's `wait`: it ends at once.
    """
    status = container.status()
    if not status.alive or status.pids is None:
        return status.code
    run = status.pids.run

    def read_exit() -> int | None:
        ended = container.exit()
        return ended.code if ended is not None and ended.run >= run else None

    channel = None
    if not status.unmonitored:
        try:
            channel = runtime_attach.connect(
                container.places.run, socket_name(container.id), runtime_attach.OBSERVE
            )
        except PypodError:
            pass  # the runtime directory is gone, or the container just ended
    monitor = (status.pids.monitor, status.pids.monitor_start)
    try:
        code = attach.wait(channel, monitor=monitor, read_exit=read_exit)
    finally:
        if channel is not None:
            channel.close()
    if code is None and status.unmonitored:
        from pypod.engine import stop

        stop.settle(container, status, None)
    return -1 if code is None else code


def log(
    container: Container,
    *,
    follow: bool = False,
    tail: int | None = None,
    since: int | None = None,
    until: int | None = None,
) -> Iterator[LogLine]:
    """Yield the records of a container's log; `follow` goes on until the container ends."""
    path = f"{container.directory}/{LOG}"
    if not follow:
        yield from store_logs.read(path, tail=tail, since=since, until=until)
        return
    status = container.status()
    pidfd = None
    if status.alive and status.pids is not None:
        pidfd = procfs.open_process(status.pids.monitor, status.pids.monitor_start)
    try:
        yield from store_logs.read(
            path,
            tail=tail,
            since=since,
            until=until,
            ended=lambda: pidfd is None,
            pidfd=pidfd,
        )
    finally:
        if pidfd is not None:
            os.close(pidfd)
