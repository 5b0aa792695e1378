# SPDX-License-Identifier: Apache-2.0
"""A container's files as a tar stream, read by pypod-files.

A running one's whole tree is read in its own namespaces, under its mounts; a stopped one's is
mounted again, under the record's lock. Layers are read off the upper directory in both.
"""

from __future__ import annotations

import os
from contextlib import contextmanager

from pypod.errors import PypodError, WrongState
from pypod.kernel import procfs
from pypod.plan import tools
from pypod.plan.compile import is_nested
from pypod.runtime import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pypod.spec.facts import HostFacts
    from pypod.store.objects import Container

_CHUNK = 1 << 18


def facts_of(container: Container, facts: HostFacts) -> HostFacts:
    """Return the facts with the map that the container was made with."""
    made: HostFacts = facts.replace(map=container.create["map"])
    return made


def export(container: Container, facts: HostFacts, fd: int) -> None:
    """Write the container's root file system as a tar to a descriptor. Raises PypodError."""
    with _packing(container, facts, fd, None) as worker:
        worker.wait(f"container {container.id[:12]}")


@contextmanager
def _packing(
    container: Container, facts: HostFacts, fd: int, latest: int | None
) -> Iterator[files.Worker]:
    """Pack the root file system: that of the namespaces where it runs, else mounted and locked."""
    kind = "single" if facts.map == "single" else "full"
    more = [] if latest is None else [str(latest)]
    with container.lock():
        config = container.config
        status = container.status()
        if not status.alive:
            words = ["pack", config["root"]["path"], "flat", kind, *more]
            argv = ["pypod-files", *words]
            plan = tools.compile_in_root(config, facts, argv, files.PROGRAM)
            if is_nested(config["linux"], facts):
                argv[2] = "/"
                plan = tools.compile_inside(config, facts, "", argv, files.PROGRAM)
            yield files.Worker(facts, words, plan=plan, stdout=fd)
            return
    pidfd = None
    if status.name == "running" and status.pids is not None:
        pidfd = procfs.open_process(status.pids.pid, status.pids.start)
    if pidfd is None:
        raise WrongState(f"container {container.id[:12]} is ending: try again")
    try:
        words = ["pack", "/", "flat", kind, *more]
        argv = ["pypod-files", *words]
        plan = tools.compile_joined(config, facts, argv, files.PROGRAM, files.PIDFD)
        yield files.Worker(facts, words, plan=plan, stdout=fd, pidfd=pidfd)
    finally:
        os.close(pidfd)


def layer(container: Container, facts: HostFacts, latest: int | None) -> Iterator[bytes]:
    """Yield what the container changed as an OCI layer; no time in it is later than `latest`.

    Raises PypodError.
    """
    kind = "single" if facts.map == "single" else "full"
    words = ["pack", upper(container), "layer", kind]
    if latest is not None:
        words.append(str(latest))
    argv = ["pypod-files", *words]
    config = container.config
    plan = tools.compile_in_map(config, facts, argv, files.PROGRAM)
    if is_nested(config["linux"], facts):
        argv[2] = "/"
        plan = tools.compile_inside(config, facts, words[1], argv, files.PROGRAM)
    reader, writer = os.pipe2(os.O_CLOEXEC)
    try:
        worker = files.Worker(facts, words, plan=plan, stdout=writer)
    except BaseException:
        os.close(reader)
        raise
    finally:
        os.close(writer)
    yield from _read(reader, worker, container)


def whole(container: Container, facts: HostFacts, latest: int | None) -> Iterator[bytes]:
    """Yield all that the container sees, without its mounts, as one layer. Raises PypodError."""
    upper(container)
    reader, writer = os.pipe2(os.O_CLOEXEC)
    try:
        with _packing(container, facts, writer, latest) as worker:
            os.close(writer)
            given, reader, writer = reader, -1, -1
            yield from _read(given, worker, container)
    finally:
        for fd in (reader, writer):
            if fd >= 0:
                os.close(fd)


def _read(reader: int, worker: files.Worker, container: Container) -> Iterator[bytes]:
    """Yield what a worker writes, then close and wait. Raises PypodError."""
    done = False
    try:
        while chunk := os.read(reader, _CHUNK):
            yield chunk
        done = True
    finally:
        os.close(reader)
        try:
            worker.wait(f"container {container.id[:12]}")
        except PypodError:
            if done:
                raise  # else it was we who stopped reading


def upper(container: Container) -> str:
    """Return the writable layer's directory. Raises PypodError for a container without one."""
    path = f"{container.directory}/upper"
    if not container.create["image"]["id"] or not os.path.isdir(path):
        raise PypodError(f"container {container.name} has no image: its root is a directory")
    return path
