"""The colours of an image at the points of a mesh."""

from __future__ import annotations

import cv2
import numpy as np

from facemesh_ros.types import Float32, UInt8

SHARES = np.arange(256, dtype=np.float32) / np.float32(255)
"""(256,) float32: of each value of a pixel, 0 to 1."""


class Palette:
    """The colours of one image after another, all in the same memory: making new costs a quarter of it all."""

    def __init__(self, point_count: int) -> None:
        # Rows of an image, for the versions of OpenCV see flat arrays differently.
        self._x, self._y = np.empty((1, point_count), np.float32), np.empty((1, point_count), np.float32)
        self._rgb = np.empty((1, point_count, 3), np.uint8)
        self._rgba = np.empty((1, point_count, 4), np.uint8)
        self._shares = np.empty((1, point_count, 4), np.float32)
        (self._flat_x,), (self._flat_y,), (self._colors,) = self._x, self._y, self._shares

    def colors_at(self, points: Float32, image_rgb: UInt8) -> Float32:
        """Take the colours of the pixels that are nearest to the points; outside the image, those of its edge.

        Args:
            points: (N, 3) float32, px, of as many points as the palette has.
            image_rgb: (H, W, 3) uint8.

        Returns:
            (N, 4) float32 RGBA, 0 to 1; the next call overwrites them.
        """
        np.rint(points[:, 0], self._flat_x)  # the versions of remap round differently
        np.rint(points[:, 1], self._flat_y)
        cv2.remap(image_rgb, self._x, self._y, cv2.INTER_NEAREST, self._rgb, cv2.BORDER_REPLICATE)
        cv2.cvtColor(self._rgb, cv2.COLOR_RGB2RGBA, self._rgba)
        cv2.LUT(self._rgba, SHARES, self._shares)
        return self._colors
