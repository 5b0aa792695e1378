# SPDX-License-Identifier: Apache-2.0
"""Modules out of one file: found, run, and left to Python where the file is none of ours."""

from __future__ import annotations

import marshal
import subprocess
import sys
from pathlib import Path

import pytest

from pypod import module_file


def code(text: str, name: str) -> bytes:
    return marshal.dumps(compile(text, name, "exec"))


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "modules"
    path.write_bytes(
        module_file.packed(
            {
                "a": (True, code("B = 1", "/x/a/__init__.py")),
                "a.b": (False, code("from . import B\ndef fail():\n    1 / 0", "/x/a/b.py")),
            }
        )
    )
    return path


def run(path: Path, program: str) -> subprocess.CompletedProcess[str]:
    lines = f"from pypod import module_file\nmodule_file.use({str(path)!r}, '/x')\n{program}"
    return subprocess.run(
        [sys.executable, "-c", lines], capture_output=True, text=True, check=False
    )


def test_modules_and_packages_are_found_and_know_where_they_come_from(written: Path) -> None:
    done = run(written, "import a.b as b, a\nprint(b.B, b.__file__, a.__path__, b.__package__)")
    assert done.stdout == "1 /x/a/b.py ['/x/a'] a\n"
    assert 'File "/x/a/b.py", line 3, in fail' in run(written, "import a.b; a.b.fail()").stderr


def test_what_is_not_in_the_file_is_left_to_python(written: Path) -> None:
    assert run(written, "import json; print(json.dumps(1))").stdout == "1\n"
    assert "No module named 'a.c'" in run(written, "import a.c").stderr


@pytest.mark.parametrize("harm", ["missing", "empty", "another Python", "cut"])
def test_a_file_that_cannot_be_read_is_passed_over(written: Path, harm: str) -> None:
    data = written.read_bytes()
    written.unlink()
    changed = {"empty": b"", "another Python": b"xxxx" + data[4:], "cut": data[:20]}
    if harm in changed:
        written.write_bytes(changed[harm])
    done = run(written, "import json, sys; print(len(sys.meta_path))")
    assert (done.returncode, done.stderr) == (0, "")
    assert "No module named 'a'" in run(written, "import a").stderr
