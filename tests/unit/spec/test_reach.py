# SPDX-License-Identifier: Apache-2.0
"""The value that says what a container's network reaches, and its record."""

from __future__ import annotations

import pytest

from pypod.spec.reach import Reach, from_record


def test_a_reach_comes_back_from_its_record():
    reach = Reach("pasta", "10.0.0.5", "fd00::5", "10.0.0.1", "10.0.0.9")
    assert from_record(reach.as_dict()) == reach


def test_a_field_of_a_later_version_is_ignored_and_a_missing_one_is_empty():
    assert from_record({"kind": "none", "mtu": 1500}) == Reach("none")


@pytest.mark.parametrize("document", [{}, {"kind": "wifi"}, {"kind": "pasta", "dns": 3}])
def test_what_is_no_reach_is_refused(document):
    with pytest.raises(ValueError):
        from_record(document)
