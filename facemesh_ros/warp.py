"""Cut square pictures out of an image, the same with every OpenCV.

``cv2.warpAffine`` rounds its sampling places to 1/32 px up to OpenCV 4, and not at all in 5. The networks' results on
the two differ by hundredths of a pixel in the mesh and a tenth in the full-range detector's boxes. ``cv2.remap`` on
fixed-point maps samples at 1/32 px in both, as the reference does, and takes the same time.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from facemesh_ros.types import Float32, Float64, UInt8

Maps = tuple[NDArray[np.int16], NDArray[np.uint16]]
"""Whole pixels (S, S, 2), and 1/32 px (S, S) packed as OpenCV packs them."""


def sampling_maps(image_from_crop: Float64, size: int) -> Maps:
    """Return where a crop of ``size`` px a side reads the image; ``image_from_crop`` is a (2, 3) affine."""
    pixels = _pixels(size)
    x, y = (
        np.add.outer((down * pixels + start).astype(np.float32), (right * pixels).astype(np.float32))
        for right, down, start in image_from_crop.tolist()
    )
    return packed(x, y)


@lru_cache(maxsize=16)
def _pixels(size: int) -> Float64:
    pixels = np.arange(size, dtype=np.float64)
    pixels.flags.writeable = False
    return pixels


def packed(x: Float32, y: Float32) -> Maps:
    """Return the places ``x`` and ``y`` in the image, (S, S) float32 px each, as maps."""
    whole, fraction = cv2.convertMaps(x, y, cv2.CV_16SC2)
    return whole, fraction  # type: ignore[return-value]


def cut(image: UInt8, maps: Maps, border: int, out: UInt8 | None = None) -> UInt8:
    """Return the (S, S, …) picture, bilinear.

    Args:
        image: (H, W) or (H, W, C); there may be gaps between its rows.
        maps: where to read it.
        border: OpenCV's way to fill what lies outside the image.
        out: where to put the picture; None for a new array.
    """
    picture: UInt8 = cv2.remap(image, *maps, cv2.INTER_LINEAR, out, border)  # type: ignore[assignment]
    return picture
