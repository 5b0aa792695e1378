# SPDX-License-Identifier: Apache-2.0
"""What -v, --mount, --tmpfs and an image's VOLUME ask for, and the OCI mounts that come of it.

A request names a volume; where its directory lies is found by engine/volumes.py, which also makes
what is missing. Sources: podman-run(1) and docker's "Bind mounts", "Volumes", "tmpfs mounts".
"""

from __future__ import annotations

from pypod.errors import PypodError, UsageError
from pypod.spec.mounts import clean, escape_layer, tmpfs
from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from pypod.oci.image import ImageRecord
    from pypod.spec.ids import User
    from pypod.spec.options import CreateOptions

PROPAGATION = frozenset(
    "private rprivate slave rslave shared rshared unbindable runbindable".split()
)
_OPPOSITES = (
    "ro rw",
    "suid nosuid",
    "dev nodev",
    "exec noexec",
    "bind rbind",
    "z Z",
    "copy nocopy",
)
_FLAGS = frozenset(
    "ro rw z Z nosuid suid nodev dev noexec exec bind rbind noatime relatime strictatime".split()
)
_NAME_START = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_NAME_REST = _NAME_START | frozenset("_.-")
SUBPATH = "X-pypod.subpath="
"""A mount option of config.json: the part of the source that is mounted, resolved inside it."""


class Request(Value):
    """One mount that was asked for."""

    kind: str
    """bind, volume or tmpfs."""
    destination: str
    typed: str
    """As it was typed, for errors."""
    source: str = ""
    """A host path, or a volume's name; empty for a new anonymous volume."""
    options: tuple[str, ...] = ()
    """OCI mount options."""
    copy: bool = True
    """Whether an empty volume gets the image's content."""
    chown: bool = False
    """`U`: the whole source is given to the container's user."""
    overlay: bool = False
    """`O`: the container writes to a layer of its own over the source."""
    upper: str = ""
    work: str = ""
    subpath: str = ""
    create: bool = True
    """Whether a volume, or with --mount bind-create-src a directory, is made when it is missing."""
    labels: tuple[str, ...] = ()
    driver_options: tuple[str, ...] = ()
    image: bool = False
    """It is a VOLUME of the image."""

    @property
    def key(self) -> str:
        """What the volume is found by: its name, or the destination of an anonymous one."""
        return self.source or self.destination

    def record(self) -> dict[str, Any]:
        """Return the JSON form, for create.json and --volumes-from."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in self.as_dict().items()
            if value != self._defaults.get(key)
        }


def from_record(record: dict[str, Any]) -> Request:
    """Return the request of a JSON form; what it does not know is left out."""
    fields = {key: value for key, value in record.items() if key in Request._fields}
    for key in ("options", "labels", "driver_options"):
        fields[key] = tuple(fields.get(key, ()))
    return Request(**fields)


class Found(Value):
    """A volume that is there: where it lies, and what its own options make of a mount."""

    name: str
    path: str
    kind: str = "bind"
    """tmpfs: a new file system in each container (volume create -o type=tmpfs)."""
    options: tuple[str, ...] = ()
    anonymous: bool = False


def check_name(name: str, what: str) -> str:
    """Return a volume's name. Raises UsageError for what is no name."""
    if not name or name[0] not in _NAME_START or not _NAME_REST.issuperset(name) or len(name) > 255:
        raise UsageError(
            f"{what}: invalid volume name {name!a}: names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*",
            hint="a host path begins with / or ./",
        )
    return name


def host_path(path: str, cwd: str) -> str:
    """Return an absolute host path without `.`; `..` stays, as it follows symbolic links."""
    if not path.startswith("/"):
        path = f"{cwd}/{path}"
    return "/" + "/".join(part for part in path.split("/") if part not in ("", "."))


def volume(text: str, cwd: str) -> Request:
    """Return the request of `-v [SOURCE:]DESTINATION[:OPTIONS]`. Raises UsageError, PypodError."""
    what = f"-v {text}"
    fields = text.split(":")
    if len(fields) > 3 or not fields[0]:
        raise UsageError(f"{what}: incorrect volume format", hint="-v SOURCE:/container[:ro]")
    if len(fields) == 1:
        return Request("volume", clean(fields[0], what), what, options=("rbind", "rprivate"))
    source, destination = fields[0], clean(fields[1], what)
    if source.startswith(("/", ".")):
        request = Request("bind", destination, what, host_path(source, cwd), create=False)
    else:
        request = Request("volume", destination, what, check_name(source, what))
    return _with_words(request, fields[2].split(",") if len(fields) == 3 and fields[2] else ())


def _with_words(request: Request, words: Iterable[str]) -> Request:
    """Return the request with the option words of -v."""
    options: list[str] = []
    changes: dict[str, Any] = {}
    words = tuple(words)
    for pair in _OPPOSITES:
        if set(pair.split()) <= set(words):
            raise UsageError(f"{request.typed}: {' and '.join(pair.split())} exclude each other")
    if len([word for word in words if word in PROPAGATION]) > 1:
        raise UsageError(f"{request.typed}: more than one propagation option")
    for word in words:
        key, equals, value = word.partition("=")
        if word in _FLAGS or word in PROPAGATION:
            if word not in ("z", "Z", "rw"):
                options.append(word)
        elif word in ("copy", "nocopy", "nocreate") and request.kind == "volume":
            changes["create" if word == "nocreate" else "copy"] = word == "copy"
        elif word in ("U", "O"):
            changes["chown" if word == "U" else "overlay"] = True
        elif key in ("upperdir", "workdir") and equals and value.startswith("/"):
            changes["upper" if key == "upperdir" else "work"] = value
        elif key == "idmap":
            raise PypodError(
                f"{request.typed}: id-mapped mounts of host directories are for the host's root",
                hint="U gives the directory to the container's user",
            )
        else:
            raise UsageError(f'{request.typed}: unknown option "{word}"')
    return finished(request.replace(**changes), options)


def finished(request: Request, options: list[str]) -> Request:
    """Return a bind or volume with its options in order, and what no option says filled in."""
    if bool(request.upper) != bool(request.work) or (request.upper and not request.overlay):
        raise UsageError(f"{request.typed}: upperdir= and workdir= go together, and with O")
    if request.overlay and request.chown:
        raise PypodError(
            f"{request.typed}: U would change the owner below O",
            hint="leave one of them out",
        )
    if "bind" not in options and "rbind" not in options:
        options.insert(0, "rbind")
    if not PROPAGATION.intersection(options):
        options.append("rprivate")
    done: Request = request.replace(options=tuple(options))
    return done


def requests(
    options: CreateOptions, image: ImageRecord, cwd: str, inherited: Iterable[Request] = ()
) -> list[Request]:
    """Return all mounts that a container is to have beside its own; none twice.

    Typed ones win over those of --volumes-from (`inherited`), and those over the image's. Raises
    UsageError when two typed ones have one destination.
    """
    asked = [volume(text, cwd) for text in options.volume]
    if options.mount:
        from pypod.spec import mount_option

        asked += [mount_option.parse(text, cwd) for text in options.mount]
    for text in options.tmpfs:
        mount = tmpfs(text)
        words = tuple(mount["options"])
        asked.append(Request("tmpfs", mount["destination"], f"--tmpfs {text}", options=words))
    taken = [one.destination for one in asked]
    for destination in taken:
        if taken.count(destination) > 1:
            raise UsageError(f"{destination}: duplicate mount destination")
    for one in inherited:
        if one.destination not in taken:
            asked.append(one)
            taken.append(one.destination)
    if options.image_volume not in ("", "anonymous", "bind", "tmpfs", "ignore"):
        raise UsageError(
            f'invalid image-volume type "{options.image_volume}": anonymous, tmpfs or ignore'
        )
    if options.image_volume != "ignore":
        asked += _image_volumes(image, taken, tmpfs_wanted=options.image_volume == "tmpfs")
    return asked


def _image_volumes(image: ImageRecord, taken: list[str], *, tmpfs_wanted: bool) -> list[Request]:
    found = []
    for path in image.config.get("volumes") or ():
        what = f"VOLUME {path} of the image"
        destination = clean(path if path.startswith("/") else "/" + path, what)
        if destination in taken:
            continue
        taken.append(destination)
        if tmpfs_wanted:
            words = tuple(tmpfs(destination)["options"])
            found.append(Request("tmpfs", destination, what, options=words, image=True))
        else:
            words = ("rbind", "rprivate")
            found.append(Request("volume", destination, what, options=words, image=True))
    return found


def oci(
    request: Request, found: Mapping[str, Found], user: User, directory: str, number: int
) -> dict[str, Any]:
    """Return the OCI mount of a request. `number` tells a container's throw-away layers apart.

    A volume that was not looked up has its name as source: only tests compose so.
    """
    options = list(request.options)
    if request.kind == "tmpfs":
        if request.chown:
            options += [f"uid={user.uid}", f"gid={user.gid}"]
        return _mount(request, "tmpfs", "tmpfs", options)
    source = request.source
    if request.kind == "volume":
        volume = found.get(request.key) or Found(request.key, request.key)
        if volume.kind == "tmpfs":
            kept = [word for word in options if word not in ("bind", "rbind")]
            if request.chown:
                kept += [f"uid={user.uid}", f"gid={user.gid}"]
            return _mount(request, "tmpfs", "tmpfs", [*kept, *volume.options])
        source = volume.path
        options += [word for word in volume.options if word not in options]
    if request.overlay:
        own = f"{directory}/overlay{number}"
        flags = [word for word in options if word not in ("bind", "rbind")]
        layers = [
            "userxattr",
            f"lowerdir={escape_layer(source)}",
            f"upperdir={request.upper or own + '/upper'}",
            f"workdir={request.work or own + '/work'}",
        ]
        if not request.upper:
            layers.append("X-pypod.own")
        return _mount(request, "overlay", "overlay", [*flags, *layers])
    if request.subpath:
        options.append(SUBPATH + request.subpath)
    return _mount(request, "bind", source, options)


def _mount(request: Request, kind: str, source: str, options: list[str]) -> dict[str, Any]:
    return {
        "destination": request.destination,
        "type": kind,
        "source": source,
        "options": options,
    }


def records(asked: Iterable[Request], found: Mapping[str, Found]) -> list[dict[str, Any]]:
    """Return what create.json keeps of the mounts, for inspect, rm, start and --volumes-from."""
    kept = []
    for request in asked:
        record = request.record()
        if request.kind == "volume" and request.key in found:
            volume = found[request.key]
            record["source"] = volume.name
            record["path"] = volume.path
            if volume.anonymous:
                record["anonymous"] = True
        kept.append(record)
    return kept
