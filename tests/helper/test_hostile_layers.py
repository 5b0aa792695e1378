# SPDX-License-Identifier: Apache-2.0
"""Hostile layers: nothing leaves the directory, nothing half-made stays (A46-A54, A62)."""

from __future__ import annotations

import gzip
import os
import resource
import signal
import stat
import struct
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from monitored import within
from unpacked import (
    PASSWD,
    Entry,
    Store,
    archive,
    directory,
    entry,
    file,
    host_id,
    link,
    refused,
    symlink,
    xattrs,
)

from pypod.engine import remove
from pypod.engine.unpack import Staging
from pypod.errors import IntegrityError, PypodError

# Names and links that want out: A46, A47, A48


@pytest.mark.parametrize("name", ["../x", "a/../../x", "./../x", "..", "a/..", "/../x"])
def test_a_name_with_dot_dot_is_refused(store: Store, sentinel: Path, name: str) -> None:
    assert ".." in refused(store, archive(file(name)))


def test_an_absolute_name_lies_inside(store: Store, sentinel: Path) -> None:
    layer = store.unpack_one(file("/etc/x", b"1"), file(f"/{sentinel}/f", b"bad"), file("//y//./z"))
    assert (layer / "etc/x").read_bytes() == b"1"
    assert (layer / "y/z").exists()


def test_a_link_in_the_way_is_followed_inside(store: Store, sentinel: Path) -> None:
    layer = store.unpack_one(
        symlink("d", str(sentinel)),
        file("d/f", b"bad"),
        symlink("up", "../../../../../../../.."),
        file("up/g", b"1"),
        directory("in"),
        symlink("to", "in"),
        file("to/h"),
    )
    assert (layer / str(sentinel)[1:] / "f").read_bytes() == b"bad"
    assert (layer / "g").exists()
    assert (layer / "in/h").exists()


def test_a_link_of_a_layer_below_leads_nowhere(store: Store, sentinel: Path) -> None:
    layers = store.unpack(
        archive(symlink("d", str(sentinel)), symlink("etc", str(sentinel))),
        archive(file("d/f", b"bad"), file("etc/passwd", PASSWD)),
    )
    assert store.shown(layers, "cat d/f") == "bad"
    assert Path(f"{layers[1]}.passwd").read_bytes() == PASSWD


def test_a_link_to_what_only_a_layer_below_has_puts_the_file_there(store: Store) -> None:
    layers = store.unpack(
        archive(directory("x", mode=0o711, uid=3), file("x/old")),
        archive(symlink("d", "/x"), file("d/new")),
    )
    assert store.tree(layers) == ["./d", "./x", "./x/new", "./x/old"]
    assert store.shown(layers, "stat -c %a:%u x").strip() == "711:3"


def test_links_in_a_circle_are_refused(store: Store) -> None:
    message = refused(store, archive(symlink("a", "b"), symlink("b", "a"), file("a/x")))
    assert "symbolic link" in message.lower()


def test_a_directory_below_a_file_is_refused(store: Store) -> None:
    assert "a: Not a directory" in refused(store, archive(file("a"), file("a/b")))


@pytest.mark.parametrize("target", ["../../sentinel/f", "/../sentinel/f", "no/such/file", "."])
def test_a_hard_link_out_of_the_layers_is_refused(
    store: Store, sentinel: Path, target: str
) -> None:
    refused(store, archive(link("h", target)))


def test_a_hard_link_to_a_symlink_is_that_symlink(store: Store, sentinel: Path) -> None:
    layer = store.unpack_one(symlink("s", str(sentinel / "f")), link("h", "s"))
    assert os.readlink(layer / "h") == str(sentinel / "f")
    assert (layer / "h").lstat().st_nlink == 2


def test_a_hard_link_through_a_symlink_stays_inside(store: Store, sentinel: Path) -> None:
    refused(store, archive(symlink("d", str(sentinel)), link("h", "d/f")))


def test_a_hard_link_into_a_layer_below_copies_the_file_up(store: Store) -> None:
    layers = store.unpack(
        archive(
            directory("a", mode=0o700, mtime=77),
            file("a/f", b"data", mode=0o4711, uid=9, gid=9, mtime=5),
            symlink("a/s", "f"),
        ),
        archive(link("b", "a/f"), link("a/c", "a/f"), link("t", "a/s")),
    )
    said = store.shown(layers, "stat -c '%a %u %Y %h' b; stat -c '%a %Y' a; readlink t; cat a/c")
    assert said == "4711 9 5 3\n700 77\nf\ndata"


# Devices, attributes, capabilities: A50, A52


def test_devices_are_left_out_and_a_fifo_is_made(store: Store) -> None:
    layer = store.unpack_one(
        entry("mem", tarfile.CHRTYPE, devmajor=1, devminor=1),
        entry("disk", tarfile.BLKTYPE, devmajor=8, devminor=0),
        entry("hidden", tarfile.CHRTYPE, devmajor=0, devminor=0),
        entry("pipe", tarfile.FIFOTYPE, mode=0o640, uid=3),
    )
    assert os.listdir(layer) == ["pipe"]
    found = (layer / "pipe").lstat()
    assert stat.S_ISFIFO(found.st_mode)
    assert (stat.S_IMODE(found.st_mode), found.st_uid) == (0o640, host_id(store, 3))


def test_attributes_that_stores_read_are_left_out(store: Store) -> None:
    names = [
        "user.overlay.opaque", "user.overlay.redirect", "user.overlay.metacopy",
        "user.overlay.whiteout", "trusted.overlay.opaque", "user.containers.override_stat",
        "user.fuseoverlayfs.opaque", "user.pypod.owner", "user.pypod.implied", "security.selinux",
        "system.posix_acl_access", "user.good",
    ]  # fmt: skip
    headers = {f"SCHILY.xattr.{name}": "y" for name in names}
    layer = store.unpack_one(
        directory("d", pax_headers=headers),
        file("f", pax_headers=headers),
        directory("./", pax_headers=headers),
    )
    for path in (layer, layer / "d", layer / "f"):
        assert xattrs(path) == {"user.good": b"y"}


@pytest.mark.passes("user")
@pytest.mark.parametrize("version", [2, 3])
def test_file_capabilities_are_for_the_containers_root(store: Store, version: int) -> None:
    value = struct.pack("<IIIII", version << 24 | 1, 1 << 10, 0, 0, 0)
    if version == 3:
        value += struct.pack("<I", 100)  # tarfile writes UTF-8: below 128 it is the same
    info = entry("f", tarfile.REGTYPE)
    info.pax_headers = {"SCHILY.xattr.security.capability": value.decode("latin-1")}
    tar = bytearray(archive(info))
    assert value in bytes(tar), "tarfile must not encode it"
    layer = store.unpack(bytes(tar))[0]
    raw = os.getxattr(layer / "f", "security.capability")
    assert raw[:4] == struct.pack("<I", 3 << 24 | 1), "bound to a user namespace"
    assert struct.unpack("<I", raw[20:24])[0] == host_id(store, 0)


# Numbers, sizes, bombs: A53, A54, A62


def test_owners_beyond_32_bits_never_become_root(store: Store) -> None:
    for value in (1 << 32, (1 << 32) - 1, 1 << 40):
        assert "owner" in refused(store, archive(file("f", uid=value), form=tarfile.GNU_FORMAT))


@pytest.mark.passes("user")
def test_an_owner_that_this_user_has_not_is_named(store: Store) -> None:
    assert "f: it belongs to 3000000:0" in refused(store, archive(file("f", uid=3_000_000)))


def test_odd_times_and_type_bits_do_no_harm(store: Store) -> None:
    layer = store.unpack(
        archive(
            file("before", mtime=-1),
            file("never", mtime=1 << 40),
            file("typed", mode=0o100644 | 0o4000),
            form=tarfile.GNU_FORMAT,
        )
    )[0]
    assert (layer / "before").stat().st_mtime == -1
    assert (layer / "never").stat().st_mtime == 0
    assert stat.S_IMODE((layer / "typed").stat().st_mode) == 0o4644


def patched(tar: bytes, at: int, field: bytes) -> bytes:
    """Return an archive whose first header has another field and the right checksum."""
    block = bytearray(tar[:512])
    block[at : at + len(field)] = field
    block[148:156] = b"        "
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + tar[512:]


@pytest.mark.parametrize(
    "field",
    [
        b"\x80" + b"\xff" * 11,
        b"\xff" * 12,
        b"\x80\0\0\0\x7f" + b"\xff" * 7,
        b"99999999999\0",
        b"-1\0",
    ],
)
def test_a_size_that_cannot_be_is_refused(store: Store, field: bytes) -> None:
    refused(store, patched(archive(file("f", b"1")), 124, field))


def test_a_damaged_or_cut_archive_is_refused(store: Store) -> None:
    tar = archive(file("f", b"1" * 5000), file("g"))
    assert "checksum" in refused(store, b"x" + tar[1:])
    assert "ends in the middle" in refused(store, tar[:3000])
    assert "ends in the middle" in refused(store, tar[: 512 + 5120 + 100])


def test_an_entry_of_an_unknown_kind_is_refused_with_its_name(store: Store) -> None:
    assert "odd: an entry of a kind" in refused(store, archive(entry("odd", b"Z")))


def test_names_in_errors_cannot_drive_the_terminal(store: Store) -> None:
    message = refused(store, archive(entry("a\x1b[31m\x07\nb", b"Z")))
    assert message.isprintable()
    assert "\\x1b[31m\\x07\\nb" in message


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("n" * 256, "255 bytes"),
        ("d/" * 5000 + "f", "longer than 4096"),
        ("d/" * 1500 + "f", "1024 deep"),
    ],
)
def test_names_beyond_all_measure_are_refused(store: Store, name: str, words: str) -> None:
    assert words in refused(store, archive(file(name)))


def test_a_deep_tree_is_made_and_removed(store: Store) -> None:
    deep = "d/" * 1000
    layer = store.unpack_one(directory(deep), symlink("a", deep), directory("a/" + "e/" * 1000))
    assert layer.exists()
    store.remove()
    assert not Path(store.places.graph).exists()


def test_a_tree_deeper_than_a_path_is_long_is_refused(store: Store) -> None:
    deep = "d/" * 1000
    message = refused(
        store,
        archive(
            directory(deep), symlink("a", deep), directory("a/" + "e/" * 1000),
            symlink("b", "a/" + "e/" * 1000), directory("b/" + "f/" * 1000),
        ),
    )  # fmt: skip
    assert "too long" in message
    assert len(message) < 500


def test_a_header_of_more_than_a_mebibyte_is_refused(store: Store) -> None:
    head = entry("x", tarfile.XHDTYPE, size=1 << 40).tobuf(tarfile.GNU_FORMAT)
    assert "1 MiB" in refused(store, head + bytes(4096))


def test_what_makes_the_worker_remember_too_much_is_refused(store: Store) -> None:
    one = link("h", "/".join(["d" * 255] * 15)).tobuf(tarfile.GNU_FORMAT)
    assert "more hard links" in refused(store, one * 18_000)


def test_a_million_entries_are_refused(store: Store) -> None:
    thousand = entry("", tarfile.DIRTYPE).tobuf(tarfile.GNU_FORMAT) * 1000
    with Staging(store.places, store.facts) as staging:
        layer = staging.layer("0" * 64, "sha256:" + "0" * 64, "")
        for _ in range(999):
            layer.write(thousand)
        with pytest.raises(PypodError, match="million"):
            layer.write(thousand)
            layer.close()
    assert store.leftovers == []


def grown_memory(act: Callable[[], None]) -> int:
    """Run `act` in a child; return the memory it took beyond what it was forked with, in KiB."""
    at_fork, child_side = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.write(child_side, str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss).encode())
            act()
            code = 0
        finally:
            os._exit(code)
    _pid, status, usage = os.wait4(child, 0)
    before = int(os.read(at_fork, 64))
    os.close(at_fork)
    os.close(child_side)
    assert status == 0
    return usage.ru_maxrss - before


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_a_bomb_is_stopped_and_takes_no_memory(store: Store, compression: str) -> None:
    import zstandard

    compress = gzip.compress if compression == "gzip" else zstandard.ZstdCompressor().compress
    head = entry("zeros", tarfile.REGTYPE, size=3 << 30).tobuf(tarfile.GNU_FORMAT)
    packed = compress(head) + compress(bytes(1 << 24)) * 192

    def act() -> None:
        with Staging(store.places, store.facts) as staging:
            layer = staging.layer("0" * 64, "sha256:" + "0" * 64, compression)
            with pytest.raises(PypodError) as caught:
                layer.write(packed)
                raise AssertionError("it was not stopped")
            assert "200 times" in caught.value.message
            layer.abandon()

    # The plain tar has 3 GiB; a decoder's window and our own pieces are some MiB.
    assert grown_memory(act) < 64 << 10
    assert store.leftovers == []


def test_a_zstd_window_beyond_128_mib_is_refused(store: Store) -> None:
    # RFC 8878 3.1.1.1: magic, descriptor, window 2^(10+21), an empty last block.
    frame = b"\x28\xb5\x2f\xfd\x00" + bytes([21 << 3]) + b"\x01\x00\x00"
    with pytest.raises(IntegrityError, match="zstd"):
        store.unpack(b"", compress=lambda _tar: frame, compression="zstd")
    assert store.leftovers == []


def test_what_is_no_gzip_or_is_cut_off_is_refused(store: Store) -> None:
    tar = archive(file("f", os.urandom(100_000)))
    for change in (lambda data: b"x" + data, lambda data: data[:-5000], lambda data: data[:10]):
        with pytest.raises(IntegrityError, match="gzip"):
            store.unpack(tar, compress=lambda data, change=change: change(gzip.compress(data)))
    assert store.leftovers == []


def test_a_wrong_diff_id_leaves_nothing(store: Store) -> None:
    tar = archive(file("f"))
    with pytest.raises(IntegrityError, match="wrong diff_id"):
        store.unpack(tar, compress=lambda data: gzip.compress(data + bytes(512)))
    assert store.leftovers == []


# Anything at all


def random_entry(random: Random, outside: str) -> Entry:
    """Return an entry whose name and target may be anything that hostile archives had."""
    parts = [
        "a",
        "b",
        "c",
        "..",
        ".",
        "",
        ".wh.a",
        ".wh.b",
        ".wh..wh..opq",
        "etc",
        "passwd",
        outside,
    ]
    weights = [9, 9, 9, 0.1, 1, 1, 1, 1, 1, 2, 2, 1]

    def path() -> str:
        return "/".join(random.choices(parts, weights, k=random.randint(1, 4)))

    kinds = [
        tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.FIFOTYPE, tarfile.LNKTYPE
    ]  # fmt: skip
    kind = random.choices(kinds, [8, 6, 6, 2, 1])[0]
    info = entry(path(), kind, mode=random.choice([0, 0o755, 0o7777]), uid=random.choice([0, 5]))
    if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
        info.linkname = random.choice([path(), f"/{path()}", f"../../../../{path()}", outside])
    if kind != tarfile.REGTYPE:
        return info
    data = random.randbytes(random.choice([0, 10, 600]))
    info.size = len(data)
    return info, data


def test_random_layers_never_leave_their_directory(store: Store, sentinel: Path) -> None:
    seed = int(os.environ.get("FUZZ_SEED", int.from_bytes(os.urandom(4))))
    random = Random(seed)
    whole = 0
    for _ in range(60):
        tars = []
        for _layer in range(random.randint(1, 3)):
            entries = [random_entry(random, str(sentinel)) for _ in range(random.randint(1, 12))]
            tars.append(
                archive(*entries, form=random.choice([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]))
            )
        try:
            layers = store.unpack(*tars)
        except PypodError as error:
            assert "ended with" not in error.message, f"FUZZ_SEED={seed}: {error.message}"
        else:
            whole += 1
            store.tree(layers)
    assert whole > 2, f"FUZZ_SEED={seed}"


# Removal


def test_a_root_directory_that_is_read_only_can_be_moved_and_removed(store: Store) -> None:
    layer = store.unpack_one(directory("./", mode=0o555), file("f"))
    gone = Path(store.places.trash) / "x"
    os.rename(layer, gone)
    assert xattrs(gone) == {"user.pypod.owner": b"0:0:555"}


def test_directories_without_permissions_are_removed(store: Store) -> None:
    store.unpack_one(
        directory("a/b", mode=0),
        file("a/b/c", mode=0),
        directory("z", mode=0, uid=5),
        file("z/x", uid=5),
    )
    store.remove()
    assert not Path(store.places.graph).exists()


def test_removal_follows_no_link(store: Store, sentinel: Path) -> None:
    outside = str(sentinel)
    store.unpack_one(symlink("d", outside), directory("u", uid=5), symlink("u/d", outside))
    store.remove()


# Death on the way


def test_a_killed_unpack_leaves_staging_that_the_next_command_deletes(store: Store) -> None:
    tar = archive(directory("d", mode=0o700, uid=5), file("d/f", bytes(5000), uid=5))
    ready, tell = os.pipe()
    child = os.fork()
    if child == 0:
        staging = Staging(store.places, store.facts)
        layer = staging.layer("0" * 64, "sha256:" + "0" * 64, "")
        layer.write(tar[:4096])
        os.write(tell, b"1")
        signal.pause()
    os.read(ready, 1)
    (left,) = os.listdir(store.places.tmp)
    remove.sweep(store.places, store.facts)
    assert os.listdir(store.places.tmp) == [left], "it is alive"
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    # The worker ends when its archive does; until then it may make one more file.
    assert within(5, lambda: swept(store))
    assert store.leftovers == []


def swept(store: Store) -> bool:
    """Sweep; say whether nothing is left."""
    remove.sweep(store.places, store.facts)
    return not os.listdir(store.places.tmp)


def test_the_same_layer_twice_at_once_is_one_layer(store: Store) -> None:
    tar = archive(file("f", bytes(100_000)), file("etc/passwd", PASSWD))
    results: list[Path] = []
    threads = [threading.Thread(target=lambda: results.extend(store.unpack(tar))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4 and len(set(results)) == 1
    assert os.listdir(store.places.tmp) == []
    assert sorted(os.listdir(results[0])) == ["etc", "f"]
    assert Path(f"{results[0]}.passwd").read_bytes() == PASSWD
