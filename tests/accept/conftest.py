# SPDX-License-Identifier: Apache-2.0
"""The sentinel: a tree of the host that no container may change or show."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures import images
from tests.fixtures.fault_registry import FaultRegistry
from tests.fixtures.program import Program
from tests.fixtures.registry import Registry
from tests.fixtures.signing import Machine, Pgp
from tests.fixtures.store import Store

Make = Callable[..., str]


class Sentinel:
    """A directory with the names that an attack would like to find."""

    def __init__(self, path: Path) -> None:
        self.path = path
        for name in ("ptmx", "fd", "passwd", "keep", "hosts", "null", "console"):
            (path / name).write_text(f"host {name}\n")
        (path / "dir").mkdir()
        (path / "dir" / "inner").write_text("host inner\n")
        self._before = self._hash()

    def _hash(self) -> str:
        lines = []
        for entry in sorted([self.path, *self.path.rglob("*")]):
            found = entry.lstat()
            content = "" if entry.is_dir() else sha256(entry.read_bytes()).hexdigest()
            lines.append(f"{entry} {found.st_mode} {found.st_uid} {found.st_mtime_ns} {content}")
        return "\n".join(lines)

    def again(self) -> None:
        """Take what is there now for what must stay."""
        self._before = self._hash()

    def check(self) -> None:
        """Fail when anything of it has changed."""
        assert self._hash() == self._before


@pytest.fixture
def sentinel() -> Iterator[Sentinel]:
    """Return a sentinel at a path that images can name."""
    path = Path(f"/var/tmp/pypod-sentinel-{os.getpid()}")
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(mode=0o777)
    one = Sentinel(path)
    yield one
    one.check()
    shutil.rmtree(path)


@pytest.fixture
def store(program: Program, tmp_path: Path) -> Iterator[Store]:
    """Return a store of this test's own."""
    made = Store(program, tmp_path)
    yield made
    made("rm", "-a", "-f", "-t", "0", check=None)
    made.remove()


@pytest.fixture
def faulty() -> Iterator[FaultRegistry]:
    """Return a registry that misbehaves when told to."""
    with FaultRegistry() as running:
        yield running


@pytest.fixture(scope="module")
def pgp() -> Iterator[Pgp]:
    """Return keys of gpg's."""
    made = Pgp()
    yield made
    made.close()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Return a user's configuration of policies and signatures."""
    return Machine(tmp_path)


@pytest.fixture
def make_image(pypod: Program, registry: Registry) -> Make:
    """Return a function that puts an image into the store: busybox, more files, a config."""
    counter = iter(range(1000))

    def make(files: dict[str, Any] | None = None, config: dict[str, Any] | None = None) -> str:
        base = images.busybox_files()
        for name in files or {}:
            base.pop(name, None)
        image = images.make([{**base, **(files or {})}], {"Cmd": ["/bin/sh"], **(config or {})})
        name = registry.push(image, f"accept/{os.getpid()}-{next(counter)}-{image.id[7:15]}")
        pypod.pull(name)
        return name

    return make
