"""Head pose from the image: where the reference face must be to appear as the mesh does.

x and y of the mesh count as rays through the camera's own calibration. The network's z counts as what it is: relief
along the line of sight to the face, not along the camera's axis, and only known to RELIEF_SD_M. So it decides where x
and y say little, above all how far a head nods, and loses its say where they are exact.

Solved by Levenberg-Marquardt on SE(3) with Huber's weights, from a given start, or from POS (DeMenthon
and Davis, "Model-based object pose in 25 lines of code", IJCV 1995) and its mirror image in depth, of which the one
that fits better stays. docs/geometry.md has the formulas.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facemesh_ros.head import head_normals, head_points, is_rigid, pose_points
from facemesh_ros.lens import pixels_per_ray
from facemesh_ros.types import Camera, Float32, Float64

NOISE_PX = 0.5
"""Standard deviation of x and of y of a point that it does not share with its neighbours."""
SHARED_POINTS, CHANCE = 30.0, 1.2
"""What is left over beyond NOISE_PX is the shape of this very face: about so many neighbouring points have it alike.
Up to CHANCE times the square of NOISE_PX it may be noise all the same."""
RELIEF_SD_M, RELIEF_TURN_SD = 0.003, 0.07
"""How wrong the network's z is: of a single point, and of all together as a turn, rad."""
STEADY_WEIGHT = 0.3
"""Of a point that is steady but not among the rigid ones: they are many, and neighbours differ alike from the mean."""
HUBER = 2.0
"""A point that is off by more standard deviations pulls no harder: of two normal errors together, one in seven is."""
RAYLEIGH_MEDIAN = 1.1774
"""Median length of two independent normal errors, in their standard deviation."""
GRAZING = 0.35
"""Cosine of the angle between normal and line of sight from which on a point counts in full; at 0 it is hidden."""
LEAST_POINTS = 8
"""With fewer in sight there is no pose."""
MOST_STEPS, SETTLED_STEPS, SMALLEST_STEP = 30, 8, 4e-4
"""After the second, the noise is taken as it is, or the end is approached slowly. The third is in rad, and in distances
from the camera."""
NEAREST_M, FARTHEST_M = 0.02, 100.0
"""Of a head of the reference size."""
FROM_BEHIND = 0.17
"""Sine of the angle by which a face may look away from the camera beyond a profile: 10°."""
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
    importance: Float64
    """(N,) from 0 to 1."""
    size_px: float
    """Of the face: root mean square distance of its points from their middle."""
    firm: NDArray[np.intp]
    """(M,) which of the points have a relief to be trusted."""
    relief: Float64
    """(M,) their depth along the line of sight less its mean, over the distance."""
    sight: Float64
    """(3,) the line of sight to the face: a unit vector in the camera's frame."""
    px_across: float
    """px by radian across the line of sight."""


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
    relief_off: Float64
    """(M,) px: the relief that the pose gives firm points less that of the mesh."""
    relief_by_turn: Float64
    """(M, 3) px: its derivative by rotation; a shift does not change it, but for the second order."""


def solve(points_px: Float32, seen: Float64, camera: Camera, start: Solution | None = None) -> Solution | None:
    """Return the pose in which the reference face appears as a mesh does; None where there is none to be believed.

    Args:
        points_px: (468 | 478, 3): the mesh.
        seen: (468 | 478, 2): the rays of the mesh's points, NaN for those without (:func:`facemesh_ros.lens.rays`).
        camera: the calibration of the image.
        start: where the same head was shortly before; None to begin from nothing.
    """
    sight = _sight(points_px, seen, camera)
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


def _sight(points_px: Float32, seen: Float64, camera: Camera) -> _Sight | None:
    index = pose_points()[np.isfinite(seen[pose_points(), 0])]
    firm = np.flatnonzero(is_rigid()[index])
    if len(firm) < LEAST_POINTS:
        return None
    rays, per_ray = seen[index], pixels_per_ray(camera, seen[index])
    ahead = np.array([*rays.mean(axis=0), 1.0])
    away = float(np.sqrt(ahead @ ahead))
    px_per_ray2 = float(np.abs(np.linalg.det(per_ray)).mean())
    px_across = float(np.sqrt(px_per_ray2 * away**3))  # a plane across the sight is drawn larger off the axis
    z = points_px[index[firm], 2].astype(np.float64)
    relief = (z - z.mean()) / px_across
    size_px = float(np.sqrt(rays.var(axis=0).sum() * px_per_ray2))
    importance = np.where(is_rigid()[index], 1.0, STEADY_WEIGHT)
    model, normals = head_points()[index], head_normals()[index]
    return _Sight(model, normals, rays, per_ray, importance, size_px, firm, relief, ahead / away, px_across)


def _starts(sight: _Sight) -> Iterator[tuple[Float64, Float64]]:
    """Yield rotation and position by POS along the line of sight, then with the face mirrored in depth."""
    across = np.cross([0.0, 1.0, 0.0], sight.sight)
    axes = [across, np.cross(sight.sight, across), sight.sight]
    camera_from_view = np.stack([axis / np.linalg.norm(axis) for axis in axes], axis=1)
    seen = np.column_stack([sight.rays, np.ones(len(sight.rays))]) @ camera_from_view
    homogeneous = np.column_stack([sight.model, np.ones(len(sight.model))])
    affine = np.linalg.lstsq(homogeneous, seen[:, :2] / seen[:, 2:], rcond=None)[0]
    left, scales, right = np.linalg.svd(affine[:3].T, full_matrices=False)
    rows = left @ right
    rotation = camera_from_view @ np.stack([*rows, np.cross(*rows)])
    position = camera_from_view @ np.array([*affine[3], 1.0]) / max(float(scales.mean()), 1e-9)
    yield rotation, position
    yield (np.eye(3) - 2.0 * np.outer(sight.sight, sight.sight)) @ rotation * [-1.0, 1.0, 1.0], position


def _refined(sight: _Sight, rotation: Float64, position: Float64) -> Solution | None:
    """Follow the residuals down from a start; None where that leads behind the camera or shows no face."""
    now = _placed(sight, rotation, position)
    damping, noise2 = 1e-5, 0.0
    for count in range(MOST_STEPS):
        if now.points[:, 2].min() <= NEAREST_M:
            return None
        noise2 = _noise2(now) if count < SETTLED_STEPS else noise2
        weights, trust = _weights(sight, now, noise2)
        if np.count_nonzero(weights) < LEAST_POINTS:
            return None
        hessian, gradient = _normal_equations(sight, now, weights, trust)
        step = -np.linalg.solve(hessian + damping * np.diag(hessian.diagonal()), gradient)
        then = _placed(sight, _turn(step[3:]) @ now.rotation, now.position + step[:3])
        better = _cost(then, weights, trust) <= _cost(now, weights, trust)
        if then.points[:, 2].min() > 0.0 and better:
            now, damping = then, 0.1 * damping
        else:
            damping = max(10.0 * damping, 1e-3)
        if max(np.abs(step[3:]).max(), np.abs(step[:3]).max() / now.position[2]) < SMALLEST_STEP:
            break
    return _solution(sight, now)


def _cost(at: _Placed, weights: Float64, trust: float) -> float:
    return float(weights @ at.off2 + trust * (at.relief_off @ at.relief_off))


def _normal_equations(sight: _Sight, at: _Placed, weights: Float64, trust: float) -> tuple[Float64, Float64]:
    """Return (6, 6) and (6,): of position and rotation."""
    jacobian, by_turn = _jacobian(sight, at), at.relief_by_turn
    weighted = jacobian * np.concatenate([weights, weights])
    hessian, gradient = weighted @ jacobian.T, weighted @ at.residuals.T.ravel()
    hessian[3:, 3:] += trust * by_turn.T @ by_turn
    gradient[3:] += trust * at.relief_off @ by_turn
    return hessian, gradient


def _placed(sight: _Sight, rotation: Float64, position: Float64) -> _Placed:
    turned = sight.model @ rotation.T
    points = turned + position
    off = points[:, :2] / points[:, 2:] - sight.rays
    residuals = np.einsum("nij,nj->ni", sight.pixels_per_ray, off)
    off2 = np.einsum("ij,ij->i", residuals, residuals)
    depths = points[sight.firm] @ sight.sight
    distance = float(depths.mean())
    relief_off = sight.px_across * ((depths - distance) / distance - sight.relief)
    firm = turned[sight.firm]
    by_turn = (firm - firm.mean(axis=0)) @ _skew(sight.px_across / distance * sight.sight)
    return _Placed(rotation, position, turned, points, residuals, off2, relief_off, by_turn)


def _jacobian(sight: _Sight, at: _Placed) -> Float64:
    """Return the (6, 2 N) derivative of the x residuals, then the y, by position and rotation about the axes."""
    depth, by_ray = at.points[:, 2], sight.pixels_per_ray.transpose(2, 1, 0)
    jacobian = np.empty((6, 2, len(depth)))
    jacobian[:2] = by_ray / depth
    jacobian[2] = -(jacobian[0] * (at.points[:, 0] / depth) + jacobian[1] * (at.points[:, 1] / depth))
    (x, y, z), (a, b, c) = at.turned.T, jacobian[:3]
    jacobian[3] = y * c - z * b  # a residual's row r turns with the point p as r · (w × p) = w · (p × r)
    jacobian[4] = z * a - x * c
    jacobian[5] = x * b - y * a
    return jacobian.reshape(6, -1)


def _facing(points: Float64, normals: Float64) -> Float64:
    """Return (N,) from 0 to 1, from points and the normals of their surface in the camera's frame."""
    towards = -np.einsum("ij,ij->i", points, normals) / np.sqrt(np.einsum("ij,ij->i", points, points))
    return np.asarray(np.minimum(np.maximum(towards / GRAZING, 0.0), 1.0), np.float64)


def _noise2(at: _Placed) -> float:
    """Return the variance of x and y, px², by the median of the residuals."""
    median2 = float(np.sort(at.off2)[len(at.off2) // 2])  # a tenth of the time of np.median
    return max(median2 / RAYLEIGH_MEDIAN**2, NOISE_PX**2)


def _weights(sight: _Sight, at: _Placed, noise2: float) -> tuple[Float64, float]:
    """Return (N,) from 0 to 1: in sight, and where most others would have it; and what a point's relief counts."""
    in_sight = _facing(at.points, sight.normals @ at.rotation.T)
    weights = sight.importance * in_sight * np.sqrt(np.minimum(1.0, HUBER**2 * noise2 / np.maximum(at.off2, 1e-12)))
    relief_sd_px = RELIEF_SD_M * sight.px_across / float(at.points[:, 2].mean())
    relief_noise2 = relief_sd_px**2 + RELIEF_TURN_SD**2 * 0.5 * float((at.relief_by_turn**2).sum())
    return np.asarray(weights, np.float64), _noise_px2(noise2) / relief_noise2


def _noise_px2(left_over_px2: float) -> float:
    """Return the variance of independent points that would leave a pose as uncertain as what is left over does."""
    return NOISE_PX**2 + SHARED_POINTS * max(left_over_px2 - CHANCE * NOISE_PX**2, 0.0)


def _solution(sight: _Sight, at: _Placed) -> Solution:
    weights, trust = _weights(sight, at, _noise2(at))
    inverse = np.linalg.inv(_normal_equations(sight, at, weights, trust)[0])
    error2 = float(weights @ at.off2) / max(float(weights.sum()), 1e-12)
    weighted = _jacobian(sight, at) * np.concatenate([weights, weights])
    pull = _noise_px2(0.5 * error2) * weighted @ weighted.T
    turn = trust * at.relief_by_turn.T @ at.relief_by_turn  # how a turn of the whole relief pulls
    pull[3:, 3:] += RELIEF_TURN_SD**2 * turn @ turn
    return Solution(at.rotation, at.position, float(np.sqrt(error2)), inverse @ pull @ inverse)


def _turn(by: NDArray[np.floating]) -> Float64:
    """Return the (3, 3) rotation by a vector, rad (Rodrigues)."""
    angle = float(np.sqrt(by @ by))
    skew = _skew(by / max(angle, 1e-300))
    return np.asarray(np.eye(3) + np.sin(angle) * skew + (1.0 - np.cos(angle)) * skew @ skew, np.float64)


def _skew(vector: NDArray[np.floating]) -> Float64:
    """Return the (3, 3) matrix of vector × …, or, from the right, of … × vector."""
    x, y, z = vector
    return np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])


def _fits(found: Solution, sight: _Sight) -> bool:
    """Say whether a pose is to be believed: near enough, drawn where the face is seen, and not from behind."""
    distance = float(np.linalg.norm(found.position))
    if distance > FARTHEST_M or found.rotation[:, 0] @ found.position > FROM_BEHIND * distance:
        return False
    return found.error_px <= LOST * sight.size_px + 4.0 * NOISE_PX
