# SPDX-License-Identifier: Apache-2.0
"""Which file of containers.conf counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from pypod.errors import PypodError
from pypod.kernel import containers_conf


def keys_of(conf: Path, monkeypatch: pytest.MonkeyPatch, override: str = "") -> str | None:
    monkeypatch.setenv("CONTAINERS_CONF", str(conf))
    monkeypatch.setenv("CONTAINERS_CONF_OVERRIDE", override)
    found = containers_conf.detach_keys()
    return found[0] if found else None


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("", None),
        ('[engine]\n#detach_keys = "a"\n', None),
        ('[engine]\ndetach_keys = "a"\n', "a"),
        ('[engine]\n  detach_keys = ""\n', ""),
        ("engine.detach_keys = 'b'\n", "b"),
        ('engine = { "detach_keys" = "c" }\n', "c"),
        ('[network]\ndetach_keys = "a"\n', None),
        ('engine = "detach_keys"\n', None),
        ("[engine\n", None),  # nothing of ours: not our business
    ],
)
def test_a_file_sets_the_keys(
    text: str, keys: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "c").write_text(text)
    assert keys_of(tmp_path / "c", monkeypatch) == keys


def test_the_override_is_stronger_and_may_be_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "c").write_text('[engine]\ndetach_keys = "a"\n')
    (tmp_path / "o").write_text('[engine]\ndetach_keys = "b"\n')
    assert keys_of(tmp_path / "c", monkeypatch, str(tmp_path / "o")) == "b"
    (tmp_path / "o").write_text("[engine]\n")
    assert keys_of(tmp_path / "c", monkeypatch, str(tmp_path / "o")) == "a"
    assert keys_of(tmp_path / "missing", monkeypatch) is None


def test_a_file_that_makes_no_sense_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for text in ("[engine\ndetach_keys = 1", "[engine]\ndetach_keys = 1", "detach_keys"):
        (tmp_path / "c").write_text(text)
        with pytest.raises(PypodError, match=str(tmp_path / "c")):
            keys_of(tmp_path / "c", monkeypatch)
