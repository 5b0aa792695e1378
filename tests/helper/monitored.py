# SPDX-License-Identifier: Apache-2.0
"""A monitor under test: the real program, the real client code, a runtime that isolates nothing."""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Callable
from pathlib import Path

from pypod.errors import PypodError
from pypod.kernel.procfs import start_time
from pypod.runtime import attach, monitor
from pypod.store import logs
from pypod.text.record import Exit, Pids, parse_exit, parse_pids

FAKE = ["/usr/bin/python3", "-IS", str(Path(__file__).with_name("fake_runtime.py"))]


def within(seconds: float, condition: Callable[[], object]) -> bool:
    """Wait until `condition` holds; False when it does not in that time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


class Refused(PypodError):
    """What the tests make of an error record."""

    def __init__(self, record: bytes) -> None:
        self.stage, self.op, self.err = (
            int.from_bytes(record[at : at + 4], sys.byteorder, signed=True) for at in (8, 12, 16)
        )
        super().__init__(record[24:].split(b"\0")[0].decode())


class Session:
    """One monitor and the directories it writes to."""

    def __init__(self, directory: Path) -> None:
        self.record = directory / "record"
        self.sockets = directory / "run"
        self.record.mkdir()
        self.sockets.mkdir()
        self.record_fd = os.open(self.record, os.O_RDONLY | os.O_DIRECTORY)
        self.sockets_fd = os.open(self.sockets, os.O_RDONLY | os.O_DIRECTORY)
        self.children: list[int] = []
        self.channels: list[attach.Channel] = []

    def spawn(self, *words: str, mode: str = "run", **options: object) -> attach.Channel:
        """Start a monitor; `words` are for the fake runtime."""
        defaults: dict[str, object] = {
            "runtime_fds": {},
            "record_fd": self.record_fd,
            "sockets_fd": self.sockets_fd,
            "log": "ctr.log",
            "attach_name": "socket",
            "run": 1,
        }
        chosen = {**defaults, **options}
        channel = monitor.spawn([*FAKE, mode, *words], **chosen)  # type: ignore[arg-type]
        assert channel.pid is not None
        self.children.append(channel.pid)
        self.channels.append(channel)
        return channel

    def start(self, *words: str, mode: str = "run", **options: object) -> attach.Channel:
        """Start a monitor and wait until the payload runs."""
        channel = self.spawn(*words, mode=mode, **options)
        channel.started(Refused)
        return channel

    def shell(self, script: str, **options: object) -> attach.Channel:
        """Start a monitor whose payload is a shell script."""
        return self.start("/bin/sh", "-c", script, **options)

    def attach(self, flags: int) -> attach.Channel:
        """Attach a second client and wait until the monitor knows it."""
        channel = attach.connect(str(self.sockets), "socket", flags)
        self.channels.append(channel)
        channel.started(Refused)
        return channel

    def pids(self) -> Pids:
        return parse_pids((self.record / "pids").read_text())

    def exit(self) -> Exit:
        return parse_exit((self.record / "exit").read_text())

    def ended(self, seconds: float = 10) -> bool:
        """Wait for the last monitor's end and reap it."""
        pidfd = os.pidfd_open(self.children[-1])
        try:
            ready, _, _ = select.select([pidfd], [], [], seconds)
        finally:
            os.close(pidfd)
        if ready:
            os.waitpid(self.children.pop(), 0)
        return bool(ready)

    def log(self, **options: object) -> list[tuple[str, bool, bytes]]:
        """Return (stream, whole, text) of the log's records."""
        path = str(self.record / "ctr.log")
        return [record[1:] for record in logs.read(path, **options)]  # type: ignore[arg-type]

    def logged(self, stream: str) -> bytes:
        """Return the bytes that the log has of one stream."""
        return b"".join(text + b"\n" * whole for name, whole, text in self.log() if name == stream)

    def close(self) -> None:
        for channel in self.channels:
            channel.close()
        if (self.record / "pids").exists():
            pids = self.pids()
            if start_time(pids.pid) == pids.start:
                os.kill(pids.pid, 9)
        for child in self.children:
            os.kill(child, 9)
            os.waitpid(child, 0)
        os.close(self.record_fd)
        os.close(self.sockets_fd)


def collect(channel: attach.Channel) -> tuple[dict[int, bytes], tuple[int, int] | None]:
    """Read to the end; return the payload per frame type and (code, signal) if it was told."""
    found: dict[int, bytes] = {}
    while received := channel.receive():
        kind, payload = received
        if kind == attach.EXITED:
            return found, attach.exit_of(b"x" + payload)
        found[kind] = found.get(kind, b"") + payload
    return found, None
