"""Does a mesh have the shape of a face? Its fit to the reference face, by similarity Procrustes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facemesh_ros.geometry import LEFT_EYE_OUTER_CORNER, RIGHT_EYE_OUTER_CORNER
from facemesh_ros.topology import RIGID, reference_face
from facemesh_ros.types import Float64


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

        Umeyama, "Least-squares estimation of transformation parameters between two point patterns", PAMI 1991. Small
        sums are done in Python's floats, which takes a tenth of the time.
        """
        middle = np.add.reduce(shape, axis=0) / len(shape)
        centered = shape - middle
        left, singular, right = np.linalg.svd(centered.T @ self._centered)
        rotation = left @ right
        first, second, third = singular.tolist()
        if not _determinant(rotation) > 0.0:
            rotation, third = (left * _FLIPPED) @ right, -third
        spread, common = float((centered * centered).sum()), first + second + third
        over_shape = common / max(spread, _TINY)
        misfit = math.sqrt(max(self._spread - over_shape * common, 0.0) / len(shape))
        return Fit(1.0 / max(over_shape, 1e-12), rotation, misfit, over_shape, middle, self._middle)


_FLIPPED = np.array([1.0, 1.0, -1.0])
_TINY = float(np.finfo(np.float64).tiny)


def _determinant(matrix: Float64) -> float:
    (a, b, c), (d, e, f), (g, h, i) = matrix.tolist()
    return float(a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g))


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
    return _rigid_template().fit(points.take(RIGID, axis=0).astype(np.float64)).misfit


@lru_cache(maxsize=1)
def _rigid_template() -> Template:
    """Return the rigid points of the reference face, (33, 3), outer eye corners at unit distance."""
    face = reference_face()
    return Template(face[RIGID] / np.linalg.norm(face[LEFT_EYE_OUTER_CORNER] - face[RIGHT_EYE_OUTER_CORNER]))
