# SPDX-License-Identifier: Apache-2.0
"""Threads: work a few layers at once, and stay awake for signals meanwhile."""

from __future__ import annotations

import threading
from contextlib import contextmanager

from pypod.errors import PypodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeVar

    T = TypeVar("T")

WORKERS = 4
_LEAVE_SECONDS = 0.7
"""Ctrl-C ends within a second: threads that take longer are left to the end of the process."""
_JOIN_SECONDS = 3.0


def awake(act: Callable[[], T], interrupt: Callable[[], None]) -> T:
    """Return what `act` does in another thread; the caller only waits and hears signals at once.

    `interrupt` is called when a signal ends the wait. Raises what `act` raises.
    """
    done = threading.Event()
    results: list[T] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(act())
        except BaseException as error:
            errors.append(error)
        finally:
            done.set()

    threading.Thread(target=work, daemon=True).start()
    try:
        done.wait()
    except BaseException:
        interrupt()
        done.wait(_LEAVE_SECONDS)
        raise
    if errors:
        raise errors[0]
    return results[0]


class Turns:
    """Lets numbered pieces of work into a place one after another, from 0 on.

    What comes from several threads into one stream is then the same stream each time.
    """

    def __init__(self) -> None:
        self._next, self._ended = 0, False
        self._changed = threading.Condition()

    @contextmanager
    def of(self, number: int) -> Iterator[None]:
        """Wait for a piece's turn; the next one comes after the block. Raises PypodError."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self._next == number)
            if self._ended:
                raise PypodError("stopped: another layer could not be written")
        yield
        with self._changed:
            self._next = number + 1
            self._changed.notify_all()

    def end(self) -> None:
        """Let nobody in any more: a piece has failed, and its turn will never end."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()


def side_by_side(
    act: Callable[[int], None],
    count: int,
    stop: Callable[[BaseException], None],
    workers: int = WORKERS,
) -> None:
    """Run `act` for each number below `count`, a few at once.

    The first error is raised; `stop` gets it at once, to end what the others wait for.
    """
    waiting = list(range(count))
    errors: list[BaseException] = []
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                if errors or not waiting:
                    return
                number = waiting.pop(0)
            try:
                act(number)
            except BaseException as error:
                with lock:
                    errors.append(error)
                stop(error)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(workers, count))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
        # Only a thread that waits for the first byte of an answer cannot be woken.
        while thread.is_alive() and not errors:
            thread.join()
        thread.join(_JOIN_SECONDS)
    if errors:
        raise errors[0]
