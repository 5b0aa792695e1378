# SPDX-License-Identifier: Apache-2.0
"""pypod-init from Python: running a plan without a monitor, and explaining its failures."""

from __future__ import annotations

import _socket
import errno
import fcntl
import os
from _struct import Struct

from pypod.constants import (
    RECORD_ERROR,
    RECORD_MAGIC,
    RECORD_SIZE,
    STAGE_EXEC,
    STAGE_IDMAP,
    STAGE_NETWORK,
    start_exit_code,
)
from pypod.errors import CommandNotFound, CommandNotInvocable, PypodError
from pypod.kernel import memfd
from pypod.plan.ops import serialise

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pypod.plan.ops import Op

_RECORD = Struct("=IIiiii232s")
assert _RECORD.size == RECORD_SIZE

_PLAN, _STATUS, _FIRST_OTHER = 3, 4, 5
"""Descriptors of a pypod-init that this module starts."""


def explain(record: bytes, plan: Sequence[Op]) -> PypodError:
    """Turn an error record of pypod-init into the error to raise."""
    magic, kind, stage, index, err, _pid, raw = _RECORD.unpack(record)
    if magic != RECORD_MAGIC or kind != RECORD_ERROR:
        return PypodError("pypod-init sent a record that cannot be read", hint="reinstall pypod")
    if stage == STAGE_NETWORK:
        said = raw.partition(b"\0")[0].decode("utf-8", "replace")
        return PypodError(f"cannot connect the network: {said}" + _errno_text(err))
    text = raw.partition(b"\0")[0].decode("utf-8", "replace")
    reason = os.strerror(err) if err else ""
    code = start_exit_code(stage, err)
    if not 0 <= index < len(plan):
        return PypodError(": ".join(part for part in (text, reason) if part), code=code)
    failed = plan[index]
    if stage == STAGE_EXEC and failed.verb in ("exec", "exec-fd"):
        return _not_run(failed.words[failed.verb == "exec-fd"], err, reason, code)
    noun = failed.describe()
    said = not text or text in noun or text in failed.words
    if not reason:
        message = noun if said else f"{noun}: {text}"  # the text says all
    else:
        message = f"{noun}: {reason}" if said else f"{noun} ({text}): {reason}"
    kind_of = {126: CommandNotInvocable, 127: CommandNotFound}.get(code, PypodError)
    return kind_of(message, hint=_hint(stage, failed))


def _errno_text(err: int) -> str:
    return f": {os.strerror(err)}" if err else ""


def _not_run(word: str, err: int, reason: str, code: int) -> PypodError:
    if code == 127:
        where = "" if "/" in word else " in $PATH"
        return CommandNotFound(f'exec: "{word}": executable file not found{where}: {reason}')
    if err == errno.ENOEXEC:
        return CommandNotInvocable(
            f'exec: "{word}": exec format error',
            hint="the program is for another machine, or a script without #!",
        )
    return CommandNotInvocable(f'exec: "{word}": {reason}')


def _hint(stage: int, failed: Op) -> str | None:
    if stage == STAGE_IDMAP:
        return "/etc/subuid and /etc/subgid must give this user the ids of the map (subuid(5))"
    if failed.verb == "unshare":
        return "user namespaces may be off: sysctl user.max_user_namespaces"
    if failed.verb == "rlimit":
        return "the hard limit of whoever starts it is lower than at create (ulimit -H)"
    if failed.verb == "label":
        return "this host may not know it: aa-status and seinfo -t list what is loaded"
    if failed.verb == "user":
        return "the image's user lies outside the ids of this user (/etc/subuid)"
    return None


class Running:
    """A program that pypod-init executed for us: its process is our child."""

    def __init__(self, pid: int, status: _socket.socket, plan: Sequence[Op]) -> None:
        self.pid = pid
        self._status = status
        self._plan = plan

    def wait(self) -> int:
        """Wait for the program; return its exit status (128+n for a signal).

        Raises the error of a program that could not be executed.
        """
        try:
            record = self._status.recv(RECORD_SIZE)
        except OSError:
            record = b""
        self._status.close()
        _pid, status = os.waitpid(self.pid, 0)
        if record:
            raise explain(record, self._plan)
        code = os.waitstatus_to_exitcode(status)
        return code if code >= 0 else 128 - code


def run_tool(
    plan: Sequence[Op],
    *,
    stdin: int | None = None,
    stdout: int | None = None,
    stderr: int | None = None,
    extra_fds: Mapping[int, int] | None = None,
) -> Running:
    """Execute a plan with pypod-init as our child; None for a stream means /dev/null.

    `extra_fds` maps descriptors of the program, from 5 up, to ours. Raises PypodError.
    """
    ours, theirs = _socket.socketpair(
        _socket.AF_UNIX, _socket.SOCK_SEQPACKET | _socket.SOCK_CLOEXEC
    )
    opened = [theirs.fileno()]
    moved: list[int] = []
    try:
        null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        opened.append(null)
        text = memfd.sealed("plan", serialise(plan))
        opened.append(text)
        program = memfd.helper("pypod-init")
        opened.append(program)
        targets = {
            0: null if stdin is None else stdin,
            1: null if stdout is None else stdout,
            2: null if stderr is None else stderr,
            _PLAN: text,
            _STATUS: opened[0],
            **(extra_fds or {}),
        }
        actions = []
        for target, fd in targets.items():
            moved.append(fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 64))
            actions.append((os.POSIX_SPAWN_DUP2, moved[-1], target))
        argv = ["pypod-init", "--plan", str(_PLAN), "--status", str(_STATUS)]
        # By a number that no target has: with many threads `program` itself may be one of them.
        moved.append(fcntl.fcntl(program, fcntl.F_DUPFD_CLOEXEC, 64))
        outer = os.posix_spawn(f"/proc/self/fd/{moved[-1]}", argv, {}, file_actions=actions)
    except OSError as error:
        ours.close()
        raise PypodError(f"cannot start pypod-init: {error.strerror}") from None
    finally:
        theirs.detach()
        for fd in opened + moved:
            os.close(fd)
    record = ours.recv(RECORD_SIZE)
    os.waitpid(outer, 0)
    if len(record) != RECORD_SIZE:
        raise PypodError("pypod-init ended without a word", hint="reinstall pypod")
    pid = _RECORD.unpack(record)[5]
    if _RECORD.unpack(record)[1] == RECORD_ERROR:
        raise explain(record, plan)
    return Running(pid, ours, plan)
