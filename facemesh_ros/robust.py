"""How much a point counts: less, the more its surface looks away, and the farther it is off."""

from __future__ import annotations

import numpy as np

from facemesh_ros.types import Float64

HUBER = 2.0
"""A point that is off by more standard deviations pulls no harder: of two normal errors together, one in seven is."""
GRAZING = 0.35
"""Cosine of the angle between normal and line of sight from which on a point counts in full; at 0 it is hidden."""


def facing(points: Float64, normals: Float64) -> Float64:
    """Return (N,) from 0 to 1, from (3, N) points and the normals of their surface in the camera's frame."""
    towards, length2 = points * normals, points * points
    cosine = (towards[0] + towards[1] + towards[2]) / np.sqrt(length2[0] + length2[1] + length2[2])
    return np.asarray(np.minimum(np.maximum(cosine / -GRAZING, 0.0), 1.0), np.float64)


def median(numbers: Float64) -> float:
    """Return the median of (N,) numbers, of two in the middle the larger: in a tenth of the time of np.median."""
    return float(np.sort(numbers)[len(numbers) // 2])


def huber(off2: Float64, noise2: float) -> Float64:
    """Return the (N,) weights of errors with squares ``off2``: the inverse variance, less of what is far off."""
    knee2 = HUBER * HUBER * noise2
    return np.asarray(np.sqrt(knee2 / np.maximum(off2, knee2)) / noise2, np.float64)
