"""What the headers of images in a row tell: which image is the next, and what a driver has left out."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from std_msgs.msg import Header

from facemesh_ros.ros.convert import stamp_nanoseconds

JUMP_S = 1.0
"""Stamps that go back by less are out of order; by more, they begin a new stream, as at the end of a bag that loops."""
STANDSTILL = 10
"""Images in a row with the stamp of the one before, until it is said that time stands still."""


class Order(Enum):
    """Where an image belongs."""

    NEXT = "next"
    LATE = "late"
    """Slightly older than the newest one: to be skipped."""
    ANEW = "anew"
    """Much older than the newest one: the first of a new stream."""


class Headers:
    """The headers of one stream of images, in the order of arrival."""

    def __init__(self, warn: Callable[[str], None]) -> None:
        """Begin; ``warn`` is told, once each, what is wrong with the headers."""
        self._warn = warn
        self._warned: set[str] = set()
        self._last_ns: int | None = None
        """Whole: seconds as a float are 240 ns apart today, and TF knows each of them."""
        self._repeats = 0

    def forget(self) -> None:
        """Take any stamp for a beginning."""
        self._last_ns = None

    def order(self, header: Header) -> Order:
        """Tell where the next image belongs."""
        if not header.frame_id:
            self._say_once(
                "frame",
                "images have an empty header.frame_id: RViz cannot place the faces, and no transforms are sent, since "
                "TF refuses those without a parent; set it in the driver, usually by its parameter frame_id",
            )
        stamp_ns = stamp_nanoseconds(header.stamp)
        behind_s = 0.0 if self._last_ns is None else 1e-9 * (self._last_ns - stamp_ns)
        self._note_standstill(stamp_ns)
        if 0.0 < behind_s < JUMP_S:
            self._say_once(
                "late",
                f"an image is {behind_s:.3g} s older than the one before: it is skipped, now and whenever it happens "
                "again; look for two publishers on the image topic",
            )
            return Order.LATE
        self._last_ns = stamp_ns
        return self._anew(behind_s) if behind_s >= JUMP_S else Order.NEXT

    def _note_standstill(self, stamp_ns: int) -> None:
        self._repeats = self._repeats + 1 if stamp_ns == self._last_ns else 0
        if self._repeats == STANDSTILL:
            self._say_once(
                "standstill",
                f"images keep the stamp {1e-9 * stamp_ns:.3f} s: while time stands still nothing is smoothed and no "
                "new faces are looked for beside those tracked; let the driver set header.stamp",
            )

    def _anew(self, behind_s: float) -> Order:
        self._say_once(
            "jump",
            f"stamps jumped back by {behind_s:.3f} s: all tracks are forgotten, now and whenever it happens again. "
            "Right for a bag that loops; otherwise look for two publishers on the image topic",
        )
        return Order.ANEW

    def _say_once(self, kind: str, text: str) -> None:
        if kind not in self._warned:
            self._warned.add(kind)
            self._warn(text)
