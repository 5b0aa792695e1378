# SPDX-License-Identifier: Apache-2.0
"""Starting pypod-monitor, which starts the runtime and stays with the container."""

from __future__ import annotations

import _socket
import fcntl
import os

from pypod.constants import FD_CHANNEL, FD_RECORD, FD_SOCKETS
from pypod.errors import PypodError
from pypod.kernel.memfd import helper_path
from pypod.kernel.tty import window_size
from pypod.runtime.attach import Channel, enlarge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Protocol

    class Network(Protocol):
        """What of a connection concerns the monitor (engine/network.py)."""

        @property
        def words(self) -> tuple[str, ...]: ...
        @property
        def requests(self) -> tuple[str, ...]: ...
        @property
        def socket(self) -> str: ...
        @property
        def ready_fd(self) -> int: ...
        @property
        def outside(self) -> bool: ...

_CLEAN = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
_SAFE = 64
"""Descriptors are first moved to here, above every number that they will be placed at."""


def spawn(
    runtime_argv: Sequence[str],
    *,
    runtime_fds: Mapping[int, int],
    record_fd: int | None = None,
    sockets_fd: int | None = None,
    tty: bool = False,
    stdin: bool = False,
    stdin_once: bool = False,
    run: int = 0,
    log: str | None = None,
    log_size_max: int = 0,
    log_keep: int = 1,
    attach_name: str | None = None,
    timeout: int = 0,
    exit_words: Sequence[str] = (),
    watch: Sequence[str] = (),
    watch_words: Sequence[str] = (),
    window: tuple[int, int] | None = None,
    environ: Mapping[str, str] | None = None,
    network: Network | None = None,
) -> Channel:
    """Start a monitor and return the channel to it; ask its `started` how the start went.

    `runtime_fds` maps the numbers that the runtime sees (6 and up) to descriptors of ours, which
    stay open here. `record_fd` is the container's record directory (None: an exec session, nothing
    is recorded), `sockets_fd` the run root. `exit_words` is the command to start at the end unless
    the file `claim` in the record is locked. `window` is (rows, columns) of the new terminal, by
    default of the terminal on our stdin, if there is one.
    When one of the files `watch` changes the command `watch_words` is started.
    After `timeout` seconds the monitor kills the container (0: never).
    `network` is the program that connects the container's network, if there is one; the runtime
    must then be told to send the namespaces.
    `environ` is that of the monitor, the runtime and the exit command (none: only a PATH).
    Raises PypodError.
    """
    argv = [helper_path("pypod-monitor")]
    argv += (flag for flag, wanted in (("--tty", tty), ("--stdin", stdin)) if wanted)
    if stdin_once:
        argv.append("--stdin-once")
    targets = {FD_CHANNEL: -1}
    if record_fd is None:
        argv.append("--no-record")
    else:
        argv += ("--run", str(run))
        targets[FD_RECORD] = record_fd
    if log is not None:
        argv += ("--log", log, "--log-size-max", str(log_size_max), "--log-keep", str(log_keep))
    if attach_name is not None and sockets_fd is not None:
        argv += ("--attach-name", attach_name)
        targets[FD_SOCKETS] = sockets_fd
    if timeout:
        argv += ("--timeout", str(timeout))
    for number in sorted(runtime_fds):
        argv += ("--fd", str(number))
        targets[number] = runtime_fds[number]
    for word in exit_words:
        argv += ("--exit-word", word)
    for path in watch:
        argv += ("--watch", path)
    for word in watch_words if watch else ():
        argv += ("--watch-word", word)
    argv += _network_words(network) if network is not None else ()
    argv += ("--", *runtime_argv)
    ours, theirs = _socketpair()
    channel = Channel(ours)
    if tty and (window := window or window_size(0)) is not None:
        channel.send_window(*window)  # before there is anyone: the terminal is never without a size
    try:
        targets[FD_CHANNEL] = theirs.fileno()
        channel.pid = _spawn(argv, targets, dict(environ) if environ is not None else _CLEAN)
    except BaseException:
        channel.close()
        raise
    finally:
        theirs.close()
    return channel


def _network_words(network: Network) -> list[str]:
    argv: list[str] = []
    for word in network.words:
        argv += ("--network-word", word)
    for request in network.requests:
        argv += ("--network-request", request)
    if network.socket:
        argv += ("--network-socket", network.socket)
    if network.ready_fd != 1:
        argv += ("--network-ready-fd", str(network.ready_fd))
    if network.outside:
        argv.append("--network-outside")
    return argv


def _socketpair() -> tuple[_socket.socket, _socket.socket]:
    try:
        ours, theirs = _socket.socketpair(
            _socket.AF_UNIX, _socket.SOCK_SEQPACKET | _socket.SOCK_CLOEXEC
        )
    except OSError as error:
        raise PypodError(f"cannot make the monitor's channel: {error.strerror}") from None
    enlarge(ours)
    return ours, theirs


def _spawn(argv: list[str], targets: Mapping[int, int], environ: dict[str, str]) -> int:
    """Place each descriptor at its number and start the program from its installed path.

    The monitor never enters a namespace of the container, so the container cannot reach its
    /proc/PID/exe (CVE-2019-5736) and the sealed copy that pypod-init needs is saved. With
    --pid=host the container would see the monitor: that issue must start it from a memfd.
    """
    safe = max(_SAFE, max(targets) + 1)
    moved: list[int] = []
    try:
        actions = []
        for target, fd in targets.items():
            # All of them first: a descriptor of ours may have a number that another one is to get.
            moved.append(fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, safe))
            actions.append((os.POSIX_SPAWN_DUP2, moved[-1], target))
        return os.posix_spawn(argv[0], argv, environ, file_actions=actions)
    except OSError as error:
        raise PypodError(
            f"cannot start {argv[0]}: {error.strerror}",
            hint="reinstall pypod; in a checkout run make" if error.errno == 2 else None,
        ) from None
    finally:
        for fd in moved:
            os.close(fd)
