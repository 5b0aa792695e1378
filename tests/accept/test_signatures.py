# SPDX-License-Identifier: Apache-2.0
"""Row S-36: policy.json decides, and a signature counts for one manifest, one name and one key."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures import images, signing
from tests.fixtures.program import Program, Result
from tests.fixtures.registry import Registry
from tests.fixtures.signing import Ecdsa, Machine, Pgp
from tests.fixtures.store import Store

pytestmark = pytest.mark.own


def small(text: bytes = b"one\n") -> images.Image:
    return images.make([{"file": text}], {"Cmd": ["/file"]})


def refused(store: Store, machine: Machine, name: str, *why: str, verb: str = "pull") -> Result:
    """Pull; see that it is refused with one line that says why, and that nothing stays."""
    done = store(verb, "-q", name, check=125, env=machine.env)
    assert done.out == ""
    lines = done.err.splitlines()
    assert len([line for line in lines if line.startswith("Error: ")]) == 1, done.err
    for word in (name.removeprefix("docker://"), *why):
        assert word in lines[0], done.err
    assert "Traceback" not in done.err
    assert store.files() == {} or store("images", "-q", env=machine.env).out == ""
    assert not [path for path in store.files() if "blobs" in path or "partial" in path]
    return done


def signed_by(pgp: Pgp, name: str = "good", **more: Any) -> dict[str, Any]:
    return {
        "type": "signedBy",
        "keyType": "GPGKeys",
        "keyPath": str(pgp.public(name)),
        **more,
    }


def test_s36_reject_and_the_longest_scope_counts(
    store: Store, machine: Machine, registry: Registry
) -> None:
    repository, name = signing.push(registry, small(), "reject")
    machine.policy.write_text('{"default": [{"type": "reject"}]}')
    refused(store, machine, name, "refused by", "policy.json", "default: reject")
    machine.require({"type": "insecureAcceptAnything"}, scope=f"{registry.host}/signed")
    store("pull", "-q", name, env=machine.env)
    store("rmi", name, env=machine.env)
    document = json.loads(machine.policy.read_text())
    document["transports"]["docker"][f"{registry.host}/{repository}"] = [{"type": "reject"}]
    machine.policy.write_text(json.dumps(document))
    refused(store, machine, name, f"docker {registry.host}/{repository}: reject")
    done = store("run", "--rm", name, check=125, env=machine.env)
    assert "reject" in done.err
    other = {"signature_policy": machine.home / "other.json"}["signature_policy"]
    other.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    store("pull", "-q", "--signature-policy", str(other), name, env=machine.env)


def test_s36_a_good_signature_of_skopeo_is_accepted(
    store: Store, machine: Machine, registry: Registry, pgp: Pgp, tmp_path: Path
) -> None:
    image = small()
    repository, name = signing.push(registry, image, "good")
    (tmp_path / "manifest").write_bytes(image.manifest)
    done = subprocess.run(
        ["/usr/bin/skopeo", "standalone-sign", "-o", str(tmp_path / "signature"),
         str(tmp_path / "manifest"), name, pgp.fingerprint("good")],
        env=pgp.env, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    machine.require(signed_by(pgp))
    refused(store, machine, name, "docker: signedBy", "it is not signed")
    machine.put(repository, image.digest, (tmp_path / "signature").read_bytes())
    store("pull", "-q", name, env=machine.env)
    # The same key in every way to write it down.
    data = base64.b64encode(pgp.public("good", armor=False).read_bytes()).decode()
    armored = base64.b64encode(pgp.public("good").read_bytes()).decode()
    paths = [str(pgp.public("other")), str(pgp.public("good"))]
    for key in ({"keyData": data}, {"keyData": armored}, {"keyPaths": paths}):
        machine.require({"type": "signedBy", "keyType": "GPGKeys", **key})
        store("pull", "-q", name, env=machine.env)


BAD = {
    "another key": "it was made by another key",
    "another digest": "it is for sha256:",
    "another repository": "it is for the name",
    "another tag": "it is for the name",
    "another type": "its type is",
    "a critical key too many": "unknown key 'more'",
    "a key too many": "unknown key 'more'",
    "no identity": "has no identity",
    "a key twice": "is there twice",
    "truncated": "no good signature",
    "one bit flipped": "no good signature",
    "plain": "no good signature",
    "empty": "no good signature",
    "plain behind signed": "no good signature",
    "plain before signed": "no good signature",
}


@pytest.mark.parametrize("how", BAD)
def test_s36_a_bad_signature_is_refused(
    store: Store, machine: Machine, registry: Registry, pgp: Pgp, how: str
) -> None:
    image = small(how.encode())
    repository, name = signing.push(registry, image, "bad")
    document = signing.payload(image.digest, name)
    critical = document["critical"]
    if how == "another digest":
        critical["image"]["docker-manifest-digest"] = images.digest(b"x")
    elif how == "another repository":
        critical["identity"]["docker-reference"] = f"{registry.host}/signed/other:latest"
    elif how == "another tag":  # a downgrade: an old image under the new one's tag
        critical["identity"]["docker-reference"] = name.replace(":latest", ":old")
    elif how == "another type":
        critical["type"] = signing.COSIGN
    elif how == "a critical key too many":
        critical["more"] = 1
    elif how == "a key too many":
        document["more"] = 1
    elif how == "no identity":
        del critical["identity"]
    data = json.dumps(document).encode()
    if how == "a key twice":
        data = data.replace(b'"identity"', b'"identity": {}, "identity"')
    signature = pgp.sign(data, "other" if how == "another key" else "good")
    if how == "truncated":
        signature = signature[: len(signature) * 2 // 3]
    elif how == "one bit flipped":
        signature = signature[:-20] + bytes([signature[-20] ^ 1]) + signature[-19:]
    elif how == "plain":
        signature = data
    elif how == "empty":
        signature = b""
    elif how.startswith("plain "):  # a signature of something else around what is wanted
        other = pgp.sign(signing.payload(images.digest(b"x"), name))
        loose = pgp.run("--store", data=data)
        signature = other + loose if how == "plain behind signed" else loose + other
    machine.put(repository, image.digest, signature)
    machine.require(signed_by(pgp))
    refused(store, machine, name, "no good signature", BAD[how])
    # One that is good beside it is enough.
    good = pgp.sign(signing.payload(image.digest, name))
    machine.put(repository, image.digest, signature, good)
    store("pull", "-q", name, env=machine.env)


def test_s36_a_signature_that_was_removed_is_missed(
    store: Store, machine: Machine, registry: Registry, pgp: Pgp
) -> None:
    first, second = small(b"1"), small(b"2")
    repository, name = signing.push(registry, first, "moved")
    machine.put(repository, first.digest, pgp.sign(signing.payload(first.digest, name)))
    machine.require(signed_by(pgp))
    store("pull", "-q", name, env=machine.env)
    registry.push(second, repository)
    done = store("pull", "-q", name, check=125, env=machine.env)
    assert "it is not signed" in done.err
    assert store("inspect", "-f", "{{.Id}}", name, env=machine.env).line == first.id[7:]


IDENTITIES: list[tuple[dict[str, str], str, bool]] = [
    ({"type": "matchExact"}, "{name}", True),
    ({"type": "matchExact"}, "{repository}", False),
    ({"type": "matchRepository"}, "{repository}:else", True),
    ({"type": "matchRepository"}, "{repository}x:latest", False),
    ({"type": "exactReference", "dockerReference": "a.example/b:1"}, "a.example/b:1", True),
    ({"type": "exactReference", "dockerReference": "a.example/b:1"}, "{name}", False),
    ({"type": "exactRepository", "dockerRepository": "a.example/b"}, "a.example/b:7", True),
    ({"type": "exactRepository", "dockerRepository": "a.example/b"}, "a.example/bc", False),
    ({"type": "remapIdentity", "prefix": "{host}", "signedPrefix": "a.example/v"},
     "a.example/v/{path}:latest", True),
    ({"type": "remapIdentity", "prefix": "{host}", "signedPrefix": "a.example/v"}, "{name}", False),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(IDENTITIES)))
def test_s36_signed_identity(
    store: Store, machine: Machine, registry: Registry, pgp: Pgp, number: int
) -> None:
    identity, signed, good = IDENTITIES[number]
    image = small(str(number).encode())
    path, name = signing.push(registry, image, "identity")
    words = {
        "name": name,
        "host": registry.host,
        "path": path,
        "repository": f"{registry.host}/{path}",
    }
    identity = {key: value.format(**words) for key, value in identity.items()}
    document = signing.payload(image.digest, signed.format(**words))
    machine.put(path, image.digest, pgp.sign(document))
    machine.require(signed_by(pgp, signedIdentity=identity))
    if good:
        store("pull", "-q", name, env=machine.env)
    else:
        refused(store, machine, name, "it is for the name")


def sigstore(key: Ecdsa) -> dict[str, Any]:
    return {
        "type": "sigstoreSigned",
        "keyPath": str(key.public),
        "signedIdentity": {"type": "matchRepository"},
    }


@pytest.mark.parametrize(
    "how", ["good", "another key", "another digest", "another repository", "truncated", "none"]
)
def test_s36_sigstore_signatures(
    store: Store, machine: Machine, registry: Registry, tmp_path: Path, how: str
) -> None:
    good, other = Ecdsa(tmp_path, "good"), Ecdsa(tmp_path, "other")
    image = small(how.encode())
    repository, name = signing.push(registry, image, "sigstore")
    machine.require(sigstore(good))
    refused(store, machine, name, "docker: sigstoreSigned", "it is not signed")
    if how == "none":
        return
    document = signing.payload(image.digest, f"{registry.host}/{repository}", signing.COSIGN)
    if how == "another digest":
        document["critical"]["image"]["docker-manifest-digest"] = images.digest(b"x")
    elif how == "another repository":
        document["critical"]["identity"]["docker-reference"] = f"{registry.host}/x/y"
    data = json.dumps(document).encode()
    signature = (other if how == "another key" else good).sign(data)
    if how == "truncated":
        signature = signature[:-9]
    signing.attach(registry, repository, image.digest, data, signature)
    if how != "good":
        refused(store, machine, name, "no good signature")
        return
    store("pull", "-q", name, env=machine.env)
    machine.require({**sigstore(good), "keyPath": str(other.public)})
    done = store("pull", "-q", name, check=125, env=machine.env)
    assert "it was made by another key" in done.err
    text = base64.b64encode(good.public.read_bytes()).decode()
    machine.require({"type": "sigstoreSigned", "keyData": text,
                     "signedIdentity": {"type": "matchRepository"}})  # fmt: skip
    store("pull", "-q", name, env=machine.env)
    (machine.home / "containers/registries.d/tests.yaml").unlink()
    done = store("pull", "-q", name, check=125, env=machine.env)
    assert "use-sigstore-attachments" in done.err


def test_s36_load_and_copy_ask_too(
    store: Store, machine: Machine, registry: Registry, tmp_path: Path, pgp: Pgp
) -> None:
    name = signing.push(registry, small(), "load")[1]
    machine.require({"type": "insecureAcceptAnything"})
    archive, layout = tmp_path / "a.tar", tmp_path / "layout"
    store("pull", "-q", name, env=machine.env)
    store("save", "-q", "-o", str(archive), name, env=machine.env)
    store("save", "-q", "--format", "oci-dir", "-o", str(layout), name, env=machine.env)
    store("rmi", name, env=machine.env)
    for words, shown in (
        (("load", "-q", "-i", str(archive)), str(archive)),
        (("load", "-q", "-i", str(layout)), str(layout)),
        (("image", "copy", "-q", f"oci:{layout}", "containers-storage:x/y:1"), str(layout)),
        (("image", "copy", "-q", f"oci:{layout}", f"dir:{tmp_path}/d"), str(layout)),
    ):
        done = store(*words, check=125, env=machine.env)
        assert f"{shown}: refused by" in done.err
    assert store("images", "-q", env=machine.env).out == ""
    machine.require({"type": "insecureAcceptAnything"}, scope=str(tmp_path.resolve()),
                    transport="oci")  # fmt: skip
    store("load", "-q", "-i", str(layout), env=machine.env)
    machine.require(signed_by(pgp), transport="docker-archive")
    done = store("load", "-q", "-i", str(archive), check=125, env=machine.env)
    assert "carry no signatures" in done.err
    machine.require({"type": "insecureAcceptAnything"}, transport="docker-archive")
    store("load", "-q", "-i", str(archive), env=machine.env)
    done = store("image", "copy", "-q", f"docker://{name}", f"dir:{tmp_path}/e", check=125,
                 env=machine.env)  # fmt: skip
    assert f"{name}: refused by" in done.err
    machine.policy.write_text("{")
    other = tmp_path / "other.json"
    other.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    words = ("--signature-policy", str(other))
    store("load", "-q", *words, "-i", str(archive), env=machine.env)
    store("image", "copy", "-q", *words, f"docker://{name}", f"dir:{tmp_path}/e", env=machine.env)


BROKEN = {
    "empty": ("", "not JSON"),
    "cut": ('{"default": [', "not JSON"),
    "no default": ("{}", "has no default"),
    "no requirement": ('{"default": []}', "not a list"),
    "unknown requirement": ('{"default": [{"type": "trustMe"}]}', "unknown requirement trustMe"),
    "unknown key": ('{"default": [{"type": "reject"}], "defaults": 1}', "unknown key defaults"),
    "key twice": (
        '{"default": [{"type": "reject"}], "default": [{"type": "insecureAcceptAnything"}]}',
        "is there twice",
    ),
    "more": ('{"default": [{"type": "insecureAcceptAnything", "x": 1}]}', "unknown key x"),
    "no key": ('{"default": [{"type": "signedBy", "keyType": "GPGKeys"}]}', "exactly one of"),
    "key that is not there": (
        '{"default": [{"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/no/key"}]}',
        "/no/key: No such file",
    ),
    "keyless": ('{"default": [{"type": "sigstoreSigned", "fulcio": {}}]}', "cannot verify"),
    "identity": (
        '{"default": [{"type": "sigstoreSigned", "keyData": "eA==", "signedIdentity":'
        ' {"type": "any"}}]}',
        "unknown type any",
    ),
}


@pytest.mark.parametrize("how", BROKEN)
def test_s36_a_policy_that_is_not_understood_refuses(
    store: Store, machine: Machine, registry: Registry, how: str
) -> None:
    text, why = BROKEN[how]
    machine.policy.write_text(text)
    refused(store, machine, signing.push(registry, small(), "broken")[1], str(machine.policy), why)


@pytest.mark.passes("user", "single")
def test_s36_a_policy_that_cannot_be_read_refuses(
    store: Store, machine: Machine, registry: Registry
) -> None:
    machine.policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    machine.policy.chmod(0)
    refused(store, machine, signing.push(registry, small(), "unread")[1], "Permission denied")


def test_s36_a_dangling_link_is_no_missing_policy(
    store: Store, machine: Machine, registry: Registry
) -> None:
    os.symlink("/no/where", machine.policy)
    refused(store, machine, signing.push(registry, small(), "link")[1], "No such file")


def test_s36_an_index_that_is_signed_is_enough(
    store: Store, machine: Machine, registry: Registry, pgp: Pgp
) -> None:
    image, repository = small(), f"signed/index-{os.getpid()}"
    body, kind = images.index([(image, "amd64")])
    registry.push(image, repository, image.digest)
    registry.put_manifest(repository, "latest", body, kind)
    name = f"{registry.host}/{repository}:latest"
    machine.require(signed_by(pgp))
    refused(store, machine, name, "it is not signed")
    document = signing.payload(images.digest(body), name)
    machine.put(repository, images.digest(body), pgp.sign(document))
    store("pull", "-q", name, env=machine.env)


def test_s36_what_is_here_runs_without_a_policy(
    pypod: Program, machine: Machine, image: str
) -> None:
    machine.policy.write_text("{")
    assert pypod("run", "--rm", image, "echo", "here", env=machine.env).out == "here\n"


def test_info_shows_which_policy_counts(pypod: Program, machine: Machine) -> None:
    machine.policy.write_text('{"default": [{"type": "reject"}]}')
    shown = pypod("info", "-f", "{{.signaturePolicy}}", env=machine.env).line
    assert shown == f"{machine.policy}, default reject"
    machine.policy.write_text("{")
    shown = pypod("info", "-f", "{{.signaturePolicy}}", env=machine.env).line
    assert "no image is accepted" in shown
