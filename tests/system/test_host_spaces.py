# SPDX-License-Identifier: Apache-2.0
"""Namespaces that stay the host's, and what the kernel shows a container of the machine."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.fixtures import probe
from tests.fixtures.program import Program
from tests.fixtures.registry import Registry

pytestmark = pytest.mark.own
NONE = ("--network", "none")


@pytest.fixture(scope="module")
def probe_image(
    program: Program, registry: Registry, tmp_path_factory: pytest.TempPathFactory
) -> str:
    return probe.image(program, registry, tmp_path_factory.mktemp("probe"))


def inside(pypod: Program, image: str, *options: str, script: str) -> list[str]:
    """Return the lines that a shell prints in a container with these options."""
    return pypod("run", "--rm", *NONE, *options, image, "sh", "-c", script).out.splitlines()


def refused(pypod: Program, image: str, *options: str) -> str:
    """Return the one line of an error."""
    done = pypod("create", *NONE, *options, image, "true", check=125)
    lines = [line for line in done.err.splitlines() if not line.startswith("Hint: ")]
    assert len(lines) == 1 and lines[0].startswith("Error: "), done.err
    return lines[0]


@pytest.mark.parametrize(
    ("option", "kind"),
    [("--pid", "pid"), ("--ipc", "ipc"), ("--uts", "uts"), ("--cgroupns", "cgroup")],
)
def test_a_namespace_is_the_hosts_or_the_containers(
    pypod: Program, image: str, option: str, kind: str
) -> None:
    script = f"readlink /proc/self/ns/{kind}"
    host = os.readlink(f"/proc/self/ns/{kind}")
    assert inside(pypod, image, option, "host", script=script) == [host]
    assert inside(pypod, image, option, "private", script=script) != [host]
    name = pypod("run", "-d", *NONE, option, "host", image, "sleep", "1000").line
    assert pypod("exec", name, "readlink", f"/proc/self/ns/{kind}").line == host


@pytest.mark.parametrize("option", ["--pid", "--ipc", "--uts", "--cgroupns"])
def test_bad_input_to_namespaces(pypod: Program, image: str, option: str) -> None:
    assert "unrecognized namespace mode" in refused(pypod, image, option, "sometimes")
    assert "not there yet" in refused(pypod, image, option, "container:x")


def test_the_hosts_processes_are_seen_and_not_touched(pypod: Program, image: str) -> None:
    script = f"cat /proc/{os.getpid()}/comm; kill -0 1 2>/dev/null && echo mine; echo $$"
    comm = Path("/proc/self/comm").read_text().strip()
    found = inside(pypod, image, "--pid", "host", script=script)
    assert found[0] == comm
    assert int(found[-1]) > 1
    script = f"cat /proc/{os.getpid()}/environ /proc/{os.getpid()}/root/etc/hostname"
    done = pypod("run", "--rm", *NONE, "--pid=host", image, "sh", "-c", script, check=1)
    assert done.out == "" and done.err.count("denied") == 2


def test_the_hosts_proc_is_masked_as_ones_own(pypod: Program, probe_image: str) -> None:
    words = ("run", "--rm", *NONE, "--pid", "host", probe_image, "/probe", *probe.PATHS)
    answer = probe.answer(pypod(*words).out)
    for path in probe.GOLDEN["masked"]:
        assert answer["readable"][path] in ("empty", "absent"), path
    for path in ("/proc/sys/kernel/core_pattern", "/proc/sys/vm/drop_caches"):
        assert answer["writable"][path] in ("EROFS", "EACCES"), path
    assert set(answer["remount"].values()) == {"EPERM"}


def test_shared_memory_of_the_host_or_none(pypod: Program, image: str) -> None:
    path = Path(f"/dev/shm/pypod-test-{os.getpid()}")
    path.write_text("shared\n")
    try:
        assert inside(pypod, image, "--ipc", "host", script=f"cat {path}") == ["shared"]
        script = f"ls {path} 2>/dev/null || echo gone; grep -c ' /dev/shm ' /proc/mounts"
        assert inside(pypod, image, "--ipc=shareable", script=script) == ["gone", "1"]
        done = pypod("run", "--rm", *NONE, "--ipc=none", image, "sh", "-c", script, check=1)
        assert done.out.split() == ["gone", "0"]
    finally:
        path.unlink()
    assert "no /dev/shm" in refused(pypod, image, "--ipc", "host", "--shm-size", "1m")
    option = ("--ipc", "host", "--sysctl", "kernel.shmmax=1")
    assert "the host's" in refused(pypod, image, *option)


def test_the_hosts_name(pypod: Program, image: str) -> None:
    found = inside(pypod, image, "--uts", "host", script="hostname; cat /etc/hostname")
    assert found == [os.uname().nodename] * 2
    assert "cannot set hostname" in refused(pypod, image, "--uts", "host", "-h", "other")


def test_the_hosts_cgroups_cannot_be_written(pypod: Program, image: str) -> None:
    script = "find /sys/fs/cgroup -type f -exec sh -c 'echo >> $0 && echo $0' {} ';'"
    assert inside(pypod, image, "--cgroupns", "host", script=script + " 2>/dev/null; :") == []


def test_inspect_shows_the_modes(pypod: Program, image: str) -> None:
    words = ("--pid", "host", "--ipc", "none", "--uts", "host", "--oom-score-adj", "5", image)
    made = pypod("create", *NONE, *words).line
    shown = json.loads(pypod("inspect", made).out)[0]["HostConfig"]
    keys = ("PidMode", "IpcMode", "UTSMode", "OomScoreAdj")
    assert [shown[key] for key in keys] == ["host", "none", "host", 5]


def test_the_score_for_the_oom_killer_is_only_raised(pypod: Program, image: str) -> None:
    own = int(Path("/proc/self/oom_score_adj").read_text())
    words = (image, "cat", "/proc/self/oom_score_adj")
    raised = pypod("run", "--rm", *NONE, "--oom-score-adj", f"{own + 7}", *words)
    assert (raised.line, raised.err) == (str(own + 7), "")
    words_of_exec = ("cat", "/proc/self/oom_score_adj")
    name = pypod("run", "-d", *NONE, f"--oom-score-adj={own + 7}", image, "sleep", "1000").line
    assert pypod("exec", name, *words_of_exec).line == str(own + 7)
    lowered = pypod("run", "--rm", *NONE, f"--oom-score-adj={own - 7}", *words)
    assert lowered.line == str(own)
    assert f"it stays {own}" in lowered.err
    assert "-1000 to 1000" in refused(pypod, image, "--oom-score-adj", "1001")


def test_a_machine_of_32_bits(pypod: Program, image: str) -> None:
    name = pypod("run", "-d", *NONE, "--personality", "LINUX32", image, "sleep", "1000").line
    assert pypod("exec", name, "sh", "-c", "uname -m").line == "i686"
    assert inside(pypod, image, "--personality=linux32", script="uname -m") == ["i686"]
    assert inside(pypod, image, "--personality", "LINUX", script="uname -m") == [os.uname().machine]
    assert "LINUX32" in refused(pypod, image, "--personality", "BSD")


def test_nothing_can_be_written_without_the_tmpfs(pypod: Program, image: str) -> None:
    script = "for d in / /dev /dev/shm /run /tmp /var/tmp; do touch $d/x && echo $d; done"
    script += " 2>/dev/null; echo > /dev/null && echo null"
    options = ("--read-only", "--read-only-tmpfs=false")
    assert inside(pypod, image, *options, script=script) == ["null"]
    found = inside(pypod, image, "--read-only", "--read-only-tmpfs", script=script)
    assert found == ["/dev", "/dev/shm", "/run", "/tmp", "/var/tmp", "null"]
    with pypod.terminal("run", "--rm", "-t", *NONE, *options, image, "sh", "-c", "tty") as terminal:
        terminal.expect("/dev/pts/0")
        assert terminal.wait() == 0


def test_an_init_system_is_made_room_for(pypod: Program, image: str) -> None:
    script = "grep -cE ' (/run|/run/lock|/tmp|/var/log/journal) tmpfs' /proc/mounts; env"
    always = inside(pypod, image, "--systemd", "always", script=script)
    assert always[0] == "4"
    uuid = [line for line in always if line.startswith("container_uuid=")]
    assert len(uuid) == 1 and len(uuid[0]) == len("container_uuid=") + 32
    done = pypod("run", "--rm", *NONE, image, "sh", "-c", script + "; exit 3", check=3)
    assert done.out.startswith("0\n") and "container_uuid" not in done.out

    def signal(*words: str) -> str:
        made = pypod("create", *NONE, *words).line
        return pypod("inspect", "-f", "{{.Config.StopSignal}}", made).line

    assert signal(image, "/sbin/init") == "37"
    assert signal("--systemd=false", image, "/sbin/init") == "15"
    assert signal("--stop-signal", "USR1", image, "/lib/systemd/systemd") == "10"
    assert signal(image, "sh", "/sbin/init") == "15"
    assert "true, false, always" in refused(pypod, image, "--systemd", "maybe")
