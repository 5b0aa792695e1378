#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The cases of the golden plans; run it to write them again, and read the difference.

Each case is written twice: NAME.txt, an operation a line, is for people; NAME.plan has the very
bytes that pypod-init reads, and is what the fuzzer of its reader starts from.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from pypod.plan.compile import compile_exec, compile_run, compile_tool
from pypod.plan.ops import Op, serialise
from pypod.plan.tools import compile_inside
from pypod.spec.facts import HostFacts
from pypod.spec.security import DEFAULT_CAPS

HERE = Path(__file__).resolve().parent / "plan"

_ANN = {
    "uid": 1000, "gid": 1000, "user": "ann", "home": "/home/ann", "map": "full",
    "uid_map": ((0, 1000, 1), (1, 100000, 65536)), "gid_map": ((0, 1000, 1), (1, 200000, 65536)),
    "cap_bounding": (1 << 41) - 1, "nofile_hard": 524288, "kernel": (6, 1), "machine": "x86_64",
}  # fmt: skip
_TOOLS = {"newuidmap": "/usr/bin/newuidmap", "newgidmap": "/usr/bin/newgidmap"}
_ONE = ((0, 1000, 1),)
_ALL = ((0, 0, 4294967295),)
USER = HostFacts(**_ANN, **_TOOLS)
SINGLE = HostFacts(**{**_ANN, "map": "single", "uid_map": _ONE, "gid_map": _ONE})
ROOT = HostFacts(**{**_ANN, "uid": 0, "gid": 0, "map": "root", "uid_map": _ALL, "gid_map": _ALL})
KINDS = ("user", "mount", "pid", "ipc", "uts", "cgroup", "network")


def mount(destination: str, kind: str, *options: str, source: str = "") -> dict[str, Any]:
    """Return an OCI mount."""
    return {
        "destination": destination,
        "type": kind,
        "source": source or kind,
        "options": list(options),
    }


def configuration(facts: HostFacts, **process: Any) -> dict[str, Any]:
    """Return a config.json with something of everything."""
    maps = (
        [{"containerID": a, "hostID": b, "size": c} for a, b, c in extents]
        for extents in (facts.uid_map, facts.gid_map)
    )
    safe = ("nosuid", "noexec", "nodev")
    caps = list(DEFAULT_CAPS)
    return {
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": 0, "gid": 0, "umask": 0o22, "additionalGids": [10, 20]},
            "args": ["sh", "-c", "echo $A"],
            "env": ["PATH=/usr/bin:/bin", "A=b c"],
            "cwd": "/srv",
            "capabilities": {"bounding": caps, "effective": caps, "permitted": caps},
            "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 524288, "hard": 524288}],
            **process,
        },
        "root": {"path": "/s/c/rootfs"},
        "hostname": "box",
        "mounts": [
            mount(
                "/", "overlay", "userxattr", r"lowerdir=/s/l/a\:b:/s/l/c",
                "upperdir=/s/c/upper", "workdir=/s/c/work",
            ),
            mount("/proc", "proc", *safe),
            mount("/dev", "tmpfs", "nosuid", "noexec", "strictatime", "mode=755", "size=64m"),
            mount("/dev/pts", "devpts", "nosuid", "noexec", "newinstance", "mode=0620", "gid=5"),
            mount("/sys", "sysfs", *safe, "ro"),
            mount("/etc/hosts", "bind", "bind", "rprivate", source="/s/c/hosts"),
            mount("/data", "bind", "rbind", "ro", "rslave", source="/home/ann/data"),
        ],
        "linux": {
            "uidMappings": next(maps),
            "gidMappings": next(maps),
            "namespaces": [{"type": kind} for kind in KINDS],
            "sysctl": {"net.ipv4.ping_group_range": "0 0"},
            "seccomp": {"defaultAction": "SCMP_ACT_ERRNO"},
            "maskedPaths": ["/proc/kcore", "/sys/firmware"],
            "readonlyPaths": ["/proc/sys"],
        },
    }  # fmt: skip


def cases() -> dict[str, list[Op]]:
    """Return the golden plans by name."""
    plain = configuration(USER)
    terminal = configuration(USER, terminal=True, noNewPrivileges=True)
    terminal["annotations"] = {"io.pypod.init": "1"}
    terminal["root"]["readonly"] = True
    other = configuration(USER, user={"uid": 1000, "gid": 100}, capabilities={})
    other["linux"]["namespaces"] = [{"type": kind} for kind in KINDS if kind != "network"]
    del other["linux"]["seccomp"]
    plain_directory = configuration(ROOT)
    del plain_directory["mounts"][0]
    labelled = configuration(
        USER, selinuxLabel="system_u:system_r:container_t:s0", apparmorProfile="tight"
    )
    labelled["linux"]["personality"] = {"domain": "LINUX32"}
    labelled["process"]["oomScoreAdj"] = 7
    labelled["annotations"] = {"run.oci.keep_original_groups": "1", "io.pypod.rlimits": "exact"}
    labelled["linux"]["seccomp"]["flags"] = ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_TSYNC"]
    own = USER.replace(uid_map=((0, 110000, 1024),), gid_map=((0, 210000, 1024),))
    named = {**plain["process"], "user": {"username": "bob:staff"}, "args": ["id"]}
    return {
        "run": compile_run(plain, USER),
        "run-terminal-init-readonly": compile_run(terminal, USER),
        "run-user-host-network": compile_run(other, USER),
        "run-nested": compile_run(configuration(own), USER),
        "inside": compile_inside(configuration(own), USER, "", ["pypod-files", "pack", "/"], 5),
        "run-single": compile_run(configuration(SINGLE), SINGLE),
        "run-root-directory": compile_run(plain_directory, ROOT),
        "run-labels-groups-kept": compile_run(labelled, USER),
        "exec-groups-kept": compile_exec(labelled, named, USER),
        "exec": compile_exec(plain, {**named, "terminal": True}, USER),
        "exec-single": compile_exec(configuration(SINGLE), named, SINGLE),
        "tool": compile_tool(USER, ["pypod-files", "rmtree"], exec_fd=5, cwd="/s"),
    }


def text(plan: list[Op]) -> str:
    """Return the plan for people: words with spaces or nothing in them are quoted."""
    return "".join(
        " ".join([op.verb, *(repr(word) if not word or " " in word else word for word in op.words)])
        + "\n"
        for op in plan
    )


if __name__ == "__main__":
    HERE.mkdir(exist_ok=True)
    for name, plan in cases().items():
        (HERE / f"{name}.txt").write_text(text(plan))
        (HERE / f"{name}.plan").write_bytes(serialise(plan))
