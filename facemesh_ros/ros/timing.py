"""Where the time of one image goes, stage by stage."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

STAGES = ("queue", "decode", "detect", "mesh", "pose")
"""queue: waiting to be taken up, for camera_info and depth; decode: taking in the message, of which what is looked at
becomes RGB later; the others are the library's own."""


class StageTimer:
    """Add up the milliseconds that each stage of the present image takes."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._arrived_s = clock_s()
        self._stages_ms: dict[str, float] = {}

    def now_s(self) -> float:
        """Read the clock, s: what :meth:`begin` wants to know of an arrival."""
        return self._clock_s()

    def begin(self, arrived_s: float) -> None:
        """Start on an image that arrived at ``arrived_s`` of this timer's clock; it waited until now."""
        self._arrived_s = arrived_s
        self._stages_ms = dict.fromkeys(STAGES, 0.0)
        self._stages_ms["queue"] = self._since_ms(arrived_s)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time spent inside to the stage; one that is entered again adds up."""
        started_s = self._clock_s()
        try:
            yield
        finally:
            self._stages_ms[name] = self._stages_ms.get(name, 0.0) + self._since_ms(started_s)

    def result_ms(self) -> dict[str, float]:
        """Return every stage in ms, 0 for one that did not run, and ``total``: from the arrival until now."""
        return {**self._stages_ms, "total": self._since_ms(self._arrived_s)}

    def _since_ms(self, then_s: float) -> float:
        return 1e3 * (self._clock_s() - then_s)
