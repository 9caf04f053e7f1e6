"""The whole mesh in metres: each point on its own ray, as deep as the pose and the network's relief say."""

from __future__ import annotations

import numpy as np

from facemesh_ros.checks import all_finite
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
    directions = np.ones((len(seen), 3))
    directions[:, :2] = seen
    posed = solution.points()
    middle = posed.mean(axis=0)
    ahead = middle / np.linalg.norm(middle)
    depths = _depths(points_px.astype(np.float64), posed, ahead)
    metric: Float64 = directions * (depths / (directions @ ahead))[:, np.newaxis]
    return metric


def _depths(points_px: Float64, posed: Float64, ahead: Float64) -> Float64:
    """Return (N,) m along the line of sight; the ridge keeps them finite for a mesh that is flat."""
    mesh = points_px - points_px[RIGID].mean(axis=0)
    rigid, wanted = mesh[RIGID], posed[RIGID] @ ahead
    square = rigid.T @ rigid
    slopes = np.linalg.solve(square + 1e-9 * np.trace(square) * np.eye(3), rigid.T @ wanted)
    return np.asarray(wanted.mean() + mesh @ slopes, np.float64)
