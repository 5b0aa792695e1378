# SPDX-License-Identifier: Apache-2.0
"""Write the files that are made of the option table: completions/ and man/.

`make generated` runs it; they are committed, and a unit test fails when one is stale.
"""

from __future__ import annotations

import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(CHECKOUT), str(Path(__file__).parent)]
sys.dont_write_bytecode = True

import man  # noqa: E402
from pypod.cli import completion  # noqa: E402


def texts() -> dict[str, str]:
    """Return each generated file by its path in the checkout."""
    found = {
        f"completions/{name}": completion.script(shell) for shell, name in completion.FILES.items()
    }
    found.update((f"man/{name}", text) for name, text in man.pages().items())
    return found


def stale() -> list[str]:
    """Return the paths that are missing, different, or there without a reason."""
    wanted = texts()
    there = {
        str(path.relative_to(CHECKOUT))
        for directory in ("completions", "man")
        for path in (CHECKOUT / directory).glob("*")
        if path.is_file()
    }
    different = (
        path
        for path in wanted.keys() & there
        if (CHECKOUT / path).read_text(encoding="utf-8") != wanted[path]
    )
    return sorted([*different, *(wanted.keys() ^ there)])


def main() -> None:
    """Write what is stale and say so."""
    wanted = texts()
    for path in stale():
        file = CHECKOUT / path
        if path in wanted:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(wanted[path], encoding="utf-8")
        else:
            file.unlink()
        print(f"generated: {path}")


if __name__ == "__main__":
    main()
