"""A face over time: its last sight, what it is like, and where it is going."""

from __future__ import annotations

import math
from dataclasses import dataclass

from facemesh_ros.geometry import ROI_SCALE, roi_from_points
from facemesh_ros.identity import Likeness, cost, face_shape
from facemesh_ros.types import Mesh, Roi

NEWEST_SHARE = 0.2
"""Least weight of the newest sight in a track's mean shape, so that the mean keeps up with a turning head."""
NEWEST_SPEED_SHARE = 0.5
"""Weight of the newest step in a track's velocity."""
FASTEST_FACES_PER_S = 10.0
"""Limit of the velocity in face sizes, so that two stamps close together send no face out of the world."""
NEVER = -math.inf
UNCONFIRMED = 0
"""The id of a face that has been seen in fewer than min_hits images."""


@dataclass(frozen=True, eq=False)
class Sight:
    """A face in one image."""

    roi: Roi
    """Where the network looked for ``mesh``."""
    mesh: Mesh
    next_roi: Roi
    """Where it will look in the next image."""
    likeness: Likeness

    @classmethod
    def of(cls, roi: Roi, mesh: Mesh) -> Sight:
        """Make a sight of a mesh found in a region.

        Raises:
            InputError: all points in one place: no region can be made of it.
        """
        next_roi = roi_from_points(mesh.points)
        x, y = next_roi.center_xy.tolist()
        return cls(roi, mesh, next_roi, Likeness(x, y, next_roi.size / ROI_SCALE, face_shape(mesh.points)))

    def offset(self) -> float:
        """Return how far the region was from fitting the face that was found in it; 0 fits."""
        dx, dy = abs(self.roi.center_xy - self.next_roi.center_xy).tolist()
        return float((dx + dy + abs(self.roi.size - self.next_roi.size)) / self.next_roi.size)


@dataclass(frozen=True, eq=False)
class Track:
    """A face that is, or a moment ago was, followed."""

    track_id: int
    """UNCONFIRMED, or positive."""
    sight: Sight
    """The last one."""
    stamp: float
    """Of the last sight, s."""
    hits: int
    """Images in which it was seen."""
    known: Likeness
    """Its last place and size, and the running mean of its shape."""
    velocity_xy: tuple[float, float] = (0.0, 0.0)
    """px of the full image a second."""
    confirmed_s: float = NEVER
    """Stamp of the last image in which the detector saw it as well; NEVER while that is in doubt."""

    @property
    def roi(self) -> Roi:
        """Where the network looked for ``mesh``."""
        return self.sight.roi

    @property
    def mesh(self) -> Mesh:
        """The last one, raw."""
        return self.sight.mesh

    @property
    def next_roi(self) -> Roi:
        """Where it will look in the next image."""
        return self.sight.next_roi

    def gap_s(self, stamp: float) -> float:
        """Return the time since the last sight, s; stamps may step back."""
        return abs(stamp - self.stamp)

    def ahead_xy(self, stamp: float, coast_s: float) -> tuple[float, float]:
        """Return its centre by now, px, if it has gone on as it went; no longer than ``coast_s``, though."""
        ahead_s = min(max(stamp - self.stamp, 0.0), coast_s)
        return self.known.x + ahead_s * self.velocity_xy[0], self.known.y + ahead_s * self.velocity_xy[1]

    def cost(self, seen: Likeness, stamp: float, coast_s: float) -> float:
        """Return how unlikely it is that this face is what is seen now; IMPLAUSIBLE at most."""
        return cost(self.known, seen, self.gap_s(stamp), self.ahead_xy(stamp, coast_s))

    def followed(self, sight: Sight, stamp: float) -> Track:
        """Return the track with a further sight in its region."""
        return self._seen(sight, stamp, self._velocity_to(sight, stamp), self.confirmed_s)

    def returned(self, sight: Sight, stamp: float) -> Track:
        """Return the track with a further sight elsewhere; that jump says nothing of its velocity."""
        return self._seen(sight, stamp, (0.0, 0.0), NEVER)

    def _seen(self, sight: Sight, stamp: float, velocity_xy: tuple[float, float], confirmed_s: float) -> Track:
        hits, now, mean = self.hits + 1, sight.likeness, self.known.shape
        mean = mean + max(1.0 / hits, NEWEST_SHARE) * (now.shape - mean)
        known = Likeness(now.x, now.y, now.size, mean)
        return Track(self.track_id, sight, stamp, hits, known, velocity_xy, confirmed_s)

    def _velocity_to(self, sight: Sight, stamp: float) -> tuple[float, float]:
        step_s, limit = stamp - self.stamp, FASTEST_FACES_PER_S * self.known.size
        if step_s <= 0.0:  # no time, or an unknown one
            return self.velocity_xy
        moved = sight.likeness.x - self.known.x, sight.likeness.y - self.known.y
        now = (max(-limit, min(px / step_s, limit)) for px in moved)
        x, y = (old + NEWEST_SPEED_SHARE * (new - old) for old, new in zip(self.velocity_xy, now, strict=True))
        return x, y
