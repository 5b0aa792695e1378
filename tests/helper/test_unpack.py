# SPDX-License-Identifier: Apache-2.0
"""Layers, honest and hostile: nothing leaves the layer's directory, nothing half-made stays.

Rows A46-A54 and A62 of the attack list. The worker is the real one in the user's real id map; what
a stack of layers means is asked of overlayfs itself.
"""

from __future__ import annotations

import gzip
import os
import signal
import stat
import struct
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest
from monitored import within
from unpacked import MTIME, Entry, Store, archive, directory, entry, file, link, symlink

from pypod.engine import remove
from pypod.engine.unpack import Staging
from pypod.errors import IntegrityError, PypodError
from pypod.kernel.facts import facts as host_facts

PASSWD = b"root:x:0:0:root:/root:/bin/sh\n"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Return an empty store in the user's full map."""
    made = Store(tmp_path)
    yield made
    made.remove()


@pytest.fixture
def single(tmp_path: Path) -> Iterator[Store]:
    """Return an empty store of the caller's id alone."""
    full = host_facts()
    one = full.replace(
        map="single",
        uid_map=((0, os.getuid(), 1),),
        gid_map=((0, os.getgid(), 1),),
        newuidmap="",
        newgidmap="",
    )
    made = Store(tmp_path, one)
    yield made
    made.remove()


@pytest.fixture
def sentinel(tmp_path: Path) -> Iterator[Path]:
    """Return a directory outside of the store that must stay as it is."""
    outside = tmp_path / "sentinel"
    outside.mkdir()
    (outside / "f").write_text("untouched")
    yield outside
    assert os.listdir(outside) == ["f"]
    assert (outside / "f").read_text() == "untouched"
    assert (outside / "f").stat().st_nlink == 1


def refused(store: Store, *tars: bytes) -> str:
    """Unpack layers that are no good; return the error's line, and see that nothing stays."""
    with pytest.raises(PypodError) as caught:
        store.unpack(*tars)
    assert store.leftovers == ["full"] or store.leftovers == []
    assert "\n" not in caught.value.message
    return caught.value.message


def host_id(store: Store, inside: int) -> int:
    """Return what an id of the container is outside of it."""
    for start, outside, count in store.facts.uid_map:
        if start <= inside < start + count:
            return outside + inside - start
    raise AssertionError(inside)


def xattrs(path: Path) -> dict[str, bytes]:
    """Return a file's attributes that its owner sees."""
    return {name: os.getxattr(path, name) for name in os.listxattr(path)}


# What an honest archive says


def test_owner_mode_and_time_are_the_archives(store: Store) -> None:
    layer = store.unpack_one(
        directory("a", mode=0o2750, uid=7, gid=8, mtime=1000),
        file("a/suid", b"x", mode=0o4755, uid=5, gid=6),
        file("b", b"y" * 300_000, mode=0o600),
    )
    top = (layer / "a").stat()
    assert (stat.S_IMODE(top.st_mode), top.st_mtime) == (0o2750, 1000)
    assert top.st_uid == host_id(store, 7)
    inner = store.inside(f"stat -c '%a %u:%g %Y' {layer}/a/suid").strip()
    assert inner == f"4755 5:6 {MTIME}"
    assert (layer / "b").read_bytes() == b"y" * 300_000


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_are_read_in_every_format(store: Store, form: int) -> None:
    part = "d" * 90
    long = part if form == tarfile.USTAR_FORMAT else f"{part}/{part}/{part}"
    target = "t" * (90 if form == tarfile.USTAR_FORMAT else 300)
    layer = store.unpack(archive(file(f"{long}/file", b"1"), symlink("s", target), form=form))[0]
    assert (layer / long / "file").read_bytes() == b"1"
    assert os.readlink(layer / "s") == target


def test_pax_numbers_and_fractions_are_read(store: Store) -> None:
    info, data = file("f", b"1")  # type: ignore[misc]
    info.pax_headers = {"mtime": "1234567890.5", "uid": "12", "comment": "nobody reads this"}
    layer = store.unpack_one((info, data))
    found = (layer / "f").stat()
    assert (found.st_mtime, found.st_uid) == (1234567890.5, host_id(store, 12))


def test_a_later_entry_of_a_name_wins(store: Store) -> None:
    layer = store.unpack_one(
        file("x", b"old"),
        directory("d"),
        file("d/inner"),
        file("x", b"new"),
        file("d", b"file now"),
        symlink("l", "x"),
        directory("l"),
    )
    assert (layer / "x").read_bytes() == b"new"
    assert (layer / "d").read_bytes() == b"file now"
    assert (layer / "l").is_dir() and not (layer / "l").is_symlink()


def test_a_hard_link_is_the_same_file(store: Store) -> None:
    layer = store.unpack_one(file("a", b"1"), link("b", "a"), link("c", "./b"))
    assert (layer / "a").stat().st_nlink == 3


def test_an_empty_archive_is_an_empty_layer(store: Store) -> None:
    for tar in (b"", bytes(1024)):
        assert os.listdir(store.unpack(tar)[0]) == []


def test_many_members_of_gzip_and_padding_are_one_layer(store: Store) -> None:
    tar = archive(file("a", b"1" * 100_000))
    layers = store.unpack(
        tar, compress=lambda data: gzip.compress(data[:999]) + gzip.compress(data[999:]) + bytes(64)
    )
    assert (layers[0] / "a").stat().st_size == 100_000


def test_chunks_of_any_size_are_the_same_layer(store: Store) -> None:
    import zstandard

    tar = archive(file("a", os.urandom(5000) + bytes(600_000)))
    layers = store.unpack(tar, step=7)
    store.remove()
    store = Store(Path(store.places.graph).parent)
    frames = zstandard.ZstdCompressor().compress(tar[:512]) + zstandard.ZstdCompressor().compress(
        tar[512:]
    )
    assert store.unpack(tar, compress=lambda _tar: frames, compression="zstd", step=7) == layers
    assert (layers[0] / "a").stat().st_size == 605_000


# Sparse files: GNU tar's four formats, written here by hand


def sparse_pax(records: list[tuple[str, str]], data: bytes) -> bytes:
    """Return an archive of one file with these PAX records, in their order and repeated."""
    body = b""
    for key, value in records:
        text = f" {key}={value}\n".encode()
        length = len(text) + len(str(len(text) + len(str(len(text)))))
        body += str(length).encode() + text
    header = entry("pax", tarfile.XHDTYPE, size=len(body)).tobuf(tarfile.USTAR_FORMAT)
    info = entry("GNUSparseFile.1/f", tarfile.REGTYPE, size=len(data)).tobuf(tarfile.USTAR_FORMAT)
    return b"".join(part + bytes(-len(part) % 512) for part in (header, body, info, data)) + bytes(
        1024
    )


def sparse_old(extents: list[tuple[int, int]], size: int, data: bytes) -> bytes:
    """Return an archive with an old GNU sparse header and as many extension blocks as it takes."""

    def fields(some: list[tuple[int, int]]) -> bytes:
        return b"".join(b"%011o\0%011o\0" % pair for pair in some)

    block = bytearray(entry("f", b"S", size=len(data)).tobuf(tarfile.GNU_FORMAT))
    block[386:482] = fields(extents[:4]).ljust(96, b"\0")
    block[482] = len(extents) > 4
    block[483:495] = b"%011o\0" % size
    block[148:156] = b"        "
    block[148:156] = b"%06o\0 " % sum(block)
    out = bytes(block)
    rest = extents[4:]
    while rest:
        out += fields(rest[:21]).ljust(504, b"\0") + bytes([len(rest) > 21]) + bytes(7)
        rest = rest[21:]
    return out + data + bytes(-len(data) % 512) + bytes(1024)


EXTENTS = [(number * 8192, 4) for number in range(30)]
SPARSE_SIZE = 1 << 20
SPARSE_DATA = b"".join(b"%04d" % number for number in range(30))


def sparse_forms() -> dict[str, bytes]:
    """Return the same file in each format."""
    pairs = [(str(offset), str(length)) for offset, length in EXTENTS]
    listed = [("GNU.sparse.offset", "GNU.sparse.numbytes")] * len(pairs)
    zero = [
        one
        for keys, pair in zip(listed, pairs, strict=True)
        for one in zip(keys, pair, strict=True)
    ]
    words = ",".join(",".join(pair) for pair in pairs)
    lines = "".join(f"{offset}\n{length}\n" for offset, length in pairs)
    front = f"{len(pairs)}\n{lines}".encode()
    front += bytes(-len(front) % 512)
    size = str(SPARSE_SIZE)
    return {
        "old": sparse_old(EXTENTS, SPARSE_SIZE, SPARSE_DATA),
        "0.0": sparse_pax(
            [("path", "f"), ("GNU.sparse.size", size), ("GNU.sparse.numblocks", "30"), *zero],
            SPARSE_DATA,
        ),
        "0.1": sparse_pax(
            [("GNU.sparse.size", size), ("GNU.sparse.name", "f"), ("GNU.sparse.map", words)],
            SPARSE_DATA,
        ),
        "1.0": sparse_pax(
            [
                ("GNU.sparse.major", "1"),
                ("GNU.sparse.minor", "0"),
                ("GNU.sparse.name", "f"),
                ("GNU.sparse.realsize", size),
            ],
            front + SPARSE_DATA,
        ),
    }


@pytest.mark.parametrize("form", ["old", "0.0", "0.1", "1.0"])
def test_a_sparse_file_is_read_in_every_format(store: Store, form: str) -> None:
    layer = store.unpack(sparse_forms()[form])[0]
    data = (layer / "f").read_bytes()
    assert len(data) == SPARSE_SIZE
    for number, (offset, length) in enumerate(EXTENTS):
        assert data[offset : offset + length] == b"%04d" % number
    assert len(data.replace(b"\0", b"")) == len(SPARSE_DATA)


@pytest.mark.parametrize(
    "words",
    ["0,4,2,4", "0,8", "5,4", "0,4,4", "18446744073709551615,4", "-1,4", "4,1125899906842623"],
)
def test_a_sparse_map_that_lies_is_refused(store: Store, words: str) -> None:
    tar = sparse_pax([("GNU.sparse.size", "8"), ("GNU.sparse.map", words)], b"1234")
    assert "cannot be read" in refused(store, tar)


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


# Whiteouts: A49


def test_a_whiteout_hides_and_an_opaque_directory_starts_anew(store: Store) -> None:
    layers = store.unpack(
        archive(file("a/x"), file("a/y"), file("o/old"), file("gone/x"), file("z")),
        archive(
            file("a/.wh.x"), file("o/.wh..wh..opq"), file("o/new"), file(".wh.gone"), file("w")
        ),
    )
    assert store.tree(layers) == ["./a", "./a/y", "./o", "./o/new", "./w", "./z"]


def test_a_whiteout_spares_its_own_layer(store: Store) -> None:
    below = archive(file("d/old"), file("e/old"), file("g/old"), file("f", b"old"))
    above = archive(
        file(".wh.d"), directory("d"), file("d/new"),
        directory("e"), file("e/new"), file(".wh.e"),
        file(".wh.g"), file("g/new"),
        file(".wh.f"), file("f", b"new"),
    )  # fmt: skip
    layers = store.unpack(below, above)
    assert store.tree(layers) == [
        "./d", "./d/new", "./e", "./e/new", "./f", "./g", "./g/new",
    ]  # fmt: skip
    assert store.shown(layers, "cat f") == "new"


def test_an_opaque_root_hides_everything_below(store: Store) -> None:
    layers = store.unpack(
        archive(file("a"), file("d/old")), archive(file("d/new"), file(".wh..wh..opq"))
    )
    assert store.tree(layers) == ["./d", "./d/new"]


@pytest.mark.parametrize("name", [".wh.", ".wh..", ".wh...", "d/.wh...", "d/.wh.."])
def test_a_whiteout_of_nothing_is_refused(store: Store, sentinel: Path, name: str) -> None:
    assert "whiteout" in refused(store, archive(directory("d"), file(name)))


def test_a_whiteout_that_hides_nothing_is_not_listed(store: Store) -> None:
    # overlayfs filters whiteouts only where it merges directories.
    layers = store.unpack(
        archive(file("a/.wh.x"), file("a/y"), file("b/old"), file("c/z")),
        archive(file("b/.wh.old"), file("b/.wh..wh..opq"), file("c/.wh.z"), file("new/.wh.x")),
    )
    assert store.shown(layers, "ls -A a b c new") == "a:\ny\n\nb:\n\nc:\n\nnew:\n"


def test_bookkeeping_of_aufs_is_left_out(store: Store) -> None:
    layer = store.unpack_one(
        directory(".wh..wh.plnk"), file(".wh..wh.plnk/1.2"), file(".wh..wh.aufs"), file("x")
    )
    assert os.listdir(layer) == ["x"]


def test_a_whiteout_through_a_link_stays_inside(store: Store, sentinel: Path) -> None:
    layer = store.unpack_one(symlink("d", str(sentinel)), file("d/.wh.f"))
    hidden = layer / str(sentinel)[1:] / "f"
    assert stat.S_ISCHR(hidden.lstat().st_mode)


def test_a_hard_link_to_a_whiteout_is_refused(store: Store) -> None:
    below = archive(file("x"), file("y"))
    assert "removes" in refused(store, below, archive(file(".wh.x"), link("y", "x")))


# Directories that the archive only implies


def test_an_implied_directory_is_the_one_below(store: Store) -> None:
    layers = store.unpack(
        archive(
            directory("./", mode=0o711, mtime=3),
            directory(
                "a", mode=0o1777, uid=4, gid=5, mtime=9, pax_headers={"SCHILY.xattr.user.k": "v"}
            ),
            directory("a/b", mode=0o700, mtime=8),
        ),
        archive(file("a/b/new")),
    )
    assert store.shown(layers, "stat -c '%a %u:%g %Y' a a/b") == "1777 4:5 9\n700 0:0 8\n"
    assert xattrs(layers[1] / "a") == {"user.k": b"v"}
    assert stat.S_IMODE(layers[1].stat().st_mode) == 0o711


def test_an_entry_that_follows_describes_the_directory(store: Store) -> None:
    layers = store.unpack(
        archive(directory("a", mode=0o700)),
        archive(file("a/x"), directory("a", mode=0o705, mtime=6)),
    )
    found = (layers[1] / "a").stat()
    assert (stat.S_IMODE(found.st_mode), found.st_mtime) == (0o705, 6)
    assert xattrs(layers[1] / "a") == {}


def test_an_implied_directory_over_nothing_is_plain(store: Store) -> None:
    layers = store.unpack(
        archive(directory("a", mode=0o700), directory("a/b", mode=0o700)),
        archive(file(".wh.a"), file("a/b/c")),
    )
    assert store.shown(layers, "stat -c %a a a/b") == "755\n755\n"
    assert xattrs(layers[1] / "a") == {"user.overlay.opaque": b"y"}


# passwd and group as a container sees them


def test_passwd_comes_from_the_uppermost_layer_that_has_it(store: Store) -> None:
    layers = store.unpack(
        archive(file("etc/passwd", PASSWD), file("etc/group", b"root:x:0:\n")),
        archive(file("etc/.wh.passwd"), file("etc/group", b"new:x:0:\n")),
        archive(file("x")),
    )
    assert [Path(f"{layer}.passwd").exists() for layer in layers] == [True, False, False]
    assert Path(f"{layers[2]}.group").read_text() == "new:x:0:\n"


def test_passwd_is_read_through_links_of_all_layers(store: Store) -> None:
    layers = store.unpack(
        archive(file("data/p", PASSWD), directory("etc")),
        archive(symlink("etc/passwd", "../real/passwd"), symlink("real/passwd", "/data/p")),
    )
    assert Path(f"{layers[1]}.passwd").read_bytes() == PASSWD


@pytest.mark.parametrize(
    "odd",
    [
        entry("etc/passwd", tarfile.FIFOTYPE),
        symlink("etc/passwd", "/proc/self/environ"),
        symlink("etc/passwd", "../../../../../../etc/passwd"),
        directory("etc/passwd"),
        file("etc/passwd", bytes((1 << 20) + 1)),
    ],
)
def test_a_passwd_that_is_no_small_file_is_none(store: Store, odd: tarfile.TarInfo) -> None:
    assert not Path(f"{store.unpack_one(odd)}.passwd").exists()


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


def limit_memory(store: Store, act: Callable[[], None]) -> int:
    """Run `act` in a child; return the most memory that it had, in KiB."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            act()
            code = 0
        finally:
            os._exit(code)
    _pid, status, usage = os.wait4(child, 0)
    assert status == 0
    return usage.ru_maxrss


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

    assert limit_memory(store, act) < 200 << 10
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


# One id alone


def test_with_one_id_the_owner_is_noted(single: Store) -> None:
    layer = single.unpack_one(
        directory("d", mode=0o2750, uid=7, gid=8),
        file("d/f", mode=0o4755, uid=1000, gid=1000),
        symlink("s", "x", uid=9),
        file("mine", mode=0o600),
    )
    assert layer.parent.name == "single"
    assert xattrs(layer / "d/f") == {"user.pypod.owner": b"1000:1000:4755"}
    assert xattrs(layer / "mine") == {}
    assert {path.lstat().st_uid for path in layer.rglob("*")} == {os.getuid()}


def test_with_one_id_layers_stack_too(single: Store) -> None:
    layers = single.unpack(
        archive(directory("a", mode=0o700, uid=4), file("a/f", b"1", uid=4)),
        archive(link("g", "a/f"), file("a/.wh.f"), file("a/h")),
    )
    assert single.tree(layers) == ["./a", "./a/h", "./g"]
    assert xattrs(layers[1] / "a") == {"user.pypod.owner": b"4:0:700"}


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
