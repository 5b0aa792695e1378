# SPDX-License-Identifier: Apache-2.0
"""What this host and this caller can do, as data. kernel/facts.py finds it out."""

from __future__ import annotations

from pypod.value import Value

Extent = tuple[int, int, int]
"""(first id inside, first id outside, count), a line of /proc/PID/uid_map."""


class HostFacts(Value):
    """The facts that the composer and the compiler need: they look at nothing themselves."""

    uid: int
    gid: int
    user: str
    """Login name, or the number when there is none."""
    home: str
    map: str
    """full (subordinate ids), single (the caller's id alone) or root."""
    uid_map: tuple[Extent, ...]
    gid_map: tuple[Extent, ...]
    cap_bounding: int
    """The caller's bounding set as a mask: what the host lacks cannot be given."""
    nofile_hard: int
    kernel: tuple[int, int]
    machine: str
    """uname(2)'s machine: x86_64, aarch64, …"""
    nodename: str = ""
    """uname(2)'s host name."""
    newuidmap: str = ""
    newgidmap: str = ""
    no_new_privs: bool = False
    cgroup: str = "none"
    """v2 where a cgroup v2 hierarchy is mounted at /sys/fs/cgroup, else none."""
    thermal_throttle: tuple[str, ...] = ()
    """The directories of security.md's masked paths that exist on this host."""
    single_reason: str = ""
    """Why there is only one id, and what that means; empty when there are more."""

    @property
    def layer_map(self) -> str:
        """The directory of layers that fits this map (STORE.md)."""
        return "single" if self.map == "single" else "full"
