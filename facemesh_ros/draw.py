"""Faces painted on a copy of an image: mesh, contours, irises, region, axes of the head, gaze, identity and presence.

Widths and opacities follow the size of each face, so that a distant face does not drown in lines. Lines keep a
dark edge, which makes them readable on light and on dark skin alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from facemesh_ros.directions import gaze_lines, head_axes
from facemesh_ros.errors import InputError
from facemesh_ros.geometry import roi_corners
from facemesh_ros.labels import label_places
from facemesh_ros.paint import SHADE, Brush, Color, fixed_point, translucent, view_of
from facemesh_ros.topology import Topology, face_topology
from facemesh_ros.types import Camera, Face, Float64, Roi, UInt8

_ORDERS = ("rgb", "bgr")
_MESH: Color = (40, 205, 240)
_TEXT: Color = (255, 255, 255)
_CONTOURS: dict[str, Color] = {
    "face_oval": (235, 245, 250),
    "lips_outer": (255, 110, 130),
    "lips_inner": (255, 110, 130),
    "right_eye": (150, 240, 255),
    "left_eye": (150, 240, 255),
    "right_eyebrow_upper": (255, 190, 70),
    "right_eyebrow_lower": (255, 190, 70),
    "left_eyebrow_upper": (255, 190, 70),
    "left_eyebrow_lower": (255, 190, 70),
}
_IRIS: Color = (255, 240, 80)
_GAZE: Color = (255, 240, 80)
_AXES: dict[str, Color] = {"x": (240, 60, 50), "y": (70, 200, 60), "z": (60, 120, 255)}
"""As RViz draws them."""
_IDENTITIES: tuple[Color, ...] = (
    (80, 200, 255),
    (255, 160, 60),
    (130, 230, 110),
    (255, 120, 200),
    (230, 190, 30),
    (175, 150, 255),
)
"""Colours of the region and the label, by track id in turn. All colours of this module are RGB."""

_FACE_PX_A_LINE_PX = 130.0
"""A line is so many times thinner than the face is long."""
_WIDEST_PX = 20.0
"""Of a line, however large the face."""
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def draw_faces(image: UInt8, faces: Iterable[Face], *, order: str, camera: Camera | None = None) -> UInt8:
    """Paint ``faces``, as smoothed, on a copy of ``image``.

    Args:
        image: (H, W, 3) uint8; it is left as it is.
        faces: meshes of 468 or 478 points in pixels of this image; parts outside of it are cut off.
        order: what the image's channels are, "rgb" or "bgr".
        camera: the one that the heads' poses were found with; without it their axes are not drawn.

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
        _draw_directions(canvas, face, camera, pen)
    _draw_labels(canvas, drawn)  # over all lines
    return canvas


def _check(image: UInt8, order: str) -> None:
    if order not in _ORDERS:
        raise InputError(f"order is {order!r}; it must be {' or '.join(_ORDERS)}")
    if not isinstance(image, np.ndarray):
        raise InputError(f"the image is a {type(image).__name__}; it must be a uint8 (H, W, 3) array")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise InputError(f"the image is {image.dtype} {image.shape}; it must be uint8 (H, W, 3): convert it first")


@dataclass(frozen=True)
class _Pen(Brush):
    """How one face is drawn."""

    mesh_opacity: float
    """Of the mesh, and of the dark edge of its contours."""
    line_opacity: float
    """Of the contours themselves."""
    text_scale: float
    identity: Color

    @classmethod
    def for_face(cls, face: Face, order: str) -> _Pen:
        size_px = float(np.ptp(face.smoothed.points[:, :2], axis=0).max())
        return cls(
            order=order,
            line_px=round(min(max(size_px / _FACE_PX_A_LINE_PX, 1.0), _WIDEST_PX)),
            # The mesh has about 40 edges across a face: lines of one pixel cover half of a face of 80 px.
            mesh_opacity=float(np.clip(size_px / 500.0, 0.2, 0.6)),
            line_opacity=float(np.clip(size_px / 150.0, 0.5, 1.0)),
            text_scale=float(np.clip(size_px / 400.0, 0.4, 1.0)),
            identity=_IDENTITIES[face.track_id % len(_IDENTITIES)],
        )


def _draw_mesh(canvas: UInt8, points: NDArray[np.float32], pen: _Pen) -> None:
    """Draw tesselation, contours and irises in the part of the canvas that holds them."""
    topology = face_topology(len(points))
    view, origin_xy = view_of(canvas, points[:, :2], pen.edge_px + 1)
    if view.size == 0:
        return
    spots = fixed_point(points[:, :2] - origin_xy)
    outlines = _outlines(topology, spots)
    with translucent(view, pen.mesh_opacity) as layer:
        pen.lines(layer, list(spots[topology.tesselation]), _MESH, 1)
        for _, closed, line in outlines:
            pen.lines(layer, [line], SHADE, pen.edge_px, closed)
    with translucent(view, pen.line_opacity) as layer:
        for name, closed, line in outlines:
            pen.lines(layer, [line], _CONTOURS[name], pen.line_px, closed)
        for center, radius in _iris_rings(topology, spots):
            pen.ring(layer, center, radius, _IRIS, pen.line_px)


def _outlines(topology: Topology, spots: NDArray[np.int32]) -> list[tuple[str, bool, NDArray[np.int32]]]:
    """Return name, whether it closes, and the (n, 2) points of each outline but the irises'."""
    loops = [(name, True, spots[loop]) for name, loop in topology.loops.items() if name in _CONTOURS]
    return loops + [(name, False, spots[path]) for name, path in topology.paths.items()]


def _iris_rings(topology: Topology, spots: NDArray[np.int32]) -> list[tuple[NDArray[np.int32], float]]:
    """Return centre and radius of each iris; none for a mesh without irises."""
    rings = []
    for name in ("right_iris", "left_iris"):
        if name in topology.groups:
            center, *rim = spots[topology.groups[name]]
            rings.append((center, float(np.linalg.norm(rim - center, axis=1).mean())))
    return rings


def _draw_roi(canvas: UInt8, roi: Roi, pen: _Pen) -> None:
    """Draw the region's square thinly, with strong corners."""
    corners = roi_corners(roi)
    pen.lines(canvas, [fixed_point(corners)], pen.identity, 1, closed=True)
    arms = 0.08 * (np.stack([np.roll(corners, 1, axis=0), np.roll(corners, -1, axis=0)]) - corners)
    angles = fixed_point(np.stack([corners + arms[0], corners, corners + arms[1]], axis=1))
    pen.lines(canvas, list(angles), pen.identity, pen.line_px + 1)


def _draw_directions(canvas: UInt8, face: Face, camera: Camera | None, pen: _Pen) -> None:
    """Draw the axes of the head, if they are known, and the gaze, which ends in a dot."""
    if camera is not None and face.pose is not None:
        for name, line in head_axes(face.pose, camera).items():
            pen.edged(canvas, fixed_point(line), _AXES[name])
    for ray in map(fixed_point, gaze_lines(face)):
        pen.edged(canvas, ray, _GAZE)
        pen.dot(canvas, ray[-1], _GAZE)


def _draw_labels(canvas: UInt8, drawn: Sequence[tuple[Face, _Pen]]) -> None:
    """Write identity and presence beside each region; nothing for a face out of sight."""
    labels = [_Label.of(face, pen) for face, pen in drawn]
    regions = [_box(roi_corners(face.roi)) for face, _ in drawn]
    boxes = [_box(face.smoothed.points[:, :2].astype(np.float64)) for face, _ in drawn]
    places = label_places([label.size_wh for label in labels], regions, boxes, (canvas.shape[1], canvas.shape[0]))
    for label, (_, pen), place in zip(labels, drawn, places, strict=True):
        if place is not None:
            label.draw(canvas, place, pen)


def _box(points_xy: Float64) -> Float64:
    """(4,) px: the smallest box around (n, 2) points."""
    return np.concatenate([points_xy.min(axis=0), points_xy.max(axis=0)])


@dataclass(frozen=True)
class _Label:
    text: str
    pad_px: int
    below_px: int
    """Of letters such as g."""
    size_wh: tuple[int, int]

    @classmethod
    def of(cls, face: Face, pen: _Pen) -> _Label:
        text = f"face {face.track_id}  {face.smoothed.presence:.2f}"
        (width, height), below = cv2.getTextSize(text, _FONT, pen.text_scale, 1)
        pad = height // 2 + 1
        return cls(text, pad, below, (width + 2 * pad, height + below + pad))

    def draw(self, canvas: UInt8, left_top: tuple[int, int], pen: _Pen) -> None:
        left, top = left_top
        right, bottom = left + self.size_wh[0], top + self.size_wh[1]
        canvas[top:bottom, left:right] = pen.color(SHADE)
        canvas[top:bottom, left : left + self.pad_px // 2] = pen.color(pen.identity)
        place = (left + self.pad_px, bottom - self.below_px - self.pad_px // 2)
        cv2.putText(canvas, self.text, place, _FONT, pen.text_scale, pen.color(_TEXT), 1, cv2.LINE_AA)
