# SPDX-License-Identifier: Apache-2.0
"""Where mounts may not lead, whatever an image's links say; and what the host's network shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fixtures import images
from tests.fixtures.program import Program
from tests.fixtures.registry import Registry

pytestmark = pytest.mark.own
NONE = ("--network", "none")
HOST = ("--network", "host")


@pytest.fixture(scope="module")
def linked(program: Program, registry: Registry) -> str:
    """Return an image with links to the places that protect the host."""
    links = {
        name: images.link(target)
        for name, target in (
            ("to-proc", "/proc"),
            ("to-attr", "proc/self/attr"),
            ("to-root", "/"),
            ("to-srv", "../../srv/deep"),
        )
    }
    name = registry.push(images.make([images.busybox_files(**links)]), "test/links")
    program.pull(name)
    return name


@pytest.mark.parametrize("network", [NONE, HOST], ids=["none", "host"])
@pytest.mark.parametrize(
    "place", ["/to-proc", "/to-proc/sys", "/to-attr", "/to-root", "/to-root/proc"]
)
def test_a_mount_through_a_link_covers_neither_proc_nor_the_root(
    pypod: Program, linked: str, tmp_path: Path, place: str, network: tuple[str, str]
) -> None:
    for words in (("-v", f"{tmp_path}:{place}"), ("--tmpfs", place)):
        done = pypod("run", "--rm", *network, *words, linked, "true", check=None)
        assert done.rc == 125
        assert "leads" in done.err
        assert done.err.startswith("Error: ")
    assert list(tmp_path.iterdir()) == []


def test_the_error_of_a_failed_mount_is_never_lost(
    pypod: Program, linked: str, tmp_path: Path
) -> None:
    # The runtime dies without the monitor's release byte: its last word must still be read.
    for _attempt in range(20):
        done = pypod("run", "--rm", *NONE, "-v", f"{tmp_path}:/to-proc", linked, "true", check=None)
        assert (done.rc, done.err.count("Error: ")) == (125, 1)
    assert pypod("ps", "-aq").out == ""


def test_a_mount_through_a_link_stays_in_the_container(
    pypod: Program, linked: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine\n")
    words = ("run", "--rm", *NONE, "-v", f"{tmp_path}:/to-srv", linked, "cat", "/srv/deep/file")
    assert pypod(*words).out == "mine\n"
    assert not Path("/srv/deep").exists()


def test_nothing_is_made_in_a_directory_that_is_bound_to_dev(
    pypod: Program, linked: str, tmp_path: Path
) -> None:
    pypod("run", "--rm", *NONE, "-v", f"{tmp_path}:/dev", linked, "true")
    assert {path.name for path in tmp_path.iterdir()} <= {"pts", "shm", "mqueue"}


def test_the_hosts_network_shows_no_cgroup_that_can_be_written(pypod: Program, linked: str) -> None:
    script = "find /sys/fs/cgroup /sys/kernel -type f -exec sh -c 'echo >> $0' {} ';' | wc -l"
    done = pypod("run", "--rm", *HOST, linked, "sh", "-c", script + "; ls /sys/kernel | wc -l")
    assert done.out.split() == ["0", "0"]


def test_files_of_pypod_are_read_only_with_the_root(pypod: Program, linked: str) -> None:
    script = "for f in /etc/hosts /etc/hostname /run/.containerenv; do echo >> $f && echo $f; done"
    done = pypod("run", "--rm", *NONE, "--read-only", linked, "sh", "-c", script, check=None)
    assert done.out == ""
