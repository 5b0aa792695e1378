# SPDX-License-Identifier: Apache-2.0
"""Volume records: a directory each, called as the volume is, read without locks (STORE.md).

A volume's name is its directory's name, so that making one is one rename, and two makers of the
same name cannot both win.
"""

from __future__ import annotations

import os
import time

from pypod.errors import CorruptStore, NameInUse, NoSuchVolume
from pypod.kernel import fastjson
from pypod.kernel.locks import Lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from pypod.kernel.paths import Places

FIRST_USE = "first-use"
"""What a first container still has to do, in words: copy (the image's content), owner."""


class Volume:
    """One record."""

    def __init__(self, places: Places, name: str) -> None:
        self.places = places
        self.name = name
        self.directory = f"{places.volumes}/{name}"
        self._document: dict[str, Any] | None = None

    @property
    def mountpoint(self) -> str:
        """The directory with the volume's files."""
        return self.directory + "/_data"

    @property
    def document(self) -> dict[str, Any]:
        """What was asked for at create (volume.json). Raises NoSuchVolume, CorruptStore."""
        if self._document is None:
            try:
                with open(self.directory + "/volume.json", "rb", buffering=0) as file:
                    value = fastjson.loads(file.read())
            except (FileNotFoundError, NotADirectoryError):
                raise NoSuchVolume(self.name) from None
            except fastjson.BadJson as error:
                raise CorruptStore(
                    f"volume {self.name}: volume.json cannot be read: {error}",
                    hint=f"the files are in {self.mountpoint}",
                ) from None
            if not isinstance(value, dict):
                raise CorruptStore(f"volume {self.name}: volume.json is not a JSON object")
            self._document = value
        return self._document

    @property
    def anonymous(self) -> bool:
        """Whether it was made for one container and goes with it."""
        return bool(self.document.get("anonymous"))

    @property
    def labels(self) -> dict[str, str]:
        """The labels."""
        return dict(self.document.get("labels") or {})

    @property
    def options(self) -> dict[str, str]:
        """The driver's options."""
        return dict(self.document.get("options") or {})

    @property
    def created(self) -> float:
        """When it was made, in seconds since the epoch."""
        return float(self.document.get("created", 0))

    def first_use(self) -> list[str]:
        """Return what a first container still has to do; empty when that is done."""
        try:
            with open(f"{self.directory}/{FIRST_USE}", encoding="utf-8") as file:
                return file.read().split()
        except FileNotFoundError:
            return []

    def set_first_use(self, words: list[str]) -> None:
        """Write what is left to do; the caller holds the lock."""
        path = f"{self.directory}/{FIRST_USE}"
        if not words:
            try:
                os.unlink(path)
            except FileNotFoundError:
                pass
            return
        _write(path + ".new", " ".join(words))
        os.rename(path + ".new", path)

    def lock(self) -> Lock:
        """Take the record's lock. Raises NoSuchVolume when it was removed while this waited."""
        try:
            lock = Lock(self.directory)
        except OSError:
            raise NoSuchVolume(self.name) from None
        lock.take()
        if not lock.is_of(self.directory):
            lock.close()
            raise NoSuchVolume(self.name)
        return lock

    def to_trash(self) -> str:
        """Take the record out of sight; return the path that is left to delete. Needs the lock."""
        path = f"{self.places.trash}/volume.{os.urandom(8).hex()}"
        os.rename(self.directory, path)
        return path


def _write(path: str, text: str) -> None:
    with open(path, "wb", buffering=1 << 16) as file:
        file.write(text.encode("utf-8", "surrogateescape"))


def create(
    places: Places,
    name: str,
    *,
    labels: dict[str, str] | None = None,
    options: dict[str, str] | None = None,
    anonymous: bool = False,
) -> tuple[Volume, Lock]:
    """Make a volume and return it with its lock held. The name is checked. Raises NameInUse.

    Its content and its owner come with its first container.
    """
    os.makedirs(places.volumes, mode=0o700, exist_ok=True)
    document = {
        "name": name,
        "driver": "local",
        "labels": labels or {},
        "options": options or {},
        "created": time.time(),
        "anonymous": anonymous,
    }
    staging, lock = _stage(places)
    try:
        os.mkdir(staging + "/_data")
        os.chmod(staging + "/_data", 0o755)  # whatever the caller's umask is
        _write(f"{staging}/volume.json", fastjson.dumps(document))
        _write(f"{staging}/{FIRST_USE}", "copy owner")
        if not anonymous:
            _sync(f"{staging}/volume.json", staging)
        try:
            os.rename(staging, f"{places.volumes}/{name}")
        except OSError:  # ENOTEMPTY, EEXIST: a directory is there, and a record is never empty
            _remove_staging(staging)
            raise NameInUse(
                f"volume with name {name} already exists: volume already exists",
                hint="--ignore takes the one that is there",
            ) from None
    except BaseException:
        lock.close()
        raise
    return Volume(places, name), lock


def _stage(places: Places) -> tuple[str, Lock]:
    """Make a directory and lock it; a sweep may take it away in between."""
    while True:
        staging = f"{places.tmp}/volume-{os.urandom(8).hex()}"
        os.mkdir(staging, 0o700)
        try:
            lock = Lock(staging)
        except FileNotFoundError:
            continue
        lock.take()
        if lock.is_of(staging):
            return staging, lock
        lock.close()


def _sync(*paths: str) -> None:
    for path in paths:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        os.fsync(fd)
        os.close(fd)


def _remove_staging(staging: str) -> None:
    for name in ("volume.json", FIRST_USE):
        os.unlink(f"{staging}/{name}")
    os.rmdir(staging + "/_data")
    os.rmdir(staging)


def every(places: Places) -> Iterator[Volume]:
    """Yield every volume, by name; one that goes while this runs is simply not there."""
    try:
        names = os.listdir(places.volumes)
    except FileNotFoundError:
        return
    for name in sorted(names):
        yield Volume(places, name)


def get(places: Places, name: str) -> Volume | None:
    """Return the volume of exactly this name, None when there is none."""
    if not name or "/" in name or name.startswith("."):
        return None
    return Volume(places, name) if os.path.isdir(f"{places.volumes}/{name}") else None


def find(places: Places, name: str) -> Volume:
    """Return the volume of a name or of the beginning of one that fits no other.

    Raises NoSuchVolume, AmbiguousId.
    """
    found = get(places, name)
    if found is not None:
        return found
    matches = [one.name for one in every(places) if name and one.name.startswith(name)]
    if len(matches) > 1:
        from pypod.errors import AmbiguousId

        raise AmbiguousId(
            f'more than one result for volume name "{name}": {", ".join(matches)[:200]}',
            hint="give the whole name",
        )
    if not matches:
        raise NoSuchVolume(name, known=lambda: known_names(places))
    return Volume(places, matches[0])


def known_names(places: Places) -> list[str]:
    """Return the names of volumes."""
    return [one.name for one in every(places)]
