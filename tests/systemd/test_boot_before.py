# SPDX-License-Identifier: Apache-2.0
"""What is set up for the next boot: test_boot_after.py looks at it then."""

from __future__ import annotations

from tests.fixtures import fault_registry, images
from tests.fixtures.fault_registry import FaultRegistry
from tests.fixtures.program import Program, within
from tests.systemd.machine import BUSYBOX, DEAF, IMAGE, half_store, install, is_active, systemctl


def test_units_are_enabled_for_the_next_boot() -> None:
    pypod = Program()  # not the fixture, which clears away
    for name, flags in (("boot-new", ("--new",)), ("boot-kept", ())):
        pypod("create", "--name", name, *BUSYBOX, IMAGE, *DEAF)
        unit = install(pypod, *flags, "--name", "-t", "2", name)
        systemctl("enable", "--now", unit)
        assert is_active(unit)


def test_a_pull_is_half_done() -> None:
    image, store = images.noise(), half_store()
    total = sum(len(image.blobs[layer]) for layer in image.layers)
    with FaultRegistry() as registry:
        name = registry.serve("half", "1", image)
        registry.fault("/blobs/", fault_registry.slow(16_384, 0.01))
        pull = store.start("pull", name)
        assert within(60, lambda: sum(store.held(image.layers).values()) > total // 2)
        pull.kill()
        pull.communicate()
    assert sum(store.held(image.layers).values()) < total
