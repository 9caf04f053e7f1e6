"""Does a mesh have the shape of a face? Its fit to the reference face, by similarity Procrustes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facemesh_ros.geometry import LEFT_EYE_OUTER_CORNER, RIGHT_EYE_OUTER_CORNER
from facemesh_ros.topology import RIGID, reference_face
from facemesh_ros.types import Float64


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

    Umeyama, "Least-squares estimation of transformation parameters between two point patterns", PAMI 1991.

    Args:
        target: fixed.
        shape: moved.
        pairs: indices into target and into shape of the points that correspond; None for all, in order.
    """
    a, b = (target, shape) if pairs is None else (target[pairs[0]], shape[pairs[1]])
    middle_a, middle_b = a.mean(axis=0), b.mean(axis=0)
    a, b = a - middle_a, b - middle_b
    left, singular, right = np.linalg.svd(b.T @ a)
    flip = np.array([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    rotation = (left * flip) @ right
    spread_a, spread_b = float((a * a).sum()), float((b * b).sum())
    target_over_shape = float((singular * flip).sum()) / max(spread_b, np.finfo(np.float64).tiny)
    left_over = max(spread_a - target_over_shape * float((singular * flip).sum()), 0.0)
    moved = target_over_shape * (shape - middle_b) @ rotation + middle_a
    return Alignment(moved, 1.0 / max(target_over_shape, 1e-12), rotation, float(np.sqrt(left_over / len(a))))


def misfit(points: NDArray[np.float32]) -> float:
    """Return how far a (468 | 478, 3) mesh is from the shape of a face: RMS over rigid points, in eye distances."""
    return aligned(_rigid_reference(), points[RIGID].astype(np.float64)).misfit


@lru_cache(maxsize=1)
def _rigid_reference() -> Float64:
    """Return the rigid points of the reference face, (33, 3), outer eye corners at unit distance."""
    face = reference_face()
    rigid: Float64 = face[RIGID] / np.linalg.norm(face[LEFT_EYE_OUTER_CORNER] - face[RIGHT_EYE_OUTER_CORNER])
    return rigid
