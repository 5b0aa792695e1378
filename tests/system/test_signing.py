# SPDX-License-Identifier: Apache-2.0
"""Signing what is pushed and copied. Readers: our policy, openssl, skopeo.

Debian's skopeo neither makes nor verifies sigstore's signatures ("Debian-local change: sigstore
disabled"); it carries them, and OpenPGP's it knows in full.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures import images, signing
from tests.fixtures.fault_registry import FaultRegistry
from tests.fixtures.registry import Registry
from tests.fixtures.signing import Ecdsa, Machine, Pgp
from tests.fixtures.store import Store

pytestmark = pytest.mark.own


def small(text: bytes, **more: Any) -> images.Image:
    return images.make([{"file": text * 300}], {"Cmd": ["/file"]}, **more)


def keyed(public: Path) -> dict[str, Any]:
    return {"type": "sigstoreSigned", "keyPath": str(public)}


def skopeo(machine: Machine, *words: str, check: int = 0, home: Path | None = None) -> str:
    """Run skopeo with the machine's configuration; return what it said."""
    first = ["--policy", str(machine.policy)]
    first += ["--registries.d", str(machine.home / "containers/registries.d")]
    env = {**os.environ, **({"GNUPGHOME": str(home)} if home else {})}
    done = subprocess.run(
        ["/usr/bin/skopeo", *first, *words], capture_output=True, text=True, check=False, env=env
    )
    assert done.returncode == check, done.stderr
    return done.stdout + done.stderr


def secret(where: Path, text: str = signing.PASSPHRASE) -> str:
    path = where / f"passphrase-{text.replace(' ', '-')}"
    path.write_text(f"{text}\nnot this line\n")
    return str(path)


def keys(where: Path, kind: str) -> tuple[str, Path, tuple[str, ...]]:
    """Return a private key of a kind, its public half, and the words for its passphrase."""
    if kind == "cosign":
        (where / "cosign.key").write_text(signing.COSIGN_KEY)
        (where / "cosign.pub").write_text(signing.COSIGN_PUBLIC)
        return str(where / "cosign.key"), where / "cosign.pub", (secret(where),)
    made = Ecdsa(where, kind)
    if kind == "openssl":
        return str(made.key), made.public, ()
    if kind == "pkcs8":
        return str(made.in_pkcs8()), made.public, ()
    return str(made.in_pkcs8(signing.PASSPHRASE)), made.public, (secret(where),)


@pytest.mark.parametrize("kind", ["cosign", "openssl", "pkcs8", "encrypted"])
def test_what_is_signed_on_a_push_is_let_in_and_nothing_else(
    store: Store, machine: Machine, registry: Registry, tmp_path: Path, kind: str
) -> None:
    key, public, passphrase = keys(tmp_path, kind)
    words = [word for file in passphrase for word in ("--sign-passphrase-file", file)]
    signed, other = small(b"signed" + kind.encode()), small(b"other" + kind.encode())
    plain = registry.push(signed, f"in/{kind}-{os.getpid()}")
    name = f"{registry.host}/out/{kind}-{os.getpid()}:1"
    machine.require({"type": "insecureAcceptAnything"})
    store("pull", "-q", plain, env=machine.env)
    store("push", "-q", "--sign-by-sigstore-private-key", key, *words, plain, name, env=machine.env)
    store("rmi", "-a", env=machine.env)

    machine.require(keyed(public))
    store("pull", "-q", name, env=machine.env)
    store("rmi", "-a", env=machine.env)
    repository = name.partition("/")[2].removesuffix(":1")
    (layer,) = json.loads(registry.manifest(repository, signing.tag(signed.digest))[0])["layers"]
    signature = base64.b64decode(layer["annotations"]["dev.cosignproject.cosign/signature"])
    payload = registry.blob(repository, layer["digest"])
    assert Ecdsa.verify(public, payload, signature, tmp_path) == "Verified OK\n"

    done = store("pull", "-q", plain, check=125, env=machine.env)
    assert "it is not signed" in done.err
    machine.require(keyed(Ecdsa(tmp_path, "stranger").public))
    done = store("pull", "-q", name, check=125, env=machine.env)
    assert "it was made by another key" in done.err

    # Another image under the same name: the signature is of the first.
    machine.require({"type": "insecureAcceptAnything"})
    registry.push(other, repository, "1")
    machine.require(keyed(public))
    done = store("pull", "-q", name, check=125, env=machine.env)
    assert "it is not signed" in done.err


def test_a_second_signature_stays_beside_the_first(
    store: Store, machine: Machine, registry: Registry, tmp_path: Path
) -> None:
    first, second = Ecdsa(tmp_path, "first"), Ecdsa(tmp_path, "second")
    name = registry.push(small(b"two"), f"two/keys-{os.getpid()}", "1")
    machine.require({"type": "insecureAcceptAnything"})
    store("pull", "-q", name, env=machine.env)
    for key in (first, second, first):
        store("push", "-q", "--sign-by-sigstore-private-key", str(key.key), name, env=machine.env)
    _host, repository = name.removesuffix(":1").split("/", 1)
    tag = signing.tag(small(b"two").digest)
    # A key signs the same once; under another name it is not the same.
    assert len(json.loads(registry.manifest(repository, tag)[0])["layers"]) == 2
    store("image", "copy", "-q", "--sign-by-sigstore-private-key", str(first.key),
          f"docker://{name}", f"docker://{name.removesuffix('1')}2", env=machine.env)  # fmt: skip
    assert len(json.loads(registry.manifest(repository, tag)[0])["layers"]) == 3
    for key in (first, second):
        machine.require(keyed(key.public))
        store("pull", "-q", name, env=machine.env)


def test_skopeo_signs_and_we_believe_it(
    store: Store, machine: Machine, registry: Registry, pgp: Pgp, tmp_path: Path
) -> None:
    plain = registry.push(small(b"theirs"), f"theirs/in-{os.getpid()}")
    name = f"{registry.host}/theirs/out-{os.getpid()}:1"
    machine.require({"type": "insecureAcceptAnything"})
    skopeo(machine, "copy", "--src-tls-verify=false", "--dest-tls-verify=false",
           "--sign-by", pgp.fingerprint("good"), f"docker://{plain}", f"docker://{name}",
           home=pgp.home)  # fmt: skip
    by_key = {"type": "signedBy", "keyType": "GPGKeys", "keyPath": str(pgp.public("good"))}
    machine.require(by_key)
    store("pull", "-q", name, env=machine.env)
    # A copy keeps what is signed, and what has no place for it wants to be told.
    store("image", "copy", "-q", f"docker://{name}", f"dir:{tmp_path}/d", env=machine.env)
    exact = {"type": "exactReference", "dockerReference": name}
    machine.require({**by_key, "signedIdentity": exact}, transport="dir")
    store("load", "-q", "-i", str(tmp_path / "d"), env=machine.env)
    skopeo(machine, "copy", f"dir:{tmp_path}/d", f"dir:{tmp_path}/theirs")
    ours = (tmp_path / "d/signature-1").read_bytes()
    assert (tmp_path / "theirs/signature-1").read_bytes() == ours
    said = skopeo(machine, "copy", f"dir:{tmp_path}/d", f"oci:{tmp_path}/o:1", check=1)
    assert "Can not copy signatures" in said
    done = store("image", "copy", "-q", f"dir:{tmp_path}/d", f"oci:{tmp_path}/ours:1", check=125,
                 env=machine.env)  # fmt: skip
    assert "--remove-signatures" in done.err


def test_a_key_that_does_not_open_costs_no_upload(
    store: Store, machine: Machine, faulty: FaultRegistry, tmp_path: Path
) -> None:
    key, _public, _words = keys(tmp_path, "cosign")
    machine.require({"type": "insecureAcceptAnything"})
    name = faulty.serve("app", "1", small(b"closed"))
    store("pull", "-q", name, env=machine.env)
    faulty.requests.clear()
    rsa = tmp_path / "rsa.pem"
    subprocess.run(["/usr/bin/openssl", "genpkey", "-algorithm", "RSA", "-out", str(rsa)],
                   check=True, capture_output=True)  # fmt: skip
    (tmp_path / "junk").write_text("junk\n")
    damaged = tmp_path / "damaged"
    damaged.write_text(signing.COSIGN_KEY.replace("eyJrZGYi", "eyJrZGYj"))
    file = secret(tmp_path)
    for words, why in (
        ((key,), "the key has a passphrase"),
        ((key, "--sign-passphrase-file", secret(tmp_path, "wrong")), "wrong passphrase"),
        ((key, "--sign-passphrase-file", "/no/such"), "/no/such: No such file"),
        (("/no/key",), "/no/key: No such file"),
        ((str(tmp_path / "junk"),), "not a private key"),
        ((str(damaged), "--sign-passphrase-file", file), "not a key as cosign writes them"),
        ((str(rsa),), "not an ECDSA key"),
    ):
        done = store("push", "--sign-by-sigstore-private-key", *words, name, check=125,
                     env=machine.env)  # fmt: skip
        assert why in done.err
        assert "Traceback" not in done.err
        assert signing.PASSPHRASE not in done.err
    done = store("push", "--sign-passphrase-file", file, name, check=125, env=machine.env)
    assert "there is no key to sign with" in done.err
    words = ("--sign-by", "x", "--sign-by-sigstore-private-key", key)
    done = store("push", *words, "--sign-passphrase-file", file, name, check=125, env=machine.env)
    assert "only one of" in done.err
    assert faulty.requests == []


def test_a_signature_has_a_place_or_nothing_is_sent(
    store: Store, machine: Machine, pgp: Pgp, faulty: FaultRegistry, tmp_path: Path
) -> None:
    key = Ecdsa(tmp_path, "homeless")
    machine.require({"type": "insecureAcceptAnything"})
    name = faulty.serve("app", "1", small(b"nowhere"))
    store("pull", "-q", name, env=machine.env)
    faulty.requests.clear()
    machine.keep(faulty.host, attachments=False, staging="https://signatures.example.com")
    own = ("--sign-by-sigstore-private-key", str(key.key))
    done = store("push", *own, name, check=125, env=machine.env)
    assert "use-sigstore-attachments" in done.err
    env = {**machine.env, "GNUPGHOME": str(pgp.home)}
    done = store("push", "--sign-by", "good@example.com", name, check=125, env=env)
    assert "lookaside-staging" in done.err
    done = store("push", "--sign-by", "nobody@example.com", name, check=125, env=env)
    assert "--sign-by nobody@example.com: " in done.err
    for place in (f"oci:{tmp_path}/o:1", f"docker-archive:{tmp_path}/a.tar"):
        done = store("push", *own, name, place, check=125, env=machine.env)
        assert "keeps no signatures" in done.err
    done = store("image", "copy", *own, f"docker://{name}", "containers-storage:x", check=125,
                 env=machine.env)  # fmt: skip
    assert "keeps no signatures" in done.err
    done = store("push", *own, name, f"dir:{tmp_path}/d", check=125, env=machine.env)
    assert "no name to be signed as" in done.err
    done = store("image", "copy", "--sign-identity", "x/y:1", f"docker://{name}",
                 f"dir:{tmp_path}/d", check=125, env=machine.env)  # fmt: skip
    assert "there is no key to sign with" in done.err
    assert faulty.requests == []


def test_gpg_signs_into_the_lookaside_place(
    store: Store, machine: Machine, registry: Registry, pgp: Pgp, tmp_path: Path
) -> None:
    name = registry.push(small(b"gpg"), f"gpg/in-{os.getpid()}")
    other = f"{registry.host}/gpg/out-{os.getpid()}:1"
    machine.require({"type": "insecureAcceptAnything"})
    env = {**machine.env, "GNUPGHOME": str(pgp.home)}
    words = ("--sign-by", pgp.fingerprint("good"), "--sign-passphrase-file", secret(tmp_path))
    for _time in range(2):
        store("image", "copy", "-q", *words, f"docker://{name}", f"docker://{other}", env=env)
    (where,) = machine.lookaside.glob(f"gpg/out-{os.getpid()}@*")
    assert [path.name for path in where.iterdir()] == ["signature-1"]
    machine.require({"type": "signedBy", "keyType": "GPGKeys", "keyPath": str(pgp.public("good"))})
    store("pull", "-q", other, env=machine.env)
    skopeo(machine, "copy", "--src-tls-verify=false", f"docker://{other}", f"dir:{tmp_path}/theirs")
    machine.require({"type": "signedBy", "keyType": "GPGKeys", "keyPath": str(pgp.public("other"))})
    done = store("pull", "-q", other, check=125, env=machine.env)
    assert "another key" in done.err


def index_of(registry: Registry, repository: str) -> tuple[bytes, list[images.Image]]:
    """Push an index of two images as latest."""
    both = [small(b"one"), small(b"two", architecture="s390x")]
    for one in both:
        registry.push(one, repository, one.digest)
    body, kind = images.index([(both[0], "amd64"), (both[1], "s390x")])
    registry.put_manifest(repository, "latest", body, kind)
    return body, both


def test_of_an_index_everything_is_signed(
    store: Store, machine: Machine, registry: Registry, tmp_path: Path
) -> None:
    key = Ecdsa(tmp_path, "all")
    own = ("--sign-by-sigstore-private-key", str(key.key))
    base = f"{registry.host}/all-{os.getpid()}"
    index, _both = index_of(registry, f"all-{os.getpid()}/in")
    machine.require({"type": "insecureAcceptAnything"})
    store("image", "copy", "-q", "--all", *own, f"docker://{base}/in", f"docker://{base}/copy",
          env=machine.env)  # fmt: skip
    store("manifest", "create", "--all", "many", f"docker://{base}/in", env=machine.env)
    store("manifest", "push", "-q", *own, "many", f"docker://{base}/list", env=machine.env)
    file = secret(tmp_path)
    machine.require(keyed(key.public))
    for name in ("copy", "list"):
        store("pull", "-q", f"{base}/{name}", env=machine.env)
        # Three are signed, and a directory keeps them under skopeo's names.
    store("image", "copy", "-q", "--all", f"docker://{base}/copy", f"dir:{tmp_path}/d",
          env=machine.env)  # fmt: skip
    machine.require({"type": "insecureAcceptAnything"})
    skopeo(machine, "copy", "--all", "--src-tls-verify=false", f"docker://{base}/copy:latest",
           f"dir:{tmp_path}/copy")  # fmt: skip
    ours = sorted(path.name for path in (tmp_path / "d").glob("*signature-*"))
    assert ours == sorted(path.name for path in (tmp_path / "copy").glob("*signature-*"))
    assert len(ours) == 3
    for name in ours:
        # skopeo writes into these files what we do, and reads ours.
        one, other = ((tmp_path / where / name).read_bytes() for where in ("d", "copy"))
        begin = b"\x00sigstore-json\n"
        assert one.startswith(begin)
        assert json.loads(one.removeprefix(begin)) == json.loads(other.removeprefix(begin))
    machine.require({"type": "insecureAcceptAnything"}, transport="dir")
    skopeo(machine, "copy", "--all", "--dest-tls-verify=false", f"dir:{tmp_path}/d",
           f"docker://{base}/theirs:latest")  # fmt: skip
    identity = {"type": "exactRepository", "dockerRepository": f"{base}/copy"}
    machine.require({**keyed(key.public), "signedIdentity": identity})
    store("pull", "-q", f"{base}/theirs", env=machine.env)
    machine.require({"type": "insecureAcceptAnything"})
    assert (tmp_path / "d/manifest.json").read_bytes() == index
    # A second image there takes the signatures of the first away.
    store("image", "copy", "-q", f"docker://{base}/in", f"dir:{tmp_path}/d", env=machine.env)
    assert not list((tmp_path / "d").glob("*signature-*"))
    key, _public, _words = keys(tmp_path, "cosign")
    words = ("--sign-by-sigstore-private-key", key, "--sign-passphrase-file", file)
    store("manifest", "push", "-q", "--remove-signatures", *words, "many",
          f"docker://{base}/again", env=machine.env)  # fmt: skip


def test_a_signed_image_is_copied_as_it_is_or_not_at_all(
    store: Store, machine: Machine, registry: Registry, tmp_path: Path
) -> None:
    key = Ecdsa(tmp_path, "fixed")
    own = ("--sign-by-sigstore-private-key", str(key.key))
    base = f"{registry.host}/fixed-{os.getpid()}"
    registry.push(small(b"fixed"), f"fixed-{os.getpid()}/in")
    machine.require({"type": "insecureAcceptAnything"})
    store("image", "copy", "-q", *own, f"docker://{base}/in", f"docker://{base}/a:1",
          env=machine.env)  # fmt: skip
    source = f"docker://{base}/a:1"
    for words in (
        (source, f"oci:{tmp_path}/o:1"),
        (source, f"oci-archive:{tmp_path}/o.tar"),
        (source, f"docker-archive:{tmp_path}/d.tar"),
        ("--format", "v2s2", source, f"docker://{base}/b:1"),
        ("--compression-format", "zstd", source, f"dir:{tmp_path}/z"),
    ):
        done = store("image", "copy", "-q", *words, check=125, env=machine.env)
        assert "the image is signed" in done.err
        assert "--remove-signatures" in done.err
        store("image", "copy", "-q", "--remove-signatures", *words, env=machine.env)
    # As skopeo, for which an image is only as signed as registries.d says.
    said = skopeo(machine, "copy", "--src-tls-verify=false", source, f"oci:{tmp_path}/s:1", check=1)
    assert "Can not copy signatures" in said
    store("image", "copy", "-q", source, f"docker://{base}/moved:1", env=machine.env)
    store("image", "copy", "-q", source, "containers-storage:kept:1", env=machine.env)
    moved = {**keyed(key.public), "signedIdentity": {"type": "exactRepository",
             "dockerRepository": f"{base}/a"}}  # fmt: skip
    machine.require(moved)
    store("pull", "-q", f"{base}/moved:1", env=machine.env)
    # Under another name it is another image, unless it is signed as that.
    machine.require(keyed(key.public))
    done = store("pull", "-q", f"{base}/moved:1", check=125, env=machine.env)
    assert "it is for the name" in done.err


def test_a_directory_is_asked_for_its_signatures(
    store: Store, machine: Machine, registry: Registry, tmp_path: Path
) -> None:
    key, other = Ecdsa(tmp_path, "dir"), Ecdsa(tmp_path, "not")
    name = registry.push(small(b"dir"), f"dir-{os.getpid()}/in")
    place = f"dir:{tmp_path}/d"
    machine.require({"type": "insecureAcceptAnything"})
    store("image", "copy", "-q", "--sign-identity", "example.com/team/app:1",
          "--sign-by-sigstore-private-key", str(key.key), f"docker://{name}", place,
          env=machine.env)  # fmt: skip
    exact = {"type": "exactReference", "dockerReference": "example.com/team/app:1"}
    machine.require({**keyed(key.public), "signedIdentity": exact}, transport="dir")
    copy = ("image", "copy", "-q", "--remove-signatures", place)
    store(*copy, f"oci:{tmp_path}/o:1", env=machine.env)
    for wanted, why in (
        ({**keyed(other.public), "signedIdentity": exact}, "another key"),
        (keyed(key.public), "it is for the name"),
    ):
        machine.require(wanted, transport="dir")
        done = store(*copy, f"oci:{tmp_path}/o:2", check=125, env=machine.env)
        assert why in done.err
    (tmp_path / "d/signature-1").write_bytes(b"\x00something else\n")
    done = store(*copy, f"oci:{tmp_path}/o:2", check=125, env=machine.env)
    assert "not known to pypod" in done.err
    (tmp_path / "d/signature-1").unlink()
    done = store(*copy, f"oci:{tmp_path}/o:2", check=125, env=machine.env)
    assert "it is not signed" in done.err


def test_a_sync_signs_and_keeps_signatures(
    store: Store, machine: Machine, registry: Registry, pgp: Pgp, tmp_path: Path
) -> None:
    key, public, (file,) = keys(tmp_path, "cosign")
    base = f"{registry.host}/sync-{os.getpid()}"
    registry.push(small(b"sync"), f"sync-{os.getpid()}/in", "1")
    machine.require({"type": "insecureAcceptAnything"})
    env = {**machine.env, "GNUPGHOME": str(pgp.home)}
    sync = ("image", "sync", "-q", "-s", "docker", "-d", "docker")
    store(*sync, "--sign-by-sigstore-private-key", key, "--sign-passphrase-file", file,
          f"{base}/in:1", f"{base}/a", env=env)  # fmt: skip
    store(*sync, "--sign-by", "good@example.com", f"{base}/in:1", f"{base}/b", env=env)
    store("image", "sync", "-q", "-s", "docker", "-d", "dir", f"{base}/a/in:1",
          str(tmp_path / "out"), env=env)  # fmt: skip
    assert (tmp_path / "out/in:1/signature-1").exists()
    store(*sync, "--remove-signatures", f"{base}/b/in:1", f"{base}/c", env=env)
    machine.require(keyed(public))
    store("pull", "-q", f"{base}/a/in:1", env=env)
    # A whole repository: its signatures are no images, which the policy would refuse.
    identity = {"type": "exactReference", "dockerReference": f"{base}/a/in:1"}
    machine.require({**keyed(public), "signedIdentity": identity})
    done = store(*sync, f"{base}/a/in", f"{base}/whole", env=env)
    assert done.out == f"docker://{base}/a/in:1 -> docker://{base}/whole/in:1\n"
    store("pull", "-q", f"{base}/whole/in:1", env=env)
    machine.require({"type": "signedBy", "keyType": "GPGKeys", "keyPath": str(pgp.public("good"))})
    store("pull", "-q", f"{base}/b/in:1", env=env)
    done = store("pull", "-q", f"{base}/c/in:1", check=125, env=env)
    assert "it is not signed" in done.err
    store("manifest", "create", "list", env=env)
    store("manifest", "push", "--sign-by", "good@example.com", "list", f"docker://{base}/l",
          env=env)  # fmt: skip
    store("push", "-q", "--remove-signatures", "--sign-by", "good@example.com", f"{base}/b/in:1",
          f"{base}/d", env=env)  # fmt: skip


def test_what_is_written_is_cosigns_form(
    store: Store, machine: Machine, faulty: FaultRegistry, tmp_path: Path
) -> None:
    key, image = Ecdsa(tmp_path, "form"), small(b"form")
    machine.require({"type": "insecureAcceptAnything"})
    name = faulty.serve("app", "1", image)
    store("pull", "-q", name, env=machine.env)
    faulty.requests.clear()
    store("push", "-q", "--sign-by-sigstore-private-key", str(key.key), name, env=machine.env)
    puts = [one for one in faulty.requests if one.method == "PUT" and "/manifests/" in one.path]
    tag = signing.tag(image.digest)
    # The signature is there before the tag: nobody sees the image unsigned.
    assert [one.path.rpartition("/")[2] for one in puts] == [tag, "1"]
    (layer,) = json.loads(puts[0].body)["layers"]
    assert layer["mediaType"] == signing.LAYER
    document = json.loads(faulty.find(f"/v2/app/blobs/{layer['digest']}")[0])
    assert document["critical"] == {
        "identity": {"docker-reference": name},
        "image": {"docker-manifest-digest": image.digest},
        "type": signing.COSIGN,
    }


def test_a_passphrase_that_is_not_given_is_an_error(
    store: Store, machine: Machine, faulty: FaultRegistry, tmp_path: Path
) -> None:
    key, _public, _words = keys(tmp_path, "cosign")
    machine.require({"type": "insecureAcceptAnything"})
    name = faulty.serve("app", "1", small(b"silent"))
    store("pull", "-q", name, env=machine.env)
    words = (*store.first, "push", "--sign-by-sigstore-private-key", key, name)
    with store.program.terminal(*words) as terminal:
        terminal.expect("Passphrase for ")
        terminal.send("\x04")
        terminal.expect("nothing was typed")
        assert terminal.wait() == 125
    with store.program.terminal(*store.first, "login", "-u", "me", faulty.host) as terminal:
        terminal.expect("Password: ")
        terminal.send("\x04")
        terminal.expect("nothing was typed")
        assert terminal.wait() == 125
    file = secret(tmp_path, "long")
    Path(file).write_text("x" * 5000)
    done = store("push", *words[-3:-1], "--sign-passphrase-file", file, name, check=125)
    assert "more than 4096 bytes" in done.err
