# SPDX-License-Identifier: Apache-2.0
"""Layers on top of each other: what they mean together is asked of overlayfs itself."""

from __future__ import annotations

import os
import stat
import tarfile
from pathlib import Path

import pytest
from unpacked import (
    PASSWD,
    Store,
    archive,
    directory,
    entry,
    file,
    link,
    refused,
    symlink,
    xattrs,
)

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
