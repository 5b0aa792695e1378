# SPDX-License-Identifier: Apache-2.0
"""Row S-36: keys that are good no longer, signatures beyond measure, images swapped in an index."""

from __future__ import annotations

import json
import os

import pytest

from tests.accept.test_signatures import refused, signed_by, small
from tests.fixtures import fault_registry as faults
from tests.fixtures import images, signing
from tests.fixtures.fault_registry import FaultRegistry
from tests.fixtures.registry import Registry
from tests.fixtures.signing import Machine, Pgp
from tests.fixtures.store import Store

pytestmark = pytest.mark.own


@pytest.mark.parametrize("how", ["expired", "revoked"])
def test_s36_a_key_that_is_no_longer_good_is_refused(
    store: Store, machine: Machine, registry: Registry, pgp: Pgp, how: str
) -> None:
    image = small(how.encode())
    repository, name = signing.push(registry, image, how)
    data = json.dumps(signing.payload(image.digest, name)).encode()
    who = f"{how}@example.com"
    if how == "expired":
        then = ("--faked-system-time", "20200101T000000!")
        pgp.run(*then, "--quick-gen-key", who, "rsa2048", "sign", "2020-02-01")
        signature = pgp.run(*then, "--local-user", who, "--sign", data=data)
    else:
        pgp.run("--quick-gen-key", who, "rsa2048", "sign", "never")
        signature = pgp.run("--local-user", who, "--sign", data=data)
        machine.put(repository, image.digest, signature)
        machine.require(signed_by(pgp, how))
        store("pull", "-q", name, env=machine.env)
        store("rmi", name, env=machine.env)
        kept = pgp.home / "openpgp-revocs.d" / f"{pgp.fingerprint(how)}.rev"
        pgp.run("--import", data=kept.read_bytes().replace(b":-----BEGIN", b"-----BEGIN"))
    machine.put(repository, image.digest, signature)
    machine.require(signed_by(pgp, how))
    refused(store, machine, name, "signedBy", "its key has expired or was revoked")


def test_s36_a_signature_of_five_mebibytes_is_not_read(
    store: Store, machine: Machine, registry: Registry, pgp: Pgp
) -> None:
    image = small(b"huge")
    repository, name = signing.push(registry, image, "huge")
    document = signing.payload(image.digest, name)
    document["optional"]["more"] = os.urandom(4 << 20).hex()
    machine.put(repository, image.digest, pgp.sign(document))
    machine.require(signed_by(pgp))
    refused(store, machine, name, "signedBy")


def test_s36_an_index_that_is_signed_vouches_for_its_own_images_only(
    store: Store, machine: Machine, faulty: FaultRegistry, pgp: Pgp
) -> None:
    image, other = small(b"good"), small(b"swapped")
    body, kind = images.index([(image, "amd64")])
    faulty.serve("swap", "good", image)
    faulty.serve("swap", "other", other)
    name = faulty.serve_bytes("swap", "1", body, kind)
    machine.put("swap", images.digest(body), pgp.sign(signing.payload(images.digest(body), name)))
    machine.require(signed_by(pgp))

    def swapped(handler: faults.Handler, _body: bytes, media_type: str) -> None:
        handler.send(200, other.manifest, media_type)

    faulty.fault(f"/manifests/{image.digest}", swapped, times=1)
    done = store("pull", "-q", name, check=125, env=machine.env)
    assert image.digest in done.err
    assert other.digest in done.err
    assert store.files() == {}
    store("pull", "-q", name, env=machine.env)
