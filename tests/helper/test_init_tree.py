# SPDX-License-Identifier: Apache-2.0
"""pypod-init: the container's tree, against images that lie about it."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from contained import BUSYBOX, Box


@pytest.fixture
def sentinel(tmp_path: Path) -> Path:
    """A directory of the host with names that an attack would like to find."""
    directory = tmp_path / "sentinel"
    directory.mkdir()
    for name in ("keep", "ptmx", "fd", "hosts", "null"):
        (directory / name).write_text("untouched")
    return directory


def looks(directory: Path) -> list[tuple[str, str]]:
    return sorted((path.name, path.read_text()) for path in directory.iterdir())


def bind(source: Path | str, destination: str, *options: str) -> dict[str, Any]:
    return {
        "destination": destination,
        "type": "bind",
        "source": str(source),
        "options": ["rbind", *options],
    }


@pytest.mark.parametrize("name", ["dev", "proc", "sys"])
@pytest.mark.parametrize("kind", ["absolute", "relative", "dangling", "file"])
def test_an_image_whose_protected_directory_is_none_is_refused(
    mapped: Box, sentinel: Path, name: str, kind: str
) -> None:
    before = looks(sentinel)
    place = mapped.layer / name
    if kind == "file":
        place.write_text("")
    else:
        up = "../" * 30
        place.symlink_to(
            {"absolute": sentinel, "relative": f"{up}{sentinel}", "dangling": "/nowhere"}[kind]
        )
    (mapped.layer / str(sentinel)[1:]).mkdir(parents=True)
    ended = mapped.sh("echo never")
    assert ended.failed
    assert ended.code == 125
    assert f" at /{name}" in str(ended.error)
    assert looks(sentinel) == before


def test_a_mount_point_that_is_a_link_stays_in_the_root(mapped: Box, sentinel: Path) -> None:
    before = looks(sentinel)
    (mapped.layer / "etc" / "hosts").symlink_to(sentinel / "hosts")
    (mapped.layer / "data").symlink_to("../" * 30 + str(sentinel / "below"))
    source = mapped.directory / "hosts"
    source.write_text("injected\n")
    config = mapped.config("sh", "-c", "cat /etc/hosts; cat /data/mine")
    given = mapped.directory / "given"
    given.mkdir()
    (given / "mine").write_text("given\n")
    config["mounts"] += [bind(given, "/data"), bind(source, "/etc/hosts")]
    ended = mapped.run(config)
    assert ended.out == "injected\ngiven\n", ended
    assert looks(sentinel) == before


def test_a_link_into_an_empty_directory_gets_the_file_it_names(mapped: Box) -> None:
    (mapped.layer / "etc" / "resolv.conf").symlink_to("../run/systemd/resolve/stub-resolv.conf")
    source = mapped.directory / "resolv"
    source.write_text("nameserver 192.0.2.1\n")
    config = mapped.config("cat", "/etc/resolv.conf")
    config["mounts"].append(bind(source, "/etc/resolv.conf"))
    assert mapped.run(config).out == "nameserver 192.0.2.1\n"


def test_directories_are_made_where_dangling_links_lead(box: Box) -> None:
    (box.layer / "var").mkdir()
    (box.layer / "var" / "run").symlink_to("../run/./real")
    (box.layer / "run").symlink_to("/nowhere/yet")
    (box.layer / "turning").symlink_to("turning")
    ended = box.run(box.config("sh", "-c", "pwd -P", cwd="/var/run//a/b/"))
    assert ended.out == "/nowhere/yet/real/a/b\n"
    assert box.run(box.config("true", cwd="/turning/x")).code == 125


@pytest.mark.parametrize("depth", [100, 2040, 3000])
def test_a_path_of_any_depth_is_made_or_refused(box: Box, depth: int) -> None:
    config = box.config("true")
    config["mounts"].append(
        {"destination": "/a" * depth, "type": "tmpfs", "source": "tmpfs", "options": []}
    )
    ended = box.run(config)
    # Here and now: shutil.rmtree, which pytest cleans up with, is recursive and does not get there.
    subprocess.run(["/bin/rm", "-rf", str(box.directory / "upper")], check=True)
    assert ended.code == (0 if depth < 2048 else 125)


@pytest.mark.parametrize("cwd", [f"/proc/self/fd/{number}" for number in range(3, 30)])
def test_a_working_directory_never_leads_out(mapped: Box, cwd: str) -> None:
    ended = mapped.run(mapped.config("sh", "-c", "pwd; ls /", cwd=cwd))
    assert ended.failed
    assert ended.code in (125, 126, 127)


def test_a_missing_working_directory_is_made(box: Box) -> None:
    ended = box.run(box.config("sh", "-c", "pwd; stat -c %a . ..", cwd="/made/below"))
    assert ended.lines == ["/made/below", "755", "755"]


def test_the_callers_umask_does_not_narrow_the_tree(mapped: Box) -> None:
    old = os.umask(0o077)
    try:
        ended = mapped.run(mapped.config("sh", "-c", "stat -c %a /made /dev; umask", cwd="/made"))
    finally:
        os.umask(old)
    assert ended.lines == ["755", "755", "0022"]


def test_the_six_devices_are_the_hosts_and_no_other_is_there(box: Box) -> None:
    ended = box.sh("cd /dev; stat -c '%n %F %t:%T %a' *")
    found = [line.split() for line in ended.lines]
    devices = {(one[0], one[4]) for one in found if one[1] == "character"}
    assert devices == {
        ("null", "1:3"), ("zero", "1:5"), ("full", "1:7"),
        ("random", "1:8"), ("urandom", "1:9"), ("tty", "5:0"),
    }  # fmt: skip
    others = {one[0] for one in found} - {name for name, _ in devices}
    assert others == {"fd", "ptmx", "pts", "stderr", "stdin", "stdout"}
    assert box.sh("echo x > /dev/null && head -c 3 /dev/zero | wc -c").out == "3\n"


def test_masked_places_are_empty_and_missing_ones_are_passed_over(box: Box) -> None:
    config = box.config(
        "sh", "-c",
        "wc -c < /proc/keys; ls /proc/acpi /sys/firmware | grep -v :; touch /sys/firmware/x; "
        "umount /sys/firmware; mount | grep -c firmware",
    )  # fmt: skip
    config["linux"]["maskedPaths"] = [
        "/proc/keys", "/proc/acpi", "/sys/firmware", "/proc/nowhere", "/proc/keys/below",
    ]  # fmt: skip
    ended = box.run(config)
    assert ended.lines[0] == "0"
    assert "Read-only file system" in ended.err
    assert ended.lines[-1] == "1"
    assert [line for line in ended.lines[1:-1] if line] == []


def test_a_mask_never_follows_a_link(mapped: Box) -> None:
    (mapped.layer / "etc" / "kept").write_text("")
    (mapped.layer / "link").symlink_to("/etc")
    config = mapped.config("sh", "-c", "ls /etc; wc -c < /link")
    config["linux"]["maskedPaths"] = ["/link"]
    assert mapped.run(config).out == "kept\n0\n"
    config["linux"]["maskedPaths"] = ["/link/kept"]
    ended = mapped.run(config)
    assert ended.failed
    assert ended.code == 125


def test_read_only_places_refuse_to_be_written(box: Box) -> None:
    config = box.config("sh", "-c", "echo 1 > /proc/sys/kernel/domainname; touch /etc/x; touch /y")
    config["linux"]["readonlyPaths"] = ["/proc/sys", "/etc", "/nowhere"]
    ended = box.run(config)
    assert ended.err.count("Read-only file system") == 2
    assert (box.directory / "upper" / "y").exists()


def test_a_read_only_root_leaves_mounts_writable(box: Box) -> None:
    config = box.config("sh", "-c", "touch /x || touch /dev/x && ls /dev/x")
    config["root"]["readonly"] = True
    ended = box.run(config)
    assert "Read-only file system" in ended.err
    assert ended.out == "/dev/x\n"


def test_the_host_sees_none_of_the_mounts_and_the_container_none_of_the_hosts(box: Box) -> None:
    before = Path("/proc/self/mountinfo").read_text()
    started = box.start(box.config("sleep", "100"))
    inside = Path(f"/proc/{started.pid}/mountinfo").read_text()
    os.kill(started.pid, 9)
    started.wait()
    assert Path("/proc/self/mountinfo").read_text() == before
    # Five file systems and six devices; nothing of the old root, no path of the host.
    assert len(inside.splitlines()) == 11
    assert str(box.directory) not in inside


def test_a_hundred_and_twenty_seven_layers_with_colons_in_their_names(mapped: Box) -> None:
    layers = []
    for number in range(126):
        layer = mapped.directory / "layers" / f"a long name with : and , in it {number:040}"
        layer.mkdir(parents=True)
        (layer / f"file{number}").write_text("")
        (layer / "same").write_text(str(number))
        layers.append(str(layer).replace(":", "\\:").replace(",", "\\,"))
    config = mapped.config("sh", "-c", "ls /file* | wc -l; cat /same")
    config["mounts"][0]["options"][1] = "lowerdir=" + ":".join([*layers, str(mapped.layer)])
    assert mapped.run(config).out == "126\n0"


def test_writes_go_to_the_upper_directory_alone(box: Box) -> None:
    assert box.sh("echo new > /etc/new; rm /bin/head").code == 0
    assert (box.directory / "upper" / "etc" / "new").read_text() == "new\n"
    assert (box.layer / "bin" / "head").is_symlink()


def test_a_bind_is_read_only_with_all_that_is_mounted_below(mapped: Box) -> None:
    config = mapped.config("sh", "-c", "touch /host/dev/shm/x; touch /host/tmp/x")
    config["mounts"].append(bind("/", "/host", "ro"))
    ended = mapped.run(config)
    assert ended.err.count("Read-only file system") == 2


def test_a_file_can_be_bound_over_a_device_or_a_pipe_without_opening_it(mapped: Box) -> None:
    os.mkfifo(mapped.layer / "etc" / "pipe")
    source = mapped.directory / "source"
    source.write_text("bound\n")
    config = mapped.config("cat", "/etc/pipe")
    config["mounts"].append(bind(source, "/etc/pipe"))
    assert mapped.run(config).out == "bound\n"


def test_a_plain_directory_can_be_the_root(mapped: Box) -> None:
    config = mapped.config("sh", "-c", "echo x > /written; ls /")
    del config["mounts"][0]
    config["root"]["path"] = str(mapped.layer)
    assert "written" in mapped.run(config).lines
    assert (mapped.layer / "written").read_text() == "x\n"


def test_a_sysctl_is_set_in_the_container_alone(mapped: Box) -> None:
    host = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()
    config = mapped.config("cat", "/proc/sys/net/ipv4/ip_unprivileged_port_start")
    config["linux"]["sysctl"] = {"net.ipv4.ip_unprivileged_port_start": "123"}
    assert mapped.run(config).out == "123\n"
    assert Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text() == host


@pytest.mark.parametrize("key", ["../../etc/passwd", "no.such.key", "../self/oom_score_adj"])
def test_a_sysctl_is_nothing_but_a_sysctl(mapped: Box, key: str) -> None:
    config = mapped.config("true")
    config["linux"]["sysctl"] = {key: "1"}
    ended = mapped.run(config)
    assert ended.failed
    assert ended.code == 125


def test_a_container_can_be_removed_by_its_user_afterwards(mapped: Box) -> None:
    mapped.sh("mkdir -p /a/b; echo x > /a/b/c")
    shutil.rmtree(mapped.directory / "upper")
    assert Path(BUSYBOX).exists()


def swap_for_ever(first: Path, second: Path) -> None:
    """Exchange two names until killed: what a container that shares the directory may do."""
    renameat2 = ctypes.CDLL(None).renameat2
    words = (-100, bytes(first), -100, bytes(second), 2)  # AT_FDCWD twice, RENAME_EXCHANGE
    while True:
        renameat2(*words)


def test_a_mount_point_that_is_swapped_for_a_link_meanwhile(
    mapped: Box, sentinel: Path, tmp_path: Path
) -> None:
    before, mounts = looks(sentinel), Path("/proc/self/mountinfo").read_text()
    shared, other = tmp_path / "shared", tmp_path / "other"
    (shared / "a").mkdir(parents=True)
    (shared / "link").symlink_to("../" * 30 + str(sentinel))
    other.mkdir()
    config = mapped.config("sh", "-c", "echo written > /v/a/b/here")
    config["mounts"] += [bind(shared, "/v"), bind(other, "/v/a/b")]
    attacker = os.fork()
    if attacker == 0:
        try:
            swap_for_ever(shared / "a", shared / "link")
        finally:
            os._exit(1)
    try:
        for _ in range(150):
            mapped.run(config)
    finally:
        os.kill(attacker, 9)
        os.waitpid(attacker, 0)
    assert looks(sentinel) == before
    assert Path("/proc/self/mountinfo").read_text() == mounts
    # The container's own tree is the furthest that any of it got.
    assert {path.name for path in other.iterdir()} <= {"here"}
