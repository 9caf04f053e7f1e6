"""Head pose from the image: where the reference face must be to appear as the mesh does.

Only x and y of the mesh count, seen as rays through the camera's own calibration; the network's z, which is not metric,
takes no part. Solved by Levenberg-Marquardt on SE(3) with Huber's weights, from a given start, or from POS (DeMenthon
and Davis, "Model-based object pose in 25 lines of code", IJCV 1995) and its mirror image in depth, of which the one
that fits better stays. docs/geometry.md has the formulas.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from facemesh_ros.lens import pixels_per_ray
from facemesh_ros.topology import RIGID, face_normals, reference_face
from facemesh_ros.types import Camera, Float64

HEAD_FROM_REFERENCE = np.array([[0.0, 0.0, -1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
"""The reference face looks out of an image (x right, y down, z away); a head (REP 155) has x out of the face, y to its
left and z to the scalp. Both begin at the sellion."""
NOISE_PX = 0.5
"""Standard deviation of x and of y of a point that it does not share with its neighbours."""
SHARED_POINTS = 12.0
"""What is left over beyond NOISE_PX is the shape of this very face: about so many neighbouring points have it alike."""
HUBER = 2.0
"""A point that is off by more standard deviations pulls no harder: of two normal errors together, one in seven is."""
RAYLEIGH_MEDIAN = 1.1774
"""Median length of two independent normal errors, in their standard deviation."""
GRAZING = 0.35
"""Cosine of the angle between normal and line of sight from which on a point counts in full; at 0 it is hidden."""
LEAST_POINTS = 8
"""With fewer in sight there is no pose."""
MOST_STEPS, SMALLEST_STEP = 30, 1e-4
"""The latter in rad, and in distances from the camera."""
NEAREST_M, FARTHEST_M = 0.02, 100.0
"""Of a head of the reference size."""
LOST = 0.15
"""Error over the size of the face: more is left over by no labelled face, but by a start in the wrong place."""


@dataclass(frozen=True, eq=False)
class Solution:
    """The pose of a head of the reference size."""

    rotation: Float64
    """(3, 3): camera_from_head."""
    position: Float64
    """(3,) m."""
    error_px: float
    """Weighted root mean square reprojection error."""
    covariance: Float64
    """(6, 6): x, y, z (m), rotation about x, y, z (rad), in the camera's optical frame."""

    def points(self) -> Float64:
        """Return the (468, 3) points of the reference face, m in the camera's optical frame."""
        return np.asarray(head_points() @ self.rotation.T + self.position, np.float64)


@dataclass(frozen=True, eq=False)
class _Sight:
    """The points that count and have a ray."""

    model: Float64
    """(N, 3) m, in the head's axes."""
    normals: Float64
    """(N, 3)."""
    rays: Float64
    """(N, 2)."""
    pixels_per_ray: Float64
    """(N, 2, 2)."""
    size_px: float
    """Of the face: root mean square distance of its points from their middle."""


@dataclass(frozen=True, eq=False)
class _Placed:
    """The points of a sight under some pose."""

    rotation: Float64
    position: Float64
    turned: Float64
    """(N, 3) m: the model, turned only."""
    points: Float64
    """(N, 3) m in the camera's frame."""
    residuals: Float64
    """(N, 2) px: where they appear less where they are seen."""
    off2: Float64
    """(N,) px²: squared length of the residuals."""


@lru_cache(maxsize=1)
def head_points() -> Float64:
    """Return the (468, 3) points of the reference face in the head's axes, m; read-only."""
    points: Float64 = reference_face() @ HEAD_FROM_REFERENCE.T
    points.flags.writeable = False
    return points


@lru_cache(maxsize=1)
def head_normals() -> Float64:
    """Return (468, 3) unit normals of the reference face in the head's axes, out of the face; read-only."""
    normals: Float64 = face_normals(reference_face()) @ HEAD_FROM_REFERENCE.T
    normals.flags.writeable = False
    return normals


def solve(seen: Float64, camera: Camera, start: Solution | None = None) -> Solution | None:
    """Return the pose in which the reference face appears as a mesh does; None where there is none to be believed.

    Args:
        seen: (468 | 478, 2): the rays of the mesh's points, NaN for those without (:func:`facemesh_ros.lens.rays`).
        camera: the calibration of the image.
        start: where the same head was shortly before; None to begin from nothing.
    """
    sight = _sight(seen, camera)
    if sight is None:
        return None
    if start is not None:
        found = _refined(sight, start.rotation, start.position)
        if found is not None and _fits(found, sight):
            return found
    candidates = [_refined(sight, *one) for one in _starts(sight)]
    sound = [one for one in candidates if one is not None and _fits(one, sight)]
    return min(sound, key=lambda one: one.error_px, default=None)


def visibility(solution: Solution) -> Float64:
    """Return how well each of the 468 points is seen, 0 to 1, by the direction of the surface."""
    return _facing(solution.points(), head_normals() @ solution.rotation.T)


def _sight(seen: Float64, camera: Camera) -> _Sight | None:
    index = RIGID[np.isfinite(seen[RIGID, 0])]
    if len(index) < LEAST_POINTS:
        return None
    per_ray = pixels_per_ray(camera, seen[index])
    size_px = np.sqrt(seen[index].var(axis=0).sum() * np.abs(np.linalg.det(per_ray)).mean())
    return _Sight(head_points()[index], head_normals()[index], seen[index], per_ray, float(size_px))


def _starts(sight: _Sight) -> Iterator[tuple[Float64, Float64]]:
    """Yield rotation and position by POS along the line of sight, then with the face mirrored in depth."""
    ahead = np.array([*sight.rays.mean(axis=0), 1.0])
    across = np.cross([0.0, 1.0, 0.0], ahead)
    axes = [across, np.cross(ahead, across), ahead]
    camera_from_view = np.stack([axis / np.linalg.norm(axis) for axis in axes], axis=1)
    seen = np.column_stack([sight.rays, np.ones(len(sight.rays))]) @ camera_from_view
    homogeneous = np.column_stack([sight.model, np.ones(len(sight.model))])
    affine = np.linalg.lstsq(homogeneous, seen[:, :2] / seen[:, 2:], rcond=None)[0]
    left, scales, right = np.linalg.svd(affine[:3].T, full_matrices=False)
    rows = left @ right
    rotation = camera_from_view @ np.stack([*rows, np.cross(*rows)])
    position = camera_from_view @ np.array([*affine[3], 1.0]) / max(float(scales.mean()), 1e-9)
    yield rotation, position
    depth = camera_from_view[:, 2]
    yield (np.eye(3) - 2.0 * np.outer(depth, depth)) @ rotation * [-1.0, 1.0, 1.0], position


def _refined(sight: _Sight, rotation: Float64, position: Float64) -> Solution | None:
    """Follow the residuals down from a start; None where that leads behind the camera or shows no face."""
    now = _placed(sight, rotation, position)
    damping = 1e-5
    for _ in range(MOST_STEPS):
        weights = _weights(sight, now)
        if now.points[:, 2].min() <= NEAREST_M or np.count_nonzero(weights) < LEAST_POINTS:
            return None
        jacobian = _jacobian(sight, now)
        weighted = jacobian * np.repeat(weights, 2)[:, np.newaxis]
        hessian, gradient = weighted.T @ jacobian, weighted.T @ now.residuals.ravel()
        damped = hessian + damping * np.diag(hessian.diagonal())
        step = -np.linalg.solve(damped, gradient)
        then = _placed(sight, _turn(step[3:]) @ now.rotation, now.position + step[:3])
        if then.points[:, 2].min() > 0.0 and weights @ then.off2 <= weights @ now.off2:
            now, damping = then, 0.1 * damping
        else:
            damping = max(10.0 * damping, 1e-3)
        if max(np.abs(step[3:]).max(), np.abs(step[:3]).max() / now.position[2]) < SMALLEST_STEP:
            break
    return _solution(sight, now)


def _placed(sight: _Sight, rotation: Float64, position: Float64) -> _Placed:
    turned = sight.model @ rotation.T
    points = turned + position
    off = points[:, :2] / points[:, 2:] - sight.rays
    residuals = (sight.pixels_per_ray @ off[:, :, np.newaxis])[:, :, 0]
    return _Placed(rotation, position, turned, points, residuals, np.einsum("ij,ij->i", residuals, residuals))


def _jacobian(sight: _Sight, at: _Placed) -> Float64:
    """Return the (2 N, 6) derivative of the residuals by position and rotation about the camera's axes."""
    depth = at.points[:, 2, np.newaxis, np.newaxis]
    jacobian = np.empty((len(at.points), 2, 6))
    jacobian[:, :, :2] = sight.pixels_per_ray / depth
    jacobian[:, :, 2] = -(jacobian[:, :, :2] @ (at.points[:, :2, np.newaxis] / depth))[:, :, 0]
    (x, y, z), (a, b, c) = at.turned.T[:, :, np.newaxis], np.moveaxis(jacobian[:, :, :3], 2, 0)
    jacobian[:, :, 3] = y * c - z * b  # a residual's row r turns with the point p as r · (w × p) = w · (p × r)
    jacobian[:, :, 4] = z * a - x * c
    jacobian[:, :, 5] = x * b - y * a
    return jacobian.reshape(-1, 6)


def _facing(points: Float64, normals: Float64) -> Float64:
    """Return (N,) from 0 to 1, from points and the normals of their surface in the camera's frame."""
    towards = -np.einsum("ij,ij->i", points, normals) / np.sqrt(np.einsum("ij,ij->i", points, points))
    return np.asarray(np.minimum(np.maximum(towards / GRAZING, 0.0), 1.0), np.float64)


def _weights(sight: _Sight, at: _Placed) -> Float64:
    """Return (N,) from 0 to 1: in sight, and where most others would have it."""
    in_sight = _facing(at.points, sight.normals @ at.rotation.T)
    median2 = float(np.sort(at.off2)[len(at.off2) // 2])  # a tenth of the time of np.median
    knee2 = HUBER**2 * max(median2 / RAYLEIGH_MEDIAN**2, NOISE_PX**2)
    return np.asarray(in_sight * np.sqrt(np.minimum(1.0, knee2 / np.maximum(at.off2, 1e-12))), np.float64)


def _solution(sight: _Sight, at: _Placed) -> Solution:
    weights, jacobian = _weights(sight, at), _jacobian(sight, at)
    off2 = float(weights @ at.off2) / max(float(weights.sum()), 1e-12)
    doubled = np.repeat(weights, 2)[:, np.newaxis]
    inverse = np.linalg.inv((jacobian * doubled).T @ jacobian)
    spread = inverse @ ((jacobian * doubled**2).T @ jacobian) @ inverse
    shape_px2 = max(0.5 * off2 - NOISE_PX**2, 0.0)
    return Solution(at.rotation, at.position, float(np.sqrt(off2)), (NOISE_PX**2 + SHARED_POINTS * shape_px2) * spread)


def _turn(by: Float64) -> Float64:
    """Return the (3, 3) rotation by a vector, rad (Rodrigues)."""
    angle = float(np.sqrt(by @ by))
    x, y, z = by / max(angle, 1e-300)
    skew = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.asarray(np.eye(3) + np.sin(angle) * skew + (1.0 - np.cos(angle)) * skew @ skew, np.float64)


def _fits(found: Solution, sight: _Sight) -> bool:
    return found.error_px <= LOST * sight.size_px and float(np.linalg.norm(found.position)) <= FARTHEST_M
