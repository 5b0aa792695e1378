# SPDX-License-Identifier: Apache-2.0
"""docker's daemon as a place: a docker archive that is fetched first, or sent at the end."""

from __future__ import annotations

import os

from pypod.engine.scratch import Scratch
from pypod.oci import digest as oci_digest
from pypod.oci import reference
from pypod.transport import docker_daemon
from pypod.transport.docker_archive import DockerArchiveSource, DockerArchiveTarget
from pypod.transport.output import Output
from pypod.transport.tar import Archive


class DaemonSource(DockerArchiveSource):
    """An image that the daemon gave."""

    def __init__(self, archive: Archive, asked: str) -> None:
        super().__init__(archive)
        self.asked = asked
        """A name, or an id."""
        self.name = None if oci_digest.is_digest(asked) else reference.parse(asked)


def fetch(name: str, scratch: str) -> DaemonSource:
    """Return an image of the daemon. Raises PypodError."""
    with Scratch(scratch, hashed=False) as archive:
        docker_daemon.save(name, archive.write)
        return DaemonSource(Archive(os.dup(archive.fd), "docker daemon"), name)


class DaemonTarget(DockerArchiveTarget):
    """The archive is made in a file without a name; the daemon gets it when it is whole."""

    def __init__(self, names: tuple[str, ...], scratch: str) -> None:
        docker_daemon.socket_path()  # raises for one that cannot be reached
        self._file = Scratch(scratch, hashed=False)
        super().__init__(Output("docker daemon", os.dup(self._file.fd)), names)

    def finish(self) -> None:
        """Send it. Raises PypodError."""
        super().finish()
        size = os.fstat(self._file.fd).st_size
        docker_daemon.load(size, self._file.read())

    def close(self) -> None:
        """Delete the file."""
        super().close()
        self._file.__exit__(None, None, None)
