# SPDX-License-Identifier: Apache-2.0
"""make install after one that was interrupted: nothing stays half old and half new."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "libexec" / "setup"))
import install


def test_a_source_is_replaced_after_it_was_compiled(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    (source / "a.py").write_text("A = 1\n")
    assert install.copy_tree(source, target) == 1
    (source / "a.py").write_text("A = = 2\n")
    with pytest.raises(SystemExit):
        install.copy_tree(source, target)
    # Else the next installation would find no difference, and Python the old .pyc.
    assert (target / "a.py").read_text() == "A = 1\n"
    (source / "a.py").write_text("A = 2\n")
    assert install.copy_tree(source, target) == 2  # it, and what was left beside it
    spec = importlib.util.spec_from_file_location("a", target / "a.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.A == 2
    assert sorted(one.name for one in target.iterdir()) == ["__pycache__", "a.py"]


def test_a_compiled_module_that_is_lost_is_made_again(tmp_path: Path) -> None:
    site = tmp_path / "site"
    (site / "pypod").mkdir(parents=True)
    (site / "pypod" / "__init__.py").write_text("A = 1\n")
    install.write_modules(site, tmp_path / "modules")
    assert (tmp_path / "modules").stat().st_size > 0
