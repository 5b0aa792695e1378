# SPDX-License-Identifier: Apache-2.0
"""A container's files as a tar stream, read by pypod-files.

A running one's whole tree is read in its own namespaces, under its mounts; a stopped one's is
mounted again, under the record's lock. Layers are read off the upper directory in both.
"""

from __future__ import annotations

import os

from pypod.errors import PypodError, WrongState
from pypod.kernel import procfs
from pypod.plan import tools
from pypod.plan.compile import is_nested
from pypod.runtime import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pypod.plan.ops import Op
    from pypod.spec.facts import HostFacts
    from pypod.store.objects import Container

_CHUNK = 1 << 18


def facts_of(container: Container, facts: HostFacts) -> HostFacts:
    """Return the facts with the map that the container was made with."""
    made: HostFacts = facts.replace(map=container.create["map"])
    return made


def export(container: Container, facts: HostFacts, fd: int) -> None:
    """Write the container's root file system as a tar to a descriptor. Raises PypodError."""
    kind = "single" if facts.map == "single" else "full"
    noun = f"container {container.id[:12]}"
    with container.lock():
        config = container.config
        status = container.status()
        if not status.alive:
            root = config["root"]["path"]
            words = ["pack", root, "flat", kind]
            argv = ["pypod-files", *words]
            plan = tools.compile_in_root(config, facts, argv, files.PROGRAM)
            if is_nested(config["linux"], facts):
                argv[2] = "/"
                plan = tools.compile_inside(config, facts, "", argv, files.PROGRAM)
            _run(facts, words, plan, fd, noun)
            return
    pidfd = None
    if status.name == "running" and status.pids is not None:
        pidfd = procfs.open_process(status.pids.pid, status.pids.start)
    if pidfd is None:
        raise WrongState(f"{noun} is ending: try again")
    try:
        words = ["pack", "/", "flat", kind]
        argv = ["pypod-files", *words]
        plan = tools.compile_joined(config, facts, argv, files.PROGRAM, files.PIDFD)
        _run(facts, words, plan, fd, noun, pidfd)
    finally:
        os.close(pidfd)


def _run(
    facts: HostFacts,
    words: list[str],
    plan: list[Op],
    fd: int,
    noun: str,
    pidfd: int | None = None,
) -> None:
    files.Worker(facts, words, plan=plan, stdout=fd, pidfd=pidfd).wait(noun)


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
    whole = False
    try:
        while chunk := os.read(reader, _CHUNK):
            yield chunk
        whole = True
    finally:
        os.close(reader)
        try:
            worker.wait(f"container {container.id[:12]}")
        except PypodError:
            if whole:
                raise  # else it was we who stopped reading


def upper(container: Container) -> str:
    """Return the writable layer's directory. Raises PypodError for a container without one."""
    path = f"{container.directory}/upper"
    if not container.create["image"]["id"] or not os.path.isdir(path):
        raise PypodError(f"container {container.name} has no image: its root is a directory")
    return path
