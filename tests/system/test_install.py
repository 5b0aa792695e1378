# SPDX-License-Identifier: Apache-2.0
"""Both ways to install: below a prefix for everybody, with pipx for one user."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fixtures.program import Program, environment

pytestmark = pytest.mark.own
CHECKOUT = Path(__file__).resolve().parents[2]


def test_every_user_can_read_all_of_an_installation(pypod: Program) -> None:
    prefix = Path(pypod.path).parents[1]
    assert (prefix / "bin" / "pypod").read_text().startswith("#!/usr/bin/python3 -IS\n")
    for root, directories, files in os.walk(prefix / "lib" / "pypod"):
        for name in directories + files:
            status = (Path(root) / name).lstat()
            if not stat.S_ISLNK(status.st_mode):
                assert status.st_mode & 0o004, f"{root}/{name}"
            assert not status.st_mode & 0o6000, f"{root}/{name}"


def test_an_installed_module_is_not_compared_with_its_source(pypod: Program) -> None:
    site = next((Path(pypod.path).parents[1] / "lib" / "pypod" / "lib").glob("python3.*"))
    compiled = list((site / "site-packages" / "pypod").rglob("*.pyc"))
    assert compiled
    for path in compiled:  # PEP 552: flags 1 = hash-based, not checked
        assert path.read_bytes()[4:8] == b"\x01\0\0\0", path


def test_modules_come_from_one_file_and_without_it_from_their_own(
    pypod: Program, tmp_path: Path
) -> None:
    launcher = Path(pypod.path)
    installed = launcher.parents[1] / "lib" / "pypod"
    shutil.copytree(installed, tmp_path / "lib" / "pypod", symlinks=True)
    text = launcher.read_text().replace(str(installed), str(tmp_path / "lib" / "pypod"))
    moved = tmp_path / "launcher"
    moved.write_text(text)
    moved.chmod(0o755)
    version = next((tmp_path / "lib").rglob("pypod/cli/system.py"))

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [moved, "version"], env=environment({}), capture_output=True, text=True, check=False
        )

    good = run()
    assert good.returncode == 0
    version.unlink()
    shutil.rmtree(version.parent / "__pycache__")
    assert run().stdout == good.stdout
    (tmp_path / "lib" / "pypod" / "pypod-modules").write_bytes(b"another Python's")
    assert run().returncode != 0
    version.write_text("def version(args):\n    print('from its own file')\n    return 0\n")
    assert run().stdout == "from its own file\n"


def test_the_environment_cannot_bring_other_code_in(pypod: Program, tmp_path: Path) -> None:
    (tmp_path / "os.py").write_text("raise SystemExit(99)\n")
    (tmp_path / "sitecustomize.py").write_text("raise SystemExit(99)\n")
    done = pypod("--version", env={"PYTHONPATH": str(tmp_path)}, cwd=tmp_path)
    assert "pypod" in done.out


def test_every_user_gets_manual_pages_and_completions(pypod: Program) -> None:
    share = Path(pypod.path).parents[1] / "share"
    for source, where in {
        "man/pypod-run.1": "man/man1/pypod-run.1",
        "completions/pypod.bash": "bash-completion/completions/pypod",
        "completions/_pypod": "zsh/site-functions/_pypod",
        "completions/pypod.fish": "fish/vendor_completions.d/pypod.fish",
    }.items():
        assert (share / where).read_bytes() == (CHECKOUT / source).read_bytes()
        assert (share / where).stat().st_mode & 0o7777 == 0o644
    there = {page.name for page in (share / "man" / "man1").iterdir()}
    assert there == {page.name for page in (CHECKOUT / "man").glob("*.1")}


def test_uninstalling_takes_pages_and_completions_away(tmp_path: Path) -> None:
    program = (
        "import pathlib, sys; sys.path.insert(0, 'libexec/setup'); import install;"
        "prefix = pathlib.Path(sys.argv[1]);"
        "getattr(install, sys.argv[2])(prefix)"
    )

    def do(what: str) -> list[str]:
        subprocess.run([sys.executable, "-c", program, tmp_path, what], cwd=CHECKOUT, check=True)
        return sorted(path.name for path in tmp_path.rglob("*") if path.is_file())

    other = tmp_path / "share" / "man" / "man1" / "other.1"
    other.parent.mkdir(parents=True)
    other.write_text("of another program\n")
    assert {"_pypod", "pypod", "pypod.fish", "pypod.1"} < set(do("copy_pages"))
    (other.parent / "pypod-gone.1").write_text("of an older pypod\n")
    assert "pypod-gone.1" not in do("copy_pages")
    assert do("remove") == ["other.1"]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a copy of the sources that this user may write to."""
    copy = tmp_path / "checkout"
    ignore = shutil.ignore_patterns("_libexec", "__pycache__", "build")
    for name in ("pypod", "libexec"):
        shutil.copytree(CHECKOUT / name, copy / name, ignore=ignore)
    for name in ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md"):
        shutil.copyfile(CHECKOUT / name, copy / name)
    return copy


@pytest.mark.passes("user")
def test_pipx_installs_for_one_user(pypod: Program, checkout: Path, tmp_path: Path) -> None:
    env = environment({"PIPX_HOME": str(tmp_path / "home"), "PIPX_BIN_DIR": str(tmp_path / "bin")})
    done = subprocess.run(
        ["pipx", "install", "--python", "/usr/bin/python3", "."],
        cwd=checkout,
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    own = Program(str(tmp_path / "bin" / "pypod"))
    assert "nobody had to be root for" in own("run", "--rm", "pypod/hello").out


@pytest.mark.passes("user")
def test_a_missing_header_is_named_with_its_package(checkout: Path, tmp_path: Path) -> None:
    compiler = tmp_path / "cc"
    compiler.write_text('#!/bin/sh\ngrep -q "<seccomp.h>" && exit 1\nexit 0\n')
    compiler.chmod(0o755)
    done = subprocess.run(
        [
            sys.executable, "-c",
            "import runpy, sys; sys.argv = ['setup.py', 'build_py']; runpy.run_path('setup.py')",
        ],
        cwd=checkout,
        env=environment({"CC": str(compiler)}),
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "libseccomp-dev" in done.stderr.splitlines()[-1]
