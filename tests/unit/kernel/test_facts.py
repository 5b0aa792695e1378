# SPDX-License-Identifier: Apache-2.0
"""Facts of this very process, whoever runs the tests; and the sentences of the one warning."""

from __future__ import annotations

import itertools
import os
import resource
import stat
import subprocess
import sys
import time
from pathlib import Path

from pypod.kernel import facts

RANGES = ((100000, 65536),)


def test_the_facts_are_those_of_this_process() -> None:
    found = facts.facts()
    assert (found.uid, found.gid) == (os.geteuid(), os.getegid())
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert found.nofile_hard == (1 << 30 if hard == resource.RLIM_INFINITY else hard)
    assert found.kernel >= (5, 12)
    assert found.nodename == os.uname().nodename
    status = Path("/proc/self/status").read_text()
    assert f"CapBnd:\t{found.cap_bounding:016x}" in status
    assert (found.map == "root") == (os.geteuid() == 0)
    assert (found.map == "single") == bool(found.single_reason)
    assert found.layer_map == ("single" if found.map == "single" else "full")


def test_the_map_has_root_and_no_id_twice() -> None:
    found = facts.facts()
    for extents in (found.uid_map, found.gid_map):
        assert extents[0][0] == 0
        outside = sorted((start, count) for _inside, start, count in extents)
        for (start, count), (following, _count) in itertools.pairwise(outside):
            assert start + count <= following


def test_facts_take_less_than_a_millisecond() -> None:
    facts.facts()

    def once() -> float:
        begin = time.perf_counter()
        facts.facts()
        return time.perf_counter() - begin

    assert min(once() for _ in range(50)) < 0.001


def test_no_new_privs_means_a_single_id_even_with_ranges() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "from pypod.kernel.facts import facts; f = facts(); print(f.no_new_privs, f.map)"
    )
    done = subprocess.run(
        ["setpriv", "--no-new-privs", sys.executable, "-IS", "-c", code]
        + [str(Path(__file__).resolve().parents[3])],
        capture_output=True,
        text=True,
        check=True,
    )
    expected = "root" if os.geteuid() == 0 else "single"
    assert done.stdout.split() == ["True", expected]


def test_the_warning_says_what_is_missing_and_the_cure() -> None:
    def reason(subuids: object = RANGES, subgids: object = RANGES, **more: object) -> str:
        given = {"tools": "/usr/bin/newgidmap", "no_new_privs": False, **more}
        return facts._single_reason("ann", subuids, subgids, **given)  # type: ignore[arg-type]

    assert reason() == ""
    assert "/etc/subuid" in reason(subuids=())
    assert "usermod --add-subuids" in reason(subuids=())
    assert "/etc/subgid" in reason(subgids=())
    assert "not installed" in reason(tools="")
    assert "no_new_privs" in reason(no_new_privs=True)
    for sentence in (reason(subuids=()), reason(tools=""), reason(no_new_privs=True)):
        assert "single id" in sentence
        assert "\n" not in sentence


def test_a_tool_without_rights_counts_as_absent(tmp_path: Path) -> None:
    tool = tmp_path / "newuidmap"
    tool.write_text("")
    tool.chmod(0o755)
    assert not facts._is_privileged(str(tool))
    assert not facts._is_privileged(str(tmp_path / "none"))
    assert facts._tool("no-such-tool") == ""
    assert facts._tool("true") == ""


def test_kernel_releases_of_every_distribution_are_read() -> None:
    assert facts._kernel("6.1.0-18-amd64") == (6, 1)
    assert facts._kernel("5.15.153.1-microsoft-standard-WSL2") == (5, 15)
    assert facts._kernel("6.18-rc1") == (6, 18)
    assert facts._kernel("6.10.3-200.fc40.x86_64") == (6, 10)
    assert facts._kernel("7") == (7, 0)


def test_devices_are_readable_nodes_and_not_the_containers_own() -> None:
    found = facts.devices()
    for path in found:
        mode = os.lstat(path).st_mode
        assert stat.S_ISCHR(mode) or stat.S_ISBLK(mode)
        assert os.access(path, os.R_OK)
    assert not {"/dev/null", "/dev/tty", "/dev/ptmx", "/dev/console"} & set(found)
    assert not any(path.startswith(("/dev/pts/", "/dev/shm/")) for path in found)
    assert list(found) == sorted(found)
