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


def content(path: Path) -> str:
    """Return a digest of a file, or of a directory's names and files."""
    found = hashlib.sha256()
    for one in [path] if path.is_file() else sorted(path.rglob("*")):
        if one.is_file():
            found.update(f"{one.relative_to(path)} ".encode() + one.read_bytes())
    return found.hexdigest()


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
                for form in ("oci-archive", "docker-archive", "oci-dir"):
                    out = tmp_path / f"{run}{again}-{form}"
                    store("save", "-q", "--format", form, "-o", str(out), "same:1", env=env)
                    archives.append((form, content(out)))
        assert len(set(ids)) == 1
        assert len(set(archives)) == 3
        digests = {store("inspect", "-f", "{{.Digest}}", one).line for one in set(ids)}
        assert len(digests) == 1
    finally:
        store("rm", "-a", "-f", "-t", "0")
        store.remove()
