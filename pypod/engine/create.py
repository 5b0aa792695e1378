# SPDX-License-Identifier: Apache-2.0
"""Making a container: options and an image to a record on disk. Nothing is mounted or run."""

from __future__ import annotations

import os
import stat
import time

from pypod import __version__
from pypod.engine import lookups, remove
from pypod.engine import names as engine_names
from pypod.engine import network as engine_network
from pypod.engine.claim import Claim
from pypod.errors import NoSuchContainer, PypodError
from pypod.kernel import fastjson, log
from pypod.kernel.facts import devices as host_devices
from pypod.plan.compile import ACCOUNTS
from pypod.runtime import seccomp
from pypod.spec import build
from pypod.spec import idmaps as spec_idmaps
from pypod.spec import network as spec_network
from pypod.spec import ports as spec_ports
from pypod.spec.options import CreateOptions
from pypod.store import objects
from pypod.store.layers import Layers
from pypod.text.names import random_name
from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pypod.kernel.locks import Lock
    from pypod.kernel.paths import Places
    from pypod.oci.image import ImageRecord
    from pypod.spec.facts import HostFacts


class Created(Value):
    """A new container, still locked, with what was just written of it."""

    container: objects.Container
    lock: Lock
    config: dict[str, Any]
    create: dict[str, Any]


def create(
    places: Places,
    facts: HostFacts,
    options: CreateOptions,
    image: ImageRecord,
    image_name: str,
    command_line: tuple[str, ...],
) -> Created:
    """Make a container and return it locked; the caller starts it or releases the lock.

    `command_line` is the whole command as typed, for `inspect`. Raises PypodError; then nothing
    is left, not even the name.
    """
    remove.sweep(places, facts)
    cidfile = _reserve_cidfile(options.cidfile)
    reserved = None
    try:
        kind = spec_idmaps.parse(options.userns).kind
        if kind != "host" or _spelled_out(options):
            from pypod.engine import id_ranges

            reserved = id_ranges.reserve(places, alone=kind == "auto")
        made = _create(places, facts, options, image, image_name, command_line)
    except BaseException:
        if cidfile is not None:
            os.unlink(options.cidfile)
            os.close(cidfile)
        raise
    finally:
        if reserved is not None:
            reserved.close()
    if cidfile is not None:
        os.write(cidfile, made.container.id.encode())
        os.close(cidfile)
    return made


def _create(
    places: Places,
    facts: HostFacts,
    options: CreateOptions,
    image: ImageRecord,
    image_name: str,
    command_line: tuple[str, ...],
) -> Created:
    options = _resolved(places, options)
    published, exposed = spec_ports.wanted(
        options.publish,
        options.expose,
        image.config.get("exposed_ports") or (),
        every=options.publish_all,
    )
    if not spec_network.network(options.network).connected:
        if published:
            log.warn(
                "Port mappings have been discarded as one of the Host, Container, Pod, and None"
                " network modes are in use"
            )
        published = []
    published = engine_network.fixed(published)
    layers = Layers(places, facts)
    chains = image.chain_ids
    passwd = group = ""
    lowest: tuple[str, ...] = ()
    if options.rootfs:
        lower, passwd, group = lookups.root_file_system(options, facts, places.graph)
        lowest = (lower,) if lower else ()
    elif chains:
        passwd, group = layers.passwd(chains[-1]), layers.group(chains[-1])
    chosen = _map(places, facts, options, image, passwd, group)
    default = facts
    kept: tuple[str, ...] = ()
    if chosen is not None:
        facts, options, passwd, group, kept = under(chosen, facts, options, passwd, group)
        if chosen.layers and not options.rootfs:
            from pypod.engine import idmaps

            lowest = idmaps.lower(places, default, chosen, chains, image_name or image.id[7:19])
    cwd = _cwd()
    staging = _stage(places, facts, options)
    try:
        with staging, Claim(places, facts, options, image, cwd) as volumes:
            ids = build.Identity(
                id=staging.id,
                name=staging.name,
                directory=staging.final,
                layers=lowest or tuple(layers.path(chain) for chain in reversed(chains)),
                passwd=passwd,
                group=group,
                image_name=image_name,
                environment=dict(os.environ),
                cwd=cwd,
                shared=engine_names.shared(places, options.network),
                devices=host_devices() if options.privileged else (),
                found=lookups.found(options),
                ports=tuple(published),
                exposed=tuple(exposed),
                volumes=volumes.found,
                inherited=volumes.inherited,
            )
            config = build.container_config(options, image, facts, ids)
            if any(kept):
                config.setdefault("annotations", {}).update(zip(ACCOUNTS, kept, strict=True))
            if chosen is not None or options.network.startswith("container:"):
                from pypod.engine import idmaps

                idmaps.check(places, default, options, config)
            _check_sources(config, os.path.dirname(staging.final))
            if options.seccomp_profile:  # now, and not at the first start
                os.close(seccomp.filter_fd(config["linux"]["seccomp"], places.cache))
            document = build.create_document(options, image, facts, ids)
            if chosen is not None and chosen.layers:
                document["layers"] = chosen.layers
            if chosen is not None and chosen.private:
                document["id_ranges"] = [list(one) for one in chosen.private]
            document["created"] = time.time()
            document["version"] = __version__
            document["command_line"] = list(command_line)
            summary = _summary(document, config)
            for name in ("upper", "work", "rootfs", *(() if chains else ("empty",))):
                os.mkdir(f"{staging.directory}/{name}", 0o755)
            if chains:
                mode = stat.S_IMODE(os.stat(layers.path(chains[-1])).st_mode)
                os.chmod(f"{staging.directory}/upper", mode)
            if chosen is not None and chosen.layers:
                idmaps.give_upper(default, chosen, staging.directory)
            for name, text in build.etc_files(options, image, facts, ids).items():
                staging.write(name, text, mode=0o644)
            for name in ("hosts", "resolv.conf"):  # filled at each start; a bundle must have them
                if any(mount["source"] == f"{staging.final}/{name}" for mount in config["mounts"]):
                    staging.write(name, "", mode=0o644)
            if options.tz:
                staging.write("localtime", lookups.zone(options.tz), mode=0o644)
            staging.write("config.json", fastjson.dumps(config))
            staging.write("create.json", fastjson.dumps(document))
            staging.write("state.json", fastjson.dumps(summary))
            if not options.rm:
                staging.sync()
            container, lock = staging.publish()
            if layers.missing(chains):
                _withdraw(container, lock, facts)
            volumes.keep()
    except OSError as error:
        raise PypodError(
            f"cannot make container {staging.name}: {error.filename or ''}: {error.strerror}"
        ) from None
    return Created(container, lock, config, document)


def _withdraw(container: objects.Container, lock: Lock, facts: HostFacts) -> None:
    """Take a record back whose layers an `rmi -f` took in the moment before it was in sight.

    Later ones see the record, and keep what it needs. Raises PypodError.
    """
    from pypod.engine.remove_tree import remove_tree

    path = container.to_trash()
    lock.close()
    remove_tree(container.places, path, facts)
    raise PypodError(
        "the image was removed while the container was made", hint="pypod pull brings it back"
    )


def _spelled_out(options: CreateOptions) -> bool:
    if not (options.uidmap or options.gidmap or options.subuidname or options.subgidname):
        return False
    from pypod.spec import idoptions

    return idoptions.asked(options)


def _map(
    places: Places,
    facts: HostFacts,
    options: CreateOptions,
    image: ImageRecord,
    passwd: str,
    group: str,
) -> spec_idmaps.Chosen | None:
    if _spelled_out(options):
        from pypod.engine import id_ranges

        return id_ranges.spelled_out(facts, options)
    if spec_idmaps.parse(options.userns).kind != "auto":
        return spec_idmaps.choose(options.userns, facts)
    from pypod.engine import id_ranges

    user = image.config.get("user") or ""
    chains = () if options.rootfs else image.chain_ids
    return id_ranges.private(places, facts, options, user, passwd, group, chains)


def under(
    chosen: spec_idmaps.Chosen, facts: HostFacts, options: CreateOptions, passwd: str, group: str
) -> tuple[HostFacts, CreateOptions, str, str, tuple[str, ...]]:
    """Return facts, options and accounts as they are under another map, and the accounts' lines."""
    home = options.workdir or "/"
    line = spec_idmaps.account(chosen, passwd, facts.user, home)
    member = spec_idmaps.membership(chosen, group, facts.user)
    if chosen.user and not options.user:
        user = spec_idmaps.default_user(chosen, passwd)
        options = CreateOptions(**{**options.as_dict(), "user": user})
    passwd += ("\n" if passwd and not passwd.endswith("\n") else "") + line
    group += ("\n" if group and not group.endswith("\n") else "") + member
    facts = facts.replace(uid_map=chosen.uid_map, gid_map=chosen.gid_map)
    return facts, options, passwd, group, (line, member)


def _stage(places: Places, facts: HostFacts, options: CreateOptions) -> objects.Staging:
    name = options.name
    if not name:
        for _attempt in range(10):
            name = random_name(int.from_bytes(os.urandom(4), "big"))
            if not os.path.lexists(f"{places.names}/{name}"):
                break
        return objects.Staging(places, name)
    name = objects.check_name(name)
    if options.replace:
        try:
            remove.remove(objects.find(places, name), facts, force=True)
        except NoSuchContainer:
            pass
    return objects.Staging(places, name)


def _resolved(places: Places, options: CreateOptions) -> CreateOptions:
    """Return the options with the network `host` where `container:NAME` has the host's."""
    net = spec_network.network(options.network)
    spec_network.check(net, options)
    if net.kind != "container":
        return options
    other = objects.find(places, net.target)
    network = "host" if other.create["network"] == "host" else f"container:{other.id}"
    return CreateOptions(**{**options.as_dict(), "network": network})


def _summary(document: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    """Return state.json: at most 1 kB, all that a plain `ps` prints."""
    command: list[str] = []
    room = 200
    for word in document["command"]:
        command.append(word[:room])
        room -= len(word)
        if room <= 0:
            break
    return {
        "v": 1,
        "id": document["id"],
        "name": document["name"],
        "image": document["image"]["name"][:300],
        "image_id": document["image"]["id"],
        "command": command,
        "created": document["created"],
        "network": document["network"],
        "ports": spec_ports.column(spec_ports.from_words(document["ports"]))[: spec_ports.SHORT],
        "rm": document["auto_remove"],
        **({"cidfile": True} if document["options"]["cidfile"] else {}),
    }


def _cwd() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:
        return "/nowhere"  # removed under us: only -v ./x needs it, and says so


def _check_sources(config: dict[str, Any], records: str) -> None:
    """Refuse a bind mount of what is not there (docker makes a directory, podman errs).

    `records` is the directory of all containers.
    """
    for mount in config["mounts"]:
        source = mount.get("source", "")
        if mount.get("type") == "bind" and source.startswith("/"):
            # Files of a record, this one's or that of a container whose network is joined, are
            # made at its start.
            if source.startswith(records + "/"):
                continue
            try:
                os.stat(source)
            except OSError as error:
                raise PypodError(
                    f"cannot mount {source} at {mount['destination']}: {error.strerror}",
                    hint="make it first" if isinstance(error, FileNotFoundError) else None,
                ) from None


def _reserve_cidfile(path: str) -> int | None:
    """Make the file for the id before anything else: it must not exist (podman's rule)."""
    if not path:
        return None
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o644)
    except FileExistsError:
        raise PypodError(
            f"container id file {path} exists",
            hint="another container may be using it, or it was left behind: remove it",
        ) from None
    except OSError as error:
        raise PypodError(f"cannot make container id file {path}: {error.strerror}") from None
