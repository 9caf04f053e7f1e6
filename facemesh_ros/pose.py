"""Head pose from the image: where the reference face must be to appear as the mesh does.

x and y of the mesh count as rays through the camera's own calibration. The network's z counts as what it is: relief
along the line of sight to the face, not along the camera's axis. Nobody is the reference face: how this face differs
from it is solved along, held back by how much faces differ (``shapes.py``), and so is the turn by which all of z is
wrong. So what x and y say of a head's turn and nod counts as far as shapes and noise let it, and z the more, the less
they say; and the covariance of the pose knows of all of them.

Solved by Levenberg-Marquardt on SE(3) with Huber's weights, from a given start, or from POS (DeMenthon
and Davis, "Model-based object pose in 25 lines of code", IJCV 1995) and its mirror image in depth, of which the one
that fits better stays. docs/geometry.md has the formulas.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from facemesh_ros.head import frozen, head_normals, head_points, is_rigid, pose_points
from facemesh_ros.lens import pixels_per_ray
from facemesh_ros.shapes import shape_modes, shape_precision
from facemesh_ros.types import Camera, Float32, Float64

NOISE_PX, NOISE_M = 0.5, 0.0006
"""Least standard deviation of x and of y of a point: of the network, and of how the very point differs from person to
person in a way of its own."""
RELIEF_SD_M, RELIEF_TURN_SD = 0.0015, 0.02
"""How wrong the network's z is: of a single point, and of all together as a turn, rad."""
HUBER = 2.0
"""A point that is off by more standard deviations pulls no harder: of two normal errors together, one in seven is."""
RAYLEIGH_MEDIAN = 1.1774
"""Median length of two independent normal errors, in their standard deviation."""
GRAZING = 0.35
"""Cosine of the angle between normal and line of sight from which on a point counts in full; at 0 it is hidden."""
LEAST_POINTS = 8
"""With fewer in sight there is no pose."""
MOST_STEPS, SETTLED_STEPS, SMALLEST_STEP = 30, 8, 2e-3
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
    """Weighted root mean square reprojection error of the reference face in this person's shape."""
    misfit_px: float
    """The same, in which an unusual shape counts as an error as well."""
    covariance: Float64
    """(6, 6): x, y, z (m), rotation about x, y, z (rad), in the camera's optical frame."""
    amounts: Float64
    """(3 + 3 K,): what was solved for along: by what all of z is wrong, rad, and how this face differs from the
    reference face, in standard deviations."""

    def points(self) -> Float64:
        """Return the (468, 3) points of the reference face, m in the camera's optical frame."""
        return np.asarray(head_points() @ self.rotation.T + self.position, np.float64)


@dataclass(frozen=True, eq=False)
class _Sight:
    """The points that count and have a ray."""

    model: Float64
    """(N, 3) m, in the head's axes."""
    modes: Float64
    """(3, K, N) m: see :func:`facemesh_ros.shapes.shape_modes`."""
    normals: Float64
    """(N, 3)."""
    rays: Float64
    """(N, 2)."""
    pixels_per_ray: Float64
    """(N, 2, 2)."""
    size_px: float
    """Of the face: root mean square distance of its points from their middle."""
    firm: NDArray[np.intp]
    """(M,) which of the points have a relief to be trusted."""
    firm_modes: Float64
    """(3, K, M) m: their modes, less the mean."""
    relief: Float64
    """(M,) their depth along the line of sight less its mean, over the distance."""
    sight: Float64
    """(3,) the line of sight to the face: a unit vector in the camera's frame."""
    px_across: float
    """px by radian across the line of sight."""


@dataclass(frozen=True, eq=False)
class _Guess:
    """What is solved for."""

    rotation: Float64
    position: Float64
    amounts: Float64
    """(3 + 3 K,): rad about the camera's axes by which all of z is wrong, and the shape."""

    @property
    def relief_turn(self) -> Float64:
        """(3,) rad about the camera's axes: by which all of z is wrong."""
        return self.amounts[:3]

    @property
    def shape(self) -> Float64:
        """(3, K): how much of each mode."""
        return self.amounts[3:].reshape(3, -1)

    def moved(self, step: Float64) -> _Guess:
        """Return the guess moved by a (9 + 3 K,) step: position, rotation, relief_turn and shape."""
        return _Guess(_turn(step[3:6]) @ self.rotation, self.position + step[:3], self.amounts + step[6:])


@dataclass(frozen=True, eq=False)
class _Placed:
    """The points of a sight under some guess."""

    guess: _Guess
    turned: Float64
    """(N, 3) m: the model, shaped and turned only."""
    points: Float64
    """(N, 3) m in the camera's frame."""
    residuals: Float64
    """(N, 2) px: where they appear less where they are seen."""
    off2: Float64
    """(N,) px²: squared length of the residuals."""
    relief_off: Float64
    """(M,) px: the relief that the guess gives firm points less that of the mesh."""
    relief_by_turn: Float64
    """(M, 3) px: its derivative by rotation, and by relief_turn; a shift does not change it, but for the second order."""
    px_per_m: float
    """Across the line of sight, at the face."""


@dataclass(frozen=True, eq=False)
class _Weights:
    """What residuals count."""

    points: Float64
    """(N,) px⁻²: of x and of y."""
    relief: float
    """px⁻²."""


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
        found = _refined(sight, _Guess(start.rotation, start.position, start.amounts))
        if found is not None and _fits(found, sight):
            return found
    candidates = [_refined(sight, _Guess(*one, np.zeros(len(_prior())))) for one in _starts(sight)]
    sound = [one for one in candidates if one is not None and _fits(one, sight)]
    return min(sound, key=lambda one: one.misfit_px, default=None)


def visibility(solution: Solution) -> Float64:
    """Return how well each of the 468 points is seen, 0 to 1, by the direction of the surface."""
    return _facing(solution.points(), head_normals() @ solution.rotation.T)


def _sight(points_px: Float32, seen: Float64, camera: Camera) -> _Sight | None:
    has_ray = np.isfinite(seen[pose_points(), 0])
    index = pose_points()[has_ray]
    firm = np.flatnonzero(is_rigid()[index])
    if len(firm) < LEAST_POINTS:
        return None
    rays, per_ray = seen[index], pixels_per_ray(camera, seen[index])
    ahead = np.array([*rays.mean(axis=0), 1.0])
    away = float(np.sqrt(ahead @ ahead))
    px_per_ray2 = float(np.abs(np.linalg.det(per_ray)).mean())
    px_across = float(np.sqrt(px_per_ray2 * away**3))  # a plane across the sight is drawn larger off the axis
    z = points_px[index[firm], 2].astype(np.float64)
    modes = shape_modes() if has_ray.all() else shape_modes()[:, :, has_ray]
    firm_modes = modes[:, :, firm]
    return _Sight(
        model=head_points()[index],
        modes=modes,
        normals=head_normals()[index],
        rays=rays,
        pixels_per_ray=per_ray,
        size_px=float(np.sqrt(rays.var(axis=0).sum() * px_per_ray2)),
        firm=firm,
        firm_modes=firm_modes - firm_modes.mean(axis=2, keepdims=True),
        relief=(z - z.mean()) / px_across,
        sight=ahead / away,
        px_across=px_across,
    )


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


def _refined(sight: _Sight, guess: _Guess) -> Solution | None:
    """Follow the residuals down from a start; None where that leads behind the camera or shows no face."""
    now = _placed(sight, guess)
    damping, noise2 = 1e-5, 0.0
    for count in range(MOST_STEPS):
        if now.points[:, 2].min() <= NEAREST_M:
            return None
        noise2 = _noise2(now) if count < SETTLED_STEPS else noise2
        weights = _weights(sight, now, noise2)
        if np.count_nonzero(weights.points) < LEAST_POINTS:
            return None
        hessian, gradient = _normal_equations(sight, now, weights)
        step = -np.linalg.solve(hessian + damping * np.diag(hessian.diagonal()), gradient)
        then = _placed(sight, now.guess.moved(step))
        if then.points[:, 2].min() > 0.0 and _cost(then, weights) <= _cost(now, weights):
            now, damping = then, 0.1 * damping
        else:
            damping = max(10.0 * damping, 1e-3)
        if max(np.abs(step[3:6]).max(), np.abs(step[:3]).max() / now.guess.position[2]) < SMALLEST_STEP:
            break
    return _solution(now, weights, hessian)


def _cost(at: _Placed, weights: _Weights) -> float:
    """Return the negative logarithm of the probability, twice, but for a constant."""
    seen = weights.points @ at.off2 + weights.relief * (at.relief_off @ at.relief_off)
    return float(seen) + _strangeness(at.guess)


def _strangeness(guess: _Guess) -> float:
    """Return how far shape and relief_turn are from what is usual: their squared Mahalanobis distance."""
    return float(guess.amounts @ _prior() @ guess.amounts)


def _normal_equations(sight: _Sight, at: _Placed, weights: _Weights) -> tuple[Float64, Float64]:
    """Return (P, P) and (P,), P = 9 + 3 K: of position, rotation, relief_turn and shape."""
    count, modes, residuals = 3 * sight.modes.shape[1], sight.modes, weights.points * at.residuals.T
    by_pose = _jacobian(sight, at)
    by_head = np.tensordot(at.guess.rotation.T, by_pose[:3], 1)  # (3, 2, N): by a point's place in the head's axes
    weighted, by_both = weights.points * by_pose, np.einsum("ajn,bjn->abn", weights.points * by_head, by_head)
    relief = _relief_jacobian(sight, at)
    hessian, gradient = weights.relief * (relief @ relief.T), weights.relief * (relief @ at.relief_off)
    # A mode moves all points along one axis, so that its columns are products, and need not be written out.
    by_shape = np.matmul(np.einsum("pjn,ajn->apn", weighted, by_head), modes.transpose(0, 2, 1))
    among_shapes = np.matmul(modes[:, np.newaxis] * by_both[:, :, np.newaxis], modes.transpose(0, 2, 1))
    hessian[:6, :6] += weighted.reshape(6, -1) @ by_pose.reshape(6, -1).T
    hessian[:6, 9:] += by_shape.transpose(1, 0, 2).reshape(6, count)
    hessian[9:, :6] = hessian[:6, 9:].T
    hessian[9:, 9:] += among_shapes.transpose(0, 2, 1, 3).reshape(count, count)
    gradient[:6] += by_pose.reshape(6, -1) @ residuals.ravel()
    gradient[9:] += np.matmul(modes, np.einsum("ajn,jn->an", by_head, residuals)[:, :, np.newaxis]).ravel()
    prior = _prior()
    hessian[6:, 6:] += prior
    gradient[6:] += prior @ at.guess.amounts
    return hessian, gradient


@lru_cache(maxsize=1)
def _prior() -> Float64:
    """Return the (3 + 3 K, 3 + 3 K) precision that relief_turn and shape have beforehand, about 0."""
    shape = shape_precision()
    prior = np.zeros((3 + len(shape), 3 + len(shape)))
    prior[:3, :3] = np.eye(3) / RELIEF_TURN_SD**2
    prior[3:, 3:] = shape
    return frozen(prior)


def _placed(sight: _Sight, guess: _Guess) -> _Placed:
    shaped = sight.model + np.matmul(guess.shape[:, np.newaxis], sight.modes)[:, 0].T
    turned = shaped @ guess.rotation.T
    points = turned + guess.position
    off = points[:, :2] / points[:, 2:] - sight.rays
    residuals = np.einsum("nij,nj->ni", sight.pixels_per_ray, off)
    off2 = np.einsum("ij,ij->i", residuals, residuals)
    depths = points[sight.firm] @ sight.sight
    distance = float(depths.mean())
    px_per_m = sight.px_across / distance
    firm = turned[sight.firm]
    by_turn = (firm - firm.mean(axis=0)) @ _skew(px_per_m * sight.sight)
    relief_off = px_per_m * (depths - distance) - sight.px_across * sight.relief + by_turn @ guess.relief_turn
    return _Placed(guess, turned, points, residuals, off2, relief_off, by_turn, px_per_m)


def _jacobian(sight: _Sight, at: _Placed) -> Float64:
    """Return the (6, 2, N) derivative of the x residuals, then the y, by position and rotation about the axes."""
    depth, by_ray = at.points[:, 2], sight.pixels_per_ray.transpose(2, 1, 0)
    jacobian = np.empty((6, 2, len(depth)))
    jacobian[:2] = by_ray / depth
    jacobian[2] = -(jacobian[0] * (at.points[:, 0] / depth) + jacobian[1] * (at.points[:, 1] / depth))
    (x, y, z), (a, b, c) = at.turned.T, jacobian[:3]
    jacobian[3] = y * c - z * b  # a residual's row r turns with the point p as r · (w × p) = w · (p × r)
    jacobian[4] = z * a - x * c
    jacobian[5] = x * b - y * a
    return jacobian


def _relief_jacobian(sight: _Sight, at: _Placed) -> Float64:
    """Return the (P, M) derivative of the relief by position (none), rotation, relief_turn and shape."""
    shape = sight.firm_modes * (at.px_per_m * (sight.sight @ at.guess.rotation))[:, np.newaxis, np.newaxis]
    turn = at.relief_by_turn.T
    return np.concatenate([np.zeros_like(turn), turn, turn, shape.reshape(-1, turn.shape[1])])


def _facing(points: Float64, normals: Float64) -> Float64:
    """Return (N,) from 0 to 1, from points and the normals of their surface in the camera's frame."""
    towards = -np.einsum("ij,ij->i", points, normals) / np.sqrt(np.einsum("ij,ij->i", points, points))
    return np.asarray(np.minimum(np.maximum(towards / GRAZING, 0.0), 1.0), np.float64)


def _noise2(at: _Placed) -> float:
    """Return the variance of x and y, px², by the median of the residuals."""
    median2 = float(np.sort(at.off2)[len(at.off2) // 2])  # a tenth of the time of np.median
    return max(median2 / RAYLEIGH_MEDIAN**2, NOISE_PX**2 + (NOISE_M * at.px_per_m) ** 2)


def _weights(sight: _Sight, at: _Placed, noise2: float) -> _Weights:
    """Weigh points by how well they are seen, and less where they are not where most others would have them."""
    in_sight = _facing(at.points, sight.normals @ at.guess.rotation.T)
    points = in_sight * np.sqrt(np.minimum(1.0, HUBER**2 * noise2 / np.maximum(at.off2, 1e-12))) / noise2
    return _Weights(points, (RELIEF_SD_M * at.px_per_m) ** -2)


def _solution(at: _Placed, weights: _Weights, hessian: Float64) -> Solution:
    total = max(float(weights.points.sum()), 1e-12)
    error2 = float(weights.points @ at.off2) / total
    misfit2 = error2 + _strangeness(at.guess) / total
    covariance = np.linalg.solve(hessian, np.eye(len(hessian), 6))[:6]
    guess = at.guess
    return Solution(guess.rotation, guess.position, error2**0.5, misfit2**0.5, covariance, guess.amounts)


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
    return found.misfit_px <= LOST * sight.size_px + 4.0 * NOISE_PX
