"""Draw the two figures of docs/geometry.md: the axes on a face, and a frontal head off the camera's axis.

    python training/geometry_figures.py [--out docs/images]

The face is the public-domain astronaut picture of scikit-image, read where that is installed. Needs the networks.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from facemesh_ros import Camera, Config, FaceMesher
from facemesh_ros.head import HEAD_FROM_REFERENCE, head_points
from facemesh_ros.lens import project
from facemesh_ros.tools.moving_face import FACE_CENTRE_XY, picture_bgr
from facemesh_ros.topology import face_topology

OUT = Path(__file__).parents[1] / "docs" / "images"
COLOURS_BGR = {"x": (60, 60, 235), "y": (60, 175, 60), "z": (235, 110, 40)}
"""Red, green, blue, as RViz draws axes."""
MEANS = {"x": "x: out of the face", "y": "y: to the person's left", "z": "z: to the scalp"}
COMMON_ERROR_RAD = math.radians(20.0)
"""At this bearing, by bench/pose.py."""
INK, GREY = (40, 40, 40), (150, 150, 150)
Picture = NDArray[np.uint8]


def label(
    picture: Picture, text: str, at: NDArray[np.float64], colour: tuple[int, int, int], size: float = 0.45
) -> None:
    """Write on a light ground, so that it can be read on anything."""
    x, y = np.rint(at).astype(int).tolist()
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, 1)
    ground = picture[max(y - height - 4, 0) : y + 6, max(x - 4, 0) : x + width + 4]
    ground[:] = (0.25 * ground + 0.75 * 255).astype(np.uint8)
    cv2.putText(picture, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, size, colour, 1, cv2.LINE_AA)


def arrow(picture: Picture, begin: NDArray[np.float64], end: NDArray[np.float64], colour: tuple[int, int, int]) -> None:
    """Draw from one px to another."""
    points = [tuple(np.rint(one * 16).astype(int).tolist()) for one in (begin, end)]
    cv2.arrowedLine(picture, *points, colour, 3, cv2.LINE_AA, 4, 0.12)


def axes_on_a_face() -> Picture:
    """Return the astronaut as a turned camera sees her, with her metric mesh and the axes of her head."""
    camera = Camera.from_fov((2560, 1440), math.radians(85.0))
    turn = Rotation.from_euler("YX", [-28.0, 4.0], degrees=True).as_matrix()
    inverse = np.linalg.inv([[900.0, 0.0, FACE_CENTRE_XY[0]], [0.0, 900.0, FACE_CENTRE_XY[1]], [0.0, 0.0, 1.0]])
    warp, size_wh = camera.matrix @ turn @ inverse, camera.size_wh
    picture = cv2.warpPerspective(picture_bgr(), warp, size_wh, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    mesher = FaceMesher(Config.from_dotted({"device": "cpu", "max_faces": 1}))
    (face,) = mesher.process_still(np.ascontiguousarray(picture[..., ::-1]), camera)
    mesh, drawn = project(camera, face.points_m), picture.copy()
    for edge in face_topology().tesselation:
        begin, end = (tuple(np.rint(mesh[i] * 16).astype(int).tolist()) for i in edge)
        cv2.line(drawn, begin, end, (235, 235, 235), 1, cv2.LINE_AA, 4)
    picture = cv2.addWeighted(picture, 0.6, drawn, 0.4, 0.0)
    ends = face.pose.camera_from_head @ np.array([[0.1, 0, 0, 1], [0, 0.1, 0, 1], [0, 0, 0.1, 1], [0, 0, 0, 1]]).T
    *tips, origin = project(camera, ends[:3].T)
    places = {"x": (-30.0, 24.0), "y": (-60.0, -14.0), "z": (12.0, 6.0)}
    for (name, colour), tip in zip(COLOURS_BGR.items(), tips, strict=True):
        arrow(picture, origin, tip, colour)
        label(picture, MEANS[name], tip + places[name], colour)
    left, top = np.rint(origin - [190.0, 180.0]).astype(int)
    return np.ascontiguousarray(picture[top : top + 340, left : left + 400])


def off_the_axis() -> Picture:
    """Return a plan of a camera and a head that faces it from 30° aside, with what two solvers make of it."""
    picture = np.full((430, 720, 3), 255, np.uint8)
    eye, per_m = np.array([90.0, 70.0]), 620.0
    bearing = math.radians(30.0)

    def plan(x_m: float, z_m: float) -> NDArray[np.float64]:
        """Seen from above: the camera's z to the right, its x down."""
        return eye + per_m * np.array([z_m, x_m])

    sight = np.array([math.sin(bearing), math.cos(bearing)])
    head = 0.75 * sight
    arrow(picture, eye, plan(0.0, 0.55), INK)
    label(picture, "z of the camera's optical frame", plan(-0.035, 0.14), INK)
    arrow(picture, eye, plan(0.2, 0.0), INK)
    label(picture, "x", plan(0.19, 0.04), INK)
    cv2.line(picture, *[tuple(np.rint(p).astype(int).tolist()) for p in (eye, plan(*head))], GREY, 1, cv2.LINE_AA)
    label(picture, "line of sight", plan(*(0.3 * sight + [0.06, -0.1])), GREY)
    cv2.ellipse(picture, tuple(np.rint(eye).astype(int).tolist()), (110, 110), 0, 0, 30, GREY, 1, cv2.LINE_AA)
    label(picture, "bearing 30 deg", eye + (120, 34), GREY)
    rotation = np.array(
        [[math.cos(bearing), 0, math.sin(bearing)], [0, 1, 0], [-math.sin(bearing), 0, math.cos(bearing)]]
    )
    points = head_points() @ (rotation @ HEAD_FROM_REFERENCE.T).T
    hull = cv2.convexHull(np.rint([plan(*(head + p[[0, 2]])) for p in points]).astype(np.int32))
    cv2.fillPoly(picture, [hull], (225, 225, 225), cv2.LINE_AA)
    arrow(picture, plan(*head), plan(*(head - 0.3 * sight)), COLOURS_BGR["x"])
    label(
        picture,
        "pose: x of the head, towards the camera",
        plan(*(head - 0.2 * sight + [0.0, 0.05])),
        COLOURS_BGR["x"],
    )
    wrong = np.array([math.sin(bearing - COMMON_ERROR_RAD), math.cos(bearing - COMMON_ERROR_RAD)])
    arrow(picture, plan(*head), plan(*(head - 0.3 * wrong)), (170, 120, 170))
    label(picture, "trusting z along the camera's axis", plan(*(head - 0.3 * wrong + [0.07, -0.1])), (170, 120, 170))
    return picture


def main() -> None:
    """Draw both."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT)
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in (("head_axes", axes_on_a_face()), ("off_axis", off_the_axis())):
        cv2.imwrite(str(folder / f"{name}.png"), picture, [cv2.IMWRITE_PNG_COMPRESSION, 9])


if __name__ == "__main__":
    main()
