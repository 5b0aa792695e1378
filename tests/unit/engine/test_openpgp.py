# SPDX-License-Identifier: Apache-2.0
"""Signatures of strangers cost no more than they may."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path

import pytest

from pypod.engine import openpgp
from pypod.errors import IntegrityError
from tests.fixtures.signing import Pgp


def test_a_signature_that_unpacks_to_gigabytes_fills_no_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pgp = Pgp()
    try:
        ring = pgp.public("good", armor=False).read_bytes()
        words = ("--local-user", "good@example.com", "--compress-algo", "bzip2", "--sign")
        bomb = pgp.run(*words, data=bytes(1 << 27))
    finally:
        pgp.close()
    assert len(bomb) < 4096
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    done = threading.Event()
    largest = 0

    def watch() -> None:
        nonlocal largest
        while not done.wait(0.001):
            for path in tmp_path.glob("*/content"):
                try:
                    largest = max(largest, path.stat().st_size)
                except FileNotFoundError:
                    continue

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        with pytest.raises(IntegrityError, match="what it signs is too long"):
            openpgp.verify(bomb, ring)
    finally:
        done.set()
        watcher.join()
    assert largest < 1 << 24
