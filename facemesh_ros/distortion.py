"""How lenses bend: OpenCV's models and their derivatives, written in complex numbers.

A place on the plane at z = 1 is the complex number w = x + i y. What follows are the formulas of calib3d ("Detailed
Description") and of its fisheye module. In w they are short: with q = p2 + i p1, Brown's tangential terms are
2 q |w|² + q* w².

A function of w has two derivatives, by w and by its conjugate w* (Wirtinger, "Zur formalen Theorie der Funktionen von
mehr komplexen Veränderlichen", 1927): df = a dw + b dw*. Its area is stretched by |a|² - |b|², and df = e is solved by
dw = (a* e - b e*) / (|a|² - |b|²).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from facemesh_ros.types import Float64

Complex = NDArray[np.complex128]


class Distortion(Protocol):
    """Takes directions before a lens to where they meet its plane at z = 1, distorted."""

    def bent(self, directions: Float64) -> Complex:
        """Distort (N, 3) directions; NaN for those that the model cannot draw."""

    def of_rays(self, rays: Complex) -> Complex:
        """Distort (N,) rays, x / z + i y / z."""

    def linear(self, rays: Complex) -> tuple[Complex, Complex, Complex]:
        """Return the distorted rays and their derivatives by the rays and by the rays' conjugates, (N,) each."""

    def upright(self, places: Complex) -> Complex:
        """Return (N,) distorted places as a sensor that stands across the axis would show them."""


def distortion_of(model: str, coefficients: Float64) -> Distortion:
    """Return the distortion of one of :data:`facemesh_ros.types.CAMERA_MODELS`."""
    return _MODELS[model](coefficients)


def complex_of(places_xy: Float64) -> Complex:
    """Return (N, 2) places as (N,) numbers."""
    return np.ascontiguousarray(places_xy).view(np.complex128)[:, 0]


def places_of(numbers: Complex) -> Float64:
    """Return (N,) numbers as (N, 2) places."""
    return np.ascontiguousarray(numbers).view(np.float64).reshape(-1, 2)


def ahead(directions: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the (N, 1) depths of (N, 3) directions; NaN where they are not positive."""
    depths = directions[:, 2:]
    return depths if depths.min(initial=1.0) > 0.0 else np.where(depths > 0.0, depths, np.nan)


class _Perspective(ABC):
    """A lens with a plane at z = 1, which shows nothing of what lies behind it."""

    @abstractmethod
    def of_rays(self, rays: Complex) -> Complex: ...

    def bent(self, directions: Float64) -> Complex:
        return self.of_rays(complex_of(directions[:, :2] / ahead(directions)))

    def upright(self, places: Complex) -> Complex:
        return places


class Straight(_Perspective):
    """No distortion: rays stay as they are."""

    def of_rays(self, rays: Complex) -> Complex:
        return rays

    def linear(self, rays: Complex) -> tuple[Complex, Complex, Complex]:
        return rays, np.ones_like(rays), np.zeros_like(rays)


@dataclass(frozen=True)
class Polynomial(_Perspective):
    """Brown's model with OpenCV's extensions, rational and thin prism: f(w) = w R(|w|²) + q* w² + T(|w|²)."""

    above: tuple[float, float, float]
    """k1, k2, k3: coefficients of R's numerator."""
    below: tuple[float, float, float]
    """k4, k5, k6: those of its denominator."""
    tangential: complex
    """q*."""
    aside: tuple[complex, complex]
    """Those of T: 2 q + s1 + i s3, and s2 + i s4."""

    @classmethod
    def from_coefficients(cls, coefficients: Float64) -> Polynomial:
        """Take up to 12 numbers in OpenCV's order."""
        k1, k2, p1, p2, k3, k4, k5, k6, s1, s2, s3, s4 = _padded(coefficients, 12)
        q = complex(p2, p1)
        return cls((k1, k2, k3), (k4, k5, k6), q.conjugate(), (2.0 * q + complex(s1, s3), complex(s2, s4)))

    def of_rays(self, rays: Complex) -> Complex:
        r2 = square(rays)
        one, two = self.aside
        bent: Complex = rays * (self._radial(r2) + self.tangential * rays) + r2 * (one + two * r2)
        return bent

    def linear(self, rays: Complex) -> tuple[Complex, Complex, Complex]:
        r2, conjugate = square(rays), rays.conj()
        one, two = self.aside
        radial, askew = self._radial(r2), self.tangential * rays
        by_r2 = self._radial_slope(r2, radial) * rays + (one + 2.0 * two * r2)  # |w|² changes by w* dw + w dw*
        return rays * (radial + askew) + r2 * (one + two * r2), radial + 2.0 * askew + conjugate * by_r2, rays * by_r2

    def _radial(self, r2: Float64) -> Float64:
        above = _cubic(self.above, r2)
        return above / _cubic(self.below, r2) if any(self.below) else above

    def _radial_slope(self, r2: Float64, radial: Float64) -> Float64:
        """Return the derivative of R by |w|²."""
        above = _cubic_slope(self.above, r2)
        if not any(self.below):
            return above
        return np.asarray((above - radial * _cubic_slope(self.below, r2)) / _cubic(self.below, r2), np.float64)


@dataclass(frozen=True)
class Homography:
    """A map of the plane that keeps its middle: h(w) = (a w + b w*) / (1 + c w + c* w*)."""

    a: complex
    b: complex
    c: complex

    @classmethod
    def from_matrix(cls, matrix: Float64) -> Homography:
        """Take a (3, 3) matrix whose third column is (0, 0, 1)."""
        by_x, by_y = matrix[0, :2] + 1j * matrix[1, :2]
        return cls(0.5 * (by_x - 1j * by_y), 0.5 * (by_x + 1j * by_y), 0.5 * complex(matrix[2, 0], -matrix[2, 1]))

    def of(self, places: Complex) -> tuple[Complex, Float64]:
        """Return where places go, and the denominator there."""
        depth = 1.0 + 2.0 * (self.c * places).real
        return (self.a * places + self.b * places.conj()) / depth, depth


@dataclass(frozen=True)
class Tilted(_Perspective):
    """A lens before a sensor that is turned."""

    lens: Polynomial
    tilt: Homography
    back: Homography
    """The inverse of ``tilt``."""

    @classmethod
    def from_angles(cls, lens: Polynomial, tau_x: float, tau_y: float) -> Tilted:
        """Take the angles, rad, as OpenCV does."""
        (sx, cx), (sy, cy) = ((math.sin(tau), math.cos(tau)) for tau in (tau_x, tau_y))
        turn = np.array([[cy, 0.0, -sy], [0.0, 1.0, 0.0], [sy, 0.0, cy]])
        turn = turn @ np.array([[1.0, 0.0, 0.0], [0.0, cx, sx], [0.0, -sx, cx]])
        onto_sensor = np.array([[turn[2, 2], 0.0, -turn[0, 2]], [0.0, turn[2, 2], -turn[1, 2]], [0.0, 0.0, 1.0]])
        matrix = onto_sensor @ turn / turn[2, 2]
        return cls(lens, Homography.from_matrix(matrix), Homography.from_matrix(np.linalg.inv(matrix)))

    def of_rays(self, rays: Complex) -> Complex:
        return self.tilt.of(self.lens.of_rays(rays))[0]

    def linear(self, rays: Complex) -> tuple[Complex, Complex, Complex]:
        flat, by_ray, by_conjugate = self.lens.linear(rays)
        tilted, depth = self.tilt.of(flat)
        c = self.tilt.c
        by_flat, by_its_conjugate = (self.tilt.a - c * tilted) / depth, (self.tilt.b - c.conjugate() * tilted) / depth
        return (
            tilted,
            by_flat * by_ray + by_its_conjugate * by_conjugate.conj(),
            by_flat * by_conjugate + by_its_conjugate * by_ray.conj(),
        )

    def upright(self, places: Complex) -> Complex:
        return self.back.of(places)[0]


@dataclass(frozen=True)
class Equidistant:
    """OpenCV's fisheye (Kannala and Brandt, 2006): the angle to the axis becomes the distance from the centre.

    It draws what lies beside and behind the lens as well.
    """

    coefficients: tuple[float, float, float, float]
    """Of the angle's third, fifth, seventh and ninth power."""

    @classmethod
    def from_coefficients(cls, coefficients: Float64) -> Equidistant:
        """Take up to 4 numbers in OpenCV's order."""
        k1, k2, k3, k4 = _padded(coefficients, 4)
        return cls((k1, k2, k3, k4))

    def bent(self, directions: Float64) -> Complex:
        across = complex_of(directions[:, :2])
        radius = _length(across)
        return np.asarray(across * (self._distance(np.arctan2(radius, directions[:, 2])) / radius), np.complex128)

    def of_rays(self, rays: Complex) -> Complex:
        radius = _length(rays)
        return np.asarray(rays * (self._distance(np.arctan(radius)) / radius), np.complex128)

    def linear(self, rays: Complex) -> tuple[Complex, Complex, Complex]:
        radius = _length(rays)
        unit, angle = rays / radius, np.arctan(radius)
        distance = self._distance(angle)
        outwards, across = self._slope(angle) / (1.0 + radius * radius), distance / radius
        by_ray: Complex = (0.5 * (outwards + across)).astype(np.complex128)
        return unit * distance, by_ray, 0.5 * (outwards - across) * unit * unit

    def upright(self, places: Complex) -> Complex:
        return places

    def _distance(self, angle: Float64) -> Float64:
        k1, k2, k3, k4 = self.coefficients
        a2 = angle * angle
        return np.asarray(angle * (1.0 + a2 * (k1 + a2 * (k2 + a2 * (k3 + a2 * k4)))), np.float64)

    def _slope(self, angle: Float64) -> Float64:
        """Return the derivative of the distance by the angle."""
        k1, k2, k3, k4 = self.coefficients
        a2 = angle * angle
        return np.asarray(1.0 + a2 * (3.0 * k1 + a2 * (5.0 * k2 + a2 * (7.0 * k3 + a2 * 9.0 * k4))), np.float64)


def _perspective(coefficients: Float64) -> Distortion:
    *_, tau_x, tau_y = _padded(coefficients, 14)
    if not coefficients.any():
        return Straight()
    lens = Polynomial.from_coefficients(coefficients[:12])
    return Tilted.from_angles(lens, tau_x, tau_y) if tau_x or tau_y else lens


_MODELS: dict[str, Callable[[Float64], Distortion]] = {
    "plumb_bob": _perspective,
    "rational_polynomial": _perspective,
    "equidistant": Equidistant.from_coefficients,
}


def _padded(coefficients: Float64, count: int) -> list[float]:
    return [*coefficients.tolist(), *[0.0] * (count - len(coefficients))]


def solved(off: Complex, by_ray: Complex, by_conjugate: Complex) -> Complex:
    """Return the (N,) dw for which a dw + b dw* is ``off``, given the derivatives a and b."""
    step: Complex = (by_ray.conj() * off - by_conjugate * off.conj()) / (square(by_ray) - square(by_conjugate))
    return step


def square(numbers: Complex) -> Float64:
    """Return their squared lengths."""
    x, y = numbers.real, numbers.imag
    return np.asarray(x * x + y * y, np.float64)


def _length(numbers: Complex) -> Float64:
    """Return (N,) lengths, none of them zero: what is divided by them stays finite on the axis."""
    return np.asarray(np.maximum(np.abs(numbers), _SMALLEST), np.float64)


_SMALLEST = 1e-12


def _cubic(coefficients: tuple[float, float, float], r2: Float64) -> Float64:
    k1, k2, k3 = coefficients
    return np.asarray(1.0 + r2 * (k1 + r2 * (k2 + r2 * k3)), np.float64)


def _cubic_slope(coefficients: tuple[float, float, float], r2: Float64) -> Float64:
    k1, k2, k3 = coefficients
    return np.asarray(k1 + r2 * (2.0 * k2 + r2 * 3.0 * k3), np.float64)
