# SPDX-License-Identifier: Apache-2.0
"""Images of a store: what a word means, what adding writes, what removing takes away."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pypod.engine import image_inspect, image_list, image_remove, images, pull_policy
from pypod.errors import (
    AmbiguousId,
    CorruptStore,
    ImageNotKnown,
    IntegrityError,
    ObjectInUse,
    PypodError,
    UsageError,
)
from pypod.kernel import paths
from pypod.kernel.facts import facts as host_facts
from pypod.kernel.paths import Places
from pypod.oci.image import ImageRecord
from pypod.store import blobs, layout
from tests.fixtures import images as made

Add = Callable[..., ImageRecord]
FACTS = host_facts()


@pytest.fixture
def places(tmp_path: Path) -> Places:
    result = Places(str(tmp_path / "graph"), str(tmp_path / "run"))
    paths.prepare(result)
    return result


@pytest.fixture
def add(places: Places) -> Add:
    def act(image: made.Image, *names: str, index: bytes = b"") -> ImageRecord:
        for digest in image.layers:
            blobs.put(places, image.blobs[digest])
        return images.add_image(
            places,
            image.manifest,
            image.blobs[image.id],
            names,
            content_type=image.media_type,
            index=index,
        )

    return act


def image(text: str = "x", *, docker: bool = False, **config: Any) -> made.Image:
    return made.make([{"base": b"base"}, {"a": text.encode()}], config, docker=docker)


def blobs_of(places: Places) -> set[str]:
    return {"sha256:" + path.name for path in (Path(places.images) / "blobs/sha256").iterdir()}


def unpack(places: Places, record: ImageRecord, kind: str = "full") -> None:
    for chain in record.chain_ids:
        directory = Path(places.layers) / kind / chain
        directory.mkdir(parents=True, exist_ok=True)
        Path(f"{directory}.passwd").write_text("")


def layers_of(places: Places) -> set[str]:
    return {path.name for path in Path(places.layers).glob("*/*")}


def container(places: Places, record: ImageRecord, id: str = "c" * 64) -> None:
    directory = Path(places.containers) / id
    directory.mkdir()
    (directory / "state.json").write_text(json.dumps({"image_id": record.id, "name": "n"}))
    (directory / "create.json").write_text(json.dumps({"chain_ids": list(record.chain_ids)}))


def test_an_oci_image_is_stored_byte_for_byte(places: Places, add: Add) -> None:
    one = image()
    record = add(one, "quay.io/a:1")
    assert record.id == one.id
    assert (record.manifest, record.original, record.index) == (one.digest, "", "")
    assert blobs.read(places, one.digest) == one.manifest
    assert blobs_of(places) == {one.digest, one.id, *one.layers}


def test_a_v2s2_image_is_kept_and_has_an_oci_twin(places: Places, add: Add) -> None:
    one = image(docker=True)
    index, _ = made.index([(one, "amd64")], docker=True)
    record = add(one, "quay.io/a:1", index=index)
    assert record.original == one.digest
    assert blobs.read(places, one.digest) == one.manifest
    assert blobs.read(places, record.index) == index
    twin = json.loads(blobs.read(places, record.manifest))
    assert twin["mediaType"] == "application/vnd.oci.image.manifest.v1+json"
    (entry,) = layout.read(places)
    assert entry["digest"] == record.manifest
    assert entry["size"] == len(blobs.read(places, record.manifest))
    for word in (one.digest, record.manifest, record.index, record.id, record.id[7:19]):
        assert images.find(places, word) == record
    for digest in (one.digest, record.manifest, record.index):
        assert images.find(places, f"quay.io/a@{digest}") == record
    assert add(one, "quay.io/a:1", index=index) == record


def test_a_configuration_that_is_not_the_manifests_is_refused(places: Places) -> None:
    one, other = image("1"), image("2", Cmd=["y"])
    with pytest.raises(IntegrityError, match="not the one that the manifest names"):
        images.add_image(places, one.manifest, other.blobs[other.id], ["quay.io/a:1"])
    assert layout.read(places) == []
    assert blobs_of(places) == set()


@pytest.mark.parametrize("key", ["layers", "schemaVersion"])
def test_a_manifest_with_a_key_twice_is_refused(places: Places, key: str) -> None:
    one = image()
    twice = one.manifest[:-1] + f',"{key}":2}}'.encode()
    with pytest.raises(IntegrityError, match="there twice"):
        images.add_image(places, twice, one.blobs[one.id], ["quay.io/a:1"])
    assert layout.read(places) == []


def test_an_image_whose_layer_was_removed_meanwhile_gets_no_name(places: Places, add: Add) -> None:
    one = image()
    blobs.put(places, one.blobs[one.layers[0]])
    with pytest.raises(CorruptStore, match="was removed while"):
        images.add_image(places, one.manifest, one.blobs[one.id], ["quay.io/a:1"])
    assert layout.read(places) == []


def test_a_short_name_is_localhost_then_docker_then_any_one_that_ends_so(
    places: Places, add: Add
) -> None:
    there = add(image("1"), "quay.io/x/deep:3")
    assert images.find(places, "deep:3") == there
    assert images.find(places, "x/deep:3") == there
    with pytest.raises(ImageNotKnown):
        images.find(places, "deep")
    hub = add(image("2"), "docker.io/library/deep:3")
    assert images.find(places, "deep:3") == hub
    local = add(image("3"), "localhost/deep:3")
    assert images.find(places, "deep:3") == local
    assert images.full_name(places, local, "deep:3") == "localhost/deep:3"
    assert images.full_name(places, there, "x/deep:3") == "quay.io/x/deep:3"
    assert images.full_name(places, there, there.id) == "quay.io/x/deep:3"


def test_a_short_name_of_two_images_is_an_error_that_names_both(places: Places, add: Add) -> None:
    add(image("1"), "quay.io/x/deep:3")
    add(image("2"), "ghcr.io/y/deep:3")
    with pytest.raises(AmbiguousId, match=r"ghcr.io/y/deep:3 and quay.io/x/deep:3"):
        images.find(places, "deep:3")


def test_a_name_wins_over_an_id_prefix(places: Places, add: Add) -> None:
    first = add(image("1"), "quay.io/a:1")
    second = add(image("2"), f"localhost/{first.id[7:11]}:latest")
    assert images.find(places, first.id[7:11]) == second
    assert images.find(places, f"sha256:{first.id[7:11]}") == first


def test_an_id_prefix_of_two_images_is_ambiguous(places: Places, add: Add) -> None:
    records = [add(image(str(number)), f"quay.io/a:{number}") for number in range(17)]
    letters = [record.id[7] for record in records]
    twice = next(letter for letter in letters if letters.count(letter) > 1)
    with pytest.raises(AmbiguousId, match="more than one image"):
        images.find(places, twice)


@pytest.mark.parametrize(
    "word", ["", "nope", "sha256:", "sha256:zz", "f" * 65, "Bad", "a@b", "..", "\0", "x" * 5000]
)
def test_what_means_nothing_is_not_known(places: Places, add: Add, word: str) -> None:
    add(image(), "quay.io/a:1")
    with pytest.raises(ImageNotKnown):
        images.find(places, word)


def test_a_digest_counts_only_under_its_repository(places: Places, add: Add) -> None:
    record = add(image(), "quay.io/a:1")
    assert images.find(places, f"quay.io/a:9@{record.manifest}") == record
    for word in (f"quay.io/b@{record.manifest}", f"quay.io/a@sha256:{'0' * 64}"):
        with pytest.raises(ImageNotKnown):
            images.find(places, word)


def test_tag_gives_names_of_this_host_and_untag_takes_them(places: Places, add: Add) -> None:
    record = add(image(), "quay.io/a:1")
    images.tag(places, "quay.io/a:1", ["b", "ghcr.io/c:2"])
    assert images.names_of(places, record.id) == [
        "quay.io/a:1",
        "ghcr.io/c:2",
        "localhost/b:latest",
    ]
    images.untag(places, record.id, ["b"])
    assert images.names_of(places, record.id) == ["quay.io/a:1", "ghcr.io/c:2"]
    images.untag(places, "quay.io/a:1", [])
    assert images.names_of(places, record.id) == []
    assert images.find(places, record.id) == record


def test_wrong_names_are_refused_by_tag_and_untag(places: Places, add: Add) -> None:
    record = add(image(), "quay.io/a:1")
    with pytest.raises(UsageError, match="lowercase"):
        images.tag(places, record.id, ["Bad"])
    with pytest.raises(UsageError, match="tag by digest not supported"):
        images.tag(places, record.id, [f"a@{record.manifest}"])
    with pytest.raises(PypodError, match="localhost/nope:latest: tag not known"):
        images.untag(places, record.id, ["nope"])
    assert images.names_of(places, record.id) == ["quay.io/a:1"]


def test_removing_one_of_several_names_only_takes_the_name(places: Places, add: Add) -> None:
    record = add(image(), "quay.io/a:1", "quay.io/b:1")
    assert image_remove.remove(places, FACTS, "quay.io/a:1") == ["Untagged: quay.io/a:1"]
    assert images.names_of(places, record.id) == ["quay.io/b:1"]


def test_removing_the_last_name_leaves_nothing(places: Places, add: Add) -> None:
    record = add(image(docker=True), "quay.io/a:1", index=b'{"schemaVersion":2,"manifests":[]}')
    unpack(places, record)
    unpack(places, record, "single")
    assert image_remove.remove(places, FACTS, "quay.io/a:1") == [
        "Untagged: quay.io/a:1",
        f"Deleted: {record.id[7:]}",
    ]
    assert (blobs_of(places), layers_of(places)) == (set(), set())
    assert list(Path(places.summaries).iterdir()) == []
    assert list(Path(places.trash).iterdir()) == []


def test_what_another_image_needs_stays(places: Places, add: Add) -> None:
    first, second = add(image("1"), "quay.io/a:1"), add(image("2"), "quay.io/a:2")
    unpack(places, first)
    unpack(places, second)
    assert first.chain_ids[0] == second.chain_ids[0]
    image_remove.remove(places, FACTS, "quay.io/a:1")
    assert blobs_of(places) == {second.id, second.manifest, *(la.digest for la in second.layers)}
    assert layers_of(places) == {
        name for chain in second.chain_ids for name in (chain, chain + ".passwd")
    }


def test_one_image_packed_in_two_ways_keeps_the_blobs_of_both(places: Places, add: Add) -> None:
    files = [{"a": b"x" * 1000}]
    gzip = made.make(files, {"Cmd": ["x"]})
    plain = made.make(files, {"Cmd": ["x"]}, compression="")
    assert gzip.id == plain.id
    add(gzip, "quay.io/a:gzip")
    add(plain, "quay.io/a:plain")
    other = add(image("other"), "quay.io/other:1")
    image_remove.remove(places, FACTS, "quay.io/other:1")
    assert not blobs.exists(places, other.manifest)
    for one in (gzip, plain):
        assert {one.digest, *one.layers} <= blobs_of(places)
    image_remove.remove(places, FACTS, gzip.id, force=True)
    assert blobs_of(places) == set()


def test_an_id_with_several_names_needs_force(places: Places, add: Add) -> None:
    record = add(image(), "quay.io/a:1", "quay.io/b:1")
    with pytest.raises(ObjectInUse, match="by ID with more than one tag") as caught:
        image_remove.remove(places, FACTS, record.id[7:19])
    assert caught.value.code == 125
    assert image_remove.remove(places, FACTS, record.id[7:19], force=True)[-1].startswith("Deleted")


@pytest.mark.parametrize("every_name", [False, True])
def test_an_image_in_use_stays_with_exit_code_2(
    places: Places, add: Add, every_name: bool
) -> None:
    record = add(image(), "quay.io/a:1")
    container(places, record)
    with pytest.raises(ObjectInUse, match=f"image used by {'c' * 64}") as caught:
        image_remove.remove(places, FACTS, "quay.io/a:1", every_name=every_name)
    assert caught.value.code == 2
    assert images.names_of(places, record.id) == ["quay.io/a:1"]


def test_force_takes_the_containers_first(places: Places, add: Add) -> None:
    record = add(image(), "quay.io/a:1")
    container(places, record)
    gone: list[str] = []
    image_remove.remove(places, FACTS, record.id, force=True, remove_container=gone.append)
    assert gone == ["c" * 64]


def test_a_container_keeps_its_layers_when_its_image_goes(places: Places, add: Add) -> None:
    record = add(image(), "quay.io/a:1")
    unpack(places, record)
    container(places, record)
    image_remove.remove(places, FACTS, record.id, force=True, remove_container=lambda _id: None)
    assert set(record.chain_ids) <= layers_of(places)


def test_a_damaged_image_can_be_removed(places: Places, add: Add) -> None:
    record = add(image(), "quay.io/a:1")
    for path in Path(places.summaries).iterdir():
        path.unlink()
    Path(blobs.path(places, record.manifest)).write_bytes(b"{")
    with pytest.raises(CorruptStore):
        images.find(places, "quay.io/a:1")
    assert images.list_images(places) == []
    assert image_remove.remove(places, FACTS, "quay.io/a:1")[0] == "Untagged: quay.io/a:1"
    assert layout.read(places) == []


def test_ensure_never_pulls_what_it_may_not(places: Places) -> None:
    def pull(_name: str) -> ImageRecord:
        raise AssertionError("pulled")

    with pytest.raises(ImageNotKnown, match="nope"):
        pull_policy.ensure(places, "nope", "never", FACTS, pull)
    with pytest.raises(PypodError, match="unknown policy"):
        pull_policy.ensure(places, "nope", "sometimes", FACTS, pull)


def rows(places: Places, wanted: str = "", *filters: str, sort: str = "created") -> list[str]:
    return [row.name for row in image_list.rows(places, wanted, filters, sort)]


@pytest.fixture
def three(places: Places, add: Add) -> Places:
    def dated(text: str, day: int, **labels: str) -> made.Image:
        return made.make(
            [{"a": text.encode() * (9 - day) * 9999}],
            {"Labels": labels},
            compression="",
            created=f"2026-01-0{day}T00:00:00.5Z",
        )

    add(dated("1", 1, a="b"), "quay.io/x/one:1", "localhost/one:latest")
    add(dated("2", 2, a="c"), "docker.io/library/two:2")
    add(dated("3", 3), "quay.io/old:1")
    images.untag(places, "quay.io/old:1", [])
    return places


ONE, LOCAL, TWO = "quay.io/x/one:1", "localhost/one:latest", "docker.io/library/two:2"


@pytest.mark.parametrize(
    ("wanted", "filters", "names"),
    [
        ("", (), ["", TWO, LOCAL, ONE]),
        ("two", (), [TWO]),
        ("two:2", (), [TWO]),
        ("two:3", (), []),
        ("one", (), [LOCAL, ONE]),
        ("x/one", (), [ONE]),
        ("ne", (), []),
        ("quay.io/x/one", (), [ONE]),
        ("", ("dangling=true",), [""]),
        ("", ("dangling=0",), [TWO, LOCAL, ONE]),
        ("", ("label=a",), [TWO, LOCAL, ONE]),
        ("", ("label=a=b",), [LOCAL, ONE]),
        ("", ("label!=a",), [""]),
        ("", ("label=a", "label=a=c"), [TWO]),
        ("", ("before=two:2",), [LOCAL, ONE]),
        ("", ("since=two:2",), [""]),
        ("", ("reference=one",), [LOCAL, ONE]),
        ("", ("reference=quay.io/*/*",), [ONE]),
        ("", ("reference=*/o?e:1",), [ONE]),
        ("", ("reference=two", "reference=x/one"), [TWO, ONE]),
        ("", ("reference=*", "dangling=false", "label=a=c"), [TWO]),
    ],
)
def test_images_are_listed_by_name_and_filter(
    three: Places, wanted: str, filters: tuple[str, ...], names: list[str]
) -> None:
    assert sorted(rows(three, wanted, *filters)) == sorted(names)


def test_the_newest_image_comes_first_unless_sorted(three: Places) -> None:
    assert [name for name in rows(three) if name != ONE] == ["", TWO, LOCAL]
    assert rows(three, sort="repository")[0] == ""
    assert rows(three, sort="size")[-1] in (ONE, LOCAL)
    with pytest.raises(UsageError, match="Choose from"):
        rows(three, sort="colour")


@pytest.mark.parametrize("text", ["nonsense", "color=red", "dangling=maybe", "before=nope"])
def test_a_wrong_filter_is_an_error(three: Places, text: str) -> None:
    with pytest.raises(PypodError):
        rows(three, "", text)


@pytest.mark.parametrize(
    ("text", "pattern", "matches"),
    [
        ("abc", "abc", True),
        ("abc", "a*", True),
        ("abc", "*c", True),
        ("abc", "*b*", True),
        ("abc", "a?c", True),
        ("abc", "ab", False),
        ("ab", "abc", False),
        ("a/b", "*", False),
        ("a/b", "*/*", True),
        ("a/b", "a?b", False),
        ("", "*", True),
        ("", "", True),
        ("aaaa", "*a*a", True),
        ("abab", "*ab", True),
        ("abc", "", False),
    ],
)
def test_patterns_are_gos(text: str, pattern: str, matches: bool) -> None:
    assert image_list.glob(text, pattern) is matches


def test_inspect_shows_what_was_asked_for_and_the_manifest(places: Places, add: Add) -> None:
    one = image(docker=True, Cmd=["x"], Volumes={"/v": {}})
    index, _ = made.index([(one, "amd64")], docker=True)
    record = add(one, "quay.io/a:1", index=index)
    document = image_inspect.inspect(places, "quay.io/a:1")
    assert document["Id"] == one.id[7:]
    assert document["Digest"] == one.digest
    assert document["RepoTags"] == ["quay.io/a:1"]
    assert document["RepoDigests"] == [f"quay.io/a@{record.index}", f"quay.io/a@{one.digest}"]
    assert document["Config"] == {"Cmd": ["x"], "Volumes": {"/v": {}}}
    assert document["RootFS"]["Layers"] == list(record.diff_ids)
    assert document["ManifestType"].startswith("application/vnd.docker.distribution.manifest.v2")


def test_an_image_pulled_by_digest_has_a_repository_and_no_tag(places: Places, add: Add) -> None:
    one = image()
    add(one, f"quay.io/a@{one.digest}")
    (row,) = image_list.rows(places)
    assert (row.repository, row.tag) == ("quay.io/a", "<none>")
    document = image_inspect.inspect(places, f"quay.io/a@{one.digest}")
    assert document["RepoTags"] == []
    assert document["RepoDigests"] == [f"quay.io/a@{one.digest}"]


def test_images_are_listed_by_reading_their_summaries_only(places: Places, add: Add) -> None:
    for number in range(20):
        add(image(str(number)), f"quay.io/a:{number}")
    for path in (Path(places.images) / "blobs/sha256").iterdir():
        path.unlink()
    assert len(image_list.rows(places)) == 20


def test_images_added_and_removed_at_the_same_time_are_whole_or_not_there(
    places: Places, add: Add
) -> None:
    several = [image(str(number)) for number in range(3)]

    def adder(turn: int) -> None:
        try:
            add(several[turn % 3], f"quay.io/a:{turn % 3}", f"quay.io/b:{turn % 2}")
        except CorruptStore as error:
            assert error.hint == "pull the image again"

    def remover(turn: int) -> None:
        try:
            image_remove.remove(places, FACTS, several[turn % 3].id, force=True)
        except ImageNotKnown:
            pass

    children = []
    for act in (adder, remover, adder, remover):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                for turn in range(12):
                    act(turn)
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    for child in children:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    adder(0)
    adder(1)
    for record, _entries in images.list_images(places):
        for digest in (record.id, record.manifest, *(layer.digest for layer in record.layers)):
            assert blobs.read(places, digest)
    assert images.find(places, "quay.io/a:1").id == several[1].id
