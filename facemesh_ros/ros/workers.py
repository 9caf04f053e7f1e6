"""Threads that do the work of several lanes, in groups that end together."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, TypeVar

from facemesh_ros.ros.scheduler import Scheduler

T = TypeVar("T")


class Workers(Generic[T]):
    """So many threads, each at work on the newest item of some lane, until :meth:`close` or :func:`finish`."""

    def __init__(self, name: str, jobs: Sequence[Callable[[T], None]], count: int) -> None:
        """Begin.

        Args:
            name: of the threads.
            jobs: what is done with an item, lane by lane; they do not raise.
            count: how many lanes are worked at, at the same time.
        """
        self._name = name
        self._jobs = jobs
        self._lanes: Scheduler[T] = Scheduler(len(jobs))
        self._lock = threading.Lock()
        self._relieved: set[int] = set()
        """Lanes whose worker has a successor, and ends with its work."""
        self._threads: list[threading.Thread] = []
        for _ in range(count):
            self._start_one()

    def put(self, lane: int, item: T) -> bool:
        """Have an item worked on next in its lane; return whether it replaced one that nobody had begun with."""
        return self._lanes.put(lane, item)

    def relieve(self, lanes: Iterable[int]) -> None:
        """Start another worker in the place of each that is held up by the work at one of these lanes."""
        with self._lock:
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            for lane in set(lanes).intersection(self._lanes.busy) - self._relieved:
                self._relieved.add(lane)
                self._start_one()

    def close(self) -> None:
        """Begin with no further item; those at hand are not waited for."""
        self._lanes.close()

    def join(self, ends_s: float) -> tuple[int, ...]:
        """Wait for the items at hand, once closed; return the lanes that are still at work when monotonic time ends."""
        for thread in self._threads:
            thread.join(max(ends_s - time.monotonic(), 0.0))
        return self._lanes.busy

    def _start_one(self) -> None:
        thread = threading.Thread(target=self._work, name=self._name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work(self) -> None:
        while (taken := self._lanes.take()) is not None:
            lane, item = taken
            try:
                self._jobs[lane](item)
            finally:
                has_successor = self._finish(lane)
            del item, taken  # nothing of an image is kept while the next one is waited for
            if has_successor:
                return

    def _finish(self, lane: int) -> bool:
        """Set a lane free; return whether somebody else has taken this worker's place."""
        with self._lock:
            has_successor = lane in self._relieved
            self._relieved.discard(lane)
            self._lanes.done(lane)
            return has_successor


def finish(groups: Sequence[Workers[Any]], timeout_s: float) -> list[tuple[int, ...]]:
    """Finish the items at hand in all groups, and no others; return the lanes of each that are not done by then.

    Args:
        groups: none of them begins anything from now on.
        timeout_s: for all together.
    """
    for group in groups:
        group.close()
    ends_s = time.monotonic() + timeout_s
    return [group.join(ends_s) for group in groups]
