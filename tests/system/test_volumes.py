# SPDX-License-Identifier: Apache-2.0
"""Volumes as a database needs them: first content, owner, and data that outlive the container."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures import images
from tests.fixtures.program import Program, within
from tests.fixtures.registry import Registry

pytestmark = pytest.mark.own
NONE = ("--network", "none")
ENTRYPOINT = b"""#!/bin/sh
set -e
if [ "$(id -u)" = 0 ]; then
    mkdir -p /var/lib/db
    find /var/lib/db ! -user db -exec chown db:db {} +
    chmod 700 /var/lib/db
    exec su -c 'exec "$0" "$@"' -- db /entrypoint "$@"
fi
if [ ! -e /var/lib/db/VERSION ]; then
    echo 1 > /var/lib/db/VERSION
    echo initialised
fi
exec "$@"
"""


def owned(content: tarfile.TarInfo, uid: int, gid: int) -> tarfile.TarInfo:
    """Return an entry with an owner."""
    content.uid, content.gid = uid, gid
    return content


@pytest.fixture(scope="module")
def database(program: Program, registry: Registry) -> str:
    """Return an image as postgres is: a VOLUME with content, an entrypoint that drops rights."""
    files = images.busybox_files()
    files["etc/passwd"] = files["etc/passwd"] + b"db:x:999:999::/var/lib/db:/bin/sh\n"
    files["etc/group"] = files["etc/group"] + b"db:x:999:\n"
    files["bin/su"] = images.link("busybox")  # it does what gosu does
    files["entrypoint"] = (ENTRYPOINT, 0o755)
    files["var"], files["var/lib"] = images.directory(), images.directory()
    files["var/lib/db"] = owned(images.directory(0o750), 999, 999)
    files["var/lib/db/sample.conf"] = (b"shared_buffers = 128MB\n", 0o640)
    image = images.make(
        [files],
        {
            "Entrypoint": ["/entrypoint"],
            "Cmd": ["cat", "/var/lib/db/VERSION"],
            "Volumes": {"/var/lib/db": {}},
        },
    )
    name = registry.push(image, "volumes/database")
    program.pull(name)
    return name


@pytest.fixture
def volume(pypod: Program) -> Iterator[str]:
    """Return a name for a volume, which is removed afterwards."""
    name = f"vol-{os.getpid()}-{os.urandom(4).hex()}"
    yield name
    pypod("volume", "rm", "-f", "-t", "0", name, check=None)


@pytest.fixture
def db(test_pass: str) -> tuple[str, ...]:
    """Return the options that the database needs: a single id is the database's from the start."""
    return ("-u", "db") if test_pass == "single" else ()


def inside(pypod: Program, volume: str, image: str, script: str, *more: str) -> str:
    """Run a script as root with the volume at /v; return its output."""
    words = ("run", "--rm", *NONE, "-v", f"{volume}:/v:nocopy", *more, image, "sh", "-c", script)
    return pypod(*words).out


def anonymous(pypod: Program) -> set[str]:
    """Return the names of the anonymous volumes."""
    return set(pypod("volume", "ls", "-q", "-f", "anonymous=true").out.split())


@pytest.mark.passes("user", "root")  # with a single id nobody drops rights
def test_a_database_keeps_its_data_on_a_named_volume(
    pypod: Program, database: str, volume: str
) -> None:
    words = ("run", *NONE, "-v", f"{volume}:/var/lib/db", "--name", volume)
    first = pypod(*words, database, "sh", "-c", "echo row1 >> /var/lib/db/table; id -un")
    assert first.out == "initialised\ndb\n"
    pypod("rm", "-v", volume)  # -v takes anonymous volumes only
    second = pypod(*words, database, "cat", "/var/lib/db/table", "/var/lib/db/sample.conf")
    assert second.out == "row1\nshared_buffers = 128MB\n"
    pypod("rm", volume)
    third = pypod(*words, database)
    assert third.out == "1\n"


def test_a_database_starts_as_an_ordinary_user(pypod: Program, database: str, volume: str) -> None:
    # USER db from the start: the volume must be its own without anybody's chown.
    words = ("run", "--rm", *NONE, "-u", "db", "-v", f"{volume}:/var/lib/db", database)
    assert pypod(*words).out == "initialised\n1\n"
    assert pypod(*words).out == "1\n"


def test_a_database_on_an_anonymous_volume_goes_with_the_container(
    pypod: Program, database: str, volume: str, db: tuple[str, ...]
) -> None:
    before = anonymous(pypod)
    assert pypod("run", "--rm", *NONE, *db, database).out == "initialised\n1\n"
    assert anonymous(pypod) == before
    pypod("run", *NONE, *db, "--name", volume, database)
    (made,) = anonymous(pypod) - before
    mounts = json.loads(pypod("inspect", "-f", "{{json .Mounts}}", volume).out)
    assert [(one["Type"], one["Name"], one["Destination"]) for one in mounts] == [
        ("volume", made, "/var/lib/db")
    ]
    pypod("start", "-a", volume)
    pypod("rm", volume)
    assert anonymous(pypod) - before == {made}
    pypod("volume", "prune", "-f")
    assert anonymous(pypod) & {made} == set()
    pypod("run", *NONE, *db, "--name", volume, database)
    pypod("rm", "-v", volume)
    assert anonymous(pypod) == before


def test_a_detached_container_takes_its_anonymous_volume_along(
    pypod: Program, database: str, volume: str, db: tuple[str, ...]
) -> None:
    before = anonymous(pypod)
    words = ("run", "--rm", "-d", *NONE, *db, "--name", volume)
    pypod(*words, database, "sleep", "1000")
    assert anonymous(pypod) != before
    pypod("kill", volume)
    assert within(10, lambda: anonymous(pypod) == before)


def test_first_content_is_copied_with_all_that_it_has(
    pypod: Program, registry: Registry, volume: str, test_pass: str
) -> None:
    hard = tarfile.TarInfo()
    hard.type, hard.linkname = tarfile.LNKTYPE, "data/a"
    fifo = tarfile.TarInfo()
    fifo.type, fifo.mode = tarfile.FIFOTYPE, 0o622
    files = images.busybox_files()
    files.update(
        {
            "data": owned(images.directory(0o2775), 7, 8),
            "data/a": (b"content", 0o4751),
            "data/b": hard,
            "data/l": images.link("/etc/passwd"),
            "data/p": fifo,
            "data/deep": images.directory(0o700),
            "data/deep/er": images.directory(0o1777),
            "data/deep/er/f": (b"", 0o000),
        }
    )
    name = registry.push(images.make([files]), "volumes/content")
    pypod.pull(name)
    script = (
        "cd $0; find . | sort | while read f; do"
        " echo $f $(stat -c '%F %a %u %g %Y' $f); done; readlink l; cat a;"
        " [ $(stat -c %i a) = $(stat -c %i b) ] && echo same"
    )
    from_image = pypod("run", "--rm", *NONE, name, "sh", "-c", script, "/data").out
    words = ("run", "--rm", *NONE, "-v", f"{volume}:/data", name, "sh", "-c", script, "/data")
    assert pypod(*words).out == from_image
    assert "same" in from_image
    if test_pass != "single":
        assert ". directory 2775 7 8 " in from_image
    # Not a second time: what was removed stays removed.
    pypod("run", "--rm", *NONE, "-v", f"{volume}:/data", name, "rm", "-rf", "/data/a", "/data/b")
    assert "a\n" not in pypod(*words[:-4], "ls", "/data").out.replace("data", "")
    for how in (("--tmpfs", "/data"), ("--mount", "type=tmpfs,dst=/data")):
        assert pypod("run", "--rm", *NONE, *how, name, "sh", "-c", script, "/data").out == (
            from_image
        )


def test_holes_of_a_file_stay_holes(pypod: Program, image: str, volume: str) -> None:
    made = pypod(
        "create", *NONE, "--name", volume, "-v", f"{volume}:/tmp", image, "stat", "-c", "%s %b",
        "/tmp/sparse",
    )  # fmt: skip
    # The content of /tmp comes from the container's own layer: a file with a hole is put there.
    upper = pypod("inspect", "-f", "{{.GraphDriver.Data.UpperDir}}", made.line).line
    Path(upper, "tmp").mkdir(mode=0o755)
    with Path(upper, "tmp", "sparse").open("wb") as file:
        file.truncate(1 << 30)
        file.seek(1 << 29)
        file.write(b"x")
    size, blocks = pypod("start", "-a", volume).out.split()
    assert int(size) == 1 << 30
    assert int(blocks) < 1000
    pypod("rm", volume)


def test_an_empty_volume_belongs_to_the_user_of_its_first_container(
    pypod: Program, image: str, volume: str, test_pass: str
) -> None:
    words = ("run", "--rm", *NONE, "-v", f"{volume}:/no/such/place", image)
    out = pypod(*words[:2], "-u", "user", *words[2:], "stat", "-c", "%u:%g", "/no/such/place").line
    assert out == "1000:1000"
    # A second one changes nothing of it.
    second = pypod(*words, "stat", "-c", "%u:%g", "/no/such/place").line
    assert second == ("1000:1000" if test_pass != "single" else "0:0")


def test_nocopy_leaves_a_volume_empty_and_nocreate_makes_none(
    pypod: Program, database: str, volume: str
) -> None:
    ls = (database, "ls", "-A", "/var/lib/db")
    entry = ("--entrypoint", "")
    place = f"{volume}:/var/lib/db:nocopy"
    assert pypod("run", "--rm", *NONE, *entry, "-v", place, *ls).out == ""
    mount = f"type=volume,source={volume},target=/var/lib/db,volume-nocopy"
    assert pypod("run", "--rm", *NONE, *entry, "--mount", mount, *ls).out == ""
    # The next one that may copy does: nothing was ever in it.
    assert "sample.conf" in pypod("run", "--rm", *NONE, *entry, "-v", place[:-7], *ls).out
    done = pypod("run", "--rm", *NONE, "-v", f"{volume}x:/v:nocreate", database, "true", check=None)
    assert (done.rc, done.err.splitlines()[0]) == (
        125,
        f'Error: no volume with name "{volume}x" found: no such volume',
    )


def test_a_tmpfs_where_the_image_has_nothing_is_everybodys(pypod: Program, image: str) -> None:
    script = "stat -c %a /new/place && touch /new/place/f && ls /new/place"
    words = ("create", *NONE, "-u", "user", "--tmpfs", "/new/place")
    made = pypod(*words, image, "sh", "-c", script).line
    for _ in range(2):
        assert pypod("start", "-a", made).out == "1777\nf\n"


def test_attributes_of_files_are_copied(pypod: Program, registry: Registry, volume: str) -> None:
    entry = tarfile.TarInfo()
    entry.size, entry.mode = 0, 0o644
    entry.pax_headers = {"SCHILY.xattr.user.note": "hello"}
    files = {**images.busybox_files(), "data": images.directory(), "data/f": entry}
    name = registry.push(images.make([files]), "volumes/attributes")
    pypod.pull(name)
    pypod("run", "--rm", *NONE, "-v", f"{volume}:/data", name, "chmod", "644", "/data/f")
    where = Path(pypod("volume", "inspect", "-f", "{{.Mountpoint}}", volume).line)
    assert os.listxattr(where / "f") == ["user.note"]
    assert os.getxattr(where / "f", "user.note") == b"hello"


def test_a_volume_bound_to_a_place_of_the_host_is_not_given_away(
    pypod: Program, image: str, volume: str
) -> None:
    before = os.stat("/etc/passwd").st_ctime
    pypod("volume", "create", "-o", "o=bind", "-o", "device=/etc", volume)
    words = ("run", "--rm", *NONE, "-v", f"{volume}:/v:U")
    done = pypod(*words, image, "true", check=None)
    assert done.rc == 125 or "changes nothing" in done.warnings
    assert os.stat("/etc/passwd").st_ctime == before


def test_two_containers_share_a_volume(pypod: Program, image: str, volume: str) -> None:
    first = pypod("run", "-d", *NONE, "-v", f"{volume}:/v", image, "sleep", "1000").line
    pypod("run", "--rm", *NONE, "-v", f"{volume}:/w", image, "sh", "-c", "echo hello > /w/f")
    assert pypod("exec", first, "cat", "/v/f").out == "hello\n"
    done = pypod(
        "run", "--rm", *NONE, "-v", f"{volume}:/w:ro", image, "sh", "-c", "cat /w/f; echo > /w/g",
        check=None,
    )  # fmt: skip
    assert done.out == "hello\n"
    assert "Read-only" in done.err
    refused = pypod("volume", "rm", volume, check=2)
    assert f"being used by the following container(s): {first}" in refused.err
    named = pypod("ps", "-aq", "--no-trunc", "--filter", f"volume={volume}").line
    assert named == first
    assert pypod("ps", "-aq", "--filter", "volume=/nowhere").out == ""
    assert pypod("volume", "rm", "-f", "-t", "0", volume).line == volume
    pypod("container", "exists", first, check=1)


def test_copies_into_a_volume_that_a_running_container_has_are_seen_by_it(
    pypod: Program, image: str, database: str, volume: str, db: tuple[str, ...]
) -> None:
    first = pypod("run", "-d", *NONE, "-v", f"{volume}:/v", image, "sleep", "1000").line
    pypod("run", "--rm", *NONE, *db, "-v", f"{volume}:/var/lib/db", database)
    assert "sample.conf" in pypod("exec", first, "ls", "/v").out


def test_volumes_from_another_container(
    pypod: Program, database: str, image: str, volume: str, tmp_path: Path, db: tuple[str, ...]
) -> None:
    (tmp_path / "host").write_text("host\n")
    own = ("-v", f"{tmp_path}:/h", "-v", f"{volume}:/named")
    pypod("run", *NONE, *db, "--name", volume, *own, database)
    made = anonymous(pypod)
    script = "cat /h/host /var/lib/db/VERSION; echo > /named/x"
    words = ("run", "--rm", *NONE, "--volumes-from")
    assert pypod(*words, volume, image, "sh", "-c", script).out == "host\n1\n"
    # Read-only, and its own mounts win.
    done = pypod(
        *words, f"{volume}:ro", "--tmpfs", "/h", image, "sh", "-c", "ls /h; echo > /named/y",
        check=None,
    )  # fmt: skip
    assert done.out == ""
    assert "Read-only" in done.err
    assert anonymous(pypod) == made  # --rm took away nothing that another container has
    pypod(*words, f"{volume}:frobnicate", image, "true", check=125)
    pypod(*words, "nosuchcontainer", image, "true", check=125)


def test_the_images_volumes_can_be_in_memory_or_left_alone(pypod: Program, database: str) -> None:
    before = anonymous(pypod)
    script = "grep ' /var/lib/db ' /proc/self/mounts | cut -d' ' -f3; ls /var/lib/db"
    words = ("run", "-d", *NONE, "--entrypoint", "", "--image-volume")
    tmpfs = pypod(*words, "tmpfs", database, "sh", "-c", script).line
    ignored = pypod(*words, "ignore", database, "sh", "-c", script).line
    pypod("wait", tmpfs, ignored)
    assert pypod("logs", tmpfs).out == "tmpfs\nsample.conf\n"
    assert pypod("logs", ignored).out == "sample.conf\n"
    assert anonymous(pypod) == before
    pypod("run", "--rm", *NONE, "--image-volume", "frobnicate", database, check=125)


def test_the_size_of_shared_memory(pypod: Program, image: str) -> None:
    script = "grep ' /dev/shm ' /proc/self/mounts"
    for size, shown in (("1m", "size=1024k"), ("65536", "size=64k"), ("1g", "size=1048576k")):
        out = pypod("run", "--rm", *NONE, "--shm-size", size, image, "sh", "-c", script).out
        assert shown in out
    assert "size=65536k" in pypod("run", "--rm", *NONE, image, "sh", "-c", script).out
    done = pypod("run", "--rm", *NONE, "--shm-size", "many", image, "true", check=125)
    assert 'invalid size "many"' in done.err


MOUNTS: list[tuple[str, str, str]] = [
    ("type=bind,source={dir},target=/m,readonly", "cat /m/f; echo > /m/g", "f\n"),
    ("type=bind,src={dir},dst=/m,ro=false,bind-propagation=rslave", "cat /m/f", "f\n"),
    ("type=bind,src={dir},destination=/m,bind-nonrecursive,relabel=shared", "cat /m/f", "f\n"),
    ("type=bind,src={dir}/new,dst=/m,bind-create-src", "ls -A /m", ""),
    ("type=volume,src={volume},dst=/m,volume-label=a=b", "echo f > /m/f; cat /m/f", "f\n"),
    ("src={volume},dst=/m,rw=true", "cat /m/f", "f\n"),
    ("type=volume,dst=/m", "ls -A /m", ""),
    ("type=tmpfs,dst=/m,tmpfs-size=1m,tmpfs-mode=0700", "stat -c %a /m", "700\n"),
    ("type=tmpfs,dst=/home,notmpcopyup", "ls -A /home", ""),
    ("type=tmpfs,dst=/home", "ls -A /home", "user\n"),
]


def test_mount_takes_the_keys_of_podman_and_docker(
    pypod: Program, image: str, volume: str, tmp_path: Path
) -> None:
    (tmp_path / "f").write_text("f\n")
    for text, script, out in MOUNTS:
        mount = text.format(dir=tmp_path, volume=volume)
        done = pypod("run", "--rm", *NONE, "--mount", mount, image, "sh", "-c", script, check=None)
        assert done.out == out, (mount, done.err)
    assert not (tmp_path / "g").exists()
    assert pypod("volume", "inspect", "-f", "{{.Labels.a}}", volume).line == "b"


@pytest.mark.parametrize(
    "text",
    [
        "type=bind,dst=/m",
        "type=bind,src=/etc",
        "type=tmpfs,src=/etc,dst=/m",
        "type=volume,src=/etc,dst=/m",
        "type=nonsense,dst=/m",
        "type=image,src=x,dst=/m",
        "type=bind,src=/etc,dst=/m,frobnicate=1",
        "type=bind,src=/etc,dst=/proc/x",
        "type=bind,src=/etc,dst=/m,idmap",
        "type=bind,src=/etc,dst=/m,ro=maybe",
        "type=volume,src=v,dst=/m,volume-driver=nfs",
    ],
)
def test_a_wrong_mount_is_bad_input(pypod: Program, image: str, text: str) -> None:
    done = pypod("create", *NONE, "--mount", text, image, "true", check=125)
    assert done.err.startswith("Error: --mount ")
    assert done.err.count("Error: ") == 1
    assert pypod("ps", "-aq").out == ""


def test_a_part_of_a_volume_is_resolved_inside_it(pypod: Program, image: str, volume: str) -> None:
    inside(
        pypod, volume, image, "mkdir -p /v/a/b; echo f > /v/a/b/f; ln -s ../../../../../../etc /v/e"
    )
    mount = f"type=volume,src={volume},dst=/m,volume-subpath="
    words = ("run", "--rm", *NONE, "--mount")
    assert pypod(*words, mount + "a/b", image, "cat", "/m/f").out == "f\n"
    out = pypod(*words, mount + "e", image, "ls", "/m", check=None)
    assert out.rc == 125  # there is no etc in the volume, and none of the host's
    assert pypod(*words, mount + "missing", image, "ls", "/m", check=None).rc == 125


def test_a_volume_is_given_to_the_containers_user(
    pypod: Program, image: str, volume: str, tmp_path: Path, test_pass: str
) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "f").write_text("f")
    (tmp_path / "link").symlink_to("/etc/passwd")
    inside(pypod, volume, image, "mkdir /v/sub; echo f > /v/sub/f; ln -s /etc/passwd /v/link")
    before = os.stat("/etc/passwd")
    script = "stat -c %u:%g /v /v/sub /v/sub/f /v/link; echo more >> /v/sub/f"
    for source in (volume, str(tmp_path)):
        done = pypod(
            "run", "--rm", *NONE, "-u", "user", "-v", f"{source}:/v:U", image, "sh", "-c", script
        )
        assert done.out == "1000:1000\n" * 4
        assert ("U changes nothing" in done.warnings) == (test_pass == "single")
    pypod("run", "--rm", *NONE, "-v", f"{tmp_path}:/v:U", image, "true")  # and back
    assert os.stat(tmp_path / "sub" / "f").st_uid == os.getuid()
    after = os.stat("/etc/passwd")
    assert (after.st_uid, after.st_ctime) == (before.st_uid, before.st_ctime)
    for place in ("/", "/etc", str(Path.home())):
        done = pypod("create", *NONE, "-v", f"{place}:/v:U", image, "true", check=125)
        assert "does not change the owner" in done.err


@pytest.mark.passes("user", "root")
def test_a_tree_of_any_depth_is_given_away(pypod: Program, image: str, tmp_path: Path) -> None:
    top = tmp_path / "deep"
    top.mkdir()
    program = (
        "import os\nfor _ in range(3000): os.mkdir('d' * 20); os.chdir('d' * 20)\nopen('f', 'w')"
    )
    subprocess.run([sys.executable, "-c", program], cwd=top, check=True)
    words = ("run", "--rm", *NONE, "-v", f"{top}:/v:U", image, "true")
    pypod(*words[:2], "-u", "user", *words[2:])
    assert (top / ("d" * 20)).stat().st_uid != os.getuid()
    pypod(*words)
    program = "import os\nfor _ in range(3000): os.chdir('d' * 20)\nprint(os.stat('f').st_uid)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=top, check=True, capture_output=True, text=True
    )
    assert done.stdout == f"{os.getuid()}\n"


def test_an_overlay_over_a_directory_is_thrown_away(
    pypod: Program, image: str, volume: str, tmp_path: Path
) -> None:
    source = tmp_path / "lower"
    source.mkdir(mode=0o751)
    (source / "f").write_text("host\n")
    script = "cat /v/f; echo changed > /v/f; cat /v/f; stat -c %a /v; ls /v; touch /v/new"
    pypod("create", *NONE, "--name", volume, "-v", f"{source}:/v:O", image, "sh", "-c", script)
    for _ in range(2):
        assert pypod("start", "-a", volume).out == "host\nchanged\n751\nf\n"
    assert [path.name for path in source.iterdir()] == ["f"]
    assert (source / "f").read_text() == "host\n"
    for name in ("upper", "work"):
        (tmp_path / name).mkdir()
    kept = f"{source}:/v:O,upperdir={tmp_path}/upper,workdir={tmp_path}/work"
    pypod("run", "--rm", *NONE, "-v", kept, image, "touch", "/v/new")
    assert (tmp_path / "upper" / "new").exists()


def test_a_hostile_image_gets_nothing_of_the_host_into_a_volume(
    pypod: Program, registry: Registry, volume: str
) -> None:
    files = images.busybox_files()
    files["l"] = images.link("/../../../../../../etc")
    name = registry.push(images.make([files]), "volumes/hostile")
    pypod.pull(name)
    out = pypod("run", "--rm", *NONE, "-v", f"{volume}:/l", name, "cat", "/l/passwd").out
    assert out == pypod("run", "--rm", *NONE, name, "cat", "/etc/passwd").out


def test_a_copy_that_was_killed_is_done_again(pypod: Program, database: str, volume: str) -> None:
    pypod("volume", "create", volume)
    place = Path(pypod("volume", "inspect", "-f", "{{.Mountpoint}}", volume).line).parent
    (place / "new").mkdir()
    (place / "new" / "half").write_text("a part")
    words = ("run", "--rm", *NONE, "-v", f"{volume}:/var/lib/db", "--entrypoint", "", database)
    assert pypod(*words, "ls", "/var/lib/db").out == "sample.conf\n"
    # Killed later: what was whole is moved in, and what is in already stays.
    (place / "first-use").write_text("copy")
    (place / "ready").mkdir()
    (place / "ready" / "other").write_text("whole")
    assert pypod(*words, "ls", "/var/lib/db").out == "other\nsample.conf\n"
    assert sorted(path.name for path in place.iterdir()) == ["_data", "volume.json"]


def test_volume_commands(pypod: Program, image: str, volume: str) -> None:
    made = pypod("volume", "create", "--label", "who=me", "-l", volume, "-d", "local", volume)
    assert made.line == volume
    again = pypod("volume", "create", volume, check=125)
    assert f"volume with name {volume} already exists" in again.err
    pypod("volume", "create", "--ignore", volume)
    unnamed = pypod("volume", "create", "--label", f"{volume}=2").line
    assert len(unnamed) == 64
    listed = pypod("volume", "ls").out.splitlines()
    assert listed[0].split("  ")[0] == "DRIVER"
    assert f"local   {volume}" in listed
    assert "DRIVER" not in pypod("volume", "ls", "--noheading").out
    for filters, found in (
        (f"label={volume}", {volume, unnamed}),
        (f"label={volume}=2", {unnamed}),
        (f"name=^{volume}$", {volume}),
        (f"name={volume[:-2]}", {volume}),
    ):
        assert set(pypod("volume", "ls", "-q", "--filter", filters).out.split()) == found
    words = ("volume", "ls", "-q", "-f", f"label={volume}", "-f")
    for more, count in (
        ("dangling=true", 2), ("dangling=false", 0), ("driver=local", 2), ("driver=nfs", 0),
        ("scope=local", 2), ("anonymous=true", 0), ("until=1h", 0), ("until=0s", 2),
        ("label!=who", 1), ("opt=type", 0), (f"since={volume}", 1),
    ):  # fmt: skip
        assert len(pypod(*words, more).out.split()) == count, more
    pypod("volume", "ls", "--filter", "bogus=1", check=125)
    document = json.loads(pypod("volume", "inspect", volume).out)[0]
    assert document["Labels"] == {"who": "me", volume: ""}
    assert {key: document[key] for key in ("Name", "Driver", "Scope", "Options")} == {
        "Name": volume, "Driver": "local", "Scope": "local", "Options": {},
    }  # fmt: skip
    assert Path(document["Mountpoint"]).is_dir()
    assert json.loads(pypod("inspect", volume).out) == [document]
    assert json.loads(pypod("inspect", "--type", "volume", volume).out) == [document]
    assert document in json.loads(pypod("volume", "inspect", "--all").out)
    shown = pypod("volume", "ls", "--format", "table {{.Name}}\t{{.Driver}}").out.splitlines()
    assert shown[0].split() == ["VOLUME", "NAME", "DRIVER"]
    rows = json.loads(pypod("volume", "ls", "--format", "json", "-f", f"name={volume}").out)
    assert rows == [document]
    pypod("volume", "exists", volume)
    pypod("volume", "exists", volume[:-1], check=1)
    missing = pypod("volume", "inspect", volume + "x", check=125)
    assert (missing.out, missing.err.splitlines()[0]) == (
        "[]\n", f'Error: no volume with name "{volume}x" found: no such volume',
    )  # fmt: skip
    assert pypod("volume", "rm", unnamed[:20]).out == unnamed[:20] + "\n"
    pypod("volume", "rm", unnamed, check=1)
    pypod("volume", "rm", "-f", unnamed)
    pypod("volume", "rm", check=125)
    pypod("volume", "rm", volume)


@pytest.mark.parametrize("name", ["../x", ".", "..", "-rf", "a/b", "a\nb", "x" * 256, "é"])
def test_a_wrong_name_of_a_volume_is_bad_input(pypod: Program, image: str, name: str) -> None:
    before = pypod("volume", "ls", "-q").out
    done = pypod("volume", "create", "--", name, check=125)
    assert done.err.startswith("Error: ")
    pypod("create", *NONE, "--mount", f"src={name},dst=/v", image, "true", check=None)
    assert pypod("volume", "ls", "-q").out == before


def test_prune_takes_anonymous_volumes_unless_told_otherwise(
    pypod: Program, image: str, volume: str, tmp_path: Path
) -> None:
    store = ("--root", str(tmp_path / "root"), "--runroot", str(tmp_path / "run"))
    pypod(*store, "volume", "create", volume)
    pypod(*store, "volume", "create", "--label", "keep=1", volume + "2")
    hello = (*store, "create", *NONE, "--name", "user", "-v", f"{volume}3:/v", "-v", "/a")
    pypod(*hello, "pypod/hello")
    listed = (*store, "volume", "ls", "-q")
    assert len(pypod(*listed).out.split()) == 4
    asked = pypod(*store, "volume", "prune", "-a", input="n\n")
    assert f"{volume}\n{volume}2\n" in asked.err
    assert "Are you sure" in asked.err
    assert pypod(*store, "volume", "prune", "-f").out == ""
    pypod(*store, "rm", "user")
    assert len(pypod(*store, "volume", "prune", "-f").out.split()) == 1
    assert pypod(*store, "volume", "prune", "--force", "-a", "--filter", "label!=keep").out == (
        f"{volume}\n{volume}3\n"
    )
    assert pypod(*store, "volume", "prune", "-a", input="y\n").out == f"{volume}2\n"
    assert pypod(*store, "volume", "rm", "-a").out == ""
    pypod(*store, "rmi", "-a", "-f")


def test_options_of_the_driver(
    pypod: Program, image: str, volume: str, tmp_path: Path, test_pass: str
) -> None:
    (tmp_path / "f").write_text("f\n")
    bound = ("-o", "type=none", "-o", "o=bind", "-o", f"device={tmp_path}")
    pypod("volume", "create", *bound, volume)
    assert pypod("run", "--rm", *NONE, "-v", f"{volume}:/v", image, "cat", "/v/f").out == "f\n"
    pypod("volume", "rm", volume)
    assert (tmp_path / "f").exists()
    memory = ("--opt", "type=tmpfs", "--opt", "device=tmpfs", "--opt", "o=size=1m,noexec")
    pypod("volume", "create", *memory, volume)
    script = "grep ' /v ' /proc/self/mounts"
    out = pypod("run", "--rm", *NONE, "-v", f"{volume}:/v", image, "sh", "-c", script).out
    assert out.startswith("tmpfs ")
    assert "size=1024k" in out
    pypod("volume", "rm", volume)
    pypod("volume", "create", "-o", "o=uid=33,gid=34", volume)
    words = ("run", "--rm", *NONE, "-v", f"{volume}:/v", image, "stat", "-c", "%u:%g", "/v")
    assert pypod(*words).line == ("33:34" if test_pass != "single" else "0:0")
    for wrong in ("type=nfs", "frobnicate=1", "o=size=1g", "type=none"):
        done = pypod("volume", "create", "-o", wrong, "-o", "o=addr=x", volume + "x", check=125)
        assert done.err.startswith("Error: ")


def test_a_volume_is_removed_while_others_take_it(pypod: Program, image: str, volume: str) -> None:
    # Whoever wins, nobody gets a container whose volume is gone.
    for _ in range(5):
        making = [
            pypod.start("create", *NONE, "-v", f"{volume}:/v", image, "ls", "/v") for _ in range(3)
        ]
        removing = [pypod.start("volume", "rm", volume) for _ in range(2)]
        ids = [process.communicate(timeout=60)[0].decode().strip() for process in making]
        for process in removing:
            process.communicate(timeout=60)
        assert [process.returncode for process in making] == [0, 0, 0]
        for one in ids:
            assert pypod("start", "-a", one).rc == 0
        pypod("rm", *ids)
