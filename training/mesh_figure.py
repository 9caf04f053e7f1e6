"""Draw docs/images/mesh_3d.png: the metric mesh of a face from three sides, as it lies in space.

    python training/mesh_figure.py [--out docs/images]

The face is the public-domain astronaut picture of scikit-image, read where that is installed. Needs the networks. The
surface has the colours of the picture, is lit from the viewer, and is painted from back to front.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from facemesh_ros import Camera, Config, Face, FaceMesher
from facemesh_ros.tools.moving_face import picture_bgr
from facemesh_ros.topology import face_topology

OUT = Path(__file__).parents[1] / "docs" / "images"
SIDES_DEG = ((0.0, 0.0), (38.0, 8.0), (82.0, 4.0))
"""How far the face is turned to its right, and nodded, for each view."""
SIDE_PX, PX_PER_M, FINE = 340, 1500.0, 3
"""Of a view; it is drawn FINE times as large, and shrunk."""
GROUND_BGR, LINE_BGR = (38, 34, 32), (235, 225, 150)
AXES_BGR = ((70, 70, 240), (80, 190, 80), (240, 130, 60))
"""x, y and z, as RViz draws them."""
AXIS_M = 0.07
Picture = NDArray[np.uint8]


def metric_face() -> tuple[Face, Picture]:
    """Return the astronaut's face with its mesh in metres, and the picture, RGB."""
    picture = np.ascontiguousarray(picture_bgr()[..., ::-1])
    camera = Camera.from_fov((picture.shape[1], picture.shape[0]), math.radians(40.0))
    (face,) = FaceMesher(Config.from_dotted({"device": "cpu", "max_faces": 1})).process_still(picture, camera)
    return face, picture


def view(face: Face, picture: Picture, yaw_deg: float, pitch_deg: float) -> Picture:
    """Return the face from one side, upright: its own axes lie in the plane of the picture, then are turned."""
    head_from_camera = np.linalg.inv(face.pose.camera_from_head)
    points = face.points_m @ head_from_camera[:3, :3].T + head_from_camera[:3, 3]
    viewer_from_head = Rotation.from_euler("yx", [-yaw_deg, -pitch_deg], degrees=True).as_matrix()
    viewer_from_head = viewer_from_head @ np.array([[0.0, 1.0, 0.0], [0.0, 0.0, -1.0], [-1.0, 0.0, 0.0]])
    middle = points[:468].mean(axis=0) + [0.0, 0.0, 0.01]
    seen = (points - middle) @ viewer_from_head.T
    canvas = np.full((FINE * SIDE_PX, FINE * SIDE_PX, 3), GROUND_BGR, np.uint8)
    xy = FINE * (PX_PER_M * seen[:, :2] + 0.5 * SIDE_PX)
    places = np.rint(face.mesh.points[:, :2]).astype(int)
    colours = picture[places[:, 1], places[:, 0], ::-1].astype(np.float64)
    triangles = face_topology().triangles.astype(int)
    for corners in triangles[np.argsort(-seen[triangles, 2].mean(axis=1))]:
        a, b, c = seen[corners]
        normal = np.cross(b - a, c - a)
        facing = -normal[2] / max(float(np.linalg.norm(normal)), 1e-12)
        colour = colours[corners].mean(axis=0) if facing > 0.0 else np.array([70.0, 66.0, 62.0])
        shade = tuple((colour * (0.35 + 0.65 * abs(facing))).tolist())
        cv2.fillConvexPoly(canvas, np.rint(16 * xy[corners]).astype(np.int32), shade, cv2.LINE_AA, 4)
        cv2.polylines(canvas, [np.rint(16 * xy[corners]).astype(np.int32)], True, shade, 1, cv2.LINE_AA, 4)
    draw_lines(canvas, seen, xy)
    draw_axes(canvas, viewer_from_head, -middle @ viewer_from_head.T)
    return np.asarray(cv2.resize(canvas, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA), np.uint8)


def draw_lines(canvas: Picture, seen: NDArray[np.float64], xy: NDArray[np.float64]) -> None:
    """Draw the contours and irises on the side that looks at the viewer, just before the surface."""
    topology = face_topology()
    normals = np.zeros((478, 3))
    for corners in topology.triangles.astype(int):
        a, b, c = seen[corners]
        normals[corners] += np.cross(b - a, c - a)
    normals[468:] = normals[[33, 33, 33, 33, 33, 263, 263, 263, 263, 263]]
    for begin, end in np.concatenate([topology.contours, topology.irises]).astype(int):
        if normals[begin, 2] < 0.0 and normals[end, 2] < 0.0:
            ends = [tuple(np.rint(16 * xy[i]).astype(int).tolist()) for i in (begin, end)]
            cv2.line(canvas, *ends, LINE_BGR, FINE, cv2.LINE_AA, 4)


def draw_axes(canvas: Picture, viewer_from_head: NDArray[np.float64], origin: NDArray[np.float64]) -> None:
    """Draw the head's axes at the sellion, the one that points away from the viewer first."""
    for axis in np.argsort(-viewer_from_head[2]):
        tip = origin + AXIS_M * viewer_from_head[:, axis]
        ends = [FINE * (PX_PER_M * one[:2] + 0.5 * SIDE_PX) for one in (origin, tip)]
        corners = [tuple(np.rint(16 * one).astype(int).tolist()) for one in ends]
        cv2.arrowedLine(canvas, *corners, AXES_BGR[axis], 3 * FINE, cv2.LINE_AA, 4, 0.12)


def main() -> None:
    """Draw the views side by side."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT)
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    face, picture = metric_face()
    views = np.hstack([view(face, picture, *side) for side in SIDES_DEG])
    cv2.imwrite(str(folder / "mesh_3d.png"), views, [cv2.IMWRITE_PNG_COMPRESSION, 9])


if __name__ == "__main__":
    main()
