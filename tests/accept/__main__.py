# SPDX-License-Identifier: Apache-2.0
"""Print the rows of research/security.md section 4, the test of each, its passes and last result.

    python3 -m tests.accept                    rows and tests, read from the tests' names
    python3 -m tests.accept --results FILE...  with results: what `tests/run ... -v` printed
    python3 -m tests.accept --run [WORDS]      run the rows about images first (`make accept`); the
                                               words are tests/run's: --as user, --long, -x

A test's name begins with its row (test_s23_...); results are lines of pytest -v (or -rA). The exit
code is 1 when a row's last result is a failure, and after a run also when a row has no result.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TESTS = HERE.parent
LOG = TESTS.parent / "build" / "accept.log"
NAMED = re.compile(r"test_s(\d\d)_(?:and_s(\d\d)_)?")
ROWS = range(1, 61)
PASSES = ("user", "root", "single")
PASS = re.compile(r"== as (\w+)")
LINES = (
    re.compile(r"^(?P<test>\S+::test_s\d\d_.*?) (?P<result>PASSED|FAILED|ERROR|SKIPPED)\b"),
    re.compile(r"^(?P<result>PASSED|FAILED|ERROR|SKIPPED) (?P<test>\S+::test_s\d\d_\S+)"),
)
ABOUT_IMAGES = {
    23: "names in a layer's tar that lead out of it",
    24: "hard links in a layer's tar",
    25: "whiteouts in a layer's tar",
    26: "attributes in a layer's tar",
    27: "devices and FIFOs in a layer's tar",
    28: "bombs: 10 GiB, window 31, 10^6 entries, depth 5000",
    29: "manifests: 64 MiB, in itself, 20k layers, ambiguous",
    30: "digests that are none",
    31: "wrong digest of a blob, wrong diff_id",
    32: "redirects and credentials",
    33: "token realms and uploads elsewhere",
    34: "urls of a descriptor",
    35: "TLS that proves nothing",
    36: "policies and signatures",
    37: "where credentials may be seen",
    41: "pull killed at any call",
    42: "rmi, rm, commit, load killed at any call",
    43: "no byte free",
    44: "no inode free",
    45: "power cuts",
    46: "flipped bits, metadata cut off",
    52: "registry faults F21 to F30",
    59: "the same commit and save twice",
}
"""The rows of "Hostile and broken input" of the issue about images."""


def passes_of(function: ast.FunctionDef, module: ast.Module) -> tuple[list[str], bool]:
    """Return the passes that the markers name, and whether only the long run has it."""
    marks = [ast.unparse(one) for one in function.decorator_list]
    for one in module.body:
        if isinstance(one, ast.Assign) and ast.unparse(one.targets[0]) == "pytestmark":
            marks.append(ast.unparse(one.value))
    found = [re.findall(r"passes\((.*?)\)", mark) for mark in marks]
    named = next((one[0] for one in found if one), "'user', 'root', 'single'")
    return re.findall(r"\w+", named), any(mark == "pytest.mark.long" for mark in marks)


def tests() -> dict[int, list[tuple[str, list[str], bool]]]:
    """Return row -> (file::test, passes, only long) for every test that is named by a row."""
    found: dict[int, list[tuple[str, list[str], bool]]] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        module = ast.parse(path.read_text())
        for one in module.body:
            match = NAMED.match(one.name) if isinstance(one, ast.FunctionDef) else None
            if match and isinstance(one, ast.FunctionDef):
                name = f"{path.relative_to(TESTS.parent)}::{one.name}"
                for row in filter(None, match.groups()):
                    found.setdefault(int(row), []).append((name, *passes_of(one, module)))
    return found


def results(paths: list[str]) -> dict[str, dict[str, str]]:
    """Return test -> pass -> result of logs in their order; one failed case fails the test."""
    found: dict[str, dict[str, str]] = {}
    for path in paths:
        seen: dict[tuple[str, str], str] = {}
        name = "?"
        for line in Path(path).read_text(errors="replace").splitlines():
            started = PASS.search(line)
            name = started[1] if started else name
            match = next(filter(None, (form.match(line) for form in LINES)), None)
            if match:
                key = match["test"].split("[")[0], name
                if seen.get(key, "PASSED") == "PASSED":
                    seen[key] = match["result"]
        for (test, where), result in seen.items():
            found.setdefault(test, {})[where] = result.lower()
    return found


def run(words: list[str]) -> int:
    """Run the rows about images as the users; keep what is printed, and print it."""
    known = tests()
    files = sorted({one[0].partition("::")[0] for row in ABOUT_IMAGES for one in known[row]})
    first = [] if "--as" in words else ["all"]
    command = [str(TESTS / "run"), *first, *words, "-v", "-k", "test_s", *files]
    LOG.parent.mkdir(exist_ok=True)
    with (
        open(LOG, "w") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as running,
    ):
        assert running.stdout is not None
        for raw in running.stdout:
            line = raw.decode(errors="replace")
            log.write(line)
            log.flush()
            print(line, end="", flush=True)
    print()
    return running.returncode


def show_tests(last: dict[str, dict[str, str]]) -> int:
    """Print a line for each test of each row; 1 when one failed."""
    known = tests()
    failed = False
    print(f"{'row':5} {'test':86} {'passes':18} last result")
    for row in ROWS:
        for name, passes, long in known.get(row, [("no test", ["-"], False)]):
            got = last.get(name, {})
            failed |= any(one != "passed" for one in got.values())
            said = ", ".join(f"{where} {one}" for where, one in got.items()) or "-"
            where = " ".join(passes) + (" (long)" if long else "")
            print(f"S-{row:02}  {name.removeprefix('tests/'):86} {where:18} {said}")
    with_test = sum(row in known for row in ROWS)
    print(f"{with_test} of {len(ROWS)} rows have a test")
    return int(failed)


def show_rows(last: dict[str, dict[str, str]], long: bool) -> int:
    """Print a line for each row about images: how its tests ended in each pass; 1 unless all did.

    A row has passed in a pass when all its tests have that are meant for it, and did run.
    """
    known = tests()
    ran = [one for one in PASSES if any(one in got for got in last.values())]
    print(f"{'row':5} {'what':54} {'tests':>5}  " + "".join(f"{one:10}" for one in ran) + "result")
    bad = 0
    for row, title in ABOUT_IMAGES.items():
        cells = {}
        for where in ran:
            meant = [name for name, passes, only in known.get(row, []) if where in passes
                     and (long or not only)]  # fmt: skip
            got = [last.get(name, {}).get(where, "-") for name in meant]
            odd = [one for one in got if one not in ("passed", "-")]
            whole = "passed" in got and (long or "-" not in got)
            cells[where] = odd[0] if odd else "passed" if whole else "-" if got else ""
        wrong = [one for one in cells.values() if one not in ("passed", "-", "")]
        done = "FAILED" if wrong else "NOT RUN" if "-" in cells.values() or not cells else "PASSED"
        bad += done != "PASSED"
        count = len(known.get(row, []))
        shown = "".join(f"{cells[where] or 'not meant':10}" for where in ran)
        print(f"S-{row:02}  {title:54} {count:5}  {shown}{done}")
    print(f"{len(ABOUT_IMAGES) - bad} of {len(ABOUT_IMAGES)} rows passed")
    return int(bad > 0)


def main(words: list[str]) -> int:
    """Print a table."""
    if words[:1] == ["--run"]:
        status = run(words[1:])
        failed = show_rows(results([str(LOG)]), "--long" in words)
        print(f"each test: python3 -m tests.accept --results {LOG}")
        return status or failed
    if words[:1] not in ([], ["--results"]):
        print(__doc__)
        return 2
    last = results(words[1:])
    failed = show_tests(last)
    if last:
        print()
        show_rows(last, long=False)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
