# SPDX-License-Identifier: Apache-2.0
"""Which images a sync copies, and where each goes: skopeo's layout of directories and names.

Source: skopeo-sync(1). A repository without a tag is all its tags; a directory is every image below
it, one directory each.
"""

from __future__ import annotations

import os

from pypod.engine import remote, sync_file
from pypod.errors import PypodError, UsageError
from pypod.kernel import trust_files
from pypod.oci import location, policy, reference, signed
from pypod.oci.location import Location
from pypod.transport import files
from pypod.transport.plain_dir import is_plain_dir
from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pypod.engine.remote import Access
    from pypod.kernel.paths import Places

PLACES = (location.REGISTRY, location.DIRECTORY)
YAML = "yaml"
"""A source that is a file: what to copy from several registries."""


class Step(Value):
    """One image and where it goes."""

    source: Location
    target: Location
    access: Access
    """How the source is reached."""


def steps(
    places: Places,
    source: tuple[str, str],
    target: tuple[str, str],
    access: Access,
    *,
    scoped: bool,
) -> list[Step]:
    """Return what is to be copied; source and target are a transport and a word each.

    `scoped` keeps the whole name of an image, else its last part is kept. Raises PypodError.
    """
    for side, kind, known in (
        ("--src", source[0], (*PLACES, YAML)),
        ("--dest", target[0], PLACES),
    ):
        if kind not in known:
            raise UsageError(f'{side} "{kind}": {" or ".join(known)}')
    if source[0] == target[0] == location.DIRECTORY:
        raise UsageError("sync from 'dir' to 'dir' not implemented, consider using rsync instead")
    if source[0] == location.REGISTRY:
        found = [(*one, access) for one in _tags(places, source[1], access)]
    elif source[0] == YAML:
        found = _listed(places, source[1], access)
    else:
        found = [(*one, access) for one in _directories(source[1])]
    made: dict[str, Step] = {}
    for where, name, way in found:
        step = Step(where, _target(target, name if scoped else name.rpartition("/")[2]), way)
        key = str(step.target)
        if key in made and made[key] != step:
            raise PypodError(
                f"{made[key].source} and {where} would both be {key}",
                hint="--scoped keeps whole names",
            )
        made[key] = step
    return list(made.values())


def _target(target: tuple[str, str], name: str) -> Location:
    kind, base = target
    if kind == location.DIRECTORY:
        return Location(kind, os.path.join(base, name))
    return location.parse(f"docker://{base.rstrip('/')}/{name}")


def _listed(places: Places, path: str, access: Access) -> list[tuple[Location, str, Access]]:
    """Return what a YAML file names."""
    found: list[tuple[Location, str, Access]] = []
    for one in sync_file.read(path, access):
        for word in one.tags:
            mark = "@" if word.startswith("sha256:") else ":"
            name = str(reference.parse(f"{one.repository}{mark}{word}"))
            found.append((Location(location.REGISTRY, "", name), name, one.access))
        if not one.tags:
            tags = _tags(places, one.repository, one.access, one.passes)
            found += [(where, name, one.access) for where, name in tags]
    return found


def _tags(
    places: Places, word: str, access: Access, passes: Callable[[str], bool] | None = None
) -> list[tuple[Location, str]]:
    word = word.removeprefix("docker://")
    wanted = reference.parse(word)
    if wanted.digest or ":" in word.rpartition("/")[2]:
        # A digest is no name of a directory or a tag of its own: skopeo's layout has name@digest.
        return [(Location(location.REGISTRY, "", str(wanted)), str(wanted))]
    tags = remote.tags(places, wanted, access)
    tags = [tag for tag in tags if passes is None or passes(tag)]
    if not tags:
        raise PypodError(f"{wanted.repository}: no tags to sync")
    # A tag comes from a stranger: it is a name only if it reads as one.
    # Lists of what refers to a manifest go with it, and its signatures where registries.d says so.
    attached = trust_files.lookasides().attachments(policy.scopes_of(wanted))
    tags = [tag for tag in sorted(tags) if not signed.is_companion(tag, signatures=attached)]
    names = [str(reference.parse(f"{wanted.repository}:{tag}")) for tag in tags]
    return [(Location(location.REGISTRY, "", name), name) for name in names]


def _directories(base: str) -> list[tuple[Location, str]]:
    """Return each directory of an image below `base`, and its path from there."""
    if not os.path.isdir(base):
        raise PypodError(f"{base}: no such directory")
    found = []
    for path, directories, _files in os.walk(base):
        directories.sort()
        if is_plain_dir(files.Directory(path)):
            directories.clear()
            name = os.path.relpath(path, base)
            if name == ".":
                name = os.path.basename(os.path.abspath(base))
            found.append((Location(location.DIRECTORY, path), name))
    if not found:
        raise PypodError(f"{base}: no images to sync found in this directory")
    return found
