# SPDX-License-Identifier: Apache-2.0
"""commit, export and import: a container's files as an image and as an archive."""

from __future__ import annotations

import bz2
import fcntl
import http.server
import io
import json
import lzma
import os
import signal
import struct
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures import images
from tests.fixtures.program import Program, within
from tests.fixtures.registry import Registry
from tests.fixtures.store import Store

pytestmark = pytest.mark.own
CHANGES = (
    "rm /etc/group && rm -r /var/old && mkdir /var/old && echo new > /var/old/new"
    " && echo hi > /made && ln /made /again && ln -s made /linked"
    " && mkfifo /fifo && chmod 4750 /made"
    " && long=/$(printf 'x%.0s' $(seq 120)) && mkdir $long && echo deep > $long/y"
)


@pytest.fixture
def store(program: Program, registry: Registry, tmp_path: Path) -> Iterator[Store]:
    made = Store(program, tmp_path)
    files = images.busybox_files()
    files["var"], files["var/old"] = images.directory(), images.directory()
    files["var/old/file"] = b"old\n"
    name = registry.push(images.make([files], {"Cmd": ["sh"], "Env": ["A=1"]}), "make/base")
    made("pull", "-q", name)
    made("tag", name, "base")
    yield made
    made("rm", "-a", "-f", "-t", "0")
    made.remove()


def changed(store: Store, name: str = "c") -> str:
    store("run", "--network=none", "--name", name, "base", "sh", "-c", CHANGES)
    return name


def members(data: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return {one.name: one for one in archive}


def test_a_committed_container_runs_as_it_was(store: Store, tmp_path: Path) -> None:
    changed(store)
    iid = tmp_path / "iid"
    done = store("commit", "--iidfile", str(iid), "--author", "me", "c", "new:1")
    assert done.line == iid.read_text()
    assert "Copying config" in done.err
    script = (
        "cat /made /var/old/new; ls /var/old; readlink /linked; test -p /fifo && echo fifo;"
        " test ! -e /etc/group && echo gone; cat /x*/y; stat -c %a /made; test /made -ef /again"
    )
    run = store("run", "--rm", "--network=none", "new:1", "sh", "-c", script)
    assert run.out.split() == ["hi", "new", "new", "made", "fifo", "gone", "deep", "4750"]
    shown = json.loads(store("image", "inspect", "new:1").out)[0]
    assert shown["Author"] == "me"
    assert shown["Config"]["Cmd"] == ["sh", "-c", CHANGES]
    assert len(shown["RootFS"]["Layers"]) == 2
    assert store("system", "check").out == ""  # a whiteout is the same whenever it was unpacked


def test_changes_are_instructions_and_a_message_needs_docker(store: Store) -> None:
    store("create", "--network=none", "--name", "c", "-v", "/data", "-e", "B=2", "base")
    words = ("CMD [\"echo\", \"a b\"]", "ENV C=3 D='4 5'", "LABEL x=y", "EXPOSE 80/tcp")
    more = ("USER 5", "WORKDIR /etc", "VOLUME /v", "STOPSIGNAL INT", "ONBUILD RUN true")
    changes = [part for word in (*words, *more) for part in ("-c", word)]
    options = ("-f", "docker", "-m", "why", "-p", "-q", "--include-volumes")
    done = store("commit", *options, *changes, "c", "new")
    assert done.err == ""
    shown = json.loads(store("image", "inspect", "new").out)[0]
    config = shown["Config"]
    assert config["Cmd"] == ["echo", "a b"]
    assert config["Env"] == ["A=1", "B=2", "C=3", "D=4 5"]
    assert config["Labels"] == {"x": "y"}
    assert list(config["ExposedPorts"]) == ["80/tcp"]
    assert (config["User"], config["WorkingDir"], config["StopSignal"]) == ("5", "/etc", "INT")
    assert sorted(config["Volumes"]) == ["/data", "/v"]
    assert shown["ManifestType"] == "application/vnd.docker.distribution.manifest.v2+json"
    assert store("history", "--format", "{{.Comment}}", "new").out.splitlines()[0] == "why"
    refused = store("commit", "-m", "why", "c", check=125)
    assert "only compatible with the docker image format" in refused.err
    for wrong in ("CMD", "RUN true", "EXPOSE http", "ENV A=1 B"):
        assert "Error: " in store("commit", "-c", wrong, "c", check=125).err


def test_a_running_container_is_exported_under_its_mounts(store: Store, tmp_path: Path) -> None:
    changed(store)
    out = tmp_path / "stopped.tar"
    store("export", "-o", str(out), "c")
    stopped = members(out.read_bytes())
    words = ("--network=none", "--tmpfs", "/tmp", "--name", "r", "base", "sh", "-c")
    store("run", "-d", *words, f"{CHANGES}; touch /tmp/hidden /ready; sleep 100")
    store("exec", "r", "sh", "-c", "while ! test -e /ready; do sleep 0.1; done")
    store("export", "--output", str(out), "r")
    running = members(out.read_bytes())
    running.pop("ready")
    assert set(running) == set(stopped)
    assert "tmp/hidden" not in running and not any(name.startswith("proc/") for name in running)
    assert running["made"].mode == 0o4750
    assert {running["made"].type, running["again"].type} == {tarfile.REGTYPE, tarfile.LNKTYPE}
    assert running["x" * 120 + "/y"].size == 5
    assert "etc/group" not in running
    assert (running["made"].uid, running["made"].gid) == (0, 0)


@pytest.mark.passes("user", "root")
def test_owners_are_the_containers(store: Store, tmp_path: Path) -> None:
    script = "touch /f; chown 1234:4321 /f"
    store("run", "--network=none", "--name", "c", "base", "sh", "-c", script)
    store("export", "-o", str(tmp_path / "t"), "c")
    found = members((tmp_path / "t").read_bytes())["f"]
    assert (found.uid, found.gid) == (1234, 4321)
    store("commit", "-q", "c", "new")
    run = store("run", "--rm", "--network=none", "new", "stat", "-c", "%u:%g", "/f")
    assert run.line == "1234:4321"


@pytest.mark.parametrize("compression", ["", "gzip", "bzip2", "xz", "zstd"])
def test_an_export_is_imported_however_it_is_packed(
    store: Store, tmp_path: Path, compression: str
) -> None:
    changed(store)
    store("export", "-o", str(tmp_path / "t"), "c")
    plain = (tmp_path / "t").read_bytes()
    packed = {"bzip2": bz2.compress, "xz": lzma.compress}.get(
        compression, lambda data: images.compress(data, compression)
    )(plain)
    done = store("import", "-q", "-c", "CMD cat /made", "-m", "text", "-", "new:2", input=packed)
    assert done.err == ""
    assert store("run", "--rm", "--network=none", "new:2").line == "hi"
    assert store("images", "-q", "--no-trunc", "new:2").line == done.line
    words = ("--os", "linux", "--arch", "arm64", "--variant", "v8")
    other = store("import", *words, str(tmp_path / "t")).line
    found = store("image", "inspect", "-f", "{{.Os}}/{{.Architecture}}/{{.Variant}}", other)
    assert found.line.startswith("linux/arm64")
    (tmp_path / "bad").write_bytes(b"no tar at all" * 100)
    store("import", str(tmp_path / "bad"), check=125)
    store("import", str(tmp_path / "none"), check=125)
    store("import", "-", check=125, input=b"")


def test_an_archive_is_imported_from_a_url(store: Store) -> None:
    data = images.tar(images.busybox_files())

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/t.tar" else 404)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        where = f"http://127.0.0.1:{server.server_address[1]}"
        store("import", f"{where}/t.tar", "web")
        assert "404" in store("import", f"{where}/other", check=125).err
    finally:
        server.shutdown()
    assert store("run", "--rm", "--network=none", "web", "echo", "ok").line == "ok"


def test_an_export_is_not_written_to_a_terminal(store: Store) -> None:
    store("create", "--network=none", "--name", "c", "base")
    with store.program.terminal(*store.first, "export", "c") as terminal:
        assert terminal.wait() == 125
        assert b"refusing to export to terminal" in terminal.seen


def test_a_file_that_looks_like_a_whiteout_is_no_layer(store: Store) -> None:
    store("run", "--network=none", "--name", "c", "base", "touch", "/.wh.bin")
    assert ".wh.bin" in store("commit", "c", check=125).err
    assert store("images", "-q").out.count("\n") == 1


def threads(pid: int) -> set[str]:
    """The states of a process's threads (proc_pid_stat(5))."""
    stats = Path(f"/proc/{pid}/task").glob("*/stat")
    return {stat.read_text().rpartition(")")[2].split()[0] for stat in stats}


@pytest.mark.parametrize("command", ["commit", "import", "pull", "artifact", "manifest"])
def test_no_prune_takes_a_blob_of_an_image_that_has_no_name_yet(
    store: Store, registry: Registry, tmp_path: Path, command: str
) -> None:
    changed(store)
    archive = tmp_path / "tree.tar"
    archive.write_bytes(images.tar({"file": b"imported"}))
    made = images.make([{"file": b"pulled"}], {})
    name = registry.push(made, "make/late")
    words = {
        "commit": ("commit", "-q", "c", "late"),
        "import": ("import", "-q", str(archive), "late"),
        "pull": ("pull", "-q", name),
        "artifact": ("artifact", "add", "late", str(archive)),
        "manifest": ("manifest", "create", "late", name),
    }[command]
    # What is written last before the name.
    last = {"artifact": store.blob(images.digest(b"{}")), "manifest": store.blob(made.digest)}
    summaries = store.root / "summary"
    before = set(summaries.iterdir())

    def is_written() -> bool:
        return last[command].exists() if command in last else set(summaries.glob("*.json")) > before

    lock = os.open(store.root / "images/.lock", os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    # It writes blobs and a summary, and waits for the lock to give the image its name.
    late = store.start(*words)
    assert within(30, is_written)
    os.kill(late.pid, signal.SIGSTOP)
    assert within(30, lambda: threads(late.pid) == {"T"})  # before the lock is free
    os.close(lock)
    store("image", "prune", "-f")
    store("image", "prune", "-f", "--blobs")
    os.kill(late.pid, signal.SIGCONT)
    out, err = late.communicate(timeout=60)
    assert late.returncode == 0, err
    assert store("system", "check").out == ""
    if command == "artifact":
        store("artifact", "extract", "late", str(tmp_path / "extracted"))
    elif command == "manifest":
        assert made.digest in store("manifest", "inspect", "late").out
        store("manifest", "push", "-q", "late", f"{name}-list")
    else:
        store("save", "-q", "-o", str(tmp_path / "saved.tar"), out.decode().strip())


def test_a_squashed_image_is_one_layer_of_all_that_the_container_sees(store: Store) -> None:
    changed(store)
    env = {"SOURCE_DATE_EPOCH": "1700000000"}
    first = store("commit", "-q", "--squash", "c", "flat", env=env).line
    shown = json.loads(store("image", "inspect", "flat").out)[0]
    assert len(shown["RootFS"]["Layers"]) == len(shown["History"]) == 1
    assert shown["Config"]["Env"] == ["A=1"]
    script = "cat /made; ls /var/old; test ! -e /etc/group; stat -c %a /made; test /made -ef /again"
    run = store("run", "--rm", "--network=none", "flat", "sh", "-ec", script)
    assert run.out.split() == ["hi", "new", "4750"]
    store("start", "c")
    store("wait", "c")
    words = ("-d", "--network=none", "--name", "r", "base", "sh", "-c")
    store("run", *words, f"{CHANGES}; touch /ready; sleep 100")
    store("exec", "r", "sh", "-c", "while ! test -e /ready; do sleep 0.1; done")
    store("commit", "-q", "-s", "r", "running")
    assert store("run", "--rm", "--network=none", "running", "cat", "/made").out == "hi\n"
    assert store("commit", "-q", "-s", "c", env=env).line == first
    refused = store("commit", "--pause", "r", check=125)
    assert "container r runs" in refused.err and "cgroup" in refused.err


def test_a_container_is_committed_when_its_image_has_lost_its_blobs(store: Store) -> None:
    changed(store)
    store("image", "prune", "-f", "--blobs")
    store("commit", "-q", "c", "later")
    assert store("run", "--rm", "--network=none", "later", "cat", "/made").out == "hi\n"
    assert store("system", "check").out == ""


def acl(*entries: tuple[int, int, int]) -> bytes:
    """An access control list as the kernel has it (acl(5), linux/posix_acl_xattr.h)."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


@pytest.mark.passes("user", "root")
def test_access_control_lists_and_attributes_go_out_and_in(store: Store, tmp_path: Path) -> None:
    own, named, group, mask, other = 1, 2, 4, 0x10, 0x20
    nobody = 0xFFFFFFFF
    common = ((group, 4, nobody), (mask, 6, nobody), (other, 0, nobody))
    access = acl((own, 6, nobody), (named, 6, 1234), *common)
    new = acl((own, 7, nobody), (named, 5, 4321), *common)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, kind, notes in (
            ("dir", tarfile.DIRTYPE, {"system.posix_acl_default": new}),
            ("dir/plain", tarfile.REGTYPE, {}),
            ("dir/with", tarfile.REGTYPE, {"system.posix_acl_access": access, "user.x": b"y"}),
        ):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = kind, 0o660 if kind == tarfile.REGTYPE else 0o755
            entry.pax_headers = {
                f"SCHILY.xattr.{key}": value.decode("utf-8", "surrogateescape")
                for key, value in notes.items()
            }
            archive.addfile(entry)
    layer = tmp_path / "tree.tar"
    layer.write_bytes(out.getvalue())
    store("import", "-q", str(layer), "lists")
    store("create", "--network=none", "--name", "l", "lists", "/x")
    tar = tmp_path / "out.tar"
    store("export", "-o", str(tar), "l")

    def attributes(data: bytes) -> dict[str, dict[str, bytes]]:
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            return {
                one.name: {
                    key.removeprefix("SCHILY.xattr."): value.encode("utf-8", "surrogateescape")
                    for key, value in one.pax_headers.items()
                    if key.startswith("SCHILY.xattr.")
                }
                for one in archive
            }

    found = attributes(tar.read_bytes())
    assert found["dir/with"] == {"system.posix_acl_access": access, "user.x": b"y"}
    assert found["dir"] == {"system.posix_acl_default": new}
    assert found["dir/plain"] == {}  # a file of the archive does not get what new ones would
    store("import", "-q", str(tar), "again")
    store("create", "--network=none", "--name", "m", "again", "/x")
    store("export", "-o", str(tar), "m")
    assert attributes(tar.read_bytes()) == found
    store("commit", "-q", "--squash", "m", "flat")
    assert store("system", "check").out == ""
