# SPDX-License-Identifier: Apache-2.0
"""Where the time of `run --rm --network none IMAGE true` goes, stage by stage (DESIGN.md 8)."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from pathlib import Path

PROGRAM = """
import sys, time
begin = time.monotonic()
sys.path.insert(0, sys.argv[1])
report = int(sys.argv[2])
import os
from pypod import module_file
module_file.use(sys.argv[1].partition("/lib/python")[0] + "/pypod-modules", sys.argv[1])
import pypod.__main__
import pypod.cli.run
from pypod.cli import parse
from pypod.engine import remove, start
from pypod.runtime import attach, monitor
mark = {"python": begin, "imports": time.monotonic()}

def note(owner, name, before=None, after=None):
    real = getattr(owner, name)
    def call(*args, **kwargs):
        if before:
            mark.setdefault(before, time.monotonic())
        try:
            return real(*args, **kwargs)
        finally:
            if after:
                mark.setdefault(after, time.monotonic())
    setattr(owner, name, call)

note(parse, "parse", after="parse")
note(start, "compile_run", before="records")
note(monitor, "spawn", before="plan")
note(attach.Channel, "started", after="start")
note(remove, "remove", before="payload", after="removal")
code = pypod.__main__.run(sys.argv[3:])
os.write(report, repr(mark).encode())
os._exit(code)
"""

STAGES = (
    ("python", "python starts", 5),
    ("imports", "imports", 4),
    ("parse", "parse the command line", 1),
    ("records", "image, config.json, record", 2),
    ("plan", "plan", 2),
    ("start", "monitor, init, id maps, mounts, exec", 5),
    ("payload", "the program runs and ends", 1),
    ("removal", "removal", 2),
    ("end", "python ends", 0),
)
"""Mark, meaning, milliseconds of DESIGN.md's budget."""


def once(site: Path, image: str) -> dict[str, float]:
    """Run it once; return the milliseconds of each stage."""
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    words = ["run", "--rm", "--network", "none", image, "true"]
    begin = time.monotonic()
    child = subprocess.Popen(
        ["/usr/bin/python3", "-IS", "-c", PROGRAM, str(site), str(writer), *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=(writer,),
    )
    assert child.wait() == 0
    end = time.monotonic()
    os.close(writer)
    with os.fdopen(reader) as file:
        marks: dict[str, float] = eval(file.read())
    marks["end"] = end
    found, last = {}, begin
    for name, _, _ in STAGES:
        found[name] = (marks[name] - last) * 1000
        last = marks[name]
    return found


def id_maps() -> float | None:
    """Return the milliseconds of newuidmap beside newgidmap alone: they are within `start`."""
    user = os.environ.get("USER", "")
    ranges = []
    for path in ("/etc/subuid", "/etc/subgid"):
        for line in Path(path).read_text().splitlines():
            fields = line.split(":")
            if fields[0] == user:
                ranges.append((fields[1], fields[2]))
                break
    if len(ranges) != 2:
        return None
    child = subprocess.Popen(["unshare", "-U", "sleep", "5"])
    try:
        ours = os.readlink("/proc/self/ns/user")
        while os.readlink(f"/proc/{child.pid}/ns/user") == ours:
            time.sleep(0.001)
        begin = time.monotonic()
        tools = [
            subprocess.Popen([f"/usr/bin/new{kind}map", str(child.pid), "0", own, "1", "1", *ids])
            for kind, own, ids in (
                ("uid", str(os.getuid()), ranges[0]),
                ("gid", str(os.getgid()), ranges[1]),
            )
        ]
        for tool in tools:
            tool.wait()
        return (time.monotonic() - begin) * 1000
    finally:
        child.kill()
        child.wait()


def table(site: Path, image: str, rounds: int) -> tuple[list[str], str]:
    """Return the lines of the table and the stage furthest over its budget."""
    runs = [once(site, image) for _ in range(rounds)]
    lines = [f"{'stage':40}{'ms':>8}{'budget':>8}"]
    worst, over = "", 0.0
    total = 0.0
    for name, meaning, budget in STAGES:
        value = statistics.median(run[name] for run in runs)
        total += value
        if value - budget > over:
            worst, over = meaning, value - budget
        lines.append(f"{meaning:40}{value:8.1f}{budget:8}")
        if name == "start":
            maps = [one for one in (id_maps() for _ in range(5)) if one is not None]
            if maps:
                words = "  of it newuidmap and newgidmap alone"
                lines.append(f"{words:40}{statistics.median(maps):8.1f}{2:8}")
    lines.append(f"{'together':40}{total:8.1f}{30:8}")
    return lines, worst
