# SPDX-License-Identifier: Apache-2.0
"""The commands of images and of pypod itself, pull's options, and what is said of bad input."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures import images
from tests.fixtures.program import Program, Result
from tests.fixtures.registry import PASSWORD, USER, Registry
from tests.fixtures.store import Store

NONE = ("--network", "none")


@pytest.fixture
def store(program: Program, tmp_path: Path) -> Iterator[Store]:
    """Return pypod with a store of the test's own."""
    own = Store(program, tmp_path / "store")
    yield own
    own("rm", "-a", "-f", check=None)
    own.remove()


@pytest.fixture
def two(store: Store, registry: Registry) -> tuple[str, str]:
    """Return the names of two images of the store: an old one with a label, and a newer one."""
    old = images.make(
        [{"file": b"old"}],
        {"Labels": {"kind": "old"}, "Cmd": ["/x"]},
        created="2020-01-02T03:04:05Z",
    )
    names = (registry.push(old, "test/old"), registry.push(images.busybox(), "test/new", "v1"))
    for name in names:
        store("pull", "-q", name)
    return names


def one_error(done: Result, *words: str) -> None:
    """Check that there is one line `Error:` that names what is wrong, and nothing on stdout."""
    beside = ("WARN", "Hint: ", "Trying to pull ")
    lines = [line for line in done.err.splitlines() if not line.startswith(beside)]
    assert len(lines) == 1 and lines[0].startswith("Error: "), done.err
    assert done.out == ""
    for word in words:
        assert word in lines[0], lines[0]


def names_of(store: Store, *words: str) -> list[str]:
    """Return the names that `images` lists, in its order."""
    return store("images", *words, "--format", "{{.Repository}}:{{.Tag}}").out.split()


@pytest.mark.own
def test_images_and_its_options(store: Store, two: tuple[str, str]) -> None:
    old, new = two
    table = store("images").out.splitlines()
    assert table[0].split() == "REPOSITORY TAG IMAGE ID CREATED SIZE".split()
    assert [line.split()[0] for line in table[1:]] == [new.rpartition(":")[0], old[:-7]]
    assert table[2].split()[1] == "latest" and "years ago" in table[2]
    assert store("images", "-n").out.splitlines() == table[1:]
    assert store("images", "--noheading").out.splitlines() == table[1:]
    digests = store("images", "--digests").out
    assert "DIGEST" in digests and "sha256:" in digests
    ids = store("images", "-q").out.split()
    full = store("images", "--quiet", "--no-trunc").out.split()
    assert [len(one) for one in ids] == [12, 12]
    assert [one.removeprefix("sha256:")[:12] for one in full] == ids
    assert names_of(store, "-a") == names_of(store, "--all") == [new, old]
    assert names_of(store, old) == names_of(store, "test/old") == [old]
    assert names_of(store, "--sort", "repository") == [new, old]
    assert names_of(store, "--sort=size") == [old, new]
    one_error(store("images", "--sort", "colour", check=125), "colour")
    assert names_of(store, "-a", old) == [old]
    store("tag", old, "more")
    table = store("images", "--history").out.splitlines()
    assert table[0].split()[-1] == "HISTORY"
    assert table[2].endswith(f"{old}, localhost/more:latest")
    store("untag", old, "more")
    store("untag", new)
    assert store("images", "--history", "-n", "-f", "dangling=true").out.split()[-1] == "<none>"


@pytest.mark.own
def test_images_filters_and_formats(store: Store, two: tuple[str, str]) -> None:
    old, new = two
    for words, wanted in (
        (("reference=*/test/old",), [old]),
        (("reference=test/*:v1",), [new]),
        (("label=kind",), [old]),
        (("label=kind=new",), []),
        ((f"before={new}",), [old]),
        ((f"since={old}",), [new]),
        (("dangling=true",), []),
        (("dangling=false", "label=kind=old"), [old]),
    ):
        filters = [one for word in words for one in ("--filter", word)]
        assert names_of(store, *filters) == wanted, words
    assert names_of(store, "-f", "label=kind") == [old]
    one_error(store("images", "--filter", "bogus=1", check=125), "bogus")
    documents = json.loads(store("images", "--format", "json").out)
    assert [one["Names"] for one in documents] == [[new], [old]]
    assert documents[1]["Labels"] == {"kind": "old"}
    table = store("images", "--format", "table {{.Repository}} {{.ID}}").out.splitlines()
    assert table[0].split() == ["REPOSITORY", "IMAGE", "ID"] and len(table) == 3
    # Each field is a column, whatever stands between them.
    assert len({line.rindex(" ") for line in table[1:]}) == 1
    assert table[0].index("IMAGE") == table[1].rindex(" ") + 1


@pytest.mark.own
def test_inspect_of_images(store: Store, two: tuple[str, str]) -> None:
    old, new = two
    found = json.loads(store("image", "inspect", old, new).out)
    assert [one["RepoTags"] for one in found] == [[old], [new]]
    assert found[0]["Config"]["Labels"] == {"kind": "old"} and found[0]["Os"] == "linux"
    template = "{{index .Config.Labels \"kind\"}} {{range .Config.Cmd}}{{.}}{{end}}"
    assert store("image", "inspect", "-f", template, old).line == "old /x"
    assert store("inspect", "--type", "image", "--format", "{{.Id}}", new[:-3] + ":v1").line
    assert store("image", "exists", old).rc == 0
    assert store("image", "exists", "absent", check=1).err == ""


@pytest.mark.own
def test_tag_untag_and_ids(store: Store, two: tuple[str, str]) -> None:
    old, new = two
    store("tag", old, "second", "example.com/third:x")
    assert set(names_of(store)) == {new, old, "localhost/second:latest", "example.com/third:x"}
    assert len(set(store("images", "-q").out.split())) == 2
    store("untag", old, "second")
    assert "localhost/second:latest" not in names_of(store)
    one_error(store("untag", old, "second", check=125), "second")
    one_error(store("tag", "absent", "x", check=125), "absent")
    one_error(store("tag", old, "Bad Name", check=125), "Bad Name")
    id = store("images", "-q", new).line
    assert store("inspect", "-f", "{{.Id}}", id[:6]).line.startswith(id)
    store("untag", old)
    assert names_of(store) == [new, "<none>:<none>"]
    assert names_of(store, "--filter", "dangling=true") == ["<none>:<none>"]


@pytest.mark.own
def test_rmi(store: Store, two: tuple[str, str]) -> None:
    old, new = two
    store("tag", new, "second")
    assert "Untagged: localhost/second:latest" in store("rmi", "second").out
    assert new in names_of(store)
    name = store("create", *NONE, new).line
    used = store("rmi", new, check=2)
    one_error(used, name[:12])
    assert new in names_of(store)
    one_error(store("rmi", "absent", check=1), "absent")
    assert store("rmi", "--ignore", "absent").err == ""
    assert "Deleted: " in store("rmi", "-f", new).out
    assert store("ps", "-aq").out == ""
    assert names_of(store) == [old]
    store("pull", "-q", new)
    done = store("rmi", "-a", "--force")
    assert done.out.count("Deleted: ") == 2
    assert store("images", "-q").out == ""
    assert list(store.files()) == ["images/index.json"]
    assert store("rmi", "--all").out == ""


@pytest.mark.own
def test_pull_options(store: Store, registry: Registry, tmp_path: Path) -> None:
    here, other = images.busybox(), images.busybox(architecture="arm64")
    for one in (here, other):
        for data in one.blobs.values():
            registry.put_blob("test/many", data)
        registry.put_manifest("test/many", one.digest, one.manifest, one.media_type)
    body, media_type = images.index([(here, "amd64"), (other, "arm64")])
    registry.put_manifest("test/many", "latest", body, media_type)
    name = f"{registry.host}/test/many"

    def pulled(*words: str) -> tuple[str, str]:
        done = store("pull", *words, name)
        template = "{{.Architecture}} {{.Os}}"
        return done.line, store("image", "inspect", "-f", template, done.line).line

    assert pulled("-q") == (here.id[7:], "amd64 linux")
    for words in (
        ("--platform", "linux/arm64"),
        ("--arch=arm64",),
        ("--arch", "arm64", "--os", "linux"),
        ("--arch", "arm64", "--variant", "v8"),
    ):
        assert pulled("--quiet", *words) == (other.id[7:], "arm64 linux")
    one_error(store("pull", "--platform", "linux/s390x", name, check=125), "s390x")
    one_error(store("pull", "--os", "plan9", name, check=125), "plan9")
    one_error(store("pull", "--platform=linux/arm64", "--arch=arm64", name, check=125))
    assert store("pull", "--tls-verify=false", "-q", name).line == here.id[7:]
    one_error(store("pull", "--tls-verify=maybe", name, check=125), "maybe")


@pytest.mark.own
def test_pull_credentials(store: Store, tmp_path: Path) -> None:
    locked = Registry(tmp_path / "locked", "basic")
    try:
        name = locked.push(images.busybox(), "test/locked")
        one_error(store("pull", name, check=125), locked.host)
        one_error(store("pull", "--creds", f"{USER}:wrong", name, check=125), locked.host)
        assert store("images", "-q").out == ""
        one = store("pull", "-q", "--creds", f"{USER}:{PASSWORD}", name).line
        import base64

        secret = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        file = tmp_path / "auth.json"
        file.write_text(json.dumps({"auths": {locked.host: {"auth": secret}}}))
        file.chmod(0o600)
        assert store("pull", "-q", "--authfile", str(file), name).line == one
    finally:
        locked.close()


def test_version(pypod: Program) -> None:
    number = r"\d+\.\d+\.\d+\S*"
    assert re.search(rf"^Version: +{number}$", pypod("version").out, re.M)
    assert re.fullmatch(number, pypod("version", "-f", "{{.Client.Version}}").line)
    found = json.loads(pypod("version", "--format", "json").out)
    assert found["Client"]["Version"] == pypod("version", "-f", "{{.Client.Version}}").line
    assert pypod("--version").line.endswith(found["Client"]["Version"])


def test_info(pypod: Program, test_pass: str, image: str) -> None:
    found = json.loads(pypod("info", "--format", "json").out)
    assert found["host"]["security"]["rootless"] is (os.getuid() != 0)
    before = found["store"]["containerStore"]["number"]
    pypod("create", *NONE, image)
    template = "{{.Store.ContainerStore.Number}}" if pypod.is_podman else (
        "{{.store.containerStore.number}}"
    )
    assert pypod("info", "-f", template).line == str(before + 1)
    assert "graphRoot" in pypod("info").out
    if not pypod.is_podman:
        assert any("id range" in line for line in found["missing"]) == (test_pass == "single")


def test_unshare(pypod: Program, test_pass: str) -> None:
    if pypod.is_podman and test_pass == "root":
        return  # podman's unshare is for rootless users
    assert pypod("unshare", "id", "-u").line == "0"
    lines = pypod("unshare", "cat", "/proc/self/uid_map").out.splitlines()
    assert lines[0].split()[:2] == ["0", str(os.getuid())]
    assert (len(lines) > 1) == (test_pass == "user")
    assert pypod("unshare", "sh", "-c", "exit 5", check=5).out == ""


@pytest.mark.own
def test_global_options(pypod: Program, tmp_path: Path) -> None:
    root, run = tmp_path / "r", tmp_path / "n"
    words = ("--root", str(root), "--runroot", str(run))
    found = json.loads(pypod(*words, "info", "-f", "json").out)
    assert found["store"]["graphRoot"] == str(root) and found["store"]["runRoot"] == str(run)
    assert "plan 0" in pypod("--log-level", "debug", *words, "run", "--rm", "pypod/hello").err
    assert "plan 0" not in pypod("--log-level=error", *words, "run", "--rm", "pypod/hello").err
    pypod(*words, "rmi", "-a", "-f")
    assert "nope" in pypod("--log-level", "nope", "ps", check=125).err
    for command in ("ps", "images"):
        text = pypod(command, "--help").out
        assert text == pypod(command, "-h").out
        assert "--filter" in text and "--format" in text
    assert "--sig-proxy" in pypod("run", "--help").out  # its -h is the host name
    assert "unshare" in pypod("--help").out
    assert pypod("-v").out == pypod("--version").out


@pytest.mark.own
def test_bad_input_leaves_nothing(store: Store, image: str, two: tuple[str, str]) -> None:
    name = two[1]
    store("create", "--name", "taken", *NONE, name)
    containers = store("ps", "-aq", "--no-trunc").out
    tree = sorted(str(path) for path in (store.root / "containers").iterdir())
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        down = f"127.0.0.1:{nobody.getsockname()[1]}"
        rows = [
            (("run", f"{down}/x/y", "true"), down),
            (("run", two[0][:-11] + "absent:none", "true"), "absent"),
            (("run", "--pull=never", "example.com/no/image"), "example.com/no/image"),
            (("run", "-v", "/no/such/dir:/x", name, "true"), "/no/such/dir"),
            (("run", "-v", "/tmp:x", name, "true"), "x"),
            (("run", "-v", "/tmp:/x:bogus", name, "true"), "bogus"),
            (("run", "--tmpfs", "/x:bogus=1", name, "true"), "bogus"),
            (("run", "--name", "taken", name, "true"), "taken"),
            (("run", "--name", "not/good", name, "true"), "not/good"),
            (("run", "--network", "bridge", name, "true"), "bridge"),
            (("run", "--cap-add", "CAP_FLY", name, "true"), "CAP_FLY"),
            (("run", "--cap-drop", "FLY", name, "true"), "FLY"),
            (("run", "--security-opt", "bogus=1", name, "true"), "bogus"),
            (("run", "-w", "relative", name, "true"), "relative"),
            (("run", "--env-file", "/no/such/file", name, "true"), "/no/such/file"),
            (("run", "-e", "=x", name, "true"), "=x"),
            (("run", "-u", "nobody_here", name, "true"), "nobody_here"),
            (("run", "--stop-timeout", "soon", name, "true"), "soon"),
            (("run", "--stop-signal", "SIGFOO", name, "true"), "SIGFOO"),
            (("run", "--no-such-option", name, "true"), "--no-such-option"),
            (("run", "-d", "-a", "stdout", name, "true"), "-a"),
            (("run", "--detach-keys", "ctrl-", name, "true"), "ctrl-"),
            (("run",), "arg"),
            (("run", "Bad:Image:Name", "true"), "Bad:Image:Name"),
            (("no-such-command",), "no-such-command"),
            (("images", "--quiet", "--format", "x"), "--quiet"),
            (("run", "--hostname", "a b", name, "true"), "a b"),
        ]
        for words, named in rows:
            done = store(*words, check=None)
            assert done.rc == 125, (words, done)
            one_error(done, named)
            assert store("ps", "-aq", "--no-trunc").out == containers, words
    assert sorted(str(path) for path in (store.root / "containers").iterdir()) == tree
    assert sorted(os.listdir(store.root / "names")) == ["taken"]
    assert not os.listdir(store.root / "tmp")


@pytest.mark.own
def test_a_full_disk_leaves_no_container(store: Store, two: tuple[str, str]) -> None:
    before = store.root.joinpath("names")
    store("create", "--name", "kept", *NONE, two[1])
    # RLIMIT_FSIZE fails a write as a full disk does, for this user and this command only.
    words = store.program.argv(*store.first, "create", "--name", "full", *NONE, two[1])
    limited = ["/bin/bash", "-c", 'ulimit -f 0; exec "$@" 2>&1 | cat', "-", *words]
    done = subprocess.run(limited, capture_output=True, text=True, timeout=60, check=False)
    errors = [line for line in done.stdout.splitlines() if not line.startswith("WARN")]
    assert len(errors) == 1 and errors[0].startswith("Error: ") and "full" in errors[0], errors
    assert os.listdir(before) == ["kept"]
    assert len(store("ps", "-aq").out.split()) == 1
    assert not os.listdir(store.root / "tmp")


@pytest.mark.own
def test_an_ambiguous_id_is_refused(store: Store, two: tuple[str, str]) -> None:
    names: dict[str, str] = {}
    while True:  # at most 17: two ids begin with the same character
        id = store("create", *NONE, two[1]).line
        if id[0] in names:
            break
        names[id[0]] = id
    one_error(store("rm", id[0], check=None), id[0])
    one_error(store("inspect", id[0], check=125))
    assert names[id[0]] in store("ps", "-aq", "--no-trunc").out
    assert store("rm", id[:12]).line == id[:12]
    assert store("rm", id[0]).line == id[0]


@pytest.mark.own
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "-m", "64m"), "cannot limit memory yet"),
        (("run", "--memory=64m"), "cannot limit memory yet"),
        (("create", "--cpus", "1"), "cannot limit CPU yet"),
        (("run", "--pids-limit", "9"), "cannot limit processes yet"),
        (("run", "--ip", "10.0.0.1"), "--ip is not there yet"),
        (("run", "--pod", "x"), "--pod is not there yet"),
        (("build", "."), "is not there yet"),
        (("network", "ls"), "is not there yet"),
        (("container", "top"), "is not there yet"),
        (("ps", "--pod"), "--pod is not there yet"),
        (("rm", "--depend", "x"), "--depend is not there yet"),
    ],
)
def test_what_is_not_there_yet_says_so(
    pypod: Program, image: str, words: tuple[str, ...], said: str
) -> None:
    more = (image, "true") if words[0] in ("run", "create") else ()
    one_error(pypod(*words, *more, check=125), said)
    assert pypod("ps", "-aq").out == ""
