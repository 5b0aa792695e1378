# SPDX-License-Identifier: Apache-2.0
"""Install this checkout below a prefix: install.py PREFIX, or install.py --remove PREFIX.

PREFIX/lib/pypod is a venv of /usr/bin/python3 with the dependencies and the package in it,
PREFIX/bin/pypod the launcher. Every user can read all of it, whatever the umask. A second call
copies only what changed. pip does not install the package itself: its wheel would need setuptools
from the network at each change, and its .pyc files are checked against the source at each start.
"""

from __future__ import annotations

import filecmp
import importlib.util
import os
import py_compile
import shutil
import subprocess
import sys
import tomllib
from hashlib import sha256
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
PYTHON = "/usr/bin/python3"
MARK = "pypod-dependencies"
MODULES = "pypod-modules"
"""The file of pypod/module_file.py."""
PYC_HEAD = 16
"""Bytes before the code in a .pyc (PEP 552)."""


def fail(text: str) -> None:
    """End with one line."""
    sys.exit(f"install: {text}")


def site_packages(venv: Path) -> Path:
    """Return the directory that the launcher puts on the path."""
    return venv / "lib" / "python{}.{}".format(*sys.version_info) / "site-packages"


def requirements(extra: str = "") -> list[str]:
    """Return the dependencies as pyproject.toml names them."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    more = project["optional-dependencies"][extra] if extra else []
    return [*project["dependencies"], *more]


def make_venv(venv: Path, wanted: list[str]) -> None:
    """Make or mend a venv that holds the wanted packages; do nothing when it already does."""
    words = "\n".join([sys.version, *sorted(wanted)])
    stamp = sha256(words.encode()).hexdigest()
    mark = venv / MARK
    if mark.is_file() and mark.read_text() == stamp and (venv / "bin" / "python").exists():
        return
    print(f"install: dependencies -> {venv}", flush=True)
    if venv.exists() and not (venv / "pyvenv.cfg").exists() and any(venv.iterdir()):
        fail(f"{venv} is there and is not a venv of ours")
    made = subprocess.run([PYTHON, "-m", "venv", "--clear", str(venv)], check=False)
    if made.returncode:
        fail("cannot make a venv (Debian: apt install python3-venv)")
    pip = [str(venv / "bin" / "python"), "-m", "pip", "install", "-qq"]
    pip += ["--disable-pip-version-check", "--no-input", *wanted]
    if subprocess.run(pip, check=False).returncode:
        fail("pip could not install the dependencies; its words are above")
    mark.write_text(stamp)


def copy_tree(source: Path, target: Path) -> int:
    """Make target hold what source holds, replacing only what differs; return how much did."""
    changed = 0
    target.mkdir(parents=True, exist_ok=True)
    names = {entry.name for entry in source.iterdir()} - {"__pycache__"}
    for old in target.iterdir():
        if old.name not in names and old.name != "__pycache__":
            shutil.rmtree(old) if old.is_dir() and not old.is_symlink() else old.unlink()
            changed += 1
    for name in sorted(names):
        here, there = source / name, target / name
        if here.is_dir():
            changed += copy_tree(here, there)
        elif not there.is_file() or not filecmp.cmp(here, there, shallow=False):
            fresh = target / f".{name}.new"
            shutil.copyfile(here, fresh)
            fresh.chmod(0o755 if here.stat().st_mode & 0o100 else 0o644)
            if name.endswith(".py"):
                # Before its source: who is stopped here finds a difference the next time.
                compile_unchecked(fresh, there)
            fresh.rename(there)  # a running pypod keeps the old file
            changed += 1
    return changed


def compile_unchecked(source: Path, name: Path) -> None:
    """Write the .pyc of `name` that Python loads without a look at the source (PEP 552)."""
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    compiled = importlib.util.cache_from_source(str(name))
    try:
        py_compile.compile(str(source), compiled, str(name), doraise=True, invalidation_mode=mode)
    except py_compile.PyCompileError as error:
        fail(str(error))


def write_modules(site: Path, target: Path) -> None:
    """Write the file that the launcher takes modules from, out of the .pyc files."""
    sys.path.insert(0, str(CHECKOUT))
    from pypod import module_file

    modules = {}
    for source in sorted((site / "pypod").rglob("*.py")):
        parts = source.relative_to(site).with_suffix("").parts
        package = parts[-1] == "__init__"
        compiled = Path(importlib.util.cache_from_source(str(source)))
        if not compiled.is_file():
            compile_unchecked(source, source)
        name = ".".join(parts[:-1] if package else parts)
        modules[name] = package, compiled.read_bytes()[PYC_HEAD:]
    data = module_file.packed(modules)
    if not target.is_file() or target.read_bytes() != data:
        replace(target, data, 0o644)


def replace(target: Path, data: bytes, mode: int) -> None:
    """Write a file whole: a running pypod keeps the old one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".{target.name}.new")
    fresh.write_bytes(data)
    fresh.chmod(mode)
    fresh.rename(target)


def copy_pages(prefix: Path) -> None:
    """Install manual pages and completions; pages that are no more are removed."""
    for page in prefix.glob("share/man/man[157]/pypod*.[157]"):
        if not (CHECKOUT / "man" / page.name).exists():
            page.unlink()
    places = {
        "man": (("*.1", "share/man/man1"), ("*.5", "share/man/man5"), ("*.7", "share/man/man7")),
        "completions": (
            ("pypod.bash", "share/bash-completion/completions/pypod"),
            ("_pypod", "share/zsh/site-functions/_pypod"),
            ("pypod.fish", "share/fish/vendor_completions.d/pypod.fish"),
        ),
    }
    for directory, rows in places.items():
        for pattern, where in rows:
            for page in sorted((CHECKOUT / directory).glob(pattern)):
                target = prefix / where
                if "*" in pattern:
                    target = target / page.name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(page, target)
                target.chmod(0o644)


def install(prefix: Path) -> None:
    """Install or update."""
    if not (CHECKOUT / "pypod" / "_libexec" / "pypod-init").exists():
        fail("the helpers are not built; `make install` builds them first")
    venv = prefix / "lib" / "pypod"
    make_venv(venv, requirements("sign"))
    site = site_packages(venv)
    changed = copy_tree(CHECKOUT / "pypod", site / "pypod")
    write_modules(site, venv / MODULES)
    copy_pages(prefix)
    text = (CHECKOUT / "libexec" / "setup" / "launcher.in").read_text()
    for key, value in {
        "@MAJOR@": str(sys.version_info.major),
        "@MINOR@": str(sys.version_info.minor),
        "@SITE@": str(site),
        "@MODULES@": str(venv / MODULES),
        "@PREFIX@": str(prefix),
    }.items():
        text = text.replace(key, value)
    launcher = prefix / "bin" / "pypod"
    if not launcher.is_file() or launcher.read_text() != text:
        replace(launcher, text.encode(), 0o755)
    print(f"install: {launcher} ({changed} files changed)", flush=True)


def remove(prefix: Path) -> None:
    """Remove what install put there, and nothing else. Containers and images stay."""
    (prefix / "bin" / "pypod").unlink(missing_ok=True)
    venv = prefix / "lib" / "pypod"
    if (venv / MARK).is_file():
        shutil.rmtree(venv)
    for page in [
        *prefix.glob("share/man/man[157]/pypod*.[157]"),
        prefix / "share/bash-completion/completions/pypod",
        prefix / "share/zsh/site-functions/_pypod",
        prefix / "share/fish/vendor_completions.d/pypod.fish",
    ]:
        page.unlink(missing_ok=True)


def main(words: list[str]) -> None:
    """Read the command line."""
    os.umask(0o022)
    if words[:1] == ["--remove"]:
        remove(Path(words[1]).absolute())
    elif words[:1] == ["--test-venv"]:
        make_venv(Path(words[1]).absolute(), requirements("test"))
    else:
        install(Path(words[0]).absolute())


if __name__ == "__main__":
    main(sys.argv[1:])
