"""Complaints that repeat, said now and then."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Hashable

PERIOD_S = 5.0
"""Between two complaints of one kind."""


class Throttle:
    """Tell whether a complaint is due."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._said_s: dict[Hashable, float] = {}

    def is_due(self, kind: Hashable) -> bool:
        """Say whether nothing of this kind was due for a while; from now on it was."""
        now_s = self._clock_s()
        if now_s - self._said_s.get(kind, -math.inf) < PERIOD_S:
            return False
        self._said_s[kind] = now_s
        return True
