"""Pure geometry of regions, crops and boxes. No state, no images.

Source of the constants: the reference pipeline, MediaPipe 0.10.21 (face_landmark modules, Apache-2.0), reproduced so
that the networks see what they were trained on.
"""

from __future__ import annotations

import math

import numpy as np

from facemesh_ros.errors import InputError
from facemesh_ros.types import Detection, Float32, Float64, Roi

ROI_SCALE = 1.5
"""Side of a region over the long side of the box that it comes from (both from detections and from meshes)."""
RIGHT_EYE_KEYPOINT, LEFT_EYE_KEYPOINT = 0, 1
RIGHT_EYE_OUTER_CORNER, LEFT_EYE_OUTER_CORNER = 33, 263
"""Mesh points whose direction is the face's roll."""


def roi_from_detection(detection: Detection) -> Roi:
    """Return the region around a detected face, upright for the line between its eyes.

    Raises:
        InputError: the box is empty.
    """
    corners = detection.box_xyxy.astype(np.float64).reshape(2, 2)
    right, left = detection.keypoints[[RIGHT_EYE_KEYPOINT, LEFT_EYE_KEYPOINT]].astype(np.float64)
    return _roi_around(corners, right, left)


def roi_from_points(points: Float32) -> Roi:
    """Return the region around a mesh ((N, 3) px), upright for the line between its outer eye corners.

    Raises:
        InputError: all points coincide.
    """
    xy = points[:, :2].astype(np.float64)
    corners = np.stack([xy.min(axis=0), xy.max(axis=0)])
    return _roi_around(corners, xy[RIGHT_EYE_OUTER_CORNER], xy[LEFT_EYE_OUTER_CORNER])


def _roi_around(corners: Float64, right_eye: Float64, left_eye: Float64) -> Roi:
    long_side = float((corners[1] - corners[0]).max())
    if long_side <= 0.0:
        raise InputError(f"a region needs a box with an extent; got corners {corners.tolist()}")
    dx, dy = left_eye - right_eye
    return Roi(corners.mean(axis=0), ROI_SCALE * long_side, math.atan2(dy, dx))


def image_from_crop(roi: Roi, crop_size: int) -> Float64:
    """Return the (2, 3) float64 affine that takes crop px to image px: (0, 0)…(S, S) go to the region's corners.

    The crop's pixels are read at their integer places, and the networks' coordinates come back by the same map. So it
    is in the reference, whose x · width was measured to count from pixel centres (test/data/PROVENANCE.md).
    """
    scale = roi.size / crop_size
    cos, sin = math.cos(roi.angle) * scale, math.sin(roi.angle) * scale
    linear = np.array([[cos, -sin], [sin, cos]])
    middle = np.full(2, 0.5 * crop_size)
    return np.column_stack([linear, roi.center_xy - linear @ middle])


def letterbox_roi(size_wh: tuple[int, int]) -> Roi:
    """Return the square on the long side of an image of ``size_wh``, centred as the reference centres it."""
    width, height = size_wh
    return Roi(np.array([0.5 * width, 0.5 * height]), float(max(width, height)), 0.0)


def to_image(points_xy: Float64, image_from_crop: Float64) -> Float64:
    """Apply a (2, 3) affine to (…, 2) float64 points."""
    mapped: Float64 = points_xy @ image_from_crop[:, :2].T + image_from_crop[:, 2]
    return mapped


def bounds_xyxy(roi: Roi) -> Float64:
    """Return the region's square without its turn, (4,) px: what regions are compared by."""
    half = 0.5 * roi.size
    return np.concatenate([roi.center_xy - half, roi.center_xy + half])


def overlaps(box_xyxy: Float64, boxes_xyxy: Float64) -> Float64:
    """Return the intersection over union of one (4,) box with each of (N, 4) boxes, (N,) in 0..1."""
    low = np.maximum(box_xyxy[:2], boxes_xyxy[:, :2])
    high = np.minimum(box_xyxy[2:], boxes_xyxy[:, 2:])
    common = np.prod(np.clip(high - low, 0.0, None), axis=1)
    areas = np.prod(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], axis=1)
    union = np.prod(box_xyxy[2:] - box_xyxy[:2]) + areas - common
    shares: Float64 = np.divide(common, union, out=np.zeros_like(common), where=union > 0.0)
    return shares
