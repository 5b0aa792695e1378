# SPDX-License-Identifier: Apache-2.0
"""Work side by side that must go into one stream in one order."""

from __future__ import annotations

import threading

import pytest

from pypod.engine import workers
from pypod.errors import PypodError


def test_turns_come_in_the_order_of_their_numbers() -> None:
    turns, order = workers.Turns(), []
    last_is_there = threading.Event()

    def act(number: int) -> None:
        if number == 3:
            last_is_there.set()
        if number == 0:  # the first one is the slowest
            assert last_is_there.wait(10)
        with turns.of(number):
            order.append(number)

    workers.side_by_side(act, 4, lambda _error: turns.end())
    assert order == [0, 1, 2, 3]


@pytest.mark.parametrize("within", [False, True])
def test_nobody_waits_for_a_turn_that_never_ends(within: bool) -> None:
    turns, order = workers.Turns(), []

    def act(number: int) -> None:
        if number == 1 and not within:
            raise PypodError("broken")
        with turns.of(number):
            if number == 1:
                raise PypodError("broken")
            order.append(number)

    with pytest.raises(PypodError, match="broken"):
        workers.side_by_side(act, 6, lambda _error: turns.end())
    assert set(order) <= {0}
