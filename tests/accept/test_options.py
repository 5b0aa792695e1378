# SPDX-License-Identifier: Apache-2.0
"""Attack rows (security.md section 1) that name an option of the sandbox, each by its number.

S-05, S-10, S-17 and S-20 again, with the options that could undo them.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.accept.conftest import Make, Sentinel
from tests.fixtures import images
from tests.fixtures.program import Program

pytestmark = pytest.mark.own
NONE = ("--network", "none")
NET_RAW = 1 << 13
OPTIONS = (
    ("--security-opt", "unmask=ALL"),
    ("--security-opt", "systempaths=unconfined"),
    ("--security-opt", "seccomp=unconfined"),
    ("--read-only",),
    ("--cap-add", "ALL"),
)


def status(text: str) -> dict[str, int]:
    """Return the capability sets of /proc/PID/status."""
    lines = (line.split() for line in text.splitlines() if line.startswith("Cap"))
    return {name.rstrip(":"): int(mask, 16) for name, mask in lines}


def test_a06_only_what_was_added_is_ambient(pypod: Program, image: str, test_pass: str) -> None:
    words = ("-u", "1000", "--cap-add", "NET_RAW", "--group-add", "keep-groups")
    ran = pypod("run", "--rm", *NONE, *words, image, "cat", "/proc/self/status")
    found = status(ran.out)
    kinds = ("CapInh", "CapPrm", "CapEff", "CapAmb")
    assert [found[kind] for kind in kinds] == [NET_RAW] * 4
    root = status(pypod("run", "--rm", *NONE, *words[2:], image, "cat", "/proc/self/status").out)
    assert root["CapInh"] == root["CapAmb"] == 0
    if test_pass != "single":
        name = pypod("run", "-d", *NONE, *words[2:], image, "sleep", "1000").line
        other = status(pypod("exec", "-u", "1000", name, "cat", "/proc/self/status").out)
        assert {other[kind] for kind in kinds} == {0}


@pytest.mark.parametrize("options", OPTIONS, ids=lambda words: words[-1])
@pytest.mark.parametrize("place", ["/proc/sys", "/proc/self/attr", "/proc/1/../sys/kernel"])
def test_a03_s10_no_option_opens_proc_to_mounts(
    pypod: Program, image: str, tmp_path: Path, options: tuple[str, ...], place: str
) -> None:
    for words in (("-v", f"{tmp_path}:{place}"), ("--tmpfs", place)):
        done = pypod("run", "--rm", *NONE, *options, *words, image, "true", check=125)
        assert "/proc" in done.err
    words = ("--device", f"/dev/null:{place}")
    assert "/proc" in pypod("run", "--rm", *NONE, *options, *words, image, "true", check=125).err
    assert list(tmp_path.iterdir()) == []


def test_a11_a_setting_reaches_no_file_but_the_containers_own(
    pypod: Program, make_image: Make, sentinel: Sentinel
) -> None:
    host = Path("/proc/sys/net/ipv4/ip_forward").read_text()
    (sentinel.path / "sys").mkdir()
    sentinel.again()
    for name in (
        make_image({"proc": images.link(str(sentinel.path))}),
        make_image({"proc": images.directory(), "proc/sys": images.link(str(sentinel.path))}),
    ):
        other = "0" if host.strip() == "1" else "1"
        words = ("--sysctl", f"net.ipv4.ip_forward={other}", name, "cat")
        done = pypod("run", "--rm", *NONE, *words, "/proc/sys/net/ipv4/ip_forward", check=None)
        assert (done.rc, done.out.strip()) in ((0, other), (125, ""), (126, ""))
    assert Path("/proc/sys/net/ipv4/ip_forward").read_text() == host


def test_a17_groups_of_the_host_do_not_come_along(
    pypod: Program, make_image: Make, test_pass: str
) -> None:
    own = {str(gid) for gid in os.getgroups()} - {"0"}
    out = pypod("run", "--rm", *NONE, make_image(), "grep", "^Groups:", "/proc/self/status").out
    assert not own & set(out.split()[1:])
    if test_pass == "single":
        return
    name = make_image()
    script = "echo x > /f; chown 0:1000 /f; chmod 704 /f; sleep 1000"
    box = pypod("run", "-d", *NONE, name, "sh", "-c", script).line
    pypod("exec", box, "sh", "-c", "until [ $(stat -c %a /f) = 704 ]; do :; done")
    assert "denied" in pypod("exec", "-u", "1000:1000", box, "cat", "/f", check=1).err
    assert pypod("exec", "-u", "1000:1", box, "cat", "/f").out == "x\n"


def test_a29_s20_an_images_labels_keep_no_groups(pypod: Program, make_image: Make) -> None:
    labels = {"run.oci.keep_original_groups": "1", "io.pypod.rlimits": "exact"}
    labels["io.podman.annotations.label"] = "disable"
    plain, labelled = make_image(), make_image(config={"Labels": labels})
    documents = []
    for name in (plain, labelled):
        made = pypod("create", *NONE, name, "true").line
        config = json.loads(
            Path(pypod("inspect", "-f", "{{.OCIConfigPath}}", made).line).read_text()
        )
        documents.append((config.get("annotations"), config["process"]["rlimits"]))
    assert documents[0] == documents[1]
    assert not documents[0][0]


def test_a75_only_settings_of_a_namespace(pypod: Program, image: str) -> None:
    pattern = Path("/proc/sys/kernel/core_pattern").read_text()
    words = ("--sysctl", "kernel.core_pattern=|/bin/x", "--privileged", image, "echo", "started")
    done = pypod("run", "--rm", *NONE, *words, check=125)
    assert "core_pattern" in done.err and done.out == ""
    assert Path("/proc/sys/kernel/core_pattern").read_text() == pattern
    assert pypod("ps", "-aq").out == ""


def test_s05_what_is_masked_stays_so(pypod: Program, image: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret")
    options = ("-v", f"{tmp_path}:/data", "--security-opt", "mask=/data/secret:/usr")
    script = (
        "umount /data/secret; mount -o remount,rw /proc/sys; mount --bind /data /mnt; umount /usr;"
        " rm -f /data/secret; mv /data/secret /data/x; cat /data/secret; ls /usr"
    )
    for more in ((), ("--security-opt", "seccomp=unconfined"), ("--cap-add", "SYS_CHROOT")):
        words = (*options, *more, image, "sh", "-c", script)
        assert pypod("run", "--rm", *NONE, *words, check=None).out == ""
    assert (tmp_path / "secret").read_text() == "s3cret"


def test_s17_files_for_the_container_follow_no_link_out_of_a_directory(
    pypod: Program, sentinel: Sentinel, tmp_path: Path
) -> None:
    tree = tmp_path / "tree"
    (tree / "bin").mkdir(parents=True)
    shutil.copyfile(images.BUSYBOX, tree / "bin" / "sh")
    (tree / "bin" / "sh").chmod(0o755)
    (tree / "etc").mkdir()
    (tree / "run").symlink_to(sentinel.path / "dir")
    for name, target in (("hosts", "hosts"), ("hostname", "keep"), ("localtime", "passwd")):
        (tree / "etc" / name).symlink_to(sentinel.path / target)
    for options in ((), ("-t",), ("--read-only",)):
        words = ("--tz", "Asia/Tokyo", "--rootfs", str(tree), "/bin/sh", "-c", "echo ran")
        done = pypod("run", "--rm", *NONE, *options, *words, check=None)
        assert done.rc in (0, 125), done.err
    (tree / "dev").rmdir()
    (tree / "dev").symlink_to(sentinel.path)
    words = ("--device", "/dev/fuse", "--rootfs", str(tree), "/bin/sh", "-c", "echo ran")
    assert pypod("run", "--rm", *NONE, *words, check=None).rc in (0, 125)
