"""Cut square pictures out of an image, the same with every OpenCV.

``cv2.warpAffine`` rounds its sampling places to 1/32 px up to OpenCV 4, and not at all in 5. The networks' results on
the two differ by hundredths of a pixel in the mesh and a tenth in the full-range detector's boxes. ``cv2.remap`` on
fixed-point maps samples at 1/32 px in both, as the reference does, and takes the same time.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from facemesh_ros.types import Float32, Float64, UInt8

Maps = tuple[NDArray[np.int16], NDArray[np.uint16]]
"""Whole pixels (S, S, 2), and 1/32 px (S, S) packed as OpenCV packs them."""


def sampling_maps(image_from_crop: Float64, size: int) -> Maps:
    """Return where a crop of ``size`` px a side reads the image; ``image_from_crop`` is a (2, 3) affine."""
    pixels = np.arange(size, dtype=np.float64)
    x_right, y_right = np.outer(image_from_crop[:, 0], pixels).astype(np.float32)
    x_down, y_down = (np.outer(image_from_crop[:, 1], pixels) + image_from_crop[:, 2:]).astype(np.float32)
    return packed(np.add.outer(x_down, x_right), np.add.outer(y_down, y_right))


def packed(x: Float32, y: Float32) -> Maps:
    """Return the places ``x`` and ``y`` in the image, (S, S) float32 px each, as maps."""
    whole, fraction = cv2.convertMaps(x, y, cv2.CV_16SC2)
    return whole, fraction  # type: ignore[return-value]


def cut(image: UInt8, maps: Maps, border: int) -> UInt8:
    """Return the (S, S, 3) picture, bilinear; ``border`` is OpenCV's way to fill what lies outside the image."""
    picture: UInt8 = cv2.remap(image, *maps, cv2.INTER_LINEAR, borderMode=border)  # type: ignore[assignment]
    return picture
