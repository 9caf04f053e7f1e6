"""What the page shows of one image, and the numbers about each face in it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facemesh_ros.tools.evaluation.rotations import angles_from_rotation, rotation_of_pose
from facemesh_ros.types import Face, Float64, Gaze, HeadPose

MOST_FACES = 64
"""That are shown of one image; `max_faces` is no larger."""

_AXIS_M = 0.08
"""Length of the head's axes as drawn: about half a face's width."""
_GAZE_M = 0.16
_NEAREST_M = 0.02
"""What lies nearer to the camera than this is not drawn."""
_SELLION = 168
"""The point of the mesh between the eyes, at which the gaze begins where there is no head pose."""


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One image with its faces; of one stamp, so that the overlay lies on the face it belongs to."""

    stamp_s: float
    size_wh: tuple[int, int]
    """Of the image that the faces' pixels refer to, px; the JPEG may be smaller."""
    faces: tuple[Face, ...]
    latency_ms: float | None
    """From the image's stamp to here; None where that is not known."""
    jpeg: bytes = b""
    """Empty where there is no video."""
    dropped: int = 0
    """Images that the source has skipped."""
    stages_ms: Mapping[str, float] = field(default_factory=dict)


def snapshot_numbers(snapshot: Snapshot) -> dict[str, Any]:
    """Return all but meshes and picture, ready for JSON."""
    return {
        "stamp": snapshot.stamp_s,
        "width": snapshot.size_wh[0],
        "height": snapshot.size_wh[1],
        "latency_ms": _known(snapshot.latency_ms),
        "dropped": snapshot.dropped,
        "stages_ms": {name: _known(value) for name, value in snapshot.stages_ms.items()},
        "faces": [face_numbers(face) for face in snapshot.faces[:MOST_FACES]],
    }


def face_numbers(face: Face) -> dict[str, Any]:
    """Return what the table shows of a face, and the lines that need its head pose, ready for JSON."""
    image_from_rays = None if face.points_m is None else fitted_projection(face.smoothed.points, face.points_m)
    eyes = face.eyes
    return {
        "id": face.track_id,
        "presence": _short(face.smoothed.presence),
        "points": len(face.smoothed.points),
        "metric": face.points_m is not None,
        "pose": None if face.pose is None else _pose_numbers(face.pose),
        "gaze": None if face.gaze is None else _gaze_numbers(face.gaze),
        "eyes": None if eyes is None else [_short(eyes.right_openness), _short(eyes.left_openness)],
        "closed": None if eyes is None else [eyes.right_is_closed, eyes.left_is_closed],
        "axes_px": _axes_px(face, image_from_rays),
        "gaze_px": _gaze_px(face, image_from_rays),
    }


def fitted_projection(points_px: NDArray[np.float32], points_m: NDArray[np.float32]) -> Float64 | None:
    """Return the (2, 3) affine from x / z, y / z, 1 to px that fits a mesh known in both; None where there is none.

    So lines near a face can be drawn into its image without knowing the camera: exact for a lens without distortion,
    and true to a pixel or so near the face for others.
    """
    count = min(len(points_px), len(points_m))
    depths = points_m[:count, 2:].astype(np.float64)
    if count < 3 or depths.min() < _NEAREST_M:
        return None
    rays = np.concatenate([points_m[:count, :2] / depths, np.ones((count, 1))], axis=1)
    return np.asarray(np.linalg.lstsq(rays, points_px[:count, :2].astype(np.float64), rcond=None)[0].T, np.float64)


def _pose_numbers(pose: HeadPose) -> dict[str, Any]:
    angles = angles_from_rotation(rotation_of_pose(pose.camera_from_head))
    return {
        "distance_m": _known(float(np.linalg.norm(pose.camera_from_head[:3, 3]))),
        "yaw": _short(angles.yaw),
        "pitch": _short(angles.pitch),
        "roll": _short(angles.roll),
        "calibrated": pose.is_calibrated,
    }


def _gaze_numbers(gaze: Gaze) -> dict[str, Any]:
    """Angles of the gaze as one who looks along the camera sees it: 0, 0 is into a camera straight ahead."""
    x, y, z = gaze.direction.tolist()
    return {
        "right_deg": _short(float(np.degrees(np.arctan2(x, -z)))),
        "up_deg": _short(float(np.degrees(np.arctan2(-y, np.hypot(x, z))))),
        "source": gaze.source,
        "looking": gaze.is_looking,
    }


def _axes_px(face: Face, image_from_rays: Float64 | None) -> list[list[float]] | None:
    """Return the head's origin and the tips of its x, y and z axes, px."""
    if face.pose is None or image_from_rays is None:
        return None
    ends = np.vstack([np.zeros(3), _AXIS_M * np.eye(3)])
    camera_from_head = face.pose.camera_from_head
    return _projected(ends @ camera_from_head[:3, :3].T + camera_from_head[:3, 3], image_from_rays)


def _gaze_px(face: Face, image_from_rays: Float64 | None) -> list[list[float]] | None:
    """Return where the gaze begins and ends, px."""
    gaze = face.gaze
    if gaze is None:
        return None
    if gaze.origin_m is not None and image_from_rays is not None:
        return _projected(np.stack([gaze.origin_m, gaze.origin_m + _GAZE_M * gaze.direction]), image_from_rays)
    points_xy = face.smoothed.points[:, :2]
    begin, width_px = points_xy[_SELLION].astype(np.float64), float(np.ptp(points_xy, axis=0).max())
    return _rounded(np.stack([begin, begin + width_px * gaze.direction[:2]]))


def _projected(points_m: Float64, image_from_rays: Float64) -> list[list[float]] | None:
    if points_m[:, 2].min() < _NEAREST_M:
        return None
    rays = np.concatenate([points_m[:, :2] / points_m[:, 2:], np.ones((len(points_m), 1))], axis=1)
    return _rounded(rays @ image_from_rays.T)


def _rounded(points_px: Float64) -> list[list[float]]:
    return [[_short(x), _short(y)] for x, y in points_px.tolist()]


def _short(value: float) -> float:
    """Round for the wire: five digits do for what people read and for lines on a screen."""
    return float(f"{value:.5g}")


def _known(value: float | None) -> float | None:
    """Round what may be missing, or be another node's NaN, which JSON has not."""
    return None if value is None or not math.isfinite(value) else _short(value)
