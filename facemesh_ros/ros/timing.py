"""Where the time of one image goes, stage by stage."""

from __future__ import annotations

import time
from collections.abc import Callable

STAGES = ("queue", "decode", "detect", "mesh", "crop", "network", "post", "pose", "build", "publish")
"""queue: waiting to be taken up, for camera_info and depth; decode: taking in the message, of which what is looked at
becomes RGB later; detect, mesh and pose are the library's, and crop, network and post parts of mesh; build: making the
message; publish: sending it and what goes with it."""
OF_MESH = ("crop", "network", "post")
"""Stages that lie inside mesh."""
LATER = ("build", "publish")
"""Stages that end after the message is made, which so has those of the message before."""


class StageTimer:
    """Add up the milliseconds that each stage of the present image takes. For one thread at a time."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._arrived_s = clock_s()
        self._stages = {name: (_LatestStage if name in LATER else _Stage)(clock_s) for name in STAGES}

    def now_s(self) -> float:
        """Read the clock, s: what :meth:`begin` wants to know of an arrival."""
        return self._clock_s()

    def begin(self, arrived_s: float) -> None:
        """Start on an image that arrived at ``arrived_s`` of this timer's clock; it waited until now."""
        self._arrived_s = arrived_s
        for name, stage in self._stages.items():
            if name not in LATER:
                stage.spent_s = 0.0
        self._stages["queue"].spent_s = self._clock_s() - arrived_s

    def stage(self, name: str) -> _Stage:
        """Return what adds the time spent inside to the stage, of :data:`STAGES`; entered again, it adds up.

        It may be entered inside other stages, but not inside itself. Those of :data:`LATER` are entered once a message.
        """
        return self._stages[name]

    @property
    def stages_ms(self) -> dict[str, float]:
        """What each stage of the present image has taken so far, ms; 0 for one that did not run.

        Those of :data:`LATER` are the last message's: the present image's once it is out.
        """
        return {name: 1e3 * stage.spent_s for name, stage in self._stages.items()}

    def result_ms(self) -> dict[str, float]:
        """Return :attr:`stages_ms` and ``total``: from the arrival until now."""
        return {**self.stages_ms, "total": 1e3 * (self._clock_s() - self._arrived_s)}


class _Stage:
    """A stage to be entered, made once: a generator for every entry takes three times the time."""

    def __init__(self, clock_s: Callable[[], float]) -> None:
        self._clock_s = clock_s
        self._began_s = self.spent_s = 0.0

    def __enter__(self) -> None:
        self._began_s = self._clock_s()

    def __exit__(self, *_: object) -> None:
        self.spent_s += self._clock_s() - self._began_s


class _LatestStage(_Stage):
    """One that keeps what it took the last time, however many images come to nothing meanwhile."""

    def __exit__(self, *_: object) -> None:
        self.spent_s = self._clock_s() - self._began_s
