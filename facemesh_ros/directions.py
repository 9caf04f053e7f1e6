"""Where the axes of a head and the gaze of a face are seen: lines in the image, from its origin outwards."""

from __future__ import annotations

import numpy as np

from facemesh_ros.gaze import IRISES
from facemesh_ros.lens import project, turn_to
from facemesh_ros.topology import SURFACE_POINTS
from facemesh_ros.types import Camera, Face, Float64, Gaze, HeadPose

AXES = "xyz"
AXIS_M = 0.08
"""Length of an axis on a head of mean size."""
GAZE_FACES = 0.6
"""Length, in long sides of the face, of a gaze across the line of sight."""
SELLION = 168
"""The point of the mesh between the eyes."""
_STEPS = np.linspace(0.0, 1.0, 9)[:, np.newaxis]
"""A lens may bend a line, and it may leave what the lens can draw."""


def head_axes(pose: HeadPose, camera: Camera) -> dict[str, Float64]:
    """Return x, y, z of the head's frame as (n, 2) px, the one whose tip is farthest from the camera first.

    A line ends where the camera sees no further; one that it does not see at all is left out.
    """
    origin_m, lengths_m = pose.camera_from_head[:3, 3], AXIS_M * pose.head_scale * pose.camera_from_head[:3, :3]
    farthest_first = np.argsort(-lengths_m[2], kind="stable")
    seen = {AXES[i]: _seen(camera, origin_m + _STEPS * lengths_m[:, i]) for i in farthest_first.tolist()}
    return {name: line for name, line in seen.items() if len(line) > 1}


def gaze_lines(face: Face) -> list[Float64]:
    """Return the gaze of both eyes together as (2, 2) px, from each eye that tells, or from between them if none does.

    It is what is seen across the line of sight to the face: a gaze into the camera ends where it begins, wherever in
    the image the face is. Without rays and pose the face counts as straight ahead, as it does in :class:`Gaze`.
    """
    if face.gaze is None:
        return []
    points = face.smoothed.points
    across = face.gaze.direction @ turn_to(_bearing(face))
    way_px = GAZE_FACES * np.ptp(points[:SURFACE_POINTS, :2], axis=0).max() * across[:2]
    starts = points[_starts(face.gaze, len(points)), :2].astype(np.float64)
    return [np.stack([start, start + way_px]) for start in starts]


def _bearing(face: Face) -> Float64:
    """Return the way from the camera to the face, (3,) of any length."""
    if face.rays is not None and np.isfinite(face.rays[SELLION]).all():
        return np.append(face.rays[SELLION], 1.0)
    return np.array([0.0, 0.0, 1.0]) if face.pose is None else face.pose.camera_from_head[:3, 3]


def _starts(gaze: Gaze, point_count: int) -> list[int]:
    """Return the points at which the gaze begins."""
    telling = (gaze.right_direction is not None, gaze.left_direction is not None)
    eyes = [int(iris) for iris, tells in zip(IRISES, telling, strict=True) if tells and iris < point_count]
    return eyes or [SELLION]


def _seen(camera: Camera, line: Float64) -> Float64:
    """Return the (n, 2) px of a line in the optical frame, up to where the camera sees no further."""
    drawn = project(camera, line)
    hidden = np.flatnonzero(~np.isfinite(drawn).all(axis=1))
    return drawn[: hidden[0]] if len(hidden) else drawn
