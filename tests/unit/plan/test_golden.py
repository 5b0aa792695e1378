# SPDX-License-Identifier: Apache-2.0
"""The plans of a few configurations are what they were (tests/golden/make_plans.py)."""

from __future__ import annotations

import pytest

from pypod.plan.ops import serialise
from tests.golden import make_plans

PLANS = make_plans.cases()
TEXTS = {path.stem: path.read_text() for path in make_plans.HERE.glob("*.txt")}
BYTES = {path.stem: path.read_bytes() for path in make_plans.HERE.glob("*.plan")}


@pytest.mark.parametrize("name", PLANS)
def test_a_configuration_compiles_to_its_golden_plan(name: str) -> None:
    assert make_plans.text(PLANS[name]).splitlines() == TEXTS[name].splitlines()


@pytest.mark.parametrize("name", PLANS)
def test_a_plan_is_serialised_to_its_golden_bytes(name: str) -> None:
    assert serialise(PLANS[name]) == BYTES[name]


def test_no_golden_plan_is_without_a_case() -> None:
    assert set(PLANS) == set(TEXTS) == set(BYTES)
