# SPDX-License-Identifier: Apache-2.0
"""systemd units as text: quoting, and the services that `generate systemd` writes.

Sources: systemd.syntax(7), systemd.service(5) ("Command lines"), systemd.unit(5) ("Specifiers").
"""

from __future__ import annotations

from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Line = tuple[str, str]

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=@+,%$~^")
"""What needs no quotes: no `#` and `;`, which begin a comment at the start of a continued line."""
_NAMED = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}
CIDFILE = "%t/%n.ctr-id"
"""Where a unit keeps its container's id: the runtime directory and the unit's whole name."""
STOP_SLACK = 60
"""Seconds that systemd grants beyond the patience of `stop`, as podman does."""


class Service(Value):
    """What is in the unit of a container, before quoting."""

    name: str
    """The file's name without `.service`."""
    description: str
    """For people; specifiers are read in it."""
    version: str
    program: tuple[str, ...]
    """The command that pypod is, absolute, with the options that choose its store."""
    stop_seconds: int
    mounts_for: tuple[str, ...] = ()
    """Paths whose file systems must be there first."""
    online: bool = True
    after: tuple[str, ...] = ()
    wants: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    restart: str = "on-failure"
    restart_seconds: int | None = None
    start_seconds: int | None = None
    directory: str = ""
    """Where relative paths of the command begin; empty: it has none."""
    header: bool = True


class Command(Value):
    """The command line that made a container, in pieces (cli/replay.py)."""

    options: tuple[tuple[str, ...], ...]
    """The options of `run` that a unit repeats, each as its words."""
    rest: tuple[str, ...]
    """The image and the command."""
    named: bool
    """It had --name."""
    inherited: tuple[str, ...]
    """Environment variables that were taken from the caller: names, or `PREFIX*`."""
    sdnotify: str
    """The value of --sdnotify, empty without."""
    relative: bool
    """A path in it begins at the caller's directory."""


def word(text: str) -> str:
    """Return a word of a command line as systemd reads back: `%` and `$` doubled, quoted if needed.

    Bytes that are not UTF-8 (surrogateescape) and control characters become `\\xNN`.
    """
    return value(text.replace("$", "$$"))


def value(text: str) -> str:
    """Return a word of a setting that is no command line: `%` doubled, quoted if needed."""
    text = text.replace("%", "%%")
    if text and _PLAIN.issuperset(text):
        return text
    return '"' + "".join(_NAMED.get(one) or _escaped(one) for one in text) + '"'


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x20 or code == 0x7F else character


def command(groups: Iterable[Sequence[str]]) -> str:
    """Return a command line of words that are quoted already; each group is a line of its own."""
    return " \\\n\t".join(" ".join(group) for group in groups if group)


def new_container(service: Service, made_by: Command, name: str, *, template: bool) -> str:
    """Return the unit that makes its container anew at each start.

    The container gets `name`, and with `template` that of the instance after it; none if empty.
    """
    program = [word(one) for one in service.program]
    # READY=1 from inside where the container was made for that, else as soon as its program runs.
    sdnotify = made_by.sdnotify if made_by.sdnotify == "container" else "conmon"
    own = [
        [f"--cidfile={CIDFILE}"],
        ["--cgroups=no-conmon"],
        ["--rm"],
        [f"--sdnotify={sdnotify}"],
        ["-d"],
    ]
    if name:
        own += (["--replace"], ["--name", word(name) + ("-%i" if template else "")])
    repeated = ([word(one) for one in group] for group in (*made_by.options, made_by.rest))
    given = ("--ignore", "-t", str(service.stop_seconds), f"--cidfile={CIDFILE}")
    lines = [
        # What a machine that crashed left: `run` refuses a file that is there.
        ("ExecStartPre", f"/bin/rm -f {CIDFILE}"),
        ("ExecStart", command([[*program, "run"], *own, *repeated])),
        ("ExecStop", command([[*program, "stop", *given]])),
        ("ExecStopPost", command([[*program, "rm", "-f", *given]])),
        ("Type", "notify"),
    ]
    return _unit(service, lines)


def existing_container(service: Service, container: str) -> str:
    """Return the unit that starts and stops a container that is there, by its name or id.

    Type=forking because `start` returns when the program runs, whatever the container's own
    --sdnotify says: with Type=notify a payload that never says READY=1 would never be started.
    The main process is told by MAINPID (systemd.service(5): with NotifyAccess= it is believed for
    any type) and not by PIDFile=: a file in the store outlives the boot that its number is of.
    """
    program = [word(one) for one in service.program]
    stop = command([[*program, "stop", "-t", str(service.stop_seconds), word(container)]])
    lines = [
        ("ExecStart", command([[*program, "start", word(container)]])),
        ("ExecStop", stop),
        ("ExecStopPost", stop),
        ("Type", "forking"),
    ]
    return _unit(service, lines)


def _unit(service: Service, commands: list[Line]) -> str:
    unit: list[Line] = [("Description", service.description)]
    if service.online:
        unit += (("Wants", "network-online.target"), ("After", "network-online.target"))
    if service.mounts_for:
        unit.append(("RequiresMountsFor", " ".join(service.mounts_for)))
    for key, names in (
        ("Wants", service.wants),
        ("After", service.after),
        ("Requires", service.requires),
    ):
        if names:
            unit.append((key, " ".join(names)))
    lines: list[Line] = [("Environment", "PODMAN_SYSTEMD_UNIT=%n")]
    lines += (("Environment", value(entry)) for entry in service.environment)
    if service.directory:
        lines.append(("WorkingDirectory", service.directory.replace("%", "%%")))
    lines.append(("Restart", service.restart))
    for key, seconds in (
        ("RestartSec", service.restart_seconds),
        ("TimeoutStartSec", service.start_seconds),
        ("TimeoutStopSec", service.stop_seconds + STOP_SLACK),
    ):
        if seconds is not None:
            lines.append((key, str(seconds)))
    # mixed: the monitor alone gets SIGTERM and passes it to the container's first process.
    lines += (*commands, ("NotifyAccess", "all"), ("KillMode", "mixed"))
    head = f"# {service.name}.service\n"
    if service.header:
        head += f"# autogenerated by pypod {service.version}\n"
    sections = (("Unit", unit), ("Service", lines), ("Install", [("WantedBy", "default.target")]))
    return head + "".join(
        f"\n[{title}]\n" + "".join(f"{key}={text}\n" for key, text in section)
        for title, section in sections
    )
