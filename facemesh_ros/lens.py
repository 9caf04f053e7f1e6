"""Between pixels and rays: a camera's projection with its distortion, and the inverse.

A ray is where its point meets the plane at z = 1 of the camera's optical frame: (x / z, y / z). Models and order of the
coefficients are OpenCV's (calib3d, "Detailed Description", and its fisheye module), written out so that derivatives,
the limits of a model and every version of OpenCV agree.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from facemesh_ros.types import Camera, Float64

WIDEST_RAY = float(np.tan(np.radians(85.0)))
"""A plane at z = 1 ends at 90° from the axis; nearer than this to it, rays are not trusted."""
TRUST_STEPS, TRUST_DIRECTIONS = 200, 16
NEWTON_STEPS = 25
EXACT_PX = 1e-3
"""A pixel is only believed to belong to a ray that is drawn within this distance of it."""
_STEP = 1e-6
"""Of central differences in a plane where everything is about 1."""


def project(camera: Camera, points_m: NDArray[np.floating]) -> Float64:
    """Return the (N, 2) px of (N, 3) points, m in the optical frame; NaN for what is behind the camera."""
    points = np.asarray(points_m, np.float64)
    ahead = np.where(points[:, 2:] > 0.0, points[:, 2:], np.nan)
    return pixels(camera, points[:, :2] / ahead)


def pixels(camera: Camera, rays: Float64) -> Float64:
    """Return the (N, 2) px at which (N, 2) rays are drawn."""
    drawn: Float64 = _distorted(camera, rays) @ camera.matrix[:2, :2].T + camera.matrix[:2, 2]
    return drawn


def rays(camera: Camera, points_px: NDArray[np.floating]) -> Float64:
    """Return the (N, 2) rays of (N, 2) px, inside the image or not; NaN where the model of the lens has none."""
    inverse = np.linalg.inv(camera.matrix[:2, :2])
    bent: Float64 = (np.asarray(points_px, np.float64) - camera.matrix[:2, 2]) @ inverse.T
    if not _is_distorted(camera):
        return np.where(np.hypot(*bent.T)[:, np.newaxis] < WIDEST_RAY, bent, np.nan)
    with np.errstate(all="ignore"):  # a Newton step may leave the world; what comes of it is dismissed below
        straight = _newton(camera, bent)
        off_px = np.abs(_distorted(camera, straight) - bent).max(axis=1) * camera.matrix[0, 0]
        good = (off_px < EXACT_PX) & (np.hypot(*straight.T) < _reach(camera))
    return np.asarray(np.where(good[:, np.newaxis], straight, np.nan), np.float64)


def pixels_per_ray(camera: Camera, rays: Float64) -> Float64:
    """Return the (N, 2, 2) derivative of px by ray."""
    if not _is_distorted(camera):
        return np.broadcast_to(camera.matrix[:2, :2], (len(rays), 2, 2))
    return np.asarray(camera.matrix[:2, :2] @ _derivative(camera, rays), np.float64)


def _newton(camera: Camera, bent: Float64) -> Float64:
    ray: Float64 = bent.copy()
    for _ in range(NEWTON_STEPS):
        (a, b), (c, d) = np.moveaxis(_derivative(camera, ray), 0, -1)
        x, y = (_distorted(camera, ray) - bent).T
        step = np.stack([d * x - b * y, a * y - c * x], axis=1) / (a * d - b * c)[:, np.newaxis]
        ray -= step
        if not (np.abs(step) > 1e-6).any():  # the error is its square by now
            break
    return ray


def _derivative(camera: Camera, rays: Float64) -> Float64:
    """Return the (N, 2, 2) derivative of the distorted plane by the straight one."""
    moves = _STEP * np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    right, left, down, up = _distorted(camera, (rays + moves[:, np.newaxis]).reshape(-1, 2)).reshape(4, -1, 2)
    return np.asarray(np.stack([right - left, down - up], axis=-1) / (2.0 * _STEP), np.float64)


def _reach(camera: Camera) -> float:
    return _reach_of(camera.model, camera.matrix.tobytes(), camera.distortion.tobytes())


@lru_cache(maxsize=16)
def _reach_of(model: str, matrix: bytes, distortion: bytes) -> float:
    """Return how far from the axis the model still draws farther rays farther out, one way or the other.

    Beyond it polynomials turn round, and a pixel would have several rays.
    """
    camera = Camera(np.frombuffer(matrix).reshape(3, 3), np.frombuffer(distortion), model, (1, 1))
    radii = np.linspace(0.0, WIDEST_RAY, TRUST_STEPS * 10)[1:]
    turns = np.linspace(0.0, 2.0 * np.pi, TRUST_DIRECTIONS, endpoint=False)
    grid = radii[:, np.newaxis, np.newaxis] * np.stack([np.cos(turns), np.sin(turns)], axis=1)
    with np.errstate(all="ignore"):
        area = np.linalg.det(_derivative(camera, grid.reshape(-1, 2))).reshape(len(radii), -1)
    folded = ~(area > 0.0).all(axis=1)
    return float(radii[folded.argmax()]) if folded.any() else WIDEST_RAY


def _is_distorted(camera: Camera) -> bool:
    return camera.model == "equidistant" or bool(camera.distortion.any())


def _distorted(camera: Camera, rays: Float64) -> Float64:
    return _MODELS[camera.model](rays, camera.distortion)


def _polynomial(rays: Float64, coefficients: Float64) -> Float64:
    """Distort (N, 2) by Brown's model with OpenCV's extensions: rational, thin prism and tilted sensor."""
    k1, k2, p1, p2, k3, k4, k5, k6, s1, s2, s3, s4, *tilt = np.pad(coefficients, (0, 14 - len(coefficients))).tolist()
    x, y = rays.T
    r2 = x * x + y * y
    radial = (1.0 + r2 * (k1 + r2 * (k2 + r2 * k3))) / (1.0 + r2 * (k4 + r2 * (k5 + r2 * k6)))
    both = 2.0 * x * y
    bent_x = x * radial + p1 * both + p2 * (r2 + 2.0 * x * x) + r2 * (s1 + r2 * s2)
    bent_y = y * radial + p2 * both + p1 * (r2 + 2.0 * y * y) + r2 * (s3 + r2 * s4)
    bent = np.stack([bent_x, bent_y], axis=1)
    return _tilted(bent, *tilt) if any(tilt) else bent


def _tilted(bent: Float64, tau_x: float, tau_y: float) -> Float64:
    """Turn the sensor by two angles, rad."""
    (sx, sy), (cx, cy) = np.sin([tau_x, tau_y]), np.cos([tau_x, tau_y])
    turn = np.array([[cy, 0.0, -sy], [0.0, 1.0, 0.0], [sy, 0.0, cy]])
    turn = turn @ np.array([[1.0, 0.0, 0.0], [0.0, cx, sx], [0.0, -sx, cx]])
    keep = np.array([[turn[2, 2], 0.0, -turn[0, 2]], [0.0, turn[2, 2], -turn[1, 2]], [0.0, 0.0, 1.0]])
    x, y, z = keep @ turn @ np.column_stack([bent, np.ones(len(bent))]).T
    return np.stack([x / z, y / z], axis=1)


def _equidistant(rays: Float64, coefficients: Float64) -> Float64:
    """Distort (N, 2) by the fisheye model: the angle to the axis becomes the distance from the centre."""
    k1, k2, k3, k4 = np.pad(coefficients, (0, 4 - len(coefficients))).tolist()
    r = np.maximum(np.hypot(*rays.T), 1e-12)
    angle = np.arctan(r)
    a2 = angle * angle
    bent = angle * (1.0 + a2 * (k1 + a2 * (k2 + a2 * (k3 + a2 * k4))))
    return np.asarray(rays * (bent / r)[:, np.newaxis], np.float64)


_MODELS: dict[str, Callable[[Float64, Float64], Float64]] = {
    "plumb_bob": _polynomial,
    "rational_polynomial": _polynomial,
    "equidistant": _equidistant,
}
