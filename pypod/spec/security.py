# SPDX-License-Identifier: Apache-2.0
"""What a container may do: capabilities, the seccomp profile, masked and read-only paths.

Sources: capabilities(7), seccomp(2), the OCI runtime specification (config-linux.md).
"""

from __future__ import annotations

from pypod.errors import UsageError
from pypod.spec import syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

CAPABILITIES = tuple(
    "CAP_" + name
    for name in (
        "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP"
        " LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW"
        " IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO"
        " SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME"
        " SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN"
        " SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
    ).split()
)
"""Every capability; the index is the kernel's number (linux/capability.h)."""

DEFAULT_CAPS = tuple(
    "CAP_" + name
    for name in (
        "CHOWN DAC_OVERRIDE FOWNER FSETID KILL NET_BIND_SERVICE SETFCAP SETGID SETPCAP SETUID"
        " SYS_CHROOT"
    ).split()
)
"""podman's eleven; docker adds MKNOD, NET_RAW and AUDIT_WRITE."""

OTHERWISE = "io.pypod.otherwise"
"""A key of `linux.seccomp` that only pypod reads: the errno of a call whose argument rules all
fail. OCI has no way to say it (the default action applies, ENOSYS here); other runtimes skip it."""

_MASKED = (
    "/proc/acpi /proc/asound /proc/interrupts /proc/kcore /proc/keys /proc/latency_stats"
    " /proc/sched_debug /proc/scsi /proc/timer_list /proc/timer_stats /sys/devices/virtual/powercap"
    " /sys/firmware /sys/fs/selinux"
).split()
_READONLY = "/proc/asound /proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger".split()


def capability_mask(names: Iterable[str]) -> int:
    """Return the kernel's bit mask of capability names."""
    mask = 0
    for name in names:
        mask |= 1 << CAPABILITIES.index(name)
    return mask


def capabilities(
    add: Iterable[str], drop: Iterable[str], privileged: bool, bounding: int, uid: int
) -> dict[str, list[str]]:
    """Return the OCI `process.capabilities` of a process that runs as `uid`.

    `add` and `drop` are as typed (ALL, with or without CAP_, any case); `bounding` is the caller's
    own bounding set: what the host lacks cannot be given. A process that is not root has no
    effective capabilities but those that were added by name, which are then ambient (A06).
    Raises UsageError for an unknown name.
    """
    added = _parse("--cap-add", add)
    dropped = _parse("--cap-drop", drop)
    everything = frozenset(CAPABILITIES)
    if privileged or "ALL" in added:
        base = set(everything)
    elif "ALL" in dropped:
        base = set()
    else:
        base = set(DEFAULT_CAPS)
    base |= added - {"ALL"}
    if "ALL" in dropped:
        base = added - {"ALL"} if "ALL" not in added else base
    else:
        base -= dropped
    held = [name for bit, name in enumerate(CAPABILITIES) if name in base and bounding >> bit & 1]
    if uid == 0:
        return {
            "bounding": held,
            "effective": held,
            "permitted": held,
            "inheritable": [],
            "ambient": [],
        }
    own = held if privileged else [name for name in held if name in added and name not in dropped]
    return {
        "bounding": held,
        "effective": own,
        "permitted": own,
        "inheritable": own,
        "ambient": own,
    }


def _parse(option: str, names: Iterable[str]) -> set[str]:
    found = set()
    for typed in names:
        name = typed.strip().upper()
        if name != "ALL":
            name = name if name.startswith("CAP_") else "CAP_" + name
            if name not in CAPABILITIES:
                raise UsageError(
                    f'{option}: unknown capability "{typed}"',
                    hint="capabilities(7) lists them, with or without CAP_; ALL means every one",
                )
        found.add(name)
    return found


def masked_paths(thermal_throttle: Iterable[str] = (), *, host_sysfs: bool = False) -> list[str]:
    """Return the OCI `linux.maskedPaths`: what a container must not read.

    `thermal_throttle` are the directories that exist on this host; `host_sysfs` says that /sys is
    the host's own (`--network host`), where kernel and cgroup details show.
    """
    paths = [*_MASKED, *thermal_throttle]
    if host_sysfs:
        paths.append("/sys/kernel")
    return paths


def readonly_paths() -> list[str]:
    """Return the OCI `linux.readonlyPaths`: what a container may read and not write."""
    return list(_READONLY)


def seccomp(caps: Iterable[str], arch: str = "x86_64") -> dict[str, Any]:
    """Return the default OCI `linux.seccomp` of a container whose bounding set is `caps`.

    The order of `syscalls` means nothing; no call has two rules that can both match. `arch` is
    uname(2)'s machine. Only the native ABI is listed: i386 and x32 calls are refused, since a
    filter cannot see the arguments that socketcall(2) passes in memory.
    """
    held = frozenset(caps)
    by_capability: set[str] = set()
    conditional: set[str] = set()
    for capability, names in syscalls.CAPABILITY.items():
        conditional.update(names.split())
        if capability in held:
            by_capability.update(names.split())
    allowed = set(syscalls.ALLOW.split()) | by_capability
    allowed.update(syscalls.ALLOW_ON_ARCH.get(arch, "").split())
    with_rules = {"personality", "socket"}
    if "clone" not in by_capability:
        with_rules.add("clone")
    refused = (set(syscalls.EPERM.split()) | conditional) - allowed - with_rules
    refused -= set(syscalls.NOT_EPERM)
    rules = [
        _rule(sorted(allowed), "SCMP_ACT_ALLOW"),
        _rule(sorted(refused), "SCMP_ACT_ERRNO", errno=1),
    ]
    if "clone" in with_rules:
        rules += _clone_rules(arch)
    rules += _personality_rules()
    rules += _socket_rules("CAP_AUDIT_WRITE" in held)
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": 38,
        "architectures": ["SCMP_ARCH_" + _ARCHITECTURES.get(arch, arch.upper())],
        "syscalls": rules,
        # 97: EAFNOSUPPORT. Only of calls with rules: `clone` has none with CAP_SYS_ADMIN.
        OTHERWISE: {name: 97 if name == "socket" else 1 for name in sorted(with_rules)},
    }


_ARCHITECTURES = {"ppc64le": "PPC64LE", "s390x": "S390X", "riscv64": "RISCV64"}


def _rule(
    names: list[str], action: str, *tests: tuple[int, str, int, int], errno: int | None = None
) -> dict[str, Any]:
    rule: dict[str, Any] = {"names": names, "action": action}
    if errno is not None:
        rule["errnoRet"] = errno
    if tests:
        rule["args"] = [
            {"index": index, "value": value, "valueTwo": second, "op": f"SCMP_CMP_{comparison}"}
            for index, comparison, value, second in tests
        ]
    return rule


def _clone_rules(arch: str) -> list[dict[str, Any]]:
    flags = 1 if arch == "s390x" else 0  # clone(2): the first two arguments are swapped there
    namespaces = syscalls.CLONE_NAMESPACES
    rules = [_rule(["clone"], "SCMP_ACT_ALLOW", (flags, "MASKED_EQ", namespaces, 0))]
    bit = 1
    while bit <= namespaces:
        # One rule per flag: libseccomp has no "masked not equal".
        if namespaces & bit:
            rules.append(
                _rule(["clone"], "SCMP_ACT_ERRNO", (flags, "MASKED_EQ", bit, bit), errno=1)
            )
        bit <<= 1
    return rules


def _personality_rules() -> list[dict[str, Any]]:
    return [
        _rule(["personality"], "SCMP_ACT_ALLOW", _low_word(0, value))
        for value in syscalls.PERSONALITIES
    ]


def _socket_rules(audit_write: bool) -> list[dict[str, Any]]:
    # By enumeration and by the low word: `family > 40` would let 0x100000026 through, which the
    # kernel cuts to 38.
    refused = syscalls.REFUSED_FAMILIES
    netlink, audit = syscalls.AF_NETLINK, syscalls.NETLINK_AUDIT
    rules = [
        _rule(["socket"], "SCMP_ACT_ERRNO", _low_word(0, family), errno=1) for family in refused
    ]
    for family in range(syscalls.FAMILIES):
        if family in refused:
            continue
        if family == netlink and not audit_write:
            protocols = (_low_word(0, family), _low_word(2, audit))
            rules.append(_rule(["socket"], "SCMP_ACT_ERRNO", *protocols, errno=22))
            rules.append(_rule(["socket"], "SCMP_ACT_ALLOW", protocols[0], (2, "NE", audit, 0)))
        else:
            rules.append(_rule(["socket"], "SCMP_ACT_ALLOW", _low_word(0, family)))
    return rules


def _low_word(index: int, value: int) -> tuple[int, str, int, int]:
    """Compare an argument that the kernel reads as 32 bits: the upper half must not matter."""
    return (index, "MASKED_EQ", 0xFFFFFFFF, value)
