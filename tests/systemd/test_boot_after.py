# SPDX-License-Identifier: Apache-2.0
"""After a reboot: linger started the user's manager, and that the units."""

from __future__ import annotations

from tests.fixtures import images
from tests.fixtures.fault_registry import FaultRegistry
from tests.fixtures.program import Program, within
from tests.systemd.machine import (
    PATIENCE,
    UNITS,
    half_store,
    is_active,
    nothing_is_left,
    parent,
    pid,
    processes,
    shown,
    systemctl,
)


def test_units_came_back_and_are_gone_when_disabled(pypod: Program) -> None:
    for name in ("boot-new", "boot-kept"):
        unit = f"container-{name}.service"
        assert within(PATIENCE, lambda unit=unit: is_active(unit)), unit  # type: ignore[misc]
        assert shown(unit, "MainPID") == str(parent(pid(pypod, name)))
        assert shown(unit, "NRestarts") == "0"
        systemctl("disable", "--now", unit)
        (UNITS / unit).unlink()
    assert pypod("ps", "-a", "--format", "{{.Names}}").out.split() == ["boot-kept"]
    pypod("rm", "boot-kept")
    assert nothing_is_left(pypod), processes()
    systemctl("daemon-reload")
    assert systemctl("list-units", "--all", "--no-legend", "container-*") == ""


def test_the_pull_goes_on_where_it_was() -> None:
    image, store = images.noise(), half_store()
    sizes = {layer: len(image.blobs[layer]) for layer in image.layers}
    kept = store.held(image.layers)
    assert 0 < sum(kept.values()) < sum(sizes.values())
    with FaultRegistry() as registry:
        name = registry.serve("half", "1", image)
        store("pull", name)
        sent = {layer: registry.sent.get(layer, 0) for layer in image.layers}
    assert sent == {layer: sizes[layer] - kept[layer] for layer in image.layers}
    assert store("system", "check").out == ""
    store.remove()
