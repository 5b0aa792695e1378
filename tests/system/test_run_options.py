# SPDX-License-Identifier: Apache-2.0
"""Every option of run and create, looked at from inside the container: what it does.

The options of a container's life (-d, --rm, -a, --cidfile, …) are in test_lifecycle_options.py.
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from tests.fixtures import images
from tests.fixtures.program import Program
from tests.fixtures.registry import Registry

NONE = ("--network", "none")
PROC_STATUS = "/proc/self/status"


@pytest.fixture(scope="session")
def worded(program: Program, registry: Registry) -> str:
    """Return an image with an entry point, a command, an environment, a directory and a user."""
    config = {
        "Entrypoint": ["/bin/echo", "entry"],
        "Cmd": ["cmd"],
        "Env": ["PATH=/bin", "FROM_IMAGE=image", "BOTH=image"],
        "WorkingDir": "/home",
        "User": "user",
        "Labels": {"of": "image", "both": "image"},
        "StopSignal": "SIGUSR1",
    }
    name = registry.push(images.busybox(config), "test/worded")
    program.pull(name)
    return name


def status(text: str) -> dict[str, str]:
    """Return /proc/PID/status as a dictionary."""
    pairs = (line.partition(":") for line in text.splitlines())
    return {key: value.strip() for key, _, value in pairs}


def inside(pypod: Program, image: str, *options: str) -> dict[str, str]:
    """Return the process status of a container's command."""
    return status(pypod("run", "--rm", *NONE, *options, image, "cat", PROC_STATUS).out)


def mount_of(mountinfo: str, where: str) -> list[str]:
    """Return the options of the uppermost mount at a place, those of its file system too."""
    lines = [line.split() for line in mountinfo.splitlines() if line.split()[4] == where]
    assert lines, f"nothing is mounted at {where}"
    return (lines[-1][5] + "," + lines[-1][-1]).split(",")


def test_environment_of_options_files_and_image(
    pypod: Program, worded: str, tmp_path: Path
) -> None:
    file = tmp_path / "env"
    file.write_text("# a comment\n\nFILE=from file\nBOTH=file\nOPTION=file\nHOST\nABSENT\n")
    words = ["-e", "OPTION=option=x", "--env", "HOST_TOO", "-e", "EMPTY=", "--env-file", str(file)]
    done = pypod(
        "run", "--rm", *NONE, *words, "--entrypoint", "env", worded,
        env={"HOST": "host", "HOST_TOO": "h", "SECRET": "no", "ABSENT": None},
    )  # fmt: skip
    found = dict(line.split("=", 1) for line in done.out.splitlines())
    wanted = {"FILE": "from file", "BOTH": "file", "OPTION": "option=x", "HOST": "host"}
    wanted.update({"HOST_TOO": "h", "EMPTY": "", "FROM_IMAGE": "image", "PATH": "/bin"})
    assert {key: found.get(key) for key in wanted} == wanted
    assert "SECRET" not in found and "ABSENT" not in found


def test_workdir(pypod: Program, image: str, worded: str) -> None:
    assert pypod("run", "--rm", *NONE, "--entrypoint", "pwd", worded).line == "/home"
    assert pypod("run", "--rm", *NONE, "-w", "/tmp", image, "pwd").line == "/tmp"
    assert pypod("run", "--rm", *NONE, "--workdir=/home/user", image, "pwd").line == "/home/user"


@pytest.mark.passes("user", "root")
@pytest.mark.parametrize(
    ("user", "uid", "gid", "groups"),
    [
        ("1000", "1000", "1000", "1000 2000"),
        ("user", "1000", "1000", "1000 2000"),
        ("user:daemon", "1000", "1", "1"),
        ("7:8", "7", "8", "8"),
        ("0", "0", "0", "0"),
    ],
)
def test_user(pypod: Program, image: str, user: str, uid: str, gid: str, groups: str) -> None:
    out = pypod("run", "--rm", *NONE, "-u", user, image, "sh", "-c", "id -u; id -g; id -G").out
    found = out.splitlines()
    assert found[:2] == [uid, gid]
    if not pypod.is_podman:  # podman 4.3 gives a user of the image's passwd no other groups
        assert found[2] == groups


@pytest.mark.passes("user", "root")
def test_a_user_of_the_option_goes_before_the_images(pypod: Program, worded: str) -> None:
    words = ("--entrypoint", "id", worded, "-u")
    assert pypod("run", "--rm", *NONE, *words).line == "1000"
    assert pypod("run", "--rm", *NONE, "--user", "daemon", *words).line == "1"


@pytest.mark.own
@pytest.mark.passes("single")
def test_any_user_is_the_caller_where_there_is_one_id(pypod: Program, image: str) -> None:
    assert pypod("run", "--rm", *NONE, "-u", "1000", image, "id", "-u").line == "1000"
    map_ = pypod("run", "--rm", *NONE, "-u", "7:8", image, "cat", "/proc/self/uid_map").out.split()
    assert map_ == ["7", str(os.getuid()), "1"]


def test_volumes_are_read_write_or_read_only(pypod: Program, image: str, tmp_path: Path) -> None:
    shared, kept = tmp_path / "shared", tmp_path / "kept"
    for path in (shared, kept):
        path.mkdir()
    (kept / "file").write_text("from the host")
    script = "cat /kept/file; echo new > /shared/file; echo bad > /kept/file; echo $?"
    words = ["-v", f"{shared}:/shared", "--volume", f"{kept}:/kept:ro,noexec", image, "sh", "-c"]
    done = pypod("run", "--rm", *NONE, *words, script)
    assert done.line == "from the host1"
    assert "Read-only file system" in done.err
    assert (shared / "file").read_text() == "new\n"
    assert (shared / "file").stat().st_uid == os.getuid()
    assert (kept / "file").read_text() == "from the host"
    info = pypod("run", "--rm", *NONE, *words[:-2], "cat", "/proc/self/mountinfo").out
    assert {"ro", "noexec"} <= set(mount_of(info, "/kept"))
    assert "rw" in mount_of(info, "/shared")


def test_a_relative_volume_begins_in_the_callers_directory(
    pypod: Program, image: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("here\n")
    words = ("-v", "./file:/file", image, "cat", "/file")
    assert pypod("run", "--rm", *NONE, *words, cwd=tmp_path).out == "here\n"


def test_a_read_only_root(pypod: Program, image: str) -> None:
    script = "for d in / /etc /home /tmp /run /dev/shm; do touch $d/x && echo $d; done"
    done = pypod("run", "--rm", *NONE, "--read-only", image, "sh", "-c", script, check=None)
    assert done.out.split() == ["/tmp", "/run", "/dev/shm"]
    assert done.err.count("Read-only file system") == 3
    control = pypod("run", "--rm", *NONE, image, "sh", "-c", script, check=None).out.split()
    assert control == ["/", "/etc", "/home", "/tmp", "/run", "/dev/shm"]


def test_tmpfs_with_its_options(pypod: Program, image: str) -> None:
    options = ["--tmpfs", "/mnt/a", "--tmpfs", "/home:size=64k,mode=700,exec"]
    script = "cat /proc/self/mountinfo; stat -c 'mode %a' /home"
    done = pypod("run", "--rm", *NONE, *options, image, "sh", "-c", script)
    info, _, mode = done.line.rpartition("\n")
    first, second = (mount_of(info, place) for place in ("/mnt/a", "/home"))
    assert {"rw", "nosuid", "nodev"} <= set(first)
    assert "noexec" in first or pypod.is_podman  # docker's default, not podman's
    assert {"rw", "nosuid", "nodev", "size=64k"} <= set(second)
    assert "noexec" not in second
    assert mode == "mode 700" or pypod.is_podman  # which copies the image's directory
    full = "dd if=/dev/zero of=/home/f bs=1k count=100"
    assert "No space left" in pypod(
        "run", "--rm", *NONE, *options, image, "sh", "-c", full, check=1
    ).err


@pytest.mark.parametrize(
    ("options", "words", "out"),
    [
        ((), (), "entry cmd"),
        ((), ("other",), "entry other"),
        (("--entrypoint", "printf"), ("%s", "x"), "x"),
        (("--entrypoint", '["/bin/echo", "a b"]'), ("c",), "a b c"),
        (("--entrypoint", ""), ("/bin/echo", "alone"), "alone"),
    ],
)
def test_entry_point(
    pypod: Program, worded: str, options: tuple[str, ...], words: tuple[str, ...], out: str
) -> None:
    assert pypod("run", "--rm", *NONE, *options, worded, *words).line == out


def test_hostname(pypod: Program, image: str) -> None:
    script = "hostname; cat /etc/hostname; echo; echo $HOSTNAME; grep -c box.test /etc/hosts"
    done = pypod("run", "--rm", *NONE, "-h", "box.test", image, "sh", "-c", script)
    assert done.out.split() == ["box.test"] * 3 + ["1"]
    default = pypod("run", "--rm", *NONE, "--name", "named", image, "hostname").line
    assert len(default) == 12 and int(default, 16) >= 0


def test_network_none_has_loopback_only(pypod: Program, image: str) -> None:
    out = pypod("run", "--rm", "--network", "none", image, "cat", "/proc/net/dev").out
    assert [line.split(":")[0].strip() for line in out.splitlines()[2:]] == ["lo"]
    assert "UP" in pypod("run", "--rm", "--net=none", image, "ip", "link").out


def test_network_host_is_the_hosts(pypod: Program, image: str) -> None:
    link = os.readlink("/proc/self/ns/net")
    script = "readlink /proc/self/ns/net; cat /etc/resolv.conf"
    out = pypod("run", "--rm", "--network", "host", image, "sh", "-c", script).out
    first, _, resolv = out.partition("\n")
    assert first == link
    own = Path("/etc/resolv.conf").read_text().splitlines()
    assert all(line in resolv for line in own if "nameserver" in line)
    assert pypod("run", "--rm", *NONE, image, "readlink", "/proc/self/ns/net").line != link


@pytest.mark.own
def test_without_a_network_option_there_is_a_way_out(pypod: Program, image: str) -> None:
    done = pypod("run", "--rm", image, "ip", "-o", "-4", "route")
    assert "default via 10.0.2.2" in done.out and done.err == ""


NET_ADMIN, CHOWN = 1 << 12, 1 << 0


def test_capabilities_are_added_and_dropped(pypod: Program, image: str) -> None:
    plain = int(inside(pypod, image)["CapEff"], 16)
    assert plain & CHOWN and not plain & NET_ADMIN
    more = int(inside(pypod, image, "--cap-add", "net_admin")["CapEff"], 16)
    assert more == plain | NET_ADMIN
    less = inside(pypod, image, "--cap-drop=CAP_CHOWN")
    assert int(less["CapEff"], 16) == int(less["CapBnd"], 16) == plain & ~CHOWN
    only = inside(pypod, image, "--cap-drop=all", "--cap-add=chown,net_admin")
    assert int(only["CapEff"], 16) == CHOWN | NET_ADMIN
    none = inside(pypod, image, "--cap-drop", "ALL")
    assert int(none["CapBnd"], 16) == int(none["CapPrm"], 16) == 0


def test_an_added_capability_can_be_used(pypod: Program, image: str) -> None:
    words = (image, "ip", "link", "set", "lo", "down")
    assert "not permitted" in pypod("run", "--rm", *NONE, *words, check=None).err
    assert pypod("run", "--rm", *NONE, "--cap-add", "NET_ADMIN", *words).rc == 0


def test_privileged_has_every_capability_and_no_filter(pypod: Program, image: str) -> None:
    bounding = int(status(Path(PROC_STATUS).read_text())["CapBnd"], 16)
    plain, privileged = inside(pypod, image), inside(pypod, image, "--privileged")
    given = int(privileged["CapEff"], 16)  # podman gives what the host lacks, too
    assert given == bounding or (pypod.is_podman and given & bounding == bounding)
    assert (plain["Seccomp"], privileged["Seccomp"]) == ("2", "0")
    script = "mount -t tmpfs none /mnt && echo mounted; cat /proc/self/mountinfo"
    words = (image, "sh", "-c", "mkdir -p /mnt; " + script)
    done = pypod("run", "--rm", *NONE, "--privileged", *words)
    assert done.out.startswith("mounted\n")
    assert "/proc/kcore" not in done.out
    assert "mounted" not in pypod("run", "--rm", *NONE, *words, check=None).out


@pytest.mark.own
def test_privileged_has_the_readable_devices_of_the_host(pypod: Program, image: str) -> None:
    words = (image, "find", "/dev", "-type", "c", "-o", "-type", "b")
    plain = set(pypod("run", "--rm", *NONE, *words).out.split())
    privileged = set(pypod("run", "--rm", *NONE, "--privileged", *words).out.split())
    wanted = {
        path
        for path in ("/dev/fuse", "/dev/net/tun", "/dev/kmsg", "/dev/loop0", "/dev/kvm")
        if os.path.exists(path)
        and stat.S_IFMT(os.stat(path).st_mode) in (stat.S_IFCHR, stat.S_IFBLK)
        and os.access(path, os.R_OK)
    }
    assert wanted, "the harness opens /dev/fuse and /dev/net/tun"
    assert not wanted & plain
    assert wanted <= privileged
    assert plain <= privileged


def test_security_options(pypod: Program, image: str) -> None:
    plain = inside(pypod, image)
    assert (plain["Seccomp"], plain["NoNewPrivs"]) == ("2", "0")
    unconfined = inside(pypod, image, "--security-opt", "seccomp=unconfined")
    assert (unconfined["Seccomp"], unconfined["CapEff"]) == ("0", plain["CapEff"])
    strict = inside(pypod, image, "--security-opt=no-new-privileges")
    assert (strict["Seccomp"], strict["NoNewPrivs"]) == ("2", "1")
    # What the filter refuses and unconfined does not: a namespace of the container's own.
    words = (image, "unshare", "-U", "true")
    assert pypod("run", "--rm", *NONE, *words, check=None).rc == 1 or pypod.is_podman
    assert pypod("run", "--rm", *NONE, "--security-opt", "seccomp=unconfined", *words).rc == 0


def test_pull_policies(pypod: Program, registry: Registry, image: str) -> None:
    first = images.busybox({"Labels": {"edition": "1"}})
    second = images.busybox({"Labels": {"edition": "2"}})
    name = registry.push(first, "test/policy")
    insecure = ["--tls-verify=false"] if pypod.is_podman else []

    def edition(*options: str) -> str:
        made = pypod("create", *options, *insecure, *NONE, name, "true").line.split()[-1]
        return pypod("inspect", "-f", '{{index .Config.Labels "edition"}}', made).line

    refused = pypod("run", "--rm", *NONE, "--pull=never", name, "true", check=125)
    assert "Error: " in refused.err and name.rpartition(":")[0] in refused.err
    assert edition() == "1"
    assert registry.push(second, "test/policy") == name
    assert edition("--pull", "missing") == "1"
    assert edition("--pull=never") == "1"
    assert edition("--pull=newer") == "2"
    registry.push(first, "test/policy")
    assert edition("--pull=always") == "1"
    bad = pypod("run", "--pull", "sometimes", image, "true", check=125)
    assert "sometimes" in bad.err


def test_labels(pypod: Program, worded: str) -> None:
    words = ("-l", "a=1", "--label", "both=option", "-l", "alone", worded)
    name = pypod("create", *NONE, *words).line
    labels = json.loads(pypod("inspect", "-f", "{{json .Config.Labels}}", name).out)
    wanted = {"a": "1", "both": "option", "alone": "", "of": "image"}
    assert {key: labels.get(key) for key in wanted} == wanted


def test_init_reaps_orphans(pypod: Program, image: str) -> None:
    script = "(sleep 0.05 &); sleep 0.3; grep -l '^State:.Z' /proc/[0-9]*/status; echo $$"
    words = (image, "sh", "-c", script)
    out = pypod("run", "--rm", "--init", *NONE, *words).line
    assert out.isdigit() and out != "1", "a zombie is left, or the shell is process 1"
    assert pypod("run", "--rm", *NONE, *words).line.endswith("1")
