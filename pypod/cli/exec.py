# SPDX-License-Identifier: Apache-2.0
"""exec: a further process in a running container."""

from __future__ import annotations

import os

from pypod.cli import attached
from pypod.cli.lifecycle import latest
from pypod.cli.option_files import read_file
from pypod.engine import exec as engine_exec
from pypod.errors import PypodError, UsageError
from pypod.kernel import inherited
from pypod.kernel.facts import facts as host_facts
from pypod.spec.options import ExecOptions
from pypod.store import objects

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.cli.parse import Args


def exec_(args: Args) -> int:
    """Run a command in a running container; end with its exit code."""
    handed = inherited.take(args.preserve_fds, activation=False)
    words = list(args.command)
    if args.latest:
        container = latest(args)
        if args.container:
            words.insert(0, args.container)
    else:
        container = objects.find(args.places, args.container)
    if not words:
        raise UsageError("must provide a non-empty command to start an exec session")
    # A mistake is found before anything runs.
    args.detach_keys = attached.keys_of(args.detach_keys, args.tty and not args.detach)
    options = ExecOptions(
        command=tuple(words),
        detach=args.detach,
        env=tuple(args.env),
        env_file=tuple(read_file("--env-file", path) for path in args.env_file),
        environment=dict(os.environ),
        interactive=args.interactive,
        privileged=args.privileged,
        tty=args.tty,
        user=args.user,
        workdir=args.workdir,
    )
    channel = engine_exec.start(container, host_facts(), options, handed)
    if args.detach:
        channel.close()
        print(os.urandom(32).hex())
        return 0
    outcome = attached.carry(
        channel,
        stdin=args.interactive,
        tty=args.tty,
        detach_keys=args.detach_keys,
        sig_proxy=True,
        give_up=lambda: attached.end_session(channel),
    )
    if outcome.detached:
        return 0
    if outcome.code is None:
        if not container.status().alive:
            return 137
        raise PypodError("lost the monitor of the exec session; exit status unknown")
    return outcome.code
