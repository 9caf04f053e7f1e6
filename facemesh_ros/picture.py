"""An image as the camera gave it: only what is looked at becomes RGB.

A face is cut out of a small part of an image, and a detector looks at a small picture of all of it. So it is cut first
and converted then, where the order does not matter; where it does, the rectangle around what is cut is converted. What
comes out is, bit for bit, what a cut out of the whole image in RGB gives.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeAlias

import cv2
import numpy as np

from facemesh_ros.types import UInt8
from facemesh_ros.warp import Maps, cut

WORTH_ALL = 0.5
"""Share of an image from which on all of it is converted and kept, for there will be more to cut."""


class Picture(ABC):
    """An image that is (H, W, 3) uint8 RGB, or would be if it were converted. Its pixels must not change meanwhile."""

    def __init__(self, size_wh: tuple[int, int]) -> None:
        self.size_wh = size_wh
        """Width and height, px."""
        self._turn = threading.Lock()
        self._rgb: UInt8 | None = None

    @property
    def rgb(self) -> UInt8:
        """(H, W, 3) uint8 RGB, C-ordered, read-only; converted when it is first asked for, by whichever thread."""
        with self._turn:
            if self._rgb is None:
                self._rgb = _read_only(self._whole())
            return self._rgb

    @abstractmethod
    def _whole(self) -> UInt8:
        """Return all of it, (H, W, 3) uint8 RGB, C-ordered."""

    @abstractmethod
    def cut(self, maps: Maps, border: int, out: UInt8 | None = None) -> UInt8:
        """Return the (S, S, 3) RGB picture at some places, as :func:`facemesh_ros.warp.cut` does."""

    @staticmethod
    def of(image: AnyImage) -> Picture:
        """Return a picture as it is, and of an (H, W, 3) RGB array one that reads the array's own memory if it can.

        It can where pixels lie side by side in a row, be it as RGB or, in a view such as ``bgr[..., ::-1]``, as BGR.
        """
        if isinstance(image, Picture):
            return image
        if _has_whole_pixels(image):
            return Interleaved(image)
        if _has_whole_pixels(image[..., ::-1]):
            return Interleaved(image[..., ::-1], cv2.COLOR_BGR2RGB)
        return Interleaved(np.ascontiguousarray(image))


AnyImage: TypeAlias = UInt8 | Picture
"""A picture, or an (H, W, 3) uint8 RGB array."""


def _has_whole_pixels(image: UInt8) -> bool:
    """Tell whether OpenCV can read the array as it lies: whole pixels in whole rows, with or without a gap."""
    across, along, between = image.strides
    return between == image.itemsize and along == 3 * between and across >= image.shape[1] * along


class Interleaved(Picture):
    """Pixels of one byte a channel that RGB takes over, at most in another order: so they may be cut first."""

    def __init__(self, pixels: UInt8, code: int | None = None) -> None:
        """Take the pixels as they lie.

        Args:
            pixels: (H, W) or (H, W, C) uint8; there may be gaps between rows.
            code: of ``cv2.cvtColor``, from these channels to RGB; None where they are RGB.
        """
        super().__init__((pixels.shape[1], pixels.shape[0]))
        self._pixels = pixels
        self._code = code

    def _whole(self) -> UInt8:
        """See :class:`Picture`; RGB without gaps is its own memory."""
        return self._converted(self._pixels)

    def cut(self, maps: Maps, border: int, out: UInt8 | None = None) -> UInt8:
        """See :class:`Picture`."""
        if self._code is None:
            return cut(self._pixels, maps, border, out)
        return self._converted(cut(self._pixels, maps, border), out)

    def _converted(self, pixels: UInt8, out: UInt8 | None = None) -> UInt8:
        if self._code is None:
            return np.ascontiguousarray(pixels)
        return np.asarray(cv2.cvtColor(pixels, self._code, out), np.uint8)


class Encoded(Picture):
    """Pixels that have to be converted before they are cut, in rectangles that begin at even rows and columns."""

    def __init__(self, size_wh: tuple[int, int], convert: Callable[[slice, slice], UInt8]) -> None:
        """Take what converts a rectangle, given its rows and columns, to (h, w, 3) RGB as it is in the whole image."""
        super().__init__(size_wh)
        self._convert = convert

    def _whole(self) -> UInt8:
        """See :class:`Picture`."""
        width, height = self.size_wh
        return self._convert(slice(0, height), slice(0, width))

    def cut(self, maps: Maps, border: int, out: UInt8 | None = None) -> UInt8:
        """See :class:`Picture`."""
        columns, rows = self._looked_at(maps)
        width, height = self.size_wh
        area = (columns.stop - columns.start) * (rows.stop - rows.start)
        if self._rgb is not None or area > WORTH_ALL * width * height:
            return cut(self.rgb, maps, border, out)
        whole, fraction = maps
        moved = whole - np.array([columns.start, rows.start], np.int16)  # no place lies before a start but 0
        return cut(self._convert(rows, columns), (moved, fraction), border, out)

    def _looked_at(self, maps: Maps) -> tuple[slice, slice]:
        """Return the columns and the rows that the maps read; something of the image in any case."""
        low, high = maps[0].min(axis=0).min(axis=0).tolist(), maps[0].max(axis=0).max(axis=0).tolist()
        columns, rows = map(_even, low, high, self.size_wh)
        return columns, rows


def _even(low: int, high: int, length: int) -> slice:
    """Return the range from ``low`` to the neighbour of ``high``, widened to even numbers, within 0…length."""
    first, last = max(min(low, length - 1), 0), max(min(high + 1, length - 1), 0)
    return slice(first // 2 * 2, min(last // 2 * 2 + 2, length))


def _read_only(image: UInt8) -> UInt8:
    view: UInt8 = image.view()
    view.flags.writeable = False
    return view
