# SPDX-License-Identifier: Apache-2.0
"""run and create: options to a container, and for run its output and exit code."""

from __future__ import annotations

import os

from pypod.cli import attached, option_files
from pypod.engine import create, images, lookups, pull_policy, remove, start
from pypod.errors import LetGo, LostMonitor, PypodError, UsageError
from pypod.kernel import fastjson, inherited, log, paths
from pypod.kernel.facts import facts as host_facts
from pypod.spec.options import CreateOptions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.cli.parse import Args
    from pypod.engine.create import Created
    from pypod.oci.image import ImageRecord
    from pypod.oci.manifest import Platform
    from pypod.spec.facts import HostFacts

_STREAMS = ("stdin", "stdout", "stderr")


def run(args: Args) -> int:
    """Make a container, start it, and pass on its output and exit code."""
    handed = inherited.take(args.preserve_fds)
    if args.detach and args.attach:
        raise UsageError("conflicting options: -a and -d", hint="leave one of them out")
    # A mistake is found before anything is made.
    args.detach_keys = attached.keys_of(args.detach_keys, args.tty and not args.detach)
    facts = host_facts()
    made = _create(args, facts)
    container = made.container
    held = None
    if made.create["auto_remove"] and not args.detach:
        held = start.claim(container)
    if args.tty and args.interactive and not args.detach and not os.isatty(0):
        log.warn(
            "The input device is not a TTY."
            " The --tty and --interactive flags might not work properly"
        )
    try:
        channel = start.start(
            container,
            facts,
            held=made.lock,
            config=made.config,
            create=made.create,
            inherited=handed,
        )
        assert channel is not None, "a container made by this command runs already"
    except PypodError as error:
        if made.create["auto_remove"] or not start.failed_to_start(error):
            remove.remove(container, facts, force=True, volumes=True)
        raise
    if args.detach:
        channel.close()
        print(container.id)
        return 0

    def give_up() -> None:
        if made.create["auto_remove"]:
            remove.remove(container, facts, force=True)
        else:
            log.warn(f"nobody reads the output of {made.create['name']}; it goes on")

    outcome = attached.carry(
        channel,
        stdin=_wants(args, "stdin"),
        stdout=_wants(args, "stdout"),
        stderr=_wants(args, "stderr"),
        tty=args.tty,
        detach_keys=args.detach_keys,
        sig_proxy=args.sig_proxy,
        give_up=give_up,
    )
    if outcome.detached:
        return 0
    lost = attached.lost(container) if outcome.lost else None
    if isinstance(lost, LetGo):
        raise lost
    if held is not None:
        remove.discard_ended(container, facts)
        held.close()
    if outcome.code is None:
        raise lost or LostMonitor(made.create["name"])
    return outcome.code


def create_(args: Args) -> int:
    """Make a container and print its id."""
    made = _create(args, host_facts())
    made.lock.close()
    print(made.container.id)
    return 0


def _create(args: Args, facts: HostFacts) -> Created:
    places = args.places
    paths.prepare(places)
    if facts.single_reason:
        log.warn(facts.single_reason)
    if args.rootfs:
        bare = lookups.no_image()
        return create.create(places, facts, options(args), bare, "", _recorded(args))
    image = pull_policy.ensure(
        places,
        args.image,
        args.pull,
        facts,
        pull=lambda name: _pull(args, facts, name),
        platform=_platform(args, facts),
    )
    name = images.full_name(places, image, args.image)
    return create.create(places, facts, options(args), image, name, _recorded(args))


def _pull(args: Args, facts: HostFacts, name: str) -> ImageRecord:
    from pypod.cli.transfer import pull_for_run

    socket = os.environ.get("NOTIFY_SOCKET", "")
    if not socket or args.sdnotify == "ignore":
        return pull_for_run(args, facts, name)
    from pypod.engine import notify

    with notify.MoreTime(socket):
        return pull_for_run(args, facts, name)


def _platform(args: Args, facts: HostFacts) -> Platform | None:
    if not (args.platform or args.os or args.arch or args.variant):
        return None
    from pypod.cli.transfer import platform_for_run

    return platform_for_run(args, facts)


def _recorded(args: Args) -> tuple[str, ...]:
    """Return the command line as records keep it: without the password of --creds."""
    words = list(args.command_line)
    end = len(words) - len(args.command) - 1
    kept, at = [], 0
    while at < end:
        if words[at] == "--creds":
            at += 1
        elif not words[at].startswith("--creds="):
            kept.append(words[at])
        at += 1
    return (*kept, *words[end:])


def options(args: Args) -> CreateOptions:
    """Return the options as values: files read, JSON parsed. Raises UsageError."""
    given = {field: getattr(args, field) for field in CreateOptions._fields if hasattr(args, field)}
    given["entrypoint"] = _entrypoint(args.entrypoint)
    if args.userns is None:
        maps = (args.uidmap, args.gidmap, args.subuidname, args.subgidname)
        given["userns"] = "" if any(maps) else os.environ.get("PODMAN_USERNS", "")
    option_files.read(args, given)
    given["command"] = tuple(args.command)
    args.attach = tuple(stream.lower() for stream in args.attach)  # devcontainers say STDOUT
    for stream in args.attach:
        if stream not in _STREAMS:
            raise UsageError(f'invalid stream "{stream}" for --attach', hint=" ".join(_STREAMS))
    # `start` may be typed in another directory.
    for field in ("cidfile", "pidfile", "conmon_pidfile"):
        if given[field]:
            given[field] = os.path.abspath(given[field])
    if given["hosts_file"] not in ("", "none", "image"):
        given["hosts_file"] = os.path.abspath(given["hosts_file"])
    for field, value in given.items():
        if isinstance(value, list):
            given[field] = tuple(value)
    return CreateOptions(**given)


def _entrypoint(typed: str | None) -> tuple[str, ...] | None:
    """Return --entrypoint as a list: a JSON array, or one word; "" clears the image's."""
    if typed is None:
        return None
    if typed.startswith("["):
        try:
            words = fastjson.loads(typed)
        except fastjson.BadJson:
            return (typed,)
        if not all(isinstance(word, str) for word in words):
            raise UsageError(f"--entrypoint {typed}: the array must hold strings only")
        return tuple(words)
    return (typed,) if typed else ()


def _wants(args: Args, stream: str) -> bool:
    if stream == "stdin":
        return bool(args.interactive) and (not args.attach or "stdin" in args.attach)
    if args.tty and stream == "stderr":
        return False
    return not args.attach or stream in args.attach
