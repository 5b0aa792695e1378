# SPDX-License-Identifier: Apache-2.0
"""manifest: lists of images made in the store and pushed to Debian's docker-registry."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures import images
from tests.fixtures.registry import PASSWORD, USER, Registry
from tests.fixtures.store import Store

pytestmark = pytest.mark.own

CREDS = f"{USER}:{PASSWORD}"


def image(architecture: str, **more: Any) -> images.Image:
    return images.make([{"name": architecture.encode() * 900}], {"Cmd": ["x"]},
                       architecture=architecture, **more)  # fmt: skip


def both(registry: Registry, repository: str, **more: Any) -> tuple[images.Image, images.Image]:
    """Push two images and an index of them as latest."""
    ours, other = image("amd64", **more), image("s390x", **more)
    registry.push(ours, repository, "amd64")
    registry.push(other, repository, "s390x")
    body, kind = images.index([(ours, "amd64"), (other, "s390x")])
    registry.put_manifest(repository, "latest", body, kind)
    return ours, other


def listed(store: Store, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(store("manifest", "inspect", name).out)
    return found


def digests(document: dict[str, Any]) -> list[str]:
    return [str(entry["digest"]) for entry in document["manifests"]]


def there(registry: Registry, repository: str, wanted: str = "latest") -> tuple[Any, str]:
    body = registry.manifest(repository, wanted)[0]
    return json.loads(body), images.digest(body)


def test_a_list_of_images_here_and_elsewhere_is_pushed_whole(
    store: Store, registries: dict[str, Registry], tmp_path: Path
) -> None:
    registry = registries["anonymous"]
    ours, other = both(registry, "whole/in")
    store("pull", "-q", f"{registry.host}/whole/in:amd64")
    assert store("manifest", "exists", "many", check=1).out == ""
    made = store("manifest", "create", "many", f"{registry.host}/whole/in:amd64").line
    assert images.digest(store.blob(f"sha256:{made}").read_bytes()) == f"sha256:{made}"
    added = store("manifest", "add", "many", f"docker://{registry.host}/whole/in:s390x").line
    assert added != made
    assert not store.blob(f"sha256:{made}").exists()
    store("manifest", "exists", "localhost/many:latest")
    document = listed(store, "many")
    assert digests(document) == [ours.digest, other.digest]
    assert document["manifests"][1] == {
        "mediaType": other.media_type, "size": len(other.manifest), "digest": other.digest,
        "platform": {"architecture": "s390x", "os": "linux"},
    }  # fmt: skip
    assert not store.blob(other.layers[0]).exists()
    store("rmi", f"{registry.host}/whole/in:amd64")
    file = tmp_path / "digest"
    pushed = store("manifest", "push", "--digestfile", str(file), "many",
                   f"docker://{registry.host}/whole/out:1")  # fmt: skip
    assert pushed.out == ""
    found, digest = there(registry, "whole/out", "1")
    assert (found, digest) == (document, f"sha256:{added}")
    assert file.read_text() == digest
    removed = store("manifest", "rm", "many")
    assert removed.out == f"Untagged: localhost/many:latest\nDeleted: {added}\n"
    assert not store.blob(ours.layers[0]).exists()
    assert store("pull", "-q", "--platform", "linux/s390x",
                 f"{registry.host}/whole/out:1").line == other.id[7:]  # fmt: skip
    assert "image not known" in store("manifest", "rm", "many", check=1).err
    assert "image not known" in store("manifest", "add", "many", "x", check=125).err


def test_one_image_of_an_index_or_all(store: Store, registries: dict[str, Registry]) -> None:
    registry = registries["anonymous"]
    ours, other = both(registry, "some/in")
    name = f"{registry.host}/some/in"
    store("manifest", "create", "--tls-verify=false", "one", name)
    assert digests(listed(store, "one")) == [ours.digest]
    again = store("manifest", "create", "one", name, check=125)
    assert "that name is already in use" in again.err
    store("manifest", "create", "--amend", "--all", "one", name)
    assert sorted(digests(listed(store, "one"))) == sorted([ours.digest, other.digest])
    store("manifest", "create", "two")
    assert listed(store, "two")["manifests"] == []
    store("manifest", "add", "--all", "two", name)
    assert digests(listed(store, "two")) == [ours.digest, other.digest]
    store("manifest", "remove", "two", ours.digest)
    assert digests(listed(store, "two")) == [other.digest]
    gone = store("manifest", "remove", "two", ours.digest, check=125)
    assert f'no instance matching digest "{ours.digest}" found' in gone.err
    store("pull", "-q", f"{name}:amd64")
    assert "is an image" in store("manifest", "create", f"{name}:amd64", check=125).err


def test_a_list_says_what_the_user_says(store: Store, registries: dict[str, Registry]) -> None:
    registry = registries["anonymous"]
    ours, _other = both(registry, "said/in")
    store("pull", "-q", f"{registry.host}/said/in:amd64")
    store("manifest", "create", "said")
    store("manifest", "add", "--arch", "arm", "--variant", "v7", "--os", "plan9", "--os-version",
          "4", "--features", "a,b", "--annotation", "k=v", "said",
          f"{registry.host}/said/in:amd64")  # fmt: skip
    assert listed(store, "said")["manifests"][0]["platform"] == {
        "architecture": "arm", "os": "plan9", "variant": "v7", "os.version": "4",
        "features": ["a", "b"],
    }  # fmt: skip
    store("manifest", "annotate", "--arch", "arm64", "--variant", "v8", "--os", "linux",
          "--os-version", "5", "--os-features", "win32k", "--features", "c", "--annotation", "l=w",
          "said", ours.digest)  # fmt: skip
    store("manifest", "annotate", "--index", "--annotation", "whole=yes", "said")
    document = listed(store, "said")
    assert document["annotations"] == {"whole": "yes"}
    assert document["manifests"][0]["annotations"] == {"k": "v", "l": "w"}
    assert document["manifests"][0]["platform"] == {
        "architecture": "arm64", "os": "linux", "variant": "v8", "os.version": "5",
        "os.features": ["win32k"], "features": ["c"],
    }  # fmt: skip
    for words in (("--annotation", "novalue", "said", ours.digest), ("said",),
                  ("--index", "--arch", "x", "said")):  # fmt: skip
        assert store("manifest", "annotate", *words, check=125).err.startswith("Error: ")


def test_a_pushed_list_in_docker_s_format_and_packed_anew(
    store: Store, registries: dict[str, Registry], tmp_path: Path
) -> None:
    registry = registries["anonymous"]
    both(registry, "docker/in")
    store("manifest", "create", "--all", "docker", f"{registry.host}/docker/in")
    store("manifest", "push", "-q", "--format", "v2s2", "--force-compression",
          "--compression-format", "gzip", "--compression-level", "1", "docker",
          f"{registry.host}/docker/out")  # fmt: skip
    document, _ = there(registry, "docker/out")
    assert document["mediaType"] == images.DOCKER + "distribution.manifest.list.v2+json"
    inner, _ = there(registry, "docker/out", digests(document)[0])
    assert inner["mediaType"] == images.DOCKER + "distribution.manifest.v2+json"
    store("manifest", "push", "-q", "docker", f"oci:{tmp_path}/layout:x")
    body = store("manifest", "inspect", f"oci:{tmp_path}/layout:x").out
    assert json.loads(body) == listed(store, "docker")
    refused = store("manifest", "push", "docker", f"docker-archive:{tmp_path}/a.tar", check=125)
    assert "cannot hold that" in refused.err


def test_a_list_goes_alone_where_its_images_are_and_is_removed(
    store: Store, registries: dict[str, Registry]
) -> None:
    registry = registries["anonymous"]
    both(registry, "alone/in")
    name = f"{registry.host}/alone/in"
    store("manifest", "create", f"{name}:again", f"{name}:amd64", f"{name}:s390x")
    store("manifest", "push", "-q", "--all=false", "--rm", f"{name}:again")
    assert len(there(registry, "alone/in", "again")[0]["manifests"]) == 2
    assert store("manifest", "exists", f"{name}:again", check=1).out == ""
    assert len(listed(store, f"{name}:again")["manifests"]) == 2  # the registry's
    single = store("manifest", "inspect", f"{name}:amd64")
    assert "not a manifest list but a single image" in single.err


def test_the_policy_is_asked_when_an_image_is_added(
    store: Store, registries: dict[str, Registry], tmp_path: Path
) -> None:
    registry = registries["anonymous"]
    both(registry, "policy/in")
    home = tmp_path / "config"
    (home / "containers").mkdir(parents=True)
    (home / "containers/policy.json").write_text('{"default": [{"type": "reject"}]}')
    env: dict[str, str | None] = {"XDG_CONFIG_HOME": str(home)}
    name = f"{registry.host}/policy/in"
    for word in (name, f"{name}:amd64"):
        assert "refused by" in store("manifest", "create", "no", word, check=125, env=env).err
    store("manifest", "exists", "no", check=1)
    store("manifest", "create", "yes", name)
    store("manifest", "push", "-q", "yes", f"{registry.host}/policy/out", env=env)


def test_lists_where_a_password_is_needed(
    store: Store, registries: dict[str, Registry], tmp_path: Path
) -> None:
    registry, auth = registries["basic"], str(tmp_path / "auth.json")
    ours = image("amd64")
    name = registry.push(ours, "secret/in")
    store("manifest", "create", "secret")
    assert "authentication" in store("manifest", "add", "secret", name, check=125).err
    store("manifest", "add", "--creds", CREDS, "--retry", "1", "--retry-delay", "1s",
          "--tls-verify=false", "--cert-dir", str(tmp_path), "secret", name)  # fmt: skip
    store("login", "--authfile", auth, "-u", USER, "-p", PASSWORD, registry.host)
    store("manifest", "add", "--authfile", auth, "secret", name)
    out = f"{registry.host}/secret/out"
    assert "authentication" in store("manifest", "push", "secret", out, check=125).err
    store("manifest", "push", "--creds", CREDS, "--retry", "1", "--retry-delay", "1s",
          "--tls-verify=false", "--cert-dir", str(tmp_path), "secret", out)  # fmt: skip
    store("manifest", "push", "--authfile", auth, "secret", out)
    seen = store("manifest", "inspect", "--authfile", auth, "--tls-verify=false", out).out
    assert digests(json.loads(seen)) == [ours.digest]


def test_lists_are_listed_tagged_and_removed_as_images_are(
    store: Store, registries: dict[str, Registry]
) -> None:
    registry = registries["anonymous"]
    ours, _other = both(registry, "among/images")
    name = f"{registry.host}/among/images"
    store("pull", "-q", f"{name}:amd64")
    id = store("manifest", "create", "mine", f"{name}:amd64", f"{name}:s390x").line

    def rows(*words: str) -> list[str]:
        return store("images", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}", *words).out.split(
            "\n"
        )[:-1]

    assert rows() == [f"localhost/mine:latest {id[:12]}", f"{name}:amd64 {ours.id[7:19]}"]
    assert rows("--filter", "manifest=true") == rows("mine") == rows("-f", f"id={id}") == rows()[:1]
    assert "seconds ago" in store("images", "mine").out or "ess than" in store("images", "mine").out
    shown = json.loads(store("images", "--format", "json", "mine").out)[0]
    assert shown["Id"] == id and shown["Digest"] == f"sha256:{id}" and shown["Size"] > 100
    store("image", "exists", "mine")
    store("tag", "mine", "second:2", "third")
    assert store("images", "-q", "--no-trunc", "second:2").line == f"sha256:{id}"
    # A list is one object under all its names.
    id = store("manifest", "annotate", "--annotation", "a=b", "mine", ours.digest).line
    assert {row.split()[1] for row in rows("-f", "manifest=true")} == {id[:12]}
    store("untag", "mine", "third")
    assert store("manifest", "exists", "third", check=1).out == ""
    assert "tag not known" in store("untag", "mine", "third", check=125).err
    refused = store("rmi", id[:12], check=125)
    assert "more than one tag" in refused.err
    assert store("rmi", "second:2").out == "Untagged: localhost/second:2\n"
    store("untag", "mine")
    assert rows("-f", "dangling=true") == [f"<none>:<none> {id[:12]}"]
    assert store("rmi", id[:12]).out == f"Deleted: {id}\n"
    store("manifest", "create", "mine", f"{name}:amd64")
    store("tag", "mine", "other", "last")
    assert store("manifest", "rm", "last").out == "Untagged: localhost/last:latest\n"
    store("rmi", "--all")
    assert not store("images", "-q").out and list(store.files()) == ["images/index.json"]
    assert "image not known" in store("rmi", "mine", check=1).err


def test_what_takes_an_image_takes_this_machine_s_of_a_list(
    store: Store, registries: dict[str, Registry], tmp_path: Path
) -> None:
    registry = registries["anonymous"]
    ours = images.busybox()
    other = image("s390x")
    name = registry.push(ours, "list/runs", "amd64")
    registry.push(other, "list/runs", "s390x")
    store("pull", "-q", name)
    base = name.rpartition(":")[0]
    store("manifest", "create", "mine", name, f"{base}:s390x")
    assert store("run", "--rm", "--network=none", "mine", "echo", "hi").out == "hi\n"
    assert json.loads(store("image", "inspect", "mine").out)[0]["Id"] == ours.id[7:]
    assert store("history", "-q", "mine").out == store("history", "-q", name).out
    out = str(tmp_path / "out.tar")
    store("save", "-q", "-o", out, "mine")
    store("push", "-q", "mine", f"{base}:whole")
    found = there(registry, "list/runs", "whole")[0]
    assert [one["digest"] for one in found["manifests"]] == [ours.digest, other.digest]
    store("rmi", name)
    refused = store("run", "--rm", "mine", check=125)
    assert "is not in the store" in refused.err and "Hint: pypod pull" in refused.err
    store("rmi", "mine")
    assert store("load", "-q", "-i", out).out == "Loaded image: localhost/mine:latest\n"
    store("manifest", "create", "foreign", f"{base}:s390x")
    assert "no image found in manifest list" in store("create", "foreign", check=125).err
    store("image", "prune", "-a", "-f")
    assert not store("images", "-q").out
