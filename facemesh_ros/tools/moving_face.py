"""A real face that moves: the frames of the demo, of the tests and of the recorded goldens.

The picture is the public-domain portrait of the astronaut Eileen Collins (NASA, Great Images in NASA) that
the scikit-image wheel carries; it is read from there and never copied. Each frame shows it panned, rolled and
zoomed.

Frames must be the same bytes on every machine, or the goldens recorded from them would mean nothing.
``cv2.warpAffine`` gives other bytes in OpenCV 5 than in 4, and ``cv2.resize(INTER_CUBIC)`` changed between 4.6,
4.10 and 5. ``cv2.remap`` with fixed-point maps is equal in 4.6, 4.10, 4.11 and 5.0, so frames are made by it
alone, and the enlargement that precedes it is integer arithmetic in numpy.

Coordinates are pixels with centres at integers: the centre of the top-left pixel is (0, 0).
"""

from __future__ import annotations

import importlib.util
import math
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from facemesh_ros.errors import FaceMeshError, InputError

PERIOD_FRAMES = 300
"""Frames after which the motion repeats: 10 s at 30 Hz."""

PICTURE_SIZE_WH = (512, 512)
FACE_CENTRE_XY = (225.0, 124.0)
"""Centre of the face in the picture, px: the middle of the box of its mesh points."""

_ROLL_RAD = math.radians(20.0)
_ZOOM_RANGE = (1.7, 2.6)
"""Picture px to frame px at 640×480, where the face's 94 px become 160 to 245."""

_ENLARGEMENT = 2
_CUBIC_QUARTER = (-9, 111, 29, -3)
"""Catmull-Rom weights of the four neighbours at a quarter of a pixel, in 128ths: exact in integers."""

_MARGIN_PX = 128
"""How far the picture is continued over its edges; less than the way to a mirror image of the face."""

_SOFTEST_PX = 20
"""Half the width over which the backdrop above the picture is averaged, at most."""

_MAP_BITS = 5
"""cv2.remap's fixed-point maps resolve 1/32 px (INTER_BITS of OpenCV)."""
_POSITION_BITS = 16


class MovingFace:
    """An endless, deterministic film of one face, always fully in view."""

    def __init__(self, size_wh: tuple[int, int] = (640, 480)) -> None:
        """Read the picture; raise InputError for an empty frame, FaceMeshError without scikit-image."""
        if min(size_wh) < 1:
            raise InputError(f"size_wh is {size_wh}; width and height must be at least 1 px: give e.g. (640, 480)")
        self.size_wh = size_wh
        self._canvas = _canvas_bgr()

    def frame_bgr(self, index: int) -> NDArray[np.uint8]:
        """Return frame `index`, (H, W, 3) uint8 BGR; frame index + PERIOD_FRAMES is the same."""
        return _render(self._canvas, self.frame_from_picture(index), self.size_wh)

    def frame_from_picture(self, index: int) -> NDArray[np.float64]:
        """Return the (2, 3) float64 affine that takes a pixel of the picture to one of frame `index`."""
        turn = 2.0 * math.pi * (index % PERIOD_FRAMES) / PERIOD_FRAMES
        width, height = self.size_wh
        unit = min(width / 640.0, height / 480.0)
        low, high = _ZOOM_RANGE
        zoom = unit * (0.5 * (low + high) + 0.5 * (high - low) * math.sin(3.0 * turn))
        angle = _ROLL_RAD * math.sin(2.0 * turn)
        face_xy = (
            0.5 * (width - 1) + 80.0 * unit * math.sin(turn),
            0.45 * (height - 1) + 18.0 * unit * math.sin(5.0 * turn),
        )
        return similarity(zoom, angle, FACE_CENTRE_XY, face_xy)


def picture_bgr() -> NDArray[np.uint8]:
    """Return the picture itself, (512, 512, 3) uint8 BGR; raise FaceMeshError without scikit-image."""
    path = _picture_path()
    picture = cv2.imdecode(np.frombuffer(_without_colour_profile(path.read_bytes()), np.uint8), cv2.IMREAD_COLOR)
    if picture is None or picture.shape != (*PICTURE_SIZE_WH[::-1], 3):
        raise FaceMeshError(
            f"{path} is not the 512×512 colour picture that scikit-image ships: "
            "pip install --force-reinstall scikit-image"
        )
    return np.asarray(picture, np.uint8)


def render_bgr(frame_from_picture: NDArray[np.float64], size_wh: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the picture under any (2, 3) affine as a frame of `size_wh`, (H, W, 3) uint8 BGR."""
    return _render(_canvas_bgr(), frame_from_picture, size_wh)


def _picture_path() -> Path:
    """Find the picture without importing scikit-image, which would need its dependencies and a second."""
    spec = importlib.util.find_spec("skimage")
    for folder in (spec.submodule_search_locations or []) if spec is not None else []:
        path = Path(folder) / "data" / "astronaut.png"
        if path.is_file():
            return path
    raise FaceMeshError(
        "the moving face needs the astronaut picture of scikit-image, which is not installed: pip install scikit-image"
    )


def _without_colour_profile(png: bytes) -> bytes:
    """Drop the iCCP chunk, which OpenCV ignores but libpng warns of (layout: PNG specification, 5.3)."""
    kept, start = [png[:8]], 8
    while start < len(png):
        end = start + 12 + int.from_bytes(png[start : start + 4], "big")
        if png[start + 4 : start + 8] != b"iCCP":
            kept.append(png[start:end])
        start = end
    return b"".join(kept)


@lru_cache(maxsize=1)
def _canvas_bgr() -> NDArray[np.uint8]:
    """Return the picture with its margin at twice the size, (1536, 1536, 3) uint8, read-only.

    The sides and the bottom are mirrored; a mirror at the top would show the hair upside down.
    """
    sides = ((0, _MARGIN_PX), (_MARGIN_PX, _MARGIN_PX), (0, 0))
    picture = np.pad(picture_bgr(), sides, mode="symmetric")
    picture = np.concatenate([_backdrop_above(picture[0]), picture])
    canvas = _doubled(_doubled(picture.astype(np.int32), axis=0), axis=1)
    rounded: NDArray[np.uint8] = np.clip((canvas + (1 << 13)) >> 14, 0, 255).astype(np.uint8)
    rounded.flags.writeable = False
    return rounded


def _backdrop_above(edge: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Continue the top row (W, 3) upwards as (_MARGIN_PX, W, 3) uint8.

    It is the softer the farther: drawn out sharp, its grain would show as streaks.
    """
    widest = _SOFTEST_PX
    padded = np.pad(edge.astype(np.int64), ((widest + 1, widest), (0, 0)), mode="edge").cumsum(axis=0)
    rows = []
    for distance in range(_MARGIN_PX, 0, -1):
        half = min(distance, widest)
        last, first = padded[widest + half + 1 :][: len(edge)], padded[widest - half :][: len(edge)]
        rows.append((last - first) // (2 * half + 1))
    return np.array(rows, np.uint8)


def _doubled(image: NDArray[np.int32], axis: int) -> NDArray[np.int32]:
    """Return `image` at twice the length along `axis`, with values in 128ths.

    Each pixel gives two, which lie a quarter of it before and after its centre: cubic interpolation.
    """
    lines = np.moveaxis(image, axis, 0)
    padded = np.concatenate([lines[:1], lines[:1], lines, lines[-1:], lines[-1:]])
    n = len(lines)
    after = sum(w * padded[1 + k : 1 + k + n] for k, w in enumerate(_CUBIC_QUARTER))
    before = sum(w * padded[3 - k : 3 - k + n] for k, w in enumerate(_CUBIC_QUARTER))
    return np.moveaxis(np.stack([before, after], axis=1).reshape(2 * n, *lines.shape[1:]), 0, axis)


def _render(
    canvas: NDArray[np.uint8], frame_from_picture: NDArray[np.float64], size_wh: tuple[int, int]
) -> NDArray[np.uint8]:
    """Sample the canvas on the grid of the frame, bilinearly at 1/32 px."""
    width, height = size_wh
    canvas_from_frame = _canvas_from_picture() @ np.linalg.inv(np.vstack([frame_from_picture, (0.0, 0.0, 1.0)]))
    fixed = np.rint(canvas_from_frame[:2] * (1 << _POSITION_BITS)).astype(np.int64)
    fixed[:, 2] += 1 << (_POSITION_BITS - _MAP_BITS - 1)
    whole = np.empty((height, width, 2), np.int16)
    fraction = np.zeros((height, width), np.uint16)
    for axis in (0, 1):
        along_x = fixed[axis, 0] * np.arange(width) + fixed[axis, 2]
        position = (along_x[np.newaxis] + (fixed[axis, 1] * np.arange(height))[:, np.newaxis]) >> (
            _POSITION_BITS - _MAP_BITS
        )
        whole[..., axis] = position >> _MAP_BITS
        fraction |= ((position & ((1 << _MAP_BITS) - 1)) << (_MAP_BITS * axis)).astype(np.uint16)
    return np.asarray(cv2.remap(canvas, whole, fraction, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def _canvas_from_picture() -> NDArray[np.float64]:
    """Return the (3, 3) affine from picture to canvas; the half pixel keeps each pixel's two about its centre."""
    shift = _ENLARGEMENT * _MARGIN_PX + 0.5 * (_ENLARGEMENT - 1)
    return np.array([[_ENLARGEMENT, 0.0, shift], [0.0, _ENLARGEMENT, shift], [0.0, 0.0, 1.0]])


def similarity(
    scale: float, angle: float, source_xy: tuple[float, float], target_xy: tuple[float, float]
) -> NDArray[np.float64]:
    """Return the (2, 3) affine that scales, turns by `angle` rad (x towards y) and takes source to target."""
    cos, sin = scale * math.cos(angle), scale * math.sin(angle)
    (x, y), (u, v) = source_xy, target_xy
    return np.array([[cos, -sin, u - cos * x + sin * y], [sin, cos, v - sin * x - cos * y]])
