"""Whether what comes again and again has ceased to."""

from __future__ import annotations

MISSED = 3
"""It has ceased once it is late by so many of its own intervals."""
LEAST_S, MOST_S = 1.0, 10.0
"""But not before the first, and in any case after the second."""


class Pulse:
    """Tell a silence from the time between two beats, whether these are thirty a second or one."""

    def __init__(self) -> None:
        """Begin without a beat, and with no silence until the first."""
        self._last_s: float | None = None
        self._interval_s = LEAST_S

    def beat(self, now_s: float) -> None:
        """It has come once more. The clock is that of all calls; it may stand still, and jump."""
        if self._last_s is not None:
            self._interval_s = now_s - self._last_s
        self._last_s = now_s

    def has_ceased(self, now_s: float) -> bool:
        """Tell whether the last beat is longer ago than one that goes on like this can be."""
        if self._last_s is None:
            return False
        self._last_s = min(self._last_s, now_s)  # the clock went back, as when a bag begins anew
        return now_s - self._last_s > min(max(MISSED * self._interval_s, LEAST_S), MOST_S)
