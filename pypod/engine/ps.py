# SPDX-License-Identifier: Apache-2.0
"""The rows of `ps`: which containers, in what order, with what to say of each."""

from __future__ import annotations

import os
import stat

from pypod.errors import CorruptStore, NoSuchContainer, PypodError
from pypod.kernel import procfs
from pypod.spec import ports as spec_ports
from pypod.store import objects
from pypod.text import units

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from pypod.kernel.paths import Places
    from pypod.store.objects import Container, Status

    Test = Callable[["Row"], bool]

STATES = ("created", "running", "paused", "stopping", "stopped", "exited", "removing", "unknown")
"""What `--filter status=` takes; podman's `stopped` is a container that has exited."""


class Row:
    """One container as `ps` sees it: the small record and the state, the rest on demand."""

    def __init__(self, container: Container, status: Status) -> None:
        self.container = container
        self.status = status
        self.summary = container.summary
        self._create: dict[str, Any] | None = None

    @property
    def create(self) -> dict[str, Any]:
        """The create record: labels and the whole command."""
        if self._create is None:
            try:
                self._create = self.container.create
            except CorruptStore as error:  # the other containers are to be seen all the same
                from pypod.kernel import log

                log.warn(error.message)
                self._create = {}
        return self._create

    @property
    def created(self) -> float:
        """When the container was made, in seconds since the epoch."""
        return float(self.summary["created"])


def rows(places: Places) -> list[Row]:
    """Return every container, oldest first. Half-removed and unreadable ones are left out."""
    boot = procfs.boot_id()
    found = []
    for container in objects.every(places):
        try:
            found.append(Row(container, container.status(boot)))
        except NoSuchContainer:
            continue
        except (CorruptStore, KeyError):
            found.append(Row(_Unreadable(container), objects.Status("unknown")))
    found.sort(key=lambda row: row.created)
    return found


class _Unreadable(objects.Container):
    """A record whose files are damaged: shown so that it can be removed."""

    def __init__(self, container: Container) -> None:
        super().__init__(container.places, container.id)
        self._summary = {
            "name": "",
            "image": "<damaged record>",
            "image_id": "",
            "command": [],
            "created": 0,
        }

    @property
    def create(self) -> dict[str, Any]:
        """An empty create record."""
        return {}


def status_text(row: Row, now: float) -> str:
    """Return podman's STATUS column."""
    status = row.status
    if status.name == "running" and status.pids is not None:
        text = f"Up {units.human_duration(now - status.pids.at / 1e9)}"
        return text + " (unmonitored)" if status.unmonitored else text
    if status.name == "exited":
        if status.exit is None:
            return "Exited (unknown)"
        return f"Exited ({status.code}) {units.human_duration(now - status.exit.at / 1e9)} ago"
    return status.name.capitalize()


def ports(row: Row) -> str:
    """Return podman's PORTS column."""
    short = str(row.summary.get("ports", ""))
    if len(short) < spec_ports.SHORT:
        return short
    return spec_ports.column(spec_ports.from_words(row.create.get("ports", ())))


def mappings(row: Row) -> list[dict[str, Any]] | None:
    """Return the published ports as podman's `ps --format json` has them."""
    return [
        {
            "host_ip": port.address,
            "container_port": port.container,
            "host_port": port.host,
            "range": 1,
            "protocol": port.protocol,
        }
        for port in spec_ports.from_words(row.create.get("ports", ()))
    ] or None


def describe(row: Row, now: float) -> dict[str, Any]:
    """Return the fields of `ps --format` templates (podman's names)."""
    status, summary = row.status, row.summary
    command = row.create.get("command", summary["command"])
    started = status.pids.at / 1e9 if status.pids else 0
    ended = status.exit.at / 1e9 if status.exit and status.name == "exited" else 0
    ago = units.human_duration(now - row.created) + " ago"
    return {
        "ID": row.container.id,
        "Names": summary["name"],
        "Image": summary["image"],
        "ImageID": summary["image_id"],
        "Command": " ".join(command),
        "CreatedAt": units.timestamp(row.created),
        "Created": int(row.created),
        "CreatedHuman": ago,
        "RunningFor": ago,
        "State": status.name,
        "Status": status_text(row, now),
        "Ports": ports(row),
        "Labels": row.create.get("labels", {}),
        "Mounts": ",".join(row.create.get("mounts", ())),
        "Networks": summary.get("network", ""),
        "Pid": status.pids.pid if status.pids and status.alive else 0,
        "Pod": "",
        "PodName": "",
        "ExitCode": status.code,
        "Exited": status.name == "exited",
        "ExitedAt": int(ended),
        "StartedAt": int(started),
        "AutoRemove": bool(summary.get("rm")),
        "IsInfra": False,
        "Restarts": 0,
    }


def tests(filters: Iterable[str]) -> Test:
    """Return one test for `--filter KEY=VALUE` words: one key is OR (label: AND), keys are AND.

    Raises PypodError for an unknown key or value.
    """
    groups: dict[str, list[Test]] = {}
    for word in filters:
        key, equals, value = word.partition("=")
        if not equals and key != "label":
            raise PypodError(f'invalid filter "{word}": must be in the form of key=value')
        make = _FILTERS.get(key)
        if make is None:
            raise PypodError(
                f'"{key}" is an invalid filter', hint="filters: " + " ".join(sorted(_FILTERS))
            )
        groups.setdefault(key if key != "label" else word, []).append(make(value))
    wanted = list(groups.values())
    return lambda row: all(any(test(row) for test in group) for group in wanted)


def _by_name(value: str) -> Test:
    if not any(char in ".^$*+?{}[]\\|()" for char in value):
        return lambda row: value in row.summary["name"]
    import re  # 4 ms that a plain word does not pay

    try:
        pattern = re.compile(value)
    except re.error as error:
        raise PypodError(f'filter name="{value}" is not a regular expression: {error}') from None
    return lambda row: pattern.search(row.summary["name"]) is not None


def _by_id(value: str) -> Test:
    return lambda row: row.container.id.startswith(value)


def _by_status(value: str) -> Test:
    if value not in STATES:
        raise PypodError(f"{value} is not a valid container state", hint=" ".join(STATES))
    wanted = "exited" if value == "stopped" else value
    return lambda row: row.status.name == wanted


def _by_label(value: str) -> Test:
    key, equals, wanted = value.partition("=")

    def test(row: Row) -> bool:
        labels = row.create.get("labels", {})
        return key in labels and (not equals or labels[key] == wanted)

    return test


def _by_exited(value: str) -> Test:
    if not value.lstrip("-").isdigit():
        raise PypodError(f'filter exited="{value}": an exit code is a number')
    return lambda row: row.status.name == "exited" and row.status.code == int(value)


def _by_ancestor(value: str) -> Test:
    tagged = value if ":" in value.rpartition("/")[2] or "@" in value else value + ":latest"
    names = {
        value,
        tagged,
        f"docker.io/{tagged}",
        f"docker.io/library/{tagged}",
        f"localhost/{tagged}",
    }

    def test(row: Row) -> bool:
        image_id = row.summary["image_id"]
        plain = value.removeprefix("sha256:")
        by_id = len(plain) >= 3 and image_id.removeprefix("sha256:").startswith(plain)
        return by_id or row.summary["image"] in names

    return test


def _by_volume(value: str) -> Test:
    """Test for a volume's name, a host directory, or a place in the container."""

    def test(row: Row) -> bool:
        records = row.create.get("volumes", ())
        return any(value in (one.get("source"), one["destination"]) for one in records)

    return test


_FILTERS: dict[str, Callable[[str], Test]] = {
    "name": _by_name,
    "id": _by_id,
    "status": _by_status,
    "label": _by_label,
    "exited": _by_exited,
    "ancestor": _by_ancestor,
    "volume": _by_volume,
}


def sizes(container: Container) -> tuple[int, int]:
    """Return the bytes of the writable layer, and of it together with the image.

    Directories of other ids that the caller may not read count as empty.
    """
    upper = _disk_use(container.directory + "/upper")
    return upper, upper + int(container.create.get("image_size", 0))


def _disk_use(directory: str) -> int:
    total = 0
    pending = [directory]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    found = entry.stat(follow_symlinks=False)
                    if stat.S_ISDIR(found.st_mode):
                        pending.append(entry.path)
                    elif stat.S_ISREG(found.st_mode):
                        total += found.st_size
        except OSError:
            continue
    return total
