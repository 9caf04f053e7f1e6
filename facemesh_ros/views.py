"""Where a detection network looks: squares of the image, turned when faces may be. Pure geometry.

A network finds faces of a certain share of its square (size of the 68 landmarks over the side). Measured on 65
labelled faces (`bench/reach.py`): the short-range network finds 96 % or more from a share of 0.17 on, the full-range
one 93 % or more from 0.1 to 0.4. So small faces need small squares: a pyramid of overlapping tiles, whose sides double.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from facemesh_ros.geometry import letterbox_roi
from facemesh_ros.types import Roi

TILE_OF_FACE = 8.0
"""Side of the smallest tiles over the smallest face wanted."""
TILE_OVERLAP = 0.25
"""Share of its side by which a tile overlaps the next: every face up to that large is whole in one of them."""
LARGEST_TILE = 0.75
"""Of the image's long side; larger tiles would see what the whole image shows."""
AROUND = 3.0
"""Side of the view around a known region, over the region's side."""


@dataclass(frozen=True)
class View:
    """A square of the image, and which network looks at it."""

    network: str
    """short or full."""
    roi: Roi
    """The square; its angle is that of an upright face in it."""


def whole(network: str, size_wh: tuple[int, int], angle: float = 0.0) -> View:
    """Return the view of a whole image of ``size_wh`` px, for faces turned by ``angle`` rad."""
    square = letterbox_roi(size_wh)
    if angle == 0.0:
        return View(network, square)
    width, height = size_wh
    cos, sin = abs(math.cos(angle)), abs(math.sin(angle))
    side = max(width * cos + height * sin, width * sin + height * cos)
    return View(network, Roi(square.center_xy, side, angle))


def around(network: str, roi: Roi) -> View:
    """Return the view in which a face that was last seen in ``roi`` is looked for."""
    return View(network, Roi(roi.center_xy, AROUND * roi.size, roi.angle))


@lru_cache(maxsize=16)
def pyramid(network: str, size_wh: tuple[int, int], smallest_face_px: float, angle: float = 0.0) -> tuple[View, ...]:
    """Return tiles of doubling sides that show every face from ``smallest_face_px`` on large enough; large tiles first.

    Args:
        network: which looks at them.
        size_wh: width and height of the image, px.
        smallest_face_px: the smallest face's size, px.
        angle: of an upright face, rad.
    """
    sides = []
    side = TILE_OF_FACE * smallest_face_px
    while side <= LARGEST_TILE * max(size_wh):
        sides.append(side)
        side *= 2.0
    return tuple(View(network, roi) for side in reversed(sides) for roi in _tiles(size_wh, side, angle))


def _tiles(size_wh: tuple[int, int], side: float, angle: float) -> list[Roi]:
    """Return the squares of one side, row by row; a turned one reaches less far along the axes of the image."""
    reach = side / (abs(math.cos(angle)) + abs(math.sin(angle)))
    columns, rows = (_middles(length, reach) for length in size_wh)
    return [Roi(np.array([x, y]), side, angle) for y in rows for x in columns]


def _middles(length: float, reach: float) -> list[float]:
    """Return the middles of intervals of ``reach`` that cover 0…length evenly."""
    if length <= reach:
        return [0.5 * length]
    count = math.ceil((length - reach) / (reach * (1.0 - TILE_OVERLAP))) + 1
    return list(np.linspace(0.5 * reach, length - 0.5 * reach, count))
