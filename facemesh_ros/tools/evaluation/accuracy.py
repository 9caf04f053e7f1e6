"""How far the points of a matched face lie from the annotated ones, and the groups over which that is averaged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facemesh_ros.tools.evaluation.ibug68 import INNER
from facemesh_ros.tools.evaluation.matching import mean_distance

_RIGHT_EYE, _LEFT_EYE = 36, 45
"""The outer corners of the eyes in iBUG order."""
_SIZE_EDGES_PX = (24.0, 40.0, 60.0, 100.0, 200.0)
_YAW_EDGES_DEG = (15.0, 30.0, 45.0)


@dataclass(frozen=True)
class Accuracy:
    """Mean distances of one matched face as shares of its size."""

    nme51_iod: float
    """Over the 51 inner points, of the distance of the outer corners of the eyes."""
    nme68_iod: float
    """Over all 68."""
    nme51_bbox: float
    """Over the 51 inner points, of √(width·height) of the annotated points."""
    nme68_bbox: float

    @classmethod
    def of(cls, found: NDArray[Any], truth: NDArray[Any], size_px: float) -> Accuracy:
        """Compare (68, 2) px with (68, 2) px; ``size_px`` is √(width·height) of the annotated points."""
        inner, every = mean_distance(found[INNER], truth[INNER]), mean_distance(found, truth)
        iod, size = eye_distance68(truth), size_px
        return cls(inner / iod, every / iod, inner / size, every / size)


ACCURACIES = ("nme51_iod", "nme68_iod", "nme51_bbox", "nme68_bbox")


def eye_distance68(points68: NDArray[Any]) -> float:
    """Return the distance of the outer corners of the eyes, px."""
    return float(np.linalg.norm(points68[_LEFT_EYE] - points68[_RIGHT_EYE]))


def face_size(points: NDArray[Any]) -> float:
    """Return √(width·height) of the points' box, px."""
    return float(np.sqrt(np.prod(np.ptp(points[:, :2], axis=0))))


@dataclass(frozen=True)
class Bin:
    """A range of sizes or angles: from ``low``, included, to ``high``, left out."""

    name: str
    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Tell whether the value belongs here."""
        return self.low <= value < self.high


def _bins(edges: Sequence[float], unit: str) -> tuple[Bin, ...]:
    first, last = edges[0], edges[-1]
    between = [Bin(f"{low:g}–{high:g}{unit}", low, high) for low, high in pairwise(edges)]
    return (Bin(f"< {first:g}{unit}", 0.0, first), *between, Bin(f"≥ {last:g}{unit}", last, np.inf))


SIZE_BINS = (*_bins(_SIZE_EDGES_PX, " px"), Bin("all < 60 px", 0.0, 60.0), Bin("all ≥ 60 px", 60.0, np.inf))
"""Of √(width·height) of the annotated points, px; the last two are totals."""
YAW_BINS = (*_bins(_YAW_EDGES_DEG, "°"), Bin("all ≥ 30°", 30.0, np.inf))
"""Of the absolute yaw, degrees; the last one is a total."""


def mean_median(values: Sequence[float]) -> dict[str, float] | None:
    """Return both; None of no values."""
    return {"mean": float(np.mean(values)), "median": float(np.median(values))} if len(values) else None
