"""Messages that belong to images and come on topics of their own: found by the stamp, and waited for a little."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any, Generic, TypeVar

from builtin_interfaces.msg import Time

from facemesh_ros.ros.convert import stamp_nanoseconds

PATIENT_MISSES = 10
"""After as many images in a row without a partner none is waited for, until a partner comes at all, however late."""

T = TypeVar("T", bound=Any)


class Partners(Generic[T]):
    """The latest messages of a topic. One thread puts them, another asks for the one of an image."""

    def __init__(self, kept: int, wait_s: float, tolerance_s: float = 0.0) -> None:
        """Start empty.

        Args:
            kept: messages that are kept for images still on their way.
            wait_s: how much later than its image a message may come.
            tolerance_s: how far apart the stamps of image and partner may be.
        """
        self.wait_s = wait_s
        self._kept = kept
        self._tolerance_ns = round(1e9 * tolerance_s)
        self._changed = threading.Condition()
        self._messages: dict[int, T] = {}
        self._misses = 0
        self._missed: deque[int] = deque(maxlen=64)
        self._paired = 0

    @property
    def paired(self) -> int:
        """How many images have found their partner."""
        return self._paired

    def put(self, message: T) -> None:
        """Keep a message until its image comes."""
        with self._changed:
            stamp_ns = stamp_nanoseconds(message.header.stamp)
            self._messages.pop(stamp_ns, None)  # a bag that loops: the stamp is the newest again
            self._messages[stamp_ns] = message
            while len(self._messages) > self._kept:
                del self._messages[next(iter(self._messages))]
            if any(abs(missed_ns - stamp_ns) <= self._tolerance_ns for missed_ns in self._missed):
                self._misses = 0
            self._changed.notify_all()

    def partner_of(self, stamp: Time) -> T | None:
        """Return the message of the image with this stamp; None where there is none, even after a short wait."""
        stamp_ns = stamp_nanoseconds(stamp)
        with self._changed:
            if self._messages and self._misses < PATIENT_MISSES:
                self._changed.wait_for(lambda: self._nearest(stamp_ns) is not None, self.wait_s)
            message = self._nearest(stamp_ns)
            if message is None:
                self._missed.append(stamp_ns)
                self._misses += bool(self._messages)
            else:
                self._misses = 0
                self._paired += 1
            return message

    def _nearest(self, stamp_ns: int) -> T | None:
        exact = self._messages.get(stamp_ns)
        if exact is not None or not self._tolerance_ns or not self._messages:
            return exact
        nearest_ns = min(self._messages, key=lambda other_ns: abs(other_ns - stamp_ns))
        return self._messages[nearest_ns] if abs(nearest_ns - stamp_ns) <= self._tolerance_ns else None
