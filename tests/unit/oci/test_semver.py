# SPDX-License-Identifier: Apache-2.0
"""Constraints on versions, against what github.com/Masterminds/semver says of them."""

from __future__ import annotations

import pytest

from pypod.errors import UsageError
from pypod.oci import semver


@pytest.mark.parametrize(
    ("constraint", "version", "expected"),
    [
        (">= 1.2, < 2", "v1.10.3", True),
        ("> 1.13 <1.15", "1.14.2", True),
        ("^1.2 || 3.x", "2.0.0", False),
        ("^1.2 || 3.x", "3.9", True),
        ("~1.2.3", "1.2.9", True),
        ("~1.2.3", "1.3.0", False),
        ("~1", "1.9", True),
        ("~1", "2.0", False),
        ("^0.2.3", "0.2.9", True),
        ("^0.2.3", "0.3.0", False),
        ("^0.0.3", "0.0.4", False),
        ("*", "4", True),
        ("*", "4.0.0-rc1", False),
        (">=1.0.0-0", "1.2.0-rc1", True),
        (">1.0.0-alpha.2", "1.0.0-alpha.10", True),
        ("1.2", "1.2.7", True),
        ("=1.2.3", "1.2.4", False),
        ("!=1.2", "1.2.3", False),
        ("!= 1.2", "1.3", True),
        ("1.2 - 2.0", "2.0.5", True),
        ("1.2 - 2.0", "2.1.0", False),
        (">1.2", "1.2.9", False),
        (">1.2", "1.3", True),
        ("<1.2", "1.1.9", True),
        ("<=1.2", "1.2.9", True),
        ("1.2.3+build", "1.2.3", True),
        ("1.x", "latest", False),
        ("1.x", "1.2.3.4", False),
    ],
)
def test_a_version_fulfils_a_constraint_or_not(
    constraint: str, version: str, expected: bool
) -> None:
    assert semver.matches(constraint, version) == expected


@pytest.mark.parametrize("constraint", ["", " , ", "latest", ">=", "1.2 ||", "1.x.3", "=> 1..2"])
def test_what_is_no_constraint_is_an_error(constraint: str) -> None:
    with pytest.raises(UsageError):
        semver.matches(constraint, "1.0")
