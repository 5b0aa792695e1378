# SPDX-License-Identifier: Apache-2.0
"""Keeping a container's /etc/hosts and /etc/resolv.conf true: at each start, and while it runs.

The files lie in the record and are bound into the container, so they are written in place: another
inode would not be seen. pypod-monitor watches the host's resolv.conf and runs `follow`.
"""

from __future__ import annotations

import os
import stat

from pypod.errors import PypodError
from pypod.kernel import fastjson, log
from pypod.spec import names, reach
from pypod.store import objects

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pypod.kernel.paths import Places
    from pypod.store.objects import Container

RECORD = "reach"
"""The file of the record that says what `follow` must know (STORE.md)."""
UPSTREAM = "/run/systemd/resolve/resolv.conf"
_MOST = 65536
"""Bytes that are read of a file, and padded away: the container may have made its own huge."""


def host_resolv_conf() -> str:
    """Return the path of the host's resolv.conf(5): $PYPOD_RESOLV_CONF, else the usual one."""
    return os.path.abspath(os.environ.get("PYPOD_RESOLV_CONF") or "/etc/resolv.conf")


def refresh(
    container: Container, config: dict[str, Any], create: dict[str, Any], reached: reach.Reach
) -> list[str]:
    """Write hosts and resolv.conf of the record for a start, and what `follow` must know.

    The caller holds the record's lock. Returns the paths that the monitor is to watch. Raises
    PypodError, UsageError.
    """
    if reached.kind == "container":
        return []  # the other container's files are bound, and they are its monitor's
    want = names.wanted(create, container.name, config.get("hostname", ""))
    bound = {mount.get("source") for mount in config["mounts"]}
    path = host_resolv_conf()
    wrote: dict[str, str] = {}
    watched: list[str] = []
    if f"{container.directory}/hosts" in bound:
        wrote["hosts"] = _hosts(want, reached, create)
    if f"{container.directory}/resolv.conf" in bound:
        wrote["resolv.conf"], watched = _resolv_conf(want, reached, path)
        if names.lacks_server(reached, wrote["resolv.conf"]):
            log.warn(
                f"{path} names no server that {create['name']} can reach: it resolves no names"
                " (--dns ADDRESS gives it one)"
            )
    for name, text in wrote.items():
        _write(f"{container.directory}/{name}", text)
    if wrote:
        _record(container, reached, path, wrote)
    return watched if names.follows(want, reached) else []


def shared(places: Places, network: str) -> names.Shared | None:
    """Return the names of the container that `--network container:NAME` joins; None: no other's.

    Raises NoSuchContainer.
    """
    kind, _, name = network.partition(":")
    if kind != "container":
        return None
    config = objects.find(places, name).config
    sources = [
        (mount["destination"], mount["source"])
        for mount in config["mounts"]
        if mount["destination"] in names.FILES
    ]
    return names.Shared(config.get("hostname", ""), tuple(sources))


def follow(container: Container) -> bool:
    """Compose the files again after a change of the host's resolv.conf; say if one was written.

    With another network the host has another address too, so that its name in `hosts` may change.
    A file that somebody changed in the container is left alone until the next start. The caller
    holds the record's lock. Raises PypodError.
    """
    create = container.create
    try:
        with open(f"{container.directory}/{RECORD}", "rb") as file:
            document = fastjson.loads(file.read())
        reached = reach.from_record(document)
        path, before = document["resolv_conf"], dict(document["wrote"])
    except (OSError, ValueError, KeyError, TypeError):
        return False
    if not _host_file(path).strip():
        return False  # between two networks
    reached = _moved(reached)
    want = names.wanted(create, container.name, container.config.get("hostname", ""))
    now = {"resolv.conf": _resolv_conf(want, reached, path)[0]}
    try:
        now["hosts"] = _hosts(want, reached, create)
    except PypodError:
        pass  # --hosts-file is gone: the next start will say so
    changed = {
        name: now[name]
        for name, text in before.items()
        if name in now and now[name] != text == _host_file(f"{container.directory}/{name}")
    }
    for name, text in changed.items():
        _write(f"{container.directory}/{name}", text, replace=False)
    if changed:
        _record(container, reached, path, {**before, **changed})
    return bool(changed)


def _moved(reached: reach.Reach) -> reach.Reach:
    """Return the reach with the host's address of now; without one the old stays."""
    if reached.kind not in ("pasta", "slirp4netns") or not reached.host:
        return reached
    from pypod.net import programs

    host = programs.address_of(programs.external_interface())
    moved: reach.Reach = reached.replace(host=host or reached.host)
    return moved


def _hosts(want: names.Wanted, reached: reach.Reach, create: dict[str, Any]) -> str:
    base = _base(create.get("options", {}).get("hosts_file", ""), reached)
    return names.hosts(want, reached, base)


def _resolv_conf(want: names.Wanted, reached: reach.Reach, path: str) -> tuple[str, list[str]]:
    """Return the text for the container and the files of the host that it depends on."""
    host, upstream, watched = _host_file(path), "", [path]
    if names.needs_upstream(reached, host):
        upstream = _host_file(UPSTREAM)
        watched.append(UPSTREAM)
    return names.resolv_conf(want, reached, host, upstream), watched


def _record(container: Container, reached: reach.Reach, path: str, wrote: dict[str, str]) -> None:
    document = {**reached.as_dict(), "resolv_conf": path, "wrote": wrote}
    container.write(RECORD, fastjson.dumps(document))


def _base(typed: str, reached: reach.Reach) -> str:
    """Return the text of --hosts-file, by default the host's with its network, else nothing.

    podman copies the host's entries into each container; what a host calls its neighbours is not
    for every container to know.
    """
    if typed == "none" or (not typed and reached.kind != "host"):
        return ""
    if not typed:
        return _host_file("/etc/hosts")
    try:
        with open(typed, encoding="utf-8", errors="surrogateescape") as file:
            return file.read(_MOST)
    except OSError as error:
        raise PypodError(f"--hosts-file {typed}: {error.strerror}") from None


def _host_file(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read(_MOST)
    except OSError:
        return ""


def _write(path: str, text: str, *, replace: bool = True) -> None:
    """Write a file in place, so that a reader never finds it empty or cut.

    The new text goes out in one write(2), with empty lines over what is left of a longer old one;
    only then the file is cut. A reader at the same instant may see the start of the new text and
    the rest of the old: some file systems (ext4, tmpfs) do not keep a read out of a write.
    """
    data = text.encode("utf-8", "surrogateescape")
    try:
        fd = _open(path, replace)
        try:
            size = os.fstat(fd).st_size
            padding = b"\n" * (size - len(data)) if size <= _MOST else b""
            os.pwrite(fd, data + padding, 0)
            os.ftruncate(fd, len(data))
        finally:
            os.close(fd)
    except OSError as error:
        raise PypodError(f"cannot write {path}: {error.strerror}") from None


def _open(path: str, replace: bool) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        fd = os.open(path, flags, 0o644)
        if not os.fstat(fd).st_size:
            os.fchmod(fd, 0o644)  # new: whatever the umask is
    except PermissionError:
        # The container gave it to another of its users. Before a start nobody sees that inode but
        # those who joined the network of an earlier run.
        if not replace:
            raise
        os.unlink(path)
        fd = os.open(path, flags | os.O_EXCL, 0o644)
        os.fchmod(fd, 0o644)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise PypodError(f"{path} is no file")
    return fd
