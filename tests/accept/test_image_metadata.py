# SPDX-License-Identifier: Apache-2.0
"""Rows S-17 to S-21: an image's files, links and configuration are data and never control."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.accept.conftest import Make, Sentinel
from tests.fixtures import images
from tests.fixtures.program import Program

pytestmark = pytest.mark.own
INJECTED = ("etc/hosts", "etc/hostname", "etc/resolv.conf", "run/.containerenv")


def links(target: Path, how: str) -> dict[str, Any]:
    """Return the injected files as links into the sentinel."""
    files: dict[str, Any] = {"run": images.directory()}
    for path in INJECTED:
        to = f"{target}/{Path(path).name}"
        files[path] = images.link(to if how == "absolute" else f"../../../../..{to}")
    return files


@pytest.mark.parametrize("how", ["absolute", "relative", "none"])
def test_s17_injected_files_are_links(
    pypod: Program, make_image: Make, sentinel: Sentinel, how: str
) -> None:
    # "none" is the control: an image without links does show the injected content.
    name = make_image(links(sentinel.path, how) if how != "none" else {})
    script = "cat /etc/hosts /etc/hostname /run/.containerenv"
    done = pypod("run", "--rm", "-h", "injected", name, "sh", "-c", script, check=None)
    if how == "none":
        assert done.rc == 0
    assert "host hosts" not in done.out
    if done.rc == 0:
        assert "127.0.0.1" in done.out
        assert "injected\n" in done.out
        assert 'engine="pypod"' in done.out
    else:
        assert done.rc == 125
        assert done.err.startswith("Error: ")


def test_s17_a_link_to_what_is_not_there_is_filled(pypod: Program, make_image: Make) -> None:
    # As distributions ship /etc/resolv.conf: the content appears where the link leads, inside.
    name = make_image({"etc/hosts": images.link("../run/new/place/hosts")})
    assert "127.0.0.1" in pypod("run", "--rm", name, "cat", "/etc/hosts").out


def test_s18_workdir_through_a_link(pypod: Program, make_image: Make, sentinel: Sentinel) -> None:
    name = make_image({"l": images.link(str(sentinel.path))}, {"WorkingDir": "/l/new"})
    done = pypod("run", "--rm", name, "pwd", check=None)
    assert done.rc in (0, 125, 126, 127)
    up = make_image({}, {"WorkingDir": f"/../../../..{sentinel.path}/made"})
    pypod("run", "--rm", up, "pwd", check=None)
    assert not (sentinel.path / "new").exists()
    assert not (sentinel.path / "made").exists()


VOLUMES = ["/l", "/l/dir", "/l/new/deep", "/../../../..{}", "/../../../..{}/dir", "/a/../l"]


@pytest.mark.parametrize("place", VOLUMES)
@pytest.mark.parametrize("how", ["absolute", "relative"])
def test_s18_volume_through_a_link(
    pypod: Program, make_image: Make, sentinel: Sentinel, place: str, how: str
) -> None:
    # CVE-2022-23648: what a VOLUME's path leads to on the host is never copied into the volume.
    target = str(sentinel.path) if how == "absolute" else f"../../../../../..{sentinel.path}"
    volume = place.format(sentinel.path)
    name = make_image({"l": images.link(target)}, {"Volumes": {volume: {}}})
    script = "cd $0 && find . -type f; echo end; echo x > written"
    for words in (("-v", "/unrelated"), ("-v", f"s18-{os.getpid()}:{volume}")):
        done = pypod("run", "--rm", *words, name, "sh", "-c", script, volume, check=None)
        assert done.rc in (0, 125), done.err
        assert "keep" not in done.out
        assert "inner" not in done.out
        assert done.out in ("end\n", "")
    assert not (sentinel.path / "new").exists()
    pypod("volume", "rm", "-f", f"s18-{os.getpid()}")


def test_s18_what_a_volume_has_is_never_overwritten(
    pypod: Program, make_image: Make, sentinel: Sentinel
) -> None:
    # CVE-2020-1726: the content of an image goes into an empty volume only.
    volume = f"s18-kept-{os.getpid()}"
    name = make_image(
        {"data": images.directory(), "data/f": b"of the image\n", "data/g": b"new\n"},
        {"Volumes": {"/data": {}}},
    )
    words = ("run", "--rm", "-v", f"{volume}:/data:nocopy", name, "sh", "-c")
    pypod(*words, f"echo mine > /data/f; ln -s {sentinel.path}/keep /data/g")
    out = pypod("run", "--rm", "-v", f"{volume}:/data", name, "sh", "-c", "cat /data/f; ls /data")
    assert out.out == "mine\nf\ng\n"
    pypod("volume", "rm", volume)


def test_s18_a_volume_is_swapped_while_it_is_copied(
    pypod: Program, make_image: Make, sentinel: Sentinel
) -> None:
    # Whoever has the volume already turns every name in it into a link to the host, all the time.
    files: dict[str, Any] = {"data": images.directory()}
    for number in range(20):
        files[f"data/d{number}"] = images.directory()
        files[f"data/d{number}/f"] = b"x" * 1000
    name = make_image(files)
    volume = f"s18-swap-{os.getpid()}"
    swap = (
        f"while :; do for n in 0 5 10 19; do ln -sfn {sentinel.path} /v/d$n; "
        f"ln -sfn {sentinel.path}/keep /v/f; rm -rf /v/d$n /v/f; done; done"
    )
    for _ in range(3):
        attacker = pypod("run", "-d", "-v", f"{volume}:/v", make_image({}), "sh", "-c", swap).line
        for _ in range(4):
            done = pypod("run", "--rm", "-v", f"{volume}:/data", name, "true", check=None)
            assert done.rc in (0, 125), done.err
        pypod("rm", "-f", "-t", "0", attacker)
        pypod("volume", "rm", volume)


def test_s18_a_volume_is_given_away_while_it_is_swapped(
    pypod: Program, make_image: Make, sentinel: Sentinel
) -> None:
    name = make_image({})
    volume = f"s18-chown-{os.getpid()}"
    swap = (
        "mkdir -p /v/a/b/c /v/x; while :; do mv /v/a/b /v/x/b; "
        f"ln -sfn {sentinel.path} /v/a/b; rm /v/a/b; mv /v/x/b /v/a/b; done"
    )
    attacker = pypod("run", "-d", "-v", f"{volume}:/v", name, "sh", "-c", swap).line
    for number in range(8):
        user = "user" if number % 2 else "root"
        words = ("run", "--rm", "-u", user, "-v", f"{volume}:/v:U", name, "true")
        assert pypod(*words, check=None).rc in (0, 125)
    pypod("rm", "-f", "-t", "0", attacker)
    pypod("volume", "rm", volume)


def test_s19_environment_of_an_image(pypod: Program, make_image: Make) -> None:
    name = make_image({}, {"Env": ["SECRET", "*", "A*", "=x", "OK=1", "PATH=/bin"]})
    out = pypod("run", "--rm", name, "env", env={"SECRET": "hunter2", "AB": "hunter2"}).out
    assert "hunter2" not in out
    assert "OK=1\n" in out
    shown = pypod("inspect", "-f", "{{json .Config.Env}}", name).out
    assert json.loads(shown) == ["OK=1", "PATH=/bin"]


def test_s20_labels_are_only_labels(pypod: Program, make_image: Make) -> None:
    labels = {
        "run.oci.keep_original_groups": "1",
        "io.podman.annotations.privileged": "TRUE",
        "io.podman.annotations.seccomp": "unconfined",
        "io.containers.capabilities": "SYS_ADMIN,NET_ADMIN",
        "io.pypod.init": "1",
        "org.opencontainers.image.stopSignal": "KILL",
    }
    plain = make_image({}, {})
    labelled = make_image({}, {"Labels": labels})
    documents = []
    for number, name in enumerate((plain, labelled)):
        pypod("create", "--name", f"twin{number}", "-h", "twin", name, "true")
        path = Path(pypod("inspect", "-f", "{{.OCIConfigPath}}", f"twin{number}").line)
        text = path.read_text()
        document = json.loads(text.replace(path.parent.name, "ID"))
        lower = document["mounts"][0]["options"]
        document["mounts"][0]["options"] = [one for one in lower if "lowerdir" not in one]
        documents.append(document)
    assert documents[0] == documents[1]
    shown = json.loads(pypod("inspect", "-f", "{{json .Config.Labels}}", "twin1").out)
    assert shown == labels


NUMBERS = [
    ("0:", None),
    (":0", None),
    ("00", None),
    ("+0", None),
    ("-1", None),
    ("4294967295", None),
    ("4294967296", None),
    ("4294968296", None),
    ("2147483648", None),
    ("1000x", None),
    ("1000:", None),
    ("nouser", None),
    (" 0", None),
    ("root", "0"),
    ("0", "0"),
    ("1000", "1000"),
    ("user", "1000"),
    ("user:extra", "1000"),
]


@pytest.mark.parametrize(("text", "uid"), NUMBERS)
@pytest.mark.parametrize("way", ["run", "exec", "image"])
def test_s21_user_is_never_guessed(
    pypod: Program,
    image: str,
    make_image: Make,
    text: str,
    uid: str | None,
    way: str,
    test_pass: str,
) -> None:
    if way == "run":
        done = pypod("run", "--rm", "-u", text, image, "id", "-u", check=None)
    elif way == "image":
        done = pypod("run", "--rm", make_image({}, {"User": text}), "id", "-u", check=None)
    else:
        name = pypod("run", "-d", image, "sleep", "1000").line
        done = pypod("exec", "-u", text, name, "id", "-u", check=None)
        if test_pass == "single" and uid == "1000":
            assert done.rc in (125, 126)
            return
    if text == "2147483648" and (test_pass == "root" or (test_pass == "single" and way != "exec")):
        uid = text  # the map holds it, root's and that of a single id: an id like any other, not 0
    if uid is None:
        assert done.rc in (125, 126), done.out
        assert done.out == ""
        assert done.err.startswith("Error: ")
    else:
        assert (done.rc, done.out) == (0, f"{uid}\n"), done.err


def test_s21_an_empty_user_is_the_default(pypod: Program, make_image: Make) -> None:
    assert pypod("run", "--rm", make_image({}, {"User": ""}), "id", "-u").line == "0"


def test_groups_of_the_image_and_none_of_the_host(
    pypod: Program, image: str, test_pass: str
) -> None:
    out = pypod("run", "--rm", "-u", "user", image, "id", "-G").line.split()
    if test_pass == "single":
        assert set(out) <= {"1000", "65534"}
    else:
        assert set(out) == {"1000", "2000"}
    host = {str(group) for group in os.getgroups()} - {"0", "1000", "2000"}
    assert not host & set(out)
