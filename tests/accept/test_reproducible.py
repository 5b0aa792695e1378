# SPDX-License-Identifier: Apache-2.0
"""Row S-59 of research/security.md: the same content gives the same digests."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.fixtures import images
from tests.fixtures.program import Program
from tests.fixtures.registry import Registry
from tests.fixtures.store import Store


@pytest.mark.own
def test_s59_a_container_committed_and_saved_twice_is_one_image(
    program: Program, registry: Registry, tmp_path: Path
) -> None:
    store = Store(program, tmp_path)
    name = registry.push(images.busybox(), "accept/s59")
    store("pull", "-q", name)
    env: dict[str, str | None] = {"SOURCE_DATE_EPOCH": "1000000000"}
    script = "for i in $(seq 50); do echo $i > /f$i; done; rm /etc/group"
    try:
        ids, archives = [], []
        for run in ("one", "two"):
            store("run", "--network=none", "--name", run, name, "sh", "-c", script)
            for again in (1, 2):
                ids.append(store("commit", "-q", run, f"new:{run}{again}", env=env).line)
                store("tag", f"new:{run}{again}", "same:1")
                out = tmp_path / f"{run}{again}"
                store("save", "-q", "--format", "oci-archive", "-o", str(out), "same:1", env=env)
                archives.append(hashlib.sha256(out.read_bytes()).hexdigest())
        assert len(set(ids)) == 1
        assert len(set(archives)) == 1
    finally:
        store("rm", "-a", "-f", "-t", "0")
        store.remove()
