# SPDX-License-Identifier: Apache-2.0
"""The default sandbox, as a program in it sees it, against a golden file not made of our output.

tests/golden/make_probe.py makes the golden file from a transcription of the research notes.
"""

from __future__ import annotations

import json
import subprocess
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures import probe
from tests.fixtures.program import Program
from tests.fixtures.registry import Registry

pytestmark = pytest.mark.own
GOLDEN = probe.GOLDEN
WAYS = ("run", "exec")


@pytest.fixture(scope="module")
def probe_image(
    program: Program, registry: Registry, tmp_path_factory: pytest.TempPathFactory
) -> str:
    return probe.image(program, registry, tmp_path_factory.mktemp("probe"))


@pytest.fixture(scope="module")
def answers(program: Program, probe_image: str) -> dict[str, dict[str, Any]]:
    """Return what the probe says as the payload of run and of exec."""
    ran = program("run", "--rm", probe_image, "/probe", *probe.PATHS).out
    name = program("run", "-d", "--init", probe_image, "sleep", "1000").line
    try:
        executed = program("exec", name, "/probe", *probe.PATHS).out
    finally:
        program("rm", "-f", "-t", "0", name)
    return {"run": probe.answer(ran), "exec": probe.answer(executed)}


@pytest.fixture(params=WAYS)
def answer(request: pytest.FixtureRequest, answers: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return answers[request.param]


def test_every_system_call_has_the_golden_verdict(answer: dict[str, Any]) -> None:
    assert answer["syscalls"] == GOLDEN["syscalls"]


def test_the_calls_that_no_filter_sees_are_named(answer: dict[str, Any]) -> None:
    assert answer["left_out"] == GOLDEN["left_out"]


def test_argument_rules_of_clone_personality_and_socket(answer: dict[str, Any]) -> None:
    assert answer["arguments"] == GOLDEN["arguments"]
    assert answer["families"] == GOLDEN["families"]


def test_capabilities_ids_and_signals(answer: dict[str, Any], test_pass: str) -> None:
    status = {name: answer["status"][name] for name in GOLDEN["status"]}
    assert status == GOLDEN["status"]
    # With one id setgroups is denied, and the caller's own groups show as the overflow id.
    groups = set(answer["status"]["Groups"].split())
    assert groups == set() if test_pass != "single" else groups <= {"0", "65534"}


def test_surroundings(answers: dict[str, dict[str, Any]]) -> None:
    for way, answer in answers.items():
        for key in ("fds", "umask", "cwd", "session_leader", "tiocsti"):
            assert answer[key] == GOLDEN[key], (way, key)
        assert set(GOLDEN["environment"]) < set(answer["environment"]), way
        rest = set(answer["environment"]) - set(GOLDEN["environment"])
        assert all(entry.startswith("HOSTNAME=") for entry in rest), (way, rest)
        assert len(rest) == 1
        assert answer["ping_group_range"] == GOLDEN["ping_group_range"]
        soft, hard = (int(word) for word in answer["rlimits"]["nofile"].split())
        assert soft == hard <= 1048576


def test_masked_paths_show_nothing(answer: dict[str, Any]) -> None:
    shown = {path: answer["readable"][path] for path in GOLDEN["masked"]}
    assert set(shown.values()) <= {"empty", "absent"}, shown
    assert shown["/proc/interrupts"] == shown["/sys/firmware"] == "empty"


def test_read_only_paths_cannot_be_written(answer: dict[str, Any]) -> None:
    for path in GOLDEN["read_only"]:
        # A new file in procfs is ENOENT whoever asks: its files are what counts.
        assert answer["writable"][path] in ("EROFS", "EACCES", "EPERM", "absent"), path
    for path in ("/proc/sys/kernel/core_pattern", "/proc/sys/vm/drop_caches"):
        assert answer["writable"][path] in ("EROFS", "EACCES"), path
    assert set(answer["remount"].values()) == {"EPERM"}


def test_devices(answer: dict[str, Any]) -> None:
    assert answer["devices"] == GOLDEN["devices"]


def test_mounts_have_their_flags(answer: dict[str, Any]) -> None:
    for point, wanted in GOLDEN["mounts"].items():
        kind, *flags = wanted.split()
        found = answer["mounts"][point].replace(",", " ").split()
        assert found[0] == kind, point
        assert set(flags) <= set(found), (point, found)
        assert set(found[1:]) - set(flags) <= {"relatime"}, (point, found)


def test_namespaces_are_not_the_hosts(answer: dict[str, Any]) -> None:
    for kind, inside in answer["namespaces"].items():
        outside = str(Path(f"/proc/self/ns/{kind}").readlink())
        assert (inside == outside) == (kind == "time"), kind


def test_without_a_filter_every_call_is_allowed(program: Program, probe_image: str) -> None:
    out = program(
        "run", "--rm", "--security-opt", "seccomp=unconfined", probe_image, "/probe"
    ).out
    answer = probe.answer(out)
    for key in ("syscalls", "families", "arguments"):
        assert set(answer[key].values()) == {"ALLOW"}, key


def test_another_user_has_no_capabilities(program: Program, probe_image: str) -> None:
    status = probe.answer(program("run", "--rm", "-u", "1000", probe_image, "/probe").out)["status"]
    assert status["CapEff"] == status["CapPrm"] == status["CapAmb"] == "0" * 16
    assert status["CapBnd"] == GOLDEN["status"]["CapBnd"]
    assert status["Uid"].split() == ["1000"] * 4


@pytest.mark.passes("user")
def test_runc_gives_the_same_answer_to_the_same_bundle(
    program: Program, probe_image: str, tmp_path: Path
) -> None:
    name = program("create", probe_image, "/probe", *probe.PATHS).line
    bundle = Path(program("inspect", "-f", "{{.OCIConfigPath}}", name).line).parent
    done = subprocess.run(
        ["runc", "--root", str(tmp_path), "run", "--bundle", str(bundle), "probe"],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    theirs = probe.answer(done.stdout)
    ours = probe.answer(program("start", "-a", name).out)
    differences = {
        f"{key} {inner}": (ours[key].get(inner), theirs[key].get(inner))
        for key in ours
        if isinstance(ours[key], dict)
        for inner in {*ours[key], *theirs[key]}
        if key != "namespaces" and ours[key].get(inner) != theirs[key].get(inner)
    }
    unexplained = {
        key: pair
        for key, pair in differences.items()
        if not any(fnmatchcase(key, name) and pair[1] in theirs for name, theirs, _ in DIFFERENCES)
    }
    assert unexplained == {}, json.dumps(unexplained, indent=1)
    program("rm", name)


_TMPFS, _DEVICE = ("tmpfs ro,relatime",), ("devtmpfs rw,relatime",)
DIFFERENCES = (
    ("status Groups", ("0",), "runc keeps the gid as a supplementary group; we have none"),
    ("syscalls 45[789]", ("ENOSYS",), "libseccomp 2.5.4 does not know it, runc leaves it out"),
    ("syscalls 46[0-6]", ("ENOSYS",), "as above"),
    ("arguments personality *", ("ENOSYS",), "OCI has no `else` for argument rules; ours is EPERM"),
    ("mounts /dev/*", _DEVICE, "runc binds devices without nosuid and noexec"),
    ("mounts /proc/*", (*_DEVICE, *_TMPFS), "runc masks with a writable null and a plain tmpfs"),
    ("mounts /sys/firmware", _TMPFS, "as above"),
)
"""(what differs, what runc may answer, why); anything else fails the test."""
