# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests of the C helpers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from monitored import Session


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """Directories for one monitor; what is left at the end is killed."""
    opened = Session(tmp_path)
    yield opened
    opened.close()
