# SPDX-License-Identifier: Apache-2.0
"""What every test may ask for: the installed program, images and stores, registries, keys.

tests/run starts pytest as the user of the pass; the names of the passes are user, root and single.
A test that only makes sense in some of them says so: `@pytest.mark.passes("user", "root")`.
With PYPOD=podman the same tests drive podman; `@pytest.mark.own` leaves out what only pypod does.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures import images, probe
from tests.fixtures.fault_registry import FaultRegistry
from tests.fixtures.names import Names
from tests.fixtures.program import Program
from tests.fixtures.registry import Registries, Registry
from tests.fixtures.seat import Seat
from tests.fixtures.signing import Machine, Pgp
from tests.fixtures.store import Store

PASS = os.environ.get("PYPOD_TEST_PASS", "")
PATIENCE = 240
"""Seconds after which a test counts as hung: one that waits for ever would stop the whole pass."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """End a test that hangs with a failure."""

    def give_up(_number: int, _frame: object) -> None:
        pytest.fail(f"not done after {PATIENCE} seconds")

    signal.signal(signal.SIGALRM, give_up)
    if item.get_closest_marker("long") is None:
        signal.alarm(PATIENCE)
    try:
        return (yield)
    finally:
        signal.alarm(0)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is not meant for this pass or this program: that is no skip."""
    other = os.path.basename(os.environ.get("PYPOD", "pypod")) != "pypod"
    kept, left_out = [], []
    for item in items:
        marker = item.get_closest_marker("passes")
        wrong_pass = marker is not None and PASS and PASS not in marker.args
        wrong_program = other and item.get_closest_marker("own") is not None
        (left_out if wrong_pass or wrong_program else kept).append(item)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = kept


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell tests/run the counts."""
    path = os.environ.get("PYPOD_TEST_COUNTS")
    if path:
        kinds = ("passed", "failed", "error", "skipped", "xfailed", "xpassed", "deselected")
        stats = terminalreporter.stats
        Path(path).write_text(json.dumps({kind: len(stats.get(kind, ())) for kind in kinds}))


@pytest.fixture(scope="session")
def test_pass() -> str:
    """Return the name of the pass: user, root or single."""
    return PASS


@pytest.fixture(scope="session")
def program() -> Program:
    """Return the program for the whole session; most tests want `pypod`."""
    return Program()


@pytest.fixture
def pypod(program: Program) -> Iterator[Program]:
    """Return the installed program; what containers a test leaves are removed after it."""
    yield program
    program.remove_all()


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """Return Debian's docker-registry on 127.0.0.1, plain http, anonymous."""
    running = Registry(tmp_path_factory.mktemp("registry"))
    yield running
    running.close()


@pytest.fixture(scope="module")
def registries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registries]:
    """Return registries of the test's module: anonymous, basic, bearer, started when asked for."""
    running = Registries(tmp_path_factory.mktemp)
    yield running
    running.close()


@pytest.fixture
def faulty() -> Iterator[FaultRegistry]:
    """Return a registry that misbehaves by script."""
    with FaultRegistry() as running:
        yield running


@pytest.fixture
def store(program: Program, tmp_path: Path) -> Iterator[Store]:
    """Return a store of the test's own."""
    made = Store(program, tmp_path)
    yield made
    made.remove()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Return a configuration of the test's own: policy.json, registries.d, a lookaside place."""
    return Machine(tmp_path)


@pytest.fixture(scope="module")
def pgp() -> Iterator[Pgp]:
    """Return a home of gpg with keys."""
    made = Pgp()
    yield made
    made.close()


@pytest.fixture
def names(program: Program, tmp_path: Path) -> Iterator[Names]:
    """Return a store with a registries.conf of its own."""
    made = Names(program, tmp_path)
    yield made
    made.write()
    made.store.remove()


@pytest.fixture
def one() -> Iterator[FaultRegistry]:
    """Return a registry that misbehaves by script."""
    with FaultRegistry() as running:
        yield running


@pytest.fixture
def two() -> Iterator[FaultRegistry]:
    """Return another one."""
    with FaultRegistry() as running:
        yield running


@pytest.fixture(scope="session")
def image(program: Program, registry: Registry) -> str:
    """Return the name of a busybox image that is in the store."""
    name = registry.push(images.busybox(), "test/busybox")
    program.pull(name)
    return name


@pytest.fixture(scope="session")
def screen_image(
    program: Program, registry: Registry, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """Return the name of an image whose command is the full-screen program of tests/probe."""
    screen = probe.build(tmp_path_factory.mktemp("screen"), "screen").read_bytes()
    files = images.busybox_files(screen=(screen, 0o755))
    name = registry.push(images.make([files], {"Cmd": ["/screen"]}), "test/screen")
    program.pull(name)
    return name


@pytest.fixture
def seat() -> Iterator[Seat]:
    """Return a terminal of 24 rows and 80 columns that somebody sits at."""
    with Seat() as taken:
        yield taken
