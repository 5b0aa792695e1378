# SPDX-License-Identifier: Apache-2.0
"""policy.json, what is signed, and registries.d as values."""

from __future__ import annotations

from typing import Any

import pytest

from pypod.errors import IntegrityError, PypodError
from pypod.oci import lookaside, policy, reference, signed
from pypod.oci.lookaside import Lookasides
from pypod.oci.policy import Identity

ACCEPT, REJECT = [{"type": "insecureAcceptAnything"}], [{"type": "reject"}]


def test_the_longest_scope_counts_then_the_transport_then_the_default() -> None:
    docker = {"": REJECT, "a.example": ACCEPT, "a.example/b/c:1": REJECT, "*.example": REJECT}
    rules = policy.parse(
        {"default": REJECT, "transports": {"docker": docker, "dir": {"/a": ACCEPT}}}
    )

    def rule(name: str) -> str:
        return rules.rule("docker", policy.scopes_of(reference.parse(name)))[0]

    assert rule("a.example/b/c:1") == "docker a.example/b/c:1"
    assert rule("a.example/b/c:2") == "docker a.example"
    assert rule("b.example/x") == "docker *.example"
    assert rule("example.com/x") == "docker"
    assert rules.rule("dir", policy.scopes_of_path("/a/b/c"))[0] == "dir /a"
    assert rules.rule("dir", policy.scopes_of_path("/ab"))[0] == "default"
    assert rules.rule("oci", policy.scopes_of_path("/a"))[0] == "default"


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {"default": {}},
        {"default": ACCEPT, "transports": []},
        {"default": ACCEPT, "transports": {"docker": []}},
        {"default": ACCEPT, "transports": {"docker": {"": []}}},
        {"default": [{"type": 1}]},
        {"default": [{"type": "signedBy", "keyType": "GPGKeys", "keyPath": ""}]},
        {
            "default": [
                {"type": "signedBy", "keyType": "GPGKeys", "keyPath": "a", "keyData": "eA=="}
            ]
        },
        {"default": [{"type": "signedBy", "keyType": "GPGKeys", "keyData": "%"}]},
        {"default": [{"type": "sigstoreSigned", "keyPaths": []}]},
        {"default": [{"type": "sigstoreSigned", "keyPath": "a", "signedIdentity": "matchExact"}]},
    ],
)
def test_what_is_no_policy_is_an_error(document: Any) -> None:
    with pytest.raises(policy.BadPolicy):
        policy.parse(document)


def test_a_prefix_is_remapped_at_a_slash_only() -> None:
    identity = Identity("remapIdentity", "mirror.example/a", "a.example")
    wanted = reference.parse("mirror.example/a/b:1")
    assert policy.matches(identity, wanted, "a.example/b:1")
    assert not policy.matches(identity, wanted, "a.example/b:2")
    other = reference.parse("mirror.example/ab/b:1")
    assert policy.matches(identity, other, "mirror.example/ab/b:1")
    assert not policy.matches(identity, other, "a.exampleb/b:1")


def test_a_name_without_a_tag_is_not_latest() -> None:
    wanted = reference.parse("a.example/b")
    assert policy.matches(Identity(), wanted, "a.example/b:latest")
    assert not policy.matches(Identity(), wanted, "a.example/b")
    by_digest = reference.parse("a.example/b@sha256:" + "0" * 64)
    assert policy.matches(Identity(), by_digest, "a.example/b:any")
    assert not policy.matches(Identity("matchExact"), by_digest, "a.example/b:any")
    assert not policy.matches(Identity(), wanted, "Not A Name")
    assert not policy.matches(Identity(), None, "a.example/b:latest")


@pytest.mark.parametrize("digest", ["", "sha256:1", "sha512:" + "0" * 128, 7, None])
def test_only_a_digest_is_signed(digest: Any) -> None:
    document = signed.document(signed.Signed(digest, "a.example/b"), signed.COSIGN, 0)
    with pytest.raises(IntegrityError):
        signed.parse(document, signed.COSIGN)


@pytest.mark.parametrize(
    ("tag", "signatures", "companion"),
    [
        ("sha256-" + "0" * 64, False, True),
        ("sha256-" + "0" * 64 + ".sig", True, True),
        ("sha256-" + "0" * 64 + ".sig", False, False),
        ("sha256-" + "0" * 64 + ".att", True, False),
        ("sha256-" + "0" * 63, True, False),
        ("1.sig", True, False),
        ("latest", True, False),
    ],
)
def test_tags_that_hold_no_image(tag: str, signatures: bool, companion: bool) -> None:
    assert signed.is_companion(tag, signatures=signatures) == companion


def test_each_setting_of_a_lookaside_comes_from_the_most_exact_scope_that_has_it() -> None:
    found = lookaside.merge(
        Lookasides(),
        {
            "default-docker": {"sigstore": "file:///d", "sigstore-staging": "file:///s"},
            "docker": {"a.example": {"use-sigstore-attachments": True, "lookaside": "https://a/"}},
        },
    )
    found = lookaside.merge(found, {"docker": {"a.example/b": {"lookaside": "https://b"}}})
    scopes = policy.scopes_of(reference.parse("a.example/b:1"))
    assert (found.url(scopes), found.attachments(scopes)) == ("https://b", True)
    assert found.writable(scopes) == "https://b"
    scopes = policy.scopes_of(reference.parse("a.example/c:1"))
    assert (found.url(scopes), found.attachments(scopes)) == ("https://a", True)
    scopes = policy.scopes_of(reference.parse("b.example/c:1"))
    assert (found.url(scopes), found.attachments(scopes)) == ("file:///d", False)
    assert found.writable(scopes) == "file:///s"


@pytest.mark.parametrize(
    "document",
    [
        [],
        {"dokcer": {}},
        {"docker": {"a": {"lookaside": 1}}},
        {"docker": {"a": {"lookaside": "ftp://a"}}},
        {"docker": {"a": {"lookaside-staging": "ftp://a"}}},
        {"docker": {"a": {"lookaside": "https://a", "sigstore": "https://b"}}},
        {"docker": {"a": {"use-sigstore-attachments": "yes"}}},
    ],
)
def test_a_registries_d_file_that_makes_no_sense_is_an_error(document: Any) -> None:
    with pytest.raises(PypodError):
        lookaside.merge(Lookasides(), document)
