# SPDX-License-Identifier: Apache-2.0
"""--sdnotify and --cgroups, the label of a unit."""

from __future__ import annotations

from typing import Any

import pytest

from pypod.errors import UsageError
from pypod.spec import service
from pypod.spec.options import CreateOptions

CONFIG: dict[str, Any] = {"process": {"env": ["A=1", "NOTIFY_SOCKET=x"]}, "mounts": [{"a": 1}]}


def made(mode: str) -> dict[str, Any]:
    """Return a create record."""
    return {"options": {"sdnotify": mode}}


def test_unknown_modes_are_refused_with_the_known_ones() -> None:
    for mode in service.SDNOTIFY:
        service.check(CreateOptions(sdnotify=mode))
    for mode in service.CGROUPS:
        service.check(CreateOptions(cgroups=mode))
    with pytest.raises(UsageError, match="--sdnotify"):
        service.check(CreateOptions(sdnotify="healthy"))
    with pytest.raises(UsageError, match="--cgroups"):
        service.check(CreateOptions(cgroups="some"))


def test_the_message_is_of_the_mode() -> None:
    assert service.message(made("conmon"), 7) == "MAINPID=7\nREADY=1\n"
    assert service.message(made("container"), 7) == "MAINPID=7\n"
    assert service.message({}, 7) == "MAINPID=7\n"  # a record of before
    assert service.message(made("ignore"), 7) == ""


def test_the_socket_is_bound_last_and_named_once() -> None:
    changed = service.with_socket(CONFIG, "/run/user/1/systemd/notify")
    assert changed["process"]["env"] == ["A=1", "NOTIFY_SOCKET=/run/notify/notify.sock"]
    assert [mount.get("source") for mount in changed["mounts"]] == [
        None,
        "/run/user/1/systemd/notify",
    ]
    assert len(CONFIG["mounts"]) == 1


def test_an_abstract_socket_is_only_named() -> None:
    changed = service.with_socket(CONFIG, "@x")
    assert changed["process"]["env"][-1] == "NOTIFY_SOCKET=@x"
    assert changed["mounts"] == CONFIG["mounts"]


def test_the_unit_is_a_label() -> None:
    assert service.labels({"PODMAN_SYSTEMD_UNIT": "a.service"}) == {
        "PODMAN_SYSTEMD_UNIT": "a.service"
    }
    assert service.labels({}) == {}
