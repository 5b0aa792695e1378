# SPDX-License-Identifier: Apache-2.0
"""The numbers that Python and the helpers share are the same on both sides."""

from __future__ import annotations

import errno
import re
import subprocess
from pathlib import Path

import pytest

from pypod import constants
from pypod.plan.ops import _DESCRIPTIONS

LIBEXEC = Path(__file__).resolve().parents[2] / "libexec"
NUMBERS = [
    "RECORD_MAGIC", "RECORD_PID", "RECORD_ERROR", "STAGE_PLAN", "STAGE_CLONE", "STAGE_IDMAP",
    "STAGE_SETUP", "STAGE_USER", "STAGE_EXEC", "FD_STATUS", "FD_CONSOLE",
]  # fmt: skip
ERRORS = [0, errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.ENOEXEC, errno.EISDIR, errno.E2BIG]

PROGRAM = """
#include <stdio.h>
#include "proto.h"
int main(void)
{
    puts(PLAN_VERSION);
    printf("%%zu\\n", sizeof(struct status_record));
    const long numbers[] = {%s}, errors[] = {%s};
    for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; i++)
        printf("%%ld\\n", numbers[i]);
    for (int stage = 0; stage < 8; stage++)
        for (unsigned i = 0; i < sizeof errors / sizeof *errors; i++)
            printf("%%d\\n", start_exit_code(stage, (int)errors[i]));
}
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    directory = tmp_path_factory.mktemp("proto")
    source, program = directory / "proto.c", directory / "proto"
    source.write_text(PROGRAM % (", ".join(NUMBERS), ", ".join(str(number) for number in ERRORS)))
    subprocess.run(["cc", "-I", str(LIBEXEC), "-o", str(program), str(source)], check=True)
    return subprocess.run(
        [str(program)], check=True, capture_output=True, text=True
    ).stdout.splitlines()


def test_the_version_and_the_size_of_a_record_are_the_same(answers: list[str]) -> None:
    assert answers[:2] == [constants.PLAN_VERSION, str(constants.RECORD_SIZE)]


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_is_the_same(answers: list[str], name: str) -> None:
    assert int(answers[2 + NUMBERS.index(name)]) == getattr(constants, name)


def test_both_sides_make_the_same_exit_code_of_a_failure(answers: list[str]) -> None:
    codes = [int(line) for line in answers[2 + len(NUMBERS) :]]
    assert codes == [constants.start_exit_code(stage, err) for stage in range(8) for err in ERRORS]


def verbs_of_the_helper() -> set[str]:
    source = (LIBEXEC / "init.c").read_text()
    table = source[source.index("} verbs[] = {") : source.index("static void execute")]
    outer = re.findall(r'is_verb\(op, "([a-z-]+)"\)', source)
    return set(re.findall(r'^    \{"([a-z-]+)", ', table, re.M)) | set(outer)


def test_every_verb_of_the_helper_is_on_the_page_and_no_other() -> None:
    page = (LIBEXEC / "PLAN.md").read_text()
    assert set(re.findall(r"^\| `([a-z-]+)[ `]", page, re.M)) == verbs_of_the_helper()


def test_no_verb_is_described_that_the_helper_does_not_know() -> None:
    assert set(_DESCRIPTIONS) <= verbs_of_the_helper()


def test_every_verb_that_the_compiler_uses_is_known() -> None:
    plans = (LIBEXEC.parent / "pypod" / "plan").glob("*.py")
    text = "".join(plan.read_text() for plan in plans)
    used = set(re.findall(r'\b(?:op|Named)\(\s*"([a-z-]+)"', text))
    assert len(used) > 25
    assert used <= verbs_of_the_helper()
