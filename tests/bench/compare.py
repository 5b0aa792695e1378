# SPDX-License-Identifier: Apache-2.0
"""pypod beside podman 4.3 with runc: same user, same image, paired runs, medians, ratios.

Started by `tests/run bench` as the test user. Absolute times are this machine's; ratios are what
counts. `--rounds N` changes how often (31), `--quick` is 7 rounds and a tenth of the data;
`--images` is the rows of images alone, `--no-images` leaves them out.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from tests.bench import idmaps, network, pairs, stages
from tests.bench import images as image_rows
from tests.fixtures import images
from tests.fixtures.program import Program
from tests.fixtures.registry import Registry

GIB = 1 << 30
LIMITS = {"run": 0.35, "exec": 0.35, "ps": 1.0, "images": 1.0, "pipe": 1.0}
MONITOR_MB = 0.1


def memory(comm: str) -> float | None:
    """Return the PSS in MB of this user's newest process of that name."""
    found = None
    for entry in sorted(int(name) for name in os.listdir("/proc") if name.isdigit()):
        try:
            if os.stat(f"/proc/{entry}").st_uid != os.getuid():
                continue
            if Path(f"/proc/{entry}/comm").read_text().strip() != comm:
                continue
            for line in Path(f"/proc/{entry}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    found = int(line.split()[1]) / 1024
        except OSError:
            continue
    return found


def main(words: list[str]) -> int:
    """Measure and print."""
    quick = "--quick" in words
    if "--images" in words:
        head(Program("/usr/bin/podman"))
        return judge(image_rows.report(quick))
    rounds = int(words[words.index("--rounds") + 1]) if "--rounds" in words else 7 if quick else 31
    size = GIB // 10 if quick else GIB
    own, peer = Program(), Program("/usr/bin/podman")
    with tempfile.TemporaryDirectory() as scratch:
        registry = Registry(Path(scratch) / "registry")
        try:
            image = registry.push(images.busybox(), "bench/busybox")
            for program in (own, peer):
                program.pull(image)
                program("run", "-d", "--name", "bench", "--network", "none", image, "sleep", "9999")
                for name in ("one", "two", "three"):
                    program("create", "--name", name, "--network", "none", image, "true")
            over, worst = report(own, peer, image, rounds, size)
            over += idmaps.report(own, peer, registry, rounds)
        finally:
            for program in (own, peer):
                program("rm", "-f", "-t", "0", "-a", check=None)
            peer("rmi", "-f", "-a", check=None)
            registry.close()
    if "--no-images" not in words:
        over += image_rows.report(quick)
    return judge(over, worst)


def head(peer: Program) -> None:
    """Print the columns."""
    version = peer("version", "--format", "{{.Client.Version}}", check=None).line
    print(f"{'':40}{'pypod':>9}{'podman':>9}{'ratio':>8}{'limit':>7}{'n':>5}   podman {version}")


def judge(over: list[str], worst: str = "") -> int:
    """Print which rows are over their limits; return 1 when there are any."""
    if over:
        print(f"\nOver the limit: {', '.join(over)}.")
        if worst:
            print(f"Furthest over its budget: {worst}.")
    return int(bool(over))


def report(
    own: Program, peer: Program, image: str, rounds: int, size: int
) -> tuple[list[str], str]:
    """Print both tables; return the rows over their limits, and the stage of run."""
    rows = {
        "run": ("run --rm --network none IMAGE true", 0, rounds),
        "exec": ("exec CONTAINER true", 0, rounds),
        "ps": ("ps", 0, rounds),
        "images": ("images", 0, rounds),
        "pipe": (f"{size / GIB:.1f} GiB through run -i IMAGE cat", size, max(3, rounds // 4)),
    }
    lines = {
        "run": ("run", "--rm", "--network", "none", image, "true"),
        "exec": ("exec", "bench", "true"),
        "ps": ("ps",),
        "images": ("images",),
        "pipe": ("run", "--rm", "-i", "--network", "none", image, "cat"),
    }
    head(peer)
    over = []
    for key, (label, data, count) in rows.items():
        row = pairs.commands(own, peer, label, lines[key], LIMITS[key], count, data)
        over += [label] if row.over else []
    over += network.report(own, peer, image, rounds, size)
    ours_mb, theirs_mb = memory("pypod-monitor"), memory("conmon")
    if ours_mb is not None:
        beside = f"{theirs_mb:7.2f}MB" if theirs_mb else f"{'?':>9}"
        print(f"{'idle monitor, PSS':40}{ours_mb:7.3f}MB{beside}{'':8}{MONITOR_MB:5}MB")
        if ours_mb > MONITOR_MB:
            over.append("idle monitor")
    site = next((Path(own.path).parents[1] / "lib" / "pypod" / "lib").glob("python3.*"))
    print()
    table, worst = stages.table(site / "site-packages", image, rounds)
    print("\n".join(table))
    return over, worst


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
