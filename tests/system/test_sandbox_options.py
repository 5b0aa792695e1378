# SPDX-License-Identifier: Apache-2.0
"""The options of the sandbox, each looked at from inside the container."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures import images, probe
from tests.fixtures.program import Program
from tests.fixtures.registry import Registry
from tests.golden.make_probe import names as research
from tests.golden.make_probe import verdicts

pytestmark = pytest.mark.own
NONE = ("--network", "none")
PODMANS_PROFILE = Path("/usr/share/containers/seccomp.json")
HELD = 1 << 12
"""CAP_NET_ADMIN."""


@pytest.fixture(scope="module")
def probe_image(
    program: Program, registry: Registry, tmp_path_factory: pytest.TempPathFactory
) -> str:
    return probe.image(program, registry, tmp_path_factory.mktemp("probe"))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a root file system of the caller's: busybox, a user, groups."""
    root = tmp_path / "tree"
    for name, content in images.busybox_files().items():
        path = root / name
        if not isinstance(content, (bytes, tuple)):
            if content.issym():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.symlink_to(content.linkname)
            else:
                path.mkdir(parents=True, exist_ok=True)
            continue
        data, mode = content if isinstance(content, tuple) else (content, 0o644)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(mode)
    return root


def inside(pypod: Program, image: str, *options: str, script: str) -> list[str]:
    """Return the lines that a shell prints in a container with these options."""
    return pypod("run", "--rm", *NONE, *options, image, "sh", "-c", script).out.splitlines()


def refused(pypod: Program, image: str, *options: str) -> str:
    """Return the one line of an error; nothing may be left of the container."""
    done = pypod("create", *NONE, "--name", "refused", *options, image, "true", check=125)
    lines = done.err.splitlines()
    assert lines[0].startswith("Error: "), done.err
    assert len([line for line in lines if not line.startswith("Hint: ")]) == 1, done.err
    assert done.out == ""
    assert pypod("container", "exists", "refused", check=None).rc == 1
    return lines[0]


# --security-opt seccomp=


def profile(path: Path, **document: Any) -> str:
    """Write a profile; return the option."""
    path.write_text(json.dumps(document))
    return f"seccomp={path}"


def test_a_profile_of_ones_own_decides(pypod: Program, image: str, tmp_path: Path) -> None:
    option = profile(
        tmp_path / "p.json",
        defaultAction="SCMP_ACT_ALLOW",
        syscalls=[
            {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28},
            {"names": ["sync"], "action": "SCMP_ACT_KILL_PROCESS"},
            {
                "names": ["kill"],
                "action": "SCMP_ACT_ERRNO",
                "args": [{"index": 1, "value": 10, "op": "SCMP_CMP_EQ"}],
            },
        ],
    )
    script = "mkdir /x; kill -10 $$ && echo ten; kill -0 $$ && echo zero; sync; echo $?"
    words = ("--security-opt", option, image, "sh", "-c", script)
    done = pypod("run", "--rm", *NONE, *words)
    assert "No space left" in done.err
    assert done.out.split() == ["zero", "159"], "128 + SIGSYS"
    name = pypod("run", "-d", *NONE, "--security-opt", option, image, "sleep", "1000").line
    assert "No space left" in pypod("exec", name, "mkdir", "/x", check=1).err
    (tmp_path / "p.json").unlink()
    pypod("stop", "-t", "0", name)
    pypod("start", name)
    assert "No space left" in pypod("exec", name, "mkdir", "/x", check=1).err, "kept in the record"


def test_a_profile_is_found_from_the_callers_directory(
    pypod: Program, image: str, tmp_path: Path
) -> None:
    profile(tmp_path / "p.json", defaultAction="SCMP_ACT_ALLOW")
    words = ("--security-opt", "seccomp=./p.json", image, "grep", "Seccomp:", "/proc/self/status")
    assert pypod("run", "--rm", *NONE, *words, cwd=tmp_path).line.split() == ["Seccomp:", "2"]


@pytest.mark.passes("user")
@pytest.mark.parametrize("caps", [(), ("SYS_ADMIN",), ("SYS_PTRACE", "SYS_TIME", "BPF")])
def test_podmans_profile_answers_as_with_podman(
    pypod: Program, probe_image: str, tree: Path, tmp_path: Path, caps: tuple[str, ...]
) -> None:
    shutil.copyfile(probe.build(tmp_path), tree / "probe")
    (tree / "probe").chmod(0o755)
    options = ["--security-opt", f"seccomp={PODMANS_PROFILE}"]
    options += [word for cap in caps for word in ("--cap-add", cap)]
    ours = probe.answer(pypod("run", "--rm", *NONE, *options, probe_image, "/probe").out)
    podman = Program("podman")
    words = ("run", "--rm", *NONE, *options, "--rootfs", f"{tree}", "/probe")
    theirs = probe.answer(podman(*words).out)
    podman("system", "migrate")  # ends its pause process
    for key in ("syscalls", "families", "arguments"):
        assert ours[key] == theirs[key], key


def test_unknown_system_calls_of_a_profile_are_left_out_and_named(
    pypod: Program, image: str, tmp_path: Path
) -> None:
    rule = {"names": ["frobnicate", "getpid"], "action": "SCMP_ACT_ERRNO"}
    option = profile(tmp_path / "p.json", defaultAction="SCMP_ACT_ALLOW", syscalls=[rule])
    words = ("run", "--rm", *NONE, "--security-opt", option, image, "true")
    assert "frobnicate" in pypod("--log-level", "debug", *words).err
    assert pypod(*words).err == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("{", "not JSON"),
        ("[]", "JSON object"),
        ('{"defaultAction": "X"}', "unknown action"),
        ('{"defaultAction": "SCMP_ACT_ALLOW", "defaultAction": "SCMP_ACT_KILL"}', "twice"),
        ('{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["a"]}]}', "unknown action"),
        (None, "No such file"),
    ],
)
def test_a_bad_profile_is_one_line(
    pypod: Program, image: str, tmp_path: Path, text: str | None, said: str
) -> None:
    path = tmp_path / "p.json"
    if text is not None:
        path.write_text(text)
    error = refused(pypod, image, "--security-opt", f"seccomp={path}")
    assert said in error and str(path) in error


def test_a_profile_whose_filter_cannot_be_made_is_refused_at_create(
    pypod: Program, image: str, tmp_path: Path
) -> None:
    test = {"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}
    rules = [
        {"names": [f"call{number}"], "action": "SCMP_ACT_ALLOW", "args": [test]}
        for number in range(200)
    ]
    option = profile(tmp_path / "p.json", defaultAction="SCMP_ACT_ERRNO", syscalls=rules)
    assert "argument rules" in refused(pypod, image, "--security-opt", option)


# Capabilities and what they open.


@pytest.mark.parametrize(
    "section", sorted(name for name in research() if name.startswith("capability "))
)
def test_a_capability_opens_its_system_calls_and_no_others(
    pypod: Program, probe_image: str, section: str
) -> None:
    capability = section.split()[1]
    answer = probe.answer(
        pypod("run", "--rm", *NONE, "--cap-add", capability, probe_image, "/probe").out
    )
    wanted = verdicts(frozenset(("SYS_CHROOT", capability)))
    found = answer["syscalls"]
    assert {n: found[n] for n in wanted if found[n] != wanted[n]} == {}
    assert answer["families"]["38"] == answer["families"]["40"] == "EPERM"
    flags = {text for key, text in answer["arguments"].items() if key.startswith("clone ")}
    assert flags == ({"ALLOW"} if capability == "SYS_ADMIN" else {"ALLOW", "EPERM"})


@pytest.mark.parametrize(
    "capability",
    ["NET_ADMIN", "NET_RAW", "SYS_RESOURCE", "MKNOD", "LEASE", "CHECKPOINT_RESTORE", "IPC_LOCK"],
)
def test_other_capabilities_open_no_system_call(
    pypod: Program, probe_image: str, capability: str
) -> None:
    words = ("run", "--rm", *NONE, "--cap-add", capability, probe_image, "/probe")
    answer = probe.answer(pypod(*words).out)
    assert answer["syscalls"] == probe.GOLDEN["syscalls"]
    assert answer["arguments"] == probe.GOLDEN["arguments"]


def test_audit_write_opens_the_audit_socket(pypod: Program, probe_image: str) -> None:
    words = ("run", "--rm", *NONE, "--cap-add", "AUDIT_WRITE", probe_image, "/probe")
    answer = probe.answer(pypod(*words).out)
    assert answer["arguments"]["socket AF_NETLINK NETLINK_AUDIT"] == "ALLOW"


def test_capabilities_that_were_added_do_something(pypod: Program, image: str) -> None:
    script = "mount -t tmpfs none /mnt && echo mounted; unshare -n true && echo unshared"
    script = "mkdir -p /mnt; " + script
    assert inside(pypod, image, "--cap-add", "SYS_ADMIN", script=script) == ["mounted", "unshared"]
    done = pypod("run", "--rm", *NONE, image, "sh", "-c", script, check=1)
    assert done.out == "" and "not permitted" in done.err


# mask, unmask, proc-opts


def test_masks_hide_files_and_directories_also_under_a_mount(
    pypod: Program, image: str, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("s3cret")
    volume = ("-v", f"{tmp_path}:/etc/deep")
    mask = ("--security-opt", "mask=/etc/deep/secret:/home:/nothing/there")
    script = "cat /etc/deep/secret; ls /home | wc -l; touch /home/x 2>/dev/null || echo refused"
    for options in ((*volume, *mask), (*mask, *volume)):
        assert inside(pypod, image, *options, script=script) == ["0", "refused"]
    more = ("--security-opt", "mask=/etc/deep", "--tmpfs", "/etc/deep")
    assert inside(pypod, image, *more, script="touch /etc/deep/x 2>/dev/null || echo no") == ["no"]
    assert (tmp_path / "secret").read_text() == "s3cret"


def test_a_mask_never_follows_a_link(pypod: Program, registry: Registry) -> None:
    files = images.busybox_files(link=images.link("/etc/passwd"))
    name = registry.push(images.make([files]), "test/masklink")
    pypod.pull(name)
    script = "cat /link; grep -c root /etc/passwd"
    assert inside(pypod, name, "--security-opt", "mask=/link", script=script) == ["1"]


def test_unmask_shows_what_it_names(pypod: Program, probe_image: str) -> None:
    def answer(*options: str) -> dict[str, Any]:
        words = ("run", "--rm", *NONE, *options, probe_image, "/probe", *probe.PATHS)
        return probe.answer(pypod(*words).out)

    one = answer("--security-opt", "unmask=/proc/interrupts:/proc/sys")["mounts"]
    assert "/proc/interrupts" not in one and "/proc/sys" not in one
    assert "/proc/keys" in one and "/sys/firmware" in one
    globbed = answer("--security-opt", "unmask=/proc/*")["mounts"]
    assert not [place for place in globbed if place.startswith("/proc/")]
    assert "/sys/firmware" in globbed
    for word in ("unmask=ALL", "systempaths=unconfined"):
        everything = answer("--security-opt", word)
        places = [place for place in everything["mounts"] if place.startswith(("/proc/", "/sys/"))]
        assert {place for place in places if place != "/sys/fs/cgroup"} == set()
        assert everything["status"]["Seccomp"] == "2"


def test_options_of_procfs(pypod: Program, image: str) -> None:
    script = (
        "grep ' /proc proc' /proc/self/mounts; ls /proc/sys /proc/uptime; ls -d /proc/self/status"
    )
    options = ("--security-opt", "proc-opts=hidepid=2,subset=pid")
    words = ("run", "--rm", *NONE, *options, image, "sh", "-c", script)
    done = pypod(*words)
    assert "hidepid=invisible" in done.out and "subset=pid" in done.out
    assert done.err.count("No such file") == 2, done.err
    assert done.out.endswith("/proc/self/status\n")


def test_labels_and_profiles_where_the_host_has_none(pypod: Program, image: str) -> None:
    for word in (
        "label=disable",
        "label=type:spc_t",
        "label=level:s0:c1,c2",
        "apparmor=unconfined",
    ):
        done = pypod("run", "--rm", *NONE, "--security-opt", word, image, "echo", "ran")
        assert (done.out, done.err) == ("ran\n", "")
    assert "AppArmor is not enabled" in refused(pypod, image, "--security-opt", "apparmor=tight")


@pytest.mark.parametrize(
    "word", ["seccomp=", "mask=x", "unmask=", "proc-opts=x", "label=x", "systempaths=x", "x=y"]
)
def test_bad_input_to_security_opt(pypod: Program, image: str, word: str) -> None:
    assert f"{word}" in refused(pypod, image, "--security-opt", word)


# Groups


@pytest.mark.passes("user", "root")
def test_groups_are_added(pypod: Program, image: str) -> None:
    options = ("--group-add", "daemon,4321", "--group-add", "user")
    assert inside(pypod, image, *options, script="id -G") == ["0 1 1000 4321"]
    options = ("-u", "user", "--group-add", "77")
    assert inside(pypod, image, *options, script="id -G") == ["1000 77 2000"]
    name = pypod("run", "-d", *NONE, *options, image, "sleep", "1000").line
    assert pypod("exec", name, "id", "-G").line == "1000 77 2000"


def test_bad_input_to_group_add(pypod: Program, image: str, test_pass: str) -> None:
    assert "nosuch" in refused(pypod, image, "--group-add", "nosuch")
    both = ("--group-add", "keep-groups", "--group-add", "7")
    assert "keep-groups" in refused(pypod, image, *both)
    if test_pass == "single":
        assert "single id" in refused(pypod, image, "--group-add", "7")
    if test_pass == "user":
        assert "not mapped" in refused(pypod, image, "--group-add", "4000000")


def test_keep_groups_keeps_those_of_the_caller(pypod: Program, image: str) -> None:
    script = "grep ^Groups: /proc/self/status | wc -w"
    kept = 1 + len(os.getgroups())
    option = ("--group-add", "keep-groups")
    assert inside(pypod, image, *option, script=script) == [str(kept)]
    name = pypod("run", "-d", *NONE, *option, image, "sleep", "1000").line
    assert pypod("exec", name, "sh", "-c", script).line == str(kept)
    assert pypod("exec", "-u", "root", name, "sh", "-c", script).line == str(kept)


# Devices


def test_devices_of_the_host(pypod: Program, image: str) -> None:
    script = "stat -c '%F %t:%T' /dev/fuse /dev/other /deep/er; echo x > /dev/other; echo $?"
    options = ("--device", "/dev/fuse", "--device=/dev/null:/dev/other:rw")
    options += ("--device", "/dev/zero:/deep/er")
    found = inside(pypod, image, *options, script=script)
    device = os.stat("/dev/fuse").st_rdev
    names = [f"{os.major(device):x}:{os.minor(device):x}", "1:3", "1:5"]
    assert found == [*(f"character special file {name}" for name in names), "0"]
    head = inside(pypod, image, *options, script="head -c 3 /deep/er | wc -c")
    assert head == ["3"]


def test_a_directory_of_devices(pypod: Program, image: str) -> None:
    script = "ls /dev/net /n; : < /n/tun && echo opened"
    options = ("--device", "/dev/net", "--device", "/dev/net:/n")
    found = inside(pypod, image, *options, script=script)
    assert found.count("tun") == 2
    assert found[-1] == "opened"


def test_rights_that_nothing_enforces_are_said(pypod: Program, image: str) -> None:
    words = ("run", "--rm", *NONE, "--device", "/dev/fuse:r", image, "true")
    assert "writing is not taken away" in pypod(*words).err
    assert pypod("run", "--rm", *NONE, "--device", "/dev/fuse:rw", image, "true").err == ""


def test_a_devices_mode_holds(pypod: Program, image: str, test_pass: str) -> None:
    path = next(
        path
        for path in ("/dev/loop-control", "/dev/kmsg", "/dev/vda")
        if not (os.access(path, os.W_OK) and test_pass != "root") and os.path.exists(path)
    )
    words = ("run", "--rm", *NONE, "--device", path, image, "sh", "-c", f"cat {path} | head -c 1")
    done = pypod(*words, timeout=20)
    assert "denied" in done.err or "not permitted" in done.err or test_pass == "root"


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("/dev/nosuch", "No such file"),
        ("/etc/passwd", "not a device"),
        ("/usr/bin", "no device"),
        ("/dev/fuse:/x:q", "invalid device mode"),
        ("/dev/fuse:/proc/x", "/proc"),
        ("dev/fuse", "absolute"),
        ("nvidia.com/gpu=0", "not there yet"),
    ],
)
def test_bad_input_to_device(pypod: Program, image: str, word: str, said: str) -> None:
    assert said in refused(pypod, image, "--device", word)


# Settings and limits


def test_settings_of_the_containers_own(pypod: Program, image: str, test_pass: str) -> None:
    host = Path("/proc/sys/net/ipv4/ip_forward").read_text()
    options = ("--sysctl", "net.ipv4.ip_forward=1,net.core.somaxconn=77")
    most = "0" if test_pass == "single" else "7"
    options += ("--sysctl", f"net.ipv4.ping_group_range=0 {most}")
    script = "cd /proc/sys/net; cat ipv4/ip_forward core/somaxconn ipv4/ping_group_range"
    found = inside(pypod, image, *options, script=script)
    assert [line.split() for line in found] == [["1"], ["77"], ["0", most]]
    assert Path("/proc/sys/net/ipv4/ip_forward").read_text() == host


def test_settings_of_shared_memory_and_queues(pypod: Program, image: str) -> None:
    options = ("--sysctl", "kernel.shmmax=123456", "--sysctl", "fs.mqueue.msg_max=11")
    script = "cat /proc/sys/kernel/shmmax /proc/sys/fs/mqueue/msg_max"
    assert inside(pypod, image, *options, script=script) == ["123456", "11"]
    assert Path("/proc/sys/kernel/shmmax").read_text() != "123456\n"


@pytest.mark.parametrize(
    "word", ["kernel.core_pattern=x", "vm.swappiness=1", "net.x", "net../kernel/core_pattern=x"]
)
def test_bad_input_to_sysctl(pypod: Program, image: str, word: str) -> None:
    before = Path("/proc/sys/kernel/core_pattern").read_text()
    assert word.partition("=")[0] in refused(pypod, image, "--sysctl", word)
    assert Path("/proc/sys/kernel/core_pattern").read_text() == before


def test_bad_input_to_sysctl_of_the_hosts_network(pypod: Program, image: str) -> None:
    words = ("create", "--network", "host", "--sysctl", "net.ipv4.ip_forward=1", image, "true")
    assert "the host's" in pypod(*words, check=125).err


def test_a_setting_that_the_kernel_refuses_is_named(pypod: Program, image: str) -> None:
    for word in ("net.ipv4.ip_forward=maybe", "net.no.such=1"):
        done = pypod("run", "--rm", *NONE, "--sysctl", word, image, "true", check=125)
        assert f"sysctl {word}" in done.err


def test_limits(pypod: Program, image: str) -> None:
    options = ("--ulimit", "nofile=50:60", "--ulimit=core=0", "--ulimit", "nproc=1000")
    script = "ulimit -Sn; ulimit -Hn; ulimit -c; grep processes /proc/self/limits"
    found = inside(pypod, image, *options, script=script)
    assert found[:3] == ["50", "60", "0"]
    assert found[3].split()[2:4] == ["1000", "1000"]
    name = pypod("run", "-d", *NONE, *options, image, "sleep", "1000").line
    assert pypod("exec", name, "sh", "-c", "ulimit -Hn").line == "60"
    document = json.loads(pypod("inspect", name).out)[0]["HostConfig"]["Ulimits"]
    assert {"Name": "RLIMIT_NOFILE", "Soft": 50, "Hard": 60} in document


def test_a_limit_that_is_lower_at_start_is_no_silent_one(pypod: Program, image: str) -> None:
    import subprocess

    name = pypod("create", *NONE, "--ulimit", "nofile=1024", image, "true").line
    words = ["prlimit", "--nofile=512:512", *pypod.argv("start", "-a", name)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 125
    assert "ulimit nofile=1024" in done.stderr and "lower than at create" in done.stderr


def test_the_callers_limits_with_host(pypod: Program, image: str) -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    found = inside(pypod, image, "--ulimit", "host", script="ulimit -Sn; ulimit -Hn")
    assert found == [str(soft), str(hard)]


def test_bad_input_to_ulimit(pypod: Program, image: str) -> None:
    import resource

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    above = refused(pypod, image, "--ulimit", f"nofile={hard + 1}")
    assert "open files" in above and str(hard) in above
    for word in ("nofile", "x=1", "nofile=5:3", "nofile=a"):
        assert word in refused(pypod, image, "--ulimit", word)


def test_umask(pypod: Program, image: str) -> None:
    script = "umask; touch /x; stat -c %a /x"
    assert inside(pypod, image, "--umask", "0077", script=script) == ["0077", "600"]
    assert inside(pypod, image, script=script) == ["0022", "644"]
    name = pypod("run", "-d", *NONE, "--umask=27", image, "sleep", "1000").line
    assert pypod("exec", name, "sh", "-c", "umask").line == "0027"
    assert "umask" in refused(pypod, image, "--umask", "9")


# Environment, time zone, annotations, labels


def test_the_callers_whole_environment(pypod: Program, image: str) -> None:
    words = ("run", "--rm", *NONE, "--env-host", "-e", "B=mine", image, "env")
    found = pypod(*words, env={"A": "a=b", "B": "host", "PATH_TOO": "p"}).out.splitlines()
    assert {"A=a=b", "B=mine", "PATH_TOO=p"} <= set(found)
    plain = pypod("run", "--rm", *NONE, image, "env", env={"A": "a"}).out.splitlines()
    assert "A=a" not in plain


def test_variables_are_unset(pypod: Program, registry: Registry) -> None:
    config = {"Env": ["FROM_IMAGE=x", "OTHER=y", "PATH=/bin"]}
    name = registry.push(images.busybox(config), "test/unset")
    pypod.pull(name)
    words = ("--unsetenv", "FROM_IMAGE,container", "-e", "MINE=1", name, "env")
    found = pypod("run", "--rm", *NONE, *words).out
    assert "OTHER=y" in found and "MINE=1" in found
    assert "FROM_IMAGE" not in found and "container=" not in found
    out = pypod("run", "--rm", *NONE, "--unsetenv-all", "-e", "MINE=1", name, "/bin/env").out
    kept = {line.partition("=")[0] for line in out.splitlines()}
    assert kept == {"MINE", "HOME", "HOSTNAME"}


def test_time_zones(pypod: Program, image: str) -> None:
    zone = Path("/usr/share/zoneinfo/Asia/Kathmandu").read_bytes()
    words = ("run", "--rm", *NONE, "--tz", "Asia/Kathmandu", image, "cat", "/etc/localtime")
    assert pypod(*words).out.encode("utf-8", "surrogateescape") == zone
    local = Path("/etc/localtime").read_bytes()
    words = ("run", "--rm", *NONE, "--tz=local", image, "cat", "/etc/localtime")
    assert pypod(*words).out.encode("utf-8", "surrogateescape") == local
    for bad in ("Nosuch/Zone", "../../../etc/passwd", "/etc/passwd", "tzdata.zi"):
        assert bad in refused(pypod, image, "--tz", bad)


def test_annotations(pypod: Program, image: str) -> None:
    words = ("--annotation", "a.b=c=d", "--annotation=e=", image, "sleep", "1000")
    name = pypod("run", "-d", *NONE, *words).line
    shown = json.loads(pypod("inspect", "-f", "{{json .Config.Annotations}}", name).out)
    assert shown == {"a.b": "c=d", "e": ""}
    assert "KEY=VALUE" in refused(pypod, image, "--annotation", "x")
    assert "pypod's own" in refused(pypod, image, "--annotation", "io.pypod.init=1")


def test_labels_of_a_file(pypod: Program, image: str, tmp_path: Path) -> None:
    (tmp_path / "labels").write_text("# none\n\na=1\nboth=file\nalone\n")
    words = ("--label-file", str(tmp_path / "labels"), "-l", "both=option", image, "sleep", "1000")
    name = pypod("run", "-d", *NONE, *words).line
    labels = json.loads(pypod("inspect", "-f", "{{json .Config.Labels}}", name).out)
    assert labels == {"a": "1", "both": "option", "alone": ""}
    assert "No such file" in refused(pypod, image, "--label-file", str(tmp_path / "no"))


# --rootfs


def test_a_directory_is_the_root(pypod: Program, tree: Path) -> None:
    script = "echo new > /file; id -u; mount | grep -c overlay; ls /dev/null /proc/self/status"
    done = pypod("run", "--rm", *NONE, "--rootfs", str(tree), "sh", "-c", script)
    assert done.out.split() == ["0", "0", "/dev/null", "/proc/self/status"]
    assert (tree / "file").read_text() == "new\n"
    assert (tree / "file").stat().st_uid == os.getuid()


def test_an_overlay_leaves_the_directory_untouched(pypod: Program, tree: Path) -> None:
    before = sorted(str(path) for path in tree.rglob("*"))
    words = ("run", "-d", *NONE, "--rootfs", f"{tree}:O", "sh", "-c", "echo x > /file; sleep 1000")
    name = pypod(*words).line
    assert pypod("exec", name, "cat", "/file").line == "x"
    assert sorted(str(path) for path in tree.rglob("*")) == before
    pypod("stop", "-t", "0", name)
    pypod("start", name)
    assert pypod("exec", name, "cat", "/file").line == "x"


def test_a_read_only_directory(pypod: Program, tree: Path) -> None:
    words = ("run", "--rm", *NONE, "--read-only", "--rootfs", str(tree), "touch", "/x")
    assert "Read-only file system" in pypod(*words, check=1).err
    assert not (tree / "x").exists()


@pytest.mark.passes("user", "root")
def test_users_of_a_directory(pypod: Program, tree: Path) -> None:
    words = ("--group-add", "daemon", "-u", "user", "--rootfs", str(tree), "id", "-G")
    assert pypod("run", "--rm", *NONE, *words).line == "1000 1 2000"


def test_a_hostile_passwd_of_a_directory_shows_nothing_of_the_host(
    pypod: Program, tree: Path, tmp_path: Path
) -> None:
    (tmp_path / "passwd").write_text("host:x:1234:1234::/:/bin/sh\n")
    passwd = tree / "etc" / "passwd"
    for target in (tmp_path / "passwd", "../../passwd", "/dev/zero"):
        passwd.unlink(missing_ok=True)
        passwd.symlink_to(target)
        words = ("run", "--rm", *NONE, "-u", "host", "--rootfs", str(tree), "true")
        assert "unable to find user" in pypod(*words, check=None).err
    passwd.unlink()
    os.mkfifo(passwd)
    words = ("run", "--rm", *NONE, "-u", "host", "--rootfs", str(tree), "true")
    assert "no regular file" in pypod(*words, check=None, timeout=10).err
    passwd.unlink()
    with open(passwd, "wb") as file:
        file.truncate(1 << 40)
    assert "too large" in pypod(*words, check=None, timeout=10).err


def test_what_is_no_image_is_shown_as_such(pypod: Program, tree: Path) -> None:
    pypod("run", "-d", "--name", "bare", *NONE, "--rootfs", str(tree), "sleep", "1000")
    document = json.loads(pypod("inspect", "bare").out)[0]
    assert (document["Image"], document["ImageName"], document["Rootfs"]) == ("", "", str(tree))
    row = pypod("ps", "--format", "{{.Names}} [{{.Image}}] {{.Command}}").line
    assert row == "bare [] sleep 1000"
    assert "bare" in pypod("ps", "-s").out
    pypod("rm", "-f", "-t", "0", "bare")
    assert tree.is_dir()


def test_bad_input_to_rootfs(pypod: Program, tree: Path) -> None:
    def error(*words: str) -> str:
        done = pypod("run", "--rm", *NONE, "--rootfs", *words, check=125)
        assert done.err.startswith("Error: ") and len(done.err.splitlines()) <= 2
        return done.err

    assert "the host's" in error("/", "true")
    assert "No such file" in error(f"{tree}/nosuch", "true")
    assert "Not a directory" in error(f"{tree}/bin/busybox", "true")
    store = os.environ.get("PYPOD_ROOT", f"{Path.home()}/store")
    assert "its own files" in error(str(Path(store).parent), "true")
    assert "no command" in error(str(tree))
    assert "not there yet" in error(f"{tree}:idmap", "true")
