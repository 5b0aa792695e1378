# SPDX-License-Identifier: Apache-2.0
"""pypod-monitor: start, records, death, signals."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import signal
import subprocess
import time
from pathlib import Path

import pytest
from monitored import Refused, Session, collect, within

from pypod.errors import LostMonitor, PypodError
from pypod.kernel.memfd import helper_path
from pypod.kernel.procfs import boot_id, start_time
from pypod.runtime import attach

STAGE_SETUP, STAGE_EXEC = 4, 6


def test_output_and_exit_code_reach_the_client(session: Session) -> None:
    channel = session.shell("echo out; echo err >&2; exit 7")
    frames, end = collect(channel)
    assert frames == {attach.STDOUT: b"out\n", attach.STDERR: b"err\n"}
    assert end == (7, 0)


def test_a_signalled_container_ends_128_plus_n(session: Session) -> None:
    channel = session.shell("kill -TERM $$")
    assert collect(channel)[1] == (143, 15)
    assert session.ended()
    assert (session.exit().code, session.exit().signal) == (143, 15)


def test_pids_names_the_container_and_the_monitor(session: Session) -> None:
    channel = session.start("/bin/sleep", "60", run=12)
    pids = session.pids()
    assert pids.run == 12
    assert pids.boot == boot_id()
    assert pids.monitor == channel.pid
    assert pids.start == start_time(pids.pid)
    assert pids.monitor_start == start_time(pids.monitor)
    assert abs(time.time_ns() - pids.at) < 60e9


def test_pids_is_written_before_the_container_runs(session: Session) -> None:
    channel = session.shell(f"cat {session.record}/pids")
    frames, _ = collect(channel)
    assert frames[attach.STDOUT].startswith(b"run=1 boot=")


def test_exit_is_written_before_the_client_is_told(session: Session) -> None:
    channel = session.shell("exit 3", run=5)
    collect(channel)
    found = session.exit()
    assert (found.run, found.code, found.signal, found.started) == (5, 3, 0, True)


def test_nothing_is_left_of_the_temporary_records(session: Session) -> None:
    collect(session.shell("true"))
    assert session.ended()
    assert sorted(p.name for p in session.record.iterdir()) == ["ctr.log", "exit", "pids"]
    assert not list(session.sockets.iterdir())


@pytest.mark.parametrize(
    ("mode", "stage", "err", "code"),
    [
        pytest.param("error", STAGE_SETUP, errno.EPERM, 125, id="before the pid"),
        pytest.param("late-error", STAGE_SETUP, errno.ENOENT, 125, id="setup"),
        pytest.param("late-error", STAGE_EXEC, errno.ENOENT, 127, id="not found"),
        pytest.param("late-error", STAGE_EXEC, errno.EACCES, 126, id="not executable"),
    ],
)
def test_a_failed_start_is_relayed_and_recorded(
    session: Session, mode: str, stage: int, err: int, code: int
) -> None:
    channel = session.spawn(str(stage), str(err), "bind /data", mode=mode)
    with pytest.raises(Refused, match="bind /data") as caught:
        channel.started(Refused)
    assert (caught.value.stage, caught.value.err) == (stage, err)
    found = session.exit()
    assert (found.code, found.signal, found.started) == (code, 0, False)
    assert session.ended()


@pytest.mark.parametrize(
    ("mode", "words", "text"),
    [
        pytest.param("exit", ["3"], "ended by exit status 3", id="silent end"),
        pytest.param("garbage", [], "does not speak", id="garbage"),
        pytest.param("stranger", [], "not the monitor's", id="somebody else's process"),
    ],
)
def test_a_runtime_that_misbehaves_is_a_failed_start(
    session: Session, mode: str, words: list[str], text: str
) -> None:
    channel = session.spawn(*words, mode=mode)
    with pytest.raises(Refused, match=text):
        channel.started(Refused)
    assert session.ended()
    assert session.exit().code == 125


def test_a_missing_runtime_is_125_and_not_127(session: Session) -> None:
    from pypod.runtime import monitor

    channel = monitor.spawn(
        ["/nonexistent/runtime"], runtime_fds={}, record_fd=session.record_fd, run=1
    )
    assert channel.pid
    session.children.append(channel.pid)
    with pytest.raises(Refused, match="/nonexistent/runtime") as caught:
        channel.started(Refused)
    assert caught.value.err == errno.ENOENT
    assert session.exit().code == 125


def test_a_payload_that_cannot_be_recorded_is_not_released(session: Session) -> None:
    witness = session.record.parent / "ran"
    (session.record / "pids").mkdir()
    channel = session.spawn("/bin/touch", str(witness))
    with pytest.raises(Refused, match="cannot record"):
        channel.started(Refused)
    assert session.ended()
    assert not witness.exists()
    (session.record / "pids").rmdir()


def test_the_container_outlives_its_client(session: Session) -> None:
    channel = session.shell("trap 'echo bye; exit 9' TERM; echo hi; while :; do sleep 0.05; done")
    assert channel.receive() == (attach.STDOUT, b"hi\n")
    channel.close()
    pids = session.pids()
    os.kill(pids.pid, signal.SIGTERM)
    assert session.ended()
    assert session.exit().code == 9
    assert session.logged("stdout") == b"hi\nbye\n"


def test_a_killed_monitor_is_noticed_by_the_client(session: Session) -> None:
    channel = session.start("/bin/sleep", "60")
    assert channel.pid
    os.kill(channel.pid, signal.SIGKILL)
    assert collect(channel)[1] is None


def test_a_monitor_killed_during_the_start_is_lost(session: Session) -> None:
    channel = session.spawn("/bin/sleep", "60", mode="run")
    assert channel.pid
    os.kill(channel.pid, signal.SIGKILL)
    try:
        channel.started(Refused)
    except LostMonitor:
        pass


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_monitor_goes_to_the_container(session: Session, number: int) -> None:
    channel = session.shell("trap 'exit 8' TERM INT; echo ready; while :; do sleep 0.05; done")
    assert channel.receive() == (attach.STDOUT, b"ready\n")
    assert channel.pid
    os.kill(channel.pid, number)
    assert collect(channel)[1] == (8, 0)


def test_other_signals_do_not_end_the_monitor(session: Session) -> None:
    channel = session.shell("echo ready; read line; exit 4", stdin_once=True)
    assert channel.receive() == (attach.STDOUT, b"ready\n")
    assert channel.pid
    for number in set(signal.valid_signals()) - {9, 19, signal.SIGTERM, signal.SIGINT}:
        os.kill(channel.pid, number)
    channel.send_stdin(b"go\n")
    assert collect(channel)[1] == (4, 0)


def test_the_payload_has_default_signals(session: Session) -> None:
    previous = signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # as under nohup
    try:
        channel = session.shell("grep -E 'Sig(Blk|Ign)' /proc/self/status")
    finally:
        signal.signal(signal.SIGUSR1, previous)
    frames, _ = collect(channel)
    blocked, ignored = (int(line.split()[1], 16) for line in frames[attach.STDOUT].splitlines())
    assert blocked == 0
    assert not ignored & 1 << (signal.SIGUSR1 - 1)


def test_the_payload_gets_only_its_descriptors(session: Session) -> None:
    leaked = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(leaked, True)
    handed, other = os.pipe()
    channel = session.shell("ls -l /proc/self/fd", runtime_fds={12: handed})
    frames, _ = collect(channel)
    listed = {line.split()[-3] for line in frames[attach.STDOUT].splitlines()[1:]}
    assert listed == {b"0", b"1", b"2", b"3", b"12"}  # 3: ls reading the directory
    for fd in (leaked, handed, other):
        os.close(fd)


def test_the_monitor_keeps_nothing_of_what_it_hands_on(session: Session) -> None:
    reader, writer = os.pipe()
    session.shell("exec 12>&-; exec sleep 60", runtime_fds={12: writer})
    os.close(writer)
    assert os.read(reader, 1) == b""  # would block while anyone holds the other end
    os.close(reader)


def test_descriptors_may_have_each_others_numbers(session: Session) -> None:
    """Placing them one after the other would overwrite the second before it is moved."""
    files = []
    for number, name in ((20, "a"), (21, "b")):
        path = session.record.parent / name
        path.write_text(name)
        with open(path) as file:
            files.append(fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, number))
    first, second = files
    channel = session.shell(
        f"cat /proc/self/fd/{first} /proc/self/fd/{second}",
        runtime_fds={first: second, second: first},
    )
    assert collect(channel)[0][attach.STDOUT] == b"ba"
    for fd in files:
        os.close(fd)


def test_orphans_of_the_container_are_reaped(session: Session) -> None:
    channel = session.shell("(sleep 0.01 &) ; (true &); sleep 0.3; echo $PPID")
    assert channel.pid
    frames, _ = collect(channel)
    assert frames[attach.STDOUT] == b"%d\n" % channel.pid
    assert session.ended()


def test_the_exit_command_runs_at_the_end(session: Session) -> None:
    witness = session.record.parent / "cleaned"
    collect(session.shell("true", exit_words=["/bin/touch", str(witness)]))
    assert session.ended()
    assert within(5, witness.exists)


@pytest.mark.parametrize("claimed", [True, False])
def test_a_claim_keeps_the_exit_command_away(session: Session, claimed: bool) -> None:
    witness = session.record.parent / "cleaned"
    with open(session.record / "claim", "w") as claim:
        if claimed:
            fcntl.flock(claim, fcntl.LOCK_EX)
        collect(session.shell("true", exit_words=["/bin/touch", str(witness)]))
        assert session.ended()
        assert within(0.2 if claimed else 5, witness.exists) is not claimed


def test_the_exit_command_runs_after_a_failed_start_too(session: Session) -> None:
    witness = session.record.parent / "cleaned"
    session.spawn("4", "1", "x", mode="error", exit_words=["/bin/touch", str(witness)])
    assert session.ended()
    assert within(5, witness.exists)


def test_a_removed_record_is_no_reason_to_die(session: Session) -> None:
    channel = session.shell("read line; exit 6", stdin_once=True)
    for path in session.record.iterdir():
        path.unlink()
    session.record.rmdir()
    channel.send_stdin(b"\n")
    assert collect(channel)[1] == (6, 0)
    assert session.ended()


def test_without_a_record_nothing_is_written(session: Session) -> None:
    channel = session.shell("exit 5", record_fd=None, log=None, attach_name=None)
    assert collect(channel)[1] == (5, 0)
    assert session.ended()
    assert not list(session.record.iterdir())


def test_a_full_disk_loses_no_exit_status(session: Session) -> None:
    """`exit` was given its block at the start; here the file size limit plays the full disk."""
    channel = session.shell("read line; exit 3", stdin_once=True)
    assert channel.pid
    resource.prlimit(channel.pid, resource.RLIMIT_NOFILE, (0, 0))  # no new file either
    channel.send_stdin(b"\n")
    assert collect(channel)[1] == (3, 0)
    assert session.exit().code == 3


def test_too_few_descriptors_are_one_clear_error(session: Session) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (40, limits[1]))
    try:
        with pytest.raises(PypodError, match="cannot start"):
            session.spawn("/bin/true")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_a_timeout_kills_and_does_not_wake_the_monitor_before(session: Session) -> None:
    started = time.monotonic()
    session.shell("exec sleep 1000", timeout=1)
    assert session.ended()
    assert time.monotonic() - started >= 1
    assert (session.exit().code, session.exit().signal) == (137, 9)
    # Far beyond what epoll_wait(2) takes: no end, and no spinning.
    channel = session.start("/bin/cat", timeout=10**9, stdin_once=True)
    time.sleep(0.3)
    assert channel.pid is not None
    before = sum(os.times()[2:4])
    channel.send_stdin(b"")
    assert collect(channel)[1] == (0, 0)
    assert session.ended()
    assert sum(os.times()[2:4]) - before < 0.1  # of the children that were reaped


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--"],
        ["--nonsense", "--", "/bin/true"],
        ["--run", "-1", "--", "/bin/true"],
        ["--log", "../x", "--", "/bin/true"],
        ["--attach-name", "a/b", "--", "/bin/true"],
        ["--fd", "5", "--", "/bin/true"],
        ["--timeout", "-1", "--", "/bin/true"],
        ["--timeout", "9000000000000000000", "--", "/bin/true"],
        ["--no-record", "--log", "x", "--", "/bin/true"],
        ["--run"],
    ],
)
def test_a_wrong_command_line_is_refused(words: list[str]) -> None:
    assert subprocess.run([helper_path("pypod-monitor"), *words], check=False).returncode == 125


def test_an_idle_monitor_is_small(session: Session) -> None:
    """At most 0.1 MB PSS, also after a burst of data."""
    channel = session.start("/bin/cat", stdin_once=True)
    for _ in range(5):
        channel.send_stdin(bytes(60000))
    received = 0
    while received < 300000:
        frame = channel.receive()
        assert frame is not None
        received += len(frame[1]) if frame[0] == attach.STDOUT else 0

    def pss() -> int:
        text = Path(f"/proc/{channel.pid}/smaps_rollup").read_text()
        return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))

    assert within(5, lambda: pss() <= 100), f"PSS {pss()} kB"


def test_an_idle_monitor_does_not_run(session: Session) -> None:
    """No spinning: neither with closed output nor with clients that came and went."""
    channel = session.shell("exec >&- 2>&- <&-; exec sleep 60", stdin_once=True)
    session.attach(attach.OBSERVE).close()
    channel.close()

    def ticks() -> int:
        fields = Path(f"/proc/{channel.pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    time.sleep(0.5)
    before = ticks()
    time.sleep(0.5)
    assert ticks() - before <= 1
