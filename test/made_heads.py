"""Heads made from the reference face, with eyes that look where they are told, as an image would show them."""

import numpy as np
from scipy.spatial.transform import Rotation

from facemesh_ros.gaze import EYE_CENTER_M, EYES, IRIS_RADIUS_M, LIPS
from facemesh_ros.lens import rays
from facemesh_ros.topology import mirror_points, reference_face
from facemesh_ros.types import Face, Mesh, Roi

ROI = Roi((0, 0), 1.0, 0.0)
IRIS = np.array([[0, 0, 0], [-1, 0, 0], [0, -1, 0], [1, 0, 0], [0, 1, 0]], float)
"""Centre, then right, top, left and bottom in the image, in radii."""


def look(right_deg=0.0, down_deg=0.0):
    """Return the unit vector, in image axes, of somebody who looks so far to the image's right and down."""
    return Rotation.from_euler("yx", [-right_deg, down_deg], degrees=True).apply([0.0, 0.0, -1.0])


def turned(yaw_deg=0.0, pitch_deg=0.0, roll_deg=0.0):
    """Return the rotation of a head turned to the image's right, downwards and clockwise."""
    return Rotation.from_euler("zyx", [roll_deg, -yaw_deg, pitch_deg], degrees=True)


def head_m(gaze=(0.0, 0.0, -1.0), shut=(False, False), mouth_m=None, count=478):
    """Return (count, 3) float64 points, m, in the axes of the reference face; ``gaze`` is relative to the head.

    ``mouth_m`` is how far the inner lips are apart.
    """
    points = reference_face().copy()
    middles = points[EYES[:, :2]].mean(axis=1)
    for eye, is_shut in zip(EYES, shut, strict=True):
        if is_shut:
            points[eye[2:5]] = points[eye[5:8]]
    if mouth_m is not None:
        points[LIPS[5:], 1] = points[LIPS[2:5], 1] + mouth_m
    centers = middles + EYE_CENTER_M + IRIS_RADIUS_M * np.asarray(gaze)
    irises = np.concatenate([center + 0.00585 * IRIS for center in centers])
    return np.concatenate([points, irises])[:count]


def flat(points_m, rotation=None, px_a_metre=1500.0, at_xy=(320.0, 240.0)):
    """Return (N, 3) float32 px: a head as seen from afar, through parallel rays."""
    points = points_m if rotation is None else rotation.apply(points_m)
    return (px_a_metre * points + [*at_xy, 0.0]).astype(np.float32)


def seen_by(camera, points_m, rotation, position_m):
    """Return (N, 3) float32 px: a head as a distortion-free camera draws it.

    The network judges z by what a face looks like, so z is along the line of sight, at the scale of x and y.
    """
    points = rotation.apply(points_m) + position_m
    fx, fy = camera.matrix[0, 0], camera.matrix[1, 1]
    xy = points[:, :2] / points[:, 2:] * [fx, fy] + camera.matrix[:2, 2]
    away = points @ (position_m / np.linalg.norm(position_m))
    z = (away - away.mean()) * fx / points[:, 2].mean()
    return np.column_stack([xy, z]).astype(np.float32)


def face(points, track_id=1, pose=None, camera=None):
    """Return a face with this mesh, and its rays through a camera."""
    mesh = Mesh(points, 1.0)
    return Face(track_id, ROI, mesh, mesh, pose, rays=None if camera is None else rays(camera, points[:, :2]))


def mirrored(points, width=640):
    """Return the mesh of the mirror image."""
    copy = points[mirror_points(len(points)).astype(int)].copy()
    copy[:, 0] = width - 1 - copy[:, 0]
    return copy
