# SPDX-License-Identifier: Apache-2.0
"""The volumes of a container that is being made: made where missing, and held meanwhile."""

from __future__ import annotations

import os

from pypod.errors import NameInUse, NoSuchVolume, PypodError
from pypod.spec import volumes as spec_volumes
from pypod.spec.volumes import Found, Request
from pypod.store import objects

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pypod.kernel.locks import Lock
    from pypod.kernel.paths import Places
    from pypod.oci.image import ImageRecord
    from pypod.spec.facts import HostFacts
    from pypod.spec.options import CreateOptions
    from pypod.store.volumes import Volume

_NOT_GIVEN_AWAY = frozenset(
    "/ /bin /boot /dev /etc /home /lib /lib32 /lib64 /media /mnt /opt /proc /root /run /sbin /srv"
    " /sys /tmp /usr /var /var/lib /var/tmp".split()
)
"""Host directories whose owner `U` never changes; nor is it ever the caller's home."""


class Claim:
    """The volumes of one container. Use it in a `with` block.

    They are locked until its end: `volume rm` waits, and then finds the container. Leaving it
    without `keep` removes the volumes that were made for this.
    """

    def __init__(
        self,
        places: Places,
        facts: HostFacts,
        options: CreateOptions,
        image: ImageRecord,
        cwd: str,
    ) -> None:
        self.places = places
        self._facts = facts
        self.found: dict[str, Found] = {}
        self.inherited = inherited(places, options.volumes_from)
        requests = spec_volumes.requests(options, image, cwd, self.inherited)
        check_sources(requests)
        self._requests = [one for one in requests if one.kind == "volume"]
        self._locks: list[Lock] = []
        self._made: list[Volume] = []
        self._kept = False

    def __enter__(self) -> Claim:
        try:
            named = {one.source: one for one in self._requests if one.source}
            for name in sorted(named):
                self._hold(named[name])
            for request in self._requests:
                if not request.source:
                    self._make(request, os.urandom(32).hex(), anonymous=True)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        if not self._kept:
            for volume in self._made:
                try:
                    path = volume.to_trash()
                    _remove_fresh(path)
                except OSError:  # what is left of it is in the trash, which is swept
                    continue
        for lock in self._locks:
            lock.close()

    def keep(self) -> None:
        """Say that the container is there: its volumes stay."""
        self._kept = True

    def _hold(self, request: Request) -> None:
        """Lock a named volume, which is made when it is missing."""
        from pypod.store import volumes as store

        for _attempt in range(5):
            volume = store.get(self.places, request.source)
            if volume is None:
                if not request.create:
                    raise NoSuchVolume(request.source)
                try:
                    self._make(request, request.source, anonymous=False)
                except NameInUse:
                    continue
                return
            try:
                self._locks.append(volume.lock())
            except NoSuchVolume:
                continue
            self.found[request.key] = found(volume)
            return
        raise PypodError(f"volume {request.source} is made and removed again and again")

    def _make(self, request: Request, name: str, *, anonymous: bool) -> None:
        from pypod.engine import volume_options
        from pypod.store import volumes as store

        options = volume_options.check(request.driver_options, request.typed)
        volume, lock = store.create(
            self.places,
            name,
            labels=volume_options.labels(request.labels),
            options=options,
            anonymous=anonymous,
        )
        self._made.append(volume)
        self._locks.append(lock)
        if "o" in options:
            volume_options.apply_owner(volume, self._facts)
        self.found[request.key] = found(volume)


def _remove_fresh(path: str) -> None:
    for name in ("volume.json", "first-use"):
        os.unlink(f"{path}/{name}")
    os.rmdir(f"{path}/_data")
    os.rmdir(path)


def found(volume: Volume) -> Found:
    """Return what a mount needs to know of a volume."""
    options = volume.options
    if not options:
        return Found(volume.name, volume.mountpoint, anonymous=volume.anonymous)
    from pypod.engine import volume_options

    return volume_options.found(volume, options)


def inherited(places: Places, words: Iterable[str]) -> tuple[Request, ...]:
    """Return what --volumes-from adds: the volumes and binds of other containers.

    Raises NoSuchContainer, PypodError for a wrong option.
    """
    requests: list[Request] = []
    for word in words:
        name, _, text = word.partition(":")
        flags = [flag for flag in text.split(",") if flag]
        wrong = [flag for flag in flags if flag not in ("ro", "rw", "z", "Z")]
        if wrong:
            raise PypodError(
                f'--volumes-from {word}: unknown option "{wrong[0]}"', hint="ro, rw or z"
            )
        for record in objects.find(places, name).create.get("volumes", ()):
            request = spec_volumes.from_record(record)
            if request.kind == "tmpfs":
                continue
            if "ro" in flags and "ro" not in request.options:
                request = request.replace(options=(*request.options, "ro"))
            requests.append(request.replace(typed=f"--volumes-from {word}", chown=False))
    return tuple(requests)


def check_sources(requests: Iterable[Request]) -> None:
    """Refuse what cannot be a source, and make what bind-create-src asks for. Raises PypodError."""
    for request in requests:
        if request.kind != "bind":
            continue
        if request.create and not os.path.lexists(request.source):
            try:
                os.makedirs(request.source)
            except OSError as error:
                raise PypodError(
                    f"{request.typed}: cannot make {request.source}: {error.strerror}"
                ) from None
        if request.chown:
            check_given(request.source, request.typed)


def check_given(path: str, typed: str) -> None:
    """Refuse to give away what belongs to the whole machine, or all of the caller's home."""
    real = os.path.realpath(path)
    if real in _NOT_GIVEN_AWAY or real == os.path.realpath(os.path.expanduser("~")):
        raise PypodError(f"{typed}: U does not change the owner of all of {real}")
