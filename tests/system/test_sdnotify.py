# SPDX-License-Identifier: Apache-2.0
"""A service manager is told of the start: NOTIFY_SOCKET, --sdnotify, the monitor's exit code."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures import images, probe
from tests.fixtures.program import Program, within
from tests.fixtures.registry import Registry

NONE = ("--network", "none")


class Manager:
    """The socket of a service manager."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + path[1:] if path.startswith("@") else path)
        self.socket.settimeout(20)

    @property
    def env(self) -> dict[str, str | None]:
        """What a unit's commands have in their environment."""
        return {"NOTIFY_SOCKET": self.path}

    def heard(self) -> list[str]:
        """Return the next message, in lines."""
        return self.socket.recv(4096).decode().split("\n")

    def nothing(self) -> bool:
        """Say whether nothing came (the command is over, so it will not come later either)."""
        self.socket.setblocking(False)
        try:
            self.socket.recv(4096)
        except BlockingIOError:
            return True
        finally:
            self.socket.settimeout(20)
        return False


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    """Return a service manager."""
    made = Manager(str(tmp_path / "notify"))
    yield made
    made.socket.close()


@pytest.fixture(scope="module")
def notify(program: Program, registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return an image whose program sends messages (tests/probe/notify.c)."""
    built = probe.build(tmp_path_factory.mktemp("notify"), "notify").read_bytes()
    files = images.busybox_files(notify=(built, 0o755))
    name = registry.push(images.make([files], {"Cmd": ["/notify"]}), "test/notify")
    program.pull(name)
    return name


def monitor_of(pypod: Program, name: str, tmp_path: Path) -> int:
    """Return the monitor's pid: the parent of the container's first process."""
    pid = pypod("inspect", "-f", "{{.State.Pid}}", name).line
    text = Path(f"/proc/{pid}/stat").read_text()
    return int(text.rpartition(")")[2].split()[1])


@pytest.mark.own
def test_conmon_tells_the_monitor_and_that_it_is_ready(
    pypod: Program, image: str, manager: Manager, tmp_path: Path
) -> None:
    file = tmp_path / "conmon.pid"
    words = ("-d", "--name", "told", "--sdnotify=conmon", "--conmon-pidfile", str(file), *NONE)
    pypod("run", *words, image, "sh", "-c", "env; ls -d /run/notify; sleep 99", env=manager.env)
    monitor = monitor_of(pypod, "told", tmp_path)
    assert manager.heard() == [f"MAINPID={monitor}", "READY=1", ""]
    assert manager.nothing()
    assert file.read_text() == str(monitor)
    assert within(20, lambda: "No such file" in pypod("logs", "told").err)
    assert "NOTIFY_SOCKET" not in pypod("logs", "told").out
    pypod("stop", "-t", "0", "told")
    pypod("start", "told", env=manager.env)
    assert manager.heard()[0] == f"MAINPID={monitor_of(pypod, 'told', tmp_path)}"


@pytest.mark.own
@pytest.mark.parametrize("option", [(), ("--sdnotify", "container")])
def test_container_is_ready_when_it_says_so(
    pypod: Program, notify: str, manager: Manager, tmp_path: Path, option: tuple[str, ...]
) -> None:
    words = (
        "-d",
        "-i",
        "--name",
        "says",
        *option,
        *NONE,
        notify,
        "/notify",
        "STATUS=on",
        "READY=1",
    )
    pypod("run", *words, env=manager.env)
    monitor = monitor_of(pypod, "says", tmp_path)
    messages = [manager.heard() for _ in range(3)]
    assert [f"MAINPID={monitor}", ""] in messages
    messages.remove([f"MAINPID={monitor}", ""])
    assert messages == [["STATUS=on"], ["READY=1"]]
    out = pypod("logs", "says").out
    assert out.startswith("socket /run/notify/notify.sock\n") and "sent READY=1: ok\n" in out


@pytest.mark.own
def test_the_socket_serves_every_kind_of_container(
    pypod: Program, notify: str, manager: Manager
) -> None:
    for words in (
        ("--read-only",),
        ("-u", "1234:1234"),
        ("--network", "host"),
        ("--tmpfs", "/run"),
    ):
        network = () if "host" in words else NONE
        name = pypod(
            "run", "-d", *words, *network, notify, "/notify", "READY=1", env=manager.env
        ).line
        assert ["READY=1"] in [manager.heard(), manager.heard()], words
        pypod("rm", "-f", name)


@pytest.mark.own
def test_ignore_tells_nobody(pypod: Program, notify: str, manager: Manager) -> None:
    words = (
        "run",
        "-d",
        "--name",
        "mute",
        "--sdnotify=ignore",
        *NONE,
        notify,
        "/notify",
        "READY=1",
    )
    pypod(*words, env=manager.env)
    assert within(20, lambda: "sent READY=1" in pypod("logs", "mute").out)
    assert pypod("logs", "mute").out.startswith("socket none\n")
    assert manager.nothing()


@pytest.mark.own
def test_an_exec_has_no_socket(pypod: Program, notify: str, manager: Manager) -> None:
    words = ("run", "-d", "--name", "e", "--sdnotify=conmon", *NONE, notify, "sleep", "99")
    pypod(*words, env=manager.env)
    manager.heard()
    assert "NOTIFY" not in pypod("exec", "e", "env", env=manager.env).out
    assert manager.nothing()


@pytest.mark.own
def test_an_abstract_socket_is_reached_too(pypod: Program, notify: str) -> None:
    manager = Manager(f"@pypod-test-{os.getpid()}")
    try:
        words = ("run", "-d", "--sdnotify=conmon", *NONE, notify)
        pypod(*words, env=manager.env)
        assert manager.heard()[1] == "READY=1"
        warned = pypod("run", "-d", *NONE, notify, "/notify", "READY=1", env=manager.env)
        assert "--sdnotify=conmon" in warned.err
        assert manager.heard()[0].startswith("MAINPID=")
        pypod("run", "-d", "--network=host", notify, "/notify", "READY=1", env=manager.env)
        assert ["READY=1"] in [manager.heard(), manager.heard()]
    finally:
        manager.socket.close()


@pytest.mark.own
def test_a_pull_asks_for_more_time(pypod: Program, image: str, manager: Manager) -> None:
    words = ("run", "-d", "--pull=always", "--tls-verify=false", *NONE, image, "sleep", "99")
    pypod(*words, env=manager.env)
    assert manager.heard() == ["EXTEND_TIMEOUT_USEC=30000000", ""]
    assert manager.heard()[0].startswith("MAINPID=")


@pytest.mark.own
def test_a_socket_that_is_not_there_is_a_warning(
    pypod: Program, image: str, tmp_path: Path
) -> None:
    env: dict[str, str | None] = {"NOTIFY_SOCKET": str(tmp_path / "none")}
    done = pypod("run", "--rm", *NONE, image, "echo", "ran", env=env)
    assert done.out == "ran\n"
    assert f"NOTIFY_SOCKET={tmp_path}/none" in done.err and len(done.err.splitlines()) == 1


@pytest.mark.own
def test_the_path_of_the_socket_may_be_long(pypod: Program, notify: str, tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    here = os.getcwd()
    os.chdir(deep)
    manager = Manager("notify")
    os.chdir(here)
    env: dict[str, str | None] = {"NOTIFY_SOCKET": f"{deep}/notify"}
    pypod("run", "-d", *NONE, notify, "/notify", "READY=1", env=env)
    assert ["READY=1"] in [manager.heard(), manager.heard()]
    manager.socket.close()


REAPER = """
import ctypes, os, subprocess, sys
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
subprocess.run(sys.argv[2:], check=True, stdout=subprocess.DEVNULL)
monitor = int(open(sys.argv[1]).read())
print("up", flush=True)
print(os.waitstatus_to_exitcode(os.waitpid(monitor, 0)[1]))
"""
"""What a service manager does: start, become the parent of what stays, and read how that ends."""


def watch(pidfile: Path, command: list[str]) -> subprocess.Popen[str]:
    """Start a container as a service manager does; the monitor's exit code is its last line."""
    manager = subprocess.Popen(
        ["python3", "-c", REAPER, str(pidfile), *command], stdout=subprocess.PIPE, text=True
    )
    assert manager.stdout is not None and manager.stdout.readline() == "up\n"
    return manager


@pytest.mark.own
@pytest.mark.parametrize(
    ("end", "code"),
    [
        (("kill", "-s", "USR1", "watched"), 8),
        (("kill", "watched"), 137),
        (("stop", "-t", "0", "watched"), 0),
        (("stop", "watched"), 0),
        (("rm", "-f", "watched"), 0),
    ],
)
def test_the_monitor_ends_as_the_container_did_but_well_when_stopped(
    pypod: Program, image: str, tmp_path: Path, end: tuple[str, ...], code: int
) -> None:
    file = tmp_path / "conmon.pid"
    script = "trap 'exit 9' TERM; trap 'exit 8' USR1; echo up; while :; do sleep 0.05; done"
    words = ("run", "-d", "--name", "watched", f"--conmon-pidfile={file}", *NONE, image)
    manager = watch(file, pypod.argv(*words, "sh", "-c", script))
    assert within(20, lambda: pypod("logs", "watched").out)
    pypod(*end)
    assert manager.communicate(timeout=30)[0] == f"{code}\n"
    if end[0] == "stop":
        # What it really ended with; without patience it depends on who is faster.
        assert pypod("wait", "watched").line in (("9", "137") if "0" in end else ("9",))


@pytest.mark.own
def test_a_stop_is_remembered_when_the_record_goes_before_the_monitor(
    pypod: Program, image: str, tmp_path: Path
) -> None:
    file = tmp_path / "conmon.pid"
    words = ("run", "-d", "--name", "slow", f"--conmon-pidfile={file}", *NONE, image, "yes")
    manager = watch(file, pypod.argv(*words))
    client = pypod.start("attach", "--no-stdin", "slow")
    assert client.stdout is not None and client.stdout.read(65536)
    client.send_signal(signal.SIGSTOP)  # the monitor waits for it
    try:
        pypod("rm", "-f", "slow")
    finally:
        client.kill()
    client.communicate(timeout=30)
    assert manager.communicate(timeout=30)[0] == "0\n"


@pytest.mark.own
def test_a_container_that_was_stopped_once_can_fail_the_next_time(
    pypod: Program, image: str, tmp_path: Path
) -> None:
    file = tmp_path / "conmon.pid"
    words = ("create", "--name", "again", f"--conmon-pidfile={file}", *NONE, image, "sleep", "99")
    pypod(*words)
    for end, code in ((("stop", "-t", "0"), "0\n"), (("kill",), "137\n")):
        manager = watch(file, pypod.argv("start", "again"))
        pypod(*end, "again")
        assert manager.communicate(timeout=30)[0] == code


@pytest.mark.own
def test_cgroups_and_sdnotify_take_podmans_words(pypod: Program, image: str) -> None:
    for mode in ("enabled", "disabled", "no-conmon", "split"):
        assert pypod("run", "--rm", "--cgroups", mode, *NONE, image, "echo", mode).line == mode
    for option in ("--cgroups=few", "--sdnotify=healthy"):
        refused = pypod("create", option, *NONE, image, check=125)
        assert option.partition("=")[0] in refused.err and "Hint:" in refused.err


@pytest.mark.own
def test_the_unit_that_made_a_container_is_its_label(pypod: Program, image: str) -> None:
    env: dict[str, str | None] = {"PODMAN_SYSTEMD_UNIT": "some.service"}
    pypod("create", "--name", "labelled", *NONE, image, "true", env=env)
    found = pypod("inspect", "-f", '{{index .Config.Labels "PODMAN_SYSTEMD_UNIT"}}', "labelled")
    assert found.line == "some.service"
