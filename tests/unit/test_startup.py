# SPDX-License-Identifier: Apache-2.0
"""The start-up law: these commands load a dozen C modules of Python and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.fixtures.startup import modules_of

CHECKOUT = Path(__file__).resolve().parents[2]
LIBRARIES = Path(pytest.__file__).parents[1]
STORY = (
    (0, "images"),
    (0, "ps", "-a"),
    (0, "create", "--name", "one", "--network", "none", "pypod/hello"),
    (0, "start", "one"),
    (0, "wait", "one"),
    (0, "ps", "-a", "--format", "{{.Names}}"),
    (0, "logs", "one"),
    (0, "inspect", "one"),
    (0, "stop", "-t", "1", "one"),
    (0, "rm", "one"),
    (0, "run", "--rm", "--network", "none", "pypod/hello"),
    (0, "images", "-q"),
    (0, "internal", "complete", "container"),
    (0, "internal", "complete", "object", "x"),
    (0, "run", "--rm", "--network", "none", "-v", "data:/data", "-v", "/x", "pypod/hello"),
    (0, "run", "--rm", "--network", "none", "-v", "data:/data", "pypod/hello"),
    (0, "volume", "ls"),
    (0, "volume", "rm", "data"),
)


def test_common_commands_load_nothing_that_costs_time(tmp_path: Path) -> None:
    env = {"PYPOD_ROOT": str(tmp_path / "store"), "PYPOD_RUNROOT": str(tmp_path / "run")}
    report = tmp_path / "report"
    if os.getuid() == 0:
        tmp_path.chmod(0o755)
    # The first run unpacks the embedded image, which is allowed to cost.
    assert modules_of(CHECKOUT, report, ("run", "--rm", "pypod/hello"), env)[0] == 0
    found = {}
    for expected, *words in STORY:
        code, foreign = modules_of(CHECKOUT, report, tuple(words), env)
        if foreign or code != expected:
            found[" ".join(words)] = (code, sorted(foreign))
    assert not found


def test_a_configuration_costs_its_parser_once(tmp_path: Path) -> None:
    if os.getuid() == 0:
        tmp_path.chmod(0o755)
    settings = tmp_path / "containers" / "registries.conf"
    settings.parent.mkdir()
    env = {
        "PYPOD_ROOT": str(tmp_path / "store"),
        "PYPOD_RUNROOT": str(tmp_path / "run"),
        "XDG_CONFIG_HOME": str(tmp_path),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    report = tmp_path / "report"
    assert modules_of(CHECKOUT, report, ("run", "--rm", "pypod/hello"), env)[0] == 0
    assert modules_of(CHECKOUT, report, ("tag", "pypod/hello", "quay.io/a/mine"), env)[0] == 0
    settings.write_text('[aliases]\n"mine" = "quay.io/a/mine"\n')
    create = ("create", "--network", "none", "mine")
    code, foreign = modules_of(CHECKOUT, report, create, env)
    assert (code, "tomllib" in {name.split(".")[0] for name in foreign}) == (0, True)
    assert modules_of(CHECKOUT, report, create, env) == (0, set())


@pytest.mark.parametrize(
    "words",
    [("ps", "--no-such-option"), ("nonsense",), ("exec", "nobody", "ls"), ("run", "--help")],
)
def test_help_may_load_typer_and_rich_but_a_wrong_line_does_not(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    env = {"PYPOD_ROOT": str(tmp_path / "store"), "PYPOD_RUNROOT": str(tmp_path / "run")}
    _, foreign = modules_of(f"{CHECKOUT}:{LIBRARIES}", tmp_path / "report", words, env)
    loaded = {name.split(".")[0] for name in foreign}
    assert not loaded & {"requests", "pyroute2", "ssl"}
    assert "--help" in words or not loaded & {"typer", "rich"}
