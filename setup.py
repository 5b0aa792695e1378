# SPDX-License-Identifier: Apache-2.0
"""The build step that setuptools cannot know: compile the C helpers into pypod/_libexec.

Everything else stands in pyproject.toml. `make install` does not come through here.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.build_py import build_py

HEADERS = {
    "seccomp.h": "libseccomp-dev",
    "linux/seccomp.h": "linux-libc-dev",
    "sys/socket.h": "libc6-dev",
}


def look_for_tools() -> None:
    """End with one line that names what is missing and the package that has it."""
    compiler = os.environ.get("CC", "cc")
    for program, package in ((compiler, "gcc"), ("make", "make")):
        if not shutil.which(program):
            sys.exit(f"pypod: building the helpers needs {program} (Debian: apt install {package})")
    for header, package in HEADERS.items():
        found = subprocess.run(
            [compiler, "-E", "-x", "c", "-o", os.devnull, "-"],
            input=f"#include <{header}>\n",
            text=True,
            capture_output=True,
            check=False,
        )
        if found.returncode:
            sys.exit(
                f"pypod: building the helpers needs <{header}> (Debian: apt install {package})"
            )


class BuildHelpers(build_py):
    """Build the Python files, then the helpers beside them."""

    def run(self) -> None:
        """Run make in libexec."""
        super().run()
        look_for_tools()
        here = Path(__file__).resolve().parent
        out = (Path(self.build_lib) / "pypod" / "_libexec").resolve()
        out.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            ["make", "-C", str(here / "libexec"), f"OUT={out}", f"PYTHON={sys.executable}"],
            check=False,
        )
        if done.returncode:
            sys.exit("pypod: the helpers did not build; the compiler's words are above")


class BinaryDistribution(Distribution):
    """A wheel with machine code in it is not for every machine."""

    def has_ext_modules(self) -> bool:
        """Say yes, so that the wheel's name carries the architecture."""
        return True


setup(cmdclass={"build_py": BuildHelpers}, distclass=BinaryDistribution)
