"""Faces painted on a copy of an image: mesh, contours, irises, region of interest, identity and presence.

Widths and opacities follow the size of each face, so that a distant face does not drown in lines. Lines keep a
dark edge, which makes them readable on light and on dark skin alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facemesh_ros.errors import InputError
from facemesh_ros.topology import Topology, face_topology
from facemesh_ros.types import Face, Roi, UInt8

Color = tuple[int, int, int]

_ORDERS = ("rgb", "bgr")
_MESH: Color = (150, 235, 255)
_SHADE: Color = (10, 20, 30)
_TEXT: Color = (255, 255, 255)
_CONTOURS: dict[str, Color] = {
    "face_oval": (235, 245, 250),
    "lips_outer": (255, 110, 130),
    "lips_inner": (255, 110, 130),
    "right_eye": (90, 225, 120),
    "left_eye": (90, 225, 120),
    "right_eyebrow_upper": (255, 190, 70),
    "right_eyebrow_lower": (255, 190, 70),
    "left_eyebrow_upper": (255, 190, 70),
    "left_eyebrow_lower": (255, 190, 70),
}
_IRIS: Color = (255, 240, 80)
_IDENTITIES: tuple[Color, ...] = (
    (80, 200, 255),
    (255, 160, 60),
    (130, 230, 110),
    (255, 120, 200),
    (230, 190, 30),
    (175, 150, 255),
)
"""Colours of the region and the label, by track id in turn. All colours of this module are RGB."""

_SHIFT = 4
"""Fractional bits of the coordinates that OpenCV draws: sixteenths of a pixel."""
_WIDEST_PX = 20.0
"""Of a line, however large the face."""
_FARTHEST_PX = 2.0**15
"""Coordinates are clamped to this, far outside any image, to keep OpenCV's fixed-point arithmetic in range."""


def draw_faces(image: UInt8, faces: Iterable[Face], *, order: str) -> UInt8:
    """Paint ``faces``, as smoothed, on a copy of ``image``.

    Args:
        image: (H, W, 3) uint8; it is left as it is.
        faces: meshes of 468 or 478 points in pixels of this image; parts outside of it are cut off.
        order: what the image's channels are, "rgb" or "bgr".

    Returns:
        (H, W, 3) uint8, channels as in ``image``.

    Raises:
        InputError: the image has another shape or dtype, ``order`` is unknown, or a mesh has another size.
    """
    _check(image, order)
    canvas = np.array(image, order="C")
    drawn = [(face, _Pen.for_face(face, order)) for face in faces]
    for face, pen in drawn:
        _draw_mesh(canvas, face.smoothed.points, pen)
        _draw_roi(canvas, face.roi, pen)
    for face, pen in drawn:  # over all lines
        _draw_label(canvas, face, pen)
    return canvas


def _check(image: UInt8, order: str) -> None:
    if order not in _ORDERS:
        raise InputError(f"order is {order!r}; it must be {' or '.join(_ORDERS)}")
    if not isinstance(image, np.ndarray):
        raise InputError(f"the image is a {type(image).__name__}; it must be a uint8 (H, W, 3) array")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise InputError(f"the image is {image.dtype} {image.shape}; it must be uint8 (H, W, 3): convert it first")


@dataclass(frozen=True)
class _Pen:
    """How one face is drawn."""

    order: str
    line_px: int
    shade_px: int
    """Width of the dark edge under lines."""
    shade_opacity: float
    mesh_opacity: float
    text_scale: float
    identity: Color
    """RGB."""

    @classmethod
    def for_face(cls, face: Face, order: str) -> _Pen:
        size_px = float(np.ptp(face.smoothed.points[:, :2], axis=0).max())
        line_px = round(min(max(size_px / 130.0, 1.0), _WIDEST_PX))
        return cls(
            order=order,
            line_px=line_px,
            shade_px=line_px + 2,
            shade_opacity=min(size_px / 300.0, 0.45),
            # The mesh has about 40 edges across a face: lines of one pixel cover half of a face of 80 px.
            mesh_opacity=float(np.clip(size_px / 500.0, 0.2, 0.6)),
            text_scale=float(np.clip(size_px / 400.0, 0.4, 1.0)),
            identity=_IDENTITIES[face.track_id % len(_IDENTITIES)],
        )

    def color(self, rgb: Color) -> Color:
        return rgb if self.order == "rgb" else rgb[::-1]


def _draw_mesh(canvas: UInt8, points: NDArray[np.float32], pen: _Pen) -> None:
    """Draw tesselation, contours and irises in the part of the canvas that holds them."""
    topology = face_topology(len(points))
    view, origin_xy = _view_of(canvas, points[:, :2], pen.shade_px + 1)
    if view.size == 0:
        return
    spots = _fixed_point(points[:, :2] - origin_xy)
    edges, outlines, rings = spots[topology.tesselation], _outlines(topology, spots), _iris_rings(topology, spots)
    with _translucent(view, pen.mesh_opacity) as layer:
        cv2.polylines(layer, list(edges), False, pen.color(_MESH), 1, cv2.LINE_AA, _SHIFT)
    with _translucent(view, pen.shade_opacity) as layer:
        for _, closed, line in outlines:
            cv2.polylines(layer, [line], closed, pen.color(_SHADE), pen.shade_px, cv2.LINE_AA, _SHIFT)
    for name, closed, line in outlines:
        cv2.polylines(view, [line], closed, pen.color(_CONTOURS[name]), pen.line_px, cv2.LINE_AA, _SHIFT)
    for center, radius in rings:
        cv2.circle(view, center, radius, pen.color(_IRIS), pen.line_px, cv2.LINE_AA, _SHIFT)


def _outlines(topology: Topology, spots: NDArray[np.int32]) -> list[tuple[str, bool, NDArray[np.int32]]]:
    """Return name, whether it closes, and the (n, 2) points of each outline but the irises'."""
    loops = [(name, True, spots[loop]) for name, loop in topology.loops.items() if name in _CONTOURS]
    return loops + [(name, False, spots[path]) for name, path in topology.paths.items()]


def _iris_rings(topology: Topology, spots: NDArray[np.int32]) -> list[tuple[tuple[int, int], int]]:
    """Return centre and radius of each iris; none for a mesh without irises."""
    rings = []
    for name in ("right_iris", "left_iris"):
        if name in topology.groups:
            center, *rim = spots[topology.groups[name]]
            radius = np.linalg.norm(rim - center, axis=1).mean()
            rings.append(((int(center[0]), int(center[1])), round(radius)))
    return rings


def _draw_roi(canvas: UInt8, roi: Roi, pen: _Pen) -> None:
    """Draw the region's square thinly, with strong corners."""
    corners = _corners(roi)
    square = _fixed_point(corners)
    cv2.polylines(canvas, [square], True, pen.color(pen.identity), 1, cv2.LINE_AA, _SHIFT)
    arms = 0.08 * (np.stack([np.roll(corners, 1, axis=0), np.roll(corners, -1, axis=0)]) - corners)
    angles = np.stack([corners + arms[0], corners, corners + arms[1]], axis=1)
    cv2.polylines(
        canvas, list(_fixed_point(angles)), False, pen.color(pen.identity), pen.line_px + 1, cv2.LINE_AA, _SHIFT
    )


def _corners(roi: Roi) -> NDArray[np.float64]:
    """(4, 2) float64, px of the image: the region's corners, clockwise from the top-left of the upright face."""
    cos, sin = np.cos(roi.angle), np.sin(roi.angle)
    image_from_roi = np.array([[cos, -sin], [sin, cos]])
    unit = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
    corners: NDArray[np.float64] = roi.center_xy + roi.size * unit @ image_from_roi.T
    return corners


def _draw_label(canvas: UInt8, face: Face, pen: _Pen) -> None:
    """Write identity and presence over the region's upper left corner; nothing for a face out of sight."""
    text = f"face {face.track_id}  {face.smoothed.presence:.2f}"
    (width, height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, pen.text_scale, 1)
    pad = height // 2 + 1
    size_wh = np.array([width + 2 * pad, height + below + pad])
    corners = _corners(face.roi)
    lowest = np.array(canvas.shape[1::-1]) - size_wh
    out_of_sight = np.any(corners.max(axis=0) < 0) or np.any(corners.min(axis=0) >= canvas.shape[1::-1])
    if out_of_sight or np.any(lowest < 0):
        return
    left, top = np.clip(np.round(corners.min(axis=0)) - [0, size_wh[1]], 0, lowest).astype(int).tolist()
    right, bottom = left + int(size_wh[0]), top + int(size_wh[1])
    canvas[top:bottom, left:right] = pen.color(_SHADE)
    canvas[top:bottom, left : left + pad // 2] = pen.color(pen.identity)
    place = (left + pad, bottom - below - pad // 2)
    cv2.putText(canvas, text, place, cv2.FONT_HERSHEY_SIMPLEX, pen.text_scale, pen.color(_TEXT), 1, cv2.LINE_AA)


def _view_of(canvas: UInt8, points_xy: NDArray[np.float32], margin_px: int) -> tuple[UInt8, NDArray[np.float32]]:
    """Return the part of the canvas around the points, perhaps empty, and the (2,) px of its top-left corner."""
    low = np.floor(points_xy.min(axis=0)) - margin_px
    high = np.ceil(points_xy.max(axis=0)) + margin_px + 1
    (left, top), (right, bottom) = np.clip([low, high], 0, canvas.shape[1::-1]).astype(int)
    return canvas[top:bottom, left:right], np.array([left, top], np.float32)


@contextmanager
def _translucent(view: UInt8, opacity: float) -> Iterator[UInt8]:
    """Yield a copy of ``view`` to paint on, and blend it into ``view`` afterwards."""
    layer = view.copy()
    yield layer
    cv2.addWeighted(layer, opacity, view, 1.0 - opacity, 0.0, dst=view)


def _fixed_point(points_xy: NDArray[Any]) -> NDArray[np.int32]:
    """Convert px to what OpenCV's ``shift`` expects."""
    near = np.clip(points_xy, -_FARTHEST_PX, _FARTHEST_PX)
    return np.asarray(np.round(near * 2**_SHIFT), np.int32)
