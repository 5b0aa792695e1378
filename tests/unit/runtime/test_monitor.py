# SPDX-License-Identifier: Apache-2.0
"""What pypod-monitor is started with; the program itself is tested in tests/helper."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pypod.errors import PypodError
from pypod.runtime import monitor


@pytest.fixture
def reporter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program in the place of pypod-monitor that writes down what it was given."""
    script = tmp_path / "pypod-monitor"
    script.write_text(
        "#!/bin/sh\n"
        f'for word; do echo "$word"; done > {tmp_path}/words\n'
        f"env > {tmp_path}/environ\n"
        f"ls -l /proc/self/fd | sed 's/.* \\([0-9]* -> \\)/\\1/' > {tmp_path}/fds\n"
    )
    script.chmod(0o755)
    monkeypatch.setattr(monitor, "helper_path", lambda name: f"{tmp_path}/{name}")
    return tmp_path


def started(**options: object) -> None:
    channel = monitor.spawn(["/proc/self/fd/6", "--plan", "7"], **options)  # type: ignore[arg-type]
    assert channel.pid
    os.waitpid(channel.pid, 0)
    channel.close()


def test_the_command_line_says_everything(reporter: Path) -> None:
    with open(__file__) as file:
        started(
            runtime_fds={7: file.fileno(), 6: file.fileno()},
            record_fd=file.fileno(),
            sockets_fd=file.fileno(),
            tty=True,
            stdin=True,
            stdin_once=True,
            run=4,
            log="ctr.log",
            log_size_max=1000,
            attach_name="abc",
            timeout=9,
            exit_words=["/usr/bin/pypod", "container", "cleanup"],
        )
    assert (reporter / "words").read_text().split() == (
        "--tty --stdin --stdin-once --run 4 --log ctr.log --log-size-max 1000 --log-keep 1 "
        "--attach-name abc --timeout 9 --fd 6 --fd 7 --exit-word /usr/bin/pypod --exit-word "
        "container --exit-word cleanup -- /proc/self/fd/6 --plan 7"
    ).split()


def test_without_a_record_it_says_so(reporter: Path) -> None:
    started(runtime_fds={})
    assert (
        reporter / "words"
    ).read_text().split() == "--no-record -- /proc/self/fd/6 --plan 7".split()


def test_the_environment_is_clean_unless_given(
    reporter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "1")
    started(runtime_fds={})
    assert "SECRET" not in (reporter / "environ").read_text()
    started(runtime_fds={}, environ={"HOME": "/h"})
    assert "HOME=/h\n" in (reporter / "environ").read_text()


def test_descriptors_are_at_their_numbers(reporter: Path) -> None:
    with open(reporter / "pypod-monitor") as script, open("/dev/zero") as zero:
        started(
            runtime_fds={6: zero.fileno(), 70: script.fileno()},
            record_fd=script.fileno(),
        )
    listed = dict(
        line.split(" -> ") for line in (reporter / "fds").read_text().splitlines() if "->" in line
    )
    assert listed["3"].startswith("socket:")
    assert listed["4"] == f"{reporter}/pypod-monitor"
    assert listed["6"] == "/dev/zero"
    assert listed["70"] == f"{reporter}/pypod-monitor"


def test_our_own_descriptors_stay_open_and_none_is_added(reporter: Path) -> None:
    with open("/dev/zero") as zero:
        before = set(os.listdir("/proc/self/fd"))
        started(runtime_fds={6: zero.fileno()})
        # The collector may close what an earlier test forgot: fewer is no fault of ours.
        assert set(os.listdir("/proc/self/fd")) <= before
        os.fstat(zero.fileno())


def test_a_missing_monitor_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor, "helper_path", lambda name: f"/nonexistent/{name}")
    with pytest.raises(PypodError, match="cannot start /nonexistent/pypod-monitor") as caught:
        monitor.spawn(["x"], runtime_fds={})
    assert caught.value.hint
