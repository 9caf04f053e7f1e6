"""Head rotations as yaw, pitch and roll in degrees, and their errors.

The convention is that of 3DDFA and AFLW2000 (``Pose_Para``): R = Rx(pitch)·Ry(yaw)·Rz(roll) takes the head's axes
(x to the image's right for a face seen from the front, y up, z out of the face to the viewer) to the same axes of the
viewer, with Rx = [[1, 0, 0], [0, c, s], [0, -s, c]], Ry = [[c, 0, -s], [0, 1, 0], [s, 0, c]] and
Rz = [[c, s, 0], [-s, c, 0], [0, 0, 1]].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facemesh_ros.head import HEAD_FROM_REFERENCE
from facemesh_ros.procrustes import aligned

Matrix = NDArray[np.float64]

_VIEWER_FROM_IMAGE = np.diag([1.0, -1.0, -1.0])
"""Image and camera axes are x right, y down, z away from the viewer."""


@dataclass(frozen=True)
class Angles:
    """Degrees."""

    yaw: float
    pitch: float
    roll: float


NAMES = ("yaw", "pitch", "roll")


def rotation_from_angles(angles: Angles) -> Matrix:
    """Return the (3, 3) rotation of yaw, pitch and roll."""
    (sx, sy, sz), (cx, cy, cz) = (f(np.radians([angles.pitch, angles.yaw, angles.roll])) for f in (np.sin, np.cos))
    rx = np.array([[1, 0, 0], [0, cx, sx], [0, -sx, cx]])
    ry = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]])
    rz = np.array([[cz, sz, 0], [-sz, cz, 0], [0, 0, 1]])
    return np.asarray(rx @ ry @ rz, np.float64)


def angles_from_rotation(rotation: NDArray[Any]) -> Angles:
    """Return yaw in ±90° and pitch and roll in ±180° of a (3, 3) rotation."""
    r = np.asarray(rotation, np.float64)
    yaw = np.arcsin(np.clip(-r[0, 2], -1.0, 1.0))
    pitch, roll = np.arctan2(r[1, 2], r[2, 2]), np.arctan2(r[0, 1], r[0, 0])
    return Angles(*np.degrees([yaw, pitch, roll]).tolist())


def rotation_of_mesh(mesh: NDArray[Any], reference: NDArray[Any]) -> Matrix:
    """Return the rotation of the similarity that best takes a reference face to a mesh (orthogonal Procrustes).

    Args:
        mesh: (N, 3) px: x right, y down, z away; the points after those of the reference are left out.
        reference: (M, 3), M ≤ N, in any unit: the axes of an image that the face looks straight out of, as above.
    """
    image_from_head = aligned(reference, np.asarray(mesh, np.float64)[: len(reference)]).rotation
    return np.asarray(_VIEWER_FROM_IMAGE @ image_from_head @ _VIEWER_FROM_IMAGE, np.float64)


def rotation_of_pose(camera_from_head: NDArray[Any]) -> Matrix:
    """Return the rotation of a (4, 4) pose in the camera's optical frame.

    The head's axes are REP 155's: x out of the face, y to the person's left, z to the scalp; a head that faces the
    camera upright is not turned.
    """
    turned = np.asarray(camera_from_head, np.float64)[:3, :3] @ HEAD_FROM_REFERENCE
    return np.asarray(_VIEWER_FROM_IMAGE @ turned @ _VIEWER_FROM_IMAGE, np.float64)


@dataclass(frozen=True)
class AngleError:
    """Of one angle over many faces, degrees."""

    mae: float
    """Mean absolute error."""
    bias: float
    """Median of found minus true: where a model has its zero is a choice, for pitch above all."""
    mae_unbiased: float
    """Mean absolute error after the bias is taken off."""


def angle_errors(found: Sequence[Angles], truth: Sequence[Angles]) -> dict[str, AngleError]:
    """Return the errors of yaw, pitch and roll; nothing for no faces."""
    if not found:
        return {}
    return {n: _angle_error([getattr(a, n) for a in found], [getattr(a, n) for a in truth]) for n in NAMES}


def _angle_error(found: Sequence[float], truth: Sequence[float]) -> AngleError:
    errors = (np.subtract(found, truth) + 180.0) % 360.0 - 180.0
    bias = float(np.median(errors))
    return AngleError(float(np.abs(errors).mean()), bias, float(np.abs(errors - bias).mean()))
