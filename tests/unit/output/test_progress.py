# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pypod.oci.manifest import Descriptor
from pypod.output.progress import Bars

BLOB = Descriptor("", "sha256:" + "ab" * 32, 100)


def test_a_pipe_gets_lines_and_no_bars(capfd: pytest.CaptureFixture[str]) -> None:
    with Bars(False) as bars:
        bars.note("hello")
        bars.begin(BLOB, here=False)
        bars.update(BLOB, 50)
        bars.begin(BLOB, here=True)
    seen = capfd.readouterr()
    line = f"Copying blob {BLOB.digest}"
    assert seen.err == f"hello\n{line}\n{line} skipped: already exists\n"
    assert seen.out == ""


def test_quiet_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with Bars(True) as bars:
        bars.note("hello")
        bars.begin(BLOB, here=False)
        bars.update(BLOB, 50)
    assert capfd.readouterr() == ("", "")


def test_rich_is_loaded_for_a_terminal_only() -> None:
    script = (
        "import sys; from pypod.output.progress import Bars\n"
        "with Bars(False) as bars: bars.note('x')\n"
        "sys.exit('rich' in sys.modules)"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True)
    assert done.returncode == 0
