# SPDX-License-Identifier: Apache-2.0
"""Containers without pypod around them: a tree, a config.json, pypod-init, and no monitor."""

from __future__ import annotations

import array
import fcntl
import os
import shutil
import socket
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pypod.constants import FD_BPF, FD_CONSOLE, FD_PIDFD, FD_PLAN, FD_STATUS, RECORD_PID
from pypod.kernel import memfd
from pypod.kernel.facts import facts as host_facts
from pypod.plan.compile import compile_exec, compile_run
from pypod.plan.ops import Op, serialise
from pypod.runtime.init import explain
from pypod.spec.facts import HostFacts

BUSYBOX = "/bin/busybox"
_RECORD = struct.Struct("=IIiiii232s")
_HIGH = 100
"""Where descriptors wait until they are placed."""


class Ended:
    """How a plan ended: a record of failure, or the program's own status and output."""

    def __init__(self, plan: Sequence[Op], record: bytes, status: int, out: str, err: str) -> None:
        self.plan = plan
        self.failed = bool(record)
        self.code = os.waitstatus_to_exitcode(status)
        self.out, self.err = out, err
        if record:
            _magic, _kind, self.stage, self.op, self.errno, _pid, text = _RECORD.unpack(record)
            self.text = text.partition(b"\0")[0].decode()
            self.error = explain(record, plan)
            self.code = self.error.code

    def __repr__(self) -> str:
        why = str(self.error) if self.failed else self.err
        return f"<{self.code} {self.out!r} {why!r}>"

    @property
    def lines(self) -> list[str]:
        """The lines of standard output."""
        return self.out.splitlines()


class Started:
    """A plan at work; `wait` ends it."""

    def __init__(
        self, plan: Sequence[Op], fds: dict[int, int], *, tty: bool, release: bool
    ) -> None:
        self.plan = plan
        self.master: int | None = None
        self.out, out = os.pipe()
        self._err, err = os.pipe()
        null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        self.status, status = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        console, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        text = memfd.sealed("plan", serialise(plan))
        program = memfd.helper("pypod-init")
        argv = ["pypod-init", "--plan", str(FD_PLAN), "--status", str(FD_STATUS)]
        places = {0: fds.get(0, null), 1: out, 2: err, FD_STATUS: status.fileno(), FD_PLAN: text}
        if tty:
            places[FD_CONSOLE] = theirs.fileno()
            argv += ["--console", str(FD_CONSOLE)]
        places.update(fds)
        actions, moved = [], []
        for target, fd in places.items():
            moved.append(fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _HIGH))
            actions.append((os.POSIX_SPAWN_DUP2, moved[-1], target))
        outer = os.posix_spawn(f"/proc/self/fd/{program}", argv, {}, file_actions=actions)
        for fd in (out, err, null, text, program, *moved):
            os.close(fd)
        status.close()
        theirs.close()
        self.record = self._receive()
        os.waitpid(outer, 0)
        self.pid = 0
        if self.record and _RECORD.unpack(self.record)[1] == RECORD_PID:
            self.pid = _RECORD.unpack(self.record)[5]
            self.record = b""
        if tty and self.pid:
            self._take_master(console)
        console.close()
        if release and self.pid:
            self.release()

    def _take_master(self, console: socket.socket) -> None:
        size = array.array("i").itemsize
        _data, control, _flags, _from = console.recvmsg(1, socket.CMSG_SPACE(size))
        for _level, _kind, content in control:
            self.master = array.array("i", content[:size])[0]

    def release(self) -> None:
        """Let the program begin, as the monitor does; returns when it has, or has failed."""
        try:
            self.status.send(b"\0")
        except BrokenPipeError:
            pass  # it has failed already; its record waits
        self.record = self._receive()

    def _receive(self) -> bytes:
        try:
            return self.status.recv(_RECORD.size)
        except ConnectionResetError:
            # Told once, before what waits: it ended without taking the byte (af_unix.c).
            return self.status.recv(_RECORD.size)

    def wait(self) -> Ended:
        """Read everything, reap, close."""
        if self.pid and not self.record:
            self.record = self._receive()
        out = err = ""
        if self.master is not None:
            out = _read_terminal(self.master)
        else:
            out, err = _read(self.out), _read(self._err)
        status = os.waitpid(self.pid, 0)[1] if self.pid else 125 << 8
        self.status.close()
        for fd in (self.out, self._err, self.master):
            if fd is not None:
                os.close(fd)
        return Ended(self.plan, self.record, status, out, err)


def _read(fd: int) -> str:
    text = b""
    while piece := os.read(fd, 65536):
        text += piece
    return text.decode("utf-8", "replace")


def _read_terminal(fd: int) -> str:
    text = b""
    while True:
        try:
            piece = os.read(fd, 65536)
        except OSError:  # EIO: nobody has the other end
            piece = b""
        if not piece:
            return text.decode().replace("\r\n", "\n")
        text += piece


class Box:
    """A bundle below a directory: one layer with busybox, made to be changed by a test."""

    def __init__(self, directory: Path, *, single: bool = False) -> None:
        self.directory = directory
        self.facts = host_facts()
        if single:
            self.facts = _single(self.facts)
        self.layer = directory / "layer"
        for name in ("upper", "work", "rootfs", "layer/bin", "layer/etc", "layer/tmp"):
            (directory / name).mkdir(parents=True)
        (self.layer / "tmp").chmod(0o1777)
        shutil.copy(BUSYBOX, self.layer / "bin" / "busybox")
        for name in (
            "sh cat id ls env true false sleep readlink stat mount umount hostname touch kill grep"
            " mkdir rm tty stty ps wc echo dd head"
        ).split():
            (self.layer / "bin" / name).symlink_to("busybox")

    def config(self, *args: str, **process: Any) -> dict[str, Any]:
        """Return a small config.json: everything that protects, nothing that is policy."""
        maps = self.facts.uid_map, self.facts.gid_map
        uid_map, gid_map = (
            [{"containerID": a, "hostID": b, "size": c} for a, b, c in extents] for extents in maps
        )
        overlay = [
            "userxattr",
            f"lowerdir={self.layer}",
            f"upperdir={self.directory / 'upper'}",
            f"workdir={self.directory / 'work'}",
        ]
        safe = ["nosuid", "noexec", "nodev"]
        return {
            "process": {
                "user": {"uid": 0, "gid": 0},
                "args": list(args),
                "env": ["PATH=/bin"],
                "cwd": "/",
                "capabilities": {},
                **process,
            },
            "root": {"path": str(self.directory / "rootfs")},
            "hostname": "box",
            "mounts": [
                _mount("/", "overlay", overlay),
                _mount("/proc", "proc", safe),
                _mount("/dev", "tmpfs", ["nosuid", "noexec", "mode=755", "size=64m"]),
                _mount("/dev/pts", "devpts", ["nosuid", "noexec", "newinstance", "ptmxmode=0666"]),
                _mount("/sys", "sysfs", [*safe, "ro"]),
            ],
            "linux": {
                "uidMappings": uid_map,
                "gidMappings": gid_map,
                "namespaces": [
                    {"type": kind}
                    for kind in ("user", "mount", "pid", "ipc", "uts", "network", "cgroup")
                ],
            },
        }

    def start(
        self,
        config: dict[str, Any],
        *,
        change: Callable[[list[Op]], list[Op]] = list,
        fds: dict[int, int] | None = None,
        release: bool = True,
    ) -> Started:
        """Start a container; `change` may touch the plan."""
        plan = change(compile_run(config, self.facts))
        tty = bool(config["process"].get("terminal"))
        return Started(plan, fds or {}, tty=tty, release=release)

    def run(self, config: dict[str, Any], **options: Any) -> Ended:
        """Run a container to its end."""
        return self.start(config, **options).wait()

    def sh(self, script: str, **process: Any) -> Ended:
        """Run a shell script in a container."""
        return self.run(self.config("sh", "-c", script, **process))

    def exec(self, config: dict[str, Any], pid: int, *args: str, **process: Any) -> Ended:
        """Run a further process in the container that `pid` is the first process of."""
        plan = compile_exec(
            config, {**config["process"], "args": list(args), **process}, self.facts
        )
        pidfd = os.pidfd_open(pid)
        try:
            tty = bool(process.get("terminal"))
            return Started(plan, {FD_PIDFD: pidfd}, tty=tty, release=True).wait()
        finally:
            os.close(pidfd)

    def bpf(self, instructions: Sequence[tuple[int, int, int, int]]) -> dict[int, int]:
        """Return the descriptor of a filter program for `fds`."""
        program = b"".join(struct.pack("=HBBI", *one) for one in instructions)
        return {FD_BPF: memfd.sealed("bpf", program)}


def _mount(destination: str, kind: str, options: Sequence[str]) -> dict[str, Any]:
    return {"destination": destination, "type": kind, "source": kind, "options": list(options)}


def _single(facts: HostFacts) -> HostFacts:
    """Return the facts of the same user without subordinate ids."""
    known = {name: getattr(facts, name) for name in HostFacts._fields}
    one = {"uid_map": ((0, facts.uid, 1),), "gid_map": ((0, facts.gid, 1),)}
    return HostFacts(**{**known, **one, "map": "single", "newuidmap": "", "newgidmap": ""})
