"""How well a guess of pose and shape explains a mesh: residuals, what they count, and the way to a better guess.

x and y of the mesh count as rays through the camera's own calibration. The network's z counts as what it is: relief
along the line of sight to the face, not along the camera's axis. Nobody is the reference face: how this face differs
from it belongs to the guess, held back by how much faces differ (``shapes.py``), and so does what is wrong with all of
z. So what x and y say of a turn or a nod counts as far as shapes and noise let it, and z the more, the less they say.
docs/geometry.md has the formulas.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from facemesh_ros.head import frozen
from facemesh_ros.lens import pixels_per_ray
from facemesh_ros.robust import facing, huber, median
from facemesh_ros.shapes import marks_of, shape_precision
from facemesh_ros.types import Camera, Float32, Float64

NOISE_PX, NOISE_M = 0.5, 0.0008
"""Least standard deviation of x and of y of a point: of the network, and of how the very point differs from person to
person in a way of its own."""
RELIEF_SD_M, RELIEF_TURN_SD, RELIEF_SCALE_SD = 0.0015, 0.02, 0.03
"""How wrong the network's z is: of a single point at least, and of all together as a turn, rad, and as a share."""
NORMAL_MEDIAN, RAYLEIGH_MEDIAN = 0.6745, 1.1774
"""Median length of one normal error, and of two independent ones together, in their standard deviation."""
LEAST_POINTS = 8
"""With fewer in sight there is no pose."""
SMALLEST_PX = 0.5
"""Nor is there with a face whose points are no farther from their middle, as root mean square."""


@dataclass(frozen=True, eq=False)
class Sight:
    """What is seen of a face: N points that count and have a ray, and after them once more the M firm ones of them.

    Those, which come first among the N, count for their relief too: as a residual in x, with none in y.
    """

    model: Float64
    """(3, N) m, in the head's axes."""
    modes: Float32
    """(3, K, N + M) m: see :func:`facemesh_ros.shapes.shape_modes`; those of the relief less their mean."""
    normals: Float64
    """(3, N)."""
    rays: Float64
    """(2, N)."""
    middle: Float64
    """(2,): their mean."""
    px_by_ray: Float64
    """(2, 2, N), or (2, 2, 1): derivative of the pixels by the rays' x, then by their y."""
    size_px: float
    """Of the face: root mean square distance of its points from their middle."""
    relief: Float64
    """(M,) px: the network's z of the firm points, less the mean."""
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
        return cls(rotation, position, np.zeros(len(_precision())))

    @property
    def relief_wrong(self) -> Float64:
        """(4,): by which all of z is wrong: turned about the camera's axes, rad, and too large, as a share."""
        return self.amounts[:4]

    @property
    def shape(self) -> Float64:
        """(3, K): how much of each mode."""
        return self.amounts[4:].reshape(3, -1)

    @cached_property
    def unusual(self) -> Float64:
        """(4 + 3 K,): the amounts by their precision; half the slope of how strange they are."""
        unusual: Float64 = _precision() @ self.amounts
        return unusual

    def moved(self, step: NDArray[np.floating]) -> Guess:
        """Return the guess moved by a (10 + 3 K,) step: position, rotation, relief_wrong and shape."""
        return Guess(_turn(step[3:6]) @ self.rotation, self.position + step[:3], self.amounts + step[6:])


@dataclass(frozen=True, eq=False)
class Placed:
    """The points of a sight under some guess."""

    guess: Guess
    turned: Float64
    """(3, N) m: the model, shaped and turned only."""
    points: Float64
    """(3, N) m in the camera's frame."""
    drawn: Float64
    """(2, N): their rays."""
    relief: Float64
    """(3, M) m: the firm ones less their middle."""
    residuals: Float64
    """(2, N + M) px: where the points appear less where they are seen; then the relief that the guess gives the firm
    ones less that of the mesh."""
    off2: Float64
    """(N + M,) px²: squared length of the residuals."""
    px_per_m: float
    """Across the line of sight, at the face."""


def sight_of(points_px: Float32, seen: Float64, camera: Camera) -> Sight | None:
    """Return what counts of a mesh; None where too little has a ray. Arguments are those of pose.solve."""
    columns = seen.T.copy()  # whole rows: quicker to go through
    marks = marks_of(np.isfinite(columns[0]).tobytes(), np.isfinite(points_px[:, 2]).tobytes())
    if marks.firm < LEAST_POINTS:
        return None
    rays = columns.take(marks.index, axis=1)
    count, middle = rays.shape[1], np.add.reduce(rays, axis=1) / rays.shape[1]
    px_by_ray = pixels_per_ray(camera, rays)
    (xx, xy), (yx, yy) = px_by_ray
    areas = np.abs(xx * yy - xy * yx)
    px_per_ray2 = float(np.add.reduce(areas)) / len(areas)
    off_middle = rays - middle[:, np.newaxis]
    size_px = math.sqrt(float(np.vdot(off_middle, off_middle)) / count * px_per_ray2)
    if not size_px > SMALLEST_PX:
        return None
    # The middle of the network's crop, as far as there are rays; fmin and fmax leave NaN out.
    x, y = (0.5 * (np.fmin.reduce(columns, axis=1) + np.fmax.reduce(columns, axis=1))).tolist()
    away = math.sqrt(x * x + y * y + 1.0)
    z = points_px[:, 2].take(marks.index[: marks.firm]).astype(np.float64)
    return Sight(
        model=marks.model,
        modes=marks.modes,
        normals=marks.normals,
        rays=rays,
        middle=middle,
        px_by_ray=px_by_ray,
        size_px=size_px,
        relief=z - np.add.reduce(z) / marks.firm,
        sight=np.array([x / away, y / away, 1.0 / away]),
        px_across=math.sqrt(px_per_ray2 * away**3),  # a plane across the sight is drawn larger off the axis
    )


def cost(at: Placed, weights: Float64) -> float:
    """Return the negative logarithm of the probability, twice, but for a constant."""
    return float(weights @ at.off2) + strangeness(at.guess)


def strangeness(guess: Guess) -> float:
    """Return how far shape and relief_wrong are from what is usual: their squared Mahalanobis distance."""
    return float(guess.amounts @ guess.unusual)


def normal_equations(sight: Sight, at: Placed, weights: Float64) -> tuple[Float64, Float64]:
    """Return the (P, P) matrix and the (P,) gradient, P = 10 + 3 K: of position, rotation, relief_wrong and shape.

    The matrix, J^T W J and what is known beforehand, is the inverse covariance of them all as well. It is summed up in
    single precision, of which the noise leaves nothing to be seen.
    """
    modes, jacobian = sight.modes, _jacobian(sight, at)
    weighted = weights.astype(np.float32) * jacobian
    by_pose, by_place = jacobian[:10].reshape(10, -1), jacobian[10:, np.newaxis]
    # A mode moves every point along one of the head's axes: what it changes are products, here (3, 13, N + M) of them.
    products = weighted[:, 0] * by_place[:, :, 0] + weighted[:, 1] * by_place[:, :, 1]
    rows = np.empty((3, 10 + modes.shape[0] * modes.shape[1], len(weights)), np.float32)
    rows[:, :10] = products[:, :10]
    np.multiply(products[:, 10:, np.newaxis], modes, out=rows[:, 10:].reshape(3, *modes.shape))
    matrix = np.empty((rows.shape[1], rows.shape[1]))
    matrix[:, 10:].reshape(-1, 3, modes.shape[1])[:] = np.matmul(rows, modes.transpose(0, 2, 1)).transpose(1, 0, 2)
    matrix[10:, :10] = matrix[:10, 10:].T
    matrix[:10, :10] = weighted[:10].reshape(10, -1) @ by_pose.T
    matrix[6:, 6:] += _precision()
    residuals = at.residuals.astype(np.float32)
    pull = weighted[10:, 0] * residuals[0] + weighted[10:, 1] * residuals[1]
    gradient = np.empty(len(matrix))
    gradient[:10] = weighted[:10].reshape(10, -1) @ residuals.ravel()
    gradient[10:] = np.matmul(modes, pull[:, :, np.newaxis]).ravel()
    gradient[6:] += at.guess.unusual
    return matrix, gradient


@lru_cache(maxsize=1)
def _precision() -> Float64:
    """Return the (4 + 3 K, 4 + 3 K) precision that relief_wrong and shape have beforehand, about 0."""
    shape = shape_precision()
    prior = np.zeros((4 + len(shape), 4 + len(shape)))
    prior[range(4), range(4)] = [RELIEF_TURN_SD**-2] * 3 + [RELIEF_SCALE_SD**-2]
    prior[4:, 4:] = shape
    return frozen(prior)


def placed(sight: Sight, guess: Guess) -> Placed:
    """Return where a guess has the points, and how far that is from where they are seen."""
    count, firm = sight.model.shape[1], len(sight.relief)
    bulges = np.matmul(guess.shape[:, np.newaxis].astype(np.float32), sight.modes)
    turned = guess.rotation @ (sight.model + bulges[:, 0, :count])
    points = turned + guess.position[:, np.newaxis]
    drawn = points[:2] / points[2]
    off = drawn - sight.rays
    middle = np.add.reduce(points[:, :firm], axis=1) / firm
    relief = points[:, :firm] - middle[:, np.newaxis]
    px_per_m = sight.px_across / float(sight.sight @ middle)
    residuals = np.zeros((2, count + firm))
    residuals[:, :count] = off[0] * sight.px_by_ray[0] + off[1] * sight.px_by_ray[1]
    residuals[0, count:] = (px_per_m * _distorted(sight.sight, guess.relief_wrong)) @ relief - sight.relief
    off2 = residuals * residuals
    return Placed(guess, turned, points, drawn, relief, residuals, off2[0] + off2[1], px_per_m)


def _distorted(sight: Float64, relief_wrong: Float64) -> Float64:
    """Return the (3,) direction along which relief looks like the network's: sight, turned by so much and longer."""
    (x, y, z), (by_x, by_y, by_z, too_large) = sight.tolist(), relief_wrong.tolist()
    turned = [y * by_z - z * by_y, z * by_x - x * by_z, x * by_y - y * by_x]
    return np.asarray((1.0 + too_large) * sight + turned, np.float64)


def _jacobian(sight: Sight, at: Placed) -> Float32:
    """Return the (13, 2, N + M) derivative of the residuals.

    By position, rotation about the axes, relief_wrong, and a point's place in the head's axes. What a shift changes in
    the relief is left out, and what a shape does by way of the distance: they are of the second order.
    """
    count, along = sight.model.shape[1], at.px_per_m * sight.sight
    jacobian = np.zeros((13, 2, len(at.off2)), np.float32)
    points = jacobian[:, :, :count]
    np.divide(sight.px_by_ray, at.points[2], out=points[:2], casting="same_kind")
    (x, y, z), (drawn_x, drawn_y) = at.turned.astype(np.float32), at.drawn.astype(np.float32)
    a, b, c = points[:3]
    np.negative(a * drawn_x + b * drawn_y, out=c)
    np.subtract(y * c, z * b, out=points[3])  # a residual's row r turns with the point p as r · (w × p) = w · (p × r)
    np.subtract(z * a, x * c, out=points[4])
    np.subtract(x * b, y * a, out=points[5])
    jacobian[10:] = (at.guess.rotation.T.astype(np.float32) @ jacobian[:3].reshape(3, -1)).reshape(3, 2, -1)
    relief = jacobian[:, 0, count:]
    relief[3:6] = relief[6:9] = -_skew(along) @ at.relief
    relief[9] = along @ at.relief
    relief[10:] = (along @ at.guess.rotation)[:, np.newaxis]
    return jacobian


def noise2_of(at: Placed) -> float:
    """Return the variance of x and y, px², by the median of the residuals."""
    of_points = at.off2[: at.points.shape[1]]
    return max(median(of_points) / RAYLEIGH_MEDIAN**2, NOISE_PX**2 + (NOISE_M * at.px_per_m) ** 2)


def weights_of(sight: Sight, at: Placed, noise2: float) -> Float64:
    """Weigh points by how well they are seen, and less where they are not where most others would have them.

    Returns:
        (N + M,) px⁻²: of x and of y of the points, then of the relief.
    """
    count = sight.model.shape[1]
    relief_off2 = at.off2[count:]
    relief_noise2 = max(median(relief_off2) / NORMAL_MEDIAN**2, (RELIEF_SD_M * at.px_per_m) ** 2)
    weights = np.empty(len(at.off2))
    weights[:count] = facing(at.points, at.guess.rotation @ sight.normals) * huber(at.off2[:count], noise2)
    weights[count:] = huber(relief_off2, relief_noise2)
    return weights


def _turn(by: NDArray[np.floating]) -> Float64:
    """Return the (3, 3) rotation by a vector, rad (Rodrigues)."""
    x, y, z = by.tolist()
    angle = max(math.sqrt(x * x + y * y + z * z), 1e-300)
    x, y, z, sin, cos = x / angle, y / angle, z / angle, math.sin(angle), math.cos(angle)
    a, b, c = (1.0 - cos) * x, (1.0 - cos) * y, (1.0 - cos) * z
    return np.array(
        [
            [cos + a * x, a * y - sin * z, a * z + sin * y],
            [b * x + sin * z, cos + b * y, b * z - sin * x],
            [c * x - sin * y, c * y + sin * x, cos + c * z],
        ]
    )


def _skew(vector: NDArray[np.floating]) -> Float64:
    """Return the (3, 3) matrix of the product with a vector from the left."""
    x, y, z = vector.tolist()
    return np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
