# SPDX-License-Identifier: Apache-2.0
"""A further process in a running container, with a monitor of its own.

The monitor is forked from the caller's pypod and not from the container's monitor: the audit trail
names who typed `exec`, not who typed `run`.
"""

from __future__ import annotations

import os

from pypod.constants import FD_PIDFD, FD_PRESERVE
from pypod.engine.start import runtime_command, with_host_environment
from pypod.errors import WrongState
from pypod.kernel import log, procfs
from pypod.plan.compile import compile_exec
from pypod.runtime import init, monitor
from pypod.spec import process as spec_process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pypod.kernel.inherited import Inherited
    from pypod.runtime.attach import Channel
    from pypod.spec.facts import HostFacts
    from pypod.spec.options import ExecOptions
    from pypod.store.objects import Container


def start(
    container: Container, facts: HostFacts, options: ExecOptions, inherited: Inherited
) -> Channel:
    """Start the command of `options` in the container; return the channel to its monitor.

    `inherited` are descriptors for it; they are closed here once it has them.

    Raises WrongState when the container does not run, CommandNotFound and CommandNotInvocable.
    """
    status = container.status()
    pids = status.pids
    pidfd = None
    if status.name == "running" and pids is not None:
        pidfd = procfs.open_process(pids.pid, pids.start)
    if pidfd is None:
        raise WrongState(
            "can only create exec sessions on running containers: container state improper"
            f" ({container.name} is {status.name})",
            hint=f"pypod start {container.name}",
        )
    try:
        config, create = container.config, container.create
        # The map is the container's: joining it needs no newuidmap, whatever the caller lacks now.
        facts = facts.replace(map=create["map"])
        process = spec_process.exec_process(config, options, facts.cap_bounding)
        process = with_host_environment({"process": process}, create)["process"]
        ops = compile_exec(config, process, facts, descriptors=inherited.count)
        if log.debugging():
            for number, op in enumerate(ops):
                log.debug(f"plan {number}: {op.describe()}")
        inner: dict[str, Any] = config if not options.privileged else {}
        fds, command = runtime_command(ops, inner, container.places.cache, tty=options.tty)
        fds[FD_PIDFD] = os.dup(pidfd)
        fds.update((FD_PRESERVE + at, fd) for at, fd in enumerate(inherited.fds))
        try:
            channel = monitor.spawn(
                command,
                runtime_fds=fds,
                tty=options.tty,
                stdin=options.interactive,
                stdin_once=options.interactive,
            )
        finally:
            for fd in fds.values():
                os.close(fd)
        channel.started(lambda failure: init.explain(failure, ops))
        return channel
    finally:
        os.close(pidfd)
