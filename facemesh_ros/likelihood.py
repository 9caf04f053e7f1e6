"""How well a guess of pose and shape explains a mesh: residuals, what they count, and the way to a better guess.

x and y of the mesh count as rays through the camera's own calibration. The network's z counts as what it is: relief
along the line of sight to the face, not along the camera's axis. Nobody is the reference face: how this face differs
from it belongs to the guess, held back by how much faces differ (``shapes.py``), and so does what is wrong with all of
z. So what x and y say of a turn or a nod counts as far as shapes and noise let it, and z the more, the less they say.
docs/geometry.md has the formulas.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from facemesh_ros.head import frozen, pose_points
from facemesh_ros.lens import pixels_per_ray
from facemesh_ros.shapes import marks_of, shape_precision
from facemesh_ros.types import Camera, Float32, Float64

NOISE_PX, NOISE_M = 0.5, 0.0008
"""Least standard deviation of x and of y of a point: of the network, and of how the very point differs from person to
person in a way of its own."""
RELIEF_SD_M, RELIEF_TURN_SD, RELIEF_SCALE_SD = 0.0015, 0.02, 0.03
"""How wrong the network's z is: of a single point at least, and of all together as a turn, rad, and as a share."""
HUBER = 2.0
"""A point that is off by more standard deviations pulls no harder: of two normal errors together, one in seven is."""
NORMAL_MEDIAN, RAYLEIGH_MEDIAN = 0.6745, 1.1774
"""Median length of one normal error, and of two independent ones together, in their standard deviation."""
GRAZING = 0.35
"""Cosine of the angle between normal and line of sight from which on a point counts in full; at 0 it is hidden."""
LEAST_POINTS = 8
"""With fewer in sight there is no pose."""
SMALLEST_PX = 0.5
"""Nor is there with a face whose points are no farther from their middle, as root mean square."""


@dataclass(frozen=True, eq=False)
class Sight:
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
    """(3,) the line of sight to the middle of the face, along which the network's z counts: a unit vector in the
    camera's frame."""
    px_across: float
    """px by radian across the line of sight."""


@dataclass(frozen=True, eq=False)
class Guess:
    """What is solved for."""

    rotation: Float64
    """(3, 3): camera_from_head."""
    position: Float64
    """(3,) m."""
    amounts: Float64
    """(4 + 3 K,): relief_wrong, and the shape."""

    @classmethod
    def of_the_mean(cls, rotation: Float64, position: Float64) -> Guess:
        """Return the guess that the face is the reference face and z is right."""
        return cls(rotation, position, np.zeros(len(_prior())))

    @property
    def relief_wrong(self) -> Float64:
        """(4,): by which all of z is wrong: turned about the camera's axes, rad, and too large, as a share."""
        return self.amounts[:4]

    @property
    def shape(self) -> Float64:
        """(3, K): how much of each mode."""
        return self.amounts[4:].reshape(3, -1)

    def moved(self, step: NDArray[np.floating]) -> Guess:
        """Return the guess moved by a (10 + 3 K,) step: position, rotation, relief_wrong and shape."""
        return Guess(_turn(step[3:6]) @ self.rotation, self.position + step[:3], self.amounts + step[6:])


@dataclass(frozen=True, eq=False)
class Placed:
    """The points of a sight under some guess."""

    guess: Guess
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
    relief_by: Float64
    """(M, 4) px: its derivative by relief_wrong, of which the first three are those by rotation as well; a shift does
    not change it, but for the second order."""
    px_per_m: float
    """Across the line of sight, at the face."""


@dataclass(frozen=True, eq=False)
class Weights:
    """What residuals count."""

    points: Float64
    """(N,) px⁻²: of x and of y."""
    relief: Float64
    """(M,) px⁻²."""


def sight_of(points_px: Float32, seen: Float64, camera: Camera) -> Sight | None:
    """Return what counts of a mesh; None where too little has a ray. Arguments are those of pose.solve."""
    has_ray = np.isfinite(seen[:, 0])
    columns = (seen if has_ray.all() else seen[has_ray]).T.copy()  # whole rows: quicker to go through
    has_z = np.isfinite(points_px[pose_points(), 2])
    marks = marks_of(has_ray[pose_points()].tobytes(), has_z.tobytes())
    if len(marks.firm) < LEAST_POINTS:
        return None
    rays = seen.take(marks.index, axis=0)
    per_ray = pixels_per_ray(camera, rays)
    # Of the network's crop, as far as there are rays.
    ahead = np.array([*0.5 * (columns.min(axis=1) + columns.max(axis=1)), 1.0])
    away = float(np.sqrt(ahead @ ahead))
    px_per_ray2 = float(np.abs(np.linalg.det(per_ray)).mean())
    size_px = float(np.sqrt(rays.T.copy().var(axis=1).sum() * px_per_ray2))
    if not size_px > SMALLEST_PX:
        return None
    px_across = float(np.sqrt(px_per_ray2 * away**3))  # a plane across the sight is drawn larger off the axis
    z = points_px[marks.index[marks.firm], 2].astype(np.float64)
    return Sight(
        model=marks.model,
        modes=marks.modes,
        normals=marks.normals,
        rays=rays,
        pixels_per_ray=per_ray,
        size_px=size_px,
        firm=marks.firm,
        firm_modes=marks.firm_modes,
        relief=(z - z.mean()) / px_across,
        sight=ahead / away,
        px_across=px_across,
    )


def cost(at: Placed, weights: Weights) -> float:
    """Return the negative logarithm of the probability, twice, but for a constant."""
    seen = weights.points @ at.off2 + weights.relief @ at.relief_off**2
    return float(seen) + strangeness(at.guess)


def strangeness(guess: Guess) -> float:
    """Return how far shape and relief_wrong are from what is usual: their squared Mahalanobis distance."""
    return float(guess.amounts @ _prior() @ guess.amounts)


def normal_equations(sight: Sight, at: Placed, weights: Weights) -> tuple[Float64, Float64]:
    """Return the (P, P) matrix and the (P,) gradient, P = 10 + 3 K: of position, rotation, relief_wrong and shape.

    The matrix, J^T W J and what is known beforehand, is the inverse covariance of them all as well.
    """
    count, modes, residuals = 3 * sight.modes.shape[1], sight.modes, weights.points * at.residuals.T
    by_pose = _jacobian(sight, at)
    by_head = np.tensordot(at.guess.rotation.T, by_pose[:3], 1)  # (3, 2, N): by a point's place in the head's axes
    weighted, by_both = weights.points * by_pose, np.einsum("ajn,bjn->abn", weights.points * by_head, by_head)
    relief = _relief_jacobian(sight, at)
    hessian, gradient = (weights.relief * relief) @ relief.T, relief @ (weights.relief * at.relief_off)
    # A mode moves all points along one axis, so that its columns are products, and need not be written out.
    by_shape = np.matmul(np.einsum("pjn,ajn->apn", weighted, by_head), modes.transpose(0, 2, 1))
    among_shapes = np.matmul(modes[:, np.newaxis] * by_both[:, :, np.newaxis], modes.transpose(0, 2, 1))
    hessian[:6, :6] += weighted.reshape(6, -1) @ by_pose.reshape(6, -1).T
    hessian[:6, 10:] += by_shape.transpose(1, 0, 2).reshape(6, count)
    hessian[10:, :6] = hessian[:6, 10:].T
    hessian[10:, 10:] += among_shapes.transpose(0, 2, 1, 3).reshape(count, count)
    gradient[:6] += by_pose.reshape(6, -1) @ residuals.ravel()
    gradient[10:] += np.matmul(modes, np.einsum("ajn,jn->an", by_head, residuals)[:, :, np.newaxis]).ravel()
    prior = _prior()
    hessian[6:, 6:] += prior
    gradient[6:] += prior @ at.guess.amounts
    return hessian, gradient


@lru_cache(maxsize=1)
def _prior() -> Float64:
    """Return the (4 + 3 K, 4 + 3 K) precision that relief_wrong and shape have beforehand, about 0."""
    shape = shape_precision()
    prior = np.zeros((4 + len(shape), 4 + len(shape)))
    prior[range(4), range(4)] = [RELIEF_TURN_SD**-2] * 3 + [RELIEF_SCALE_SD**-2]
    prior[4:, 4:] = shape
    return frozen(prior)


def placed(sight: Sight, guess: Guess) -> Placed:
    """Return where a guess has the points, and how far that is from where they are seen."""
    shaped = sight.model + np.matmul(guess.shape[:, np.newaxis], sight.modes)[:, 0].T
    turned = shaped @ guess.rotation.T
    points = turned + guess.position
    off = points[:, :2] / points[:, 2:] - sight.rays
    residuals = np.einsum("nij,nj->ni", sight.pixels_per_ray, off)
    off2 = np.einsum("ij,ij->i", residuals, residuals)
    depths = points[sight.firm] @ sight.sight
    distance = float(depths.mean())
    px_per_m = sight.px_across / distance
    relief, firm = px_per_m * (depths - distance), turned[sight.firm]
    by_turn = (firm - firm.mean(axis=0)) @ _skew(px_per_m * sight.sight)
    relief_by = np.concatenate([by_turn, relief[:, np.newaxis]], axis=1)
    relief_off = relief - sight.px_across * sight.relief + relief_by @ guess.relief_wrong
    return Placed(guess, turned, points, residuals, off2, relief_off, relief_by, px_per_m)


def _jacobian(sight: Sight, at: Placed) -> Float64:
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


def _relief_jacobian(sight: Sight, at: Placed) -> Float64:
    """Return the (P, M) derivative of the relief by position (none), rotation, relief_wrong and shape."""
    shape = sight.firm_modes * (at.px_per_m * (sight.sight @ at.guess.rotation))[:, np.newaxis, np.newaxis]
    wrong = at.relief_by.T
    return np.concatenate([np.zeros_like(wrong[:3]), wrong[:3], wrong, shape.reshape(-1, wrong.shape[1])])


def facing(points: Float64, normals: Float64) -> Float64:
    """Return (N,) from 0 to 1, from points and the normals of their surface in the camera's frame."""
    towards = -np.einsum("ij,ij->i", points, normals) / np.sqrt(np.einsum("ij,ij->i", points, points))
    return np.asarray(np.minimum(np.maximum(towards / GRAZING, 0.0), 1.0), np.float64)


def noise2_of(at: Placed) -> float:
    """Return the variance of x and y, px², by the median of the residuals."""
    median2 = float(np.sort(at.off2)[len(at.off2) // 2])  # a tenth of the time of np.median
    return max(median2 / RAYLEIGH_MEDIAN**2, NOISE_PX**2 + (NOISE_M * at.px_per_m) ** 2)


def weights_of(sight: Sight, at: Placed, noise2: float) -> Weights:
    """Weigh points by how well they are seen, and less where they are not where most others would have them."""
    in_sight = facing(at.points, sight.normals @ at.guess.rotation.T)
    relief_off2 = at.relief_off**2
    median2 = float(np.sort(relief_off2)[len(relief_off2) // 2])
    relief_noise2 = max(median2 / NORMAL_MEDIAN**2, (RELIEF_SD_M * at.px_per_m) ** 2)
    return Weights(in_sight * _huber(at.off2, noise2), _huber(relief_off2, relief_noise2))


def _huber(off2: Float64, noise2: float) -> Float64:
    """Return the (N,) weights of errors with squares ``off2``: the inverse variance, less of what is far off."""
    return np.asarray(np.sqrt(np.minimum(1.0, HUBER**2 * noise2 / np.maximum(off2, 1e-12))) / noise2, np.float64)


def _turn(by: NDArray[np.floating]) -> Float64:
    """Return the (3, 3) rotation by a vector, rad (Rodrigues)."""
    angle = float(np.sqrt(by @ by))
    skew = _skew(by / max(angle, 1e-300))
    return np.asarray(np.eye(3) + np.sin(angle) * skew + (1.0 - np.cos(angle)) * skew @ skew, np.float64)


def _skew(vector: NDArray[np.floating]) -> Float64:
    """Return the (3, 3) matrix of vector × …, or, from the right, of … × vector."""
    x, y, z = vector
    return np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
