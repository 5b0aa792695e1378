# SPDX-License-Identifier: Apache-2.0
"""The log that pypod-monitor writes and store.logs reads: every byte once, in order, per stream."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from monitored import Session, collect, within

from pypod.runtime import attach

LINE = re.compile(
    rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}\+00:00 (stdout|stderr) (F|P|F:lost) [^\n]*"
)

AWKWARD = r"""
import os, random, sys
random.seed(SEED)
for number in range(400):
    sizes = (0, 1, 10, 100, 5000, 70000) if number % 40 == 0 else range(200)
    size = random.choice(sizes)
    text = random.randbytes(size).replace(b"\n", b"\0")
    os.write(random.choice((1, 2)), text + random.choice((b"\n", b"\n", b"\n\n", b"")))
"""
"""NUL bytes, invalid UTF-8, empty lines, lines longer than a read, parts without a newline."""


def awkward(seed: int) -> list[str]:
    return [sys.executable, "-S", "-c", AWKWARD.replace("SEED", str(seed))]


def test_a_line_looks_like_podmans(session: Session) -> None:
    collect(session.shell("echo hello; echo oops >&2; printf part"))
    assert session.ended()
    lines = (session.record / "ctr.log").read_bytes().splitlines()
    assert all(LINE.fullmatch(line) for line in lines)
    assert sorted(line.split(b" ", 1)[1] for line in lines) == [
        b"stderr F oops",
        b"stdout F hello",
        b"stdout P part",
    ]


@pytest.mark.parametrize("limit", [0, 100, 4096, 65536, 300000])
def test_every_byte_is_logged_once_and_in_order(session: Session, limit: int) -> None:
    command = awkward(limit)
    expected = subprocess.run(command, capture_output=True, check=True)
    channel = session.start(*command, log_size_max=limit, log_keep=99 if limit > 4000 else 0)
    frames, _ = collect(channel)
    assert frames[attach.STDOUT] == expected.stdout
    assert frames[attach.STDERR] == expected.stderr
    if limit != 100:  # there only the newest record is kept
        assert session.logged("stdout") == expected.stdout
        assert session.logged("stderr") == expected.stderr


def test_rotation_keeps_files_under_the_limit(session: Session) -> None:
    collect(session.shell("seq 20000", log_size_max=10000, log_keep=3))
    sizes = {path.name: path.stat().st_size for path in session.record.glob("ctr.log*")}
    assert set(sizes) == {"ctr.log", "ctr.log.1", "ctr.log.2", "ctr.log.3"}
    assert max(sizes.values()) <= 10000
    lines = session.logged("stdout").split()
    assert [int(line) for line in lines] == list(range(20001 - len(lines), 20001))


def test_a_second_run_appends(session: Session) -> None:
    for text in ("one", "two"):
        collect(session.shell(f"echo {text}"))
        assert session.ended()
    assert session.logged("stdout") == b"one\ntwo\n"


def test_a_record_torn_by_a_crash_does_not_swallow_the_next(session: Session) -> None:
    (session.record / "ctr.log").write_bytes(b"2026-11-24T12:00:00.0000")
    collect(session.shell("echo whole"))
    assert session.logged("stdout") == b"whole\n"


def test_a_log_that_is_a_symlink_is_not_followed(session: Session) -> None:
    victim = session.record.parent / "victim"
    victim.write_text("precious")
    (session.record / "ctr.log").symlink_to(victim)
    assert collect(session.shell("echo x; exit 3"))[1] == (3, 0)
    assert victim.read_text() == "precious"


def test_a_full_log_loses_counted_records_and_goes_on(session: Session) -> None:
    """RLIMIT_FSIZE plays the full disk; rlimits can be raised again, so it has room later."""
    channel = session.shell(
        "for i in 1 2 3; do read go; seq $((i * 1000)) $((i * 1000 + 99)); done", stdin_once=True
    )
    assert channel.pid
    size_before = (session.record / "ctr.log").stat().st_size
    for number in range(3):
        limit = 50 if number == 1 else resource.RLIM_INFINITY
        resource.prlimit(channel.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        channel.send_stdin(b"go\n")
        wanted, got = 5 * 100, 0
        while got < wanted:
            frame = channel.receive()
            assert frame is not None
            got += len(frame[1]) * (frame[0] == attach.STDOUT)
    assert collect(channel)[1] == (0, 0)
    records = session.log()
    assert size_before == 0
    lines = [int(text) for stream, _, text in records if stream == "stdout"]
    assert lines == [*range(1000, 1100), *range(3000, 3100)]
    (lost,) = [text for stream, _, text in records if stream == "lost"]
    assert re.fullmatch(rb"100 records, 500 bytes: .+", lost), lost


def test_a_log_on_a_full_disk_resumes_when_there_is_space(tmp_path: Path) -> None:
    """F17, with a real ENOSPC: in a user and mount namespace, so anyone may run this."""
    script = Path(__file__).with_name("full_disk.py")
    path = os.pathsep.join(entry for entry in sys.path if entry)
    subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", sys.executable, script, tmp_path],
        check=True,
        env={**os.environ, "PYTHONPATH": path},
        timeout=60,
    )


def test_an_enormous_line_comes_back_whole(session: Session) -> None:
    channel = session.shell("head -c 3000000 /dev/zero | tr '\\0' x; echo; echo next")
    frames, _ = collect(channel)
    assert session.logged("stdout") == frames[attach.STDOUT]
    assert len(frames[attach.STDOUT]) == 3000006


def test_the_log_is_complete_when_the_end_is_told(session: Session) -> None:
    for _ in range(20):
        observer_sees_all(session)


def observer_sees_all(session: Session) -> None:
    channel = session.shell("seq 5000")
    collect(channel)
    assert session.logged("stdout").endswith(b"4999\n5000\n")
    assert session.ended()
    (session.record / "ctr.log").unlink()


def test_following_ends_with_the_container_and_misses_nothing(session: Session) -> None:
    from pypod.store import logs

    session.shell(
        "for i in $(seq 300); do echo $i; done; sleep 0.1; echo end", log_size_max=2000, log_keep=99
    ).close()
    path = str(session.record / "ctr.log")
    ended = (session.record / "exit").exists
    texts = [record[3] for record in logs.read(path, ended=ended)]
    assert texts == [*(b"%d" % number for number in range(1, 301)), b"end"]
    assert within(5, Path(session.record / "exit").exists)
