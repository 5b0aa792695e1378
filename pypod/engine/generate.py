# SPDX-License-Identifier: Apache-2.0
"""Units for systemd: what a container's record says, as a service that makes or starts it."""

from __future__ import annotations

import os
import sys

from pypod import __version__
from pypod.engine.start import pypod_command
from pypod.errors import PypodError, UsageError
from pypod.kernel import log
from pypod.text import systemd
from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from pypod.kernel.paths import Places
    from pypod.store.objects import Container
    from pypod.text.systemd import Command

RESTART_POLICIES = (
    "no",
    "on-success",
    "on-failure",
    "on-abnormal",
    "on-watchdog",
    "on-abort",
    "always",
)
"""The values of systemd.service(5)'s Restart=."""
_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:_.-\\@")
"""The characters of a unit's name (systemd.unit(5))."""


class UnitOptions(Value):
    """The options of `generate systemd`, named after the long ones."""

    name: bool = False
    new: bool = False
    template: bool = False
    container_prefix: str = "container"
    separator: str = "-"
    restart_policy: str = "on-failure"
    restart_sec: int | None = None
    start_timeout: int | None = None
    stop_timeout: int | None = None
    after: tuple[str, ...] = ()
    wants: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    """NAME=VALUE each."""
    no_header: bool = False


def unit(container: Container, options: UnitOptions, command: Command | None) -> tuple[str, str]:
    """Return (name without `.service`, text) of a container's unit.

    `command` is the one that made the container, None for a unit that only starts and stops it.
    Raises UsageError for what systemd would not read, PypodError for a container that cannot be
    run this way.
    """
    create = container.create
    container_name = container.name if options.name else container.id
    name = _unit_name(options, container_name)
    seconds = create["stop_timeout"] if options.stop_timeout is None else options.stop_timeout
    service = systemd.Service(
        name=name,
        description=f"pypod {name}.service" + (" for %I" if options.template else ""),
        version=__version__,
        program=(*_launcher(), *_store(container.places)),
        stop_seconds=seconds,
        mounts_for=_mounts_for(container.places),
        online=create["network"] != "none",
        after=_units("--after", options.after),
        wants=_units("--wants", options.wants),
        requires=_units("--requires", options.requires),
        environment=options.environment,
        restart=_restart(options.restart_policy),
        restart_seconds=options.restart_sec,
        start_seconds=options.start_timeout,
        header=not options.no_header,
    )
    if command is not None:
        return name, _new(service, container, create, options, command)
    if create["auto_remove"]:
        log.warn(f"{container.name} is removed when it ends (--rm): --new makes it again")
    if create["options"].get("sdnotify") == "ignore":
        raise PypodError(
            f"{container.name} was made with --sdnotify=ignore: systemd could not tell what its"
            " main process is",
            hint="use --new",
        )
    return name, systemd.existing_container(service, container_name)


def _new(
    service: systemd.Service,
    container: Container,
    create: dict[str, Any],
    options: UnitOptions,
    command: Command,
) -> str:
    changed: systemd.Service = service.replace(
        environment=service.environment + _inherited(container.config, command.inherited),
        directory=_directory(create) if command.relative else "",
    )
    name = container.name if command.named or options.name else ""
    return systemd.new_container(changed, command, name, template=options.template)


def _inherited(config: dict[str, Any], names: Sequence[str]) -> tuple[str, ...]:
    """Return the variables that the container has from who made it: systemd has not got them."""
    return tuple(
        entry
        for entry in config["process"]["env"]
        for name in (entry.partition("=")[0],)
        if any(name.startswith(one[:-1]) if one.endswith("*") else name == one for one in names)
    )


def _directory(create: dict[str, Any]) -> str:
    directory = str(create.get("cwd", ""))
    if not directory.startswith("/") or not directory.isprintable():
        raise PypodError(
            "the container's command has relative paths, and where they began is not recorded",
            hint="make the container again with absolute paths",
        )
    return directory


def _unit_name(options: UnitOptions, container_name: str) -> str:
    prefix = options.container_prefix
    name = f"{prefix}{options.separator}{container_name}" if prefix else container_name
    name += "@" if options.template else ""
    if not _NAME.issuperset(name) or name.startswith((".", "-")) or len(name) > 246:
        raise UsageError(
            f'"{name}.service" is not a valid name of a unit',
            hint="letters, digits and :_.-\\ in --container-prefix and --separator",
        )
    return name


def _restart(policy: str) -> str:
    if policy not in RESTART_POLICIES:
        raise UsageError(f"{policy} is not a valid restart policy", hint=" ".join(RESTART_POLICIES))
    return policy


def _units(option: str, words: Sequence[str]) -> tuple[str, ...]:
    for word in words:
        for name in word.split(" "):
            if not name or not _NAME.issuperset(name.replace("%", "")) or "." not in name:
                raise UsageError(
                    f'{option} "{word}": not the name of a unit', hint="such as network.target"
                )
    return tuple(words)


def _launcher() -> list[str]:
    """Return the installed program by its absolute path."""
    script = os.path.abspath(sys.argv[0])
    if os.path.basename(script) not in ("-c", "__main__.py") and os.access(script, os.X_OK):
        return [script]
    return pypod_command(sys.executable)


def _store(places: Places) -> list[str]:
    """Return the options that lead a service to this store; none for the user's usual one."""
    usual = _usual_places()
    words: list[str] = []
    if places.graph != usual[0]:
        words += ("--root", places.graph)
    if places.run != usual[1]:
        words += ("--runroot", places.run)
    return words


def _usual_places() -> tuple[str, str]:
    """Return the graph and run root of a service of this user, whatever our environment says."""
    uid = os.geteuid()
    if uid == 0:
        return "/var/lib/pypod", "/run/pypod"
    import pwd

    try:
        home = pwd.getpwuid(uid).pw_dir
    except KeyError:
        home = ""
    return f"{home}/.local/share/pypod", f"/run/user/{uid}/pypod"


def _mounts_for(places: Places) -> tuple[str, ...]:
    run = "%t/pypod" if places.run == _usual_places()[1] else systemd.value(places.run)
    return systemd.value(places.graph), run


def write(directory: str, name: str, text: str) -> str:
    """Write a unit's file into a directory, whole or not at all; return its path.

    Raises PypodError.
    """
    path = f"{directory}/{name}.service"
    fresh = f"{directory}/.{name}.service.{os.getpid()}"
    try:
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            with open(fd, "wb") as file:
                file.write(text.encode())
            os.rename(fresh, path)
        except BaseException:
            os.unlink(fresh)
            raise
    except OSError as error:
        raise PypodError(f"cannot write {path}: {error.strerror}") from None
    return path


def lingers() -> bool:
    """Say whether the units of this user outlive the login, as far as one can tell."""
    uid = os.geteuid()
    directory = "/var/lib/systemd/linger"
    if uid == 0 or not os.path.isdir("/run/systemd/system"):
        return True
    import pwd

    try:
        return os.path.exists(f"{directory}/{pwd.getpwuid(uid).pw_name}")
    except KeyError:
        return True
