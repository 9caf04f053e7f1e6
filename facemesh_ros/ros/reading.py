"""Faces rebuilt from their messages, whole: the way back of ``convert.face_message``."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from facemesh_ros.errors import InputError
from facemesh_ros.msg import FaceMesh, FaceMeshArray
from facemesh_ros.types import Eyes, Face, Gaze, HeadPose, Mesh, Mouth, Roi

_FRONTAL = np.array([[0.0, 0.0, -1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
"""Head from camera of a head that looks straight into the camera; the gaze without a head pose is told for that one."""


def faces_of(message: FaceMeshArray) -> tuple[Face, ...]:
    """Return the faces of a message. It holds one mesh a face, the smoothed one; it stands for the raw one too.

    Eyes, a mouth and an angle to the target that are not finite are unknown: the face goes without them.

    Raises:
        InputError: a number of mesh, region, pose or direction is not finite, a region has no size, or a mesh another
            number of points.
    """
    return tuple(face_of(face) for face in message.faces)


def face_of(message: FaceMesh) -> Face:
    """Return the face of a message.

    Raises:
        InputError: as :func:`faces_of`.
    """
    mesh = Mesh(_rows(message.landmarks), message.presence)
    points_m = _rows(message.points) if len(message.points) else None
    if points_m is not None and len(points_m) != len(mesh.points):
        raise InputError(
            f"a face has {len(mesh.points)} landmarks and {len(points_m)} points in m; there must be as many"
        )
    pose = _pose(message) if message.pose_valid else None
    return Face(
        track_id=message.id,
        roi=Roi(np.array([message.roi.center_x, message.roi.center_y]), message.roi.size, message.roi.angle),
        mesh=mesh,
        smoothed=mesh,
        pose=pose,
        points_m=points_m,
        eyes=_eyes(message) if message.eyes_valid else None,
        mouth=_mouth(message) if message.eyes_valid else None,
        gaze=_gaze(message, pose) if message.gaze_valid else None,
    )


def _rows(flat: NDArray[np.float32]) -> NDArray[np.float32]:
    if len(flat) % 3:
        raise InputError(f"a mesh of {len(flat)} numbers; there must be three for each point")
    return np.frombuffer(flat, np.float32).reshape(-1, 3)


def _pose(message: FaceMesh) -> HeadPose:
    position, turn = message.head_pose.pose.position, message.head_pose.pose.orientation
    xyzw = np.array([turn.x, turn.y, turn.z, turn.w])
    if not (np.isfinite(xyzw).all() and np.linalg.norm(xyzw) > 0.0):
        raise InputError(f"the orientation of a head is {xyzw.tolist()}; it must be a quaternion")
    camera_from_head = np.eye(4)
    camera_from_head[:3, :3] = Rotation.from_quat(xyzw).as_matrix()
    camera_from_head[:3, 3] = position.x, position.y, position.z
    return HeadPose(
        camera_from_head,
        message.reprojection_error,
        np.reshape(message.head_pose.covariance, (6, 6)),
        message.scale_source,
        message.head_scale,
        message.scale_disagrees,
        message.is_calibrated,
    )


def _eyes(message: FaceMesh) -> Eyes | None:
    """Return None, unknown, where a number of theirs is not finite."""
    openness = message.right_eye_openness, message.left_eye_openness
    if not all(map(math.isfinite, (*openness, message.blink_duration))):
        return None
    return Eyes(*openness, message.right_eye_closed, message.left_eye_closed, message.blink, message.blink_duration)


def _mouth(message: FaceMesh) -> Mouth | None:
    return Mouth(message.mouth_openness) if math.isfinite(message.mouth_openness) else None


def _gaze(message: FaceMesh, pose: HeadPose | None) -> Gaze:
    told = message.gaze_direction
    direction = np.array([told.x, told.y, told.z])
    head_from_camera = _FRONTAL if pose is None else pose.camera_from_head[:3, :3].T
    return Gaze(
        direction,
        head_from_camera @ direction,
        message.gaze_source,
        origin_m=None if pose is None else pose.camera_from_head[:3, 3],
        angle_rad=message.target_angle if message.target_valid and math.isfinite(message.target_angle) else None,
        is_looking=message.is_looking,
    )
