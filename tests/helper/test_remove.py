# SPDX-License-Identifier: Apache-2.0
"""Removing a tree that another process removes, too: a sweep and the command whose trash it is."""

from __future__ import annotations

import subprocess
from pathlib import Path

from pypod.kernel import paths


def test_two_may_remove_the_same_tree(tmp_path: Path) -> None:
    for number in range(3):
        tree = tmp_path / str(number)
        for outer in range(60):
            for inner in range(20):
                (tree / f"{outer}/{inner}/deep").mkdir(parents=True)
        words = [f"{paths.LIBEXEC}/pypod-files", "rmtree", str(tree)]
        running = [subprocess.Popen(words, stderr=subprocess.PIPE) for _ in range(3)]
        assert [(one.communicate()[1], one.returncode) for one in running] == [(b"", 0)] * 3
        assert not tree.exists()
