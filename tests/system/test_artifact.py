# SPDX-License-Identifier: Apache-2.0
"""artifact: files pushed to and pulled from registries, and extracted without harm."""

from __future__ import annotations

import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.fixtures import fault_registry as faults
from tests.fixtures import images
from tests.fixtures.fault_registry import FaultRegistry
from tests.fixtures.registry import PASSWORD, USER, Registry
from tests.fixtures.store import Store

pytestmark = pytest.mark.own

CREDS = f"{USER}:{PASSWORD}"
TITLE = "org.opencontainers.image.title"


@pytest.fixture
def two(tmp_path: Path) -> tuple[str, str]:
    """Two files."""
    first, second = tmp_path / "notes.txt", tmp_path / "data.bin"
    first.write_text("some notes\n")
    second.write_bytes(bytes(range(256)) * 4000)
    return str(first), str(second)


def seen(store: Store, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(store("artifact", "inspect", name).out)
    return found


def hostile(faulty: FaultRegistry, titles: list[str | None]) -> str:
    """Serve an artifact whose files have these titles; return its name."""
    blobs = {images.digest(data): data for data in (f"{n}".encode() for n in range(len(titles)))}
    empty = b"{}"
    layers = [
        {"mediaType": "text/plain", "digest": digest, "size": len(data),
         **({"annotations": {TITLE: title}} if title is not None else {})}
        for (digest, data), title in zip(blobs.items(), titles, strict=True)
    ]  # fmt: skip
    document = {
        "schemaVersion": 2, "mediaType": images.OCI + "manifest.v1+json", "artifactType": "x/y",
        "config": {"mediaType": "application/vnd.oci.empty.v1+json",
                   "digest": images.digest(empty), "size": 2},
        "layers": layers,
    }  # fmt: skip
    body = json.dumps(document).encode()
    made = images.Image(body, images.OCI + "manifest.v1+json",
                        {**blobs, images.digest(empty): empty})  # fmt: skip
    return faulty.serve("hostile", "1", made)


def test_files_travel_through_a_registry(
    store: Store, registries: dict[str, Registry], tmp_path: Path, two: tuple[str, str]
) -> None:
    name = f"{registries['anonymous'].host}/files/one:1"
    made = store("artifact", "add", "--type", "application/x-test", "--annotation", "k=v",
                 name, *two).line  # fmt: skip
    found = seen(store, name)
    assert (found["Name"], found["Digest"]) == (name, f"sha256:{made}")
    manifest = found["Manifest"]
    assert manifest["artifactType"] == "application/x-test"
    assert [layer["annotations"] for layer in manifest["layers"]] == [
        {"k": "v", TITLE: "notes.txt"}, {"k": "v", TITLE: "data.bin"},
    ]  # fmt: skip
    assert [layer["mediaType"] for layer in manifest["layers"]] == [
        "text/plain; charset=utf-8", "application/octet-stream",
    ]  # fmt: skip
    file = tmp_path / "digest"
    pushed = store("artifact", "push", "--digestfile", str(file), name)
    assert (pushed.out, file.read_text()) == ("", f"sha256:{made}")
    answer = requests.get(
        f"http://{registries['anonymous'].host}/v2/files/one/manifests/1",
        headers={"Accept": images.OCI + "manifest.v1+json"},
        timeout=20,
    )
    assert images.digest(answer.content) == f"sha256:{made}"
    assert store("artifact", "rm", name).line == made
    assert store.files().keys() == {"images/index.json"}
    assert "artifact does not exist" in store("artifact", "inspect", name, check=125).err
    assert store("artifact", "pull", "-q", name).line == made
    out = tmp_path / "out"
    out.mkdir()
    store("artifact", "extract", name, str(out))
    assert {path.name: path.read_bytes() for path in out.iterdir()} == {
        Path(word).name: Path(word).read_bytes() for word in two
    }


def test_files_are_added_to_an_artifact(
    store: Store, tmp_path: Path, two: tuple[str, str]
) -> None:
    store("artifact", "add", "local", two[0])
    again = store("artifact", "add", "local", two[1], check=125)
    assert "artifact already exists" in again.err
    store("artifact", "add", "--append", "--file-type", "x/y", "local", two[1])
    layers = seen(store, "local")["Manifest"]["layers"]
    assert [layer["mediaType"] for layer in layers] == ["text/plain; charset=utf-8", "x/y"]
    twice = store("artifact", "add", "-a", "local", two[1], check=125)
    assert "data.bin: file name already exists in artifact" in twice.err
    for words in (("--append", "--type", "a/b", "local", two[1]),
                  ("new", str(tmp_path / "nothing")), ("--append", "new", two[1]),
                  ("--annotation", "x", "new", two[1])):  # fmt: skip
        assert store("artifact", "add", *words, check=125).err.startswith("Error: ")
    digest = store("artifact", "inspect", "--format", "{{.Digest}}", "local").line
    assert digest == seen(store, "localhost/local:latest")["Digest"]
    assert store("images", "-q").out == ""


def test_artifacts_are_listed_and_removed(store: Store, two: tuple[str, str]) -> None:
    one = store("artifact", "add", "one", two[0]).line
    other = store("artifact", "add", "quay.io/x/two:3", two[1]).line
    lines = [line.split() for line in store("artifact", "ls").out.splitlines()]
    assert lines == [
        ["REPOSITORY", "TAG", "DIGEST", "SIZE"],
        ["localhost/one", "latest", one[:12], "11B"],
        ["quay.io/x/two", "3", other[:12], "1.024MB"],
    ]
    whole = store("artifact", "ls", "--noheading", "--no-trunc").out.splitlines()
    assert [line.split()[2] for line in whole] == [one, other]
    assert store("artifact", "ls", "-q").out.split() == [one[:12], other[:12]]
    documents = json.loads(store("artifact", "ls", "--format", "json").out)
    assert [row["Repository"] for row in documents] == ["localhost/one", "quay.io/x/two"]
    assert store("artifact", "rm", other[:12]).line == other
    assert "artifact does not exist" in store("artifact", "rm", "nothing", check=1).err
    store("artifact", "rm", "--ignore", "nothing")
    assert store("artifact", "rm", "--all").line == one
    assert store("artifact", "rm", check=125).err.startswith("Error: ")


def test_one_file_is_extracted_to_a_path(
    store: Store, tmp_path: Path, two: tuple[str, str]
) -> None:
    store("artifact", "add", "both", *two)
    layers = seen(store, "both")["Manifest"]["layers"]
    target = tmp_path / "here"
    several = store("artifact", "extract", "both", str(target), check=125)
    assert "the artifact consists of several blobs" in several.err
    store("artifact", "extract", "--title", "notes.txt", "both", str(target))
    assert target.read_text() == "some notes\n"
    store("artifact", "extract", "--digest", layers[1]["digest"], "both", str(target))
    assert target.read_bytes() == Path(two[1]).read_bytes()
    for words in (("--title", "x", "both"), ("--digest", "sha256:" + "0" * 64, "both"),
                  ("--title", "a", "--digest", "b", "both")):  # fmt: skip
        assert store("artifact", "extract", *words, str(target), check=125).out == ""


@pytest.mark.parametrize(
    "title", ["../escape", "/tmp/escape", "a/b", "..", ".", "x\n", "\x1b[2J", "link", "directory"]
)
def test_extract_never_leaves_its_directory(
    store: Store, faulty: FaultRegistry, tmp_path: Path, title: str
) -> None:
    name = hostile(faulty, ["good", title])
    store("artifact", "pull", "-q", name)
    out = tmp_path / "out"
    (out / "directory").mkdir(parents=True)
    (tmp_path / "victim").write_text("untouched")
    (out / "link").symlink_to(tmp_path / "victim")
    refused = store("artifact", "extract", name, str(out), check=125)
    assert refused.err.count("Error: ") == 1
    assert "\x1b" not in refused.err
    assert {path.name for path in out.iterdir()} == {"directory", "link"}
    assert (tmp_path / "victim").read_text() == "untouched"
    assert not (tmp_path / "escape").exists()
    store("artifact", "extract", "--digest", images.digest(b"1"), name, str(out / "mine"))
    assert (out / "mine").read_text() == "1"


def test_titles_that_are_twice_there_or_missing(
    store: Store, faulty: FaultRegistry, tmp_path: Path
) -> None:
    name = hostile(faulty, ["same", "same"])
    store("artifact", "pull", "-q", name)
    assert "two files" in store("artifact", "extract", name, str(tmp_path), check=125).err
    name = hostile(faulty, [None, ""])
    store("artifact", "pull", "-q", name)
    out = tmp_path / "out"
    out.mkdir()
    store("artifact", "extract", name, str(out))
    assert {path.name for path in out.iterdir()} == {
        images.digest(data).replace(":", "-") for data in (b"0", b"1")
    }


def test_what_arrives_wrong_gets_no_name(store: Store, faulty: FaultRegistry) -> None:
    name = hostile(faulty, ["good"])
    faulty.fault(f"/blobs/{images.digest(b'0')}", faults.wrong())
    assert "wrong digest" in store("artifact", "pull", "-q", name, check=125).err
    assert store("artifact", "ls", "-q").out == ""
    one = images.make([{"f": b"x"}])
    body, kind = images.index([(one, "amd64")])
    listed = faulty.serve_bytes("index", "1", body, kind)
    assert "not an artifact" in store("artifact", "pull", listed, check=125).err


def test_the_policy_is_asked_when_an_artifact_comes_in(
    store: Store, faulty: FaultRegistry, tmp_path: Path, two: tuple[str, str]
) -> None:
    home = tmp_path / "config"
    (home / "containers").mkdir(parents=True)
    (home / "containers/policy.json").write_text('{"default": [{"type": "reject"}]}')
    env: dict[str, str | None] = {"XDG_CONFIG_HOME": str(home)}
    name = hostile(faulty, ["good"])
    assert "refused by" in store("artifact", "pull", "-q", name, check=125, env=env).err
    assert store("artifact", "ls", "-q").out == ""
    store("artifact", "add", "mine", *two)
    store("artifact", "push", "-q", "mine", f"{faulty.host}/mine:1", env=env)


def test_artifacts_where_a_password_is_needed(
    store: Store, registries: dict[str, Registry], tmp_path: Path, two: tuple[str, str]
) -> None:
    host, auth = registries["basic"].host, str(tmp_path / "auth.json")
    store("login", "--authfile", auth, "-u", USER, "-p", PASSWORD, host)
    name = f"{host}/secret/files:1"
    made = store("artifact", "add", "mine", *two).line
    more = ("--creds", CREDS, "--retry", "1", "--retry-delay", "1s", "--tls-verify=false",
            "--cert-dir", str(tmp_path))  # fmt: skip
    assert "authentication" in store("artifact", "push", "mine", name, check=125).err
    store("artifact", "push", "-q", "--creds", CREDS, "--retry", "1", "--retry-delay", "1s",
          "--tls-verify=false", "--cert-dir", str(tmp_path), "mine", name)  # fmt: skip
    store("artifact", "push", "--authfile", auth, "mine", name)
    assert "authentication" in store("artifact", "pull", name, check=125).err
    assert store("artifact", "pull", "--creds", CREDS, "--retry", "1", "--retry-delay", "1s",
                 "--tls-verify=false", "--cert-dir", str(tmp_path), name).line == made  # fmt: skip
    assert store("artifact", "pull", "--authfile", auth, name).line == made
    assert store("artifact", "pull", *more, name).line == made
    store("artifact", "push", "mine", f"oci:{tmp_path}/layout:files")
    assert store("artifact", "pull", f"oci:{tmp_path}/layout:files").line == made
    assert len(store("artifact", "ls", "-q").out.split()) == 3


def test_a_directory_is_one_file_and_a_name_can_be_given_anew(
    store: Store, two: tuple[str, str], tmp_path: Path
) -> None:
    tree = tmp_path / "tree"
    (tree / "sub/empty").mkdir(parents=True)
    (tree / "sub/run").write_bytes(b"#!/bin/sh\n")
    (tree / "sub/run").chmod(0o755)
    (tree / "link").symlink_to("sub/run")
    (tree / "folder").symlink_to("sub")
    digest = store("artifact", "add", "localhost/tree:1", f"{tree}/", two[0]).line
    layers = seen(store, "localhost/tree:1")["Manifest"]["layers"]
    assert [layer["annotations"][TITLE] for layer in layers] == ["tree.tar.gz", "notes.txt"]
    assert layers[0]["mediaType"] == "application/gzip"
    out = tmp_path / "out"
    out.mkdir()
    store("artifact", "extract", "localhost/tree:1", str(out))
    with tarfile.open(out / "tree.tar.gz") as archive:
        members = {one.name: one for one in archive}
    names = ["tree", "tree/folder", "tree/link", "tree/sub", "tree/sub/empty", "tree/sub/run"]
    assert sorted(members) == names
    assert members["tree/sub/run"].mode == 0o755 and members["tree/sub/run"].size == 10
    assert members["tree/link"].linkname == "sub/run" and members["tree/link"].issym()
    refused = store("artifact", "add", "localhost/tree:1", str(tree), check=125)
    assert "already exists" in refused.err and "--replace" in refused.err
    again = store("artifact", "add", "--replace", "localhost/tree:1", str(tree), two[0]).line
    assert again == digest
    store("artifact", "add", "--replace", "localhost/tree:1", two[1])
    assert [layer["annotations"][TITLE] for layer in
            seen(store, "localhost/tree:1")["Manifest"]["layers"]] == ["data.bin"]  # fmt: skip
    assert store("system", "check").out == ""  # nothing of the old one is left
    wrong = store("artifact", "add", "--replace", "--append", "x", two[0], check=125)
    assert "not compatible" in wrong.err
    os.mkfifo(tree / "pipe")
    assert "pipe: not a file" in store("artifact", "add", "y", str(tree), check=125).err


def test_a_link_to_a_directory_is_the_directory(store: Store, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/file").write_text("x")
    (tmp_path / "link").symlink_to("tree")
    store("artifact", "add", "localhost/link:1", str(tmp_path / "link"))
    store("artifact", "extract", "localhost/link:1", str(tmp_path / "out"))
    with tarfile.open(tmp_path / "out") as packed:
        assert [(one.name, one.isdir()) for one in packed] == [("link", True), ("link/file", False)]


def test_the_first_command_of_a_store_may_be_rm(store: Store) -> None:
    assert store("artifact", "rm", "none", check=1).err == "Error: none: artifact does not exist\n"
    assert store("artifact", "rm", "--ignore", "none").out == ""
