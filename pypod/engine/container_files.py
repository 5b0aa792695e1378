# SPDX-License-Identifier: Apache-2.0
"""A container's files as a tar stream or a list of changes, read by pypod-files.

A running one's whole tree is read in its own namespaces, under its mounts; a stopped one's is
mounted again, under the record's lock. Layers are read off the upper directory in both.
"""

from __future__ import annotations

import os

from pypod.errors import PypodError, WrongState
from pypod.kernel import procfs
from pypod.plan import tools
from pypod.runtime import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pypod.plan.ops import Op
    from pypod.spec.facts import HostFacts
    from pypod.store.objects import Container

_CHUNK = 1 << 18
_OURS = frozenset(
    (
        "/dev /etc/hostname /etc/hosts /etc/mtab /etc/resolv.conf /proc /run /run/.containerenv"
        " /run/notify /run/secrets /sys"
    ).split()
)
"""Places that pypod makes in every container: no change of the container's (podman's list)."""


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
    plan = tools.compile_in_map(container.config, facts, argv, files.PROGRAM)
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


def changes(
    facts: HostFacts, upper_path: str, lowers: list[str], plan_config: dict[str, object] | None
) -> list[tuple[str, str]]:
    """Return (A, C or D, path) for what a layer changes of those below it, the uppermost first.

    In path order. `plan_config` is that of a container, whose id map is then used.
    """
    words = ["diff", upper_path, *lowers]
    plan = None
    if plan_config is not None:
        argv = ["pypod-files", *words]
        plan = tools.compile_in_map(plan_config, facts, argv, files.PROGRAM)
    answer = files.run(facts, words, "diff", plan=plan)
    found = [one.decode("utf-8", "surrogateescape") for one in answer.split(b"\0") if one]
    pairs = [(one[0], one[2:]) for one in found]
    kept = [pair for pair in pairs if pair[1] not in _OURS]
    return sorted(kept, key=lambda pair: pair[1])
