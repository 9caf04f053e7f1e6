"""The reference face as a head: in the axes of REP 155, and which of its points tell where it is."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facemesh_ros.topology import RIGID, SURFACE_POINTS, face_normals, reference_face, steady_points
from facemesh_ros.types import Float64

HEAD_FROM_REFERENCE = np.array([[0.0, 0.0, -1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
"""The reference face looks out of an image (x right, y down, z away); a head (REP 155) has x out of the face, y to its
left and z to the scalp. Both begin at the sellion."""

JAW = (136, 365)
"""Of the rigid points: they lie on the lower jaw."""


@lru_cache(maxsize=1)
def head_points() -> Float64:
    """Return the (468, 3) points of the reference face in the head's axes, m; read-only."""
    return frozen(reference_face() @ HEAD_FROM_REFERENCE.T)


@lru_cache(maxsize=1)
def head_normals() -> Float64:
    """Return (468, 3) unit normals of the reference face in the head's axes, out of the face; read-only."""
    return frozen(face_normals(reference_face()) @ HEAD_FROM_REFERENCE.T)


@lru_cache(maxsize=1)
def pose_points() -> NDArray[np.intp]:
    """Return the points whose x and y tell where a head is: the steady ones and the rigid ones; read-only."""
    return frozen(np.union1d(steady_points(), RIGID))


@lru_cache(maxsize=1)
def is_firm() -> NDArray[np.bool_]:
    """Return (468,) whether a point's z counts as well: of the rigid ones, those above the jaw; read-only."""
    return frozen(np.isin(np.arange(SURFACE_POINTS), np.setdiff1d(RIGID, JAW)))


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    """Return the array, made read-only."""
    array.flags.writeable = False
    return array
