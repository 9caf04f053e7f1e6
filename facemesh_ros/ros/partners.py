"""Messages that belong to images and come on topics of their own: found by the stamp, and waited for a little.

An image waits only where that promises something: a partner is due by the rate at which they come, and the last one
that came after its image came within the time that an image may wait. How late partners are is observed of images that
do not wait, too, so that waiting ends and begins again by itself.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any, Generic, TypeVar

from builtin_interfaces.msg import Time

from facemesh_ros.ros.convert import stamp_nanoseconds

PATIENT_MISSES = 10
"""After as many waits in vain none is waited for, until a partner comes as soon after its image as one may wait."""
ASKING = 64
"""Images of which it is remembered that they had no partner: two seconds at 30 Hz."""
STEPS = 8
"""Of the latest messages' stamps, by which the rate is told."""
NEARER = 0.55
"""Share of the time between two messages that must have passed for the next one to be nearer; half, and some jitter."""
JUMP_NS = 10**9
"""A message whose stamp is ahead of an image's by more belongs to another round of a bag that loops."""

T = TypeVar("T", bound=Any)


class Partners(Generic[T]):
    """The latest messages of a topic. One thread puts them, another asks for the one of an image."""

    def __init__(
        self, kept: int, wait_s: float, tolerance_s: float = 0.0, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        """Start empty.

        Args:
            kept: messages that are kept for images still on their way.
            wait_s: how much later than its image a message may come.
            tolerance_s: how far apart the stamps of image and partner may be.
            clock_s: tells how late a message is.
        """
        self.wait_s = wait_s
        self._kept = kept
        self._tolerance_ns = round(1e9 * tolerance_s)
        self._clock_s = clock_s
        self._changed = threading.Condition()
        self._messages: dict[int, T] = {}
        self._newest_ns = 0
        self._asked_s: dict[int, float] = {}
        """Stamps of the latest images whose partner was due and not there, and when it was asked for."""
        self._image_ns: int | None = None
        self._misses = 0
        self._paired = 0
        self._lag_s: float | None = None

    @property
    def paired(self) -> int:
        """How many images have found their partner."""
        return self._paired

    @property
    def lag_s(self) -> float | None:
        """How long after it was asked for the latest partner came that was not there at once, s; None without any."""
        return self._lag_s

    def put(self, message: T) -> None:
        """Keep a message until its image comes."""
        with self._changed:
            stamp_ns = stamp_nanoseconds(message.header.stamp)
            self._messages.pop(stamp_ns, None)  # a bag that loops: the stamp is the newest again
            self._messages[stamp_ns] = message
            self._newest_ns = stamp_ns
            _forget_oldest(self._messages, self._kept)
            self._observe_lag(stamp_ns)
            self._changed.notify_all()

    def partner_of(self, stamp: Time) -> T | None:
        """Return the message of the image with this stamp; None where there is none, even after a short wait."""
        stamp_ns = stamp_nanoseconds(stamp)
        with self._changed:
            if not self._is_settled(stamp_ns) and self._is_due(stamp_ns):
                self._asked_s[stamp_ns] = self._clock_s()
                _forget_oldest(self._asked_s, ASKING)
                self._wait(stamp_ns)
            self._image_ns = stamp_ns
            message = self._nearest(stamp_ns)
            self._paired += message is not None
            return message

    def _wait(self, stamp_ns: int) -> None:
        """Wait until the image's partner is settled, if waiting has been worth it of late."""
        is_late = self._lag_s is not None and self._lag_s > self.wait_s
        if self._messages and not is_late and self._misses < PATIENT_MISSES:
            self._misses += 1  # until its partner comes
            self._changed.wait_for(lambda: self._is_settled(stamp_ns), self.wait_s)

    def _observe_lag(self, stamp_ns: int) -> None:
        """Learn from a message for which an image has asked already."""
        image_ns = min(self._asked_s, key=lambda asked_ns: abs(asked_ns - stamp_ns), default=None)
        if image_ns is None or abs(image_ns - stamp_ns) > self._tolerance_ns:
            return
        self._lag_s = self._clock_s() - self._asked_s.pop(image_ns)
        if self._lag_s <= self.wait_s:
            self._misses = 0

    def _is_settled(self, stamp_ns: int) -> bool:
        """Tell whether nothing nearer will come: the very stamp is here or a newer one, as a topic keeps its order."""
        return stamp_ns in self._messages or 0 < self._newest_ns - stamp_ns < JUMP_NS

    def _is_due(self, stamp_ns: int) -> bool:
        """Tell whether, by the rate of the messages, the next one is nearer to this image than to the one after it.

        Where the message before is near enough, too, the next one must be nearer than that.
        """
        stamps_ns = list(self._messages)[-STEPS:]
        steps_ns = [step for a, b in pairwise(stamps_ns) if (step := b - a) > 0]
        since_ns = stamp_ns - self._newest_ns
        if not steps_ns or since_ns <= 0:
            return True
        period_ns = statistics.median_low(steps_ns)
        if since_ns <= self._tolerance_ns:
            return since_ns > NEARER * period_ns
        image_step_ns = 0 if self._image_ns is None else stamp_ns - self._image_ns
        if not 0 < image_step_ns < period_ns:
            image_step_ns = period_ns
        return since_ns > period_ns - max(image_step_ns / 2, self._tolerance_ns)

    def _nearest(self, stamp_ns: int) -> T | None:
        exact = self._messages.get(stamp_ns)
        if exact is not None or not self._tolerance_ns or not self._messages:
            return exact
        nearest_ns = min(self._messages, key=lambda other_ns: abs(other_ns - stamp_ns))
        return self._messages[nearest_ns] if abs(nearest_ns - stamp_ns) <= self._tolerance_ns else None


def _forget_oldest(of_stamps: dict[int, Any], kept: int) -> None:
    while len(of_stamps) > kept:
        del of_stamps[next(iter(of_stamps))]
