"""Whose turn it is: several lanes in which only the newest item counts, and workers that go from one to the next."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

T = TypeVar("T")


class Scheduler(Generic[T]):
    """Hand items to workers, in each lane one at a time and only the newest, the lane first that has waited longest.

    Any thread may call any method. No lane starves: from the moment an item waits in a lane at which nobody works, each
    other lane is served at most once before it.
    """

    def __init__(self, lanes: int) -> None:
        """Begin with so many lanes, numbered from 0; nothing is in them."""
        self._changed = threading.Condition()
        self._waiting: dict[int, T] = {}
        self._busy: set[int] = set()
        self._order = list(range(lanes))
        """All lanes, the one that was served longest ago first."""
        self._is_closed = False

    @property
    def busy(self) -> tuple[int, ...]:
        """The lanes at whose items somebody works, in order of their numbers."""
        with self._changed:
            return tuple(sorted(self._busy))

    def put(self, lane: int, item: T) -> bool:
        """Make an item the one that its lane gives next; return whether it replaced one that nobody had taken.

        After :meth:`close` it is ignored.
        """
        with self._changed:
            if self._is_closed:
                return False
            replaces = lane in self._waiting
            self._waiting[lane] = item
            self._changed.notify()
            return replaces

    def take(self) -> tuple[int, T] | None:
        """Wait for an item, and return its lane and it; None once all is closed.

        Until :meth:`done` nobody else is given an item of that lane.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed or self._next() is not None)
            lane = self._next()
            if self._is_closed or lane is None:
                return None
            self._busy.add(lane)
            self._order.remove(lane)
            self._order.append(lane)
            return lane, self._waiting.pop(lane)

    def done(self, lane: int) -> None:
        """Say that the work at the item of a lane has ended, well or not."""
        with self._changed:
            self._busy.discard(lane)
            self._changed.notify()

    def close(self) -> None:
        """Wake whoever waits; items that nobody has taken are forgotten."""
        with self._changed:
            self._is_closed = True
            self._waiting.clear()
            self._changed.notify_all()

    def _next(self) -> int | None:
        return next((lane for lane in self._order if lane in self._waiting and lane not in self._busy), None)
