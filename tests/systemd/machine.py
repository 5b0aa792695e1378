# SPDX-License-Identifier: Apache-2.0
"""In the guest: systemctl --user, and containers without a registry."""

from __future__ import annotations

import os
import subprocess
import urllib.request
from pathlib import Path

from tests.fixtures.program import Program, within
from tests.fixtures.store import Store

HERE = Path(__file__).resolve().parents[2]
UNITS = Path.home() / ".config" / "systemd" / "user"
RUNTIME = Path(os.environ.get("XDG_RUNTIME_DIR", "/nowhere"))
PATIENCE = 60
"""System calls cost about 60 times what they cost elsewhere."""
IMAGE = "pypod/hello"
"""The embedded image; programs come into it by bind mounts."""
BUSYBOX = ("-v", f"{HERE}/busybox:/bin/busybox:ro", "--network", "none")
NOTIFY = ("-v", f"{HERE}/notify:/bin/notify:ro", "--network", "none")
DEAF = ("/bin/busybox", "sh", "-c", "trap '' TERM; while :; do /bin/busybox sleep 1; done")
"""A payload that ignores the stop signal."""


def shell(script: str) -> tuple[str, ...]:
    """Return the command that runs a script of busybox."""
    return ("/bin/busybox", "sh", "-c", script)


def systemctl(*words: str, check: bool = True) -> str:
    """Ask the user's service manager; return what it prints."""
    done = subprocess.run(
        ["systemctl", "--user", *words],
        capture_output=True,
        text=True,
        timeout=PATIENCE * 3,
        check=False,
    )
    assert not check or done.returncode == 0, (words, done.stderr, journal(words[-1]))
    return done.stdout.strip()


def journal(unit: str) -> str:
    """Return what was logged of a unit."""
    words = ["journalctl", "--user", "-n", "40", "--no-pager", "-u", unit]
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout


def shown(unit: str, name: str) -> str:
    """Return a property of a unit."""
    return systemctl("show", "-P", name, unit)


def is_active(unit: str) -> bool:
    """Say whether a unit is active."""
    return shown(unit, "ActiveState") == "active"


def install(pypod: Program, *words: str) -> str:
    """Write a container's unit where systemd looks, verified; return the unit's name."""
    UNITS.mkdir(parents=True, exist_ok=True)
    path = pypod("generate", "systemd", "--files", *words, cwd=UNITS).line
    subprocess.run(["systemd-analyze", "--user", "verify", path], check=True, timeout=PATIENCE)
    systemctl("daemon-reload")
    return Path(path).name


def pid(pypod: Program, name: str) -> int:
    """Return the pid of a container's first process, 0 when there is none."""
    return int(pypod("inspect", "-f", "{{.State.Pid}}", name, check=None).line or 0)


def parent(process: int) -> int:
    """Return the parent of a process."""
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def fetch(port: int) -> bytes:
    """Return what a web server on this machine gives for /x, nothing where none answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/x", timeout=10) as answer:
            data: bytes = answer.read()
            return data
    except OSError:
        return b""


def processes() -> list[str]:
    """Return the command lines of this user's processes that are pypod's."""
    found = subprocess.run(
        ["pgrep", "-u", str(os.getuid()), "-a", "pypod-"],
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.splitlines()


def nothing_is_left(pypod: Program) -> bool:
    """Say whether no container, no process and no id file of a unit is there."""
    return within(
        PATIENCE,
        lambda: (
            not pypod("ps", "-aq").out and not processes() and not list(RUNTIME.glob("*.ctr-id"))
        ),
    )


def half_store() -> Store:
    """Return the store of the pull that a reboot interrupts: the same one before and after."""
    return Store(Program(), Path.home() / "half")
