"""How faces differ from the reference face: smooth fields of displacement, and how large they are.

Nobody is the reference face. What differs between people is smooth (neighbouring points differ alike) and nearly the
same on both sides of the face. So it is a Gaussian process on the reference face (Rasmussen and Williams, "Gaussian
Processes for Machine Learning", 2006; for shapes: Lüthi et al., "Gaussian process morphable models", PAMI 2018): a sum
of modes with independent standard normal amounts. docs/geometry.md says where the figures come from.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from facemesh_ros.head import frozen, head_normals, head_points, is_firm, pose_points
from facemesh_ros.types import Float32, Float64

MODES_AN_AXIS = 16
"""Along each of the head's axes; they hold 98 % of the variance."""
LENGTH_M = 0.03
"""Displacements along an axis have the squared exponential covariance exp(-d² / 2 LENGTH_M²)."""
SYMMETRIC_SD_M, LOPSIDED_SD_M = 0.0014, 0.0004
"""Standard deviation, away from the middle, of what is alike on both sides of a face, and of what is opposite.

``training/face_shapes.py`` finds 0.9 to 1.4 and 0.4 to 0.5 mm, which fall to a half within 2 cm and to a quarter within
4, and for what is opposite across the face 0.9 mm, of which some is turns of the head that z misjudges."""
SIZE_SD = 0.01
"""How little a shape makes the face larger, as a share: what is left is the size of the head, a matter of its own."""


@lru_cache(maxsize=1)
def shape_modes() -> Float64:
    """Return (3, MODES_AN_AXIS, N) m: displacements of the N pose points by axis of the head, largest first; read-only.

    Each is to be multiplied by an amount of its own, of which 1 is the standard deviation.
    """
    points = head_points()[pose_points()]
    other_side = points * [1.0, -1.0, 1.0]
    axes = [_modes_along(points, other_side, sign) for sign in (1.0, -1.0, 1.0)]
    return frozen(np.stack(axes))


@lru_cache(maxsize=1)
def shape_precision() -> Float64:
    """Return the (3 K, 3 K) inverse covariance of the amounts of all modes, K = MODES_AN_AXIS; read-only.

    They are independent and standard normal, but that together they hardly change the size of the face.
    """
    points = head_points()[pose_points()]
    outwards = points - points.mean(axis=0)
    growth = np.einsum("na,akn->ak", outwards, shape_modes()).ravel() / (outwards**2).sum()
    return frozen(np.eye(len(growth)) + np.outer(growth, growth) / SIZE_SD**2)


@dataclass(frozen=True, eq=False)
class Marks:
    """Those of the pose points that are seen: what is known of them beforehand. All arrays are read-only."""

    index: NDArray[np.intp]
    """(N,) into the mesh; those with a relief to be trusted come first."""
    firm: int
    """How many those are."""
    model: Float64
    """(3, N) m, in the head's axes."""
    normals: Float64
    """(3, N)"""
    modes: Float32
    """(3, K, N + M) m: see :func:`shape_modes`; after those of all points, those of the firm ones less their mean."""


@lru_cache(maxsize=16)
def marks_of(are_seen: bytes, have_z: bytes) -> Marks:
    """Return the marks for those points of a mesh that are seen, and that have a relief: nearly always all of them.

    Each argument is an array of bool, one a point, as bytes.
    """
    points = pose_points()
    seen = np.frombuffer(are_seen, np.bool_)[points]
    are_firm = is_firm()[points] & seen & np.frombuffer(have_z, np.bool_)[points]
    chosen = np.concatenate([np.flatnonzero(are_firm), np.flatnonzero(seen & ~are_firm)])
    index, firm = points[chosen], int(are_firm.sum())
    modes = shape_modes()[:, :, chosen]
    if firm:
        of_firm = modes[:, :, :firm]
        modes = np.concatenate([modes, of_firm - of_firm.mean(axis=2, keepdims=True)], axis=2)
    model, normals = head_points()[index].T.copy(), head_normals()[index].T.copy()
    return Marks(frozen(index), firm, *map(frozen, (model, normals, modes.astype(np.float32))))


def _modes_along(points: Float64, other_side: Float64, mirrored: float) -> Float64:
    """Return (MODES_AN_AXIS, N) m: the eigenvectors of the covariance along an axis, scaled.

    Args:
        points: (N, 3) m.
        other_side: (N, 3) m, their mirror images.
        mirrored: what the mirror makes of the axis, 1 or -1.
    """
    here, across = _correlation(points, points), _correlation(points, other_side)
    alike, opposite = here + mirrored * across, here - mirrored * across
    covariance = SYMMETRIC_SD_M**2 * alike + LOPSIDED_SD_M**2 * opposite
    variances, vectors = np.linalg.eigh(covariance)
    largest = np.argsort(variances)[: -MODES_AN_AXIS - 1 : -1]
    return np.asarray(vectors[:, largest].T * np.sqrt(variances[largest])[:, np.newaxis], np.float64)


def _correlation(one: Float64, other: Float64) -> Float64:
    distance2 = ((one[:, np.newaxis] - other) ** 2).sum(axis=2)
    return np.asarray(np.exp(-0.5 * distance2 / LENGTH_M**2), np.float64)
