# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests of the C helpers."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # importlib mode does not

from contained import Box
from monitored import Session


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
