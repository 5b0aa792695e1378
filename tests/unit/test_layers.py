# SPDX-License-Identifier: Apache-2.0
"""The house has floors: what each module may import, read from its source (DESIGN.md section 2)."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
FLOORS = {
    "errors": 0, "value": 0, "constants": 0, "module_file": 0, "": 0,
    "oci": 1, "spec": 1, "plan": 1, "text": 1,
    "kernel": 2,
    "store": 3, "registry": 3, "net": 3, "runtime": 3, "transport": 3,
    "engine": 4,
    "cli": 5, "output": 5, "__main__": 5,
}  # fmt: skip
NEIGHBOURS = {
    ("spec", "oci"),
    ("plan", "oci"),
    ("plan", "spec"),
    ("cli", "output"),
    ("__main__", "cli"),
    ("__main__", "output"),
}
"""The only imports between packages of one floor. Nothing on floor 3."""
PURE_STDLIB = {"__future__", "errno", "stat", "itertools", "binascii", "_struct"}
GATES = {
    "requests": {"registry/client.py"},
    "urllib3": {"registry/client.py"},
    "rich": {"output/progress.py", "cli/typer_app.py"},
    "typer": {"cli/typer_app.py"},
    "click": set(),
    "tomli": {"kernel/toml.py"},
    "tomllib": {"kernel/toml.py"},
    "pyroute2": set(),
    "ctypes": set(),
    "cryptography": {"engine/sigstore.py"},
    "nacl": {"engine/sigstore.py"},
    "yaml": {"kernel/yaml_file.py"},
    "isal": {"engine/packing.py"},
    "zstandard": {"engine/packing.py"},
}
LONGEST = 400
MODULES = sorted((CHECKOUT / "pypod").rglob("*.py"))


def name_of(path: Path) -> str:
    """Return the path below pypod/."""
    return str(path.relative_to(CHECKOUT / "pypod"))


@functools.cache
def imports(path: Path) -> tuple[tuple[int, str, bool], ...]:
    """Return (line, module, only under TYPE_CHECKING) of each import, wherever it stands."""
    return tuple(_imports(path))


def _imports(path: Path) -> Iterator[tuple[int, str, bool]]:
    tree = ast.parse(path.read_text())
    checking: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            checking.update(inner for child in node.body for inner in ast.walk(child))
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, node in checking
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)}:{node.lineno}: relative import"
            module = node.module or ""
            if module == "pypod":
                for alias in node.names:
                    yield node.lineno, f"pypod.{alias.name}", node in checking
            else:
                yield node.lineno, module, node in checking


def package(module: str) -> str:
    """Return the room of a module of ours: `pypod.store.blobs` is in `store`."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] != "__version__" else ""


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_imports_from_lower_floors_only(path: Path) -> None:
    room = package("pypod." + name_of(path).removesuffix(".py").replace("/", "."))
    room = "" if room == "__init__" else room
    assert room in FLOORS, f"{room} has no floor"
    for line, module, _ in imports(path):
        if module.split(".")[0] != "pypod":
            continue
        other = package(module)
        below = FLOORS[other] < FLOORS[room]
        allowed = below or other == room or (room, other) in NEIGHBOURS or other == ""
        allowed = allowed or (FLOORS[room] == 0 and FLOORS[other] == 0)
        assert allowed, f"{name_of(path)}:{line}: {room or 'pypod'} may not import {module}"


@pytest.mark.parametrize(
    "path",
    [path for path in MODULES if FLOORS.get(name_of(path).split("/")[0]) == 1],
    ids=name_of,
)
def test_a_pure_module_imports_only_what_cannot_touch_the_world(path: Path) -> None:
    for line, module, checking in imports(path):
        if module.split(".")[0] == "pypod" or checking:
            continue
        assert module in PURE_STDLIB, f"{name_of(path)}:{line}: {module} in a pure module"


@pytest.mark.parametrize("library", GATES)
def test_a_costly_library_has_one_gate(library: str) -> None:
    importers = {
        name_of(path)
        for path in MODULES
        for _, module, checking in imports(path)
        if module.split(".")[0] == library and not checking
    }
    assert importers <= GATES[library]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_says_what_it_is_for_and_has_a_human_size(path: Path) -> None:
    text = path.read_text()
    lines = text.splitlines()
    assert lines[0] == "# SPDX-License-Identifier: Apache-2.0"
    assert ast.get_docstring(ast.parse(text)), "no docstring"
    if "/table/" not in str(path) and path.name != "syscalls.py":  # tables may be long
        assert len(lines) <= LONGEST, f"{len(lines)} lines"
    assert path.stem not in {"utils", "util", "helpers", "misc", "common", "manager"}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_path_of_a_container_is_joined_and_opened(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        first = node.args[0] if node.args else None
        if node.func.attr == "join" and first is not None and "rootfs" in ast.dump(first).lower():
            pytest.fail(f"{name_of(path)}:{node.lineno}: resolve it with openat2 in pypod-init")


GUARD = """
import sys
import pytest

ON = False
REFUSED = ("open", "os.", "socket.", "subprocess.", "shutil.", "fcntl.", "ctypes.", "tempfile.")


def hook(event, args):
    if ON and event.startswith(REFUSED):
        frame = sys._getframe(1)
        while frame is not None:
            if frame.f_code.co_filename.startswith("<frozen importlib"):
                return
            frame = frame.f_back
        raise RuntimeError(f"a pure test did {event} {args!r:.200}")


sys.addaudithook(hook)


@pytest.hookimpl(hookwrapper=True)
def pytest_pyfunc_call(pyfuncitem):
    global ON
    ON = True
    try:
        yield
    finally:
        ON = False
"""


def test_the_tests_of_pure_rooms_touch_nothing(tmp_path: Path) -> None:
    (tmp_path / "audit_guard.py").write_text(GUARD)
    rooms = [
        f"tests/unit/{room}"
        for room, floor in FLOORS.items()
        if floor == 1 and any((CHECKOUT / "tests" / "unit" / room).glob("test_*.py"))
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "audit_guard", *rooms],
        cwd=CHECKOUT,
        env={
            "PYTHONPATH": str(tmp_path),
            "PATH": "/usr/bin:/bin",
            "HOME": str(tmp_path),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
