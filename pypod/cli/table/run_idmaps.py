# SPDX-License-Identifier: Apache-2.0
"""Options of run and create for the ids of the host that the container's ids are.

The tuples are described in cli/table/__init__.py.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.cli.table import Option

IDMAP_OPTIONS: tuple[Option, ...] = (
    (
        "--userns",
        "userns",
        "opt",
        "MODE",
        "Ids: host (you are root inside), keep-id[:uid=,gid=,size=], nomap, auto[:size=]",
    ),
    ("--uidmap", "uidmap", "list", "[FLAGS]ID:FROM[:COUNT]", "User ids one by one"),
    ("--gidmap", "gidmap", "list", "[FLAGS]ID:FROM[:COUNT]", "Group ids one by one"),
    ("--subuidname", "subuidname", "str", "NAME", "Ids of this name in /etc/subuid"),
    ("--subgidname", "subgidname", "str", "NAME", "Ids of this name in /etc/subgid"),
)
