# SPDX-License-Identifier: Apache-2.0
"""Plans that run a tool of ours near a container: in its id map, and with its root to look at."""

from __future__ import annotations

from pypod.plan import compile as plan
from pypod.plan.mounts import root_ops
from pypod.plan.ops import Op, op

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from pypod.spec.facts import HostFacts


def compile_in_map(
    config: dict[str, Any], facts: HostFacts, argv: Sequence[str], exec_fd: int
) -> list[Op]:
    """Return the plan that runs a sealed helper as root of the container's id map.

    With a single id it is the user's default map: all files are the caller's in both. So it is
    when the container has none of the caller's ids: its root may not go where its files are.
    """
    return [*_begin(config, facts), *_end(argv, exec_fd)]


def compile_inside(
    config: dict[str, Any], facts: HostFacts, path: str, argv: Sequence[str], exec_fd: int
) -> list[Op]:
    """Return the plan that runs a sealed helper as root of the container, with `path` as its `/`.

    For a container that has none of the caller's ids (plan.is_nested). Without a `path` it is the
    container's root file system.
    """
    ops = plan.nest_ops(config, facts, root=not path)
    root = path or config["root"]["path"]
    ops += [op("unshare", "user", "mount"), op("private"), op("root", root)]
    return [*ops, op("identity", 0, 0, "setgroups"), op("pivot"), *_end(argv, exec_fd)]


def compile_in_root(
    config: dict[str, Any], facts: HostFacts, argv: Sequence[str], exec_fd: int
) -> list[Op]:
    """Return the same with the container's root mounted on the bundle's empty directory.

    Nothing else of the container is there: no /proc, no volumes, no process of it.
    """
    root = root_ops(config)
    return [*_begin(config, facts), *root, *_end(argv, exec_fd)]


def compile_joined(
    config: dict[str, Any], facts: HostFacts, argv: Sequence[str], exec_fd: int, pidfd: int
) -> list[Op]:
    """Return the plan that runs a sealed helper in a running container's namespaces.

    Only in its user and mount namespace: no process of the container sees it, nothing of the
    image is executed.
    """
    uid, gid, groups = 0, 0, "setgroups"
    if facts.map == "single":
        linux = config["linux"]
        uid, gid = linux["uidMappings"][0]["containerID"], linux["gidMappings"][0]["containerID"]
        groups = "keep"
    begin = [op("join", pidfd, "user", "mount"), op("identity", uid, gid, groups)]
    return [*begin, *_end(argv, exec_fd)]


def compile_over(
    facts: HostFacts, base: str, lowers: Sequence[str], argv: Sequence[str], exec_fd: int
) -> list[Op]:
    """Return the plan that runs a helper with an overlay on BASE/root, in the default map.

    BASE has `upper` and `work` too. An empty word stands before lower directories of data only.
    """
    ops = plan.map_ops(facts, facts.uid_map, facts.gid_map)
    keep = "keep" if facts.map == "single" else "setgroups"
    ops += [op("unshare", "user", "mount"), op("private"), op("identity", 0, 0, keep)]
    words = (f"{base}/root", f"{base}/upper", f"{base}/work", "userxattr", *lowers)
    return [*ops, op("overlay", *words), *_end(argv, exec_fd)]


def compile_show(
    base: str, name: str, lowers: Sequence[str], argv: Sequence[str], exec_fd: int
) -> list[Op]:
    """Return the plan that mounts layers read-only on BASE/NAME, in the caller's own namespaces."""
    overlay = op("overlay", f"{base}/{name}", "", "", "userxattr", *lowers)
    return [op("show", base, name), overlay, *_end(argv, exec_fd)]


def compile_hide(
    base: str, name: str, argv: Sequence[str], exec_fd: int, *, lazy: bool
) -> list[Op]:
    """Return the plan that undoes it; `lazy` also while somebody is in there."""
    return [op("hide", base, name, "lazy" if lazy else "now"), *_end(argv, exec_fd)]


def _begin(config: dict[str, Any], facts: HostFacts) -> list[Op]:
    if facts.map == "single" or plan.is_nested(config["linux"], facts):
        ops = plan.map_ops(facts, facts.uid_map, facts.gid_map)
    else:
        ops = plan.id_maps(config["linux"], facts)
    keep = "keep" if facts.map == "single" else "setgroups"
    return [*ops, op("unshare", "user", "mount"), op("private"), op("identity", 0, 0, keep)]


def _end(argv: Sequence[str], exec_fd: int) -> list[Op]:
    return [op("environment", "PATH=/usr/bin:/bin"), op("exec-fd", exec_fd, *argv)]
