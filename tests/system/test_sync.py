# SPDX-License-Identifier: Apache-2.0
"""image sync between registries and directories; skopeo reads what it wrote."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.fixtures import images
from tests.fixtures.registry import PASSWORD, USER, Registry
from tests.fixtures.store import Store

pytestmark = pytest.mark.own

CREDS = f"{USER}:{PASSWORD}"


def serve(registry: Registry, repository: str) -> tuple[images.Image, bytes]:
    """Push an image as 1 and an index as 2."""
    ours = images.make([{"f": b"one" * 500}])
    other = images.make([{"f": b"other" * 500}], architecture="s390x")
    registry.push(ours, repository, "1")
    registry.push(other, repository, other.digest)
    body, kind = images.index([(other, "s390x"), (ours, "amd64")])
    registry.put_manifest(repository, "2", body, kind)
    return ours, body


def skopeo(*words: str) -> bytes:
    done = subprocess.run(["/usr/bin/skopeo", *words], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def test_a_repository_goes_to_a_directory_and_back(
    store: Store, registries: dict[str, Registry], tmp_path: Path
) -> None:
    host = registries["anonymous"].host
    _ours, index = serve(registries["anonymous"], "team/app")
    out = tmp_path / "out"
    said = store("image", "sync", "-q", "--all", "--preserve-digests", "--src", "docker",
                 "--dest", "dir", f"{host}/team/app", str(out))  # fmt: skip
    assert said.out.splitlines() == [
        f"docker://{host}/team/app:{tag} -> dir:{out}/app:{tag}" for tag in "12"
    ]
    assert sorted(path.name for path in out.iterdir()) == ["app:1", "app:2"]
    assert skopeo("inspect", "--raw", f"dir:{out}/app:2") == index
    store("image", "sync", "-q", "--all", "-s", "dir", "-d", "docker", str(out), f"{host}/back")
    assert skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{host}/back/app:2") == index
    # skopeo lays them out as we do
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    skopeo("sync", "--all", "--scoped", "--src-tls-verify=false", "--src", "docker",
           "--dest", "dir", f"{host}/team/app", str(theirs))  # fmt: skip
    store("image", "sync", "-q", "-a", "--scoped", "-s", "docker", "-d", "dir",
          f"{host}/team/app", str(tmp_path / "ours"))  # fmt: skip
    names = [sorted(str(path.relative_to(base)) for path in base.rglob("*"))
             for base in (theirs, tmp_path / "ours")]  # fmt: skip
    assert names[0] == names[1]


def test_from_registry_to_registry_and_without_copying(
    store: Store, registries: dict[str, Registry], tmp_path: Path
) -> None:
    source, target = registries["anonymous"], registries["basic"]
    ours, _index = serve(source, "between/app")
    auth = str(tmp_path / "auth.json")
    store("login", "--authfile", auth, "-u", USER, "-p", PASSWORD, target.host)
    there = f"{target.host}/mirror"
    planned = store("image", "sync", "--dry-run", "-s", "docker", "-d", "docker",
                    f"{source.host}/between/app:1", there)  # fmt: skip
    assert planned.line == f"docker://{source.host}/between/app:1 -> docker://{there}/app:1"
    refused = store("image", "sync", "-s", "docker", "-d", "docker",
                    f"{source.host}/between/app:1", there, check=125)  # fmt: skip
    assert "authentication" in refused.err
    store("image", "sync", "--dest-creds", CREDS, "--dest-tls-verify=false",
          "--src-tls-verify=false", "--dest-cert-dir", str(tmp_path), "--src-cert-dir",
          str(tmp_path), "--retry", "1", "--retry-delay", "1s", "-s", "docker", "-d", "docker",
          f"{source.host}/between/app:1", there)  # fmt: skip
    store("image", "sync", "--dest-authfile", auth, "--format", "v2s2", "-s", "docker", "-d",
          "docker", f"{source.host}/between/app:1", f"{there}/docker")  # fmt: skip
    seen = json.loads(skopeo("inspect", "--raw", "--tls-verify=false", "--creds", CREDS,
                             f"docker://{there}/docker/app:1"))  # fmt: skip
    assert seen["mediaType"] == images.DOCKER + "distribution.manifest.v2+json"
    for number, words in enumerate((("--src-creds", CREDS), ("--src-authfile", auth))):
        back = tmp_path / f"back{number}"
        store("image", "sync", *words, "-s", "docker", "-d", "dir", f"{there}/app", str(back))
        assert (back / "app:1" / "manifest.json").read_bytes() == ours.manifest
    store("image", "sync", "--keep-going", "--src-creds", CREDS, "-s", "docker", "-d", "dir",
          f"{there}/app", str(tmp_path / "again"))  # fmt: skip
    store("image", "sync", "--src-authfile", auth, "-s", "docker", "-d", "dir", f"{there}/app",
          str(tmp_path / "once more"))  # fmt: skip
    store("image", "sync", "--authfile", auth, "-s", "docker", "-d", "dir", f"{there}/app",
          str(tmp_path / "both"))  # fmt: skip


def test_what_cannot_be_synced_is_said(
    store: Store, registries: dict[str, Registry], tmp_path: Path
) -> None:
    host = registries["anonymous"].host
    serve(registries["anonymous"], "wrong/app")
    out = str(tmp_path / "out")
    for words in (("-s", "dir", "-d", "dir", out, out), ("-s", "oci", "-d", "dir", "x", out),
                  ("-s", "dir", "-d", "docker", str(tmp_path / "none"), host),
                  ("-s", "docker", "-d", "dir", f"{host}/nothing", out), (host, out)):  # fmt: skip
        assert store("image", "sync", *words, check=125).err.startswith("Error: ")
    for name in ("a/app:1", "b/app:1"):
        store("image", "copy", "-q", f"docker://{host}/wrong/app:1", f"dir:{out}/{name}")
    twice = store("image", "sync", "-s", "dir", "-d", "docker", out, f"{host}/x", check=125)
    assert "would both be" in twice.err
    assert "--scoped" in twice.err
    (tmp_path / "out/a/app:1/manifest.json").write_text("{")
    some = store("image", "sync", "--keep-going", "--scoped", "-s", "dir", "-d", "docker", out,
                 f"{host}/x", check=125)  # fmt: skip
    assert some.out == f"dir:{out}/b/app:1 -> docker://{host}/x/b/app:1\n"
    assert "1 of 2 images could not be copied" in some.err


def test_a_file_says_what_comes_from_which_registry(
    store: Store, registries: dict[str, Registry], tmp_path: Path
) -> None:
    anonymous, locked = registries["anonymous"], registries["basic"]
    ours = images.make([{"f": b"one" * 500}])
    for tag in ("1.0", "1.10", "1.2-alpine", "2.0", "2.1.0-rc1", "latest"):
        anonymous.push(ours, "file/app", tag)
    anonymous.push(ours, "file/one", "1.10")
    anonymous.push(ours, "file/one", "2")
    locked.push(ours, "file/secret", "x")
    file = tmp_path / "sync.yaml"
    text = f"""
{anonymous.host}:
    images:
        file/one: [1.10, {ours.digest}]
    images-by-tag-regex:
        file/app: ^1\\.[0-9]+-alpine$
    images-by-semver:
        file/app: ">= 1.5"
    tls-verify: false
{locked.host}:
    images:
        file/secret: []
    credentials:
        username: {USER}
        password: {PASSWORD}
"""
    file.write_text(text)
    out = tmp_path / "out"
    words = ("image", "sync", "-q", "--src", "yaml", "--dest", "dir", str(file), str(out))
    done = store(*words)
    there = sorted(path.name for path in out.iterdir())
    digest = f"one@{ours.digest}"
    expected = ["app:1.10", "app:1.2-alpine", "app:2.0", "one:1.10", digest, "secret:x"]
    assert there == sorted(expected)
    assert done.out.count(" -> ") == len(there) and PASSWORD not in done.out + done.err
    assert store(*words, "--dry-run").out == done.out
    file.write_text(text.replace(f"{ours.digest}", "'2'"))
    target = f"{anonymous.host}/copied"
    store("image", "sync", "-s", "yaml", "-d", "docker", "-q", str(file), target)
    body = skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{target}/secret:x")
    assert images.digest(body) == ours.digest


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a.example:\n  tls_verify: false\n  images: {x: []}\n", "tls_verify: not one of"),
        ("a.example:\n  tls-verify: maybe\n  images: {x: []}\n", "true or false"),
        ("a.example:\n  images: {x: latest}\n", "list of words"),
        ("a.example:\n  images: {x: ['A B']}\n", "A B"),
        ("a.example:\n  images: {'x:1': []}\n", "not the name of a repository"),
        ("a.example:\n  images-by-tag-regex: {x: '('}\n", "x: missing )"),
        ("a.example:\n  images-by-semver: {x: '>= one'}\n", "is no version"),
        ("a.example:\n  credentials: {username: me}\n  images: {x: []}\n", "username and password"),
        ("a.example: [x]\n", "mapping"),
        ("a.example: {\n", "not YAML"),
        ("", "no images to sync"),
        ("a.example: {}\n", "no images to sync"),
    ],
)
def test_a_file_that_says_nothing_clear_is_an_error(
    store: Store, tmp_path: Path, text: str, said: str
) -> None:
    file = tmp_path / "sync.yaml"
    file.write_text(text)
    done = store("image", "sync", "--src=yaml", "--dest=dir", str(file), str(tmp_path), check=125)
    assert said in done.err and done.err.count("Error: ") == 1, done.err
