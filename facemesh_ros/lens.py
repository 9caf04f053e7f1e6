"""Between pixels and rays: a camera's projection with its distortion, and the inverse.

A ray is where its point meets the plane at z = 1 of the camera's optical frame: (x / z, y / z). How lenses bend rays is
:mod:`facemesh_ros.distortion`. Here are the camera matrix, the way back, and the limits within which there is one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from facemesh_ros.distortion import (
    Complex,
    Distortion,
    Straight,
    ahead,
    complex_of,
    distortion_of,
    places_of,
    solved,
    square,
)
from facemesh_ros.types import Camera, Float64

Number = TypeVar("Number", float, Float64)

WIDEST_RAY = float(np.tan(np.radians(85.0)))
"""A plane at z = 1 ends at 90° from the axis; nearer than this to it, rays are not trusted."""
TRUST_STEPS, TRUST_DIRECTIONS = 2000, 16
NEWTON_STEPS = 12
"""Two or three are enough but for pixels at a fold."""
SETTLED = 5e-4
"""A ray that moves by less in a step is off by about the square of it afterwards: a last step, with the same
derivatives, leaves nothing of that."""
EXACT_PX = 1e-3
"""A pixel is only believed to belong to a ray that is drawn within this distance of it."""
BETWEEN_DIRECTIONS = 1.1
"""Over the farthest place to which rays within reach are bent in TRUST_DIRECTIONS: the farthest of all."""
_NO_RAY = complex(np.nan, np.nan)
_SMALLEST = 1e-12
"""Keeps what is divided by a length finite on the axis."""


def project(camera: Camera, directions: NDArray[np.floating]) -> Float64:
    """Return the (N, 2) px of (N, 3) points or directions in the optical frame, of any unit.

    NaN for what a perspective model has behind it; a fisheye also draws what lies beside and behind it.
    """
    distortion, matrix = _lens_of(camera).distortion, camera.matrix
    with np.errstate(all="ignore"):  # next to the plane z = 0 a ray may be too long for a number
        if isinstance(distortion, Straight):
            drawn: Float64 = (directions @ matrix.T)[:, :2] / ahead(directions)
        else:
            bent = distortion.bent(np.asarray(directions, np.float64))
            drawn = places_of(bent) @ matrix[:2, :2].T + matrix[:2, 2]
    return drawn


def on_plane(camera: Camera, x_px: Number, y_px: Number) -> tuple[Number, Number]:
    """Return where px lie on the plane at z = 1, still distorted; from two numbers, or two arrays of them."""
    (fx, skew, cx), (_, fy, cy), _ = camera.matrix.tolist()
    y = (y_px - cy) / fy
    x = (x_px - cx) / fx
    return x - (skew / fx) * y if skew else x, y


def rays(camera: Camera, points_px: NDArray[np.floating]) -> Float64:
    """Return the (N, 2) rays of (N, 2) px, inside the image or not; NaN where the model of the lens has none."""
    bent = np.empty(len(points_px), np.complex128)
    bent.real, bent.imag = on_plane(camera, *np.asarray(points_px, np.float64).T)
    tolerance = EXACT_PX / max(camera.matrix.item(0), camera.matrix.item(4))
    with np.errstate(all="ignore"):  # a Newton step may leave the world; what comes of it is dismissed
        found = _lens_of(camera).straightened(bent, tolerance)
    return places_of(found)


def pixels_per_ray(camera: Camera, rays: Float64) -> Float64:
    """Return the (2, 2, N) derivative of px by the x, then by the y of (2, N) rays; NaN at NaN.

    Without distortion it is the same everywhere: (2, 2, 1).
    """
    (fx, skew, _), (_, fy, _), _ = camera.matrix.tolist()
    distortion = _lens_of(camera).distortion
    if isinstance(distortion, Straight):
        return np.array([[[fx], [0.0]], [[skew], [fy]]])
    with np.errstate(invalid="ignore"):  # of NaN, whose quotients warn where they are complex
        _, by_ray, by_conjugate = distortion.linear(complex_of(rays.T))
    by_xy = np.empty((2, 2, rays.shape[1]))
    by_x, by_y = by_ray + by_conjugate, by_ray - by_conjugate  # the second over i
    by_xy[0, 0], by_xy[0, 1] = fx * by_x.real + skew * by_x.imag, fy * by_x.imag
    by_xy[1, 0], by_xy[1, 1] = skew * by_y.real - fx * by_y.imag, fy * by_y.real
    return by_xy


def turn_to(direction: Sequence[float] | Float64, roll: float = 0.0) -> Float64:
    """Return the (3, 3) rotation by the shortest way that takes the z axis to a (3,) direction of any length.

    That is the frame, in the frame given, of a camera that looks there, and was rolled about its axis by rad before. It
    is undefined straight behind.
    """
    x, y, z = map(float, direction)
    length, cos, sin = math.sqrt(x * x + y * y + z * z), math.cos(roll), math.sin(roll)
    x, y, z = x / length, y / length, z / length
    a = 1.0 / (1.0 + z)
    xx, xy, yy = 1.0 - a * x * x, -a * x * y, 1.0 - a * y * y
    return np.array(
        [
            [cos * xx + sin * xy, cos * xy - sin * xx, x],
            [cos * xy + sin * yy, cos * yy - sin * xy, y],
            [-cos * x - sin * y, sin * x - cos * y, z],
        ]
    )


@dataclass(frozen=True, eq=False)
class _Limits:
    """How far a distortion is to be believed, and where rays are bent until there."""

    reach: float
    """How far from the axis it still draws farther rays farther out, one way or the other. Beyond it polynomials turn
    round, and a pixel would have several rays."""
    radii: Float64
    """(M,) distances of rays from the axis, up to the reach."""
    bent: Float64
    """(M,) where they go, in the mean of all directions; last, a place farther out than any of them."""


class _Lens:
    """A distortion and its inverse."""

    def __init__(self, distortion: Distortion) -> None:
        self.distortion = distortion

    def straightened(self, bent: Complex, tolerance: float) -> Complex:
        """Return the rays that are bent to (N,) places, up to a tolerance; NaN where there is none within reach.

        By Newton's method, all of them together, until none that may still come to something moves.
        """
        if isinstance(self.distortion, Straight):
            within = square(bent) < WIDEST_RAY**2
            return bent if within.all() else np.where(within, bent, _NO_RAY)
        ray = self._start(bent)
        for _ in range(NEWTON_STEPS):
            there, *derivatives = self.distortion.linear(ray)
            step = solved(there - bent, *derivatives)
            ray = ray - step
            if not ((np.abs(step) > SETTLED) & (np.abs(ray) < 2.0 * self.limits.reach)).any():
                break
        off = self.distortion.of_rays(ray) - bent
        good = (square(off) < tolerance**2) & (square(ray) < self.limits.reach**2)
        return np.where(good, ray - solved(off, *derivatives), _NO_RAY)

    def _start(self, bent: Complex) -> Complex:
        """Return the rays if the distortion were the same in all directions; NaN beyond what it reaches."""
        bent, limits = self.distortion.upright(bent), self.limits
        length = np.abs(bent)
        straight = np.interp(length, limits.bent, limits.radii, right=np.nan)
        return np.asarray(bent * (straight / np.maximum(length, _SMALLEST)), np.complex128)

    @cached_property
    def limits(self) -> _Limits:
        """Return how far the distortion goes, from rays on a grid; some milliseconds, once a lens."""
        radii = np.linspace(0.0, WIDEST_RAY, TRUST_STEPS)
        turns = np.exp(1j * np.linspace(0.0, 2.0 * np.pi, TRUST_DIRECTIONS, endpoint=False))
        with np.errstate(all="ignore"):
            places, by_ray, by_conjugate = self.distortion.linear(np.outer(radii, turns))
            has_area = np.abs(by_ray) > np.abs(by_conjugate)  # and is not turned over; NaN has none
        folded = np.flatnonzero(~np.all(has_area, axis=1)[1:]) + 1
        count = int(folded[0]) if len(folded) else TRUST_STEPS
        away = np.abs(self.distortion.upright(places[:count]))
        bent = np.append(np.maximum.accumulate(away.mean(axis=1)), BETWEEN_DIRECTIONS * away.max())
        reach = float(radii[count]) if len(folded) else WIDEST_RAY
        return _Limits(reach, np.append(radii[:count], reach), bent)


def _lens_of(camera: Camera) -> _Lens:
    return _cached_lens(camera.model, camera.distortion.tobytes())


@lru_cache(maxsize=16)
def _cached_lens(model: str, coefficients: bytes) -> _Lens:
    """Return the lens; every image may come with a camera of its own, all of them alike."""
    return _Lens(distortion_of(model, np.frombuffer(coefficients)))
