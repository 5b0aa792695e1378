# SPDX-License-Identifier: Apache-2.0
"""pypod-init: from a plan to a program, and the ways in which that may fail."""

from __future__ import annotations

import errno
import os
import signal
import time
from pathlib import Path

import pytest
from contained import Box, Started
from monitored import within

from pypod.constants import STAGE_EXEC, STAGE_IDMAP, STAGE_PLAN, STAGE_SETUP, STAGE_USER
from pypod.errors import CommandNotFound, CommandNotInvocable, PypodError
from pypod.plan.compile import compile_tool
from pypod.plan.ops import op
from pypod.runtime.init import run_tool


def gone(pid: int) -> bool:
    """Whether a process has ended, also if nobody has waited for it yet."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return text.rpartition(")")[2].split()[0] in "ZX"


def test_a_program_runs_and_its_status_is_its_own(box: Box) -> None:
    ended = box.sh("echo out; echo err >&2; exit 7")
    assert (ended.code, ended.out, ended.err) == (7, "out\n", "err\n")


def test_a_program_that_is_killed_is_seen_to_be_killed(box: Box) -> None:
    started = box.start(box.config("sleep", "100"))
    os.kill(started.pid, signal.SIGKILL)
    assert started.wait().code == -signal.SIGKILL


def test_the_program_does_not_begin_before_it_is_let_go(mapped: Box) -> None:
    started = mapped.start(mapped.config("sh", "-c", "echo ran > /ran"), release=False)
    time.sleep(0.1)
    assert not (mapped.directory / "upper" / "ran").exists()
    started.release()
    assert started.wait().code == 0
    assert (mapped.directory / "upper" / "ran").exists()


def test_the_program_never_begins_if_nobody_is_left_to_let_it_go(mapped: Box) -> None:
    started = mapped.start(mapped.config("sh", "-c", "echo ran > /ran"), release=False)
    started.status.close()
    assert os.waitpid(started.pid, 0)[1] != 0
    assert not (mapped.directory / "upper" / "ran").exists()


def test_a_container_ends_with_its_parent(box: Box) -> None:
    read, write = os.pipe()
    parent = os.fork()
    if parent == 0:
        started = box.start(box.config("sleep", "100"))
        os.write(write, str(started.pid).encode())
        os._exit(0)
    os.close(write)
    pid = int(os.read(read, 20))
    os.close(read)
    os.waitpid(parent, 0)
    assert within(5, lambda: gone(pid))


@pytest.mark.parametrize(
    ("word", "kind", "code", "text"),
    [
        ("nope", CommandNotFound, 127, '"nope": executable file not found in $PATH'),
        ("/nope", CommandNotFound, 127, '"/nope": executable file not found: No such file'),
        ("/bin/sh/x", CommandNotFound, 127, "Not a directory"),
        ("/etc", CommandNotInvocable, 126, '"/etc": Permission denied'),
        ("/noexec", CommandNotInvocable, 126, '"/noexec": Permission denied'),
        ("noexec", CommandNotInvocable, 126, '"noexec": Permission denied'),
        ("/garbage", CommandNotInvocable, 126, "exec format error"),
        ("", CommandNotFound, 127, "not found"),
    ],
)
def test_a_program_that_cannot_run(
    mapped: Box, word: str, kind: type[PypodError], code: int, text: str
) -> None:
    (mapped.layer / "noexec").write_text("#!/bin/sh\n")
    (mapped.layer / "bin" / "noexec").write_text("#!/bin/sh\n")
    (mapped.layer / "garbage").write_text("garbage")
    (mapped.layer / "garbage").chmod(0o755)
    ended = mapped.run(mapped.config(word))
    assert ended.stage == STAGE_EXEC
    assert type(ended.error) is kind
    assert ended.code == code
    assert text in str(ended.error)


def test_the_path_is_searched_as_execvp_does(mapped: Box) -> None:
    (mapped.layer / "first").mkdir()
    (mapped.layer / "first" / "tool").mkdir()
    (mapped.layer / "second").mkdir()
    tool = mapped.layer / "second" / "tool"
    tool.write_text("#!/bin/sh\necho second\n")
    tool.chmod(0o755)
    config = mapped.config("tool", env=["PATH=/nowhere:/bin/sh:/first:/second"])
    assert mapped.run(config).out == "second\n"


def test_a_missing_bind_source_is_named_with_where_it_should_go(mapped: Box) -> None:
    config = mapped.config("true")
    config["mounts"].append(
        {"destination": "/srv", "type": "bind", "source": "/nope", "options": ["ro"]}
    )
    ended = mapped.run(config)
    assert (ended.stage, ended.errno, ended.code) == (STAGE_SETUP, errno.ENOENT, 125)
    assert str(ended.error) == "bind /nope -> /srv (ro): No such file or directory"


def test_a_user_outside_the_map_is_an_error_and_not_somebody_else(box: Box) -> None:
    ended = box.run(box.config("id", user={"uid": 4000000, "gid": 0}))
    assert (ended.stage, ended.code) == (STAGE_USER, 125)
    assert "not mapped" in str(ended.error)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (op("frobnicate"), "unknown verb"),
        (op("pivot", "now"), "wrong number of words"),
        (op("user", "-1", "0"), "-1"),
        (op("user", "+1", "0"), "+1"),
        (op("user", "4294967295", "0"), "4294967295"),
        (op("user", "0x10", "0"), "0x10"),
        (op("map", "uid", "direct"), "unknown verb"),
        (op("rlimit", "NOSUCH", "1", "1", "exact"), "nosuch"),
        (op("umask", "9"), "9"),
    ],
)
def test_a_wrong_operation_is_refused(mapped: Box, wrong: object, text: str) -> None:
    ended = mapped.run(mapped.config("true"), change=lambda plan: [*plan[:-1], wrong, plan[-1]])
    assert ended.failed
    assert ended.code == 125
    assert ended.op == len(ended.plan) - 2
    assert text in str(ended.error)


def test_a_plan_without_a_program_is_refused(mapped: Box) -> None:
    ended = mapped.run(mapped.config("true"), change=lambda plan: plan[:-1])
    assert (ended.stage, ended.op) == (STAGE_PLAN, -1)


def test_a_map_that_the_tools_refuse_is_told_in_their_words(mapped: Box) -> None:
    config = mapped.config("true")
    config["linux"]["uidMappings"][-1]["hostID"] += 1
    ended = mapped.run(config)
    assert ended.code == 125
    assert str(ended.error).startswith("uid map (newuidmap: ")
    assert "/etc/subuid" in (ended.error.hint or "")


def test_a_map_that_the_kernel_refuses_is_named(tmp_path: Path) -> None:
    box = Box(tmp_path, single=True)
    config = box.config("true")
    config["linux"]["uidMappings"][0]["hostID"] += 1
    ended = box.run(config)
    assert ended.stage == STAGE_IDMAP
    assert str(ended.error).startswith("uid map (uid_map): ")


def test_a_parent_that_ignores_its_children_can_still_have_maps(mapped: Box) -> None:
    old = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        pid = os.fork()
        if pid == 0:
            try:
                Started(mapped.start(mapped.config("true")).plan, {}, tty=False, release=True)
            except ChildProcessError:
                os._exit(0)  # waitpid says so when the outer half has ended well
            os._exit(1)
    finally:
        signal.signal(signal.SIGCHLD, old)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_fifty_containers_start_one_after_another(mapped: Box) -> None:
    config = mapped.config("true")
    assert [mapped.run(config).code for _ in range(50)] == [0] * 50


def test_many_containers_run_at_once(mapped: Box, tmp_path: Path) -> None:
    # More than the 200 session keyrings that a user may have by default.
    config = mapped.config("sleep", "100")
    running = []
    for number in range(250):
        for name in ("upper", "work"):
            (tmp_path / f"{name}{number}").mkdir()
        config["mounts"][0]["options"][2:] = [
            f"upperdir={tmp_path}/upper{number}",
            f"workdir={tmp_path}/work{number}",
        ]
        running.append(mapped.start(config))
        assert not running[-1].record
    for started in running:
        os.kill(started.pid, signal.SIGKILL)
    assert {started.wait().code for started in running} == {-signal.SIGKILL}


def test_a_tool_runs_as_root_of_the_default_map(mapped: Box) -> None:
    out = os.memfd_create("out")
    plan = compile_tool(mapped.facts, ["/bin/sh", "-c", "id -u; cat /proc/self/uid_map; exit 3"])
    assert run_tool(plan, stdout=out).wait() == 3
    lines = os.pread(out, 4096, 0).decode().splitlines()
    assert lines[0] == "0"
    assert len(lines) == 1 + len(mapped.facts.uid_map)
    os.close(out)


def test_a_tool_that_is_not_there_is_an_error_of_its_name(mapped: Box) -> None:
    with pytest.raises(CommandNotFound, match="/no/such/tool"):
        run_tool(compile_tool(mapped.facts, ["/no/such/tool"])).wait()
