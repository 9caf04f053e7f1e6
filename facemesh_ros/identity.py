"""Whether a face seen now is one known before: the cost of taking it so, and the cheapest assignment of many.

The cost adds three shares: how far the face is from where it was expected, how much its size changed, and how much its
shape did. Each share is 1 where it alone makes a match implausible, and together they must stay below that.

Measured on clips of 11 people, 30 images a second (distances of :func:`face_shape`; medians and 99 % quantiles):
one person from image to image 0.006 and 0.037; 0.3 to 2 s apart, with the head turning, 0.019 and 0.077; two persons
0.062, one pair in twenty below 0.034. From image to image a face moves by 0.03 and 0.1 of its width and changes its
size by 1 % and 8 %. A region that lags by a quarter of a face distorts the mesh by 0.08 to 0.11. So shape tells most
strangers at once, but few once the head may have turned: place and size must then help. With these limits, two sights
of one of 8 people who stand side by side are plausible as one, 0.03, 0.2, 0.5 and 1 s apart, in 100, 99.5, 97 and 90 %,
and sights of two of them in 0, 0.2, 2 and 9 %.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from facemesh_ros.types import Float32, Float64

IMPLAUSIBLE = 1.0
"""Costs from here on forbid a match, and an assignment pays this much for what it leaves alone."""
FARTHEST_FACES, FARTHEST_FACES_PER_S = 1.5, 2.0
"""A face is expected within so many face sizes of its place, and so many more for each second out of sight."""
LARGEST_LOG_RATIO = 0.8
"""Of sizes: the face has come, or gone, to 2.2 times as near."""
SHAPE_CHANGE, SHAPE_CHANGE_PER_S, LARGEST_SHAPE_CHANGE = 0.08, 0.1, 0.125
"""Between neighbouring images, for each second between them (the head turns), and at most."""

SMALLEST_FACE_PX = 1e-3
"""Keeps the shape of points that coincide finite."""

_LANDMARKS = np.array([4, 6, 10, 33, 133, 362, 263, 129, 358, 127, 356, 132, 361, 205, 425, 152])
"""Nose, forehead, eye corners, nostrils, sides, cheeks and chin: bone, mostly, on both sides."""
_FIRST, _SECOND = np.triu_indices(len(_LANDMARKS), 1)


@dataclass(frozen=True, eq=False)
class Likeness:
    """What a face is like."""

    x: float
    y: float
    """Centre, px of the full image."""
    size: float
    """Longer side of the box around it, px."""
    shape: Float64
    """Of :func:`face_shape`."""


def face_shape(points: Float32) -> Float64:
    """Return (120,) distances between 16 landmarks of a mesh ((N, 3) px), over their root mean square.

    They do not change with the place, size and turn of the face, nor, as far as the network's depth holds, its pose.
    """
    landmarks = points.take(_LANDMARKS, axis=0).T.astype(np.float64)
    squares = landmarks.take(_FIRST, axis=1) - landmarks.take(_SECOND, axis=1)
    squares *= squares
    lengths = squares[0] + squares[1] + squares[2]
    shape: Float64 = np.sqrt(lengths * (len(lengths) / max(float(lengths.sum()), SMALLEST_FACE_PX**2)))
    return shape


def cost(known: Likeness, seen: Likeness, gap_s: float, ahead_xy: tuple[float, float]) -> float:
    """Return how unlikely it is, from 0, that ``seen`` is a face last seen ``gap_s`` ago; IMPLAUSIBLE at most.

    The face has stopped where it was known to be, or has gone on to ``ahead_xy``: the nearer place counts. What is left
    to IMPLAUSIBLE shrinks with the area in which the face may be by now: of two faces that fit equally well, the one
    seen more recently is it.
    """
    away = min(math.hypot(seen.x - known.x, seen.y - known.y), math.hypot(seen.x - ahead_xy[0], seen.y - ahead_xy[1]))
    size = math.sqrt(known.size * seen.size)
    farthest = FARTHEST_FACES + FARTHEST_FACES_PER_S * gap_s
    shares = away / (size * farthest)
    shares += abs(math.log(seen.size / known.size)) / LARGEST_LOG_RATIO
    if shares >= IMPLAUSIBLE:
        return IMPLAUSIBLE
    change = seen.shape - known.shape
    allowed = min(SHAPE_CHANGE + SHAPE_CHANGE_PER_S * gap_s, LARGEST_SHAPE_CHANGE)
    shares += math.sqrt(float(change @ change) / len(change)) / allowed
    return IMPLAUSIBLE - max(IMPLAUSIBLE - shares, 0.0) * (FARTHEST_FACES / farthest) ** 2


def assign(costs: Sequence[Sequence[float]]) -> tuple[tuple[int, int], ...]:
    """Return the pairs (row, column) of the cheapest assignment that are plausible, in the order of rows.

    What is left alone costs IMPLAUSIBLE, so that no good match is given up for two poor ones.
    """
    if not costs or not costs[0]:
        return ()
    pairs = _plain(costs)
    if pairs is None:
        pairs = [(int(row), int(column)) for row, column in zip(*linear_sum_assignment(np.array(costs)), strict=True)]
    return tuple((row, column) for row, column in pairs if costs[row][column] < IMPLAUSIBLE)


def _plain(costs: Sequence[Sequence[float]]) -> list[tuple[int, int]] | None:
    """Give each row its cheapest column, where no two rows want the same: no assignment is cheaper."""
    pairs = []
    for row, of_row in enumerate(costs):
        least = min(of_row)
        if least < IMPLAUSIBLE:
            if of_row.count(least) > 1:
                return None
            pairs.append((row, of_row.index(least)))
    return pairs if len({column for _, column in pairs}) == len(pairs) else None
