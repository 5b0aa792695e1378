# SPDX-License-Identifier: Apache-2.0
"""Rows of the sandbox once more under other id maps, whose containers are made in another way."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.accept import test_sandbox as sandbox
from tests.accept.conftest import Make, Sentinel
from tests.fixtures.program import Program
from tests.system import test_audit as audit

pytestmark = [pytest.mark.own, pytest.mark.passes("user")]
probe_image = sandbox.probe_image
MODES = ("auto", "nomap", "keep-id")


@pytest.fixture(params=MODES, autouse=True)
def mode(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make this the default of every command."""
    monkeypatch.setenv("PODMAN_USERNS", request.param)
    return str(request.param)


def test_s01_and_s02_capabilities(
    pypod: Program, probe_image: str, test_pass: str, mode: str
) -> None:
    if mode == "keep-id":  # who is not root has none at all
        answer = sandbox.answers(pypod, probe_image)[0]
        assert answer["status"]["CapEff"] == answer["status"]["CapPrm"] == "0" * 16
    else:
        sandbox.test_s01_eleven_capabilities(pypod, probe_image)
    sandbox.test_s02_another_user_has_none(pypod, probe_image, test_pass)


def test_s03_and_s04_system_calls(pypod: Program, probe_image: str) -> None:
    sandbox.test_s03_and_s04_system_calls(pypod, probe_image)


def test_s05_masked_and_read_only(pypod: Program, probe_image: str) -> None:
    sandbox.test_s05_masked_and_read_only(pypod, probe_image)


def test_s06_leaked_descriptors(pypod: Program, probe_image: str, tmp_path: Path) -> None:
    sandbox.test_s06_leaked_descriptors(pypod, probe_image, tmp_path)


def test_s07_working_directory(pypod: Program, image: str) -> None:
    sandbox.test_s07_working_directory_in_proc_self_fd(pypod, image)


def test_s08_and_s09_dev_leads_to_the_host(
    pypod: Program, make_image: Make, sentinel: Sentinel, mode: str
) -> None:
    sandbox.test_s08_dev_is_a_link_to_the_host(pypod, make_image, sentinel, "absolute", ("-t",))
    if mode != "keep-id":  # its user may not write to these devices
        sandbox.test_s09_device_names_are_links(pypod, make_image, sentinel)


@pytest.mark.parametrize("way", ["run -d", "exec"])
def test_s55_the_login_uid_is_the_callers(pypod: Program, image: str, way: str) -> None:
    audit.test_payload_and_monitor_have_the_callers_identity(pypod, image, way)


def test_s22_the_store_is_closed_to_others(pypod: Program, image: str) -> None:
    pypod("create", image, "true")
    graph = Path(json.loads(pypod("info", "--format", "json").out)["store"]["graphRoot"])
    assert graph.stat().st_mode & 0o077 == 0
    for path in (graph / "layers").iterdir():
        assert path.stat().st_uid == os.getuid() and path.stat().st_mode & 0o077 == 0
