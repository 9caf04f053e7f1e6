"""Films for the benches: the moving face, once or several times side by side, kept as files that any process reads."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np

from facemesh_ros.tools.moving_face import FACE_CENTRE_XY, MovingFace, render_bgr, similarity

FACE_PX = 94.0
"""Width of the face in the picture (moving_face.py)."""
FACE_OF_TILE = 0.55
"""Width of a face of a crowd over the shorter side of its tile: as large as fits with its motion."""
PERIOD_FRAMES = 120
_PHASE = 17
"""Frames by which each face of a crowd is ahead of the one before."""


class Crowd:
    """The moving face side by side with itself, in a grid of equal tiles, each at its own phase."""

    def __init__(self, faces: int, size_wh: tuple[int, int]) -> None:
        width, height = size_wh
        columns = min(range(1, faces + 1), key=lambda c: abs(math.log(width / c / (height / math.ceil(faces / c)))))
        self._faces, self._columns, self._rows = faces, columns, math.ceil(faces / columns)
        self.size_wh, self._tile_wh = size_wh, (width // columns, height // self._rows)

    def frame_bgr(self, index: int) -> np.ndarray:
        """Return frame `index`, (H, W, 3) uint8 BGR; what the tiles leave over is black."""
        width, height = self.size_wh
        image = np.zeros((height, width, 3), np.uint8)
        tile_width, tile_height = self._tile_wh
        for face in range(self._faces):
            row, column = divmod(face, self._columns)
            tile = render_bgr(self._frame_from_picture(index + _PHASE * face), self._tile_wh)
            y, x = row * tile_height, column * tile_width
            image[y : y + tile_height, x : x + tile_width] = tile
        return image

    def _frame_from_picture(self, index: int) -> np.ndarray:
        turn = 2.0 * math.pi * index / PERIOD_FRAMES
        width, height = self._tile_wh
        side = min(width, height)
        zoom = FACE_OF_TILE * side / FACE_PX * (1.0 + 0.1 * math.sin(turn))
        centre = (0.5 * width + 0.04 * side * math.sin(turn), 0.5 * height + 0.04 * side * math.sin(2.0 * turn))
        return similarity(zoom, 0.15 * math.sin(turn), FACE_CENTRE_XY, centre)


def film_of(faces: int, size_wh: tuple[int, int]) -> MovingFace | Crowd:
    """Return the demo's film for one face, else a crowd."""
    return MovingFace(size_wh) if faces == 1 else Crowd(faces, size_wh)


def write_film(folder: Path, faces: int, size_wh: tuple[int, int], frames: int) -> Path:
    """Write a film as (frames, H, W, 3) uint8 RGB, unless it is there; return its file."""
    path = folder / f"{faces}_{size_wh[0]}x{size_wh[1]}_{frames}.npy"
    if not path.exists():
        film = film_of(faces, size_wh)
        images = np.lib.format.open_memmap(path, "w+", np.uint8, (frames, size_wh[1], size_wh[0], 3))
        for index in range(frames):
            cv2.cvtColor(film.frame_bgr(index), cv2.COLOR_BGR2RGB, dst=images[index])
        images.flush()
    return path
