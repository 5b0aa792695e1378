# SPDX-License-Identifier: Apache-2.0
"""The compiled helpers: static where they must be, and the plan reader bears any bytes."""

from __future__ import annotations

import os
import struct
import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
LIBEXEC = CHECKOUT / "pypod" / "_libexec"
PT_DYNAMIC, PT_INTERP = 2, 3


def segments(program: Path) -> list[int]:
    """Return the types of an ELF64 file's program headers."""
    data = program.read_bytes()
    assert data[:5] == b"\x7fELF\x02"
    (offset,) = struct.unpack_from("=Q", data, 32)
    size, count = struct.unpack_from("=HH", data, 54)
    return [struct.unpack_from("=I", data, offset + size * at)[0] for at in range(count)]


@pytest.mark.parametrize("name", ["pypod-init", "pypod-monitor", "pypod-files"])
def test_a_helper_needs_no_loader_that_could_come_from_an_image(name: str) -> None:
    types = segments(LIBEXEC / name)
    assert PT_INTERP not in types
    assert PT_DYNAMIC not in types


@pytest.mark.parametrize("name", ["pypod-init", "pypod-monitor", "pypod-files", "pypod-seccomp"])
def test_a_helper_is_never_setuid(name: str) -> None:
    assert (LIBEXEC / name).stat().st_mode & 0o6000 == 0


def test_the_embedded_image_is_the_same_every_time(tmp_path: Path) -> None:
    subprocess.run(
        [
            "/usr/bin/python3", "-IS", str(CHECKOUT / "libexec" / "hello-image.py"),
            str(CHECKOUT / "libexec" / "build" / "hello"), str(tmp_path / "hello"),
        ],
        check=True,
    )  # fmt: skip
    for root, _, files in os.walk(tmp_path / "hello"):
        for name in files:
            made = Path(root) / name
            kept = LIBEXEC / "hello" / made.relative_to(tmp_path / "hello")
            assert made.read_bytes() == kept.read_bytes()


def test_the_plan_reader_bears_any_bytes(tmp_path: Path) -> None:
    program = tmp_path / "fuzz"
    libexec = CHECKOUT / "libexec"
    subprocess.run(
        [
            "cc", "-std=gnu11", "-g", "-O1", "-fsanitize=address,undefined",
            "-fno-sanitize-recover=all", "-I", str(libexec), "-o", str(program),
            str(CHECKOUT / "tests" / "fuzz" / "plan.c"),
            str(libexec / "plan.c"), str(libexec / "util.c"),
        ],
        check=True,
    )  # fmt: skip
    seconds = os.environ.get("FUZZ_SECONDS", "5")
    seed = os.environ.get("FUZZ_SEED", str(int.from_bytes(os.urandom(4))))
    plans = sorted(str(path) for path in (CHECKOUT / "tests" / "golden").rglob("*.plan"))
    done = subprocess.run(
        [str(program), seconds, seed, *plans], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"FUZZ_SEED={seed}\n{done.stderr[-3000:]}"
    assert int(done.stdout.split()[0]) > 10_000 * int(seconds)
