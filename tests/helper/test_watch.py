# SPDX-License-Identifier: Apache-2.0
"""pypod-monitor --watch: a change of a file of the host starts a command, whatever the way."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from monitored import FAKE, Session, within

from pypod.kernel.memfd import helper_path


class Host:
    """A directory that stands for /: `etc/resolv.conf` and what the command did."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.etc = root / "etc"
        self.etc.mkdir()
        self.file = self.etc / "resolv.conf"
        self.runs = root / "runs"
        self.runs.write_text("")

    def words(self, script: str = "") -> list[str]:
        """Return a command that copies what it finds, a line for each run."""
        script = script or f"(cat {self.file} 2>/dev/null || echo gone) >>{self.runs}"
        return ["/bin/sh", "-c", script]

    def said(self) -> list[str]:
        return self.runs.read_text().split()

    def put(self, text: str, name: str = "etc/resolv.conf") -> None:
        """Replace a file as most programs do."""
        new = self.root / (name + ".new")
        new.write_text(text + "\n")
        new.rename(self.root / name)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    root = tmp_path / "host"
    root.mkdir()
    return Host(root)


def watched(session: Session, host: Host, script: str = "") -> None:
    session.shell("exec sleep 1000", watch=[str(host.file)], watch_words=host.words(script))


def rewrite(host: Host) -> None:
    host.file.write_text("new\n")


def replace(host: Host) -> None:
    host.put("new")


def remove_and_make(host: Host) -> None:
    host.file.unlink()
    host.file.write_text("new\n")


def turn_to_a_link(host: Host) -> None:
    (host.root / "other").write_text("new\n")
    host.file.unlink()
    host.file.symlink_to("../other")


@pytest.mark.parametrize("change", [rewrite, replace, remove_and_make, turn_to_a_link])
def test_every_way_to_change_a_file_is_seen(
    session: Session, host: Host, change: Callable[[Host], None]
) -> None:
    host.put("old")
    watched(session, host)
    change(host)
    assert within(10, lambda: host.said()[-1:] == ["new"]), host.said()


def test_a_change_behind_links_is_seen_and_so_is_a_link_that_is_turned(
    session: Session, host: Host
) -> None:
    run = host.root / "run"
    for name in ("resolved", "vpn"):
        (run / name).mkdir(parents=True)
        host.put(f"{name}-1", f"run/{name}/stub")
    middle = run / "middle"
    middle.symlink_to(run / "resolved" / "stub")
    host.file.symlink_to("../run/middle")
    watched(session, host)
    host.put("resolved-2", "run/resolved/stub")
    assert within(10, lambda: host.said() == ["resolved-2"])
    (run / "new").symlink_to("vpn/stub")
    (run / "new").rename(middle)
    assert within(10, lambda: host.said()[1:] == ["vpn-1"])
    host.put("vpn-2", "run/vpn/stub")
    assert within(10, lambda: host.said()[2:] == ["vpn-2"])


def test_a_directory_that_is_not_there_yet_is_waited_for(session: Session, host: Host) -> None:
    host.file.symlink_to(host.root / "run" / "deep" / "stub")
    watched(session, host)
    (host.root / "run" / "deep").mkdir(parents=True)
    host.put("late", "run/deep/stub")
    assert within(10, lambda: "late" in host.said()), host.said()
    host.put("later", "run/deep/stub")
    assert within(10, lambda: host.said()[-1:] == ["later"])


def test_a_burst_is_one_run_and_the_last_word_counts(session: Session, host: Host) -> None:
    host.put("0")
    watched(session, host)
    began = time.monotonic()
    for number in range(1, 101):
        host.put(str(number))
    took = time.monotonic() - began
    assert within(10, lambda: host.said()[-1:] == ["100"])
    assert len(host.said()) <= 1 + (took > 0.2) + took / 2  # a busy machine writes slowly
    started = time.monotonic()
    host.put("101")
    assert within(10, lambda: host.said()[-1:] == ["101"])
    assert time.monotonic() - started > 0.5  # two runs keep their distance


def test_a_neighbour_is_no_reason(session: Session, host: Host) -> None:
    host.put("old")
    watched(session, host)
    host.put("x", "etc/hosts")
    (host.etc / "resolv.conf.d").mkdir()
    host.put("new")
    assert within(10, lambda: host.said() == ["new"])


def test_two_commands_never_run_at_once(session: Session, host: Host) -> None:
    host.put("old")
    script = f"mkdir {host.root}/busy && sleep 3; cat {host.file} >>{host.runs}"
    watched(session, host, f"{script}; rmdir {host.root}/busy || echo two >>{host.runs}")
    host.put("1")
    assert within(10, lambda: (host.root / "busy").exists())
    host.put("2")
    assert within(20, lambda: len(host.said()) == 2)
    assert host.said() == ["2", "2"]


def test_the_end_of_the_command_is_not_the_containers(session: Session, host: Host) -> None:
    host.put("old")
    channel = session.start(
        "/bin/cat", stdin_once=True, watch=[str(host.file)], watch_words=host.words("exit 7")
    )
    host.put("new")
    time.sleep(1)
    assert channel.pid is not None
    children = Path(f"/proc/{channel.pid}/task/{channel.pid}/children").read_text().split()
    assert len(children) == 1  # the container; the command is reaped
    channel.send_stdin(b"")
    assert session.ended()
    assert session.exit().code == 0


def test_a_change_during_the_start_is_followed_after_it(session: Session, host: Host) -> None:
    host.put("old")
    channel = session.spawn("/bin/sleep", "1000", watch=[str(host.file)], watch_words=host.words())
    assert within(5, lambda: "inotify" in descriptors(channel.pid))
    host.put("new")
    assert within(10, lambda: host.said() == ["new"])


def descriptors(pid: int | None) -> str:
    links = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            links.append(os.readlink(entry))
        except FileNotFoundError:
            continue
    return " ".join(links)


def test_without_a_watch_there_is_no_instance_of_inotify(session: Session, host: Host) -> None:
    channel = session.shell("exec sleep 1000")
    assert "inotify" not in descriptors(channel.pid)


def test_a_monitor_that_watches_is_small_and_idle(session: Session, host: Host) -> None:
    host.put("old")
    channel = session.shell("exec sleep 1000", watch=[str(host.file)], watch_words=host.words())
    for text in ("new", "newer"):
        host.put(text)
        assert within(10, lambda text=text: host.said()[-1:] == [text])

    def pss() -> int:
        text = Path(f"/proc/{channel.pid}/smaps_rollup").read_text()
        return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))

    def switches() -> str:
        text = Path(f"/proc/{channel.pid}/status").read_text()
        return next(line for line in text.splitlines() if line.startswith("voluntary"))

    assert within(5, lambda: pss() <= 100), f"PSS {pss()} kB"
    time.sleep(0.5)
    before = switches()
    time.sleep(0.5)
    assert switches() == before


def test_where_inotify_is_used_up_the_file_is_looked_at(host: Host) -> None:
    host.put("old")
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    empty = 'echo 0 >/proc/sys/user/max_inotify_instances && exec "$@"'
    words = [helper_path("pypod-monitor"), "--no-record", "--watch", str(host.file)]
    for word in host.words():
        words += ["--watch-word", word]
    monitor = subprocess.Popen(
        ["/usr/bin/unshare", "-Ur", "/bin/sh", "-c", empty, "sh", *words]
        + ["--", *FAKE, "run", "/bin/sleep", "1000"],
        preexec_fn=lambda: os.dup2(theirs.fileno(), 3),
        close_fds=False,
    )
    theirs.close()
    pid = 0
    try:
        pid = int.from_bytes(ours.recv(65537)[1:], sys.byteorder)  # `p`: it runs
        assert "inotify" not in descriptors(monitor.pid)
        for text in ("new", "newer"):
            host.put(text)
            assert within(15, lambda text=text: host.said()[-1:] == [text])
        assert host.said() == ["new", "newer"]
    finally:
        os.kill(pid or monitor.pid, 9)
        ours.close()
        monitor.wait(10)


@pytest.mark.parametrize("words", [["--watch", "etc"], ["--watch"], ["--watch", "/x"] * 5])
def test_a_wrong_watch_is_refused(words: list[str]) -> None:
    done = os.posix_spawn(
        helper_path("pypod-monitor"), ["pypod-monitor", *words, "--", "/bin/true"], {}
    )
    assert os.waitstatus_to_exitcode(os.waitpid(done, 0)[1]) == 125
