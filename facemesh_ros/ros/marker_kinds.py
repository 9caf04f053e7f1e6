"""The kinds of marker that a face has: what each looks like, and where its numbers come from.

All that is drawn is in the image's frame, in metres. Widths are made for a face of natural size: 0.15 m wide.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from visualization_msgs.msg import Marker

from facemesh_ros.msg import FaceMesh
from facemesh_ros.topology import ALL_POINTS, SURFACE_POINTS, face_topology
from facemesh_ros.types import Face, Float32, Float64, Gaze, UInt8

Fields = Mapping[str, Any]
"""Name → array in the place of a field's numbers."""
Rgba = tuple[float, float, float, float]

LIFT_M = 0.001
"""Lines lie so far before the surface, along the head's x: in it they would flicker."""
LIFT_IRISES_M = 0.004
"""Rims of irises more: the surface, which has no holes at the eyes, would hide the part that is under the lids."""
AXIS_M = 0.1
GAZE_M = 0.3
LABEL_M = 0.14
"""From the sellion towards the scalp: above the forehead."""
GAZE: Rgba = (1.0, 0.55, 0.1, 1.0)
LOOKING: Rgba = (0.2, 0.9, 0.3, 1.0)
"""Of the gaze while it is at the target of attention."""
CIRCLE_SIDES = 16
NO_TURN = (0.0, 0.0, 0.0, 1.0)
"""A quaternion, x, y, z, w."""
SHARES = np.arange(256, dtype=np.float32) / np.float32(255)
"""(256,) float32: of each value of a pixel, 0 to 1."""


class Shape(NamedTuple):
    """What is drawn of one face; positions are in the header's frame."""

    coordinates: Float64
    """(3 N,) m: x, y, z of one point after the other."""
    lift: tuple[float, ...]
    """(7,): what takes lines out of the surface, m, and no turn, x, y, z, w; in ``lift_irises`` the irises."""
    lift_irises: tuple[float, ...]
    colors: Float32 | None
    """(N, 4) float32, RGBA from 0 to 1: of the image at the points; None for a surface of one colour."""
    pose: tuple[float, ...]
    """(7,): the head's place, m, and its quaternion, x, y, z, w."""
    label: tuple[float, ...]
    """(7,): where the id stands, m, and no turn."""
    gaze: Gaze | None
    """None where it has no place either."""

    @property
    def kinds(self) -> Kinds:
        """Namespace and kind of each of its markers."""
        return kinds_of(self.point_count, self.gaze is not None, self.colors is not None)

    @property
    def point_count(self) -> int:
        """N."""
        return len(self.coordinates) // 3

    @classmethod
    def of(cls, face: Face, message: FaceMesh, image_rgb: UInt8 | None) -> Shape | None:
        """Return what is drawn of a face; None without metric points.

        Args:
            face: of the image.
            message: about the same face; its quaternions keep their signs.
            image_rgb: (H, W, 3) uint8, which the surface takes its colours from; None for one colour.
        """
        if face.points_m is None or face.pose is None:
            return None
        # Numbers of Python's: numpy takes longer to call than this takes to compute.
        (ax, _, ux, x), (ay, _, uy, y), (az, _, uz, z), _ = face.pose.camera_from_head.tolist()
        turn, gaze = message.head_pose.pose.orientation, face.gaze
        return cls(
            coordinates=face.points_m.reshape(-1).astype(np.float64),
            lift=(LIFT_M * ax, LIFT_M * ay, LIFT_M * az, *NO_TURN),
            lift_irises=(LIFT_IRISES_M * ax, LIFT_IRISES_M * ay, LIFT_IRISES_M * az, *NO_TURN),
            colors=None if image_rgb is None else colors_at(face.smoothed.points, image_rgb),
            pose=(x, y, z, turn.x, turn.y, turn.z, turn.w),
            label=(x + LABEL_M * ux, y + LABEL_M * uy, z + LABEL_M * uz, *NO_TURN),
            gaze=None if gaze is None or gaze.origin_m is None else gaze,
        )


def colors_at(points: Float32, image_rgb: UInt8) -> Float32:
    """Return (N, 4) float32 RGBA, 0 to 1, of an (H, W, 3) image at the pixels that are nearest to (N, 3) points, px."""
    x, y = np.rint(points[:, 0]), np.rint(points[:, 1])  # the versions of remap round differently
    pixels = cv2.remap(image_rgb, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.LUT(cv2.cvtColor(pixels, cv2.COLOR_RGB2RGBA), SHARES), np.float32).reshape(-1, 4)


@dataclass(frozen=True, eq=False)
class Kind:
    """One kind of marker."""

    type: int
    scale: tuple[float, float, float]
    """m; which of them counts, and as what, is the type's business."""
    color: Rgba
    count: Callable[[int], int]
    """Points of the marker, for the number of points of a mesh."""
    written: tuple[str, ...]
    """Fields of the marker that are written: points, colors, pose, color."""
    write: Callable[[Fields, Shape], None]
    """Write those fields for another image, but for what is fixed."""
    fixed: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """Field → what is written there once."""


@lru_cache(maxsize=16)
def corners(of: str, point_count: int) -> NDArray[np.intp]:
    """Return the points of the mesh, (C,), at the corners of its triangles, or at the ends of its lines."""
    return np.asarray(getattr(face_topology(point_count), of), np.intp).ravel()


@lru_cache(maxsize=16)
def _coordinates(of: str, count: int) -> NDArray[np.intp]:
    """Return which of the ``count`` numbers of the mesh are coordinates of its corners, (3 C,).

    Numbers are quicker to take than rows of three.
    """
    return np.asarray(3 * corners(of, count // 3)[:, np.newaxis] + [0, 1, 2], np.intp).ravel()


def _corner_count(of: str) -> Callable[[int], int]:
    return lambda point_count: len(corners(of, point_count))


def _write_points(of: str, fields: Fields, shape: Shape) -> None:
    where = _coordinates(of, len(shape.coordinates))
    shape.coordinates.take(where, out=fields["points"], mode="clip")  # mode: into out, with no copy between


def _write_surface(fields: Fields, shape: Shape) -> None:
    _write_points("triangles", fields, shape)
    if shape.colors is not None:
        shape.colors.take(corners("triangles", shape.point_count), axis=0, out=fields["colors"], mode="clip")


_POSE = struct.Struct("=7d")
_TWO_POINTS = struct.Struct("=6d")


def _write_lines(of: str, fields: Fields, shape: Shape) -> None:
    _POSE.pack_into(fields["pose"], 0, *shape.lift)
    _write_points(of, fields, shape)


def _circles() -> Float64:
    """Return (3 C, 30): coordinates of the ends of both irises' lines, as weights of those of the irises' ten points.

    A rim is the ellipse about its centre on which its right, top, left and bottom lie.
    """
    angles = np.linspace(0.0, 2.0 * np.pi, CIRCLE_SIDES, endpoint=False)
    ends = np.stack([angles, np.roll(angles, -1)], axis=1).ravel()
    right, top = 0.5 * np.cos(ends), 0.5 * np.sin(ends)
    weights = np.column_stack([np.ones_like(ends), right, top, -right, -top])
    return np.asarray(np.kron(np.kron(np.eye(2), weights), np.eye(3)), np.float64)


CIRCLES = _circles()


def _write_irises(fields: Fields, shape: Shape) -> None:
    _POSE.pack_into(fields["pose"], 0, *shape.lift_irises)
    CIRCLES.dot(shape.coordinates[3 * SURFACE_POINTS :], fields["points"])


AXES_M = AXIS_M * np.kron(np.eye(3), [[0.0], [1.0]]).ravel()
"""(18,) m: from the head's origin along its x, y and z."""
AXES_RGBA = np.column_stack([np.repeat(np.eye(3), 2, axis=0), np.ones(6)])
"""(6, 4): red, green and blue."""


def _write_axes(fields: Fields, shape: Shape) -> None:
    _POSE.pack_into(fields["pose"], 0, *shape.pose)


def _write_gaze(fields: Fields, shape: Shape) -> None:
    gaze = shape.gaze
    assert gaze is not None
    assert gaze.origin_m is not None
    (x, y, z), (ahead_x, ahead_y, ahead_z) = gaze.origin_m.tolist(), gaze.direction.tolist()
    end = x + GAZE_M * ahead_x, y + GAZE_M * ahead_y, z + GAZE_M * ahead_z
    _TWO_POINTS.pack_into(fields["points"], 0, x, y, z, *end)
    fields["color"][:] = LOOKING if gaze.is_looking else GAZE


def _write_label(fields: Fields, shape: Shape) -> None:
    _POSE.pack_into(fields["pose"], 0, *shape.label)


def _lines(width_m: float, color: Rgba, count: Callable[[int], int], write: Callable[[Fields, Shape], None]) -> Kind:
    return Kind(Marker.LINE_LIST, (width_m, 0.0, 0.0), color, count, ("points", "pose"), write)


WHITE: Rgba = (1.0, 1.0, 1.0, 1.0)
GREY: Rgba = (0.75, 0.77, 0.8, 1.0)
KINDS = {
    "surface": Kind(
        Marker.TRIANGLE_LIST, (1.0, 1.0, 1.0), GREY, _corner_count("triangles"), ("points",), _write_surface
    ),
    "tesselation": _lines(
        0.0004, (0.35, 0.75, 0.9, 1.0), _corner_count("tesselation"), partial(_write_lines, "tesselation")
    ),
    "contours": _lines(0.0012, WHITE, _corner_count("contours"), partial(_write_lines, "contours")),
    "irises": _lines(0.001, (1.0, 0.94, 0.31, 1.0), lambda _: len(CIRCLES) // 3, _write_irises),
    "axes": Kind(
        Marker.LINE_LIST,
        (0.003, 0.0, 0.0),
        WHITE,
        lambda _: len(AXES_RGBA),
        ("points", "colors", "pose"),
        _write_axes,
        {"points": AXES_M, "colors": AXES_RGBA},
    ),
    "gaze": Kind(Marker.ARROW, (0.004, 0.01, 0.02), GAZE, lambda _: 2, ("points", "color"), _write_gaze),
    "id": Kind(Marker.TEXT_VIEW_FACING, (0.0, 0.0, 0.03), WHITE, lambda _: 0, ("pose",), _write_label),
}
"""Namespace → kind. An arrow's scale is the diameter of its shaft, that of its head, and the head's length; a line's is
its width, a text's the height of a capital letter."""
COLORED_SURFACE = replace(KINDS["surface"], written=("points", "colors"))


Kinds = tuple[tuple[str, Kind], ...]


@lru_cache(maxsize=16)
def kinds_of(point_count: int, has_gaze: bool, has_colors: bool) -> Kinds:
    """Return namespace and kind of each marker of a face; for the same arguments, the same object."""
    kinds = KINDS | ({"surface": COLORED_SURFACE} if has_colors else {})
    lacking = {"gaze": not has_gaze, "irises": point_count < ALL_POINTS}
    return tuple((name, kind) for name, kind in kinds.items() if not lacking.get(name))
