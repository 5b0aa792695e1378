# SPDX-License-Identifier: Apache-2.0
"""pypod-init: who the process is and what it may, in a new container and in a running one."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from contained import Box, Started

from pypod.constants import FD_PIDFD, STAGE_USER
from pypod.plan.compile import compile_exec
from pypod.plan.ops import op
from pypod.spec.security import DEFAULT_CAPS, capability_mask

ALLOW = [(0x06, 0, 0, 0x7FFF0000)]
"""A filter that lets everything through (seccomp(2), linux/bpf_common.h: BPF_RET|BPF_K)."""
DEFAULT = {kind: list(DEFAULT_CAPS) for kind in ("bounding", "effective", "permitted")}
MASK = f"{capability_mask(DEFAULT_CAPS):016x}"
NONE = "0" * 16


def status(ended: Any) -> dict[str, str]:
    assert not ended.failed, ended
    return dict(line.split(":\t", 1) for line in ended.lines if ":\t" in line)


@pytest.fixture
def held(mapped: Box) -> Iterator[Started]:
    """A running container."""
    (mapped.layer / "etc" / "passwd").write_text(
        "root:x:0:0::/root:/bin/sh\nbob:x:1000:1000::/home/bob:/bin/sh\n"
    )
    (mapped.layer / "etc" / "group").write_text("root:x:0:\nstaff:x:50:bob,root\nwheel:x:10:bob\n")
    started = mapped.start(mapped.config("sleep", "1000", capabilities=DEFAULT))
    yield started
    os.kill(started.pid, signal.SIGKILL)
    started.wait()


def inside(mapped: Box, held: Started, *args: str, **process: Any) -> Any:
    config = mapped.config("sleep", capabilities=DEFAULT)
    return mapped.exec(config, held.pid, *args, **process)


def test_root_has_exactly_the_capabilities_of_the_configuration(box: Box) -> None:
    found = status(box.run(box.config("cat", "/proc/self/status", capabilities=DEFAULT)))
    assert [found[key] for key in ("CapBnd", "CapPrm", "CapEff")] == [MASK] * 3
    assert [found[key] for key in ("CapInh", "CapAmb")] == [NONE] * 2
    assert found["NoNewPrivs"] == "0"


def test_another_user_has_none_of_them_but_the_bounding_set(mapped: Box) -> None:
    caps = {"bounding": list(DEFAULT_CAPS)}
    found = status(
        mapped.run(
            mapped.config(
                "cat", "/proc/self/status",
                user={"uid": 1000, "gid": 100, "additionalGids": [7]}, capabilities=caps,
            )
        )
    )  # fmt: skip
    assert found["CapBnd"] == MASK
    assert [found[key] for key in ("CapPrm", "CapEff", "CapInh", "CapAmb")] == [NONE] * 4
    assert found["Uid"].split() == ["1000"] * 4
    assert found["Gid"].split() == ["100"] * 4
    assert found["Groups"].split() == ["7"]


def test_an_ambient_capability_reaches_a_program_of_another_user(mapped: Box) -> None:
    one = ["CAP_NET_BIND_SERVICE"]
    kinds = ("bounding", "effective", "permitted", "inheritable", "ambient")
    config = mapped.config(
        "cat",
        "/proc/self/status",
        user={"uid": 5, "gid": 5},
        capabilities=dict.fromkeys(kinds, one),
    )
    found = status(mapped.run(config))
    expected = f"{1 << 10:016x}"
    assert [found[f"Cap{kind}"] for kind in ("Bnd", "Prm", "Eff", "Inh", "Amb")] == [expected] * 5


@pytest.mark.parametrize("no_new_privs", [False, True])
@pytest.mark.parametrize("uid", [0, 1000])
def test_a_filter_and_exact_capabilities_go_together(
    mapped: Box, uid: int, no_new_privs: bool
) -> None:
    caps = DEFAULT if uid == 0 else {"bounding": list(DEFAULT_CAPS)}
    config = mapped.config(
        "cat", "/proc/self/status",
        user={"uid": uid, "gid": uid}, capabilities=caps, noNewPrivileges=no_new_privs,
    )  # fmt: skip
    config["linux"]["seccomp"] = {}
    fds = mapped.bpf(ALLOW)
    found = status(mapped.run(config, fds=fds))
    os.close(*fds.values())
    assert found["Seccomp"] == "2"
    assert found["Seccomp_filters"] == "1"
    assert found["NoNewPrivs"] == str(int(no_new_privs))
    assert found["CapEff"] == found["CapPrm"] == (MASK if uid == 0 else NONE)


def test_bytes_that_are_no_filter_start_nothing(mapped: Box) -> None:
    config = mapped.config("true")
    config["linux"]["seccomp"] = {}
    fds = mapped.bpf([(0xFFFF, 0, 0, 0)])
    ended = mapped.run(config, fds=fds)
    os.close(*fds.values())
    assert (ended.failed, ended.stage, ended.errno) == (True, STAGE_USER, errno.EINVAL)


def test_a_missing_filter_starts_nothing(mapped: Box) -> None:
    config = mapped.config("true")
    config["linux"]["seccomp"] = {}
    ended = mapped.run(config)
    assert (ended.failed, ended.code) == (True, 125)


def test_leaked_descriptors_do_not_reach_the_program(box: Box) -> None:
    leaked = {number: os.open("/etc", os.O_RDONLY) for number in range(20, 40)}
    ended = box.run(box.config("sh", "-c", "ls /proc/$$/fd; true"), fds=leaked)
    for fd in leaked.values():
        os.close(fd)
    assert ended.lines == ["0", "1", "2"]


def test_the_environment_is_the_configurations_alone(mapped: Box) -> None:
    config = mapped.config("/bin/env", env=["A=1", "B=", "C=a=b c", "PATH=/bin"])
    assert mapped.run(config).lines == ["A=1", "B=", "C=a=b c", "PATH=/bin"]


def test_ignored_and_blocked_signals_are_not_inherited(mapped: Box) -> None:
    old = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGHUP})
    try:
        found = status(mapped.run(mapped.config("cat", "/proc/self/status")))
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        signal.signal(signal.SIGUSR1, old)
    assert [found[key] for key in ("SigBlk", "SigIgn", "SigCgt")] == [NONE] * 3


def test_a_default_limit_never_fails_for_lack_of_rights(mapped: Box) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    limit = {"type": "RLIMIT_NOFILE", "soft": hard + 1, "hard": hard + 1}
    config = mapped.config("sh", "-c", "ulimit -n", rlimits=[limit])
    assert mapped.run(config).out == f"{hard}\n"


def test_a_limit_that_was_asked_for_fails_rather_than_being_another(mapped: Box) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    if hard == resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_NPROC, (100000, hard := 100000))
    limit = {"type": "RLIMIT_NPROC", "soft": hard + 1, "hard": hard + 1}
    ended = mapped.run(mapped.config("true", rlimits=[limit]))
    assert (ended.failed, ended.errno, ended.code) == (True, errno.EPERM, 125)
    assert str(ended.error).startswith(f"ulimit nproc={hard + 1}:{hard + 1}")


def test_the_oom_score_is_raised_and_never_lowered(mapped: Box) -> None:
    own = int(Path("/proc/self/oom_score_adj").read_text())
    for asked, found in ((own + 100, own + 100), (own - 100, own)):
        ended = mapped.run(mapped.config("cat", "/proc/self/oom_score_adj", oomScoreAdj=asked))
        assert int(ended.out) == found


def test_the_process_leads_a_session_of_its_own(box: Box) -> None:
    ended = box.run(box.config("cat", "/proc/self/stat"))
    fields = ended.out.rpartition(")")[2].split()
    assert fields[3] == "1"  # session; the first process of the pid namespace leads it
    assert fields[4] == "0"  # no terminal


def test_the_callers_groups_count_for_a_bind_and_are_gone_afterwards(mapped: Box) -> None:
    found = status(mapped.run(mapped.config("cat", "/proc/self/status")))
    assert found["Groups"].split() == []


def test_exec_is_in_every_namespace_of_the_container(mapped: Box, held: Started) -> None:
    script = "for ns in user mnt pid ipc uts net cgroup; do readlink /proc/self/ns/$ns; done"
    found = inside(mapped, held, "sh", "-c", script).lines
    assert len(found) == 7
    assert found == [os.readlink(f"/proc/{held.pid}/ns/{one.split(':')[0]}") for one in found]


def test_exec_has_the_capabilities_of_its_own_process_object(mapped: Box, held: Started) -> None:
    found = status(inside(mapped, held, "cat", "/proc/self/status"))
    assert [found[key] for key in ("CapBnd", "CapPrm", "CapEff")] == [MASK] * 3


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("bob", "1000 1000 1000 10,50 /home/bob"),
        ("bob:staff", "1000 50 50 - /home/bob"),
        ("bob:7", "1000 7 7 - /home/bob"),
        ("1000", "1000 1000 1000 10,50 /home/bob"),
        ("0:0", "0 0 0 - /root"),
        ("4242", "4242 0 0 - "),
        ("4242:4243", "4242 4243 4243 - "),
    ],
)
def test_exec_as_a_user_of_the_containers_own_passwd(
    mapped: Box, held: Started, user: str, expected: str
) -> None:
    ended = inside(
        mapped, held, "sh", "-c", "cat /proc/self/status; echo HOME:$'\\t'$HOME",
        user={"username": user}, capabilities={},
    )  # fmt: skip
    found = status(ended)
    groups = ",".join(sorted(found["Groups"].split())) or "-"
    uid, gid = found["Uid"].split(), found["Gid"].split()
    assert f"{uid[0]} {gid[0]} {gid[3]} {groups} {found['HOME']}" == expected


@pytest.mark.parametrize(
    "user", ["nobody-here", "bob:nobody-here", "-1", "+1", "1000x", " 0", "00x"]
)
def test_exec_never_guesses_a_user(mapped: Box, held: Started, user: str) -> None:
    ended = inside(mapped, held, "id", user={"username": user})
    assert ended.failed
    assert ended.code == 125


@pytest.mark.parametrize("kind", ["fifo", "device", "link out", "huge", "directory", "missing"])
def test_a_hostile_passwd_file_is_an_error_at_once(mapped: Box, held: Started, kind: str) -> None:
    passwd = mapped.directory / "upper" / "etc" / "passwd"
    script = {
        "fifo": "rm /etc/passwd; /bin/busybox mkfifo /etc/passwd",
        "device": "rm /etc/passwd; /bin/busybox ln -s /dev/zero /etc/passwd",
        "link out": f"rm /etc/passwd; /bin/busybox ln -s ../../../..{Path(__file__)} /etc/passwd",
        "huge": "/bin/busybox truncate -s 1024G /etc/passwd",
        "directory": "rm /etc/passwd; mkdir /etc/passwd",
        "missing": "rm /etc/passwd",
    }[kind]
    assert inside(mapped, held, "sh", "-c", script).code == 0, passwd
    ended = inside(mapped, held, "id", user={"username": "bob"})
    assert ended.failed
    assert ended.code == 125


def test_exec_as_a_name_with_a_single_id(tmp_path: Path) -> None:
    box = Box(tmp_path, single=True)
    (box.layer / "etc" / "passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    config = box.config("sleep", "1000")
    started = box.start(config)
    try:
        ended = box.exec(
            config, started.pid, "sh", "-c", "id -u; echo $HOME", user={"username": "root"}
        )
    finally:
        os.kill(started.pid, signal.SIGKILL)
        started.wait()
    assert ended.lines == ["0", "/root"]


def test_exec_into_a_container_that_has_ended_is_an_error(mapped: Box) -> None:
    config = mapped.config("sleep", "1000")
    started = mapped.start(config)
    pidfd = os.pidfd_open(started.pid)
    os.kill(started.pid, signal.SIGKILL)
    started.wait()
    plan = compile_exec(config, config["process"], mapped.facts)
    ended = Started(plan, {FD_PIDFD: pidfd}, tty=False, release=True).wait()
    os.close(pidfd)
    assert ended.failed
    assert "join the container" in str(ended.error)


def test_the_container_cannot_look_into_a_process_that_joins_it(mapped: Box, held: Started) -> None:
    config = mapped.config("sleep", capabilities=DEFAULT)
    pidfd = os.pidfd_open(held.pid)
    plan = compile_exec(config, {**config["process"], "args": ["true"]}, mapped.facts)
    joining = Started(plan, {FD_PIDFD: pidfd}, tty=False, release=False)
    os.close(pidfd)
    # It waits for its release, with all its descriptors open. Root of the container looks.
    script = (
        "for p in /proc/[0-9]*; do case $(cat $p/comm) in sh|sleep|cat) continue;; esac;"
        " for f in $p/fd/* $p/cwd $p/root $p/exe; do readlink $f; done; ls $p/cwd/; echo seen; done"
    )
    looked = inside(mapped, held, "sh", "-c", script)
    joining.release()
    assert joining.wait().code == 0
    assert looked.lines == ["seen"], looked


def test_init_reaps_and_passes_on_how_its_child_ended(box: Box) -> None:
    for script, code in (("exit 7", 7), ("kill -KILL $$", 137), ("sleep 0 & sleep 0.1; exit 0", 0)):
        config = box.config("sh", "-c", script)
        config["annotations"] = {"io.pypod.init": "1"}
        assert box.run(config).code == code


def test_init_forwards_signals(box: Box) -> None:
    script = "trap 'echo got; exit 3' USR1; echo ready; while :; do sleep 0.05; done"
    config = box.config("sh", "-c", script)
    config["annotations"] = {"io.pypod.init": "1"}
    started = box.start(config)
    assert os.read(started.out, 6) == b"ready\n"
    os.kill(started.pid, signal.SIGUSR1)
    ended = started.wait()
    assert (ended.code, ended.out) == (3, "got\n")


def test_init_dies_of_nothing_and_its_child_of_term(box: Box) -> None:
    config = box.config("sleep", "1000")
    config["annotations"] = {"io.pypod.init": "1"}
    started = box.start(config)
    os.kill(started.pid, signal.SIGTERM)
    assert started.wait().code == 128 + signal.SIGTERM


def test_init_says_it_when_its_program_is_not_there(box: Box) -> None:
    config = box.config("nope")
    config["annotations"] = {"io.pypod.init": "1"}
    assert box.run(config).code == 127


def test_init_keeps_no_descriptor_of_ours(box: Box) -> None:
    config = box.config(
        "sh", "-c", "ls /proc/1/fd; cat /proc/1/comm; cat /proc/mounts | grep -c init"
    )
    config["annotations"] = {"io.pypod.init": "1"}
    assert box.run(config).lines == ["0", "1", "2", "pypod-init", "0"]


@pytest.mark.parametrize("init", [False, True])
def test_a_terminal_is_the_containers_own(box: Box, init: bool) -> None:
    script = (
        "tty; stat -c %F,%u /dev/console $(tty); echo $(ls /dev/pts); cat /proc/self/stat;"
        " echo x >/dev/tty"
    )
    config = box.config("sh", "-c", script, terminal=True)
    if init:
        config["annotations"] = {"io.pypod.init": "1"}
    ended = box.run(config)
    assert ended.lines[:4] == [
        "/dev/pts/0", "character special file,0", "character special file,0", "0 ptmx",
    ]  # fmt: skip
    assert ended.lines[5] == "x"
    assert ended.lines[4].rpartition(")")[2].split()[4] == str(136 << 8)


def test_a_terminal_sends_its_signals_to_the_program(box: Box) -> None:
    for init, code in ((False, -signal.SIGINT), (True, 128 + signal.SIGINT)):
        config = box.config("sh", "-c", "trap - INT; echo ready; exec sleep 1000", terminal=True)
        # Pid 1 has no default action for a signal, so without --init a child of a shell takes it.
        if init:
            config["annotations"] = {"io.pypod.init": "1"}
        else:
            config["process"]["args"] = ["sh", "-c", "sh -c 'echo ready; exec sleep 1000'; exit $?"]
            code = 130
        started = box.start(config)
        assert started.master is not None
        assert b"ready" in os.read(started.master, 100)
        os.write(started.master, b"\x03")
        assert started.wait().code == code


def test_a_terminal_of_exec_belongs_to_its_user(mapped: Box, held: Started) -> None:
    ended = inside(
        mapped, held, "sh", "-c", "tty; stat -c %u $(tty)",
        user={"username": "bob"}, terminal=True, capabilities={},
    )  # fmt: skip
    assert ended.lines == ["/dev/pts/0", "1000"]


def test_links_in_place_of_terminals_are_not_followed(mapped: Box) -> None:
    (mapped.layer / "dev" / "pts").mkdir(parents=True)
    for name in ("console", "null", "pts/0", "pts/ptmx"):
        (mapped.layer / "dev" / name).symlink_to("/proc/sys/kernel/core_pattern")
    core = Path("/proc/sys/kernel/core_pattern").read_text()
    config = mapped.config(
        "sh", "-c", "tty; echo x > /dev/null; echo y > /dev/console", terminal=True
    )
    config["linux"]["maskedPaths"] = ["/proc/kcore"]
    assert mapped.run(config).lines == ["/dev/pts/0", "y"]
    assert Path("/proc/sys/kernel/core_pattern").read_text() == core


def test_the_audit_identity_is_the_callers(mapped: Box) -> None:
    started = mapped.start(mapped.config("sleep", "1000"))
    own, its = (
        [Path(f"/proc/{pid}/{name}").read_text() for name in ("loginuid", "sessionid")]
        for pid in ("self", started.pid)
    )
    os.kill(started.pid, signal.SIGKILL)
    started.wait()
    assert own == its


def test_a_full_keyring_quota_keeps_nothing_from_starting(mapped: Box) -> None:
    change = lambda plan: [*plan[:-1], *[op("keyring", "x")] * 300, plan[-1]]  # noqa: E731
    assert mapped.run(mapped.config("true"), change=change).code == 0


def test_no_new_privs_of_the_caller_is_told_by_the_tools_failure(mapped: Box) -> None:
    script = (
        "import sys; sys.path[:0] = sys.argv[1:3]\n"
        "from pathlib import Path\nfrom contained import Box\n"
        "box = Box(Path(sys.argv[3]))\n"
        "print(box.facts.map, box.sh('id -u').out.strip())\n"
    )
    done = subprocess.run(
        ["/usr/bin/setpriv", "--no-new-privs", "/usr/bin/python3", "-c", script,
         str(Path(__file__).parents[2]), str(Path(__file__).parent), str(mapped.directory / "nnp")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "single 0\n"
