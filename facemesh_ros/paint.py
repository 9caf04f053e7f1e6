"""Lines on a canvas: in fractions of a pixel, in either channel order, with a dark edge that keeps them readable."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facemesh_ros.types import Float32, UInt8

Color = tuple[int, int, int]
"""RGB."""

SHADE: Color = (10, 20, 30)
"""Of the edges."""

_SHIFT = 4
"""Fractional bits of the coordinates that OpenCV draws: sixteenths of a pixel."""
_FARTHEST_PX = 2.0**15
"""Coordinates are clamped to this, far outside any image, to keep OpenCV's fixed-point arithmetic in range."""


@dataclass(frozen=True)
class Brush:
    """How lines are drawn on a canvas of one channel order; points are what :func:`fixed_point` returns."""

    order: str
    """ "rgb" or "bgr"."""
    line_px: int
    """Width of a line of usual weight."""

    @property
    def edge_px(self) -> int:
        """Width of a line together with its dark edge, which is half a pixel wide on thin lines, else one."""
        return self.line_px + (2 if self.line_px > 1 else 1)

    def color(self, rgb: Color) -> Color:
        """Return the colour as the canvas has it."""
        return rgb if self.order == "rgb" else rgb[::-1]

    def edged(self, canvas: UInt8, line: NDArray[np.int32], rgb: Color) -> None:
        """Draw one (n, 2) line over its dark edge."""
        for color, width_px in ((SHADE, self.edge_px), (rgb, self.line_px)):
            self.lines(canvas, [line], color, width_px)

    def dot(self, canvas: UInt8, center: NDArray[np.int32], rgb: Color) -> None:
        """Draw a disc over its dark edge, three lines wide."""
        x, y = center.tolist()
        for color, radius_px in ((SHADE, self.line_px + 0.5 * self.edge_px), (rgb, 1.5 * self.line_px)):
            radius = round(radius_px * 2**_SHIFT)
            cv2.circle(canvas, (x, y), radius, self.color(color), cv2.FILLED, cv2.LINE_AA, _SHIFT)

    def ring(self, canvas: UInt8, center: NDArray[np.int32], radius: float, rgb: Color, width_px: int) -> None:
        """Draw a circle, its radius in the units of the points."""
        x, y = center.tolist()
        cv2.circle(canvas, (x, y), round(radius), self.color(rgb), width_px, cv2.LINE_AA, _SHIFT)

    def lines(
        self, canvas: UInt8, lines: Sequence[NDArray[np.int32]], rgb: Color, width_px: int, closed: bool = False
    ) -> None:
        """Draw (n, 2) lines without an edge."""
        cv2.polylines(canvas, lines, closed, self.color(rgb), width_px, cv2.LINE_AA, _SHIFT)


def fixed_point(points_xy: NDArray[Any]) -> NDArray[np.int32]:
    """Convert px to what OpenCV's ``shift`` expects."""
    near = np.clip(points_xy, -_FARTHEST_PX, _FARTHEST_PX)
    return np.asarray(np.round(near * 2**_SHIFT), np.int32)


def view_of(canvas: UInt8, points_xy: NDArray[Any], margin_px: int) -> tuple[UInt8, Float32]:
    """Return the part of the canvas around the points, perhaps empty, and the (2,) px of its top-left corner."""
    low = np.floor(points_xy.min(axis=0)) - margin_px
    high = np.ceil(points_xy.max(axis=0)) + margin_px + 1
    (left, top), (right, bottom) = np.clip([low, high], 0, canvas.shape[1::-1]).astype(int)
    return canvas[top:bottom, left:right], np.array([left, top], np.float32)


@contextmanager
def translucent(view: UInt8, opacity: float) -> Iterator[UInt8]:
    """Yield what to paint on, and blend that into ``view`` afterwards."""
    if opacity == 1.0:
        yield view
        return
    layer = view.copy()
    yield layer
    cv2.addWeighted(layer, opacity, view, 1.0 - opacity, 0.0, dst=view)
