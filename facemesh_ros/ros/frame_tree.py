"""Where one TF frame is in another, from /tf and /tf_static: as much of a TF buffer as one point needs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
from geometry_msgs.msg import TransformStamped
from tf2_msgs.msg import TFMessage

from facemesh_ros.ros.links import History, Link
from facemesh_ros.ros.throttle import Throttle
from facemesh_ros.types import Float64

SILENT_S = 10.0
"""A moving frame of which nothing was heard for so long is forgotten; tf2 keeps transforms as long."""
DEEPEST = 100
"""Frames between one and its root; more are a circle."""


class FrameTree:
    """The latest transforms. Any thread may call any method."""

    def __init__(
        self,
        warn: Callable[[str], None],
        is_own: Callable[[str], object],
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with none.

        Args:
            warn: told, now and then, of transforms that are none.
            is_own: says of a frame whether the node publishes it itself: what it puts out is not to come in again.
            clock_s: the time at which transforms come in, s.
        """
        self._warn = warn
        self._is_own = is_own
        self._clock_s = clock_s
        self._throttle = Throttle()
        self._lock = threading.Lock()
        self._fixed: dict[str, Link] = {}
        self._moving: dict[str, History] = {}

    def put(self, message: TFMessage) -> None:
        """Take over what was published on /tf."""
        for stamped, link in self._links(message, "/tf"):
            with self._lock:
                self._history(stamped.child_frame_id).add(link)

    def put_static(self, message: TFMessage) -> None:
        """Take over what was published on /tf_static."""
        for stamped, link in self._links(message, "/tf_static"):
            with self._lock:
                self._fixed[stamped.child_frame_id] = link

    def position_m(self, frame: str, of: str, stamp_ns: int) -> Float64 | None:
        """Return where the origin of ``of`` is in ``frame`` at a time, (3,) m; None where that is not known."""
        if frame == of:
            return np.zeros(3)
        with self._lock:
            top, top_from_frame = self._climbed(frame, stamp_ns)
            other_top, top_from_other = self._climbed(of, stamp_ns)
        if top != other_top:
            return None
        turn, position = top_from_frame[:3, :3], top_from_frame[:3, 3]
        return np.asarray(turn.T @ (top_from_other[:3, 3] - position), np.float64)

    def _links(self, message: TFMessage, topic: str) -> Iterator[tuple[TransformStamped, Link]]:
        """Give the transforms of a message that are others' and sound; warn of what is not sound."""
        others = (stamped for stamped in message.transforms if not self._is_own(stamped.child_frame_id))
        for stamped in others:
            link = Link.of(stamped)
            if link is not None:
                yield stamped, link
            elif self._throttle.is_due("unsound"):
                self._warn(
                    f"{topic} has a transform of {stamped.child_frame_id!r} in {stamped.header.frame_id!r} that is "
                    "none (NaN, infinity, a quaternion whose length is not 1, a frame in itself): it is left out, as "
                    "by tf2; look for its publisher"
                )

    def _history(self, child: str) -> History:
        """Return what is known of a moving frame; at the first of a new one, forget those that have fallen silent."""
        now_s = self._clock_s()
        if child not in self._moving:
            self._moving = {name: one for name, one in self._moving.items() if now_s - one.heard_s <= SILENT_S}
            self._moving[child] = History(now_s)
        history = self._moving[child]
        history.heard_s = now_s
        return history

    def _climbed(self, frame: str, stamp_ns: int) -> tuple[str, Float64]:
        """Return the highest frame that is known above one, and the (4, 4) transform that takes points there."""
        top_from_frame = np.eye(4)
        for link in self._way_up(frame, stamp_ns):
            frame, top_from_frame = link.parent, link.matrix() @ top_from_frame
        return frame, top_from_frame

    def _way_up(self, frame: str, stamp_ns: int) -> Iterator[Link]:
        for _ in range(DEEPEST):
            link = self._link(frame, stamp_ns)
            if link is None:
                return
            yield link
            frame = link.parent

    def _link(self, child: str, stamp_ns: int) -> Link | None:
        if child in self._fixed:
            return self._fixed[child]
        history = self._moving.get(child)
        return None if history is None else history.at(stamp_ns)
