# SPDX-License-Identifier: Apache-2.0
"""--userns auto and nomap: containers that have none of their user's own ids."""

from __future__ import annotations

import json
import os
import pwd
import signal
import subprocess
import tarfile
import urllib.request
from pathlib import Path

import pytest

from tests.fixtures import images, many_files, workers
from tests.fixtures.program import Program, within
from tests.fixtures.registry import Registry

pytestmark = pytest.mark.own
NONE = ("--network", "none")
SLEEP = ("sleep", "100")
Extent = tuple[int, int, int]


@pytest.fixture(scope="module")
def many(registry: Registry) -> str:
    """Return the name of an image of 10,000 files, which is not pulled."""
    return registry.push(many_files.image(), "test/usernskilled")


def lines(pypod: Program, image: str, *options: str, script: str) -> list[str]:
    """Return the lines that a shell prints in a container with these options."""
    return pypod("run", "--rm", *NONE, *options, image, "sh", "-c", script).out.splitlines()


def host_map(pypod: Program, name: str, kind: str = "uid") -> list[Extent]:
    """Return the id map of a running container as the host sees it."""
    pid = pypod("inspect", "--format", "{{.State.Pid}}", name).line
    text = Path(f"/proc/{pid}/{kind}_map").read_text()
    return [(int(a), int(b), int(c)) for a, b, c in map(str.split, text.splitlines())]


def own_ids(kind: str = "uid") -> tuple[int, int]:
    """Return first and count of the test user's subordinate ids."""
    me = pwd.getpwuid(os.getuid()).pw_name
    for line in Path(f"/etc/sub{kind}").read_text().splitlines():
        name, first, count = line.split(":")
        if name == me:
            return int(first), int(count)
    raise AssertionError("no subordinate ids")


def ranges(pypod: Program, name: str) -> range:
    ((inside, first, count),) = host_map(pypod, name)
    assert inside == 0
    return range(first, first + count)


@pytest.mark.passes("user")
def test_nomap_leaves_the_caller_out(pypod: Program, image: str, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("secret")
    (tmp_path / "mine").chmod(0o600)
    tmp_path.chmod(0o777)
    for parent in tmp_path.parents:
        if parent.owner() == tmp_path.owner():
            parent.chmod(parent.stat().st_mode | 0o011)
    volume = ("-v", f"{tmp_path}:/shared")
    script = "cat /shared/mine; stat -c %u /shared/mine; echo x > /shared/made; id -u"
    ran = pypod("run", "--rm", *NONE, "--userns=nomap", *volume, image, "sh", "-c", script)
    assert ran.out.split() == ["65534", "0"] and "Permission denied" in ran.err
    assert (tmp_path / "made").stat().st_uid == own_ids()[0]
    pypod("run", "-d", "--name", "n1", *NONE, "--userns", "nomap", image, *SLEEP)
    first, count = own_ids()
    assert host_map(pypod, "n1") == [(0, first, count)]
    assert host_map(pypod, "n1", "gid") == [(0, *own_ids("gid"))]
    maps = json.loads(pypod("inspect", "n1").out)[0]["HostConfig"]["IDMappings"]
    assert maps["UidMap"] == [f"0:{first}:{count}"]


@pytest.mark.passes("user")
def test_auto_gives_each_container_ids_that_no_other_has(pypod: Program, image: str) -> None:
    for name in ("a1", "a2"):
        pypod("run", "-d", "--name", name, *NONE, "--userns", "auto", image, *SLEEP)
    one, two = ranges(pypod, "a1"), ranges(pypod, "a2")
    first, count = own_ids()
    assert len(one) == 2001  # the image has a group 2000
    assert not set(one) & set(two)
    assert all(first <= part.start and part.stop <= first + count for part in (one, two))
    pypod("stop", "-t0", "a1")
    pypod("run", "-d", "--name", "a3", *NONE, "--userns", "auto:size=3000", image, *SLEEP)
    three = ranges(pypod, "a3")
    assert len(three) == 3000 and not set(three) & {*one, *two}
    pypod("start", "a1")
    assert ranges(pypod, "a1") == one
    pypod("rm", "-f", "-t0", "a1")
    pypod("run", "-d", "--name", "a4", *NONE, "--userns", "auto:size=1500", image, *SLEEP)
    assert set(ranges(pypod, "a4")) < set(one)


@pytest.mark.passes("user")
def test_containers_that_are_made_at_once_get_different_ids(pypod: Program, image: str) -> None:
    pypod("run", "--rm", *NONE, "--userns", "auto", image, "true")
    names = [f"race{number}" for number in range(6)]
    words = ("run", "-d", *NONE, "--userns", "auto")
    started = [pypod.start(*words, "--name", name, image, *SLEEP) for name in names]
    for one in started:
        _, err = one.communicate(timeout=60)
        assert one.returncode == 0, err
    got = [ranges(pypod, name) for name in names]
    assert len({one.start for one in got}) == len(names)
    assert len(set().union(*got)) == sum(map(len, got))


@pytest.mark.passes("user")
def test_auto_says_when_there_are_no_ids_left(pypod: Program, image: str) -> None:
    count = own_ids()[1]
    words = ("create", *NONE, "--userns")
    pypod(*words, f"auto:size={count - 2000}", "--name", "most", image, "true")
    ran = pypod(*words, "auto:size=2001", image, "true", check=125)
    assert f"no 2001 free uids: {count - 2000} of {count} are in other" in ran.err
    assert "Hint: " in ran.err and ran.err.count("\n") == 2
    pypod(*words, "auto:size=2000", image, "true")
    pypod("rm", "most")
    pypod(*words, "auto:size=2001", image, "true")


@pytest.mark.passes("user")
def test_auto_has_the_ids_that_the_image_the_user_and_the_mappings_need(
    pypod: Program, registry: Registry, image: str, tmp_path: Path
) -> None:
    assert lines(pypod, image, "--userns=auto", "-u", "7000:8000", script="id -u; id -g") == [
        "7000",
        "8000",
    ]
    files = images.busybox_files()
    files["last"], files["nobody"] = images.directory(), images.directory(0o777)
    files["last"].gid, files["nobody"].uid = 9000, 65534
    owned = registry.push(images.make([files], {"Cmd": ["sh"]}), "test/usernsowned")
    pypod.pull(owned)
    script = "stat -c %u:%g /last /nobody; cat /proc/self/uid_map; echo x > /nobody/x"
    said = lines(pypod, owned, "--userns=auto", script=script)
    assert said[:2] == ["0:9000", "65534:0"] and said[2].split()[2] == "9001"
    mode = "auto:size=1000,uidmapping=5:0:1,gidmapping=5:0:1,uidmapping=3000:4000:10"
    volume = ("-v", f"{tmp_path}:/shared")
    script = "stat -c %u:%g /shared; echo x > /shared/f; sleep 100"
    pypod("run", "-d", "--name", "m1", *NONE, "--userns", mode, *volume, "-u", "5:5", image,
          "sh", "-c", script)  # fmt: skip
    first, _ = own_ids()
    assert host_map(pypod, "m1") == [
        (0, first, 5),
        (5, os.getuid(), 1),
        (6, first + 5, 994),
        (3000, first + 3999, 10),
    ]
    assert within(10, (tmp_path / "f").exists)
    assert pypod("logs", "m1").out == "5:5\n"
    assert (tmp_path / "f").stat().st_uid == os.getuid()


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("auto:size=x", "size must be an id"),
        ("auto:size=0", "size must be at least 1"),
        ("auto:uid=5", 'unknown option "uid=5" of auto'),
        ("auto:uidmapping=5", "uidmapping is CONTAINER_ID:HOST_ID:COUNT"),
        ("auto:uidmapping=5:0:0", "the count must be at least 1"),
        ("auto:uidmapping=0:4000000000:1", "are not all ids of this user"),
        ("auto:uidmapping=0:5:9,uidmapping=3:20:1", "3 is there twice"),
        ("nomap:size=5", 'unknown option "size=5" of nomap'),
        ("container:x", "does not share a user namespace"),
        ("ns:/proc/1/ns/user", "does not share a user namespace"),
    ],
)
@pytest.mark.passes("user")
def test_a_wrong_word_is_one_error(pypod: Program, image: str, mode: str, said: str) -> None:
    ran = pypod("run", "--rm", *NONE, "--userns", mode, image, "true", check=125)
    assert said in ran.err and ran.err.count("\n") <= 2
    assert pypod("ps", "-aq").out == ""


@pytest.mark.parametrize("mode", ["auto", "nomap"])
@pytest.mark.passes("user")
def test_exec_diff_export_and_commit_see_the_containers_ids(
    pypod: Program, image: str, mode: str, tmp_path: Path
) -> None:
    other = ("--userns", "keep-id", "-u", "0")
    look_at_ids(pypod, image, f"committed{mode}", tmp_path, ("--userns", mode), other)


@pytest.mark.passes("root")
def test_roots_exec_diff_export_and_commit_see_the_containers_ids(
    pypod: Program, image: str, tmp_path: Path
) -> None:
    mode = ("--uidmap", "0:700000:65536")
    look_at_ids(pypod, image, "committedroot", tmp_path, mode, ("--uidmap", "0:5000:65536"))
    (tmp_path / "given").write_text("given")
    words = ("-v", "ownroot:/home", "-v", f"{tmp_path}:/given:U", "-u", "77:78")
    try:
        said = lines(pypod, image, *mode, *words, script="stat -c %u:%g /home /home/user /given")
        assert said == ["0:0", "0:0", "77:78"]
        assert (tmp_path / "given").stat().st_uid == 700077
    finally:
        pypod("volume", "rm", "-f", "ownroot")


def look_at_ids(
    pypod: Program,
    image: str,
    committed: str,
    tmp_path: Path,
    mode: tuple[str, ...],
    other: tuple[str, ...],
) -> None:
    """Change files as several users, and see the same owners by every command."""
    script = (
        "echo one > /made; chown 33:44 /made; chmod 640 /etc/passwd; rm /noexec; chown 1000 /tmp;"
        " exec sleep 100"
    )
    pypod("run", "-d", "--name", "o1", *NONE, *mode, image, "sh", "-c", script)
    find = ("exec", "o1", "stat", "-c", "%u:%g", "/made")
    assert within(10, lambda: pypod(*find, check=None).out == "33:44\n")
    assert pypod("exec", "-u", "1000", "o1", "id", "-u").out == "1000\n"
    assert within(10, lambda: "/tmp" in pypod("diff", "o1").out)
    for _running in (True, False):
        changed = pypod("diff", "o1").out.splitlines()
        assert {"A /made", "C /etc/passwd", "D /noexec", "C /tmp"} <= set(changed)
        exported = tmp_path / "tar"
        pypod("export", "-o", str(exported), "o1")
        with tarfile.open(exported) as archive:
            made, passwd = archive.getmember("made"), archive.getmember("etc/passwd")
        assert (made.uid, made.gid, passwd.uid, passwd.mode) == (33, 44, 0, 0o640)
        pypod("stop", "-t0", "o1")
    pypod("commit", "-q", "o1", committed)
    try:
        script = "stat -c %u:%g /made; stat -c '%u %a' /etc/passwd; head -1 /etc/passwd; ls /noexec"
        for options in ((), mode, other):
            words = ("run", "--rm", *NONE, *options, committed, "sh", "-c", script)
            ran = pypod(*words, check=1)
            assert ran.out.splitlines() == ["33:44", "0 640", "root:x:0:0:root:/root:/bin/sh"]
    finally:
        pypod("rmi", "-f", committed)


@pytest.mark.parametrize("mode", ["auto", "nomap"])
@pytest.mark.passes("user")
def test_volumes_get_owners_of_the_container(
    pypod: Program, registry: Registry, mode: str, tmp_path: Path
) -> None:
    files = images.busybox_files()
    files["data"] = images.directory(0o750)
    files["data"].uid = files["data"].gid = 77
    files["data/one"] = (b"one\n", 0o600)
    image = registry.push(images.make([files], {"Cmd": ["sh"]}), "test/usernsvolume")
    pypod.pull(image)
    (tmp_path / "given").write_text("given")
    words = ("-v", f"own{mode}:/data", "-v", f"{tmp_path}:/given:U", "-u", "77:77")
    script = "stat -c %u:%g /data /given /given/given; cat /given/given; stat -c %u:%g /data/one"
    try:
        said = lines(pypod, image, "--userns", mode, *words, script=script)
        assert said == ["77:77", "77:77", "77:77", "given0:0"]
        assert tmp_path.stat().st_uid == own_ids()[0] + 77
    finally:
        pypod("unshare", "chown", "-R", "0:0", str(tmp_path))
        pypod("volume", "rm", "-f", f"own{mode}")


@pytest.mark.parametrize("mode", ["auto", "nomap"])
@pytest.mark.passes("user")
def test_the_network_and_a_terminal_work(pypod: Program, image: str, mode: str) -> None:
    page = "mkdir /w; echo page > /w/index.html; exec httpd -f -h /w -p 80"
    pypod("run", "-d", "--name", "w1", "--userns", mode, "-p", "127.0.0.1::80", image,
          "sh", "-c", page)  # fmt: skip
    port = pypod("port", "w1", "80").line.rpartition(":")[2]

    def served() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
                return bool(answer.read() == b"page\n")
        except OSError:
            return False

    assert within(20, served)
    script = "for f in hosts hostname resolv.conf; do echo '# more' >> /etc/$f || exit 5; done"
    for _again in range(2):
        pypod("exec", "w1", "sh", "-c", script)
        ran = pypod("exec", "-u", "1000", "w1", "sh", "-c", script, check=5)
        assert "ermission denied" in ran.err
        pypod("restart", "-t0", "w1")
    words = ("run", "--rm", *NONE, "-t", "--userns", mode, image, "sh", "-c", "tty; id -u")
    with pypod.terminal(*words) as terminal:
        terminal.expect("/dev/pts/0\r\n0\r\n")
        assert terminal.wait() == 0


@pytest.mark.passes("user")
def test_what_needs_the_callers_ids_is_refused(
    pypod: Program, image: str, tmp_path: Path
) -> None:
    pypod("run", "-d", "--name", "net1", *NONE, image, *SLEEP)
    for words, said in (
        (("--userns", "nomap", "-v", f"{tmp_path}:/x:O"), "an overlay (:O) needs the caller's"),
        (("--userns", "auto", "--network", "container:net1"), "joins the user namespace of net1"),
        (("--userns", "keep-id", "--network", "container:net1"), "joins the user namespace"),
    ):
        ran = pypod("run", "--rm", *words, image, "true", check=125)
        assert said in ran.err
    assert len(pypod("ps", "-aq").out.split()) == 1


@pytest.mark.passes("single")
def test_with_a_single_id_there_are_none_to_give(pypod: Program, image: str) -> None:
    for mode in ("auto", "nomap"):
        ran = pypod("run", "--rm", *NONE, "--userns", mode, image, "true", check=125)
        assert f"--userns {mode} needs subordinate ids: " in ran.err


@pytest.mark.passes("root")
def test_root_gives_ids_of_the_user_containers(
    pypod: Program, image: str, tmp_path: Path
) -> None:
    ran = pypod("run", "--rm", *NONE, "--userns", "nomap", image, "true", check=125)
    assert "root has no subordinate ids" in ran.err
    (tmp_path / "none").write_text("somebody:1:1\n")
    (tmp_path / "ids").write_text("containers:1500000000:65536\n")

    def under(ids: str, *words: str) -> subprocess.CompletedProcess[str]:
        mounts = [f"mount --bind {tmp_path}/{ids} /etc/sub{kind}" for kind in ("uid", "gid")]
        script = " && ".join([*mounts, 'exec "$@"'])
        argv = ["unshare", "-m", "sh", "-c", script, "sh", *pypod.argv(*words)]
        return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)

    run = ("run", *NONE, "--userns", "auto")
    ran2 = under("none", *run, "--rm", image, "true")
    assert ran2.returncode == 125 and "the user containers has no ids in /etc/subuid" in ran2.stderr
    for name in ("r1", "r2"):
        ran2 = under("ids", *run, "-d", "--name", name, image, *SLEEP)
        assert ran2.returncode == 0, ran2.stderr
    one, two = ranges(pypod, "r1"), ranges(pypod, "r2")
    assert one.start == 1500000000 and two.start == one.stop
    script = "echo x > /made; chown 5:6 /made; stat -c %u:%g /made; cat /etc/passwd | wc -l"
    assert pypod("exec", "r1", "sh", "-c", script).out.split() == ["5:6", "3"]


@pytest.mark.passes("user")
def test_layers_that_no_container_has_go_with_a_prune(pypod: Program, image: str) -> None:
    graph = Path(json.loads(pypod("info", "--format", "json").out)["store"]["graphRoot"])

    def kinds() -> set[str]:
        return {path.name for path in (graph / "layers").iterdir()} - {"full", "single"}

    pypod("create", "--name", "held", *NONE, "--userns", "nomap", image, "cat", "/etc/group")
    (held,) = (kind for kind in kinds() if kind.startswith("map-0-1-65536"))
    pypod("run", "--rm", *NONE, "--userns", "auto:size=4567", image, "true")
    assert any("4567" in kind for kind in kinds())
    pypod("image", "prune", "-f")
    assert kinds() == {held}
    assert "root" in pypod("start", "-a", "held").out
    pypod("rm", "held")
    pypod("image", "prune", "-f")
    assert kinds() == set()


@pytest.mark.parametrize("mode", ["keep-id", "nomap"])
@pytest.mark.passes("user")
def test_a_tree_that_is_lost_is_made_again_at_a_start(
    pypod: Program, image: str, tmp_path: Path, mode: str
) -> None:
    graph = Path(json.loads(pypod("info", "--format", "json").out)["store"]["graphRoot"])
    words = ("--userns", mode, "-u", "0", image, "stat", "-c", "%u", "/etc/passwd")
    pypod("create", "--name", "lost", *NONE, *words)
    layers = json.loads(next(graph.glob("containers/*/create.json")).read_text())["layers"]
    (graph / "layers" / layers).rename(graph / "aside")
    assert pypod("start", "-a", "lost").out == "0\n"
    assert pypod("start", "-a", "lost").out == "0\n"
    pypod("unshare", "rm", "-rf", str(graph / "aside"))


@pytest.mark.passes("user")
def test_an_image_that_is_removed_while_its_tree_is_made_leaves_no_part_of_it(
    pypod: Program, many: str
) -> None:
    graph = Path(json.loads(pypod("info", "--format", "json").out)["store"]["graphRoot"])
    for attempt in range(5):
        pypod.pull(many)
        mode = f"keep-id:uid={7000 + attempt},gid=7"
        running = pypod.start("run", "--rm", *NONE, "--userns", mode, many, "true")
        stopped = workers.stop(running.pid)
        if stopped:
            pypod("rmi", many)
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
        _, err = running.communicate(timeout=60)
        if stopped:
            assert running.returncode == 125, err
            assert b"was removed while its layers were made" in err
            assert not list((graph / "layers").glob("keep-70*/*"))
            assert not list((graph / "tmp").glob("unpack-*"))
            return
        pypod("rmi", many)
    raise AssertionError("pypod-files was never seen at work")


@pytest.mark.passes("user")
def test_a_probe_that_could_not_run_is_tried_again(
    pypod: Program, image: str, tmp_path: Path
) -> None:
    root = ("--root", str(tmp_path / "graph"))
    pypod(*root, "pull", "-q", "--tls-verify=false", image)
    cache = tmp_path / "graph" / "cache" / "metacopy"
    cache.unlink(missing_ok=True)
    staging = tmp_path / "graph" / "tmp"
    words = (*root, "run", "--rm", *NONE, "--userns", "keep-id", image, "true")
    staging.chmod(0o500)
    try:
        assert "cannot try overlayfs" in pypod(*words, check=125).err
        assert not cache.exists()
    finally:
        staging.chmod(0o700)
    pypod(*words)
    assert cache.read_text().split()[1] in ("yes", "no")
    pypod(*root, "rmi", image)



@pytest.mark.passes("user")
def test_a_map_can_be_spelled_out(pypod: Program, image: str, tmp_path: Path) -> None:
    first, count = own_ids()
    volume = ("-v", f"{tmp_path}:/shared")
    script = "stat -c %u:%g /shared /bin/busybox; echo x > /shared/f; id -u; id -g"
    words = ("--uidmap", "0:1:1000", "--uidmap", "2000:0:1", "--gidmap", "0:1:1000", "-u2000:7")
    tmp_path.chmod(0o777)
    said = lines(pypod, image, *words, *volume, script=script)
    assert said == ["2000:65534", "0:0", "2000", "7"]
    made = (tmp_path / "f").stat()
    assert (made.st_uid, made.st_gid) == (os.getuid(), own_ids("gid")[0] + 7)
    pypod("run", "-d", "--name", "s1", *NONE, "--gidmap", "+g70000:@" + str(own_ids("gid")[0]),
          image, *SLEEP)  # fmt: skip
    assert host_map(pypod, "s1") == [(0, os.getuid(), 1), (1, first, count)]
    assert host_map(pypod, "s1", "gid")[-1] == (70000, own_ids("gid")[0], 1)
    env = {"PODMAN_USERNS": "keep-id"}
    ran = pypod("run", "--rm", *NONE, "--uidmap", "0:0:65537", image, "id", "-u", env=env)
    assert ran.out == "0\n"


@pytest.mark.passes("user")
def test_ids_can_be_those_of_a_name(pypod: Program, image: str) -> None:
    me = pwd.getpwuid(os.getuid()).pw_name
    words = ("--subuidname", me, "--subgidname", me)
    pypod("run", "-d", "--name", "s2", *NONE, *words, image, *SLEEP)
    assert host_map(pypod, "s2") == [(0, *own_ids())]
    assert host_map(pypod, "s2", "gid") == [(0, *own_ids("gid"))]
    ran = pypod("run", "--rm", *NONE, "--subuidname", "nobody", image, "true", check=125)
    assert "nobody has no ids in /etc/subuid" in ran.err
    for options in (("--userns=host", "--uidmap=0:0:1"), ("--subgidname=x", "--gidmap=0:0:1")):
        ran = pypod("run", "--rm", *NONE, *options, image, "true", check=125)
        assert "exclude each other" in ran.err


@pytest.mark.passes("root")
def test_root_maps_any_ids(pypod: Program, image: str) -> None:
    pypod("run", "-d", "--name", "s3", *NONE, "--uidmap", "0:700000:5000", image, *SLEEP)
    assert host_map(pypod, "s3") == [(0, 700000, 5000)] == host_map(pypod, "s3", "gid")
    assert pypod("exec", "s3", "stat", "-c", "%u:%g", "/bin/busybox").out == "0:0\n"
    ran = pypod("run", "--rm", *NONE, "--subuidname", "nobody", image, "true", check=125)
    assert "nobody has no ids in /etc/subuid" in ran.err


@pytest.mark.passes("user")
def test_containers_with_ids_of_their_own_cannot_touch_each_other(
    pypod: Program, image: str, tmp_path: Path
) -> None:
    """security.md A74: not even the files that one leaves in a place that both have."""
    tmp_path.chmod(0o777)
    volume = ("-v", f"{tmp_path}:/shared", *NONE, "--userns", "auto")
    script = "umask 077; echo secret > /shared/one; exec sleep 100"
    pypod("run", "-d", "--name", "sib1", *volume, image, "sh", "-c", script)
    assert within(10, (tmp_path / "one").exists)
    script = (
        "cat /shared/one; echo x >> /shared/one; chown 0 /shared/one; stat -c %u /shared/one;"
        " ps | grep -c 'sleep 10[0]'; kill -0 1 && id -u"
    )
    ran = pypod("run", "--rm", *volume, image, "sh", "-c", script)
    assert ran.out.split() == ["65534", "0", "0"]
    assert ran.err.count("ermission denied") == 2 and "chown: /shared/one: " in ran.err


@pytest.mark.passes("user")
def test_a_tree_whose_maker_was_killed_is_made_again(pypod: Program, many: str) -> None:
    pypod.pull(many)
    graph = Path(json.loads(pypod("info", "--format", "json").out)["store"]["graphRoot"])
    for attempt in range(5):
        mode = f"keep-id:uid={6000 + attempt},gid=7"
        words = ("run", "--rm", *NONE, "--userns", mode, "-u", "0", many)
        running = pypod.start(*words, "true")
        stopped = workers.stop(running.pid)
        if not stopped:
            running.communicate(timeout=60)
            continue
        running.kill()
        running.communicate(timeout=60)
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
        assert not list((graph / "layers").glob(f"keep-{6000 + attempt}*"))
        script = "find /lib? -type f | wc -l; cat /lib?/*/*.py | wc -c; stat -c %h /a/again"
        said = pypod(*words, "sh", "-c", script).out.split()
        assert said == ["10000", str(sum(n % 25 for n in range(2000)) * 5 * 4096), "2"]
        pypod("run", "--rm", *NONE, many, "true")
        assert within(10, lambda: not list((graph / "tmp").glob("unpack-*")))
        break
    else:
        raise AssertionError("pypod-files was never seen at work")
    pypod("rmi", many)
