# SPDX-License-Identifier: Apache-2.0
"""Container records: a directory each, found by name or id, read without locks.

STORE.md has the files and the order in which they are written. A record's state is never stored: it
is read off `pids` and `exit`, which the monitor alone writes, and off the processes themselves.
"""

from __future__ import annotations

import os

from pypod.errors import AmbiguousId, CorruptStore, NameInUse, NoSuchContainer, UsageError
from pypod.kernel import fastjson, procfs
from pypod.kernel.locks import Lock
from pypod.text.record import Exit, Pids, parse_exit, parse_pids
from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from pypod.kernel.paths import Places

_NAME_START = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_NAME_REST = _NAME_START | frozenset("_.-")
_HEX = frozenset("0123456789abcdef")


class Status(Value):
    """What a container is doing now."""

    name: str
    """created, running, stopping or exited: docker's and podman's words."""
    pids: Pids | None = None
    """The processes of the last start."""
    exit: Exit | None = None
    """How the last start ended, when that is known."""
    unmonitored: bool = False
    """The container lives and its monitor does not: no logs, no attach, no exit status."""

    @property
    def code(self) -> int:
        """The exit code; 0 before the first start, -1 when the monitor could not record one."""
        if self.exit is not None:
            return self.exit.code
        return -1 if self.name == "exited" else 0

    @property
    def alive(self) -> bool:
        """Whether the container's process may still run."""
        return self.name in ("running", "stopping")


class Container:
    """One record. Files are read when they are asked for and not kept up to date after."""

    def __init__(self, places: Places, id: str) -> None:
        self.places = places
        self.id = id
        self.directory = f"{places.containers}/{id}"
        self._summary: dict[str, Any] | None = None

    def read(self, name: str) -> bytes:
        """Return a file of the record. Raises NoSuchContainer when the record has gone."""
        try:
            with open(f"{self.directory}/{name}", "rb", buffering=0) as file:
                return file.read()
        except (FileNotFoundError, NotADirectoryError):
            raise NoSuchContainer(self.id[:12]) from None

    def document(self, name: str) -> dict[str, Any]:
        """Return a JSON file of the record. Raises NoSuchContainer or CorruptStore."""
        try:
            value = fastjson.loads(self.read(name))
        except fastjson.BadJson as error:
            raise CorruptStore(
                f"container {self.id[:12]}: {name} cannot be read: {error}",
                hint=f"pypod rm -f {self.id[:12]} removes it",
            ) from None
        if not isinstance(value, dict):
            raise CorruptStore(f"container {self.id[:12]}: {name} is not a JSON object")
        return value

    @property
    def summary(self) -> dict[str, Any]:
        """The small facts that `ps` prints (state.json)."""
        if self._summary is None:
            self._summary = self.document("state.json")
        return self._summary

    @property
    def name(self) -> str:
        """The container's name."""
        return str(self.summary["name"])

    @property
    def create(self) -> dict[str, Any]:
        """What was asked for at create (create.json)."""
        return self.document("create.json")

    @property
    def config(self) -> dict[str, Any]:
        """The OCI runtime configuration (config.json)."""
        return self.document("config.json")

    def pids(self) -> Pids | None:
        """Return the processes of the last start, None before the first."""
        line = self._line("pids")
        try:
            return parse_pids(line) if line else None
        except ValueError:
            raise CorruptStore(f"container {self.id[:12]}: pids cannot be read") from None

    def exit(self) -> Exit | None:
        """Return how the last start that ended did end, None before that."""
        line = self._line("exit")
        try:
            return parse_exit(line) if line else None
        except ValueError:
            raise CorruptStore(f"container {self.id[:12]}: exit cannot be read") from None

    def _line(self, name: str) -> str:
        try:
            with open(f"{self.directory}/{name}", "rb", buffering=0) as file:
                return file.read(4096).decode("ascii", "replace").strip("\0\n")  # a power cut's
        except (FileNotFoundError, NotADirectoryError):
            return ""

    def status(self, boot: str | None = None) -> Status:
        """Return the state as it is now; `boot` spares reading the boot id for each of many."""
        try:
            return self._status(boot)
        except CorruptStore:
            return Status("unknown")

    def _status(self, boot: str | None) -> Status:
        # `pids` first: an exit that is newer than it belongs to the same start or to a later one.
        pids = self.pids()
        ended = self.exit()
        if pids is None or (ended is not None and ended.run >= pids.run):
            return self._ended(pids, ended)
        if pids.boot != (boot or procfs.boot_id()):
            return Status("exited", pids)
        monitored = procfs.is_alive(pids.monitor, pids.monitor_start)
        if pids.network and not monitored:  # PDEATHSIG has ended it, but for a set-id one
            procfs.kill(pids.network, pids.network_start)
        if procfs.is_alive(pids.pid, pids.start):
            return Status("running", pids, unmonitored=not monitored)
        # The payload is gone: the monitor writes `exit` next, or was itself killed.
        ended = self.exit()
        if ended is not None and ended.run >= pids.run:
            return self._ended(pids, ended)
        return Status("stopping" if monitored else "exited", pids)

    @staticmethod
    def _ended(pids: Pids | None, ended: Exit | None) -> Status:
        if ended is None or not ended.started:
            return Status("created", pids, ended)
        return Status("exited", pids, ended)

    def lock(self) -> Lock:
        """Take the record's lock; use it in a `with` block.

        Raises NoSuchContainer when the record was removed while this waited.
        """
        try:
            lock = Lock(self.directory)
        except OSError:
            raise NoSuchContainer(self.id[:12]) from None
        lock.take()
        if not _same(lock.fd, self.directory):
            lock.close()
            raise NoSuchContainer(self.id[:12])
        return lock

    def write(self, name: str, text: str) -> None:
        """Replace a file of the record atomically; the caller holds the lock."""
        staged = f"{self.directory}/.{name}.new"
        with open(staged, "wb", buffering=1 << 16) as file:
            file.write(text.encode("utf-8", "surrogateescape"))
        os.rename(staged, f"{self.directory}/{name}")

    def rename(self, name: str) -> None:
        """Give the container another name. Raises NameInUse, UsageError."""
        check_name(name)
        with self.lock():
            old = self.name
            if name == old:
                return
            claim_name(self.places, name, self.id)
            self._summary = {**self.summary, "name": name}
            self.write("state.json", fastjson.dumps(self._summary))
            _drop_name(self.places, old, self.id)

    def to_trash(self) -> str:
        """Take the record out of sight and free its name; return the path that is left to delete.

        The caller holds the lock. A kill after the rename leaves only trash and a name that leads
        nowhere, which `claim_name` takes over.
        """
        try:
            name = self.name
        except (CorruptStore, KeyError, NoSuchContainer):
            name = ""
        path = f"{self.places.trash}/{self.id}.{os.urandom(4).hex()}"
        os.rename(self.directory, path)
        if name:
            _drop_name(self.places, name, self.id)
        else:
            for other in os.listdir(self.places.names):
                _drop_name(self.places, other, self.id)
        return path


def _same(fd: int, path: str) -> bool:
    try:
        here, there = os.fstat(fd), os.stat(path, follow_symlinks=False)
    except OSError:
        return False
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)


def check_name(name: str) -> str:
    """Return `name` without a leading slash. Raises UsageError for what is no name."""
    name = name.removeprefix("/")
    if not name or name[0] not in _NAME_START or not _NAME_REST.issuperset(name) or len(name) > 255:
        raise UsageError(
            f"invalid name {name!a}: names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*",
            hint="a name has at most 255 characters" if len(name) > 255 else None,
        )
    return name


def claim_name(places: Places, name: str, id: str) -> None:
    """Take a name for a container that is there or being staged. Raises NameInUse."""
    link = f"{places.names}/{name}"
    for _attempt in range(3):
        try:
            os.symlink(f"../containers/{id}", link)
            return
        except FileExistsError:
            holder = free_dead_name(places, name)
        if holder:
            raise NameInUse(
                f'the container name "{name}" is already in use by {holder}:'
                " that name is already in use",
                hint=f"remove it (pypod rm {name}), choose another name, or use --replace",
            )
    raise NameInUse(f'the container name "{name}" is being claimed by another command')


def free_dead_name(places: Places, name: str) -> str | None:
    """Take a name away whose holder was killed while it came or went; return a live holder."""
    holder = _name_target(places, name)
    if holder is not None and not _exists(places, holder):
        _drop_name(places, name, holder)
        return None
    return holder


def _exists(places: Places, id: str) -> bool:
    if os.path.isdir(f"{places.containers}/{id}"):
        return True
    try:
        lock = Lock(f"{places.tmp}/container-{id}")
    except OSError:  # it may have been published meanwhile
        return os.path.isdir(f"{places.containers}/{id}")
    with_owner = not lock.take(wait=False)
    lock.close()
    return with_owner or os.path.isdir(f"{places.containers}/{id}")


def _name_target(places: Places, name: str) -> str | None:
    try:
        return os.readlink(f"{places.names}/{name}").rpartition("/")[2]
    except OSError:
        return None


def _drop_name(places: Places, name: str, id: str) -> None:
    if _name_target(places, name) == id:
        try:
            os.unlink(f"{places.names}/{name}")
        except FileNotFoundError:
            pass


class Staging:
    """A container being made: a locked directory in `tmp`, invisible until `publish`.

    Leaving the `with` block without `publish` puts it in the trash and frees the name.
    """

    def __init__(self, places: Places, name: str) -> None:
        self.places = places
        self.id = os.urandom(32).hex()
        self.name = name
        self.directory = f"{places.tmp}/container-{self.id}"
        """Where the files are written now; the record will be `final`."""
        self.final = f"{places.containers}/{self.id}"
        self._lock = self._make()
        self.trash: str | None = None
        try:
            claim_name(places, name, self.id)
        except BaseException:
            os.rmdir(self.directory)
            self._lock.close()
            raise

    def _make(self) -> Lock:
        """Make the directory and lock it; a sweep may take it away in between."""
        while True:
            os.mkdir(self.directory, 0o700)
            try:
                lock = Lock(self.directory)
            except FileNotFoundError:
                continue
            lock.take()
            if _same(lock.fd, self.directory):
                return lock
            lock.close()

    def write(self, name: str, text: str, *, mode: int = 0o600) -> None:
        """Write a file of the record."""
        fd = os.open(
            f"{self.directory}/{name}", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode
        )
        with open(fd, "wb", buffering=1 << 16) as file:
            os.fchmod(fd, mode)
            file.write(text.encode("utf-8", "surrogateescape"))

    def sync(self) -> None:
        """Bring what was written to the disk: after a power cut it is whole or not there."""
        for name in ("config.json", "create.json", "state.json"):
            fd = os.open(f"{self.directory}/{name}", os.O_RDONLY | os.O_CLOEXEC)
            os.fdatasync(fd)
            os.close(fd)
        os.fsync(self._lock.fd)

    def publish(self) -> tuple[Container, Lock]:
        """Make the record visible; return it with its lock still held."""
        os.rename(self.directory, self.final)
        self.published = True
        return Container(self.places, self.id), self._lock

    published = False

    def __enter__(self) -> Staging:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if self.published:
            return
        path = f"{self.places.trash}/{self.id}.{os.urandom(4).hex()}"
        os.rename(self.directory, path)
        _drop_name(self.places, self.name, self.id)
        self._lock.close()


def every(places: Places) -> Iterator[Container]:
    """Yield every record; one that goes while this runs is simply not there."""
    try:
        names = os.listdir(places.containers)
    except FileNotFoundError:
        return
    for name in names:
        if len(name) == 64:
            yield Container(places, name)


def find(places: Places, name: str) -> Container:
    """Return the container of a name, an id or an unambiguous id prefix; a name wins.

    Raises NoSuchContainer, AmbiguousId.
    """
    plain = name.removeprefix("/")
    if plain and plain[0] in _NAME_START and _NAME_REST.issuperset(plain) and len(plain) < 256:
        holder = _name_target(places, plain)
        if holder is not None and os.path.isdir(f"{places.containers}/{holder}"):
            return Container(places, holder)
        if _HEX.issuperset(plain):
            matches = [one.id for one in every(places) if one.id.startswith(plain)]
            if len(matches) > 1:
                shown = ", ".join(sorted(match[:12] for match in matches))
                raise AmbiguousId(
                    f'more than one result for container ID prefix "{plain}": {shown}',
                    hint="give more characters of the id, or the name",
                )
            if matches:
                return Container(places, matches[0])
    raise NoSuchContainer(name, known=lambda: known_names(places))


def known_names(places: Places) -> list[str]:
    """Return the names of containers, in no order."""
    try:
        return os.listdir(places.names)
    except OSError:
        return []
