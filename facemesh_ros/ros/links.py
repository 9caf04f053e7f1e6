"""A TF frame in its parent: at one time, and at the times between."""

from __future__ import annotations

import bisect
import math
from typing import NamedTuple

import numpy as np
from geometry_msgs.msg import TransformStamped
from scipy.spatial.transform import Rotation

from facemesh_ros.ros.convert import stamp_nanoseconds
from facemesh_ros.ros.quaternion import Quaternion
from facemesh_ros.types import Float64

KEPT = 100
"""Transforms kept of each moving frame: a second at 100 Hz."""
OLDEST_S = 1.0
"""A moving frame whose nearest transform is farther from the image's stamp is not where it says."""
JUMP_S = 1.0
"""A stamp that goes back by as much begins a new history, as at the end of a bag that loops."""
UNIT_WITHIN = 0.01
"""So much may the square of a quaternion's length differ from 1: tf2's QUATERNION_NORMALIZATION_TOLERANCE."""
_SMALLEST = 1e-6
"""Sine of an angle, below which an arc is a straight line."""


class Link(NamedTuple):
    """A frame in its parent at one time; every number is finite."""

    stamp_ns: int
    parent: str
    position_m: tuple[float, float, float]
    turn_xyzw: Quaternion

    @classmethod
    def of(cls, stamped: TransformStamped) -> Link | None:
        """Return what a message says; None where tf2 would not take it: a frame in itself, NaN, no unit quaternion."""
        place, turn, parent = stamped.transform.translation, stamped.transform.rotation, stamped.header.frame_id
        x, y, z, w = turn.x, turn.y, turn.z, turn.w
        is_turn = abs(x * x + y * y + z * z + w * w - 1.0) < UNIT_WITHIN  # NaN compares false
        if not is_turn or not math.isfinite(place.x + place.y + place.z):
            return None
        if not parent or not stamped.child_frame_id or parent == stamped.child_frame_id:
            return None
        return cls(stamp_nanoseconds(stamped.header.stamp), parent, (place.x, place.y, place.z), (x, y, z, w))

    def matrix(self) -> Float64:
        """Return parent_from_child, (4, 4), m."""
        parent_from_child = np.eye(4)
        parent_from_child[:3, :3] = Rotation.from_quat(self.turn_xyzw).as_matrix()
        parent_from_child[:3, 3] = self.position_m
        return parent_from_child


class History:
    """The latest links of one moving frame, by their stamps."""

    def __init__(self, heard_s: float) -> None:
        self.heard_s = heard_s
        """When the latest link came, on the listener's clock."""
        self._links: list[Link] = []

    def add(self, link: Link) -> None:
        """Take a link over; one that is much older than the newest takes the place of all."""
        if self._links and self._links[-1].stamp_ns - link.stamp_ns >= 1e9 * JUMP_S:
            self._links.clear()
        bisect.insort(self._links, link, key=_stamp_ns)
        del self._links[:-KEPT]

    def at(self, stamp_ns: int) -> Link | None:
        """Return the frame in its parent at a time; None where no link is near.

        Between two links position and turn go evenly from one to the other, as in tf2; before the first and after the
        last, where tf2 would wait, the nearest counts.
        """
        after = bisect.bisect_left(self._links, stamp_ns, key=_stamp_ns)
        around = self._links[max(after - 1, 0) : after + 1]
        nearest = min(around, key=lambda link: abs(link.stamp_ns - stamp_ns), default=None)
        if nearest is None or abs(nearest.stamp_ns - stamp_ns) > 1e9 * OLDEST_S:
            return None
        is_between = len(around) == 2 and around[0].parent == around[1].parent
        return _between(around[0], around[1], stamp_ns) if is_between else nearest


def _stamp_ns(link: Link) -> int:
    return link.stamp_ns


def _between(before: Link, after: Link, stamp_ns: int) -> Link:
    """Return the link at a time between two of one parent."""
    share = (stamp_ns - before.stamp_ns) / (after.stamp_ns - before.stamp_ns)
    x, y, z = ((1.0 - share) * a + share * b for a, b in zip(before.position_m, after.position_m, strict=True))
    return Link(stamp_ns, before.parent, (x, y, z), _slerp(before.turn_xyzw, after.turn_xyzw, share))


def _slerp(first: Quaternion, last: Quaternion, share: float) -> Quaternion:
    """Return the quaternion so far on the shorter way from one to another (Shoemake 1985), in Python's floats."""
    cosine = sum(a * b for a, b in zip(first, last, strict=True))
    angle = math.acos(min(abs(cosine), 1.0))
    sine = math.sin(angle)
    of_first, of_last = 1.0 - share, share
    if sine > _SMALLEST:
        of_first, of_last = math.sin(of_first * angle) / sine, math.sin(of_last * angle) / sine
    of_last = math.copysign(of_last, cosine)
    x, y, z, w = (of_first * a + of_last * b for a, b in zip(first, last, strict=True))
    return x, y, z, w
