# SPDX-License-Identifier: Apache-2.0
"""Processes by pid and start time."""

from __future__ import annotations

import os
import subprocess
import threading

from pypod.kernel import procfs


def test_a_process_is_opened_by_pid_and_start_time_only() -> None:
    child = subprocess.Popen(["sleep", "60"])
    started = procfs.start_time(child.pid)
    assert started is not None
    fd = procfs.open_process(child.pid, started)
    assert fd is not None
    os.close(fd)
    assert procfs.open_process(child.pid, started + 1) is None
    child.kill()
    child.wait()
    assert procfs.open_process(child.pid, started) is None


def test_a_number_that_is_no_process_is_nobody() -> None:
    # A thread's, which the kernel refuses with the error of a process that is being reaped.
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    try:
        assert thread.native_id is not None
        assert procfs.open_process(thread.native_id, 1) is None
    finally:
        over.set()
        thread.join()
