# SPDX-License-Identifier: Apache-2.0
"""start, stop, kill, rm, wait, rename, attach: a container's life after create."""

from __future__ import annotations

import os

from pypod.cli import attached
from pypod.engine import remove, start, stop, watch
from pypod.errors import NoSuchContainer, PypodError, UsageError, WrongState
from pypod.kernel import inherited, log
from pypod.kernel.facts import facts as host_facts
from pypod.output.columns import harmless
from pypod.spec import service
from pypod.spec.process import signal_name, signal_number
from pypod.store import objects

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pypod.cli.parse import Args
    from pypod.runtime.attach import Channel
    from pypod.store.objects import Container


def latest(args: Args) -> Container:
    """Return the newest container, for -l. Raises NoSuchContainer."""
    found = sorted(objects.every(args.places), key=lambda one: one.summary["created"])
    if not found:
        raise NoSuchContainer("latest")
    return found[-1]


def chosen(args: Args, *, running_only: bool = False) -> list[tuple[str, Container | PypodError]]:
    """Return (word as typed, container or why not) for what a command names.

    That is names, --cidfile, -a, -l or --filter. Raises UsageError when nothing or too much is
    chosen, PypodError for an id file that cannot be read.
    """
    files, filters = getattr(args, "cidfile", ()), getattr(args, "filter", ())
    every, last = getattr(args, "all", False), getattr(args, "latest", False)
    named = bool(args.containers or files)
    if filters and (named or last):
        raise UsageError("--filter takes no arguments")
    if sum((named, every, last)) > 1:
        raise UsageError("--all, --latest, --cidfile and containers cannot be used together")
    if filters or every:
        found = _filtered(args, filters) if filters else list(objects.every(args.places))
        if running_only:
            found = [one for one in found if one.status().alive]
        return [(one.id, one) for one in found]
    if last:
        return [(one.id, one) for one in [latest(args)]]
    if not named:
        raise UsageError("you must provide at least one name or id")
    chosen: list[tuple[str, Container | PypodError]] = []
    for name in (*args.containers, *_read_ids(files, missing=getattr(args, "ignore", False))):
        try:
            chosen.append((name, objects.find(args.places, name)))
        except PypodError as error:
            chosen.append((name, error))
    return chosen


def _filtered(args: Args, filters: tuple[str, ...]) -> list[Container]:
    from pypod.engine import ps

    test = ps.tests(filters)
    return [row.container for row in ps.rows(args.places) if test(row)]


def _read_ids(files: tuple[str, ...], *, missing: bool) -> list[str]:
    """Return the ids in the files of --cidfile; one that is `missing` may be fine."""
    ids = []
    for path in files:
        try:
            with open(path, encoding="ascii", errors="replace") as file:
                ids.append(file.readline(256).strip())
        except FileNotFoundError as error:
            if not missing:
                raise PypodError(f"--cidfile {path}: {error.strerror}") from None
        except OSError as error:
            raise PypodError(f"--cidfile {path}: {error.strerror}") from None
    return ids


def for_each(
    chosen: list[tuple[str, Container | PypodError]],
    act: Callable[[Container], object],
    *,
    ignore_missing: bool = False,
) -> int:
    """Do `act` to each container, print the words of those done, report the others; go on always.

    Returns the exit code: that of the last failure (the worst for `rm`), 0 without one.
    """
    code = 0
    for word, container in chosen:
        try:
            if isinstance(container, PypodError):
                raise container
            act(container)
        except NoSuchContainer as error:
            if not ignore_missing:
                report(error)
                code = max(code, error.code)
        except PypodError as error:
            report(error)
            code = max(code, error.code)
        else:
            print(word)
    return code


def report(error: PypodError) -> None:
    """Write an error that does not end the command."""
    from pypod.cli import wrong

    hint = wrong.cure(error)
    text = f"Error: {harmless(error.message)}\n" + (f"Hint: {hint}\n" if hint else "")
    os.write(2, text.encode("utf-8", "surrogateescape"))


def start_(args: Args) -> int:
    """Start containers; with -a or -i attach to the one that is named."""
    handed = inherited.take() if len(args.containers) == 1 else None  # sockets of systemd
    facts = host_facts()
    attaches = args.attach or args.interactive
    targets = chosen(args)
    if attaches and len(targets) > 1:
        raise UsageError("you cannot start and attach multiple containers at once")
    if not attaches:

        def begin(container: Container) -> None:
            channel = start.start(container, facts, inherited=handed)
            if channel is not None:
                channel.close()
            elif service.UNIT in os.environ:
                # Ending well would say that the unit's own processes do it: it would stop them.
                raise WrongState(f"{container.name} runs already, outside of its unit")

        return for_each(targets, begin)
    container = targets[0][1]
    if isinstance(container, PypodError):
        raise container
    create = container.create
    # A mistake is found before anything runs.
    args.detach_keys = attached.keys_of(args.detach_keys, create["tty"])
    held = start.claim(container) if create["auto_remove"] else None
    try:
        channel = start.start(container, facts, create=create, inherited=handed)
    except PypodError as error:
        if create["auto_remove"] and start.failed_to_start(error):
            remove.remove(container, facts, force=True)
        raise
    if channel is None:
        return _attach(args, container, no_stdin=not args.interactive)
    code = _pump(args, channel, create, container, no_stdin=not args.interactive)
    if held is not None and code is not None:
        remove.discard_ended(container, facts)
    return code or 0


def _pump(
    args: Args,
    channel: Channel,
    create: dict[str, object],
    container: Container,
    *,
    no_stdin: bool,
    redraw: bool = False,
) -> int | None:
    """Pass streams until the container ends or the user detaches; None means detached."""
    outcome = attached.carry(
        channel,
        stdin=bool(create["interactive"]) and not no_stdin,
        tty=bool(create["tty"]),
        detach_keys=args.detach_keys,
        sig_proxy=args.sig_proxy,
        redraw=redraw,
        give_up=lambda: log.warn(f"nobody reads the output of {container.name}; it goes on"),
    )
    if outcome.detached:
        return None
    if outcome.code is None:
        raise attached.lost(container)
    return outcome.code


def attach(args: Args) -> int:
    """Join the streams of a running container; end with its exit code."""
    container = latest(args) if args.latest else objects.find(args.places, args.container)
    return _attach(args, container, no_stdin=args.no_stdin)


def _attach(args: Args, container: Container, *, no_stdin: bool) -> int:
    status = container.status()
    if not status.alive:
        raise PypodError(
            f"you can only attach to running containers; {container.name} is {status.name}",
            hint=f"pypod start -a {container.name}",
        )
    if status.unmonitored:
        raise PypodError(f"{container.name} has lost its monitor: its streams are gone")
    create = container.create
    stdin = bool(create["interactive"]) and not no_stdin
    args.detach_keys = attached.keys_of(args.detach_keys, create["tty"])
    channel = watch.connect(args.places, container, stdin=stdin)
    code = _pump(args, channel, create, container, no_stdin=no_stdin, redraw=True)
    return code or 0


def stop_(args: Args) -> int:
    """Stop containers: their stop signal, then SIGKILL after the timeout."""
    signal = signal_number(args.signal) if args.signal else None
    targets = chosen(args, running_only=True)
    return for_each(targets, lambda one: _end(one, signal, args.time), ignore_missing=args.ignore)


def _end(container: Container, signal: int | None, seconds: int | None) -> None:
    """Stop one container, by its own signal and patience where none are given."""
    create = container.create
    number = create["stop_signal"] if signal is None else signal
    patience = create["stop_timeout"] if seconds is None else seconds
    if not stop.stop(container, number, patience):
        log.warn(
            f"StopSignal {signal_name(number)} failed to stop container {container.name}"
            f" in {patience} seconds, resorting to SIGKILL"
        )


def restart(args: Args) -> int:
    """Stop containers that run, and start them; the others are started."""
    facts = host_facts()
    if args.running and not args.filter:
        if args.all or args.latest or args.containers or args.cidfile:
            raise UsageError("--running takes no arguments")
        args.all = True

    def again(container: Container) -> None:
        # A `--rm` container is not removed in between, unless a client waits to do just that.
        held = start.claim(container, wait=False)
        try:
            _end(container, None, args.time)
            channel = start.start(container, facts)
            if channel is not None:
                channel.close()
        finally:
            held.close()

    return for_each(chosen(args, running_only=args.running), again)


def kill(args: Args) -> int:
    """Send a signal to containers' processes."""
    signal = signal_number(args.signal)
    return for_each(chosen(args, running_only=True), lambda one: stop.kill(one, signal))


def rm(args: Args) -> int:
    """Remove containers: exit 1 when one is missing, 2 when one is running."""
    facts = host_facts()
    targets = []
    for word, container in chosen(args):
        if isinstance(container, NoSuchContainer):
            container = NoSuchContainer(word, container.known)
            container.code = 1
        targets.append((word, container))
    seconds = 0 if args.time is None else args.time
    code = for_each(
        targets,
        lambda one: remove.remove(
            one, facts, force=args.force, seconds=seconds, volumes=args.volumes
        ),
        ignore_missing=args.force or args.ignore,
    )
    remove.sweep(args.places, facts)
    return code


def wait(args: Args) -> int:
    """Print the exit code of each container when it ends."""
    code = 0
    for _word, container in chosen(args):
        if isinstance(container, PypodError):
            if not (args.ignore and isinstance(container, NoSuchContainer)):
                report(container)
                code = container.code
            continue
        print(watch.wait(container), flush=True)
    return code


def rename(args: Args) -> int:
    """Give a container another name."""
    objects.find(args.places, args.container).rename(args.name)
    return 0


def exists(args: Args) -> int:
    """End 0 when the container exists, 1 when it does not."""
    try:
        objects.find(args.places, args.container)
    except NoSuchContainer:
        return 1
    return 0
