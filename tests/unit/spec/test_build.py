# SPDX-License-Identifier: Apache-2.0
"""The composer: the rules that a golden configuration does not explain."""

from __future__ import annotations

from typing import Any

import pytest

from pypod.errors import UsageError
from pypod.spec.build import container_config, create_document, etc_files
from pypod.spec.options import CreateOptions
from tests.golden.make_configs import (
    IMAGE,
    NO_CGROUP,
    ROOT,
    SINGLE,
    USER,
    config,
    identity,
    image,
)


def files(**options: Any) -> dict[str, str]:
    return etc_files(CreateOptions(**options), IMAGE, USER, identity())


def places(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {mount["destination"]: mount for mount in found["mounts"]}


def test_the_root_file_system_is_the_first_mount() -> None:
    for facts in (USER, ROOT, SINGLE):
        first = config(facts)["mounts"][0]
        assert (first["destination"], first["type"]) == ("/", "overlay")


def test_an_image_without_layers_has_an_empty_one() -> None:
    bare = container_config(CreateOptions(), IMAGE, USER, identity(layers=()))
    assert "lowerdir=/s/c/empty" in bare["mounts"][0]["options"]


def test_labels_and_annotations_of_an_image_change_nothing() -> None:
    labels = {
        "run.oci.keep_original_groups": "1",
        "io.podman.annotations.privileged": "TRUE",
        "io.pypod.init": "1",
        "io.containers.capabilities": "SYS_ADMIN",
    }
    twin = image(cmd=["sh"], env=["PATH=/bin", "LANG=C"], labels=labels)
    assert config(record=twin) == config()


def test_the_image_says_user_directory_and_environment_unless_the_options_do() -> None:
    record = image(cmd=["sh"], user="bob", workdir="/srv", env=["A=image"])
    process = config(record=record)["process"]
    assert (process["user"]["uid"], process["cwd"]) == (1000, "/srv")
    assert "A=image" in process["env"]
    process = config(record=record, user="33", workdir="/tmp", env=("A=option",))["process"]
    assert (process["user"]["uid"], process["cwd"]) == (33, "/tmp")
    assert "A=option" in process["env"]


def test_supplementary_groups_come_from_the_image_and_need_ids() -> None:
    assert config(user="bob")["process"]["user"]["additionalGids"] == [50, 60]
    assert config(SINGLE, user="bob")["process"]["user"]["additionalGids"] == []


def test_the_limit_of_open_files_is_what_the_host_can_give() -> None:
    many = USER.replace(nofile_hard=1 << 30)
    few = USER.replace(nofile_hard=1024)
    for facts, most in ((many, 1048576), (few, 1024)):
        limit = config(facts)["process"]["rlimits"][0]
        assert limit == {"type": "RLIMIT_NOFILE", "soft": most, "hard": most}


def test_capabilities_that_the_host_lacks_are_not_promised() -> None:
    weak = USER.replace(cap_bounding=USER.cap_bounding & ~(1 << 24))
    held = config(weak, privileged=True)["process"]["capabilities"]["bounding"]
    assert "CAP_SYS_RESOURCE" not in held
    assert len(held) == 40


def test_privileged_has_no_filter_no_masks_and_a_writable_sys() -> None:
    found = config(privileged=True)
    assert not {"seccomp", "maskedPaths", "readonlyPaths"} & set(found["linux"])
    assert "ro" not in places(found)["/sys"]["options"]
    assert "ro" in places(config())["/sys"]["options"]


def test_the_hosts_network_shows_the_hosts_sys_read_only_and_masked() -> None:
    found = config(NO_CGROUP, network="host")
    sys = places(found)["/sys"]
    assert (sys["type"], sys["source"]) == ("bind", "/sys")
    assert "ro" in sys["options"]
    assert "/sys/kernel" in found["linux"]["maskedPaths"]
    assert places(found)["/sys/fs/cgroup"]["type"] == "tmpfs"
    assert found["hostname"] == "desk"
    assert "/etc/resolv.conf" in places(found)
    assert "/etc/resolv.conf" not in places(config(network="none"))


def test_cgroups_show_where_there_is_version_2() -> None:
    assert places(config())["/sys/fs/cgroup"]["type"] == "cgroup2"
    assert "/sys/fs/cgroup" not in places(config(NO_CGROUP))


@pytest.mark.parametrize(
    ("words", "no_new_privs", "filtered"),
    [
        ((), False, True),
        (("no-new-privileges",), True, True),
        (("no-new-privileges:true",), True, True),
        (("no-new-privileges=false",), False, True),
        (("seccomp=unconfined",), False, False),
        (("seccomp:unconfined", "no-new-privileges"), True, False),
        (("label=disable", "apparmor=unconfined"), False, True),
    ],
)
def test_security_options(words: tuple[str, ...], no_new_privs: bool, filtered: bool) -> None:
    found = config(security_opt=words)
    assert found["process"]["noNewPrivileges"] is no_new_privs
    assert ("seccomp" in found["linux"]) is filtered


@pytest.mark.parametrize("word", ["", "frobnicate", "no-new-privileges=maybe"])
def test_a_wrong_security_option_is_a_usage_error(word: str) -> None:
    with pytest.raises(UsageError, match="--security-opt"):
        config(security_opt=(word,))


def test_a_relative_working_directory_is_refused() -> None:
    with pytest.raises(UsageError, match="absolute path"):
        config(workdir="srv")


def test_etc_files_name_the_container() -> None:
    made = files()
    assert set(made) == {"hostname", "containerenv"}
    assert made["hostname"] == "0123456789ab\n"
    assert made["containerenv"].splitlines() == [
        'engine="pypod"',
        'name="box"',
        f'id="{identity().id}"',
        'image="localhost/box:latest"',
        f'imageid="{"1" * 64}"',
        "rootless=1",
    ]


def test_etc_files_use_the_asked_host_name() -> None:
    assert files(hostname="box.test")["hostname"] == "box.test\n"
    assert files(network="host")["hostname"] == "desk\n"


def document(**options: Any) -> dict[str, Any]:
    record = image(cmd=["c"], entrypoint=["/e"], labels={"a": "1", "b": "2"}, stop_signal="SIGQUIT")
    return create_document(CreateOptions(**options), record, USER, identity())


def test_the_record_says_what_stop_and_inspect_need() -> None:
    made = document()
    assert (made["command"], made["entrypoint"], made["cmd"]) == (["/e", "c"], ["/e"], ["c"])
    assert (made["stop_signal"], made["stop_timeout"]) == (3, 10)
    assert made["labels"] == {"a": "1", "b": "2"}
    assert made["network"] == "pasta"


def test_options_of_the_record_win_over_the_image() -> None:
    made = document(stop_signal="9", label=("b=3", "c", "d=e=f"), volume=("/x:/y",))
    assert made["stop_signal"] == 9
    assert made["labels"] == {"a": "1", "b": "3", "c": "", "d": "e=f"}
    assert made["mounts"] == ["/y"]


def test_a_label_needs_a_name() -> None:
    with pytest.raises(UsageError, match="--label"):
        document(label=("=x",))


@pytest.mark.parametrize(
    ("options", "once"),
    [
        ({}, False),
        ({"interactive": True}, True),
        ({"interactive": True, "detach": True}, False),
    ],
)
def test_standard_input_ends_with_a_client_in_the_foreground(
    options: dict[str, Any], once: bool
) -> None:
    assert document(**options)["stdin_once"] is once


def test_the_text_of_an_env_file_is_in_no_record() -> None:
    assert "s3cret" not in str(document(env_file=("A=s3cret\n",)))
