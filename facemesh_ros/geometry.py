"""Pure geometry of regions, crops and boxes. No state, no images.

Source of the constants: the reference pipeline, MediaPipe 0.10.21 (face_landmark modules, Apache-2.0), reproduced so
that the networks see what they were trained on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from facemesh_ros.errors import InputError
from facemesh_ros.types import Detection, Float32, Float64, Roi

Pair = Sequence[float]
"""x and y, px."""

ROI_SCALE = 1.5
"""Side of a region over the long side of the box that it comes from (both from detections and from meshes)."""
RIGHT_EYE_KEYPOINT, LEFT_EYE_KEYPOINT = 0, 1
RIGHT_EYE_OUTER_CORNER, LEFT_EYE_OUTER_CORNER = 33, 263
"""Mesh points whose direction is the face's roll."""
INNER_SHARE = 0.25
"""A smaller face whose centre is nearer to a larger one's than this share of the larger's size lies inside it."""
CLAIMED_SHARE = 0.5
"""Of the smaller face's square. No two of 158 labelled faces, many in crowds, have so much in common."""
SAME_FACE_OVERLAP = 0.5
"""Regions whose squares overlap more (intersection over union) show one face, as in the reference's association."""


def roi_from_detection(detection: Detection) -> Roi:
    """Return the region around a detected face, upright for the line between its eyes.

    Raises:
        InputError: the box is empty.
    """
    left, top, right, bottom = detection.box_xyxy.tolist()
    eyes = detection.keypoints[[RIGHT_EYE_KEYPOINT, LEFT_EYE_KEYPOINT]].tolist()
    return _roi_around((left, top), (right, bottom), *eyes)


def roi_from_points(points: Float32) -> Roi:
    """Return the region around a mesh ((N, 3) px), upright for the line between its outer eye corners.

    Raises:
        InputError: all points coincide.
    """
    columns = points[:, :2].T.copy()  # whole rows of x and y: their extremes take a tenth of the time
    eyes = (columns[:, corner].tolist() for corner in (RIGHT_EYE_OUTER_CORNER, LEFT_EYE_OUTER_CORNER))
    return _roi_around(columns.min(axis=1).tolist(), columns.max(axis=1).tolist(), *eyes)


def _roi_around(low_xy: Pair, high_xy: Pair, right_eye_xy: Pair, left_eye_xy: Pair) -> Roi:
    """Work in Python's floats: for so few numbers that is faster than arrays, and as exact."""
    (left, top), (right, bottom) = low_xy, high_xy
    long_side = max(right - left, bottom - top)
    if long_side <= 0.0:
        raise InputError(f"a region needs a box with an extent; got corners {low_xy} and {high_xy}")
    center_xy = np.array([0.5 * (left + right), 0.5 * (top + bottom)])
    angle = math.atan2(left_eye_xy[1] - right_eye_xy[1], left_eye_xy[0] - right_eye_xy[0])
    return Roi(center_xy, ROI_SCALE * long_side, angle)


def image_from_crop(roi: Roi, crop_size: int) -> Float64:
    """Return the (2, 3) float64 affine that takes crop px to image px: (0, 0)…(S, S) go to the region's corners.

    The crop's pixels are read at their integer places, and the networks' coordinates come back by the same map. So it
    is in the reference, whose x · width was measured to count from pixel centres (test/data/PROVENANCE.md).
    """
    scale, middle = roi.size / crop_size, 0.5 * crop_size
    cos, sin = math.cos(roi.angle) * scale, math.sin(roi.angle) * scale
    x, y = roi.center_xy.tolist()
    return np.array([[cos, -sin, x - (cos - sin) * middle], [sin, cos, y - (sin + cos) * middle]])


def roi_corners(roi: Roi) -> Float64:
    """(4, 2) float64, px of the image: the region's corners, clockwise from the top-left of the upright face."""
    cos, sin = math.cos(roi.angle), math.sin(roi.angle)
    image_from_roi = np.array([[cos, -sin], [sin, cos]])
    unit = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
    corners: Float64 = roi.center_xy + roi.size * unit @ image_from_roi.T
    return corners


def letterbox_roi(size_wh: tuple[int, int]) -> Roi:
    """Return the square on the long side of an image of ``size_wh``, centred as the reference centres it."""
    width, height = size_wh
    return Roi(np.array([0.5 * width, 0.5 * height]), float(max(width, height)), 0.0)


def to_image(points_xy: Float64, image_from_crop: Float64) -> Float64:
    """Apply a (2, 3) affine to (…, 2) float64 points."""
    mapped: Float64 = points_xy @ image_from_crop[:, :2].T + image_from_crop[:, 2]
    return mapped


def shows_same_face(one: Roi, other: Roi) -> bool:
    """Say whether two regions, each around a face, show one: their squares overlap, or one face is inside the other."""
    dx, dy = abs(one.center_xy - other.center_xy).tolist()
    larger, smaller = max(one.size, other.size), min(one.size, other.size)
    if max(dx, dy) < INNER_SHARE * larger / ROI_SCALE:
        return True
    common = _common_px2(dx, dy, larger, smaller)
    return bool(common > SAME_FACE_OVERLAP * (larger * larger + smaller * smaller - common))


def claim_one_place(one: Roi, other: Roi) -> bool:
    """Say whether the faces in two regions overlap so much that one of them must be a mistake.

    That is stricter than :func:`shows_same_face`: people whom a camera follows may pass in front of each other, but
    what is newly detected over half of a face is most often that face, in part or upside down.
    """
    dx, dy = abs(one.center_xy - other.center_xy).tolist()
    larger, smaller = (max(one.size, other.size) / ROI_SCALE, min(one.size, other.size) / ROI_SCALE)
    return bool(_common_px2(dx, dy, larger, smaller) > CLAIMED_SHARE * smaller * smaller)


def _common_px2(dx: float, dy: float, larger: float, smaller: float) -> float:
    """Return the area that two squares with parallel sides have in common."""
    reach = 0.5 * (larger + smaller)
    return min(max(reach - dx, 0.0), smaller) * min(max(reach - dy, 0.0), smaller)


def overlaps(box_xyxy: Float64, boxes_xyxy: Float64) -> Float64:
    """Return the intersection over union of one (4,) box with each of (N, 4) boxes, (N,) in 0..1."""
    in_both = np.minimum(box_xyxy[2:], boxes_xyxy[:, 2:]) - np.maximum(box_xyxy[:2], boxes_xyxy[:, :2])
    np.maximum(in_both, 0.0, out=in_both)
    common = in_both[:, 0] * in_both[:, 1]
    (left, top, right, bottom), own = boxes_xyxy.T, box_xyxy.tolist()
    areas = (right - left) * (bottom - top)
    union = (own[2] - own[0]) * (own[3] - own[1]) + areas - common
    shares: Float64 = np.divide(common, union, out=np.zeros_like(common), where=union > 0.0)
    return shares
