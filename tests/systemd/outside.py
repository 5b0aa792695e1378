# SPDX-License-Identifier: Apache-2.0
"""`make test-systemd`: boot the testbed, run the tests in it, reboot it, run the rest.

The testbed (user-mode Linux with systemd) is no part of pypod: PYPOD_TESTBED names its program,
by default ../shared/testbed/testbed. It is a machine of its own with this name, so that others
may be up meanwhile; nothing of it is left but the image that it was booted from.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
TESTBED = Path(
    os.environ.get("PYPOD_TESTBED", CHECKOUT.parent / "shared" / "testbed" / "testbed")
).absolute()
STATE = Path(os.environ.get("PYPOD_TEST_STATE", "/var/lib/pypod-test"))
ENVIRONMENT = {"TESTBED_NAME": "pypod", **os.environ}
GUEST = "/opt/pypod-tests"
BEFORE = ("test_units.py", "test_notify.py", "test_boot_before.py")
AFTER = ("test_boot_after.py",)
BOOT_SECONDS = 180
TEST_SECONDS = 900


def testbed(*words: str, seconds: int = BOOT_SECONDS) -> int:
    """Run the testbed's program; return its exit code."""
    sys.stdout.flush()
    command = [str(TESTBED), *words]
    try:
        done = subprocess.run(
            command, env=ENVIRONMENT, stdin=subprocess.DEVNULL, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        print(f"test-systemd: not done after {seconds} seconds: {' '.join(words)}")
        return 124
    return done.returncode


def must(*words: str, seconds: int = BOOT_SECONDS) -> None:
    """Do the same; end the program when it fails."""
    if code := testbed(*words, seconds=seconds):
        sys.exit(f"test-systemd: testbed {words[0]} ended {code}")


def prepare(place: Path) -> None:
    """Put into a directory what the guest gets: the installed pypod, the tests, two programs."""
    sys.path.insert(0, str(CHECKOUT / "libexec" / "setup"))
    sys.dont_write_bytecode = True
    import install

    prefix = STATE / "prefix"
    install.install(prefix)
    # In the guest pip has nothing to reach, and is a quarter of it.
    left_out = shutil.ignore_patterns("pip*", "setuptools*", "__pycache__")
    for name in ("bin", "lib"):
        target = place / prefix.relative_to("/") / name
        shutil.copytree(prefix / name, target, symlinks=True, ignore=left_out)
    libraries = STATE / "venv"
    install.make_venv(libraries, install.requirements("test"))
    source = place / GUEST.lstrip("/")
    for name in ("fixtures", "systemd"):
        install.copy_tree(CHECKOUT / "tests" / name, source / "tests" / name)
    (source / "tests" / "__init__.py").touch()
    shutil.copyfile(CHECKOUT / "pyproject.toml", source / "pyproject.toml")
    packages = install.site_packages(libraries)
    for name in ("pytest", "_pytest", "pluggy", "iniconfig", "packaging", "pygments"):
        shutil.copytree(packages / name, source / "lib" / name, ignore=left_out)
    shutil.copyfile("/usr/bin/busybox", source / "busybox")
    subprocess.run(
        ["musl-gcc", "-static", "-O2", "-o", source / "notify", CHECKOUT / "tests/probe/notify.c"],
        check=True,
    )
    (source / "busybox").chmod(0o755)


@contextmanager
def machine() -> Iterator[None]:
    """Boot a fresh machine; take it down and away at the end, however that comes."""
    testbed("down", "--wipe")
    must("up", "--fresh")
    try:
        yield
    finally:
        testbed("down", "--wipe")


def boot_id() -> str:
    """Return the id of the guest's boot, empty while it cannot tell."""
    words = ["run", "--user", "root", "--", "cat", "/proc/sys/kernel/random/boot_id"]
    try:
        done = subprocess.run(
            [str(TESTBED), *words],
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=30,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout.decode().strip()


def reboot() -> None:
    """Boot the guest again, and wait until it is the next boot that answers."""
    before = boot_id()
    testbed("run", "--user", "root", "--", "systemctl", "reboot")
    end = time.monotonic() + BOOT_SECONDS
    while boot_id() in ("", before):
        if time.monotonic() > end:
            sys.exit("test-systemd: the guest does not come back from a reboot")
        time.sleep(1)
    must("up", "--wait")


def pytest(files: tuple[str, ...], words: list[str]) -> int:
    """Run test files in the guest as its user, in a login session; return pytest's exit code."""
    python = f"PYTHONPATH={GUEST}/lib PYTHONDONTWRITEBYTECODE=1 PYPOD={STATE}/prefix/bin/pypod"
    paths = " ".join(f"tests/systemd/{file}" for file in files)
    options = " ".join(f"'{word}'" for word in words)
    command = f"{python} timeout {TEST_SECONDS} python3 -m pytest -q --durations=6"
    script = f"cd {GUEST} && {command} {options} {paths}"
    return testbed("run", "--", "sh", "-c", script, seconds=TEST_SECONDS + 60)


def main(words: list[str]) -> int:
    """Do it all; return the exit code. `words` go to the first pytest."""
    if not (TESTBED.is_file() and os.access(TESTBED, os.X_OK)):
        sys.exit(
            f"test-systemd: there is no testbed at {TESTBED}\n"
            "  PYPOD_TESTBED= names its program; without one these tests cannot run"
        )
    if os.geteuid() != 0:
        sys.exit("test-systemd: the testbed needs root")
    must("build", seconds=900)
    with machine():
        with tempfile.TemporaryDirectory(prefix="pypod-systemd-", dir="/var/tmp") as place:
            os.chmod(place, 0o755)
            prepare(Path(place))
            must("push", "--user", "root", place, "/")
        code = pytest(BEFORE, words)
        if words:
            return code  # somebody looks for something: no reboot
        reboot()
        return pytest(AFTER, []) or code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
