"""A crop through a camera turned towards the face, so that a face beside the image's middle is not drawn out.

A flat picture stretches what lies beside its axis, by 1/cos of the bearing across and by its square outwards, and a
lens distorts it; the landmark network knows neither. A virtual camera at the same place, without distortion, turned
towards the face sees it as it would be seen straight on. A camera that only turns sees along the same rays, so the way
back to the image is exact for every depth: rotate the ray, project it (docs/virtual_camera.md).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from operator import mul

import numpy as np

from facemesh_ros.geometry import LEFT_EYE_OUTER_CORNER, RIGHT_EYE_OUTER_CORNER, ROI_SCALE, image_from_crop, to_image
from facemesh_ros.lens import on_plane, project, turn_to
from facemesh_ros.topology import face_topology, reference_face
from facemesh_ros.types import Camera, Float32, Float64, Roi
from facemesh_ros.warp import Maps, packed, sampling_maps

NODES = 10
"""A side, at which the way to the image is computed; a polynomial through them gives it elsewhere."""
LEAST_AREA = 0.02
"""Area in the image of a piece of the crop over that of its largest: below it, the distortion model folds or nearly."""
RIMS = (0, 1, 2)
"""So many outer rings of nodes may be folded: the face lies within the others, in the middle two thirds of the crop."""
FARTHEST = 4.0
"""Sides of the region from its centre within which all nodes must lie."""
TOLERANCE = 2e-3
"""Of the virtual camera's place: sides of the crop, radians, and share of the size. The way back is exact anyway."""
LEFT_OVER, LEFT_OVER_FAR = 0.1, 3.0
"""What a step leaves of what was missing, at most, and the more of it, the more was missing at first: where a plain
lens would be far off, turning, rolling and zooming hang together. Usual are 3 to 10 %."""
MOST_STEPS = 12
LONGEST_STEP = 100.0
"""In the same units. A small face at the edge of a strong lens is many sides away from where a plain lens shows it."""
PACES = (0.2, 1.5)
"""Bounds of the share of what is missing that a step makes good."""


Placement = tuple[float, float, float, float]
"""The middle and the long side of the box around a face, px, and the angle of its eye line, rad."""
Missing = Sequence[float]
"""How far right and down a virtual camera should turn, in sides of the crop, roll, rad, and zoom, as logarithm."""


@dataclass(frozen=True, eq=False)
class FlatCrop:
    """A square cut straight out of the image."""

    roi: Roi
    size: int
    """Side of the crop, px."""

    def maps(self) -> Maps:
        """Return where the crop reads the image."""
        return sampling_maps(self.image_from_crop, self.size)

    def to_image(self, points_xy: Float64) -> Float64:
        """Take (N, 2) points from px of the crop to px of the image."""
        return to_image(points_xy, self.image_from_crop)

    @cached_property
    def image_from_crop(self) -> Float64:
        """Return the (2, 3) affine that takes px of the crop to px of the image."""
        return image_from_crop(self.roi, self.size)


@dataclass(frozen=True, eq=False)
class VirtualCamera:
    """A camera without distortion that looks at a face; the crop is its picture."""

    camera: Camera
    """The real one, at the same place."""
    roi: Roi
    size: int
    """Side of the crop, px."""
    camera_from_virtual: Float64
    """(3, 3): how it is turned."""
    focal_px: float
    """Px of the crop."""

    def maps(self) -> Maps:
        """Return where the crop reads the image."""
        weights = _interpolation(self.size)
        x, y = (weights @ at_nodes @ weights.T for at_nodes in np.moveaxis(self.nodes_xy, 2, 0).astype(np.float32))
        return packed(x, y)

    def to_image(self, points_xy: Float64) -> Float64:
        """Take (N, 2) points from px of the crop to px of the (distorted) image.

        Outside the crop, or the part of it where the distortion model holds, it goes on as a flat crop does.
        """
        rim = 0.0 if self.sound_rim is None else self.sound_rim
        inside = np.clip(points_xy, rim, self.size - rim)
        beyond = (points_xy - inside) @ image_from_crop(self.roi, self.size)[:, :2].T
        projected: Float64 = self.projected(inside) + beyond
        return projected

    @cached_property
    def nodes_xy(self) -> Float64:
        """Return where the nodes of the crop lie in the image, (NODES, NODES, 2) px."""
        return self.projected(_nodes_on_crop(self.size)).reshape(NODES, NODES, 2)

    @cached_property
    def sound_rim(self) -> float | None:
        """Return how far inside the crop's edge the distortion model begins to hold, px; None where it nowhere does."""
        nodes_xy = self.nodes_xy
        if not np.abs(nodes_xy - self.roi.center_xy).max() < FARTHEST * self.roi.size:  # NaN fails as well
            return None
        areas = _areas(nodes_xy) / _areas_on_crop(self.size)
        inner = ((rim, areas[rim : NODES - 1 - rim, rim : NODES - 1 - rim]) for rim in RIMS)
        sound = (rim for rim, part in inner if part.min() > LEAST_AREA * part.max())
        return next((float(_nodes(self.size)[rim]) for rim in sound), None)

    def projected(self, points_xy: Float64) -> Float64:
        """Take (N, 2) points from px of the crop to px of the image; NaN for what is not before the real camera."""
        across, ahead = self.camera_from_virtual[:, :2].T, self.focal_px * self.camera_from_virtual[:, 2]
        return project(self.camera, (points_xy - 0.5 * self.size) @ across + ahead)

    def moved(self, by: Missing) -> VirtualCamera:
        """Return this camera turned right and down by sides of the crop, rolled by rad, and zoomed by a logarithm."""
        right, down, roll, zoom = by
        turned = self.camera_from_virtual @ turn_to((right * self.size, down * self.size, self.focal_px), roll)
        return VirtualCamera(self.camera, self.roi, self.size, turned, self.focal_px * math.exp(zoom))


Window = FlatCrop | VirtualCamera
"""How a square crop is cut out of an image, and how its points come back."""


def window_on(roi: Roi, size: int, camera: Camera | None) -> Window:
    """Return how a region is cut out: through a virtual camera, or flat where there is no (sound) calibration."""
    turned = None if camera is None else turned_towards(camera, roi, size)
    return FlatCrop(roi, size) if turned is None else turned


def turned_towards(camera: Camera, roi: Roi, size: int) -> VirtualCamera | None:
    """Return the virtual camera for a region; None where the camera's model gives no picture of it.

    Regions are made from the image of a face. So it is turned, rolled and zoomed until a typical face that lies in its
    picture as in a flat crop has, in the image, the box and the eye line that it has through the flat crop.
    """
    face, _ = _typical_face(size)
    wanted = _placement(FlatCrop(roi, size).to_image(face))
    ray = (*on_plane(camera, *roi.center_xy.tolist()), 1.0)  # as if nothing were distorted
    focal_px = math.sqrt(camera.matrix[0, 0] * camera.matrix[1, 1]) * size / roi.size
    view = VirtualCamera(camera, roi, size, turn_to(ray, roi.angle), focal_px)
    pace, before, farthest = 1.0, None, 0.0
    for _ in range(MOST_STEPS):
        missing = _missing(view, wanted)
        if missing is None:
            return None
        largest = max(map(abs, missing))
        if not largest < LONGEST_STEP:
            return None
        pace = pace if before is None else _pace(pace, before, missing)
        before, farthest = missing, max(farthest, largest)
        view = view.moved([pace * part for part in missing])
        if largest * min(LEFT_OVER + LEFT_OVER_FAR * farthest, 1.0) <= TOLERANCE:
            return None if view.sound_rim is None else view
    return None


def _pace(pace: float, before: Missing, missing: Missing) -> float:
    """Return which share of what is missing to move by, from what was missing before the last move at ``pace``.

    Irons and Tuck, "A version of the Aitken accelerator for computer iteration", 1969: where the parts hang together,
    as at the edge of strong lenses, plain steps would swing for long.
    """
    changes = [now - then for then, now in zip(before, missing, strict=True)]
    better = -pace * _dot(before, changes) / max(_dot(changes, changes), 1e-30)
    return min(max(better, PACES[0]), PACES[1])


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return float(sum(map(mul, one, other)))


def _missing(view: VirtualCamera, wanted: Placement) -> Missing | None:
    """Return by what a view misses the wanted placement of the typical face; None where the lens folds."""
    face, from_face = _typical_face(view.size)
    shown = view.projected(face)
    x, y, side, angle = _placement(shown)
    (xx, yx), (xy, yy) = (from_face @ shown).tolist()  # px of the image by px of the crop, on average
    area = xx * yy - xy * yx
    if not (math.isfinite(area) and min(area, side) > 0.0):
        return None
    right, down = wanted[0] - x, wanted[1] - y
    across, along = (yy * right - xy * down) / area / view.size, (xx * down - yx * right) / area / view.size
    return across, along, math.remainder(wanted[3] - angle, math.tau), math.log(side / wanted[2])


@lru_cache(maxsize=4)
def _typical_face(size: int) -> tuple[Float64, Float64]:
    """Return outer eye corners and outline of a face where a region's crop shows them, (N, 2) px.

    With it comes (2, N): the linear map, in least squares, that takes these points to others is its product with those.
    """
    ids = [RIGHT_EYE_OUTER_CORNER, LEFT_EYE_OUTER_CORNER, *face_topology().loops["face_oval"]]
    face = reference_face()[ids, :2]
    low, high = face.min(axis=0), face.max(axis=0)
    in_crop = (face - 0.5 * (low + high)) * (size / (ROI_SCALE * (high - low).max())) + 0.5 * size
    return in_crop, np.linalg.pinv(in_crop - in_crop.mean(axis=0))


def _placement(points_xy: Float64) -> Placement:
    """Return where a face is."""
    left, top = np.minimum.reduce(points_xy).tolist()
    right, bottom = np.maximum.reduce(points_xy).tolist()
    (x, y), (other_x, other_y) = points_xy[:2].tolist()
    long_side, angle = max(right - left, bottom - top), math.atan2(other_y - y, other_x - x)
    return 0.5 * (left + right), 0.5 * (top + bottom), long_side, angle


def _areas(nodes_xy: Float64) -> Float64:
    """Return the areas of the pieces between (NODES, NODES, 2) nodes; less than 0 where one is turned over."""
    nodes = nodes_xy.view(np.complex128)[:, :, 0]
    corners = nodes[:-1, :-1]
    return np.asarray(((nodes[:-1, 1:] - corners).conj() * (nodes[1:, :-1] - corners)).imag, np.float64)


@lru_cache(maxsize=4)
def _nodes(size: int) -> Float64:
    """Return Chebyshev's points of the second kind on 0..size, (NODES,): polynomials through them do not oscillate."""
    return 0.5 * size * (1.0 - np.cos(np.linspace(0.0, np.pi, NODES)))


@lru_cache(maxsize=4)
def _nodes_on_crop(size: int) -> Float64:
    """Return the nodes of a crop, (NODES * NODES, 2) px, row by row."""
    across, down = np.meshgrid(_nodes(size), _nodes(size))
    return np.stack([across.ravel(), down.ravel()], axis=1)


@lru_cache(maxsize=4)
def _areas_on_crop(size: int) -> Float64:
    return _areas(_nodes_on_crop(size).reshape(NODES, NODES, 2))


@lru_cache(maxsize=4)
def _interpolation(size: int) -> Float32:
    """Return the (size, NODES) weights of the nodes at the whole px of a crop, by the barycentric formula.

    Berrut and Trefethen, "Barycentric Lagrange interpolation", SIAM Review 2004, (4.2) and (5.4).
    """
    signs = np.where(np.arange(NODES) % 2 == 0, 1.0, -1.0)
    signs[[0, -1]] *= 0.5
    apart = np.arange(size)[:, None] - _nodes(size)
    at_node = np.abs(apart) < 1e-9
    weights = signs / np.where(at_node, 1.0, apart)
    weights = np.where(at_node.any(axis=1, keepdims=True), at_node, weights)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)
