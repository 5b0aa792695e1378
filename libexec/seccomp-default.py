# SPDX-License-Identifier: Apache-2.0
"""Compile the default seccomp filter at build time: seccomp-default.py OUTPUT_DIRECTORY.

Run by libexec/Makefile after pypod-seccomp is built; needs nothing but the standard library.
"""

import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.dont_write_bytecode = True

from pypod.runtime.seccomp import words  # noqa: E402
from pypod.spec.security import DEFAULT_CAPS, seccomp  # noqa: E402


def main() -> None:
    """Write `seccomp/<sha256 of the words>.bpf`."""
    output = Path(sys.argv[1])
    text = words(seccomp(DEFAULT_CAPS, os.uname().machine))
    program = subprocess.run(
        [str(output / "pypod-seccomp")], input=text, stdout=subprocess.PIPE, check=True
    ).stdout
    directory = output / "seccomp"
    directory.mkdir(exist_ok=True)
    name = sha256(text).hexdigest() + ".bpf"
    for old in directory.glob("*.bpf"):
        if old.name != name:
            old.unlink()
    (directory / name).write_bytes(program)


main()
