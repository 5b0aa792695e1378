# SPDX-License-Identifier: Apache-2.0
"""Deleting what is the caller's own takes no worker."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pypod.engine.remove_tree import remove_tree
from pypod.kernel.facts import facts
from pypod.kernel.paths import Places


def remove(tmp_path: Path, name: str) -> None:
    """Delete a tree; fail when a worker was started for it."""
    sys.modules.pop("pypod.runtime.files", None)
    remove_tree(Places(str(tmp_path), str(tmp_path)), str(tmp_path / name), facts())
    assert "pypod.runtime.files" not in sys.modules
    assert not os.path.lexists(tmp_path / name)


def test_a_tree_with_every_kind_of_file_is_removed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "f").touch()
    tree = tmp_path / "tree"
    (tree / "a/b/c").mkdir(parents=True)
    (tree / "a/f").write_text("1")
    (tree / "a/link").symlink_to(outside)
    (tree / "dangling").symlink_to("nowhere")
    os.mkfifo(tree / "a/b/fifo")
    remove(tmp_path, "tree")
    assert (outside / "f").exists()


def test_the_work_directory_of_overlayfs_without_permissions_is_removed(tmp_path: Path) -> None:
    (tmp_path / "tree/work/work/index").mkdir(parents=True)
    (tmp_path / "tree/work/work").chmod(0)
    (tmp_path / "tree/empty").mkdir(mode=0)
    remove(tmp_path, "tree")


def test_what_is_gone_already_is_no_error(tmp_path: Path) -> None:
    remove(tmp_path, "nothing")
