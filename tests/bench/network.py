# SPDX-License-Identifier: Apache-2.0
"""The network rows of the bench: a default run, a gigabyte through a port, memory of a port."""

from __future__ import annotations

import os
import socket
import tempfile
import time
from pathlib import Path

from tests.bench.pairs import Row, commands, measure
from tests.fixtures import probe
from tests.fixtures.program import Program, within

FLOOD = "bench-flood"
PAYLOADS = ("sleep", "peer", "busybox")


def report(own: Program, peer: Program, image: str, rounds: int, size: int) -> list[str]:
    """Print the rows; return the labels of those over their limit."""
    rows = [
        commands(own, peer, "run --rm IMAGE true", ("run", "--rm", image, "true"), 0.6, rounds),
    ]
    with tempfile.TemporaryDirectory(dir=os.environ.get("HOME")) as scratch:
        os.chmod(scratch, 0o755)
        built = probe.build(Path(scratch), "peer")
        ports = {program: _serve(program, image, built, size) for program in (own, peer)}
        rows.append(
            measure(
                own,
                peer,
                f"{size / 1e9:.1f} GB from a published port",
                lambda program: _receive(ports[program], size),
                None,
                5,
            )
        )
        rows.append(commands(own, peer, "port CONTAINER", ("port", FLOOD), 1.0, rounds))
        rows.append(commands(own, peer, "volume ls", ("volume", "ls"), 1.0, rounds))
        for program in (own, peer):
            program("rm", "-f", "-t", "0", FLOOD)
    for label, words in (
        ("memory of run -d -p 80, RSS", ("-p", "127.0.0.1::80")),
        ("memory of run -d --network none, RSS", ("--network", "none")),
    ):
        used = [_memory(program, image, words) for program in (own, peer)]
        row = Row(label, used[0], used[1], None, 1, "MB")
        row.show()
    return [row.label for row in rows if row.over]


def _serve(program: Program, image: str, built: Path, size: int) -> int:
    program(
        "run", "-d", "--name", FLOOD, "-p", "127.0.0.1::80", "-v", f"{built}:/peer", image,
        "/peer", "flood", "0.0.0.0", "80", str(size),
    )  # fmt: skip
    port = int(program("port", FLOOD, "80/tcp").line.rpartition(":")[2])
    assert within(20, lambda: "ready" in program("logs", FLOOD).out)
    return port


def _receive(port: int, size: int) -> float:
    begin = time.perf_counter()
    buffer = bytearray(1 << 20)
    left = size
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        while left and (got := client.recv_into(buffer)):
            left -= got
    if left:
        raise SystemExit(f"bench: the connection broke with {left} bytes to come")
    return time.perf_counter() - begin


def _processes() -> dict[int, tuple[str, int]]:
    """Return name and RSS in bytes of each process of this user."""
    found = {}
    for entry in os.listdir("/proc"):
        try:
            if not entry.isdigit() or os.stat(f"/proc/{entry}").st_uid != os.getuid():
                continue
            pages = int(Path(f"/proc/{entry}/statm").read_text().split()[1])
            name = Path(f"/proc/{entry}/comm").read_text().strip()
        except OSError:
            continue
        found[int(entry)] = (name, pages * os.sysconf("SC_PAGE_SIZE"))
    return found


def _memory(program: Program, image: str, words: tuple[str, ...]) -> float:
    """Return the MB of what stays beside the container's own process."""
    before = set(_processes())
    program("run", "-d", "--name", "bench-memory", *words, image, "sleep", "999")
    time.sleep(1)
    used = sum(
        size
        for pid, (name, size) in _processes().items()
        if pid not in before and name not in PAYLOADS
    )
    program("rm", "-f", "-t", "0", "bench-memory")
    return used / 1e6
