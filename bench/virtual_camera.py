"""Faces beside the axis: flat crops against virtual cameras that turn towards the face, with exact truth.

    python bench/virtual_camera.py [--picture FILE] [--network attention] [--json virtual_camera.json]

A real picture of a face (the astronaut, or the largest face of FILE) is taken as seen straight on, from a distance
that gives its focal length. A camera at the same place that is turned away by 0 to 40 degrees, in eight directions,
sees the same rays: its picture is a homography, K2 R K1^-1, after which the lens distorts. So the landmarks of the
picture itself, mapped along, are the exact truth for those found in the turned one, and their head pose, turned along,
for its pose. Every region comes from the mesh of the one before, as in a stream. Landmark errors are measured on the
picture: mapped back. Poses are by plain PnP on the rigid points, and by the library ("ours"). Beside them stands a
solver with the assumptions of MediaPipe's face geometry (a field of view of 63 degrees, relative z trusted) on the flat
crop's mesh; it is held to its own pose at bearing 0.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table
from virtual_camera_scenes import FACE, SIZE_WH, Scene, Subject, lenses, settled, subject, turn, undistorted

from facemesh_ros import Camera
from facemesh_ros.head import HEAD_FROM_REFERENCE
from facemesh_ros.lens import rays
from facemesh_ros.mesh_net import MeshNet
from facemesh_ros.pose import solve
from facemesh_ros.procrustes import aligned
from facemesh_ros.session import Session
from facemesh_ros.topology import RIGID
from facemesh_ros.types import Roi
from facemesh_ros.virtual_camera import window_on

BEARINGS_DEG = (0, 5, 10, 15, 20, 25, 30, 34, 40)
DIRECTIONS = 8
DISTANCES_M = (0.4, 0.8, 1.6)
ASSUMED_FOV_RAD = math.radians(63.0)
WAYS = ("flat", "virtual", "virtual, ours", "relative z")


def solved(points: np.ndarray, camera: Camera) -> np.ndarray:
    """Return camera_from_head, (3, 4), by plain PnP: SQPNP, then Levenberg-Marquardt, on the plane at distance 1."""
    return solved_on_plane(undistorted(camera, points[RIGID, :2].astype(np.float64)))


def solved_by_us(points: np.ndarray, camera: Camera) -> np.ndarray:
    """Return camera_from_head, (3, 4), by the library; its head's axes are turned to those of the reference face."""
    found = solve(points, rays(camera, points[:, :2]), camera)
    assert found is not None, "a face that is found well has a pose"
    return np.column_stack([found.rotation @ HEAD_FROM_REFERENCE, found.position])


def solved_on_plane(plane: np.ndarray) -> np.ndarray:
    """Return the (3, 4) pose of the face whose rigid points appear at (N, 2) places on the plane at distance 1."""
    eye = np.eye(3)
    _, turn_vector, place = cv2.solvePnP(FACE[RIGID], plane, eye, None, flags=cv2.SOLVEPNP_SQPNP)
    turn_vector, place = cv2.solvePnPRefineLM(FACE[RIGID], plane, eye, None, turn_vector, place)
    return np.column_stack([cv2.Rodrigues(turn_vector)[0], place])


def solved_by_z(points: np.ndarray, size_wh: tuple[int, int]) -> np.ndarray:
    """Return camera_from_head, (3, 4), as MediaPipe's face geometry module finds it from a mesh with z.

    Scale by Procrustes, place by the assumed field of view, unproject with the network's z, and all that once more.
    """
    width, height = size_wh
    focal = 0.5 * height / math.tan(0.5 * ASSUMED_FOV_RAD)
    screen = (points - [0.5 * width, 0.5 * height, 0.0]) / focal  # the plane at distance 1
    depth = screen[:, 2].mean()

    def metric(scale: float) -> np.ndarray:
        z = (screen[:, 2] - depth + 1.0) / scale
        return np.column_stack([screen[:, :2] * z[:, None], z])

    first = aligned(FACE[RIGID], screen[RIGID]).scale
    second = aligned(FACE[RIGID], metric(first)[RIGID]).scale
    found = aligned(metric(first * second)[RIGID], FACE[RIGID])
    rotation = found.rotation.T
    place = metric(first * second)[RIGID].mean(axis=0) - rotation @ FACE[RIGID].mean(axis=0)
    return np.column_stack([rotation, place])


def pose_errors(found: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Return how far a pose is turned, degrees, and by how much of the distance it is too far, percent."""
    angle = np.linalg.norm(cv2.Rodrigues(found[:, :3] @ truth[:, :3].T)[0])
    return math.degrees(angle), 100.0 * (np.linalg.norm(found[:, 3]) / np.linalg.norm(truth[:, 3]) - 1.0)


def measure(scene: Scene, net: MeshNet, straight_by_z: np.ndarray | None) -> dict[str, Any] | None:
    """Return landmark error (% of the eye distance), turn (degrees) and distance error (%) by the way.

    None where the face leaves the image. ``straight_by_z`` is the pose by relative z at bearing 0, kept in the result.
    """
    truth = scene.truth()
    if not ((truth[:, :2] > 0) & (truth[:, :2] < np.array(SIZE_WH) - 1)).all():
        return None
    image = scene.image(truth)
    pose, our_pose = (scene.rotation @ way(scene.subject.points, scene.straight) for way in (solved, solved_by_us))
    flat, virtual = (settled(net, image, truth, camera) for camera in (None, scene.turned))
    by_z = solved_by_z(flat, SIZE_WH)
    straight_by_z = by_z if straight_by_z is None else straight_by_z
    off_flat, off_virtual = scene.landmark_error(flat), scene.landmark_error(virtual)
    return {
        "flat": [off_flat, *pose_errors(solved(flat, scene.turned), pose)],
        "virtual": [off_virtual, *pose_errors(solved(virtual, scene.turned), pose)],
        "virtual, ours": [off_virtual, *pose_errors(solved_by_us(virtual, scene.turned), our_pose)],
        "relative z": [off_flat, pose_errors(by_z, scene.rotation @ straight_by_z)[0], pose_errors(by_z, pose)[1]],
        "straight_by_z": straight_by_z,
    }


def crop_ms(camera: Camera | None) -> float:
    """Return the time that the maps of one crop and the way back of 478 points take, without sampling the image."""
    width, height = SIZE_WH
    region = Roi(np.array([0.72 * width, 0.4 * height]), 0.2 * width, 0.1)
    points = np.random.default_rng(0).uniform(0.0, 192.0, (478, 2))

    def once() -> None:
        window = window_on(region, 192, camera)
        window.maps()
        window.to_image(points)

    return median_ms(once)


def rays_ms(camera: Camera) -> float:
    """Return the time that the rays of the same 478 points take."""
    width, height = SIZE_WH
    points = np.random.default_rng(0).uniform([0.65 * width, 0.3 * height], [0.8 * width, 0.5 * height], (478, 2))
    return median_ms(lambda: rays(camera, points))


def median_ms(once: Callable[[], object]) -> float:
    """Return the median time of many calls."""

    def timed() -> float:
        start = time.perf_counter()
        once()
        return 1e3 * (time.perf_counter() - start)

    return float(np.median([timed() for _ in range(500)]))


def main() -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--network", default="attention")
    parser.add_argument("--json", type=Path, default=Path("virtual_camera.json"))
    arguments = parser.parse_args()
    net = MeshNet(Session.open(arguments.network, "cpu"))
    seen = subject(arguments.picture, net)
    cases = [(lens, distance) for lens in lenses() for distance in DISTANCES_M]
    rows = [row for case in track(cases, "turned", console=Console(stderr=True)) for row in sweep(seen, net, *case)]
    show(rows)
    costs = {"flat": crop_ms(None), **{lens: crop_ms(camera) for lens, camera in lenses().items()}}
    of_rays = {lens: rays_ms(camera) for lens, camera in lenses().items()}
    for title, figures in {"crop": costs, "rays": of_rays}.items():
        Console().print(f"{title}, ms a face:", ", ".join(f"{name} {cost:.2f}" for name, cost in figures.items()))
    found = {"rows": rows, "ms": costs, "rays_ms": of_rays}
    arguments.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def sweep(seen: Subject, net: MeshNet, lens: str, distance_m: float) -> list[dict[str, Any]]:
    """Turn one camera to all bearings and directions."""
    rows: list[dict[str, Any]] = []
    straight_by_z = None
    for bearing in BEARINGS_DEG:
        for direction in range(DIRECTIONS if bearing else 1):
            rotation = turn(math.radians(bearing), 2.0 * math.pi * direction / DIRECTIONS)
            scene = Scene(seen, seen.camera(distance_m), lenses()[lens], rotation)
            measured = measure(scene, net, straight_by_z)
            if measured is None:
                continue
            straight_by_z = measured.pop("straight_by_z")
            place = {"lens": lens, "distance_m": distance_m, "bearing_deg": bearing, "direction": direction}
            rows.append({**place, **measured})
    return rows


def show(rows: list[dict[str, Any]]) -> None:
    """Print means, medians and extremes over directions and distances by bearing: of all lenses, and of each."""
    titles = ("bearing", "n", "landmarks, % of eyes", "turned, median °", "worst °", "distance, median %", "worst %")
    for lens in (None, *lenses()):
        table = Table(title=f"{lens or 'all lenses'}: {' / '.join(WAYS)}")
        for title in titles:
            table.add_column(title, justify="right")
        for bearing in BEARINGS_DEG:
            chosen = [row for row in rows if lens in (None, row["lens"]) and row["bearing_deg"] == bearing]
            if not chosen:
                continue
            figures = np.abs(np.array([[row[way] for way in WAYS] for row in chosen]))  # (scenes, ways, figures)
            cells = [figures[:, :2, 0].mean(axis=0)]
            cells += [f(figures[..., kind], axis=0) for kind in (1, 2) for f in (np.median, np.max)]
            texts = [" / ".join(f"{one:.1f}" if one >= 10 else f"{one:.2f}" for one in cell) for cell in cells]
            table.add_row(f"{bearing}°", str(len(chosen)), *texts)
        Console(width=170).print(table)


if __name__ == "__main__":
    main()
