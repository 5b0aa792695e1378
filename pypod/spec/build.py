# SPDX-License-Identifier: Apache-2.0
"""The only composer: options, image and host facts to an OCI config.json, and to create.json.

Sources: OCI runtime-spec 1.0.2 (config.md, config-linux.md); OCI image-spec (conversion.md).
"""

from __future__ import annotations

from pypod.errors import UsageError
from pypod.spec import ids as spec_ids
from pypod.spec import init_system, namespaces, sandbox, security, service
from pypod.spec import mounts as spec_mounts
from pypod.spec import names as spec_names
from pypod.spec import network as spec_network
from pypod.spec import ports as spec_ports
from pypod.spec import process as spec_process
from pypod.spec import volumes as spec_volumes
from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pypod.oci.image import ImageRecord
    from pypod.spec.facts import Extent, HostFacts
    from pypod.spec.options import CreateOptions
    from pypod.spec.ports import Port

INIT_ANNOTATION = "io.pypod.init"


class Identity(Value):
    """What a container is, beside its options."""

    id: str
    name: str
    directory: str
    """Where the record will be: the bundle."""
    layers: tuple[str, ...]
    """Directories of the image's layers, uppermost first."""
    passwd: str
    group: str
    image_name: str
    environment: dict[str, str]
    """The caller's environment, for `-e NAME`."""
    cwd: str
    """The caller's directory, for `-v ./x:/y`."""
    shared: spec_names.Shared | None = None
    """The names of the container whose network is joined."""
    devices: tuple[str, ...] = ()
    """The host's devices that the caller can read, for --privileged (kernel/facts.py)."""
    found: sandbox.Found = sandbox.Found()
    ports: tuple[Port, ...] = ()
    """Published ports, those of the host chosen."""
    exposed: tuple[Port, ...] = ()
    volumes: dict[str, spec_volumes.Found] = {}
    """The volumes that are there, by the key of their requests."""
    inherited: tuple[spec_volumes.Request, ...] = ()
    """What --volumes-from adds."""


def container_config(
    options: CreateOptions, image: ImageRecord, facts: HostFacts, ids: Identity
) -> dict[str, Any]:
    """Return the complete config.json. Raises PypodError and UsageError; has no effect."""
    service.check(options)
    argv = _command(options, image)[0]
    user = spec_ids.resolve_user(
        options.user or image.config.get("user", ""), ids.passwd, ids.group
    )
    network = spec_network.network(options.network).kind
    spec_names.check(options, network)
    uid_map, gid_map = spec_ids.container_maps(facts, user)
    caps = security.capabilities(
        options.cap_add, options.cap_drop, options.privileged, facts.cap_bounding, user.uid
    )
    process: dict[str, Any] = {
        "terminal": options.tty,
        "user": {
            "uid": user.uid,
            "gid": user.gid,
            "umask": 0o22,
            "additionalGids": [] if facts.map == "single" else list(user.groups),
        },
        "args": argv,
        "env": _environment(options, image, facts, ids, user),
        "cwd": _workdir(options, image),
        "capabilities": caps,
        "rlimits": [],
        "noNewPrivileges": False,
    }
    linux: dict[str, Any] = {
        "uidMappings": spec_ids.mappings(uid_map),
        "gidMappings": spec_ids.mappings(gid_map),
        "namespaces": namespaces.own(network),
    }
    if sysctls := namespaces.sysctls(network, gid_map):
        linux["sysctl"] = sysctls
    config: dict[str, Any] = {
        "ociVersion": "1.0.2",
        "process": process,
        "root": {"path": ids.directory + "/rootfs", "readonly": options.read_only},
        "hostname": _hostname(options, facts, ids),
        "mounts": _mounts(options, image, facts, ids, user, gid_map),
        "linux": linux,
    }
    if options.init:
        config["annotations"] = {INIT_ANNOTATION: "1"}
    sandbox.apply(config, options, facts, ids, network=network)
    return config


def create_document(
    options: CreateOptions, image: ImageRecord, facts: HostFacts, ids: Identity
) -> dict[str, Any]:
    """Return create.json but for the times: what `inspect`, `stop` and `start` need to know."""
    argv, entrypoint, cmd = _command(options, image)
    init = init_system.STOP_SIGNAL if init_system.runs(options, argv) else "TERM"
    signal = options.stop_signal or _image_signal(image, init)
    asked = spec_volumes.requests(options, image, ids.cwd, ids.inherited)
    return {
        "id": ids.id,
        "name": ids.name,
        "image": {"id": image.id, "name": ids.image_name, "digest": image.manifest},
        "image_size": image.size,
        "chain_ids": list(image.chain_ids),
        "command": argv,
        "entrypoint": entrypoint,
        "cmd": cmd,
        "user": options.user or image.config.get("user", ""),
        "labels": {**_labels(options, image), **service.labels(ids.environment)},
        "tty": options.tty,
        "interactive": options.interactive,
        "stdin_once": options.interactive and not options.detach,
        "stop_signal": spec_process.signal_number(signal),
        "stop_timeout": options.stop_timeout,
        "timeout": options.timeout,
        "auto_remove": options.rm,
        "network": spec_network.recorded(spec_network.network(options.network)),
        "ports": spec_ports.words(ids.ports),
        "exposed_ports": spec_ports.words(ids.exposed),
        "map": facts.map,
        "http_proxy": True,
        "mounts": [one.destination for one in asked if one.kind != "tmpfs"],
        "volumes": spec_volumes.records(asked, ids.volumes),
        "cwd": ids.cwd,
        "options": options.record(),
    }


def etc_files(
    options: CreateOptions,
    image: ImageRecord,
    facts: HostFacts,
    ids: Identity,
) -> dict[str, str]:
    """Return the files that are bound into the container, by their names in the record.

    `hosts` and `resolv.conf` are not among them: they are composed at each start (spec/names.py).
    """
    return {
        "hostname": _hostname(options, facts, ids) + "\n",
        "containerenv": (
            'engine="pypod"\n'
            f'name="{ids.name}"\n'
            f'id="{ids.id}"\n'
            f'image="{ids.image_name}"\n'
            f'imageid="{image.id.removeprefix("sha256:")}"\n'
            f"rootless={int(facts.uid != 0)}\n"
        ),
    }


def _command(options: CreateOptions, image: ImageRecord) -> tuple[list[str], list[str], list[str]]:
    config = image.config
    return spec_process.command(
        options.entrypoint,
        options.command,
        config.get("entrypoint") or (),
        config.get("cmd") or (),
    )


def _hostname(options: CreateOptions, facts: HostFacts, ids: Identity) -> str:
    if ids.shared:
        return ids.shared.hostname
    network = spec_network.network(options.network).kind
    reach = "host" if options.uts == "host" else network
    return namespaces.hostname(options.hostname, ids.id, reach, facts.nodename)


def _environment(
    options: CreateOptions,
    image: ImageRecord,
    facts: HostFacts,
    ids: Identity,
    user: spec_ids.User,
) -> list[str]:
    defaults = {
        "PATH": spec_process.PATH,
        "container": "podman",  # tools test for this very word (systemd, toolbox)
        "HOME": user.home,
        "HOSTNAME": _hostname(options, facts, ids),
    }
    if options.tty:
        defaults["TERM"] = "xterm"
    base = spec_process.base_environment(
        image.config.get("env") or (),
        defaults,
        ids.environment if options.env_host else {},
        options.unsetenv,
        unset_all=options.unsetenv_all,
    )
    return spec_process.environment((), options.env_file, options.env, ids.environment, base)


def _image_signal(image: ImageRecord, default: str) -> str:
    """Return the image's stop signal; one that is no signal is as good as none."""
    word = image.config.get("stop_signal") or default
    try:
        spec_process.signal_number(word)
    except UsageError:
        return default
    return str(word)


def _workdir(options: CreateOptions, image: ImageRecord) -> str:
    path: str = options.workdir or image.config.get("workdir") or "/"
    if not options.workdir and not path.startswith("/"):
        return "/" + path  # an image's is relative to the root, as podman and docker take it
    if not path.startswith("/"):
        raise UsageError(
            f'the working directory "{path}" is invalid, it needs to be an absolute path'
        )
    return path


def _mounts(
    options: CreateOptions,
    image: ImageRecord,
    facts: HostFacts,
    ids: Identity,
    user: spec_ids.User,
    gid_map: tuple[Extent, ...],
) -> list[dict[str, Any]]:
    network = spec_network.network(options.network).kind
    requests = spec_volumes.requests(options, image, ids.cwd, ids.inherited)
    asked = [
        spec_volumes.oci(one, ids.volumes, user, ids.directory, number)
        for number, one in enumerate(requests)
    ]
    taken = [one.destination for one in requests]
    own = spec_mounts.base(
        facts,
        host_network=spec_network.shows_host(network, facts.map),
        has_tty_group=spec_ids.is_mapped(gid_map, 5),
        privileged=options.privileged,
        shm_size=options.shm_size,
    )
    if options.read_only and options.read_only_tmpfs:
        own += spec_mounts.read_only_tmpfs()
    if options.privileged:
        own += spec_mounts.devices(ids.devices)
    names = spec_names.injected(options, network)
    injected = spec_mounts.injected(ids.directory, names, read_only=options.read_only)
    own += spec_names.share(injected, ids.shared) if ids.shared else injected
    mounts = [mount for mount in own if mount["destination"] not in taken] + asked
    # Shorter paths first, so that nothing covers what was mounted before it.
    mounts.sort(key=lambda mount: mount["destination"].count("/"))
    layers = ids.layers or (ids.directory + "/empty",)
    return [spec_mounts.overlay(layers, ids.directory), *mounts]


def _labels(options: CreateOptions, image: ImageRecord) -> dict[str, str]:
    labels = dict(image.config.get("labels") or {})
    for word in (*spec_process.file_lines(options.label_file), *options.label):
        name, _, value = word.partition("=")
        if not name:
            raise UsageError(f'--label "{word}": the name is missing')
        labels[name] = value
    return labels
