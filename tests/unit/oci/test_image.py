# SPDX-License-Identifier: Apache-2.0
"""The record of an image: everything that comes with it is data, of whatever type it pleases."""

from __future__ import annotations

import random
from hashlib import sha256
from typing import Any

import pytest

from pypod.errors import IntegrityError, PypodError, RegistryError
from pypod.oci import image as i
from pypod.oci.manifest import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, Descriptor, Manifest

D1, D2, C = ("sha256:" + letter * 64 for letter in "123")
LAYERS = (Descriptor(OCI_LAYER, D1, 10), Descriptor(OCI_LAYER + "+gzip", D2, 20))
MANIFEST = Manifest(OCI_MANIFEST, Descriptor(OCI_CONFIG, C, 5), LAYERS)


def hexdigest(data: bytes) -> str:
    return sha256(data).hexdigest()


def document(**config: Any) -> dict[str, Any]:
    return {
        "os": "linux",
        "architecture": "amd64",
        "created": "2026-01-01T00:00:00Z",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [D1, D2]},
        "history": [{"created_by": "x", "empty_layer": True, "other": 1}, "nonsense"],
    }


def record(found: Any) -> i.ImageRecord:
    return i.record(MANIFEST, "sha256:" + "9" * 64, found, hexdigest)


def test_the_record_has_what_a_container_needs() -> None:
    made = record(
        document(
            Env=["PATH=/bin", "EMPTY=", "=x", "nothing", 7],
            Entrypoint=["/e"],
            Cmd=["a", "b"],
            WorkingDir="/w",
            User="1:2",
            Labels={"a": "b", "bad": 7},
            StopSignal="SIGINT",
            Volumes={"/v": {}},
            ExposedPorts={"80/tcp": {}},
            Healthcheck={"Test": ["CMD", "x"], "Interval": 5, "Retries": "many"},
        )
    )
    assert made.id == C
    assert made.size == 35
    assert made.config == {
        "env": ["PATH=/bin", "EMPTY="],
        "entrypoint": ["/e"],
        "cmd": ["a", "b"],
        "workdir": "/w",
        "user": "1:2",
        "labels": {"a": "b"},
        "stop_signal": "SIGINT",
        "volumes": ["/v"],
        "exposed_ports": ["80/tcp"],
        "healthcheck": {"Test": ["CMD", "x"], "Interval": 5},
    }
    assert made.history == ({"created_by": "x", "empty_layer": True},)


def test_chain_ids_are_those_of_the_specification() -> None:
    first = D1[7:]
    second = hexdigest(f"{D1} {D2}".encode())
    assert i.chain_ids((D1, D2), hexdigest) == (first, second)
    assert i.chain_ids((), hexdigest) == ()
    assert record(document()).top == second


def test_a_summary_says_all_of_a_record() -> None:
    made = record(document(Cmd=["x"]))
    assert i.ImageRecord.from_summary(made.to_summary()) == made


def test_a_summary_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="version"):
        i.ImageRecord.from_summary({**record(document()).to_summary(), "version": 0})


@pytest.mark.parametrize("wrong", [None, [], "x", {}, {"rootfs": []}, {"rootfs": {"diff_ids": 1}}])
def test_a_configuration_without_diff_ids_is_refused(wrong: Any) -> None:
    with pytest.raises(RegistryError):
        record(wrong)


def test_as_many_diff_ids_as_layers_are_wanted() -> None:
    with pytest.raises(IntegrityError, match="2 layers and 1 diff_ids"):
        record({"rootfs": {"diff_ids": [D1]}})


def test_a_diff_id_that_is_no_digest_is_refused() -> None:
    with pytest.raises(IntegrityError):
        record({"rootfs": {"diff_ids": [D1, "sha256:../../x"]}})


def test_an_artifact_is_no_image() -> None:
    chart = Descriptor("application/vnd.cncf.helm.config.v1+json", C, 5)
    with pytest.raises(RegistryError, match="not a container image"):
        i.record(Manifest(OCI_MANIFEST, chart, LAYERS), D1, document(), hexdigest)


@pytest.mark.parametrize("text", ["nul\0", "\ud800"])
def test_text_that_can_be_no_word_counts_as_absent(text: str) -> None:
    made = record(
        {
            **document(
                Env=[f"A={text}"],
                Cmd=[text],
                User=text,
                Labels={text: "x", "y": text},
                Volumes={text: {}},
            ),
            "author": text,
            "created": text,
            "os": text,
            "history": [{"comment": text}],
        }
    )
    assert made.config == {}
    assert (made.author, made.created, made.os) == ("", "", "")
    assert made.history == ({},)


VALUES: tuple[Any, ...] = (
    None, True, -1, 1 << 63, 1 << 200, 0.5, float("inf"), "", "x", "\0", "\ud800", [], {}, [None],
    [[]], [{}], {"": None}, {"x": {}}, {"x": []}, ["x", 1], "é" * 300, D1, [D1, D2],
)  # fmt: skip


def mutate(rng: random.Random, value: Any) -> Any:
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice(list(value))
        return {**value, key: mutate(rng, value[key])}
    if isinstance(value, list) and value and rng.random() < 0.7:
        at = rng.randrange(len(value))
        return [*value[:at], mutate(rng, value[at]), *value[at + 1 :]]
    return rng.choice(VALUES)


def test_ten_thousand_mutated_configurations_give_a_record_or_an_error_and_nothing_else() -> None:
    rng = random.Random(61)
    whole = document(
        Env=["A=b"], Cmd=["x"], Entrypoint=["y"], Labels={"a": "b"}, Volumes={"/v": {}},
        ExposedPorts={"80/tcp": {}}, User="0", WorkingDir="/", StopSignal="TERM", Shell=["sh"],
        Healthcheck={"Test": ["CMD"], "Interval": 1, "Timeout": 2}, OnBuild=["RUN x"],
    )  # fmt: skip
    accepted = 0
    for _ in range(10_000):
        mutated = whole
        for _ in range(rng.randint(1, 4)):
            mutated = mutate(rng, mutated)
        try:
            made = record(mutated)
        except PypodError:
            continue
        accepted += 1
        assert i.ImageRecord.from_summary(made.to_summary()) == made
        repr(made).encode("utf-8")
    assert accepted > 1000
