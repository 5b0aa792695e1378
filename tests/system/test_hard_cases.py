# SPDX-License-Identifier: Apache-2.0
"""What a review of the whole found: each test failed before its cure."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.fixtures import images, probe
from tests.fixtures.program import Program, environment, within
from tests.fixtures.registry import Registry

pytestmark = pytest.mark.own


def through_a_shell(script: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a bash script with the words as its arguments."""
    return subprocess.run(
        ["bash", "-c", script, "bash", *words],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env=environment(None),
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("capability", ["SYS_ADMIN", "ALL"])
def test_a_container_with_sys_admin_can_fork(pypod: Program, image: str, capability: str) -> None:
    out = pypod(
        "run", "--rm", "--cap-add", capability, image, "sh", "-c", "ls / >/dev/null; echo $?"
    )
    assert out.line == "0"


def test_a_first_thread_that_ends_alone_is_not_death(
    pypod: Program, registry: Registry, tmp_path: Path
) -> None:
    lead = probe.build(tmp_path, "lead").read_bytes()
    name = registry.push(images.make([images.busybox_files(lead=(lead, 0o755))]), "hard/lead")
    pypod.pull(name)
    pypod("run", "-d", "--name", "lead", name, "/lead")
    assert pypod("ps", "--format", "{{.State}}").line == "running"
    # setns(2) refuses the pidfd of such a process: one line, and nothing worse.
    assert pypod("exec", "lead", "true", check=125).err.count("Error: ") == 1
    pypod("stop", "-t", "0", "lead")
    assert pypod("wait", "lead").line == "137"
    pypod("rm", "lead")


@pytest.mark.parametrize("options", [(), ("-e", "X=\udcff"), ("--label", "a=\udcff")])
def test_bytes_that_are_no_utf8_are_kept(
    pypod: Program, image: str, options: tuple[str, ...]
) -> None:
    pypod("run", "-d", "--name", "bytes", *options, image, "sh", "-c", "sleep 1000", "\udcff")
    assert pypod("ps", "--format", "{{.Names}} {{.State}} {{.Labels}}").out.startswith(
        "bytes running"
    )
    pypod("exec", "bytes", "true")
    assert "in use" in pypod("rmi", image, check=2).err
    pypod("stop", "-t", "0", "bytes")
    pypod("rm", "bytes")


def test_an_image_is_kept_while_a_record_cannot_be_read(pypod: Program, image: str) -> None:
    pypod("create", "--name", "torn", image, "true")
    directory = Path(pypod("inspect", "-f", "{{.StaticDir}}", "torn").line)
    (directory / "state.json").write_text("{")
    assert "cannot be read" in pypod("rmi", image, check=2).err
    identity = directory.name
    assert identity[:12] in pypod("ps", "-a").out
    pypod("rm", "-f", identity)
    assert pypod("image", "exists", image).rc == 0


def test_a_damaged_pids_file_is_one_containers_matter(pypod: Program, image: str) -> None:
    pypod("create", "--name", "bad", image, "true")
    pypod("run", "-d", "--name", "good", image, "sleep", "1000")
    directory = Path(pypod("inspect", "-f", "{{.StaticDir}}", "bad").line)
    (directory / "pids").write_text("garbage\n")
    rows = pypod("ps", "-a", "--format", "{{.Names}} {{.State}}").out.splitlines()
    assert sorted(rows) == ["bad unknown", "good running"]
    pypod("rm", "-f", "bad")


def test_a_reader_that_goes_ends_a_throw_away_container(pypod: Program, image: str) -> None:
    done = through_a_shell(
        '"$@" | head -1; echo ${PIPESTATUS[0]}', *pypod.argv("run", "--rm", image, "yes")
    )
    assert done.stdout == "y\n141\n"
    assert pypod("ps", "-aq").out == ""


def test_a_reader_that_goes_leaves_a_kept_container(pypod: Program, image: str) -> None:
    command = "while :; do echo y; sleep 0.1; done"
    words = pypod.argv("run", "--name", "kept", image, "sh", "-c", command)
    done = through_a_shell('"$@" | head -1; echo ${PIPESTATUS[0]}', *words)
    assert done.stdout == "y\n141\n"
    assert "goes on" in done.stderr
    assert pypod("ps", "--format", "{{.Names}}").line == "kept"
    ended = through_a_shell(
        '"$@" | head -1; echo ${PIPESTATUS[0]}', *pypod.argv("exec", "kept", "yes")
    )
    assert ended.stdout == "y\n141\n"
    assert within(5, lambda: "yes" not in pypod("exec", "kept", "ps").out)


def test_an_output_that_cannot_be_written(pypod: Program, image: str) -> None:
    words = pypod.argv("run", "--rm", image, "echo", "hi")
    done = through_a_shell('"$@" > /dev/full', *words)
    assert done.returncode == 125
    assert done.stderr.splitlines()[-1] == "Error: writing the output: No space left on device"
    assert pypod("ps", "-aq").out == ""


def test_making_many_at_once(pypod: Program, image: str) -> None:
    children = [
        subprocess.Popen(
            pypod.argv("create", image, "true"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment(None),
        )
        for _ in range(40)
    ]
    errors = [child.communicate()[1].decode() for child in children]
    assert [child.returncode for child in children] == [0] * 40, errors


def test_somebody_else_removes_a_throw_away_container(pypod: Program, image: str) -> None:
    for number in range(5):
        name = f"race{number}"
        child = pypod.start("run", "--rm", "--name", name, image, "sleep", "1000")
        assert within(20, lambda name=name: name in pypod("ps", "--format", "{{.Names}}").out)
        pypod("rm", "-f", "-t", "0", name)
        _, err = child.communicate(timeout=20)
        assert child.returncode == 137, err


@pytest.mark.passes("user")
def test_exec_takes_the_containers_map_and_no_group_of_the_caller(
    pypod: Program, image: str
) -> None:
    pypod("run", "-d", "--name", "mapped", image, "sleep", "1000")
    done = subprocess.run(
        ["setpriv", "--no-new-privs", *pypod.argv("exec", "-u", "user", "mapped", "id", "-G")],
        env=environment(None),
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) == {"1000", "2000"}


def test_an_images_link_to_dev_brings_nothing_to_the_host(
    pypod: Program, registry: Registry, tmp_path: Path
) -> None:
    files = images.busybox_files(foo=images.link("/dev"))
    name = registry.push(images.make([files]), "hard/dev")
    pypod.pull(name)
    host = tmp_path / "host"
    host.mkdir()
    pypod("run", "--rm", "-v", f"{host}:/foo", name, "true", check=None)
    assert os.listdir(host) == []


def test_control_characters_of_an_image_do_not_reach_the_terminal(
    pypod: Program, registry: Registry
) -> None:
    config = {"Cmd": ["/no\x1b[31m\nsuch"]}
    name = registry.push(images.make([images.busybox_files()], config), "hard/escape")
    pypod.pull(name)
    err = pypod("run", "--rm", name, check=127).err
    assert "\x1b" not in err
    assert len(err.splitlines()) == 1


def test_odd_values_of_an_image_do_not_keep_it_from_running(
    pypod: Program, registry: Registry
) -> None:
    config = {"WorkingDir": "rel/dir", "StopSignal": "SIGNONSENSE"}
    name = registry.push(images.make([images.busybox_files()], config), "hard/odd")
    pypod.pull(name)
    assert pypod("run", "--rm", name, "pwd").line == "/rel/dir"


def test_a_working_directory_that_was_removed(pypod: Program, image: str) -> None:
    script = 'mkdir "$PWD/gone.$$"; cd "$PWD/gone.$$"; rmdir "$PWD"; "$@"'
    assert through_a_shell(script, *pypod.argv("run", "--rm", image, "true")).returncode == 0


def test_a_patience_without_end(pypod: Program, image: str) -> None:
    script = "trap 'exit 3' TERM; while :; do sleep 0.1; done"
    pypod("run", "-d", "--name", "long", "--stop-timeout", "9999999999", image, "sh", "-c", script)
    pypod("exec", "long", "true")
    pypod("stop", "long")
    assert pypod("wait", "long").line == "3"
