"""The kinds of marker that a face has: what each looks like, and where its numbers come from.

All that is drawn is in the image's frame, in metres. Widths are made for a face of natural size: 0.15 m wide.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from visualization_msgs.msg import Marker

from facemesh_ros.msg import FaceMesh
from facemesh_ros.ros.corners import corners, gathering
from facemesh_ros.ros.palette import Palette
from facemesh_ros.topology import ALL_POINTS, SURFACE_POINTS
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
AT_ORIGIN = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)
"""A pose with no turn: x, y, z, and the quaternion's x, y, z, w."""
Xyz = tuple[float, float, float]
"""x, y, z, m."""


class Shape(NamedTuple):
    """What is drawn of one face; positions are in the header's frame."""

    points_m: Float64
    """(1, N, 3) float64: a row of an image, of which a pixel is a point."""
    points_px: Float32
    """(N, 3) float32, px: where the points are in the image."""
    image_rgb: UInt8 | None
    """(H, W, 3) uint8, which the surface takes its colours from; None for a surface of one colour."""
    lift: Xyz
    """What takes lines out of the surface; in ``lift_irises`` the irises."""
    lift_irises: Xyz
    pose: tuple[float, ...]
    """(7,): the head's place, m, and its quaternion, x, y, z, w."""
    label: Xyz
    """Where the id stands."""
    gaze: Gaze | None
    """None where it has no place either."""

    @property
    def kinds(self) -> Kinds:
        """Namespace and kind of each of its markers."""
        return kinds_of(len(self.points_px), self.gaze is not None, self.image_rgb is not None)

    @property
    def point_count(self) -> int:
        """N."""
        return len(self.points_px)

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
        return cls(  # in the order of the fields: names would take longer
            face.points_m.astype(np.float64)[np.newaxis],
            face.smoothed.points,
            image_rgb,
            (LIFT_M * ax, LIFT_M * ay, LIFT_M * az),
            (LIFT_IRISES_M * ax, LIFT_IRISES_M * ay, LIFT_IRISES_M * az),
            (x, y, z, turn.x, turn.y, turn.z, turn.w),
            (x + LABEL_M * ux, y + LABEL_M * uy, z + LABEL_M * uz),
            None if gaze is None or gaze.origin_m is None else gaze,
        )


Write: TypeAlias = Callable[[Shape], None]
"""Writes the numbers of another image."""


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
    writer: Callable[[Fields, int], Write]
    """Return what writes those fields, but for what is fixed, of a mesh of so many points."""
    fixed: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """Field → what is written there once."""


def _corner_count(of: str) -> Callable[[int], int]:
    return lambda point_count: len(corners(of, point_count))


def _surface(fields: Fields, point_count: int) -> Write:
    gather = gathering("triangles", point_count, fields["points"])
    return lambda shape: gather(shape.points_m)


def _colored_surface(fields: Fields, point_count: int) -> Write:
    gather, palette = gathering("triangles", point_count, fields["points"]), Palette(point_count)
    where, colors = corners("triangles", point_count), fields["colors"]

    def write(shape: Shape) -> None:
        assert shape.image_rgb is not None
        gather(shape.points_m)
        seen = palette.colors_at(shape.points_px, shape.image_rgb)
        seen.take(where, axis=0, out=colors, mode="clip")  # mode: into out, with no copy between

    return write


_PLACE = struct.Struct("=3d")
_POSE = struct.Struct("=7d")
_TWO_POINTS = struct.Struct("=6d")
_COLOR = struct.Struct("=4f")


def _line_ends(of: str, fields: Fields, point_count: int) -> Write:
    gather, pose = gathering(of, point_count, fields["points"]), fields["pose"].data

    def write(shape: Shape) -> None:
        _PLACE.pack_into(pose, 0, *shape.lift)
        gather(shape.points_m)

    return write


def _circles() -> Float64:
    """Return (C, 10): the ends of both irises' lines, as weights of the irises' ten points.

    A rim is the ellipse about its centre on which its right, top, left and bottom lie.
    """
    angles = np.linspace(0.0, 2.0 * np.pi, CIRCLE_SIDES, endpoint=False)
    ends = np.stack([angles, np.roll(angles, -1)], axis=1).ravel()
    right, top = 0.5 * np.cos(ends), 0.5 * np.sin(ends)
    weights = np.column_stack([np.ones_like(ends), right, top, -right, -top])
    return np.asarray(np.kron(np.eye(2), weights), np.float64)


CIRCLES = _circles()


def _irises(fields: Fields, _: int) -> Write:
    points, pose = fields["points"].reshape(-1, 3), fields["pose"].data

    def write(shape: Shape) -> None:
        _PLACE.pack_into(pose, 0, *shape.lift_irises)
        CIRCLES.dot(shape.points_m[0, SURFACE_POINTS:], points)

    return write


AXES_M = AXIS_M * np.kron(np.eye(3), [[0.0], [1.0]]).ravel()
"""(18,) m: from the head's origin along its x, y and z."""
AXES_RGBA = np.column_stack([np.repeat(np.eye(3), 2, axis=0), np.ones(6)])
"""(6, 4): red, green and blue."""


def _axes(fields: Fields, _: int) -> Write:
    pose = fields["pose"].data
    return lambda shape: _POSE.pack_into(pose, 0, *shape.pose)


def _gaze(fields: Fields, _: int) -> Write:
    points, color = fields["points"].data, fields["color"].data

    def write(shape: Shape) -> None:
        gaze = shape.gaze
        assert gaze is not None
        assert gaze.origin_m is not None
        (x, y, z), (ahead_x, ahead_y, ahead_z) = gaze.origin_m.tolist(), gaze.direction.tolist()
        end = x + GAZE_M * ahead_x, y + GAZE_M * ahead_y, z + GAZE_M * ahead_z
        _TWO_POINTS.pack_into(points, 0, x, y, z, *end)
        _COLOR.pack_into(color, 0, *(LOOKING if gaze.is_looking else GAZE))

    return write


def _label(fields: Fields, _: int) -> Write:
    pose = fields["pose"].data
    return lambda shape: _PLACE.pack_into(pose, 0, *shape.label)


def _lines(width_m: float, color: Rgba, count: Callable[[int], int], writer: Callable[[Fields, int], Write]) -> Kind:
    return Kind(Marker.LINE_LIST, (width_m, 0.0, 0.0), color, count, ("points", "pose"), writer, UNTURNED)


UNTURNED = {"pose": np.array(AT_ORIGIN)}
WHITE: Rgba = (1.0, 1.0, 1.0, 1.0)
GREY: Rgba = (0.75, 0.77, 0.8, 1.0)
KINDS = {
    "surface": Kind(
        Marker.TRIANGLE_LIST,
        (1.0, 1.0, 1.0),
        GREY,
        _corner_count("triangles"),
        ("points",),
        _surface,
    ),
    "tesselation": _lines(
        0.0004, (0.35, 0.75, 0.9, 1.0), _corner_count("tesselation"), partial(_line_ends, "tesselation")
    ),
    "contours": _lines(0.0012, WHITE, _corner_count("contours"), partial(_line_ends, "contours")),
    "irises": _lines(0.001, (1.0, 0.94, 0.31, 1.0), lambda _: len(CIRCLES), _irises),
    "axes": Kind(
        Marker.LINE_LIST,
        (0.003, 0.0, 0.0),
        WHITE,
        lambda _: len(AXES_RGBA),
        ("points", "colors", "pose"),
        _axes,
        {"points": AXES_M, "colors": AXES_RGBA},
    ),
    "gaze": Kind(Marker.ARROW, (0.004, 0.01, 0.02), GAZE, lambda _: 2, ("points", "color"), _gaze),
    "id": Kind(Marker.TEXT_VIEW_FACING, (0.0, 0.0, 0.03), WHITE, lambda _: 0, ("pose",), _label, UNTURNED),
}
"""Namespace → kind. An arrow's scale is the diameter of its shaft, that of its head, and the head's length; a line's is
its width, a text's the height of a capital letter."""
COLORED_SURFACE = replace(KINDS["surface"], written=("points", "colors"), writer=_colored_surface)


Kinds = tuple[tuple[str, Kind], ...]


@lru_cache(maxsize=16)
def kinds_of(point_count: int, has_gaze: bool, has_colors: bool) -> Kinds:
    """Return namespace and kind of each marker of a face; for the same arguments, the same object."""
    kinds = KINDS | ({"surface": COLORED_SURFACE} if has_colors else {})
    lacking = {"gaze": not has_gaze, "irises": point_count < ALL_POINTS}
    return tuple((name, kind) for name, kind in kinds.items() if not lacking.get(name))
