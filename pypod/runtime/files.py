# SPDX-License-Identifier: Apache-2.0
"""pypod-files from Python: work on files of subordinate ids, done inside the user's own id map."""

from __future__ import annotations

import os

from pypod.errors import PypodError
from pypod.kernel import memfd
from pypod.plan.compile import compile_tool
from pypod.runtime.init import Running, run_tool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.spec.facts import HostFacts

_PROGRAM = 5
_ANSWER_MOST = 256 << 20


class Worker:
    """One pypod-files at work. `wait` must be called."""

    def __init__(self, facts: HostFacts, words: list[str], stdin: int | None = None) -> None:
        """Start a verb; `stdin` is a descriptor that stays the caller's."""
        self._answer = os.memfd_create("answer", os.MFD_CLOEXEC)
        self._errors = os.memfd_create("errors", os.MFD_CLOEXEC)
        program = memfd.helper("pypod-files")
        try:
            plan = compile_tool(facts, ["pypod-files", *words], exec_fd=_PROGRAM)
            self._running: Running = run_tool(
                plan,
                stdin=stdin,
                stdout=self._answer,
                stderr=self._errors,
                extra_fds={_PROGRAM: program},
            )
        except BaseException:
            os.close(self._answer)
            os.close(self._errors)
            raise
        finally:
            os.close(program)

    def wait(self, noun: str) -> bytes:
        """Wait for the end and return what it said. Raises PypodError with `noun` in front."""
        try:
            code = self._running.wait()
            if code:
                text = os.pread(self._errors, 4096, 0).decode("utf-8", "replace").strip()
                raise PypodError(f"{noun}: {text or f'pypod-files ended with {code}'}")
            size = os.fstat(self._answer).st_size
            return os.pread(self._answer, min(size, _ANSWER_MOST), 0)
        finally:
            os.close(self._answer)
            os.close(self._errors)


def run(facts: HostFacts, words: list[str], noun: str, stdin: bytes = b"") -> bytes:
    """Run a verb to its end. Raises PypodError."""
    source = memfd.sealed("words", stdin) if stdin else None
    try:
        return Worker(facts, words, source).wait(noun)
    finally:
        if source is not None:
            os.close(source)
