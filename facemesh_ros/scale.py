"""How large is this head? Assumed, from its irises, or from a depth image: one factor on the reference face.

An image alone does not tell a small head nearby from a large one far away, so the pose is solved for the reference
size, and position and mesh are multiplied by the factor: that changes nothing in the image.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facemesh_ros.lens import project
from facemesh_ros.pose import FARTHEST_M, NEAREST_M, Solution, visibility
from facemesh_ros.topology import ALL_POINTS, RIGID, face_topology
from facemesh_ros.types import Camera, Float32, Float64

HEAD_SIZE_SD = 0.05
"""Relative standard deviation of the size of adult faces: 4.8 % of the bizygomatic breadth, 5.5 % of the length from
sellion to menton (Zhuang and Bradtmiller, J. Occup. Environ. Hyg. 2, 2005, each sex)."""
IRIS_M, IRIS_SD = 0.0117, 0.043
"""Visible diameter of adult irises, 11.7 ± 0.5 mm, and its relative standard deviation."""
DEPTH_SD = 0.02
IRIS_WIDEST_TURN = np.cos(np.radians(30.0))
"""Cosine of the angle between face and line of sight up to which both irises are seen well."""
IRIS_LEAST_OPENING = 0.15
"""Gap of the lids over the width of the eye."""
IRIS_LEAST_PX = 2.0
"""Diameter: on a portrait shrunk until it was 2.3 px, the size came out 3 % off that of the full picture."""
IRIS_MEMORY = 61
"""Readings of which a track's median is taken: two seconds at 30 Hz."""
DEPTH_LEAST_SHARE = 0.3
"""Of the rigid points in sight, with a depth to be believed."""
DEPTH_STEP = 0.03
"""Relative depth within 3 x 3 pixels that only an edge has: pixels about it may fly between front and back."""
DEPTH_OUTLIER = 3.0
"""Robust standard deviations from the median."""
LARGEST_DISAGREEMENT = 0.25
"""Of the measured size and the assumed one: five standard deviations."""


@dataclass(frozen=True)
class HeadScale:
    """The size of a head."""

    factor: float
    """Over the reference face."""
    relative_sd: float
    """Standard deviation over the factor."""
    source: str
    """assumed, iris or depth."""
    disagrees: bool = False
    """It was measured, and is far from what was assumed."""


def assumed(head_scale: float) -> HeadScale:
    """Return the size that a head is taken to have."""
    return HeadScale(head_scale, HEAD_SIZE_SD, "assumed")


class IrisScale:
    """A track's running estimate from its irises: the median of the latest readings."""

    def __init__(self) -> None:
        self._readings: deque[float] = deque(maxlen=IRIS_MEMORY)

    def updated(self, points_px: Float32, seen: Float64, solution: Solution) -> HeadScale | None:
        """Take a further mesh into account; return the estimate, None before the first reading."""
        reading = iris_factor(points_px, seen, solution)
        if reading is not None:
            self._readings.append(reading)
        return HeadScale(float(np.median(self._readings)), IRIS_SD, "iris") if self._readings else None


def iris_factor(points_px: Float32, seen: Float64, solution: Solution) -> float | None:
    """Return the head's size over the reference face from both irises; None unless both are seen well.

    Args:
        points_px: (468 | 478, 3); without irises there is no reading.
        seen: (468 | 478, 2): their rays.
        solution: the pose of a head of the reference size.
    """
    outwards, sight = solution.rotation[:, 0], solution.position / np.linalg.norm(solution.position)
    if len(points_px) < ALL_POINTS or -outwards @ sight < IRIS_WIDEST_TURN:
        return None
    right, left = (_iris_m(points_px, seen, solution, side) for side in ("right", "left"))
    return None if right is None or left is None else IRIS_M / (0.5 * (right + left))


def _iris_m(points_px: Float32, seen: Float64, solution: Solution, side: str) -> float | None:
    """Return the diameter that an iris would have on a head of the reference size."""
    topology = face_topology()
    lids, rim = topology.loops[f"{side}_eye"], topology.loops[f"{side}_iris"]
    if _opening(points_px[lids, :2].astype(np.float64)) < IRIS_LEAST_OPENING:
        return None
    across_px = points_px[rim[:2], :2] - points_px[rim[2:], :2]
    if np.linalg.norm(across_px, axis=1).mean() < IRIS_LEAST_PX:
        return None
    directions = np.column_stack([seen[rim], np.ones(4)])
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    distance_m = np.linalg.norm(solution.points()[lids].mean(axis=0))
    diameter = float(distance_m * np.linalg.norm(directions[:2] - directions[2:], axis=1).mean())
    return diameter if np.isfinite(diameter) and diameter > 0.0 else None


def _opening(lids: Float64) -> float:
    """Return the gap between the lids over the width of the eye, from its 16 points, the outer corner first."""
    gap = np.linalg.norm(lids[[3, 4, 5]] - lids[[13, 12, 11]], axis=1).mean()
    return float(gap / max(float(np.linalg.norm(lids[0] - lids[8])), 1e-9))


def scaled_by_depth(
    depth_m: NDArray[np.float32], camera: Camera, solution: Solution, head_scale: float = 1.0
) -> HeadScale | None:
    """Return the head's size from a depth image: the median over rigid points of measured over posed depth.

    Holes, points at edges of the depth (flying pixels) and outliers are left out; None where too little remains.

    Args:
        depth_m: (H, W) float32, m along the optical axis, aligned with the image; 0 and NaN are holes.
        camera: the calibration of the image.
        solution: the pose of a head of the reference size.
        head_scale: the size that is assumed otherwise, to tell disagreement.
    """
    rigid = RIGID[visibility(solution)[RIGID] >= 1.0]
    points = solution.points()[rigid]
    measured = _measured_depth(depth_m, project(camera, points))
    good = np.isfinite(measured)
    if good.sum() < max(DEPTH_LEAST_SHARE * len(rigid), 5):
        return None
    ratios = measured[good] / points[good, 2]
    off = np.abs(ratios - np.median(ratios))
    kept = ratios[off <= DEPTH_OUTLIER * 1.4826 * np.median(off) + 1e-6]
    factor = float(np.median(kept))
    disagreement = abs(factor / head_scale - 1.0)
    disagrees = disagreement > LARGEST_DISAGREEMENT  # a wall behind the head, or a head of no usual size: who knows?
    return HeadScale(factor, max(DEPTH_SD, disagreement) if disagrees else DEPTH_SD, "depth", disagrees)


def _measured_depth(depth_m: NDArray[np.float32], points_px: Float64) -> Float64:
    """Return (N,) m at the pixels nearest to (N, 2) px: NaN at holes and edges, and outside the image."""
    height, width = depth_m.shape
    if min(height, width) < 3:
        return np.full(len(points_px), np.nan)
    near = np.arange(-1, 2)
    columns = np.rint(np.nan_to_num(points_px[:, 0], nan=-9.0)).astype(np.int64)
    rows = np.rint(np.nan_to_num(points_px[:, 1], nan=-9.0)).astype(np.int64)
    inside = (columns >= 1) & (columns < width - 1) & (rows >= 1) & (rows < height - 1)
    columns, rows = np.where(inside, columns, 1), np.where(inside, rows, 1)
    patches = depth_m[rows[:, None, None] + near[:, None], columns[:, None, None] + near].reshape(-1, 9)
    known = (patches > NEAREST_M) & (patches < FARTHEST_M)  # so is no NaN
    good = inside & known[:, 4]
    middle = np.where(good, patches[:, 4], 1.0).astype(np.float64)
    patches = np.where(known, patches, middle[:, None])
    good &= np.ptp(patches, axis=1) <= DEPTH_STEP * middle
    return np.where(good, middle, np.nan)
