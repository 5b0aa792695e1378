# SPDX-License-Identifier: Apache-2.0
"""--pid, --ipc, --uts and --cgroupns: namespaces that stay the host's, and what follows from it.

What shows a namespace can only be mounted by who owns it: with the host's it is the host's own
mount, bound (proc(5), mq_overview(7), cgroup_namespaces(7)).
"""

from __future__ import annotations

from pypod.errors import PypodError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pypod.spec.options import CreateOptions

_OWN = {
    "pid": ("private",),
    "ipc": ("private", "shareable", "none"),
    "uts": ("private",),
    "cgroup": ("private",),
}
_OPTION = {"cgroup": "cgroupns"}
_SHM_SIZE = "64m"
"""What --shm-size is when nobody types it."""
_PROTECTED = ["nosuid", "noexec", "nodev"]


def modes(options: CreateOptions) -> dict[str, str]:
    """Return `host`, or the word for a namespace of its own, by OCI's names of namespaces.

    Raises UsageError, PypodError.
    """
    typed = {
        "pid": options.pid,
        "ipc": options.ipc,
        "uts": options.uts,
        "cgroup": options.cgroupns,
    }
    for kind, word in typed.items():
        option = f"--{_OPTION.get(kind, kind)} {word}"
        if word.partition(":")[0] in ("container", "ns", "pod"):
            raise PypodError(f"{option}: joining another's namespace is not there yet")
        if word not in ("", "host", *_OWN[kind]):
            known = " or ".join(("host", *_OWN[kind]))
            raise UsageError(f"{option}: unrecognized namespace mode", hint=known)
    if typed["uts"] == "host" and options.hostname:
        raise UsageError("--hostname: cannot set hostname when running in the host UTS namespace")
    if typed["ipc"] in ("host", "none") and options.shm_size not in ("", _SHM_SIZE):
        raise UsageError(f"--shm-size: with --ipc {options.ipc} there is no /dev/shm of its own")
    return {kind: word or "private" for kind, word in typed.items()}


def apply(config: dict[str, Any], options: CreateOptions, *, host_mqueue: bool) -> None:
    """Take out of a configuration what stays the host's; `host_mqueue`: it has /dev/mqueue."""
    found = modes(options)
    linux = config["linux"]
    linux["namespaces"] = [
        space for space in linux["namespaces"] if found.get(space["type"]) != "host"
    ]
    if found["uts"] == "host":
        del config["hostname"]
    changed: dict[str, dict[str, Any] | None] = {}
    if found["pid"] == "host":
        changed["/proc"] = _bound("/proc", "rbind", *_PROTECTED)
    if found["ipc"] == "host":
        changed["/dev/shm"] = _bound("/dev/shm", "bind", *_PROTECTED)
        changed["/dev/mqueue"] = _bound("/dev/mqueue", "bind", *_PROTECTED) if host_mqueue else None
    elif found["ipc"] == "none":
        changed["/dev/shm"] = None
    if found["cgroup"] == "host":
        changed["/sys/fs/cgroup"] = _bound("/sys/fs/cgroup", "rbind", *_PROTECTED, "ro")
    for text in options.tmpfs:
        changed.pop(text.partition(":")[0], None)
    mounts = []
    for mount in config["mounts"]:
        place = mount["destination"]
        own = place in changed and mount.get("type") not in ("bind", "overlay")
        now = changed[place] if own else mount
        if now is not None:
            mounts.append(now)
    config["mounts"] = mounts


def _bound(path: str, *options: str) -> dict[str, Any]:
    return {
        "destination": path,
        "type": "bind",
        "source": path,
        "options": [*options, "rprivate"],
    }
