"""A face as REP 155 (ROS4HRI) wants it, without ROS: id, region, the 70 landmarks, and small pictures.

Coordinates are shares of the image's width and height: 0 is the outer edge of its first pixel, 1 that of its last.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from facemesh_ros.geometry import ROI_SCALE, image_from_crop, roi_from_points
from facemesh_ros.topology import ALL_POINTS
from facemesh_ros.types import Float32, Roi, UInt8

PREFIX = "f"
"""Of ids that are given none: they begin with a letter."""
PICTURE_PX = 128
"""Side of the cropped and the aligned picture; REP 155's default."""

# fmt: off
IBUG68 = (
    127, 234, 132, 58, 172, 136, 149, 176, 152, 400, 378, 365, 397, 288, 361, 454, 356,  # jaw
    70, 63, 105, 66, 107, 336, 296, 334, 293, 300,  # eyebrows
    168, 197, 5, 4, 75, 97, 2, 326, 305,  # nose
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,  # eyes: the contour of the lids
    61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 82, 13, 312, 308, 317, 14, 87,  # lips
)
# fmt: on
"""Point of the mesh for each of the first 68 landmarks, which are those of iBUG/300W. From MaixPy's widely copied list,
with the jaw points 0, 2, 7, 9, 14, 16 and the outer ends of the eyebrows as PeizhiYan/Mediapipe_2_Dlib_Landmarks and
others have them. On annotated faces they are 3.5 % of the distance of the eyes off in the median, jaw left aside
(``facemesh evaluate``)."""
PUPILS = (468, 473)
"""The last two landmarks: right and left."""
_LIDS = (slice(36, 42), slice(42, 48))
_LANDMARKS = np.array(IBUG68)


def face_id(track_id: int, prefix: str = "") -> str:
    """Return the id of a face: unique in a run, short, and a name that a topic may have.

    Args:
        track_id: positive.
        prefix: sets it apart from those that others give at the same time; empty for PREFIX.
    """
    return f"{prefix or PREFIX}{track_id}"


def region(points: Float32, size_wh: tuple[int, int]) -> tuple[float, float, float, float]:
    """Return xmin, ymin, xmax, ymax of a mesh, clipped to the image: each from 0 to 1.

    Args:
        points: (468 | 478, 3) px.
        size_wh: of the image, px.
    """
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    xmin, ymin, xmax, ymax = np.clip(_shares(np.stack([low, high]), size_wh), 0.0, 1.0).ravel().tolist()
    return xmin, ymin, xmax, ymax


def landmarks(points: Float32, presence: float, size_wh: tuple[int, int]) -> NDArray[np.float64]:
    """Return the (70, 3) landmarks: x and y, clipped to 0 to 1, and how sure they are.

    One beyond the image's edge has no certainty. So have the pupils of a mesh without irises, which are put into the
    middle of the lids.

    Args:
        points: (468 | 478, 3) px.
        presence: of the mesh, 0 to 1.
        size_wh: of the image, px.
    """
    chosen = points[_LANDMARKS, :2].astype(np.float64)
    has_irises = len(points) == ALL_POINTS
    pupils = points[list(PUPILS), :2] if has_irises else np.stack([chosen[lids].mean(axis=0) for lids in _LIDS])
    shares = _shares(np.concatenate([chosen, pupils]), size_wh)
    inside = np.clip(shares, 0.0, 1.0)
    certainty = np.where((inside == shares).all(axis=1), presence, 0.0)
    certainty[68:] *= has_irises
    return np.column_stack([inside, certainty])


def cropped(image_rgb: UInt8, points: Float32) -> UInt8:
    """Return the square around a mesh, scaled to PICTURE_PX, RGB; black where it lies outside the image."""
    low, high = points[:, :2].min(axis=0).astype(np.float64), points[:, :2].max(axis=0).astype(np.float64)
    return _picture(image_rgb, Roi(0.5 * (low + high), max(float((high - low).max()), 1.0), 0.0))


def aligned(image_rgb: UInt8, points: Float32) -> UInt8:
    """Return the same with the face turned so that the line between its eyes is level."""
    roi = roi_from_points(points)
    return _picture(image_rgb, Roi(roi.center_xy, roi.size / ROI_SCALE, roi.angle))


def _picture(image_rgb: UInt8, roi: Roi) -> UInt8:
    affine = image_from_crop(roi, PICTURE_PX)
    flags = cv2.WARP_INVERSE_MAP | (cv2.INTER_AREA if roi.size > PICTURE_PX else cv2.INTER_LINEAR)
    return np.asarray(cv2.warpAffine(image_rgb, affine, (PICTURE_PX, PICTURE_PX), flags=flags), np.uint8)


def _shares(points_xy: NDArray[np.floating], size_wh: tuple[int, int]) -> NDArray[np.float64]:
    return np.asarray((points_xy.astype(np.float64) + 0.5) / np.array(size_wh), np.float64)
