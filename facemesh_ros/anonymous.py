"""Faces covered beyond recovery: nothing of a covered pixel goes into the picture that comes out.

What is painted over a face is made of its surroundings alone. So there is nothing to undo, as there is in a blur or a
mosaic of the face itself: pictures that differ only under the covers come out the same, bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from facemesh_ros.errors import InputError
from facemesh_ros.geometry import roi_corners
from facemesh_ros.paint import fixed_point
from facemesh_ros.types import Face, Float32, Float64, Roi, UInt8

GROWTH = 1.3
"""The cover of a mesh over its hull: with the hairline, most of the ears, and errors of the mesh."""
_SHIFT = 4
_COARSE_PX = 8
"""The surroundings are taken in cells of this side: what is painted is smooth in any case."""
_NOTHING = 128
"""Grey, where there are no surroundings."""
_LEAST_KNOWN = 0.25
"""A cell of which less is known counts as unknown, and one of which more is, as known."""


def face_hulls(faces: Iterable[Face], possible_rois: Iterable[Roi]) -> list[Float64]:
    """Return what is to be covered, (n, 2) px each: returned faces, and all of the regions where others may be.

    A face is where its raw mesh says; where the smoothed one says there are further points in what is published.
    """
    return [*map(_grown_hull, faces), *map(roi_corners, possible_rois)]


def _grown_hull(face: Face) -> Float64:
    points = np.concatenate([face.mesh.points[:, :2], face.smoothed.points[:, :2]]).astype(np.float64)
    middle = 0.5 * (points.min(axis=0) + points.max(axis=0))
    return np.asarray(middle + GROWTH * (points - middle), np.float64)


def covered(image: UInt8, hulls: Iterable[NDArray[np.floating]]) -> UInt8:
    """Return a copy of ``image`` in which no pixel in the convex hulls is left, nor anything that was made of one.

    Args:
        image: (H, W, 3) uint8, channels in any order; it is left as it is.
        hulls: (n, 2) px each, n from 1 on, finite; parts outside of the image are cut off.

    Raises:
        InputError: the image has another shape or dtype, or a hull is not as above.
    """
    _check_image(image)
    mask = _mask(image.shape[:2], hulls)
    if not mask.any():
        return np.array(image)
    bare = np.asarray(cv2.copyTo(image, cv2.bitwise_not(mask), np.zeros_like(image)), np.uint8)
    return np.asarray(cv2.copyTo(_surroundings(bare, mask), mask, bare), np.uint8)


def _check_image(image: UInt8) -> None:
    if not isinstance(image, np.ndarray):
        raise InputError(f"the image is a {type(image).__name__}; it must be a uint8 (H, W, 3) array")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise InputError(f"the image is {image.dtype} {image.shape}; it must be uint8 (H, W, 3): convert it first")


def _mask(shape: tuple[int, ...], hulls: Iterable[NDArray[np.floating]]) -> UInt8:
    """(H, W) uint8: 255 in the hulls and one pixel around them, 0 elsewhere."""
    mask = np.zeros(shape, np.uint8)
    for hull in hulls:
        if hull.ndim != 2 or hull.shape[1] != 2 or len(hull) == 0 or not np.isfinite(hull).all():
            raise InputError(f"a hull is {hull.shape}, perhaps with NaN; it must be finite (n, 2) px, n from 1 on")
        cv2.fillConvexPoly(mask, cv2.convexHull(fixed_point(hull)), 255, cv2.LINE_8, _SHIFT)
    return np.asarray(cv2.dilate(mask, np.ones((3, 3), np.uint8)), np.uint8)


def _surroundings(bare: UInt8, mask: UInt8) -> UInt8:
    """(H, W, 3) uint8: the colours around the mask, spread smoothly into it.

    Args:
        bare: (H, W, 3) uint8, 0 in the mask.
        mask: (H, W) uint8, 255 or 0.
    """
    height, width = mask.shape
    known = 1.0 - _cells(mask)[..., np.newaxis] / np.float32(255.0)
    known[known < _LEAST_KNOWN] = 0.0
    coarse = np.rint(_spread(_cells(bare) * (known > 0.0), known)).astype(np.uint8)
    size_wh = (_COARSE_PX * coarse.shape[1], _COARSE_PX * coarse.shape[0])
    fine = np.asarray(cv2.resize(coarse, size_wh, interpolation=cv2.INTER_LINEAR), np.uint8)
    return np.ascontiguousarray(fine[:height, :width])


def _cells(picture: UInt8) -> Float32:
    """Return the mean of each cell, rounded to 8 bits, which is quick."""
    height, width = picture.shape[:2]
    whole = cv2.copyMakeBorder(picture, 0, -height % _COARSE_PX, 0, -width % _COARSE_PX, cv2.BORDER_REPLICATE)
    size_wh = (whole.shape[1] // _COARSE_PX, whole.shape[0] // _COARSE_PX)
    return np.asarray(cv2.resize(whole, size_wh, interpolation=cv2.INTER_AREA), np.float32)


def _spread(sums: Float32, known: Float32) -> Float32:
    """Return (h, w, 3) colours everywhere from (h, w, 3) sums over the known share of each cell, (h, w, 1) 0 to 1.

    By pull and push (Gortler et al., "The lumigraph", SIGGRAPH 1996): a cell that knows nothing asks coarser ones.
    """
    colors = np.divide(sums, known, out=np.full_like(sums, _NOTHING), where=known > 0.0).clip(0.0, 255.0)
    height, width = sums.shape[:2]
    if max(height, width) == 1:
        return colors
    half = _half(sums)
    coarse = _spread(half, _half(known).reshape(*half.shape[:2], 1))
    share = np.minimum(known / _LEAST_KNOWN, 1.0)
    blurred = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(share * colors + (1.0 - share) * blurred, np.float32)


def _half(values: Float32) -> Float32:
    return np.asarray(cv2.pyrDown(values), np.float32)
