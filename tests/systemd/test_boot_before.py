# SPDX-License-Identifier: Apache-2.0
"""What is set up for the next boot: test_boot_after.py looks at it then."""

from __future__ import annotations

from tests.fixtures.program import Program
from tests.systemd.machine import BUSYBOX, DEAF, IMAGE, install, is_active, systemctl


def test_units_are_enabled_for_the_next_boot() -> None:
    pypod = Program()  # not the fixture, which clears away
    for name, flags in (("boot-new", ("--new",)), ("boot-kept", ())):
        pypod("create", "--name", name, *BUSYBOX, IMAGE, *DEAF)
        unit = install(pypod, *flags, "--name", "-t", "2", name)
        systemctl("enable", "--now", unit)
        assert is_active(unit)
