# SPDX-License-Identifier: Apache-2.0
"""config.json to a plan: the rules that a golden plan does not explain."""

from __future__ import annotations

from typing import Any

import pytest

from pypod.plan.compile import compile_exec, compile_run, compile_tool, is_nested
from pypod.plan.mounts import PlanError, split_layers
from pypod.plan.ops import Op, op
from tests.golden.make_plans import ROOT, SINGLE, USER, configuration, mount


def verbs(plan: list[Op]) -> list[str]:
    return [one.verb for one in plan]


def find(plan: list[Op], verb: str) -> list[tuple[str, ...]]:
    return [one.words for one in plan if one.verb == verb]


def before(plan: list[Op], first: str, then: str) -> bool:
    """Whether every operation `first` stands before every operation `then`; both are there."""
    order = verbs(plan)
    last = len(order) - 1 - order[::-1].index(first)
    return last < order.index(then)


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ("private", "source"),  # or the host would see what is mounted
        ("source", "identity"),  # the caller's groups count for what he may bind
        ("identity", "overlay"),  # the mounter's rights are the container root's
        ("overlay", "device"),
        ("device", "bind"),  # a bind could lie over /dev, by a link of the image
        ("sysctl", "readonly"),  # /proc/sys is among them
        ("readonly", "mask"),  # a later read-only copy would uncover what was masked
        ("mask", "pivot"),
        ("bounding", "groups"),  # needs CAP_SETPCAP
        ("groups", "user"),  # needs CAP_SETGID
        ("user", "cwd"),  # with the final user's rights
        ("user", "die-with-parent"),  # a change of ids clears it
        ("capabilities", "release"),
        ("release", "exec"),
    ],
)
def test_the_order_is_that_of_the_rights_each_step_needs(first: str, then: str) -> None:
    assert before(compile_run(configuration(USER), USER), first, then)


def test_a_filter_comes_before_the_capabilities_go_unless_there_is_no_new_privs() -> None:
    plan = compile_run(configuration(USER), USER)
    assert before(plan, "seccomp", "capabilities")
    plan = compile_run(configuration(USER, noNewPrivileges=True), USER)
    assert before(plan, "no-new-privs", "seccomp")
    assert before(plan, "capabilities", "seccomp")


def test_no_filter_is_loaded_where_the_configuration_has_none() -> None:
    config = configuration(USER)
    del config["linux"]["seccomp"]
    assert "seccomp" not in verbs(compile_run(config, USER))
    assert "seccomp" not in verbs(compile_exec(config, config["process"], USER))


def test_a_privileged_exec_has_no_filter_though_the_container_has() -> None:
    config = configuration(USER)
    process = {**config["process"], "seccomp": False}
    assert "seccomp" not in verbs(compile_exec(config, process, USER))


def test_the_maps_are_written_by_the_tools_only_for_subordinate_ids() -> None:
    def tools(facts: Any) -> list[str]:
        return [words[1] for words in find(compile_run(configuration(facts), facts), "map")]

    assert tools(USER) == ["/usr/bin/newuidmap", "/usr/bin/newgidmap"]
    assert tools(SINGLE) == tools(ROOT) == ["direct", "direct"]


def test_with_a_single_id_groups_stay_as_they_are() -> None:
    plan = compile_run(configuration(SINGLE), SINGLE)
    assert "deny-setgroups" in verbs(plan)
    assert "groups" not in verbs(plan)
    assert find(plan, "identity") == [("0", "0", "keep")]
    named = {**configuration(SINGLE)["process"], "user": {"username": "bob"}}
    exec_plan = compile_exec(configuration(SINGLE), named, SINGLE)
    assert find(exec_plan, "user-name") == [("bob", "keep")]


def test_the_single_id_is_the_containers_user() -> None:
    config = configuration(SINGLE, user={"uid": 33, "gid": 44})
    config["linux"]["uidMappings"] = [{"containerID": 33, "hostID": 1000, "size": 1}]
    config["linux"]["gidMappings"] = [{"containerID": 44, "hostID": 1000, "size": 1}]
    plan = compile_run(config, SINGLE)
    assert find(plan, "identity") == [("33", "44", "keep")]
    assert find(plan, "user") == [("33", "44")]


def test_layers_keep_colons_and_commas_that_are_escaped() -> None:
    assert split_layers(r"/a\:b:/c\,d:/e\\f") == ["/a:b", "/c,d", r"/e\f"]


def test_a_hundred_layers_are_a_hundred_words() -> None:
    config = configuration(USER)
    layers = [f"/s/{number}" for number in range(127)]
    config["mounts"][0]["options"][1] = "lowerdir=" + ":".join(layers)
    assert find(compile_run(config, USER), "overlay")[0][4:] == tuple(layers)


def test_without_an_overlay_the_root_is_a_directory() -> None:
    config = configuration(USER)
    del config["mounts"][0]
    assert find(compile_run(config, USER), "root") == [("/s/c/rootfs",)]


def test_nothing_is_put_into_a_dev_that_is_the_users_own_directory() -> None:
    config = configuration(USER)
    kept = [one for one in config["mounts"] if not one["destination"].startswith("/dev")]
    config["mounts"] = kept
    config["mounts"].append(mount("/dev", "bind", "rbind", source="/home/ann/dev"))
    plan = compile_run(config, USER)
    assert "device" not in verbs(plan)
    assert "link" not in verbs(plan)


@pytest.mark.parametrize("place", ["/proc", "/sys", "/dev"])
def test_what_protects_the_host_is_never_mounted_through_a_link(place: str) -> None:
    plan = compile_run(configuration(USER), USER)
    flags = [words[2] for words in find(plan, "mount") if words[0] == place]
    assert len(flags) == 1
    assert "real" in flags[0].split(",")


def test_a_bind_is_recursive_unless_it_says_bind() -> None:
    sources = find(compile_run(configuration(USER), USER), "source")
    assert sources == [("0", "/s/c/hosts", "one"), ("1", "/home/ann/data", "rec")]


def test_both_halves_of_a_bind_are_described_as_the_whole() -> None:
    plan = compile_run(configuration(USER), USER)
    both = ["bind /s/c/hosts -> /etc/hosts", "bind /home/ann/data -> /data (ro,slave)"]
    assert [one.describe() for one in plan if one.verb == "bind"] == both
    assert [one.describe() for one in plan if one.verb == "source"] == both


@pytest.mark.parametrize(
    "wrong",
    [
        mount("/x", "bind", "rbind", "frobnicate", source="/y"),
        mount("/sys/fs/cgroup", "cgroup"),
    ],
)
def test_what_pypod_init_cannot_mount_is_refused_before_anything_is_started(
    wrong: dict[str, Any],
) -> None:
    config = configuration(USER)
    config["mounts"].append(wrong)
    with pytest.raises(PlanError):
        compile_run(config, USER)


def test_loopback_and_hostname_belong_to_namespaces_of_ones_own() -> None:
    config = configuration(USER)
    spaces = config["linux"]["namespaces"]
    config["linux"]["namespaces"] = [one for one in spaces if one["type"] not in ("network", "uts")]
    plan = compile_run(config, USER)
    assert "loopback" not in verbs(plan)
    assert "hostname" not in verbs(plan)
    assert find(plan, "unshare") == [("user", "mount", "pid", "ipc", "cgroup")]


def test_another_network_is_entered_before_anything_is_made() -> None:
    config = configuration(USER)
    spaces = [space for space in config["linux"]["namespaces"] if space["type"] != "network"]
    spaces.append({"type": "network", "path": "/proc/self/fd/9"})
    config["linux"]["namespaces"] = spaces
    plan = compile_run(config, USER)
    first = next(number for number, one in enumerate(plan) if one.verb == "join-net")
    assert plan[first].words == ("9", "here") and first == 0
    made = next(one for one in plan if one.verb == "unshare")
    assert "net" not in made.words and "user" in made.words
    assert "loopback" not in [one.verb for one in plan]
    config["linux"]["namespaces"] = [
        {"type": "user", "path": "/proc/self/fd/9"} if space["type"] == "user" else space
        for space in spaces
    ]
    plan = compile_run(config, USER)
    assert plan[0].words == ("9", "owner")
    assert "map" not in [one.verb for one in plan], "its ids are those of the one that owns it"
    config["linux"]["namespaces"][0] = {"type": "pid", "path": "/x"}
    with pytest.raises(PlanError, match="cannot join"):
        compile_run(config, USER)


def test_descriptors_of_the_caller_are_the_last_thing_before_the_program() -> None:
    plan = compile_run(configuration(USER), USER, descriptors=2, listening=True)
    assert verbs(plan)[-2:] == ["descriptors", "exec"]
    assert find(plan, "descriptors") == [("10", "2", "listen")]
    process = configuration(USER)["process"]
    plan = compile_exec(configuration(USER), process, USER, descriptors=1)
    assert find(plan, "descriptors") == [("10", "1", "plain")]


def test_exec_writes_to_its_own_files_before_it_may_not() -> None:
    config = configuration(USER, oomScoreAdj=7, selinuxLabel="a:b:c:d")
    plan = compile_exec(config, config["process"], USER)
    assert before(plan, "oom", "join") and before(plan, "label", "join")
    plan = compile_run(config, USER)  # where newuidmap must not be executed with the label
    assert before(plan, "map", "label") and before(plan, "pivot", "label")
    assert before(plan, "label", "user")


def test_exec_joins_what_the_container_has_of_its_own() -> None:
    config = configuration(USER)
    config["linux"]["namespaces"] = [{"type": "mount"}, {"type": "pid"}]
    plan = compile_exec(config, config["process"], USER)
    assert plan[0] == op("join", 9, "mount", "pid")


def test_a_default_limit_is_clamped_and_any_other_is_exact() -> None:
    limits = [
        {"type": "RLIMIT_NOFILE", "soft": 10, "hard": 20},
        {"type": "RLIMIT_CORE", "soft": 0, "hard": 0},
    ]
    plan = compile_run(configuration(USER, rlimits=limits), USER)
    assert find(plan, "rlimit") == [("NOFILE", "10", "20", "clamp"), ("CORE", "0", "0", "exact")]


def test_a_tool_stays_in_the_callers_session_and_makes_no_new_one() -> None:
    plan = compile_tool(USER, ["/bin/sh"])
    assert verbs(plan) == ["map", "map", "unshare", "private", "identity", "environment", "exec"]


def test_a_tool_that_joins_makes_no_namespace() -> None:
    plan = compile_tool(USER, ["x"], exec_fd=5, join_pidfd=6, env={})
    assert verbs(plan) == ["join", "identity", "environment", "exec-fd"]


def test_only_a_map_that_lacks_some_of_the_callers_ids_is_nested() -> None:
    def nested(*uids: tuple[int, int, int]) -> bool:
        maps = {"uidMappings": uids, "gidMappings": USER.gid_map}
        linux = {
            key: [{"containerID": a, "hostID": b, "size": c} for a, b, c in extents]
            for key, extents in maps.items()
        }
        return is_nested(linux, USER)

    assert not nested(*USER.uid_map)
    assert not nested((0, 100000, 1000), (1000, 1000, 1), (1001, 101000, 64536))
    assert nested((0, 100000, 65536))
    assert nested((0, 1000, 1), (1, 100000, 5))
    assert not nested((0, 5, 1)), "not the caller's: newuidmap refuses it"
