# SPDX-License-Identifier: Apache-2.0
"""pypod-files from Python: work on files of subordinate ids, done inside the user's own id map."""

from __future__ import annotations

import errno
import os
import select

from pypod.errors import NoSpace, PypodError
from pypod.kernel import memfd
from pypod.plan.compile import compile_tool
from pypod.runtime.init import Running, run_tool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pypod.plan.ops import Op
    from pypod.spec.facts import HostFacts

PROGRAM = 5
"""The descriptor of the program, in a plan that a caller brings."""
PIDFD = 6
"""The descriptor of a process whose namespaces such a plan joins."""
_ANSWER_MOST = 256 << 20
_LINE_MOST = 400
"""Characters of an error: a name may have 4096."""


class Worker:
    """One pypod-files at work. `wait` must be called."""

    def __init__(
        self,
        facts: HostFacts,
        words: list[str],
        stdin: int | None = None,
        plan: list[Op] | None = None,
        stdout: int | None = None,
        pidfd: int | None = None,
    ) -> None:
        """Start a verb; `stdin`, `stdout` and `pidfd` are descriptors that stay the caller's.

        `plan` is for a verb that needs more than the user's default map. With `stdout` the
        answer goes there. A plan finds `pidfd` as PIDFD.
        """
        self._answer = os.memfd_create("answer", os.MFD_CLOEXEC)
        self._errors = os.memfd_create("errors", os.MFD_CLOEXEC)
        program = memfd.helper("pypod-files")
        try:
            plan = plan or compile_tool(facts, ["pypod-files", *words], exec_fd=PROGRAM)
            self._running: Running = run_tool(
                plan,
                stdin=stdin,
                stdout=self._answer if stdout is None else stdout,
                stderr=self._errors,
                extra_fds={PROGRAM: program, **({} if pidfd is None else {PIDFD: pidfd})},
            )
        except BaseException:
            os.close(self._answer)
            os.close(self._errors)
            raise
        finally:
            os.close(program)

    def wait(self, noun: str, tick: Callable[[bytes], None] | None = None) -> bytes:
        """Wait for the end and return what it said. Raises PypodError with `noun` in front.

        `tick` gets what it has said so far, five times a second.
        """
        try:
            if tick is not None:
                self._watch(tick)
            code = self._running.wait()
            if code:
                text = _printable(os.pread(self._errors, 8192, 0))
                kind = NoSpace if text.endswith(os.strerror(errno.ENOSPC)) else PypodError
                raise kind(f"{noun}: {text or f'pypod-files ended with {code}'}")
            size = os.fstat(self._answer).st_size
            return os.pread(self._answer, min(size, _ANSWER_MOST), 0)
        finally:
            os.close(self._answer)
            os.close(self._errors)

    def _watch(self, tick: Callable[[bytes], None]) -> None:
        pidfd = os.pidfd_open(self._running.pid)
        try:
            while not select.select([pidfd], [], [], 0.2)[0]:
                tick(os.pread(self._answer, 64, 0))
        finally:
            os.close(pidfd)


def _printable(text: bytes) -> str:
    """Return what the program said; names in it may hold escape sequences."""
    words = text.decode("utf-8", "replace").strip()
    line = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in words)
    return line if len(line) <= _LINE_MOST else line[:100] + "…" + line[101 - _LINE_MOST :]


def run(
    facts: HostFacts,
    words: list[str],
    noun: str,
    stdin: bytes = b"",
    plan: list[Op] | None = None,
    tick: Callable[[bytes], None] | None = None,
) -> bytes:
    """Run a verb to its end. Raises PypodError."""
    source = memfd.sealed("words", stdin) if stdin else None
    try:
        return Worker(facts, words, source, plan).wait(noun, tick)
    finally:
        if source is not None:
            os.close(source)
