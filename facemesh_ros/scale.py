"""How large is this head? Assumed, from its irises, or from a depth image: one factor on the reference face.

An image alone does not tell a small head nearby from a large one far away, so the pose is solved for the reference
size, and position and mesh are multiplied by the factor: that changes nothing in the image. A head does not grow from
one image to the next, so what was measured of a track stays known while nothing can be measured.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
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
IRIS_M = 0.0117
"""Visible diameter of adult irises from side to side, 11.7 ± 0.5 mm (11.71 ± 0.42: Rüfer, Schröder and Erb, Cornea 24,
2005). Up and down an eye shows less of it."""
IRIS_WIDEST_TURN = np.cos(np.radians(30.0))
"""Cosine of the angle between face and line of sight up to which both irises are seen well: the size that they tell of
one person is 3 % larger at 25 to 30°, and 13 to 17 % at 30 to 40° (bench/irises.py)."""
IRIS_LEAST_OPENING = 0.15
"""Gap of the lids over the width of the eye."""
IRIS_LEAST_PX = 2.0
"""Diameter: on a portrait shrunk until it was 2.4 px, the distance came out 2 to 3 % off the mean of all sizes."""
IRIS_LARGEST_DIFFERENCE = 0.15
"""Between a person's two irises, over their mean. They are alike: where they seem not to be, one is not seen well."""
MEMORY = 61
"""Readings of which a track's median is taken, two seconds at 30 Hz: half as many put a wrong beginning right."""
ALIKE = 6.0
"""Successive readings of a track that err alike: in clips their correlation is 0.6 to the next image, 0.2 over five."""
QUARTILES_SD = 1.349
"""Between the quartiles of a normal distribution, in its standard deviation."""
DEPTH_LEAST_SHARE = 0.3
"""Of the rigid points in sight, with a depth to be believed."""
DEPTH_STEP = 0.03
"""Relative depth within 3 x 3 pixels that only an edge has: pixels about it may fly between front and back."""
DEPTH_OUTLIER = 3.0
"""Robust standard deviations from the median."""
LARGEST_DISAGREEMENT = 0.25
"""Of the size by depth and the one held otherwise: five standard deviations of heads."""


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
    """It was measured, and is far from what would be held otherwise."""


@dataclass(frozen=True)
class Measure:
    """A way of measuring the size of a head."""

    source: str
    sd: float
    """Relative standard deviation of what no number of readings tells."""
    reading_sd: float
    """That of one reading, besides."""
    largest_disagreement: float
    """With the size held otherwise, relative: beyond it the measured one is doubted."""


IRISES = Measure("iris", 0.043, 0.052, np.inf)
"""Half a millimetre of 11.7; faces in single pictures differ by 8.4 %, of which 5 % are the heads' and the rest is one
reading's (bench/irises.py). It disagrees with no assumption, as it is asked for where heads are of any size."""
DEPTH = Measure("depth", 0.02, 0.0, LARGEST_DISAGREEMENT)


def assumed(head_scale: float) -> HeadScale:
    """Return the size that a head is taken to have."""
    return HeadScale(head_scale, HEAD_SIZE_SD, "assumed")


class RunningScale:
    """A track's size by one measure: the median of its latest readings."""

    def __init__(self, measure: Measure) -> None:
        self._measure = measure
        self._readings: deque[float] = deque(maxlen=MEMORY)

    def updated(self, reading: float | None, otherwise: HeadScale) -> HeadScale:
        """Take a further reading, if any, into account; return the estimate.

        Args:
            reading: the size over the reference face.
            otherwise: what is held without this measure: returned before the first reading, and compared with.
        """
        if reading is not None:
            self._readings.append(reading)
        return self._estimate(otherwise) if self._readings else otherwise

    def _estimate(self, otherwise: HeadScale) -> HeadScale:
        measure, ordered = self._measure, sorted(self._readings)
        factor = _middle(ordered, otherwise.factor)
        noise = measure.reading_sd / math.sqrt(max(len(ordered) / ALIKE, 1.0))
        sd = max(math.hypot(measure.sd, noise), _spread(ordered) / factor)
        # A wall behind the head, or a head of no usual size? Then one deviation reaches to what is held otherwise.
        disagrees = abs(factor / otherwise.factor - 1.0) > measure.largest_disagreement
        doubt = abs(otherwise.factor / factor - 1.0) if disagrees else 0.0
        return HeadScale(factor, max(sd, doubt), measure.source, disagrees)


def _middle(ordered: Sequence[float], expected: float) -> float:
    """Return the median; of two in the middle, the one nearer to what is expected: one of two readings may be wild."""
    return min(ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2], key=lambda one: abs(one - expected))


def _spread(ordered: Sequence[float]) -> float:
    """Return the standard deviation by the quartiles: readings of two kinds show in it, a few outliers do not."""
    outside = len(ordered) // 4
    return (ordered[-1 - outside] - ordered[outside]) / QUARTILES_SD


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
    if right is None or left is None or abs(right - left) > IRIS_LARGEST_DIFFERENCE * 0.5 * (right + left):
        return None
    return IRIS_M / (0.5 * (right + left))


def _iris_m(points_px: Float32, seen: Float64, solution: Solution, side: str) -> float | None:
    """Return the diameter that an iris would have on a head of the reference size.

    Its rim is two diameters that were square to each other: of the ellipse as which a disc appears, a pair of conjugate
    ones. The longest diameter of that is the disc's own, whichever way it is turned.
    """
    topology = face_topology()
    lids, rim = topology.loops[f"{side}_eye"], topology.loops[f"{side}_iris"]
    if _opening(points_px[lids, :2].astype(np.float64)) < IRIS_LEAST_OPENING:
        return None
    across_px = points_px[rim[:2], :2] - points_px[rim[2:], :2]
    if np.linalg.norm(across_px, axis=1).mean() < IRIS_LEAST_PX:
        return None
    directions = np.column_stack([seen[rim], np.ones(4)])
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    across, down = directions[:2] - directions[2:]
    squares = across @ across + down @ down
    longest = np.sqrt(0.5 * (squares + np.hypot(across @ across - down @ down, 2.0 * (across @ down))))
    diameter = float(np.linalg.norm(solution.points()[lids].mean(axis=0)) * longest)
    return diameter if np.isfinite(diameter) and diameter > 0.0 else None


def _opening(lids: Float64) -> float:
    """Return the gap between the lids over the width of the eye, from its 16 points, the outer corner first."""
    gap = np.linalg.norm(lids[[3, 4, 5]] - lids[[13, 12, 11]], axis=1).mean()
    return float(gap / max(float(np.linalg.norm(lids[0] - lids[8])), 1e-9))


def depth_factor(depth_m: NDArray[np.float32], camera: Camera, solution: Solution) -> float | None:
    """Return the head's size over the reference face from a depth image; None where too little of it is seen.

    It is the median over rigid points of measured over posed depth, without holes, points at edges of the depth
    (flying pixels) and outliers.

    Args:
        depth_m: (H, W) float32, m along the optical axis, aligned with the image; 0 and NaN are holes.
        camera: the calibration of the image.
        solution: the pose of a head of the reference size.
    """
    rigid = RIGID[visibility(solution)[RIGID] >= 1.0]
    points = solution.points()[rigid]
    measured = _measured_depth(depth_m, project(camera, points))
    good = np.isfinite(measured)
    if good.sum() < max(DEPTH_LEAST_SHARE * len(rigid), 5):
        return None
    ratios = measured[good] / points[good, 2]
    off = np.abs(ratios - np.median(ratios))
    return float(np.median(ratios[off <= DEPTH_OUTLIER * 1.4826 * np.median(off) + 1e-6]))


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
