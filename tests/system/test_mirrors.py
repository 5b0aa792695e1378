# SPDX-License-Identifier: Apache-2.0
"""Mirrors of registries.conf for everything that reads an image, not for pull alone."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from tests.fixtures import fault_registry as faults
from tests.fixtures import images, signing
from tests.fixtures.fault_registry import FaultRegistry
from tests.fixtures.names import Names, mirrored
from tests.fixtures.signing import Ecdsa
from tests.fixtures.store import Store

pytestmark = pytest.mark.own

IMAGE = images.make([{"file": b"mirrored"}])
NAME = "hub.test/team/app"


def readers(where: Path) -> list[tuple[str, ...]]:
    """Return command lines that read an image."""
    return [
        ("image", "copy", "-q", f"docker://{NAME}:1", f"dir:{where}/dir"),
        ("image", "copy", "-q", f"docker://{NAME}:1", "containers-storage:mine:1"),
        ("image", "inspect", "-n", f"docker://{NAME}:1"),
        ("image", "inspect", "--raw", f"docker://{NAME}:1"),
        ("manifest", "inspect", f"docker://{NAME}:1"),
        ("manifest", "create", "many", f"docker://{NAME}:1"),
        ("artifact", "pull", "-q", f"{NAME}:1"),
        ("image", "sync", "-q", "-s", "docker", "-d", "dir", f"{NAME}:1", f"{where}/sync"),
    ]


def serve_tags(registry: FaultRegistry, name: str, *tags: str) -> None:
    body = json.dumps({"name": name, "tags": tags}).encode()

    def listed(handler: faults.Handler, _body: bytes, _type: str) -> None:
        handler.send(200, body, "application/json")

    registry.fault(f"/v2/{name}/tags/list", listed)


def test_a_mirror_is_asked_first_and_the_registry_not_at_all(
    names: Names, one: FaultRegistry, two: FaultRegistry, tmp_path: Path
) -> None:
    two.serve("copy/app", "1", IMAGE)
    serve_tags(two, "copy/app", "1", "2")
    names.write(mirrored(one, two))
    for words in readers(tmp_path):
        names(*words)
        assert one.requests == [], words
    listed = json.loads(names("image", "list-tags", f"docker://{NAME}").out)
    assert listed == {"Repository": NAME, "Tags": ["1", "2"]}
    assert one.requests == []
    assert json.loads(names("image", "inspect", "-n", f"docker://{NAME}:1").out)[0]["Name"] == NAME


@pytest.mark.parametrize("fault", ["nothing", "wrong", "gone"])
def test_what_a_mirror_lacks_or_spoils_comes_from_the_location(
    names: Names, one: FaultRegistry, two: FaultRegistry, tmp_path: Path, fault: str
) -> None:
    one.serve("real/app", "1", IMAGE)
    serve_tags(one, "real/app", "1")
    if fault == "wrong":
        two.serve("copy/app", "1", IMAGE)
        two.fault("/manifests/", faults.status(200, body=b"junk"))
    elif fault == "gone":
        two.close()
    names.write(mirrored(one, two))
    for number, words in enumerate((*readers(tmp_path), ("image", "list-tags", f"docker://{NAME}"))):
        before = len(one.requests)
        assert f"WARN: mirror {two.host}: " in names(*words).err, words
        assert len(one.requests) > before, number


def test_a_mirror_for_digests_or_tags_only_sees_no_other(
    names: Names, one: FaultRegistry, two: FaultRegistry
) -> None:
    for registry, name in ((one, "real/app"), (two, "copy/app")):
        registry.serve(name, "1", IMAGE)
        serve_tags(registry, name, "1")
    tag, digest = f"docker://{NAME}:1", f"docker://{NAME}@{IMAGE.digest}"
    for rule, sees in (("digest-only", digest), ("tag-only", tag), ("all", tag), ("all", digest)):
        names.write(mirrored(one, two) + f'pull-from-mirror = "{rule}"\n')
        for name in (tag, digest):
            two.requests.clear()
            names("image", "inspect", "-n", name)
            assert bool(two.requests) == (name == sees or rule == "all"), (rule, name)
        two.requests.clear()
        names("image", "list-tags", f"docker://{NAME}")
        assert bool(two.requests) == (rule != "digest-only")


def test_credentials_of_a_registry_never_reach_its_mirror(
    names: Names, one: FaultRegistry, two: FaultRegistry, tmp_path: Path
) -> None:
    secret = base64.b64encode(b"me:secret").decode()
    one.serve("app", "1", IMAGE)
    for registry in (one, two):
        registry.fault("/v2/", faults.needs(f"Basic {secret}", 'Basic realm="x"'))
    names.write(
        f'[[registry]]\nprefix = "{one.host}"\nlocation = "{one.host}"\n'
        f'[[registry.mirror]]\nlocation = "{two.host}/copy"\n'
    )
    auth = Path(str(names.env["REGISTRY_AUTH_FILE"]))
    auth.write_text("{}")
    name = f"docker://{one.host}/app:1"
    names("image", "inspect", "-n", "--creds", "me:secret", name)
    names("image", "copy", "-q", "--src-creds", "me:secret", name, f"dir:{tmp_path}/d")
    auth.write_text(json.dumps({"auths": {one.host: {"auth": secret}}}))
    names("artifact", "pull", "-q", name)
    names("manifest", "inspect", name)
    assert len(two.requests) >= 4
    assert [each.authorization for each in two.requests if each.authorization] == []
    assert any(each.authorization for each in one.requests)


def test_the_policy_is_asked_about_the_name_that_was_typed(
    names: Names, one: FaultRegistry, two: FaultRegistry, store: Store, tmp_path: Path
) -> None:
    key = Ecdsa(tmp_path, "key")
    two.serve("copy/app", "1", IMAGE)
    names.write(mirrored(one, two))
    # Signed as what people ask for; the signature lies where the image lies.
    document = json.dumps(signing.payload(IMAGE.digest, f"{NAME}:1", signing.COSIGN)).encode()
    signing.serve_attached(two, "copy/app", IMAGE.digest, document, key.sign(document))
    names.write(f'docker:\n  "{two.host}": {{use-sigstore-attachments: true}}\n',
                "registries.d/tests.yaml")  # fmt: skip
    needed = {"type": "sigstoreSigned", "keyPath": str(key.public)}
    rules = {"docker": {"hub.test/team": [needed]}}
    policy = {"default": [{"type": "reject"}], "transports": rules}
    names.write(json.dumps(policy), "policy.json")
    taking = [words for words in readers(tmp_path) if "inspect" not in words]
    for words in (("pull", "-q", f"{NAME}:1"), *taking):
        names(*words)
    # The mirror's own name is not allowed.
    done = names("image", "copy", "-q", f"docker://{two.host}/copy/app:1", f"dir:{tmp_path}/x",
                 check=125)  # fmt: skip
    assert "default: reject" in done.err


def test_a_location_that_is_insecure_says_nothing_of_the_name(
    names: Names, one: FaultRegistry, tmp_path: Path
) -> None:
    with FaultRegistry(faults.certificate(tmp_path, "self")) as secure:
        one.serve("real/app", "1", IMAGE)
        names.write(
            f'[[registry]]\nprefix = "{secure.host}/team"\nlocation = "{one.host}/real"\n'
            "insecure = true\n"
        )
        names("pull", "-q", f"{secure.host}/team/app:1")
        done = names("push", "-q", f"{secure.host}/team/app:1", check=125)
        assert "its certificate is not trusted" in done.err
        assert secure.requests == []


def test_another_registries_conf_for_one_command(
    names: Names, one: FaultRegistry, two: FaultRegistry
) -> None:
    two.serve("copy/app", "1", IMAGE)
    other = names.write(mirrored(one, two), "other.conf")
    names("--registries-conf", str(other), "pull", "-q", f"{NAME}:1")
    names("image", "inspect", "--registries-conf", str(other), "-n", f"docker://{NAME}:1")
    done = names("--registries-conf", "/no/such.conf", "pull", "-q", f"{NAME}:1", check=125)
    assert done.err.startswith("Error: /no/such.conf: no such file\n")
