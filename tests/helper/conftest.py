# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests of the C helpers."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # importlib mode does not

from contained import Box
from monitored import Session
from unpacked import Store

from pypod.kernel.facts import facts as host_facts


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """Directories for one monitor; what is left at the end is killed."""
    opened = Session(tmp_path)
    yield opened
    opened.close()


@pytest.fixture(params=["mapped", "single"])
def box(request: pytest.FixtureRequest, tmp_path: Path) -> Box:
    """A container to be, in the caller's default id map and with a single id."""
    return Box(tmp_path, single=request.param == "single")


@pytest.fixture
def mapped(tmp_path: Path) -> Box:
    """A container to be, in the caller's default id map."""
    return Box(tmp_path)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Return an empty store in the user's full map."""
    made = Store(tmp_path)
    yield made
    made.remove()


@pytest.fixture
def single(tmp_path: Path) -> Iterator[Store]:
    """Return an empty store of the caller's id alone."""
    full = host_facts()
    one = full.replace(
        map="single",
        uid_map=((0, os.getuid(), 1),),
        gid_map=((0, os.getgid(), 1),),
        newuidmap="",
        newgidmap="",
    )
    made = Store(tmp_path, one)
    yield made
    made.remove()


@pytest.fixture
def sentinel(tmp_path: Path) -> Iterator[Path]:
    """Return a directory outside of the store that must stay as it is."""
    outside = tmp_path / "sentinel"
    outside.mkdir()
    (outside / "f").write_text("untouched")
    yield outside
    assert os.listdir(outside) == ["f"]
    assert (outside / "f").read_text() == "untouched"
    assert (outside / "f").stat().st_nlink == 1
