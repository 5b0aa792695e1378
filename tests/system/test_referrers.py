# SPDX-License-Identifier: Apache-2.0
"""What refers to an image travels with it: registries with and without a list, and layouts."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures import attached, images
from tests.fixtures import fault_registry as faults
from tests.fixtures.attached import MANIFEST
from tests.fixtures.fault_registry import FaultRegistry
from tests.fixtures.images import OCI
from tests.fixtures.registry import Registry
from tests.fixtures.store import Store

pytestmark = pytest.mark.own

INDEX = OCI + "index.v1+json"


@pytest.fixture
def modern(faulty: FaultRegistry) -> FaultRegistry:
    """A registry that lists referrers."""
    faulty.uploads.subjects = True
    return faulty


def small(text: bytes, **more: Any) -> images.Image:
    return images.make([{"file": text * 300}], {"Cmd": ["/file"]}, **more)


def serve(registry: FaultRegistry, name: str, body: bytes, blobs: tuple[bytes, ...]) -> bytes:
    registry.uploads.keep(*blobs)
    registry.serve_bytes(name, images.digest(body), body, MANIFEST)
    return body


def with_sbom(registry: FaultRegistry, name: str, text: bytes) -> tuple[images.Image, bytes, bytes]:
    """Serve an image as 1, its SBOM, and what signs the SBOM."""
    image = small(text)
    registry.serve(name, "1", image)
    sbom = serve(registry, name, *attached.referrer(image.manifest, b"sbom of " + text))
    signature = serve(registry, name, *attached.referrer(sbom, b"signs " + text, "x/signature"))
    return image, sbom, signature


def tagged(registry: Registry, repository: str, subject: bytes) -> list[dict[str, Any]]:
    """Return the list that stands under a tag of docker-registry, which knows no referrers."""
    tag = images.digest(subject).replace(":", "-")
    found: list[dict[str, Any]] = json.loads(registry.manifest(repository, tag)[0])["manifests"]
    return found


def test_from_a_registry_with_a_list_to_one_without_and_back(
    store: Store, modern: FaultRegistry, registry: Registry, tmp_path: Path
) -> None:
    image, sbom, signature = with_sbom(modern, "app", b"there")
    there = f"referrers/there-{os.getpid()}"
    source, target = f"docker://{modern.host}/app:1", f"docker://{registry.host}/{there}:1"
    store("image", "copy", "-q", source, target)
    (entry,) = tagged(registry, there, image.manifest)
    assert entry["digest"] == images.digest(sbom)
    assert entry["artifactType"] == "application/spdx+json"
    assert registry.manifest(there, entry["digest"])[0] == sbom
    (entry,) = tagged(registry, there, sbom)
    assert registry.manifest(there, entry["digest"])[0] == signature
    # Once more: nothing is listed twice; another one is added.
    other = serve(modern, "app", *attached.referrer(image.manifest, b"another"))
    store("image", "copy", "-q", source, target)
    assert [one["digest"] for one in tagged(registry, there, image.manifest)] == [
        images.digest(sbom), images.digest(other),
    ]  # fmt: skip
    with FaultRegistry() as back:
        back.uploads.subjects = True
        store("image", "copy", "-q", target, f"docker://{back.host}/b:1")
        for body in (image.manifest, sbom, signature, other):
            assert back.find(f"/v2/b/manifests/{images.digest(body)}")[0] == body
        listed = json.loads(back.uploads.referrers(f"/v2/b/referrers/{image.digest}")[0])
        assert len(listed["manifests"]) == 2
        assert not back.paths("manifests/sha256-")  # it needs no tags


def test_through_a_layout_where_they_have_no_names(
    store: Store, modern: FaultRegistry, tmp_path: Path
) -> None:
    named = {"annotations": {"org.opencontainers.image.ref.name": "1"}}
    image, sbom, signature = with_sbom(modern, "app", b"layout")
    evil = serve(modern, "app", *attached.referrer(image.manifest, b"takes a name", **named))
    for place in (f"oci:{tmp_path}/o", f"oci-archive:{tmp_path}/o.tar"):
        store("image", "copy", "-q", f"docker://{modern.host}/app:1", place)
        with FaultRegistry() as other:
            other.uploads.subjects = True
            # Without a name the image is meant, never what refers to it.
            store("image", "copy", "-q", place, f"docker://{other.host}/back:1")
            for body in (image.manifest, sbom, signature, evil):
                assert other.find(f"/v2/back/manifests/{images.digest(body)}")[0] == body
    entries = json.loads((tmp_path / "o/index.json").read_text())["manifests"]
    assert [entry.get("annotations") for entry in entries] == [None] * 4
    assert [entry.get("artifactType") for entry in entries[:2]] == [None, "application/spdx+json"]
    store("image", "copy", "-q", f"docker://{modern.host}/app:1", f"oci:{tmp_path}/o:named")
    entries = json.loads((tmp_path / "o/index.json").read_text())["manifests"]
    assert len({entry["digest"] for entry in entries}) == 4
    loaded = store("load", "-q", "-i", str(tmp_path / "o.tar"))
    assert loaded.out.count("Loaded image") == 1
    assert store("images", "-q", "--no-trunc").out.split() == [image.id]


def test_of_an_index_each_image_has_its_own(
    store: Store, modern: FaultRegistry, registry: Registry
) -> None:
    both = [small(b"one"), small(b"two", architecture="s390x")]
    for one in both:
        modern.serve("app", one.digest, one)
    body, kind = images.index([(both[0], "amd64"), (both[1], "s390x")])
    modern.serve_bytes("app", "1", body, kind)
    for subject in (body, both[0].manifest, both[1].manifest):
        serve(modern, "app", *attached.referrer(subject, b"of " + images.digest(subject).encode()))
    there = f"referrers/all-{os.getpid()}"
    source, target = f"docker://{modern.host}/app:1", f"docker://{registry.host}/{there}"
    store("image", "copy", "-q", "--all", source, f"{target}:all")
    for subject in (body, both[0].manifest, both[1].manifest):
        assert len(tagged(registry, there, subject)) == 1
    store("image", "copy", "-q", "--arch", "s390x", source, f"{target}-one:1")
    assert len(tagged(registry, f"{there}-one", both[1].manifest)) == 1


def test_what_is_changed_or_not_wanted_goes_alone(
    store: Store, modern: FaultRegistry, tmp_path: Path
) -> None:
    with_sbom(modern, "app", b"alone")
    source = f"docker://{modern.host}/app:1"
    store("image", "copy", "-q", "--referrers=false", source, f"oci:{tmp_path}/alone:1")
    store("image", "copy", "-q", "--compression-format", "zstd", source, f"oci:{tmp_path}/new:1")
    for name in ("alone", "new"):
        assert len(json.loads((tmp_path / name / "index.json").read_text())["manifests"]) == 1
    assert not modern.paths("/referrers/")
    store("image", "copy", "-q", source, f"dir:{tmp_path}/dir")
    store("image", "copy", "-q", source, "containers-storage:x:1")
    assert not modern.paths("/referrers/")


def test_a_sync_takes_them_along_and_their_tags_are_no_images(
    store: Store, modern: FaultRegistry, registry: Registry, tmp_path: Path
) -> None:
    image, sbom, _signature = with_sbom(modern, "app", b"sync")
    base = f"{registry.host}/referrers/sync-{os.getpid()}"
    sync = ("image", "sync", "-q", "-s", "docker", "-d", "docker")
    store(*sync, f"{modern.host}/app:1", base)
    done = store(*sync, f"{base}/app", f"{base}/more")
    assert done.out.splitlines() == [f"docker://{base}/app:1 -> docker://{base}/more/app:1"]
    repository = base.partition("/")[2] + "/more/app"
    assert tagged(registry, repository, image.manifest)[0]["digest"] == images.digest(sbom)
    store(*sync, "--referrers=false", f"{base}/app", f"{base}/fewer")
    tag = f"docker://{base}/fewer/app:{image.digest.replace(':', '-')}"
    store("image", "inspect", "--raw", tag, check=125)


def test_a_list_that_lies_or_fails_is_an_error(
    store: Store, modern: FaultRegistry, tmp_path: Path
) -> None:
    image, sbom, signature = with_sbom(modern, "app", b"lies")
    copy = ("image", "copy", "-q", "--retry", "0", f"docker://{modern.host}/app:1")

    def list_of(body: bytes, headers: dict[str, str] | None = None) -> faults.Answer:
        return lambda handler, _body, _type: handler.send(200, body, INDEX, headers)

    for number, (answer, why) in enumerate(
        (
            (list_of(attached.listing(signature)), "it does not"),
            (list_of(b"{"), "list of referrers"),
            (list_of(attached.listing(), {"Link": '<http://127.0.0.2:1/x>; rel="next"'}),
             "another host"),
            (faults.status(500), "HTTP 500"),
        )
    ):  # fmt: skip
        modern.fault("/referrers/", answer, 1)
        done = store(*copy, f"oci:{tmp_path}/{number}:1", check=125)
        assert why in done.err
        assert "Traceback" not in done.err
        modern.faults_done()
    # What is listed and gone, or no manifest of images, is said and left out.
    gone = attached.listing(b"gone")
    modern.fault("/referrers/", list_of(gone), 1)
    assert "not copied" in store(*copy, f"oci:{tmp_path}/gone:1").err
    modern.fault("/referrers/", faults.status(403), 1)
    assert "not copied" in store(*copy, f"oci:{tmp_path}/forbidden:1").err
    # A page for people, and a 404, mean that there is no such list.
    for answer in (lambda handler, _body, _type: handler.send(200, b"<html>", "text/html"),
                   faults.status(404)):  # fmt: skip
        modern.fault("/referrers/", answer, 1)
        tag = image.digest.replace(":", "-")
        modern.serve_bytes("app", tag, attached.listing(sbom), INDEX)
        store(*copy, f"oci:{tmp_path}/tag:1")
        index = json.loads((tmp_path / "tag/index.json").read_text())
        assert {entry["digest"] for entry in index["manifests"]} >= {images.digest(sbom)}


def test_pages_of_a_list_are_followed(store: Store, modern: FaultRegistry, tmp_path: Path) -> None:
    image, sbom, _signature = with_sbom(modern, "app", b"pages")
    other = serve(modern, "app", *attached.referrer(image.manifest, b"second page"))
    path = f"/v2/app/referrers/{image.digest}"

    def first(handler: faults.Handler, _body: bytes, _type: str) -> None:
        link = {"Link": f'<{path}?last=x>; rel="next"'}
        handler.send(200, attached.listing(sbom), INDEX, link)

    def second(handler: faults.Handler, _body: bytes, _type: str) -> None:
        handler.send(200, attached.listing(other, sbom), INDEX)

    modern.fault(f"{path}?last", second)
    modern.fault(path, first)
    store("image", "copy", "-q", f"docker://{modern.host}/app:1", f"oci:{tmp_path}/o:1")
    index = json.loads((tmp_path / "o/index.json").read_text())
    assert len(index["manifests"]) == 4


@pytest.mark.parametrize(("entries", "why"), [(900, "more refers"), (0, "more than 100 pages")])
def test_a_list_without_an_end_is_an_error(
    store: Store, modern: FaultRegistry, tmp_path: Path, entries: int, why: str
) -> None:
    image, _sbom, _signature = with_sbom(modern, "app", b"endless")
    path = f"/v2/app/referrers/{image.digest}"
    count = 0

    def page(handler: faults.Handler, _body: bytes, _type: str) -> None:
        nonlocal count
        count += 1
        listed = attached.listing(*(f"{count} {one}".encode() for one in range(entries)))
        handler.send(200, listed, INDEX, {"Link": f'<{path}?page={count}>; rel="next"'})

    modern.fault("/referrers/", page, 0)
    target = f"oci:{tmp_path}/o:1"
    done = store("image", "copy", "-q", f"docker://{modern.host}/app:1", target, check=125)
    assert why in done.err
    assert "not copied" not in done.err  # and nothing of it was asked for
    assert count == (2 if entries else 100)
