# SPDX-License-Identifier: Apache-2.0
"""The audit log names the human: login uid and session id go from the caller to everything."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.fixtures.program import Program, environment, within

pytestmark = pytest.mark.own


def identity(pid: int | str) -> tuple[str, str]:
    """Return (login uid, session id) of a process, seen from the host."""
    return (
        Path(f"/proc/{pid}/loginuid").read_text(),
        Path(f"/proc/{pid}/sessionid").read_text(),
    )


def tree(root: int) -> set[int]:
    """Return a process and its descendants."""
    found = {root}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if parent in found:
                found.add(int(entry.name))
    return found


def host_pid_of(marker: str) -> int | None:
    """Return the process whose command line holds the marker, not the clients that asked for it."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if words[:2] == [b"sleep", marker.encode()]:
                return int(entry.name)
    return None


@pytest.mark.parametrize("way", ["run", "run -d", "start", "exec", "exec -d", "exec -t"])
def test_payload_and_monitor_have_the_callers_identity(
    pypod: Program, image: str, way: str
) -> None:
    caller = identity("self")
    assert caller[0] not in ("", "4294967295"), "the harness sets a login uid"
    marker = f"1{abs(hash(way)) % 100000}"
    if way == "run":
        pypod.start("run", "--name", "a", image, "sleep", marker)
    elif way == "run -d":
        pypod("run", "-d", "--name", "a", image, "sleep", marker)
    elif way == "start":
        pypod("create", "--name", "a", image, "sleep", marker)
        pypod("start", "a")
    else:
        pypod("run", "-d", "--name", "a", image, "sleep", "1000")
        if way == "exec -t":
            pypod.terminal("exec", "-t", "a", "sleep", marker)
        else:
            pypod.start(*way.split(), "a", "sleep", marker)
    assert within(20, lambda: host_pid_of(marker))
    payload = host_pid_of(marker)
    assert payload is not None
    assert identity(payload) == caller
    parent = Path(f"/proc/{payload}/stat").read_text().rpartition(")")[2].split()[1]
    assert "pypod-monitor" in Path(f"/proc/{parent}/cmdline").read_text()
    assert identity(parent) == caller


def test_nothing_writes_the_login_uid(pypod: Program, image: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    subprocess.run(
        ["strace", "-f", "-o", str(trace), "-e", "trace=openat,open,openat2"]
        + pypod.argv("run", "--rm", "pypod/hello"),
        env=environment(None),
        capture_output=True,
        timeout=60,
        check=False,
    )
    opened = [line for line in trace.read_text().splitlines() if "loginuid" in line]
    assert len(trace.read_text().splitlines()) > 50
    assert not [line for line in opened if "O_WRONLY" in line or "O_RDWR" in line]
