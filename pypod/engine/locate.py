# SPDX-License-Identifier: Apache-2.0
"""From a location to the place that answers for it: the only module that knows all transports."""

from __future__ import annotations

from pypod.engine.registry_place import RegistryTarget
from pypod.engine.remote import Access, repository
from pypod.engine.store_place import StoreSource, elsewhere
from pypod.errors import PypodError
from pypod.oci import location, reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.engine.place import Source, Target
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
        return repository(places, wanted, access), wanted.wanted
    raise PypodError(f"{where}: cannot be read yet")


def target(
    places: Places, where: Location, access: Access, names: tuple[str, ...] = ()
) -> Target:
    """Return a place to write to; `names` are more names for the image there. Raises PypodError."""
    if where.transport == location.REGISTRY:
        wanted = reference.parse(where.reference)
        mounts = elsewhere(places, wanted)
        paths = tuple(dict.fromkeys(mounts.values()))[:_MOUNTS_MOST]
        opened = repository(places, wanted, access, actions="pull,push", mounts=paths)
        tags = (wanted.tag, *names) if wanted.tag else names
        known = {digest: path for digest, path in mounts.items() if path in paths}
        return RegistryTarget(opened, () if wanted.digest and not names else tags, known)
    raise PypodError(f"{where}: cannot be written yet")
