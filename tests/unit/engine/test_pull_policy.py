# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from pypod.engine import images, pull_policy
from pypod.errors import ImageNotKnown, RegistryError
from pypod.kernel import paths
from pypod.kernel.paths import Places
from pypod.oci.image import ImageRecord
from pypod.oci.manifest import Platform
from pypod.store import blobs
from tests.fixtures import images as made

IMAGE = made.make([{"file": b"x"}])
FRESH = made.make([{"file": b"y"}], architecture="s390x")
NAME = "quay.io/a:1"


def add(places: Places, image: made.Image, name: str) -> ImageRecord:
    for layer in image.layers:
        blobs.put(places, image.blobs[layer])
    return images.add_image(places, image.manifest, image.blobs[image.id], [name])


@pytest.fixture
def places(tmp_path: Path) -> Places:
    where = Places(str(tmp_path / "graph"), str(tmp_path / "run"))
    paths.prepare(where)
    return where


@pytest.mark.parametrize(
    ("policy", "platform", "pulled"),
    [
        ("missing", None, False),
        ("never", None, False),
        ("always", None, True),
        ("newer", None, True),
        ("missing", Platform("linux", "amd64"), False),
        ("missing", Platform("linux", "s390x"), True),
    ],
)
def test_what_is_here_is_taken_unless_the_policy_or_the_platform_says_no(
    places: Places, policy: str, platform: Platform | None, pulled: bool
) -> None:
    here = add(places, IMAGE, NAME)
    fresh = add(places, FRESH, "quay.io/other:1")
    asked: list[str] = []

    def pull(name: str) -> ImageRecord:
        asked.append(name)
        return fresh

    found = pull_policy.choose(places, NAME, policy, pull, platform)
    assert (found.id == fresh.id, asked) == (pulled, [NAME] * pulled)
    assert fresh.id != here.id


def gone(_name: str) -> ImageRecord:
    raise RegistryError("not reached")


def test_newer_takes_what_is_here_when_the_registry_is_not_reached(places: Places) -> None:
    with pytest.raises(RegistryError):
        pull_policy.choose(places, NAME, "newer", gone)
    here = add(places, IMAGE, NAME)
    assert pull_policy.choose(places, NAME, "newer", gone) == here
    with pytest.raises(RegistryError):
        pull_policy.choose(places, NAME, "always", gone)


def test_never_does_not_take_another_platform(places: Places) -> None:
    add(places, IMAGE, NAME)
    with pytest.raises(ImageNotKnown, match=NAME):
        pull_policy.choose(places, NAME, "never", gone, Platform("linux", "arm64"))
