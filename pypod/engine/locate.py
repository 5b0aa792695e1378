# SPDX-License-Identifier: Apache-2.0
"""From a location to the place that answers for it: the only module that knows all transports."""

from __future__ import annotations

import os

from pypod.engine import daemon_place
from pypod.engine.archive_file import open_archive
from pypod.engine.remote import Access, holding, repository
from pypod.engine.store_place import StoreSource, elsewhere
from pypod.errors import PypodError, UsageError
from pypod.oci import digest as oci_digest
from pypod.oci import location, reference
from pypod.transport import files
from pypod.transport.docker_archive import (
    DockerArchiveSource,
    DockerArchiveTarget,
    is_docker_archive,
)
from pypod.transport.oci_layout import ArchiveTarget, LayoutSource, LayoutTarget, is_layout
from pypod.transport.output import Output
from pypod.transport.plain_dir import PlainDirSource, PlainDirTarget, is_plain_dir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.engine.place import Source, Target
    from pypod.engine.registry_place import RegistryTarget
    from pypod.kernel.paths import Places
    from pypod.oci.location import Location

_MOUNTS_MOST = 8
"""Repositories of the same registry that a token is asked for besides."""


def source(
    places: Places, where: Location, access: Access, *, whole: bool = False
) -> tuple[Source, str]:
    """Return a place to read from, and what to ask it for. Raises PypodError.

    `whole` asks the store for the index that the image was chosen from.
    """
    if where.transport == location.STORE:
        return StoreSource(places, where.reference, whole=whole), ""
    if where.transport == location.REGISTRY:
        wanted = reference.parse(where.reference)
        return holding(places, wanted, access)
    if where.transport == location.DOCKER_DAEMON:
        return daemon_place.fetch(where.reference, places.tmp), ""
    if where.transport == location.OCI:
        return LayoutSource(files.Directory(where.path), where.reference), ""
    if where.transport == location.DIRECTORY:
        return PlainDirSource(files.Directory(where.path)), ""
    archive = open_archive(where.path, places.tmp)
    try:
        if where.transport == location.OCI_ARCHIVE:
            return LayoutSource(archive, where.reference), ""
        return DockerArchiveSource(archive, where.reference), ""
    except BaseException:
        archive.close()
        raise


def target(
    places: Places, where: Location, access: Access, names: tuple[str, ...] = ()
) -> Target:
    """Return a place to write to; `names` are more names for the image there. Raises PypodError."""
    kind = where.transport
    own = (where.reference, *names) if where.reference else names
    if kind == location.REGISTRY:
        return _registry(places, where, access, names)
    if kind == location.OCI:
        return LayoutTarget(where.path, own)
    if kind == location.OCI_ARCHIVE:
        return ArchiveTarget(where.path, own)
    if kind == location.DOCKER_ARCHIVE:
        if where.reference.startswith("@"):
            raise UsageError(f"{where}: an archive that is written takes a name")
        return DockerArchiveTarget(Output(where.path), own)
    if kind == location.DOCKER_DAEMON:
        if oci_digest.is_digest(where.reference):
            raise UsageError(f"{where}: an image that is written needs a name")
        return daemon_place.DaemonTarget(own, places.tmp)
    if kind == location.DIRECTORY:
        if names:
            raise UsageError(f"{where}: an image there has no name")
        return PlainDirTarget(where.path)
    raise UsageError(f"{where}: images come into the store by pull, load and image copy")


def _registry(
    places: Places, where: Location, access: Access, names: tuple[str, ...]
) -> RegistryTarget:
    from pypod.engine.registry_place import RegistryTarget

    wanted = reference.parse(where.reference)
    mounts = elsewhere(places, wanted)
    paths = tuple(dict.fromkeys(mounts.values()))[:_MOUNTS_MOST]
    opened = repository(places, wanted, access, actions="pull,push", mounts=paths)
    known = {digest: path for digest, path in mounts.items() if path in paths}
    tags = (wanted.tag, *names) if wanted.tag else names
    return RegistryTarget(opened, tags, known)


def found(path: str, places: Places) -> LayoutSource | DockerArchiveSource | PlainDirSource:
    """Return what is in a file or directory, `-` being stdin. Raises PypodError."""
    if path != "-" and os.path.isdir(path):
        box = files.Directory(path)
        if is_layout(box):
            return LayoutSource(box)
        if is_plain_dir(box):
            return PlainDirSource(box)
        raise PypodError(f"{path}: no image is in this directory")
    archive = open_archive(path, places.tmp)
    try:
        # docker writes both since 2024: manifest.json has the whole names.
        if is_docker_archive(archive):
            return DockerArchiveSource(archive)
        if is_layout(archive):
            return LayoutSource(archive)
        raise PypodError(f"{archive.noun}: not an archive of images")
    except BaseException:
        archive.close()
        raise
