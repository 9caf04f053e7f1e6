"""Parts of pictures side by side, with what was found, what is true, and a caption each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facemesh_ros.draw import draw_faces
from facemesh_ros.types import Face, Mesh, Roi, UInt8

TILE_PX = 320
COLUMNS = 4
_LINE_PX = 19
_LINES = 3
_GAP_PX = 6
_FONT, _FONT_SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.45
_PAPER, _INK, _FIRST_INK = (24, 26, 30), (205, 210, 215), (255, 255, 255)
_TRUTH, _TRUTH_EDGE = (60, 255, 90), (0, 40, 0)
_DARK, _BRIGHT = 60.0, 150.0
"""A tile of which nine tenths are below the first is shown with them up to the second."""
_WIDEST = 2.0
"""A square is at most so many times as wide as the picture, however large a false face is."""
_OUT_OF_SIGHT = Roi(np.array([-1e4, -1e4]), 1.0, 0.0)
"""So that no region and no label hide the face."""


@dataclass(frozen=True, eq=False)
class Tile:
    """One part of a picture."""

    image_rgb: UInt8
    """(H, W, 3), the whole picture."""
    center_xy: NDArray[np.float64]
    """(2,) px: middle of the square to show."""
    side_px: float
    """Of that square; what lies outside of the picture is dark."""
    meshes: tuple[NDArray[Any], ...]
    """(N, 3) px each."""
    labels: tuple[str, ...]
    """Written over each mesh, such as its id."""
    truth: NDArray[np.float64] | None
    """(68, 2) px."""
    caption: tuple[str, ...]
    """At most three lines of ASCII; what is too long is cut in the middle."""
    columns: int = 1
    """Of the sheet: how wide, and so how large, it is shown."""

    @property
    def shown_px(self) -> int:
        """Side of the tile on the sheet."""
        return self.columns * (TILE_PX + _GAP_PX) - _GAP_PX


def around(points: NDArray[Any], margin: float) -> tuple[NDArray[np.float64], float]:
    """Return centre and side, px, of a square that holds the points ``margin`` times over."""
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    return np.asarray((low + high) / 2.0, np.float64), max(margin * float((high - low).max()), 8.0)


def whole(image_rgb: UInt8) -> tuple[NDArray[np.float64], float]:
    """Return centre and side, px, of a square that holds the picture."""
    height, width = image_rgb.shape[:2]
    return np.array([width - 1, height - 1]) / 2.0, float(max(width, height))


def contact_sheet(tiles: Sequence[Tile]) -> UInt8:
    """Return (H, W, 3) uint8 RGB: at least one tile, in rows, those over many columns first."""
    rows = []
    for columns in sorted({tile.columns for tile in tiles}, reverse=True):
        alike = [_captioned(tile) for tile in tiles if tile.columns == columns]
        a_row = COLUMNS // columns
        rows += [np.concatenate(alike[i : i + a_row], axis=1) for i in range(0, len(alike), a_row)]
    width = max(row.shape[1] for row in rows)
    sheet = np.empty((sum(map(len, rows)) + _GAP_PX, width + _GAP_PX, 3), np.uint8)
    sheet[:] = _PAPER
    top = 0
    for row in rows:
        sheet[top : top + len(row), : row.shape[1]] = row
        top += len(row)
    return sheet


def _captioned(tile: Tile) -> UInt8:
    """Return (H, W, 3) uint8 RGB: the tile, its caption under it, a gap on the left and above."""
    side = tile.shown_px
    block = np.empty((side + _LINES * _LINE_PX + 2 * _GAP_PX, side + _GAP_PX, 3), np.uint8)
    block[:] = _PAPER
    block[_GAP_PX : _GAP_PX + side, _GAP_PX:] = draw_tile(tile)
    for line, text in enumerate(tile.caption[:_LINES]):
        place = (_GAP_PX + 2, _GAP_PX + side + (line + 1) * _LINE_PX - 4)
        color = _FIRST_INK if line == 0 else _INK
        cv2.putText(block, fitted(text, side), place, _FONT, _FONT_SCALE, color, 1, cv2.LINE_AA)
    return block


def draw_tile(tile: Tile) -> UInt8:
    """Return (shown_px, shown_px, 3) uint8 RGB."""
    canvas, scale, origin_xy = _cut(tile)
    faces = [_face(mesh, scale, origin_xy) for mesh in tile.meshes]
    canvas = draw_faces(canvas, faces, order="rgb")
    for face, label in zip(faces, tile.labels, strict=True):
        _write_over(canvas, face.mesh.points, label)
    if tile.truth is not None:
        for x, y in np.round((tile.truth - origin_xy) * scale).astype(int).tolist():
            cv2.circle(canvas, (x, y), 3, _TRUTH_EDGE, -1, cv2.LINE_AA)
            cv2.circle(canvas, (x, y), 2, _TRUTH, -1, cv2.LINE_AA)
    return canvas


def _cut(tile: Tile) -> tuple[UInt8, float, NDArray[np.float64]]:
    """Return the square, scaled; the scale; and px of the picture at the middle of its first pixel."""
    height, width = tile.image_rgb.shape[:2]
    side = round(min(tile.side_px, _WIDEST * max(height, width)))
    left, top = np.round(tile.center_xy - (side - 1) / 2.0).astype(int).tolist()
    square = np.empty((side, side, 3), np.uint8)
    square[:] = _PAPER
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + side, width), min(top + side, height)
    if x0 < x1 and y0 < y1:
        square[y0 - top : y1 - top, x0 - left : x1 - left] = _brightened(tile.image_rgb[y0:y1, x0:x1])
    scale = tile.shown_px / side
    how = cv2.INTER_AREA if scale < 1.0 else cv2.INTER_CUBIC
    canvas = np.asarray(cv2.resize(square, (tile.shown_px, tile.shown_px), interpolation=how), np.uint8)
    return canvas, scale, np.array([left, top]) - 0.5 + 0.5 / scale


def _brightened(picture: UInt8) -> UInt8:
    """Return a dark picture brighter, as people could not see what it shows."""
    bright = float(np.percentile(picture, 90))
    if bright >= _DARK:
        return picture
    return np.asarray(np.clip(picture * (_BRIGHT / max(bright, _BRIGHT / 20.0)), 0.0, 255.0), np.uint8)


def _write_over(canvas: UInt8, points: NDArray[Any], label: str) -> None:
    """Write above the top of a face, with a dark edge."""
    top = points[points[:, 1].argmin()]
    place = (round(float(top[0])) - 8, max(round(float(top[1])) - 6, 14))
    for color, width in ((_PAPER, 4), (_FIRST_INK, 1)):
        cv2.putText(canvas, label, place, _FONT, _FONT_SCALE, color, width, cv2.LINE_AA)


def _face(mesh: NDArray[Any], scale: float, origin_xy: NDArray[np.float64]) -> Face:
    points = (np.asarray(mesh, np.float64) - [*origin_xy, 0.0]) * scale
    shown = Mesh(points.astype(np.float32), 1.0)
    return Face(1, _OUT_OF_SIGHT, shown, shown)


def fitted(text: str, width_px: int = TILE_PX) -> str:
    """Cut a line of ASCII in the middle so that it fits under a tile."""
    text = text.encode("ascii", "replace").decode()
    for keep in range(len(text), 8, -1):
        half = keep // 2
        shown = text if keep == len(text) else f"{text[:half]}..{text[-(keep - half) :]}"
        if cv2.getTextSize(shown, _FONT, _FONT_SCALE, 1)[0][0] <= width_px - 4:
            return shown
    return text[:8]
