"""Where the time of one image goes, stage by stage."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType

STAGES = ("queue", "decode", "detect", "mesh", "crop", "network", "post", "pose", "build", "publish")
"""queue: waiting to be taken up, for camera_info and depth; decode: taking in the message, of which what is looked at
becomes RGB later; detect, mesh and pose are the library's, and crop, network and post parts of mesh; build: making the
message; publish: sending it and what goes with it."""
LATER = ("build", "publish")
"""Stages that end after the message is made, which so has those of the image before."""


class StageTimer:
    """Add up the milliseconds that each stage of the present image takes. For one thread at a time."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._arrived_s = clock_s()
        self._stages_ms = dict.fromkeys(STAGES, 0.0)
        self._before_ms = dict.fromkeys(LATER, 0.0)
        self._stages = {name: _Stage(self, name) for name in STAGES}

    def now_s(self) -> float:
        """Read the clock, s: what :meth:`begin` wants to know of an arrival."""
        return self._clock_s()

    def begin(self, arrived_s: float) -> None:
        """Start on an image that arrived at ``arrived_s`` of this timer's clock; it waited until now."""
        self._before_ms = {name: self._stages_ms[name] for name in LATER}
        self._arrived_s = arrived_s
        self._stages_ms = dict.fromkeys(STAGES, 0.0)
        self._stages_ms["queue"] = self._since_ms(arrived_s)

    def stage(self, name: str) -> _Stage:
        """Return what adds the time spent inside to the stage, of :data:`STAGES`; entered again, it adds up.

        It may be entered inside other stages, but not inside itself.
        """
        return self._stages[name]

    @property
    def stages_ms(self) -> dict[str, float]:
        """What each stage of the present image has taken so far, ms."""
        return dict(self._stages_ms)

    def result_ms(self) -> dict[str, float]:
        """Return every stage in ms, 0 for one that did not run, and ``total``: from the arrival until now.

        The stages :data:`LATER` are those of the image before.
        """
        return {**self._stages_ms, **self._before_ms, "total": self._since_ms(self._arrived_s)}

    def add(self, name: str, began_s: float) -> None:
        """Add the time since then to a stage."""
        self._stages_ms[name] += self._since_ms(began_s)

    def _since_ms(self, then_s: float) -> float:
        return 1e3 * (self._clock_s() - then_s)


class _Stage:
    """A stage to be entered, made once: a generator for every entry takes twice the time."""

    def __init__(self, timer: StageTimer, name: str) -> None:
        self._timer = timer
        self._name = name
        self._began_s = 0.0

    def __enter__(self) -> None:
        self._began_s = self._timer.now_s()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.add(self._name, self._began_s)
