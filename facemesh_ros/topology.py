"""Which point of the face mesh is which, and how the points connect.

The first 468 points are the surface; 468..477 are the irises: centre, right, top, left and bottom of the
right eye's iris, then the same of the left eye's. "Left" and "right" are the person's own.

The connectivity is a fact of the mesh that MediaPipe published. It is read from ``data/face_topology.json``,
which names its sources. MediaPipe splits 209 quadrilaterals along one diagonal in its tesselation and along
the other in the index buffer of its metric face. The triangles here follow the tesselation, so that a wire
frame lies on its surface, and take from the index buffer only what the tesselation leaves open: the inside of
the eyes and of the mouth.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facemesh_ros.errors import InputError

Indices = NDArray[np.uint16]

SURFACE_POINTS = 468
ALL_POINTS = 478
"""With the irises."""

RIGID = np.array(
    [4, 6, 10, 33, 54, 67, 117, 119, 121, 127, 129, 132, 133, 136, 143, 147, 198, 205]
    + [263, 284, 297, 346, 348, 350, 356, 358, 361, 362, 365, 372, 376, 420, 425]
)
"""Points that expressions move least: the basis of the pose in MediaPipe 0.10.21's face geometry module."""
RIGID.flags.writeable = False
STEADY_SHARE = 0.4

_DATA = Path(__file__).with_name("data") / "face_topology.json"
_REFERENCE = Path(__file__).with_name("data") / "reference_face.json"

_GROUPS = {
    "lips": ("lips_outer", "lips_inner"),
    "right_eye": ("right_eye",),
    "left_eye": ("left_eye",),
    "right_eyebrow": ("right_eyebrow_upper", "right_eyebrow_lower"),
    "left_eyebrow": ("left_eyebrow_upper", "left_eyebrow_lower"),
    "face_oval": ("face_oval",),
}
"""Name of a part of the surface → the loops and paths that make it up."""
_IRISES = ("right_iris", "left_iris")


@dataclass(frozen=True, eq=False)
class Topology:
    """The connectivity of a mesh; every array holds indices of points and is read-only."""

    point_count: int
    """468, or 478 with the irises."""
    triangles: Indices
    """(898, 3): the closed surface; the first 852 leave the eyes and the mouth open. In image axes (x right,
    y down, z away) the normal (b - a) x (c - a) of a triangle points out of the face."""
    tesselation: Indices
    """(1322, 2): every edge of the surface with open eyes and mouth once, sorted, the smaller index first."""
    contours: Indices
    """(124, 2): the outlines of the lips (40), eyes (16 each), eyebrows (8 each) and face (36)."""
    irises: Indices
    """(8, 2): the outlines of both irises; (0, 2) for a mesh without them."""
    loops: Mapping[str, Indices]
    """Closed outlines, (n,) points each, in order: lips_outer, lips_inner, right_eye, left_eye, face_oval
    and, with irises, right_iris and left_iris. Eyes begin at the outer corner and run over the upper lid."""
    paths: Mapping[str, Indices]
    """Open outlines, (n,) points each, from the temple to the nose: {right,left}_eyebrow_{upper,lower}."""
    groups: Mapping[str, Indices]
    """Parts of the face, (n,) points each: lips, right_eye, left_eye, right_eyebrow, left_eyebrow, face_oval
    and, with irises, right_iris and left_iris, the centre first."""
    points: Mapping[str, int]
    """Single points by name, such as nose_tip, chin, right_eye_outer, mouth_left, right_iris_center."""


@lru_cache(maxsize=2)
def face_topology(point_count: int = ALL_POINTS) -> Topology:
    """Load the topology of a mesh of 468 or 478 points; later calls return the same object.

    Raises:
        InputError: no mesh has that many points.
    """
    if point_count not in (SURFACE_POINTS, ALL_POINTS):
        raise InputError(
            f"point_count is {point_count}; a face mesh has {SURFACE_POINTS} points, or {ALL_POINTS} "
            "with the irises: pass len(mesh.points)"
        )
    data = json.loads(_DATA.read_text(encoding="utf-8"))
    points = {name: index for name, index in data["points"].items() if index < point_count}
    loops = {name: _indices(loop) for name, loop in data["loops"].items() if max(loop) < point_count}
    paths = {name: _indices(path) for name, path in data["paths"].items()}
    irises = [name for name in _IRISES if name in loops]
    outlines = [_outline_edges(name, loops, paths) for names in _GROUPS.values() for name in names]
    return Topology(
        point_count=point_count,
        triangles=_indices(data["surface"] + data["fill"]),
        tesselation=_edges_of_triangles(_indices(data["surface"])),
        contours=_indices(np.concatenate(outlines)),
        irises=_indices(np.concatenate([np.zeros((0, 2)), *(_loop_edges(loops[name]) for name in irises)])),
        loops=MappingProxyType(loops),
        paths=MappingProxyType(paths),
        groups=MappingProxyType(_groups({**loops, **paths}, points, irises)),
        points=MappingProxyType(points),
    )


@lru_cache(maxsize=1)
def reference_face() -> NDArray[np.float64]:
    """Return the mean face, (468, 3) float64, m, read-only.

    Axes are those of an image that it looks straight out of: x right (the person's left), y down, z away from the
    viewer; the origin is the sellion, between the eyes. It is symmetric about x = 0, its eye centres are 63 mm apart.
    ``training/reference_face.py`` derives it.
    """
    points = np.array(json.loads(_REFERENCE.read_text(encoding="utf-8"))["points_m"], np.float64)
    points.flags.writeable = False
    return points


@lru_cache(maxsize=1)
def steady_points() -> NDArray[np.intp]:
    """Return which points of the surface differ least from face to face and between expressions, in order.

    They are the STEADY_SHARE of the points that lie nearest to the reference face in single faces, seen from any side.
    """
    spread = np.array(json.loads(_REFERENCE.read_text(encoding="utf-8"))["spread_m"])
    steady = np.flatnonzero(spread <= np.quantile(spread, STEADY_SHARE))
    steady.flags.writeable = False
    return steady


@lru_cache(maxsize=2)
def mirror_points(point_count: int = SURFACE_POINTS) -> Indices:
    """Return (468 | 478,) which point of the other half of the face each point mirrors; of the middle, itself.

    The rim of an iris is numbered alike in both eyes, as the image shows it: its left point mirrors a right one.
    """
    surface = json.loads(_REFERENCE.read_text(encoding="utf-8"))["mirror"]
    irises = [SURFACE_POINTS + i for i in (5, 8, 7, 6, 9, 0, 3, 2, 1, 4)]
    return _indices((surface + irises)[:point_count])


def face_normals(points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the (468, 3) unit normals of the surface at its points, out of the face.

    Args:
        points: (468 | 478, 3) in the axes of an image.
    """
    surface = np.asarray(points, np.float64)[:SURFACE_POINTS]
    triangles = face_topology().triangles.astype(np.intp)
    a, b, c = surface[triangles].transpose(1, 0, 2)
    normals = np.zeros_like(surface)
    np.add.at(normals, triangles, np.cross(b - a, c - a)[:, np.newaxis])  # weighted by area
    return np.asarray(normals / np.linalg.norm(normals, axis=1, keepdims=True), np.float64)


def _groups(outlines: Mapping[str, Indices], points: Mapping[str, int], irises: Iterable[str]) -> dict[str, Indices]:
    groups = {name: _indices(np.concatenate([outlines[n] for n in parts])) for name, parts in _GROUPS.items()}
    return groups | {name: _indices([points[f"{name}_center"], *outlines[name]]) for name in irises}


def _outline_edges(name: str, loops: Mapping[str, Indices], paths: Mapping[str, Indices]) -> Indices:
    return _loop_edges(loops[name]) if name in loops else _path_edges(paths[name])


def _path_edges(path: Indices) -> Indices:
    return np.stack([path[:-1], path[1:]], axis=1)


def _loop_edges(loop: Indices) -> Indices:
    return np.stack([loop, np.roll(loop, -1)], axis=1)


def _edges_of_triangles(triangles: Indices) -> Indices:
    sides = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    return _indices(np.unique(np.sort(sides, axis=1), axis=0))


def _indices(values: Any) -> Indices:
    array = np.array(values, dtype=np.uint16)
    array.flags.writeable = False
    return array
