"""Where one TF frame is in another, from /tf and /tf_static: as much of a TF buffer as one point needs."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from geometry_msgs.msg import TransformStamped
from scipy.spatial.transform import Rotation
from tf2_msgs.msg import TFMessage

from facemesh_ros.ros.convert import stamp_nanoseconds
from facemesh_ros.types import Float64

KEPT = 100
"""Transforms kept of each moving frame: a second at 100 Hz."""
OLDEST_S = 1.0
"""A moving frame whose nearest transform is farther from the image's stamp is not where it says."""
DEEPEST = 100
"""Frames between one and its root; more are a circle."""


class _Link(NamedTuple):
    """A frame in its parent at one time."""

    stamp_ns: int
    transform: TransformStamped


class FrameTree:
    """The latest transforms. Any thread may call any method."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._fixed: dict[str, TransformStamped] = {}
        self._moving: dict[str, deque[_Link]] = {}

    def put(self, message: TFMessage) -> None:
        """Take over what was published on /tf."""
        with self._lock:
            for one in message.transforms:
                links = self._moving.setdefault(one.child_frame_id, deque(maxlen=KEPT))
                links.append(_Link(stamp_nanoseconds(one.header.stamp), one))

    def put_static(self, message: TFMessage) -> None:
        """Take over what was published on /tf_static."""
        with self._lock:
            self._fixed |= {one.child_frame_id: one for one in message.transforms}

    def position_m(self, frame: str, of: str, stamp_ns: int) -> Float64 | None:
        """Return where the origin of ``of`` is in ``frame`` at a time, (3,) m; None where that is not known.

        Of a moving frame the transform nearest in time counts, without interpolation.
        """
        if frame == of:
            return np.zeros(3)
        with self._lock:
            top, top_from_frame = self._climbed(frame, stamp_ns)
            other_top, top_from_other = self._climbed(of, stamp_ns)
        if top != other_top:
            return None
        turn, position = top_from_frame[:3, :3], top_from_frame[:3, 3]
        return np.asarray(turn.T @ (top_from_other[:3, 3] - position), np.float64)

    def _climbed(self, frame: str, stamp_ns: int) -> tuple[str, Float64]:
        """Return the highest frame that is known above one, and the (4, 4) transform that takes points there."""
        top_from_frame = np.eye(4)
        for parent, parent_from_child in self._way_up(frame, stamp_ns):
            frame, top_from_frame = parent, parent_from_child @ top_from_frame
        return frame, top_from_frame

    def _way_up(self, frame: str, stamp_ns: int) -> Iterator[tuple[str, Float64]]:
        for _ in range(DEEPEST):
            transform = self._transform(frame, stamp_ns)
            if transform is None:
                return
            frame = transform.header.frame_id
            yield frame, _matrix(transform)

    def _transform(self, child: str, stamp_ns: int) -> TransformStamped | None:
        if child in self._fixed:
            return self._fixed[child]
        links = self._moving.get(child)
        if not links:
            return None
        nearest = min(links, key=lambda link: abs(link.stamp_ns - stamp_ns))
        return nearest.transform if abs(nearest.stamp_ns - stamp_ns) <= 1e9 * OLDEST_S else None


def _matrix(stamped: TransformStamped) -> Float64:
    """Return parent_from_child, (4, 4)."""
    place, turn = stamped.transform.translation, stamped.transform.rotation
    quaternion_xyzw = np.array([turn.x, turn.y, turn.z, turn.w])
    parent_from_child = np.eye(4)
    if quaternion_xyzw.any():
        parent_from_child[:3, :3] = Rotation.from_quat(quaternion_xyzw).as_matrix()
    parent_from_child[:3, 3] = place.x, place.y, place.z
    return parent_from_child
