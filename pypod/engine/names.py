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
    target = f"{container.directory}/hosts"
    if target in bound:
        base = _base(create.get("options", {}).get("hosts_file", ""), reached)
        _write(target, names.hosts(want, reached, base))
    target = f"{container.directory}/resolv.conf"
    if target not in bound:
        return []
    path = host_resolv_conf()
    text, watched = _resolv_conf(want, reached, path)
    if names.lacks_server(reached, text):
        log.warn(
            f"{path} names no server that {create['name']} can reach: it resolves no names"
            " (--dns ADDRESS gives it one)"
        )
    _write(target, text)
    _record(container, reached, path, text)
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
    """Compose resolv.conf again, after a change of the host's; say whether it was written.

    A file that somebody changed in the container is left alone until the next start. The caller
    holds the record's lock. Raises PypodError.
    """
    create = container.create
    try:
        with open(f"{container.directory}/{RECORD}", "rb") as file:
            document = fastjson.loads(file.read())
        reached = reach.from_record(document)
        path, before = document["resolv_conf"], document["wrote"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    want = names.wanted(create, container.name, container.config.get("hostname", ""))
    text = _resolv_conf(want, reached, path)[0]
    target = f"{container.directory}/resolv.conf"
    if not _host_file(path).strip() or text == before or _host_file(target) != before:
        return False
    _write(target, text, replace=False)
    _record(container, reached, path, text)
    return True


def _resolv_conf(want: names.Wanted, reached: reach.Reach, path: str) -> tuple[str, list[str]]:
    """Return the text for the container and the files of the host that it depends on."""
    host, upstream, watched = _host_file(path), "", [path]
    if names.needs_upstream(reached, host):
        upstream = _host_file(UPSTREAM)
        watched.append(UPSTREAM)
    return names.resolv_conf(want, reached, host, upstream), watched


def _record(container: Container, reached: reach.Reach, path: str, text: str) -> None:
    document = {**reached.as_dict(), "resolv_conf": path, "wrote": text}
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
