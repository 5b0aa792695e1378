# SPDX-License-Identifier: Apache-2.0
"""`internal complete`: names a shell can put into a command line, never an error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pypod.cli import parse
from pypod.cli.complete import complete
from pypod.store import layout

ID = "sha256:" + "ab12" * 16


def answer(root: Path, capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    args = parse.parse(["--root", str(root), "internal", "complete", *words])
    assert complete(args) == 0
    return capsys.readouterr().out.splitlines()


def images(root: Path, *names: str) -> None:
    entries = [
        {"annotations": {layout.CONFIG: ID, **({layout.REF_NAME: name} if name else {})}}
        for name in names
    ]
    (root / "images").mkdir()
    (root / "images" / "index.json").write_text(json.dumps({"manifests": entries}))


def test_an_image_is_offered_by_its_name_by_the_ends_of_it_and_by_its_id(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "docker.io/library/alpine:latest"
    images(tmp_path, name, "")
    assert answer(tmp_path, capsys, "image") == [f"{name}\timage ab12ab12ab12"]
    assert answer(tmp_path, capsys, "image", "al") == [f"alpine\t{name}", f"alpine:latest\t{name}"]
    assert answer(tmp_path, capsys, "image", "lib") == [
        f"library/alpine\t{name}",
        f"library/alpine:latest\t{name}",
    ]
    assert answer(tmp_path, capsys, "object", "ab12") == ["ab12ab12ab12\timage without a name"]
    assert answer(tmp_path, capsys, "container") == []


@pytest.mark.parametrize("name", ["a$(touch x)", "a b", "a;b", "a`b`", "a\tb", "a\nb", "a'b", "é"])
def test_a_name_that_means_something_to_a_shell_is_not_offered(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images(tmp_path, name)
    assert answer(tmp_path, capsys, "image") == []
    assert answer(tmp_path, capsys, "image", "a") == [
        "ab12ab12ab12\t" + name.translate({9: " ", 10: "\\n"})
    ]


def test_volumes_are_directories_of_the_store(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert answer(tmp_path, capsys, "volume") == []
    (tmp_path / "volumes" / "data").mkdir(parents=True)
    assert answer(tmp_path, capsys, "volume", "da") == ["data\tvolume"]
    assert answer(tmp_path, capsys, "object", "da") == ["data\tvolume"]
    assert answer(tmp_path, capsys, "volume", "x") == []


def test_a_damaged_part_of_the_store_does_not_hide_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "volumes" / "data").mkdir(parents=True)
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "index.json").write_text("no json")
    assert answer(tmp_path, capsys, "object") == ["data\tvolume"]
