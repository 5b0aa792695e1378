# SPDX-License-Identifier: Apache-2.0
"""Every error a user can meet. An error owns its exit code and, where there is a cure, its hint.

Raise at the lowest place that knows the noun; wrap only to add one. Nothing here prints or exits.
"""

from __future__ import annotations

EXIT_ENGINE = 125
"""pypod itself failed (podman's and docker's 125)."""
EXIT_NOT_INVOCABLE = 126
EXIT_NOT_FOUND = 127


TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class PypodError(Exception):
    """An error with one line for people, a cure, and the exit code of the process."""

    code = EXIT_ENGINE

    def __init__(self, message: str, *, hint: str | None = None, code: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if code is not None:
            self.code = code


class UsageError(PypodError):
    """The command line is wrong."""


class NoSuchObject(PypodError):
    """A named object does not exist. `rm`, `rmi` and `exists` end 1 for it, most others 125."""

    word = ""
    """What was asked for."""
    known: Callable[[], Iterable[str]] | None = None
    """Gives the names that exist; the one who shows the error asks for the nearest."""


class NoSuchContainer(NoSuchObject):
    """No container has this name or id."""

    def __init__(self, name: str, known: Callable[[], Iterable[str]] | None = None) -> None:
        super().__init__(f'no container with name or ID "{name}" found: no such container')
        self.word, self.known = name, known


class NoSuchVolume(NoSuchObject):
    """No volume has this name."""

    def __init__(self, name: str, known: Callable[[], Iterable[str]] | None = None) -> None:
        self.word, self.known = name, known
        super().__init__(f'no volume with name "{name}" found: no such volume')


class ImageNotKnown(NoSuchObject):
    """No image in the store has this name, digest or id."""

    said = "image not known"

    def __init__(
        self,
        name: str,
        *,
        hint: str | None = None,
        known: Callable[[], Iterable[str]] | None = None,
    ) -> None:
        super().__init__(f"{name}: {self.said}", hint=hint)
        self.word, self.known = name, known


class ArtifactNotKnown(ImageNotKnown):
    """No artifact in the store has this name or digest."""

    said = "artifact does not exist"


class AmbiguousId(PypodError):
    """A prefix names more than one object."""


class NameInUse(PypodError):
    """A name is held by another object."""


class ObjectInUse(PypodError):
    """The object is running, or another object needs it. `rm` and `rmi` end 2 for it."""


class WrongState(PypodError):
    """The container is not in a state that allows this."""


class CommandNotInvocable(PypodError):
    """The container's command exists and cannot be executed."""

    code = EXIT_NOT_INVOCABLE


class CommandNotFound(PypodError):
    """The container's command was not found."""

    code = EXIT_NOT_FOUND


class LostMonitor(PypodError):
    """The monitor ended before it told the exit status."""

    def __init__(self, name: str) -> None:
        super().__init__(f"lost the monitor of {name}; exit status unknown")


class LetGo(PypodError):
    """The monitor closed the connection of a client that took no output; the container goes on."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"detached: this client took no output for 10 seconds; {name} goes on",
            hint=f"pypod attach {name}",
        )


class RegistryError(PypodError):
    """A registry could not be reached, refused, or sent something wrong."""


class BodyCut(RegistryError):
    """A body ended too early: the rest may be asked for."""


class IntegrityError(PypodError):
    """Bytes are not what their digest or size says."""


class NoSpace(PypodError):
    """The disk of the store is full."""

    def __init__(self, message: str) -> None:
        super().__init__(message, hint="pypod rmi removes images, --root chooses another place")


class CorruptStore(PypodError):
    """A record of the store cannot be read."""
