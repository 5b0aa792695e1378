# SPDX-License-Identifier: Apache-2.0
"""Starting a container: config.json to a plan, the plan to a monitor, the monitor's first word.

The record's lock is held from the look at the state to the monitor's answer, so that two `start`
commands cannot both win. Nothing here is undone when this process dies: the monitor has written
`pids` before the container's program runs.
"""

from __future__ import annotations

import os

from pypod.constants import FD_BPF, FD_CONSOLE, FD_EXE, FD_PIDFD, FD_PLAN, FD_PRESERVE, FD_STATUS
from pypod.engine import names, network, stop
from pypod.errors import PypodError
from pypod.kernel import log, memfd, paths
from pypod.kernel.locks import Lock
from pypod.plan import ops as plan_ops
from pypod.plan.compile import compile_run
from pypod.runtime import init, monitor, seccomp
from pypod.spec import process as spec_process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pypod.engine.network import Connection
    from pypod.kernel.inherited import Inherited
    from pypod.runtime.attach import Channel
    from pypod.spec.facts import HostFacts
    from pypod.store.objects import Container

CLAIM = "claim"
"""A lock file of the record: who holds it will remove a `--rm` container when it ends."""


def claim(container: Container, *, wait: bool = True) -> Lock:
    """Promise to remove the container when it ends; the promise ends with this process.

    Without `wait` the lock may be another's, whose promise holds then.
    """
    lock = Lock(f"{container.directory}/{CLAIM}", create=True)
    lock.take(wait=wait)
    return lock


def start(
    container: Container,
    facts: HostFacts,
    *,
    held: Lock | None = None,
    config: dict[str, Any] | None = None,
    create: dict[str, Any] | None = None,
    inherited: Inherited | None = None,
) -> Channel | None:
    """Start the container; return the channel to its monitor, None when it runs already.

    `held` is the record's lock when the caller has it; it is released. `config` and `create` spare
    reading what the caller has just written. `inherited` are descriptors for the container's
    process; they are closed here once it has them. Raises PypodError with the exit code of the
    failed start (126 and 127 for a command that cannot be run).
    """
    lock = held or container.lock()
    try:
        status = container.status()
        if status.alive:
            return None
        ended = container.exit()
        last = max(status.pids.run if status.pids else 0, ended.run if ended else 0)
        return _spawn(
            container,
            facts,
            config or container.config,
            create or container.create,
            last + 1,
            inherited,
        )
    finally:
        lock.close()


def _spawn(
    container: Container,
    facts: HostFacts,
    config: dict[str, Any],
    create: dict[str, Any],
    run: int,
    inherited: Inherited | None,
) -> Channel:
    facts = as_created(facts, create)
    if create.get("layers") and not create["options"].get("rootfs"):
        from pypod.engine import idmaps

        idmaps.ensure(container.places, facts, config, create)
    if create.get("volumes"):
        from pypod.engine import volumes

        volumes.before_start(container, facts, config, create)
    connection = network.connect(container.places, container.id, create, facts)
    try:
        return _spawn_connected(container, facts, config, create, run, inherited, connection)
    finally:
        if connection.namespace >= 0:
            os.close(connection.namespace)


def _spawn_connected(
    container: Container,
    facts: HostFacts,
    config: dict[str, Any],
    create: dict[str, Any],
    run: int,
    inherited: Inherited | None,
    connection: Connection,
) -> Channel:
    watch = names.refresh(container, config, create, connection.reach)
    if create.get("layers"):
        from pypod.engine import idmaps

        idmaps.let_root_write(container.directory, facts, config)
    config = network.joined_config(with_host_environment(config, create), connection)
    count, listen = (inherited.count, inherited.environment) if inherited else (0, ())
    config = with_environment(config, list(listen))
    socket = os.environ.get("NOTIFY_SOCKET", "")
    if socket:
        from pypod.engine import notify

        config = notify.prepare(config, create, socket)
    ops = compile_run(config, facts, descriptors=count, listening=bool(listen))
    if log.debugging():
        for number, op in enumerate(ops):
            log.debug(f"plan {number}: {op.describe()}")
    places = container.places
    paths.private_directory(places.run)
    stop.forget(container)
    record = os.open(container.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    sockets = os.open(places.run, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    fds, command = runtime_command(ops, config, places.cache, tty=create["tty"])
    if inherited:
        fds.update((FD_PRESERVE + at, fd) for at, fd in enumerate(inherited.fds))
    if connection.namespace >= 0:
        fds[FD_PIDFD] = os.dup(connection.namespace)
    if connection.words:
        command += ("--namespaces", "1")
    exit_words: list[str] = []
    if create["auto_remove"]:
        exit_words = own_command(container, "cleanup")
    try:
        channel = monitor.spawn(
            command,
            runtime_fds=fds,
            record_fd=record,
            sockets_fd=sockets,
            tty=create["tty"],
            stdin=create["interactive"],
            stdin_once=create["stdin_once"],
            run=run,
            log="ctr.log",
            log_size_max=create.get("log_size_max", 0),
            attach_name=container.id[:32],
            timeout=create.get("timeout", 0),
            exit_words=exit_words,
            watch=watch,
            watch_words=own_command(container, "refresh-names") if watch else (),
            network=connection,
        )
    finally:
        for fd in (record, sockets, *fds.values()):
            os.close(fd)
    pid = channel.started(lambda failure: init.explain(failure, ops), create["name"])
    options = create.get("options", {})
    if path := options.get("pidfile"):
        _write_pidfile(path, pid)
    if path := options.get("conmon_pidfile"):
        _write_pidfile(path, channel.pid)
    if socket and channel.pid:
        notify.tell(create, channel.pid, socket)
    return channel


def _write_pidfile(path: str, pid: int | None) -> None:
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(str(pid))
    except OSError as error:
        log.warn(f"cannot write pid file {path}: {error.strerror}")


def as_created(facts: HostFacts, create: dict[str, Any]) -> HostFacts:
    """Return the facts with the id map that the container was made with.

    Raises PypodError when the caller cannot make that map again.
    """
    if create["map"] == facts.map:
        return facts
    if facts.map == "single":
        name = create["name"]
        raise PypodError(f"{name} was made with subordinate ids, and {facts.single_reason}")
    changed: HostFacts = facts.replace(map=create["map"])
    return changed


def runtime_command(
    ops: list[plan_ops.Op], config: dict[str, Any], cache: str, *, tty: bool
) -> tuple[dict[int, int], list[str]]:
    """Return the descriptors and the command line that execute a plan under a monitor."""
    fds: dict[int, int] = {}
    try:
        fds[FD_EXE] = memfd.helper("pypod-init")
        fds[FD_PLAN] = memfd.sealed("plan", plan_ops.serialise(ops))
        profile = config.get("linux", {}).get("seccomp")
        if profile is not None:
            fds[FD_BPF] = seccomp.filter_fd(profile, cache)
    except BaseException:
        for fd in fds.values():
            os.close(fd)
        raise
    command = [f"/proc/self/fd/{FD_EXE}", "--plan", str(FD_PLAN), "--status", str(FD_STATUS)]
    if tty:
        command += ["--console", str(FD_CONSOLE)]
    return fds, command


def with_host_environment(config: dict[str, Any], create: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration with the caller's proxy variables, which no record holds."""
    if not create.get("http_proxy", True):
        return config
    return with_environment(config, spec_process.proxy_env(dict(os.environ)))


def with_environment(config: dict[str, Any], added: list[str]) -> dict[str, Any]:
    """Return the configuration with more variables; those that it sets itself stay."""
    names = {entry.partition("=")[0] for entry in config["process"]["env"]}
    fresh = [entry for entry in added if entry.partition("=")[0] not in names]
    if not fresh:
        return config
    process = {**config["process"], "env": config["process"]["env"] + fresh}
    return {**config, "process": process}


def own_command(container: Container, verb: str) -> list[str]:
    """Return a command that a monitor starts: `pypod container VERB ID`, in a clean environment.

    `cleanup` removes the container when nobody else will, `refresh-names` follows the host's names.
    """
    import sys

    places = container.places
    return [
        "/usr/bin/env",
        "-i",
        f"HOME={os.environ.get('HOME', '/')}",
        "PATH=/usr/local/bin:/usr/bin:/bin",
        *pypod_command(sys.executable),
        "--root",
        places.graph,
        "--runroot",
        places.run,
        "container",
        verb,
        container.id,
    ]


def pypod_command(python: str) -> list[str]:
    """Return the command line that runs this very pypod."""
    # Not PATH and not argv[0] alone: whatever is called pypod there now may be another program.
    import pypod

    package = os.path.dirname(os.path.dirname(os.path.abspath(pypod.__file__)))
    code = (
        "import sys; sys.path.insert(0, sys.argv.pop(1)); from pypod.__main__ import main; main()"
    )
    return [python, "-IS", "-c", code, package]


def failed_to_start(error: PypodError) -> bool:
    """Say whether the error is the container's command's own: the record stays, as Created."""
    return error.code in (126, 127)
