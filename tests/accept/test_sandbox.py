# SPDX-License-Identifier: Apache-2.0
"""Rows S-01 to S-10 and S-14: what a container may do, and what its image may not trick us into."""

from __future__ import annotations

import os
import subprocess
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.accept.conftest import Make, Sentinel
from tests.fixtures import images, probe
from tests.fixtures.program import Program, environment
from tests.fixtures.registry import Registry

pytestmark = pytest.mark.own


@pytest.fixture(scope="module")
def probe_image(
    program: Program, registry: Registry, tmp_path_factory: pytest.TempPathFactory
) -> str:
    return probe.image(program, registry, tmp_path_factory.mktemp("probe"))


def answers(pypod: Program, image: str, *options: str, paths: tuple[str, ...] = ()) -> list[Any]:
    """Return the probe's answer under run and under exec with the same options."""
    ran = pypod("run", "--rm", *options, image, "/probe", *paths).out
    name = pypod("run", "-d", image, "sleep", "1000").line
    executed = pypod("exec", *options, name, "/probe", *paths).out
    pypod("rm", "-f", "-t", "0", name)
    return [probe.answer(ran), probe.answer(executed)]


def test_s01_eleven_capabilities(pypod: Program, probe_image: str) -> None:
    for answer in answers(pypod, probe_image):
        for kind in ("CapBnd", "CapPrm", "CapEff", "CapInh", "CapAmb"):
            assert answer["status"][kind] == probe.GOLDEN["status"][kind]


def test_s02_another_user_has_none(pypod: Program, probe_image: str, test_pass: str) -> None:
    # With a single id USER is mapped at create: exec cannot become another one.
    found = (
        answers(pypod, probe_image, "-u", "1000")
        if test_pass != "single"
        else [probe.answer(pypod("run", "--rm", "-u", "1000", probe_image, "/probe").out)]
    )
    for answer in found:
        assert answer["status"]["CapEff"] == answer["status"]["CapPrm"] == "0" * 16
        assert answer["status"]["CapAmb"] == answer["status"]["CapInh"] == "0" * 16


def test_s03_and_s04_system_calls(pypod: Program, probe_image: str) -> None:
    for answer in answers(pypod, probe_image):
        assert answer["syscalls"] == probe.GOLDEN["syscalls"]
        assert answer["syscalls"]["1000"] == "ENOSYS"
        assert answer["families"]["38"] == answer["families"]["40"] == "EPERM"


def test_s05_masked_and_read_only(pypod: Program, probe_image: str) -> None:
    for answer in answers(pypod, probe_image, paths=tuple(probe.PATHS)):
        for path in probe.GOLDEN["masked"]:
            assert answer["readable"][path] in ("empty", "absent"), path
        for path in ("/proc/sys/kernel/core_pattern", "/proc/sys/vm/drop_caches"):
            assert answer["writable"][path] in ("EROFS", "EACCES")
        assert set(answer["remount"].values()) == {"EPERM"}


def test_s06_leaked_descriptors(pypod: Program, probe_image: str, tmp_path: Path) -> None:
    leaked = [os.open("/etc/passwd", os.O_RDONLY) for _ in range(20)]
    try:
        ran = pypod("run", "--rm", probe_image, "/probe", pass_fds=tuple(leaked)).out
        name = pypod("run", "-d", probe_image, "sleep", "1000", pass_fds=tuple(leaked)).line
        executed = pypod("exec", name, "/probe", pass_fds=tuple(leaked)).out
    finally:
        for fd in leaked:
            os.close(fd)
    for out in (ran, executed):
        assert probe.answer(out)["fds"] == [0, 1, 2]


def test_s07_working_directory_in_proc_self_fd(pypod: Program, image: str) -> None:
    name = pypod("run", "-d", image, "sleep", "1000").line
    for number in range(3, 31):
        for words in (("run", "--rm"), ("exec",)):
            target = image if words[0] == "run" else name
            script = "cat etc/hostname ../../../../etc/hostname 2>/dev/null; pwd"
            done = pypod(
                *words, "-w", f"/proc/self/fd/{number}", target, "sh", "-c", script, check=None
            )
            if done.rc == 0:
                assert Path("/etc/hostname").read_text() not in done.out, number
            else:
                assert done.rc in (125, 126, 127), (number, done.err)


@pytest.mark.parametrize("how", ["absolute", "relative"])
@pytest.mark.parametrize("options", [(), ("-t",)], ids=["plain", "tty"])
def test_s08_dev_is_a_link_to_the_host(
    pypod: Program, make_image: Make, sentinel: Sentinel, how: str, options: tuple[str, ...]
) -> None:
    target = str(sentinel.path) if how == "absolute" else f"../../../..{sentinel.path}"
    name = make_image({"dev": images.link(target)})
    done = pypod("run", "--rm", *options, name, "ls", "/dev", check=None)
    assert done.rc in (0, 125, 126)
    assert "keep" not in done.out
    if done.rc:
        assert done.err.count("Error:") == 1


def test_s09_device_names_are_links(pypod: Program, make_image: Make, sentinel: Sentinel) -> None:
    pattern = Path("/proc/sys/kernel/core_pattern").read_text()
    name = make_image(
        {
            "dev": images.directory(),
            "dev/null": images.link("/proc/sys/kernel/core_pattern"),
            "dev/console": images.link(str(sentinel.path / "console")),
            "dev/pts": images.directory(),
            "dev/pts/0": images.link(str(sentinel.path / "keep")),
        }
    )
    script = "echo x > /proc/sys/kernel/core_pattern; echo y > /dev/null; wc -c < /proc/interrupts"
    out = pypod("run", "--rm", name, "sh", "-c", script, check=None).out
    assert out.strip() == "0"
    with pypod.terminal(
        "run", "--rm", "-it", name, "sh", "-c", "tty; echo z > /dev/console"
    ) as term:
        term.expect("/dev/")
        assert term.wait() == 0
    assert Path("/proc/sys/kernel/core_pattern").read_text() == pattern


@pytest.mark.parametrize("place", ["proc", "sys"])
def test_s10_proc_or_sys_is_a_link(
    pypod: Program, make_image: Make, sentinel: Sentinel, place: str
) -> None:
    name = make_image({place: images.link(str(sentinel.path))})
    done = pypod("run", "--rm", name, "sh", "-c", "cat /proc/self/status; ls /sys", check=None)
    if done.rc == 0:
        assert "NoNewPrivs" in done.out
        assert "kernel" in done.out
    else:
        assert done.rc in (125, 126)


@pytest.mark.parametrize("place", ["/proc", "/proc/self/attr", "/proc/../proc/x", "/"])
def test_s10_nothing_is_mounted_over_proc(pypod: Program, image: str, place: str) -> None:
    done = pypod("run", "--rm", "-v", f"/etc:{place}", image, "true", check=125)
    assert "Error: " in done.err
    assert pypod("ps", "-aq").out == ""


@pytest.mark.parametrize("place", ["/proc", "/proc/self/attr", "/x/../proc", "/sys/..", "/"])
def test_s10_an_image_has_its_volume_over_proc(
    pypod: Program, make_image: Make, place: str
) -> None:
    name = make_image({}, {"Volumes": {place: {}}})
    volumes = pypod("volume", "ls", "-q").out
    done = pypod("run", "--rm", name, "stat", "-f", "-c", "%T", "/proc", check=None)
    if done.rc == 0:
        assert done.out == "proc\n"
    else:
        assert done.rc == 125
        assert done.err.startswith(f"Error: VOLUME {place} of the image: ")
    assert pypod("volume", "ls", "-q").out == volumes
    assert pypod("run", "--rm", "--image-volume", "ignore", name, "true").rc == 0


@pytest.mark.parametrize("target", ["/proc", "proc/self", "/", "/sys", "/dev"])
def test_s10_an_images_volume_leads_to_proc_by_a_link(
    pypod: Program, make_image: Make, target: str
) -> None:
    name = make_image({"l": images.link(target)}, {"Volumes": {"/l": {}}})
    volumes = pypod("volume", "ls", "-q").out
    words = ("run", "--rm", name, "sh", "-c", "stat -f -c %T /proc; ls /proc/self/ns | wc -l")
    done = pypod(*words, check=None)
    assert done.rc == 125, done.out
    assert "leads" in done.err
    assert pypod("volume", "ls", "-q").out == volumes


def test_s14_nobody_writes_what_runs(pypod: Program, registry: Registry, tmp_path: Path) -> None:
    exe = probe.build(tmp_path, "exe").read_bytes()
    files = images.busybox_files(exe=(exe, 0o755), self=images.link("/proc/self/exe"))
    name = registry.push(images.make([files], {"Cmd": ["/proc/self/exe"]}), "accept/exe")
    pypod.pull(name)
    installed = Path(pypod.path).resolve().parents[1] / "lib" / "pypod"
    watched = [Path("/usr/bin/python3").resolve(), Path(pypod.path).resolve()]
    watched += sorted(installed.rglob("pypod-*"))
    assert len([path for path in watched if path.name.startswith("pypod-")]) >= 4
    before = [sha256(path.read_bytes()).hexdigest() for path in watched]
    pypod("run", "--rm", name, check=None)
    pypod("run", "--rm", "--entrypoint", "/proc/self/exe", name, check=None)
    attacker = pypod("run", "-d", name, "/exe", "watch").line
    for _ in range(60):
        pypod("exec", attacker, "true")
    pypod("exec", attacker, "/proc/self/exe", check=None)
    report = pypod("logs", attacker).out
    assert "WRITABLE" not in report
    assert "looked" in report
    assert [sha256(path.read_bytes()).hexdigest() for path in watched] == before


@pytest.mark.passes("user")
def test_s60_a_host_without_rights_is_named(pypod: Program, image: str) -> None:
    missing = pypod("info", "-f", "{{json .missing}}").out
    assert "cgroup" in missing
    pypod("run", "--rm", image, "true")


def test_the_caller_may_be_without_new_privileges(pypod: Program, test_pass: str) -> None:
    # no_new_privs takes newuidmap away: single-id mode, decided at run time, with one warning.
    done = subprocess.run(
        ["setpriv", "--no-new-privs", *pypod.argv("run", "--rm", "pypod/hello")],
        env=environment(None),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    if test_pass == "user":
        assert "1 ids in all" in done.stdout
        assert len(done.stderr.splitlines()) == 1
        assert "no_new_privs" in done.stderr
