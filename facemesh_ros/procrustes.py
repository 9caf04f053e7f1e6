"""Does a mesh have the shape of a face? Its fit to the reference face, by similarity Procrustes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facemesh_ros.geometry import LEFT_EYE_OUTER_CORNER, RIGHT_EYE_OUTER_CORNER
from facemesh_ros.topology import RIGID, reference_face
from facemesh_ros.types import Float64

Matrix = list[list[float]]
"""(3, 3), in Python's floats."""


@dataclass(frozen=True, eq=False)
class Fit:
    """The best similarity between a shape and a template, never a reflection."""

    scale: float
    """Size of the shape over that of the template."""
    rotation: Float64
    """(3, 3): shape_from_template."""
    misfit: float
    """Root mean square distance left over, in units of the template."""
    template_over_shape: float
    """The inverse of the scale, 0 where the shape has no extent."""
    middle: Float64
    """(3,) of the shape's points that correspond."""
    template_middle: Float64
    """(3,)"""

    def laid_over(self, points: Float64) -> Float64:
        """Take (N, 3) points of the shape into the frame of the template."""
        laid: Float64 = self.template_over_shape * (points - self.middle) @ self.rotation + self.template_middle
        return laid


class Template:
    """A shape over which others are laid."""

    def __init__(self, points: NDArray[Any]) -> None:
        """Take (N, 3) points."""
        self._middle = points.mean(axis=0)
        self._centered = points - self._middle
        self._spread = float((self._centered * self._centered).sum())

    def fit(self, shape: Float64) -> Fit:
        """Return how (N, 3) points that correspond, in order, come to lie nearest to the template's.

        Umeyama, "Least-squares estimation of transformation parameters between two point patterns", PAMI 1991.
        """
        moments, spread, middle = self._compared(shape)
        common = _common(moments, math.sqrt(spread * self._spread))
        over_shape = common / max(spread, _TINY)
        misfit = self._left_over(common, spread, len(shape))
        rotation = _rotation(moments, common)
        return Fit(1.0 / max(over_shape, 1e-12), rotation, misfit, over_shape, middle, self._middle)

    def misfit(self, shape: Float64) -> float:
        """Return the ``misfit`` of :meth:`fit` alone."""
        moments, spread, _ = self._compared(shape)
        return self._left_over(_common(moments, math.sqrt(spread * self._spread)), spread, len(shape))

    def _compared(self, shape: Float64) -> tuple[Matrix, float, Float64]:
        """Return the shape's moments with the template, its sum of squares, both about the middle, and that (3,)."""
        middle = np.add.reduce(shape, axis=0) / len(shape)
        centered = shape - middle
        return (centered.T @ self._centered).tolist(), float(np.vdot(centered, centered)), middle

    def _left_over(self, common: float, spread: float, count: int) -> float:
        return math.sqrt(max(self._spread - common * common / max(spread, _TINY), 0.0) / count)


_TINY = float(np.finfo(np.float64).tiny)
_MOST_STEPS = 60
"""Newton's steps in the worst case, a shape on a line, where each halves the error; else there are five or so."""
_LEAST_SHARE = 1e-3
"""Of the denominator in :func:`_rotation`, over the cube of the sum (0.2 for a face): below it, rounding would show."""


def _cofactors(m: Matrix) -> Matrix:
    (a, b, c), (d, e, f), (g, h, i) = m
    return [
        [e * i - f * h, f * g - d * i, d * h - e * g],
        [c * h - b * i, a * i - c * g, b * g - a * h],
        [b * f - c * e, c * d - a * f, a * e - b * d],
    ]


def _common(moments: Matrix, bound: float) -> float:
    """Return the sum of the singular values of a matrix, the least of them negative where its determinant is.

    That is the largest root of x⁴ - 2 |M|² x² - 8 det M x + |M|⁴ - 4 |cof M|² (Theobald, "Rapid calculation of RMSDs
    using a quaternion-based characteristic polynomial", Acta Crystallographica A 2005, in invariants of M), all of
    whose roots are real: Newton's steps come down to it from ``bound``, which it does not exceed. In Python's floats,
    which between two runs of a network, with cold caches, takes a fifth of the time of LAPACK's decomposition.
    """
    cofactors = _cofactors(moments)
    squares, squares_of_cofactors = _squares(moments), _squares(cofactors)
    linear, constant = -8.0 * _dot(moments[0], cofactors[0]), squares * squares - 4.0 * squares_of_cofactors
    x = bound
    for _ in range(_MOST_STEPS):
        slope = 4.0 * x * (x * x - squares) + linear
        if slope <= 0.0:
            break
        step = ((x * x - 2.0 * squares) * x + linear) * x + constant
        x -= step / slope
        if step <= 1e-14 * x * slope:
            break
    return x


def _squares(m: Matrix) -> float:
    (a, b, c), (d, e, f), (g, h, i) = m
    return a * a + b * b + c * c + d * d + e * e + f * f + g * g + h * h + i * i


def _rotation(moments: Matrix, common: float) -> Float64:
    """Return the (3, 3) rotation R for which tr Rᵀ M is the largest; that sum is ``common``.

    With s = ``common``: R = (½ (s² + |M|²) M - M Mᵀ M + s cof M) / (½ s (s² - |M|²) - det M). In M's own axes this is,
    for each singular value a beside b and c, (a + b) (b + c) (c + a) over itself. Where two of them nearly cancel, as
    for points on a line, many rotations are as good, and LAPACK chooses.
    """
    cofactors, squares = _cofactors(moments), _squares(moments)
    denominator = 0.5 * common * (common * common - squares) - _dot(moments[0], cofactors[0])
    if not denominator > _LEAST_SHARE * common**3:
        left, _, right = np.linalg.svd(moments)
        rotation = left @ right
        return rotation if np.linalg.det(rotation) > 0.0 else np.asarray((left * [1.0, 1.0, -1.0]) @ right)
    half, columns = 0.5 * (common * common + squares), list(zip(*moments, strict=True))
    rows = []
    for row, of_cofactors in zip(moments, cofactors, strict=True):
        products = [_dot(row, other) for other in moments]
        cubed = [_dot(products, column) for column in columns]
        rows.append([half * m - x + common * k for m, x, k in zip(row, cubed, of_cofactors, strict=True)])
    return np.array(rows) / denominator


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return one[0] * other[0] + one[1] * other[1] + one[2] * other[2]


@dataclass(frozen=True, eq=False)
class Alignment:
    """A shape laid over another."""

    points: Float64
    """(N, 3), in the frame of the shape that it was laid over."""
    scale: float
    """Size of the shape over that of the other."""
    rotation: Float64
    """(3, 3): shape_from_other."""
    misfit: float
    """Root mean square distance left over, in units of the other shape."""


def aligned(target: NDArray[Any], shape: NDArray[Any], pairs: tuple[Any, Any] | None = None) -> Alignment:
    """Lay ``shape`` (N, 3) over ``target`` (N, 3) by the best similarity, never a reflection.

    Args:
        target: fixed.
        shape: moved.
        pairs: indices into target and into shape of the points that correspond; None for all, in order.
    """
    a, b = (target, shape) if pairs is None else (target[pairs[0]], shape[pairs[1]])
    fit = Template(a).fit(b)
    return Alignment(fit.laid_over(shape), fit.scale, fit.rotation, fit.misfit)


def misfit(points: NDArray[np.float32]) -> float:
    """Return how far a (468 | 478, 3) mesh is from the shape of a face: RMS over rigid points, in eye distances."""
    return _rigid_template().misfit(points.take(RIGID, axis=0).astype(np.float64))


@lru_cache(maxsize=1)
def _rigid_template() -> Template:
    """Return the rigid points of the reference face, (33, 3), outer eye corners at unit distance."""
    face = reference_face()
    return Template(face[RIGID] / np.linalg.norm(face[LEFT_EYE_OUTER_CORNER] - face[RIGHT_EYE_OUTER_CORNER]))
