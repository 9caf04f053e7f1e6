"""The points of a mesh at the corners of its triangles or at the ends of its lines, one after another.

OpenCV's remap takes them: whole points at a time, of any type, straight to their place, by numbers of two bytes.
numpy.take is slower with rows of three, and wants eight bytes for each of their numbers, all to be read for every face.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from facemesh_ros.topology import face_topology
from facemesh_ros.types import Float64


@lru_cache(maxsize=16)
def corners(of: str, point_count: int) -> NDArray[np.intp]:
    """Return the points of the mesh, (C,), at the corners of its triangles, or at the ends of its lines."""
    return np.asarray(getattr(face_topology(point_count), of), np.intp).ravel()


@lru_cache(maxsize=16)
def _map(of: str, point_count: int) -> NDArray[np.int16]:
    """Return the same as (1, C, 2) int16: columns and rows of an image that is one row of points."""
    columns = corners(of, point_count).astype(np.int16)
    return np.stack([columns, np.zeros_like(columns)], axis=1)[np.newaxis]


def gathering(of: str, point_count: int, out: Float64) -> Callable[[Float64], None]:
    """Return what writes a mesh's points, (1, N, 3) float64, at those corners into ``out``, (3 C,) float64."""
    where, rows = _map(of, point_count), out.reshape(1, -1, 3)
    assert np.shares_memory(rows, out), "the place of the points has gaps"

    def gather(points: Float64) -> None:
        cv2.remap(points, where, None, cv2.INTER_NEAREST, rows)  # type: ignore[call-overload]

    return gather
