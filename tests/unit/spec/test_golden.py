# SPDX-License-Identifier: Apache-2.0
"""The configurations of a few command lines are what they were (tests/golden/make_configs.py)."""

from __future__ import annotations

import pytest

from tests.golden import make_configs

CONFIGS = make_configs.cases()
TEXTS = {path.stem: path.read_text() for path in make_configs.HERE.glob("*.json")}


@pytest.mark.parametrize("name", CONFIGS)
def test_options_compose_to_their_golden_configuration(name: str) -> None:
    assert make_configs.text(CONFIGS[name]).splitlines() == TEXTS[name].splitlines()


def test_no_golden_configuration_is_without_a_case() -> None:
    assert set(CONFIGS) == set(TEXTS)
