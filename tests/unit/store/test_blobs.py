# SPDX-License-Identifier: Apache-2.0
"""Blobs: a blob that has its name is whole, whatever happened on the way."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pypod.errors import CorruptStore, IntegrityError
from pypod.kernel import paths
from pypod.kernel.paths import Places
from pypod.store import blobs

DATA = bytes(range(256)) * 40
DIGEST = blobs.digest_of(DATA)


@pytest.fixture
def places(tmp_path: Path) -> Places:
    made = Places(str(tmp_path / "graph"), str(tmp_path / "run"))
    paths.prepare(made)
    return made


def kept_files(places: Places) -> list[str]:
    return sorted(str(path.name) for path in Path(places.images).rglob("*") if path.is_file())


def test_a_blob_gets_its_name_when_it_is_whole(places: Places) -> None:
    with blobs.Writer(places, DIGEST, len(DATA)) as writer:
        writer.write(DATA[:100])
        assert not blobs.exists(places, DIGEST)
        writer.write(DATA[100:])
        writer.commit()
    assert Path(blobs.path(places, DIGEST)).read_bytes() == DATA
    assert kept_files(places) == [DIGEST[7:]]
    assert blobs.read(places, DIGEST) == DATA


def test_what_was_cut_off_is_resumed(places: Places) -> None:
    with blobs.Writer(places, DIGEST, len(DATA)) as writer:
        writer.write(DATA[:3000])
    with blobs.Writer(places, DIGEST, len(DATA)) as writer:
        assert writer.offset == 3000
        assert b"".join(writer.kept()) == DATA[:3000]
        writer.write(DATA[3000:])
        writer.commit()
    assert blobs.read(places, DIGEST) == DATA


def test_an_early_end_is_an_error_and_the_part_stays(places: Places) -> None:
    with blobs.Writer(places, DIGEST, len(DATA)) as writer:
        writer.write(DATA[:3000])
        with pytest.raises(IntegrityError, match="ended after 3000 of 10240 bytes"):
            writer.commit()
    assert not blobs.exists(places, DIGEST)
    with blobs.Writer(places, DIGEST, len(DATA)) as writer:
        assert writer.offset == 3000


def test_nothing_is_left_of_a_blob_with_a_wrong_digest(places: Places) -> None:
    with blobs.Writer(places, DIGEST, len(DATA)) as writer:
        writer.write(DATA[::-1])
        with pytest.raises(IntegrityError, match="wrong digest") as caught:
            writer.commit()
    assert DIGEST in caught.value.message
    assert blobs.digest_of(DATA[::-1]) in caught.value.message
    assert kept_files(places) == []


def test_nothing_is_left_of_a_blob_that_is_too_long(places: Places) -> None:
    with blobs.Writer(places, DIGEST, len(DATA)) as writer:
        writer.write(DATA)
        with pytest.raises(IntegrityError, match="longer than 10240 bytes"):
            writer.write(b"x")
    assert kept_files(places) == []


def test_a_writer_that_got_nothing_leaves_nothing(places: Places) -> None:
    with blobs.Writer(places, DIGEST, len(DATA)):
        pass
    assert kept_files(places) == []


def test_a_whole_part_whose_writer_was_killed_before_the_rename_becomes_the_blob(
    places: Places,
) -> None:
    partial = Path(places.images) / blobs.PARTIALS / DIGEST[7:]
    partial.parent.mkdir()
    partial.write_bytes(DATA)
    with blobs.Writer(places, DIGEST, len(DATA)) as writer:
        assert writer.done
    assert kept_files(places) == [DIGEST[7:]]
    assert blobs.read(places, DIGEST) == DATA


@pytest.mark.parametrize("rest", [DATA[::-1], DATA + b"x"])
def test_a_part_that_cannot_become_the_blob_is_forgotten(places: Places, rest: bytes) -> None:
    partial = Path(places.images) / blobs.PARTIALS / DIGEST[7:]
    partial.parent.mkdir()
    partial.write_bytes(rest)
    with blobs.Writer(places, DIGEST, len(DATA)) as writer:
        assert (writer.done, writer.offset) == (False, 0)
        writer.write(DATA)
        writer.commit()
    assert blobs.read(places, DIGEST) == DATA


def test_a_blob_that_is_there_needs_no_writing(places: Places) -> None:
    blobs.put(places, DATA)
    with blobs.Writer(places, DIGEST, len(DATA)) as writer:
        assert writer.done
    assert blobs.put(places, DATA) == DIGEST
    assert kept_files(places) == [DIGEST[7:]]


def test_a_second_writer_waits_for_the_first_and_shares_its_blob(places: Places) -> None:
    first = blobs.Writer(places, DIGEST, len(DATA))
    first.write(DATA[:5000])
    reader, told = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(first._lock.fd)
        os.write(told, b"begun")
        with blobs.Writer(places, DIGEST, len(DATA)) as second:
            os._exit(0 if second.done else 1)
    assert os.read(reader, 5) == b"begun"
    first.write(DATA[5000:])
    first.commit()
    first.close()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    os.close(reader)
    os.close(told)
    assert kept_files(places) == [DIGEST[7:]]


def test_a_second_writer_goes_on_where_the_first_was_killed(places: Places) -> None:
    child = os.fork()
    if child == 0:
        writer = blobs.Writer(places, DIGEST, len(DATA))
        writer.write(DATA[:5000])
        os._exit(0)
    os.waitpid(child, 0)
    with blobs.Writer(places, DIGEST, len(DATA)) as writer:
        assert writer.offset == 5000
        writer.write(DATA[5000:])
        writer.commit()
    assert blobs.read(places, DIGEST) == DATA


def test_abort_twice_does_not_take_another_writers_part(places: Places) -> None:
    first = blobs.Writer(places, DIGEST, len(DATA))
    first.write(DATA[:10])
    first.abort()
    second = blobs.Writer(places, DIGEST, len(DATA))
    second.write(DATA[:20])
    first.abort()
    first.close()
    second.close()
    with blobs.Writer(places, DIGEST, len(DATA)) as third:
        assert third.offset == 20


def test_a_missing_and_a_damaged_blob_say_so(places: Places) -> None:
    with pytest.raises(CorruptStore, match="is missing"):
        blobs.read(places, DIGEST)
    blobs.put(places, DATA)
    Path(blobs.path(places, DIGEST)).write_bytes(DATA[1:])
    with pytest.raises(CorruptStore, match="is damaged"):
        blobs.read(places, DIGEST)


@pytest.mark.parametrize("text", ["sha256:../../../x", "sha512:" + "a" * 128, "x"])
def test_no_path_is_made_of_a_wrong_digest(places: Places, text: str) -> None:
    for act in (blobs.path, blobs.read, blobs.exists):
        with pytest.raises(IntegrityError):
            act(places, text)
    with pytest.raises(IntegrityError):
        blobs.Writer(places, text, 1)


def test_only_a_store_that_shall_last_waits_for_the_disk(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[int] = []
    monkeypatch.setattr(os, "fsync", waited.append)
    blobs.put(places.replace(durable=False), b"for a while")
    assert waited == []
    blobs.put(places, b"for good")
    assert len(waited) == 2  # the file, and the directory that has its name
