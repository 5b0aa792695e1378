# SPDX-License-Identifier: Apache-2.0
"""Write probe.json: what tests/probe/probe.c must print in a default container on x86-64.

From a transcription of research notes (security-section-2.txt) and the kernel's numbers, never from
pypod's own table or output: the test must be able to fail. Where the notes leave a choice open the
tighter one is taken, and said here.

- arch_prctl and modify_ldt: both peers allow them on amd64 alone (architecture-conditional entries,
  which the notes' unconditional list leaves out); without arch_prctl no C library starts.
- personality with another value: EPERM, like every name that a peer's profile holds.
- socket families that do not exist (46 and up) are not probed.
"""

from __future__ import annotations

import json
from collections.abc import Set
from pathlib import Path

HERE = Path(__file__).parent
CAPS = 0
for _bit in (0, 1, 3, 4, 5, 6, 7, 8, 10, 18, 31):
    # CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE
    # SYS_CHROOT SETFCAP
    CAPS |= 1 << _bit
HELD = {"SYS_CHROOT"}
NEVER_EPERM = {"clone3", "keyctl", "add_key", "request_key"}
UNFILTERED = {335: "uretprobe", 336: "uprobe"}
"""The kernel runs no filter for these (since 6.14): the probe leaves them out and names them."""

MASKED = (
    "/proc/acpi /proc/asound /proc/interrupts /proc/kcore /proc/keys /proc/latency_stats"
    " /proc/sched_debug /proc/scsi /proc/timer_list /proc/timer_stats"
    " /sys/devices/virtual/powercap /sys/firmware /sys/fs/selinux"
).split()
READ_ONLY = (
    "/proc/bus /proc/fs /proc/irq /proc/irq/default_smp_affinity /proc/sys"
    " /proc/sys/kernel/domainname /proc/sys/kernel/core_pattern /proc/sys/vm/drop_caches"
    " /proc/sysrq-trigger /sys/kernel"
).split()


def names() -> dict[str, set[str]]:
    """Return the sections of the transcription."""
    sections: dict[str, set[str]] = {}
    current: set[str] = set()
    for line in (HERE / "security-section-2.txt").read_text().splitlines():
        if line.startswith("["):
            current = sections.setdefault(line.strip("[]"), set())
        elif not line.startswith("#"):
            current.update(line.split())
    return sections


def verdicts(held: Set[str] = frozenset(HELD)) -> dict[str, str]:
    """Return the verdict of each number from 0 to 600, and of 1000, with these capabilities."""
    sections = names()
    allowed = sections["both-allow"] | sections["additions"] | {"arch_prctl", "modify_ldt"}
    known = set(sections["both-allow"])
    for section, members in sections.items():
        known |= members
        if section.startswith("capability ") and section.split()[1] in held:
            allowed |= members
    # `socket`, `personality` and `clone` by their argument rules: with zeros they are allowed.
    allowed |= {"socket", "personality", "clone"}
    numbers = {}
    for line in (HERE / "x86_64.txt").read_text().splitlines():
        if not line.startswith("#"):
            name, number = line.split()
            numbers[int(number)] = name
    found = {}
    for number in [*range(601), 1000]:
        name = numbers.get(number, "")
        if number in UNFILTERED:
            continue
        if name in allowed:
            found[str(number)] = "ALLOW"
        elif name in known - NEVER_EPERM:
            found[str(number)] = "EPERM"
        else:
            found[str(number)] = "ENOSYS"
    return found


def arguments() -> dict[str, str]:
    """Return the verdicts of the argument rules."""
    found = {f"clone {flags}": "ALLOW" for flags in ("0", "0x11", "0x3d0f00")}
    for flag in ("0x20000 0x2000000 0x4000000 0x8000000 0x10000000 0x20000000 0x40000000").split():
        found[f"clone {flag}"] = "EPERM"
    for value in ("0", "0x8", "0x20000", "0x20008", "0xffffffff"):
        found[f"personality {value}"] = "ALLOW"
    for value in ("0x1", "0x40000", "0x20001"):
        found[f"personality {value}"] = "EPERM"
    found["socket AF_NETLINK NETLINK_ROUTE"] = "ALLOW"
    found["socket AF_NETLINK NETLINK_AUDIT"] = "EINVAL"
    found["socket AF_ALG with a high bit"] = "EPERM"
    found["socket AF_VSOCK with a high bit"] = "EPERM"
    return found


def golden() -> dict[str, object]:
    """Return the whole answer, as far as it does not depend on the host."""
    mask = f"{CAPS:016x}"
    return {
        "status": {
            "CapInh": "0" * 16,
            "CapPrm": mask,
            "CapEff": mask,
            "CapBnd": mask,
            "CapAmb": "0" * 16,
            "NoNewPrivs": "0",
            "Seccomp": "2",
            "Uid": "0\t0\t0\t0",
            "Gid": "0\t0\t0\t0",
            "SigBlk": "0" * 16,
            "SigIgn": "0" * 16,
        },
        "syscalls": verdicts(),
        "left_out": {str(number): name for number, name in UNFILTERED.items()},
        "families": {
            str(family): "EPERM" if family in (38, 40) else "ALLOW" for family in range(46)
        },
        "arguments": arguments(),
        "fds": [0, 1, 2],
        "umask": "0022",
        "cwd": "/",
        "session_leader": "1",
        "tiocsti": "refused",
        "devices": {
            "null": "c 1:3",
            "zero": "c 1:5",
            "full": "c 1:7",
            "random": "c 1:8",
            "urandom": "c 1:9",
            "tty": "c 5:0",
            "fd": "-> /proc/self/fd",
            "stdin": "-> /proc/self/fd/0",
            "stdout": "-> /proc/self/fd/1",
            "stderr": "-> /proc/self/fd/2",
            "ptmx": "-> pts/ptmx",
            "pts": "directory",
            "shm": "directory",
            "mqueue": "directory",
        },
        "mounts": {
            "/proc": "proc rw nosuid nodev noexec",
            "/dev": "tmpfs rw nosuid noexec",
            "/dev/pts": "devpts rw nosuid noexec",
            "/dev/shm": "tmpfs rw nosuid nodev noexec",
            "/dev/mqueue": "mqueue rw nosuid nodev noexec",
            "/sys": "sysfs ro nosuid nodev noexec",
        },
        "masked": MASKED,
        "read_only": READ_ONLY,
        "environment": [
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "container=podman",
            "HOME=/root",
        ],
        "ping_group_range": "0\t0",
    }


if __name__ == "__main__":
    (HERE / "probe.json").write_text(json.dumps(golden(), indent=1, sort_keys=True) + "\n")
