"""A slot for one value: the newest wins, and a thread waits for it."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

T = TypeVar("T")


class Latest(Generic[T]):
    """Hand values from one thread to another, without a queue: a value that was not taken in time is overwritten."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._value: T | None = None
        self._closed = False

    def put(self, value: T) -> bool:
        """Make ``value`` the one that is taken next; return whether it overwrote one that nobody had taken.

        After :meth:`close` it is ignored.
        """
        with self._changed:
            if self._closed:
                return False
            overwrites = self._value is not None
            self._value = value
            self._changed.notify()
            return overwrites

    def take(self) -> T | None:
        """Wait for a value and take it out; None once the slot is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._value is not None)
            value, self._value = self._value, None
            return None if self._closed else value

    def close(self) -> None:
        """Wake whoever waits; a value that is still here is forgotten."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
