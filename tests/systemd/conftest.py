# SPDX-License-Identifier: Apache-2.0
"""What the tests in the guest ask for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fixtures.program import Program
from tests.systemd import machine


@pytest.fixture
def pypod() -> Iterator[Program]:
    """Return the installed program; units and containers of a test are gone after it."""
    program = Program()
    yield program
    for unit in machine.UNITS.glob("*.service"):
        if "@" not in unit.name:
            machine.systemctl("disable", "--now", unit.name, check=False)
        unit.unlink()
    machine.systemctl("reset-failed", check=False)
    program.remove_all()
