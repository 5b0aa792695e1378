# SPDX-License-Identifier: Apache-2.0
"""Run by test_log in a mount namespace of its own: a log on a tmpfs of 256 KiB that fills up."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from monitored import Session, collect

from pypod.runtime import attach

session = Session(Path(sys.argv[1]))
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", session.record], check=True)
os.close(session.record_fd)
session.record_fd = os.open(session.record, os.O_RDONLY | os.O_DIRECTORY)
try:
    channel = session.shell("seq 1 100000; read go; echo ok; exit 5", stdin_once=True)
    wanted = b"".join(b"%d\n" % number for number in range(1, 100001))
    seen = b""
    while len(seen) < len(wanted):
        frame = channel.receive()
        assert frame is not None
        seen += frame[1] if frame[0] == attach.STDOUT else b""
    assert seen == wanted, "the client missed something"
    before = session.logged("stdout")
    assert wanted.startswith(before), "the log has a hole before its end"
    os.truncate(session.record / "ctr.log", 0)
    channel.send_stdin(b"\n")
    assert collect(channel)[1] == (5, 0)
    assert session.exit().code == 5, "the exit status is not on the full disk"
    (lost, ok) = session.log()
    assert lost[0] == "lost" and lost[2].endswith(b": No space left on device"), lost
    assert ok == ("stdout", True, b"ok")
finally:
    session.close()
