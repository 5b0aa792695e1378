# SPDX-License-Identifier: Apache-2.0
"""unshare: a shell in the user namespace of this user's containers and store."""

from __future__ import annotations

import os

from pypod.errors import CommandNotFound
from pypod.kernel import log
from pypod.kernel.facts import facts as host_facts
from pypod.plan.compile import compile_tool
from pypod.runtime.init import run_tool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.cli.parse import Args


def unshare(args: Args) -> int:
    """Run a command (default: the user's shell) as root of the user namespace."""
    facts = host_facts()
    if facts.single_reason:
        log.warn(facts.single_reason)
    words = list(args.command) or [os.environ.get("SHELL", "/bin/sh")]
    program = _lookup(words[0])
    environment = dict(os.environ)
    environment["_PYPOD_USERNS"] = "done"
    # A pypod in there is root of the namespace, and means the same store nevertheless.
    environment["PYPOD_ROOT"] = args.places.graph
    environment["PYPOD_RUNROOT"] = args.places.run
    ops = compile_tool(
        facts, [program, *words[1:]], env=environment, cwd=os.getcwd(), namespaces=("user", "mount")
    )
    return run_tool(ops, stdin=0, stdout=1, stderr=2).wait()


def _lookup(word: str) -> str:
    if "/" in word:
        return word
    for directory in os.environ.get("PATH", "/usr/bin:/bin").split(":"):
        path = f"{directory or '.'}/{word}"
        if os.access(path, os.X_OK) and not os.path.isdir(path):
            return os.path.abspath(path)
    raise CommandNotFound(f'exec: "{word}": executable file not found in $PATH')
