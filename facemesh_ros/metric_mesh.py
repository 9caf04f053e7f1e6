"""The whole mesh in metres: each point on its own ray, as deep as the pose and the network's relief say."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from scipy.linalg.lapack import dposv

from facemesh_ros.checks import all_finite
from facemesh_ros.head import frozen, head_points
from facemesh_ros.pose import Solution
from facemesh_ros.topology import RIGID
from facemesh_ros.types import Float32, Float64


def metric_points(points_px: Float32, seen: Float64, solution: Solution) -> Float64 | None:
    """Return (468 | 478, 3) points, m in the camera's optical frame, for a head of the reference size.

    Every point is drawn exactly where the mesh has it. Its depth along the line of sight to the face is an affine
    function of the network's x, y and z: the one that comes nearest to the posed reference face at its rigid points.
    So the shape is the person's own, and place, turn and depth are the pose's. None where a point has no ray.

    Args:
        points_px: (468 | 478, 3) px.
        seen: (468 | 478, 2): their rays.
        solution: the pose.
    """
    if not all_finite(seen):
        return None
    rotation, position = solution.rotation, solution.position
    middle = rotation @ _middle() + position
    ahead = middle / math.sqrt(middle @ middle)
    depths = _depths(points_px, _rigid() @ (ahead @ rotation) + ahead @ position)
    distances = depths / (seen @ ahead[:2] + ahead[2])  # along the camera's axis
    metric = np.empty((len(seen), 3))
    np.multiply(seen, distances[:, np.newaxis], out=metric[:, :2])
    metric[:, 2] = distances
    return metric


def _depths(points_px: Float32, wanted: Float64) -> Float64:
    """Return (N,) m along the line of sight, from those of the rigid points; the ridge keeps flat meshes finite."""
    rigid = points_px.take(RIGID, axis=0).astype(np.float64)
    middle = np.add.reduce(rigid, axis=0) / len(RIGID)
    rigid -= middle
    square = rigid.T @ rigid
    square.reshape(-1)[::4] += 1e-9 * float(np.vdot(rigid, rigid))
    _, slopes, _ = dposv(square, wanted @ rigid)  # in the processor's cache, where the pose used it just now
    return np.asarray(points_px @ slopes + (float(np.add.reduce(wanted)) / len(RIGID) - middle @ slopes), np.float64)


@lru_cache(maxsize=1)
def _middle() -> Float64:
    """Return the mean of the points of the reference face, (3,) m in the head's axes; read-only."""
    return frozen(head_points().mean(axis=0))


@lru_cache(maxsize=1)
def _rigid() -> Float64:
    """Return its rigid points, (R, 3) m in the head's axes; read-only."""
    return frozen(head_points()[RIGID])
