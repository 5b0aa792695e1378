# SPDX-License-Identifier: Apache-2.0
"""Print the rows of research/security.md section 4, the test of each, its passes and last result.

    python3 -m tests.accept                    rows and tests, read from the tests' names
    python3 -m tests.accept --results FILE...  with results: what `tests/run ... -v` printed

A test's name begins with its row (test_s23_...); results are lines of pytest -v (or -rA). The
exit code is 1 when a row's last result is a failure. A row without a test says so.
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TESTS = HERE.parent
NAMED = re.compile(r"test_s(\d\d)_(?:and_s(\d\d)_)?")
ROWS = range(1, 61)
PASS = re.compile(r"== as (\w+)")
LINES = (
    re.compile(r"^(?P<test>\S+::test_s\d\d_.*?) (?P<result>PASSED|FAILED|ERROR|SKIPPED)\b"),
    re.compile(r"^(?P<result>PASSED|FAILED|ERROR|SKIPPED) (?P<test>\S+::test_s\d\d_\S+)"),
)


def passes_of(function: ast.FunctionDef) -> str:
    """Return what the markers say: the passes, and "long" for what only the long run does."""
    found, long = ["user", "root", "single"], False
    for one in function.decorator_list:
        text = ast.unparse(one)
        if text.startswith("pytest.mark.passes(") and isinstance(one, ast.Call):
            found = [str(word.value) for word in one.args if isinstance(word, ast.Constant)]
        long |= text == "pytest.mark.long"
    return " ".join(found) + (" (long)" if long else "")


def tests() -> dict[int, list[tuple[str, str]]]:
    """Return row -> (file::test, passes) for every test that is named by a row."""
    found: dict[int, list[tuple[str, str]]] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        for one in ast.parse(path.read_text()).body:
            match = NAMED.match(one.name) if isinstance(one, ast.FunctionDef) else None
            if match and isinstance(one, ast.FunctionDef):
                name = f"{path.relative_to(TESTS.parent)}::{one.name}"
                for row in filter(None, match.groups()):
                    found.setdefault(int(row), []).append((name, passes_of(one)))
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


def main(words: list[str]) -> int:
    """Print the table."""
    if words[:1] not in ([], ["--results"]):
        print(__doc__)
        return 2
    known, last = tests(), results(words[1:])
    failed = False
    print(f"{'row':5} {'test':86} {'passes':18} last result")
    for row in ROWS:
        for name, passes in known.get(row, [("no test", "-")]):
            got = last.get(name, {})
            failed |= any(one != "passed" for one in got.values())
            said = ", ".join(f"{where} {one}" for where, one in got.items()) or "-"
            print(f"S-{row:02}  {name.removeprefix('tests/'):86} {passes:18} {said}")
    with_test = sum(row in known for row in ROWS)
    print(f"{with_test} of {len(ROWS)} rows have a test")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
