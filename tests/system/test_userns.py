# SPDX-License-Identifier: Apache-2.0
"""--userns: whose ids a container has, and that an image is the same under every map."""

from __future__ import annotations

import io
import json
import os
import pwd
import tarfile
from pathlib import Path

import pytest

from tests.fixtures import images, many_files, workers
from tests.fixtures.program import Program
from tests.fixtures.registry import Registry

pytestmark = pytest.mark.own
CAPABLE = bytes([1, 0, 0, 2, 0, 4, *[0] * 14]).decode("latin-1")
"""cap_net_bind_service+ep, version 2 (linux/capability.h)."""
NONE = ("--network", "none")
KEEP = ("--userns", "keep-id")
LIST = (
    "find / -xdev -path /proc -prune -o -path /sys -prune -o -path /dev -prune -o -path /etc -prune"
    " -o -path /run -prune -o ! -type d -exec stat -c '%n %u:%g %a %s %F' {} + | sort;"
    " find / -xdev -type d ! -path '/[psdre]*' -exec stat -c '%n %u:%g %a' {} + | sort;"
    " find /data /deep /mine -exec stat -c '%n %u:%g %a' {} + | sort;"
    " find /bin /data -type f -exec stat -c '%n %h' {} + | sort;"
    " find /big /data /bin /deep -type f -exec md5sum {} + | sort"
)


def owned(content: tarfile.TarInfo, uid: int, gid: int) -> tarfile.TarInfo:
    content.uid, content.gid = uid, gid
    return content


@pytest.fixture(scope="module")
def layered(program: Program, registry: Registry) -> str:
    """Return an image with owners, a hard link, set-id bits, a whiteout and an opaque directory."""
    lower = images.busybox_files()
    lower["big"] = (os.urandom(3 << 20), 0o644)
    lower["data"] = owned(images.directory(0o750), 999, 998)
    lower["data/one"] = (b"one\n", 0o4755)
    lower["data/two"] = many_files.hard_link("data/one")
    lower["data/secret"] = (b"secret\n", 0o600)
    lower["data/empty"] = (b"", 0o640)
    lower["gone"] = (b"gone\n", 0o644)
    lower["deep"] = images.directory()
    lower["deep/below"] = (b"below\n", 0o644)
    long = "deep/" + "/".join("d" * 100 for _ in range(20))
    upper = {
        ".wh.gone": b"",
        "deep": images.directory(0o711),
        "deep/.wh..wh..opq": b"",
        "deep/above": (b"above\n", 0o644),
        "mine": owned(images.directory(0o700), 65533, 65533),
        long: (b"long\n", 0o644),
    }
    capable = tarfile.TarInfo("cap/busybox")
    capable.pax_headers = {"SCHILY.xattr.security.capability": CAPABLE}
    capable.size, capable.mode = images.BUSYBOX.stat().st_size, 0o755
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(capable, io.BytesIO(images.BUSYBOX.read_bytes()))
    files = [lower, upper, packed.getvalue()]
    name = registry.push(images.make(files, {"Cmd": ["/bin/sh"]}), "test/userns")
    program.pull(name)
    return name


def lines(pypod: Program, image: str, *options: str, script: str) -> list[str]:
    """Return the lines that a shell prints in a container with these options."""
    return pypod("run", "--rm", *NONE, *options, image, "sh", "-c", script).out.splitlines()


def graph(pypod: Program) -> Path:
    return Path(json.loads(pypod("info", "--format", "json").out)["store"]["graphRoot"])


@pytest.mark.passes("user", "single")
def test_keep_id_runs_as_the_caller_and_writes_the_callers_files(
    pypod: Program, image: str, tmp_path: Path
) -> None:
    (tmp_path / "given").write_text("given")
    ids = f"{os.getuid()}:{os.getgid()}"
    said = lines(
        pypod,
        image,
        *KEEP,
        "-v",
        f"{tmp_path}:/shared",
        script="echo $(id -u):$(id -g); stat -c %u:%g /shared/given; echo x > /shared/made",
    )
    assert said == [ids, ids]
    made = (tmp_path / "made").stat()
    assert (made.st_uid, made.st_gid) == (os.getuid(), os.getgid())


@pytest.mark.passes("user", "single")
def test_keep_id_gives_the_caller_a_line_in_passwd_and_group(pypod: Program, image: str) -> None:
    me = pwd.getpwuid(os.getuid()).pw_name
    script = "id -un; id -gn; grep -c . /etc/passwd; tail -1 /etc/passwd; echo $HOME"
    said = lines(pypod, image, *KEEP, "-w", "/tmp", script=script)
    assert said[0] == me and said[1] == me and said[2] == "4"
    assert said[3] == f"{me}:*:{os.getuid()}:{os.getgid()}:{me}:/tmp:/bin/sh"
    assert said[4] == "/tmp"


@pytest.mark.passes("user")
def test_the_line_is_added_once_and_a_user_of_the_image_is_left_as_it_is(
    pypod: Program, image: str
) -> None:
    pypod("run", "--name", "u1", *NONE, *KEEP, image, "cat", "/etc/passwd")
    again = pypod("start", "-a", "u1").out.splitlines()
    assert len(again) == 4
    own = "keep-id:uid=1000,gid=1000"
    assert lines(pypod, image, "--userns", own, script="id; wc -l < /etc/passwd") == [
        "uid=1000(user) gid=1000(user) groups=2000(extra)",
        "3",
    ]


@pytest.mark.passes("user")
def test_an_image_is_the_same_under_another_map(pypod: Program, layered: str) -> None:
    plain = lines(pypod, layered, script=LIST)
    assert len(plain) > 50 and not any("/gone" in line or "below" in line for line in plain)
    assert any(line.startswith("/data/one 0:0 4755 4 regular file") for line in plain)
    assert "/data/one 2" in plain and "/data/two 2" in plain
    modes = ["keep-id", "keep-id:uid=5,gid=70", "keep-id:uid=0,gid=9", "keep-id:uid=999"]
    for mode in (*modes, "nomap", "auto:size=65534", "auto:size=65534,uidmapping=7:0:1"):
        assert lines(pypod, layered, "--userns", mode, "-u", "0", script=LIST) == plain
    layers = graph(pypod) / "layers"
    fast = (layers.parent / "cache" / "metacopy").read_text().endswith(" yes")
    assert fast == (not list(layers.glob("*-copy")))


@pytest.mark.passes("user")
def test_rights_are_those_of_the_shifted_owners(pypod: Program, layered: str) -> None:
    script = "cat /data/secret || echo no; ls /mine || echo no; cat /big > /x || echo no"
    assert lines(pypod, layered, *KEEP, script=script) == ["no"] * 3
    script = "cat /data/secret; touch /mine/x; echo more >> /data/one; cat /data/two; stat -c %u /x"
    said = lines(pypod, layered, *KEEP, "-u", "0", script="touch /x;" + script)
    assert said == ["secret", "one", "0"] or said == ["secret", "one", "more", "0"]


@pytest.mark.passes("user")
def test_capabilities_of_files_are_good_for_the_containers_root(
    pypod: Program, layered: str
) -> None:
    script = "/cap/busybox grep CapEff /proc/self/status"
    auto = ("--userns", "auto:size=65534")
    for options in ((), KEEP, ("--userns", "keep-id:uid=5,gid=5"), ("--userns=nomap",), auto):
        (said,) = lines(pypod, layered, *options, "-u", "1000", script=script)
        assert int(said.split()[1], 16) == 0x400, options


@pytest.mark.passes("user")
def test_layers_of_another_map_hold_no_data_and_go_with_their_image(
    pypod: Program, registry: Registry
) -> None:
    files = images.busybox_files(large=(os.urandom(8 << 20), 0o644))
    name = registry.push(images.make([files], {"Cmd": ["true"]}), "test/usernslarge")
    pypod.pull(name)
    mode = ("--userns", "keep-id:uid=4321,gid=4321")
    pypod("run", "--rm", *NONE, *mode, name, "md5sum", "/large")
    made = graph(pypod) / "layers" / "keep-4321-4321"
    (layer,) = made.iterdir()
    size = (layer / "tree" / "large").stat()
    assert size.st_size == 8 << 20 and size.st_blocks < 100
    pypod("rmi", name)
    assert list(made.iterdir()) == []


@pytest.mark.passes("user")
def test_without_data_only_layers_they_are_copied_and_said_so(
    pypod: Program, image: str, tmp_path: Path
) -> None:
    root = ("--root", str(tmp_path / "graph"))
    pypod(*root, "pull", "-q", "--tls-verify=false", image)
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    cache = tmp_path / "graph" / "cache" / "metacopy"
    cache.write_text(f"{boot} no")
    for said in ("Copying 1 layers", ""):
        ran = pypod(*root, "run", "--rm", *NONE, *KEEP, "-u", "0", image, "stat", "-c%u", "/bin/sh")
        assert ran.out == "0\n" and said in ran.err and bool(ran.err) == bool(said)
    pypod(*root, "rmi", image)


@pytest.fixture(scope="module")
def large(program: Program, registry: Registry) -> str:
    """Return an image of 500 MB and 10,000 files."""
    name = registry.push(many_files.image(), "test/usernsmany")
    program.pull(name)
    return name


@pytest.mark.passes("user")
def test_a_large_image_is_the_same_when_several_processes_make_its_tree(
    pypod: Program, large: str
) -> None:
    script = (
        "find /lib* /a /b /shared -exec stat -c '%n %u:%g %a %Y' {} + | sort | md5sum;"
        " find /lib* /a /b /shared ! -type d -exec stat -c '%n %s %h' {} + | sort | md5sum;"
        " find /lib* /shared -type f -exec md5sum {} + | sort | md5sum;"
        " find /lib* -type f | wc -l; stat -c %h /a/again; cat /shared/name"
    )
    plain = lines(pypod, large, script=script)
    assert plain[3:] == ["10000", "2", "4"]
    assert lines(pypod, large, *KEEP, "-u", "0", script=script) == plain
    change = "echo x >> /b/first; cat /a/again; cat /lib0/01/1.py | wc -c; echo y > /lib0/01/1.py"
    assert lines(pypod, large, *KEEP, "-u", "0", script=change)[-1] == str(4096)
    tree = next((graph(pypod) / "layers").glob(f"keep-{os.getuid()}-*/*/tree/lib0"), None)
    if tree is not None and (graph(pypod) / "cache" / "metacopy").read_text().endswith("yes"):
        used = sum(path.stat().st_blocks for path in tree.rglob("*.py"))
        assert used <= 2000 * 8  # an inode and its attributes, none of the data


@pytest.mark.passes("user")
def test_a_terminal_sees_how_far_copying_is(
    pypod: Program, large: str, tmp_path: Path
) -> None:
    root = ("--root", str(tmp_path / "graph"))
    pypod(*root, "pull", "-q", "--tls-verify=false", large)
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    (tmp_path / "graph" / "cache" / "metacopy").write_text(f"{boot} no")
    words = (*root, "run", "--rm", *NONE, *KEEP, "-u", "0", large)
    with pypod.terminal(*words, "cat", "/shared/name", columns=120) as terminal:
        with workers.slowed(terminal.pid, "shift"):  # a fast machine is done before there is a line
            terminal.expect("Copying 6 layers of")
            terminal.expect("for --userns: ")
        terminal.expect("\x1b[K4")
        assert terminal.wait() == 0
    pypod(*root, "rmi", large)


@pytest.mark.passes("user", "single")
def test_exec_start_and_removal_use_the_containers_map(pypod: Program, image: str) -> None:
    pypod("run", "-d", "--name", "u2", *NONE, *KEEP, image, "sleep", "100")
    me = str(os.getuid())
    assert pypod("exec", "u2", "id", "-u").out.strip() == me
    assert pypod("exec", "u2", "sh", "-c", "echo hi > /tmp/f; stat -c %u /tmp/f").out.strip() == me
    pypod("stop", "-t0", "u2")
    pypod("start", "u2")
    assert pypod("exec", "u2", "cat", "/tmp/f").out == "hi\n"
    assert json.loads(pypod("inspect", "u2").out)[0]["HostConfig"]["UsernsMode"] == "keep-id"
    pypod("rm", "-f", "-t0", "u2")


@pytest.mark.passes("user")
def test_a_named_volume_belongs_to_the_containers_user(pypod: Program, image: str) -> None:
    script = "echo x > /data/f && stat -c %u /data/f"
    volume = ("-v", "usernsvol:/data")
    try:
        assert lines(pypod, image, *KEEP, *volume, script=script) == [str(os.getuid())]
    finally:
        pypod("volume", "rm", "-f", "usernsvol")


@pytest.mark.passes("user", "single")
def test_podman_userns_is_the_default_and_an_empty_word_is_none(
    pypod: Program, image: str
) -> None:
    env = {"PODMAN_USERNS": "keep-id"}
    words = ("run", "--rm", *NONE)
    assert pypod(*words, image, "id", "-u", env=env).out.strip() == str(os.getuid())
    assert pypod(*words, "--userns", "", image, "id", "-u", env=env).out.strip() == str(0)
    assert pypod(*words, "--userns=host", image, "id", "-u", env=env).out.strip() == str(0)


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("keep", "unknown mode"),
        ("keep-id:uid=x", "uid must be an id"),
        ("keep-id:uid=4294967295", "uid must be an id"),
        ("keep-id:user=1", "unknown option"),
    ],
)
@pytest.mark.passes("user", "root", "single")
def test_a_wrong_word_is_refused_before_anything_is_made(
    pypod: Program, image: str, mode: str, said: str
) -> None:
    ran = pypod("run", "--rm", *NONE, "--userns", mode, image, "true", check=125)
    assert said in ran.err
    assert pypod("ps", "-aq").out == ""


@pytest.mark.passes("user")
def test_an_owner_that_the_map_lacks_is_named(pypod: Program, layered: str) -> None:
    mode = "keep-id:uid=5,gid=5,size=2000"
    ran = pypod("run", "--rm", *NONE, "--userns", mode, layered, "true", check=125)
    assert "mine: its owner is not an id of this map" in ran.err


@pytest.mark.passes("root")
def test_root_cannot_keep_what_is_the_same_already(pypod: Program, image: str) -> None:
    ran = pypod("run", "--rm", *NONE, *KEEP, image, "true", check=125)
    assert "root's ids are the same inside already" in ran.err
