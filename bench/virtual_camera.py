"""Faces beside the axis: flat crops against virtual cameras that turn towards the face, with exact truth.

    python bench/virtual_camera.py [--picture FILE] [--network attention] [--json virtual_camera.json]

A real picture of a face (the astronaut, or the largest face of FILE) is taken as seen straight on, from a distance
that gives its focal length. A camera at the same place that is turned away by 0 to 40 degrees, in eight directions,
sees the same rays: its picture is a homography, K2 R K1^-1, after which the lens distorts. So the landmarks of the
picture itself, mapped along, are the exact truth for those found in the turned one, and their head pose, turned along,
for its pose. Every region comes from the mesh of the one before, as in a stream. Landmark errors are measured on the
picture: mapped back. Poses are by plain PnP on the rigid points, once in the image's plane, and once in a plane turned
towards the face ("facing"). Beside them stands a solver with the assumptions of MediaPipe's face geometry (a field of
view of 63 degrees, relative z trusted) on the flat crop's mesh; it is held to its own pose at bearing 0.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from facemesh_ros import Camera, FaceMesher
from facemesh_ros.geometry import roi_from_points
from facemesh_ros.mesh_net import MeshNet
from facemesh_ros.procrustes import RIGID, aligned
from facemesh_ros.session import Session
from facemesh_ros.tools.moving_face import FACE_CENTRE_XY, render_bgr, similarity
from facemesh_ros.topology import reference_face
from facemesh_ros.types import Roi
from facemesh_ros.virtual_camera import window_on

SIZE_WH = (1920, 1440)
BEARINGS_DEG = (0, 5, 10, 15, 20, 25, 30, 34, 40)
DIRECTIONS = 8
DISTANCES_M = (0.4, 0.8, 1.6)
PASSES = 3
"""Regions follow the mesh so many times."""
EYE_CORNERS = (33, 263)
SUPERSAMPLING = 2
COARSE_PX = 4
"""The way back from the turned picture is computed so far apart: the rest is linear to 0.01 px."""
ASSUMED_FOV_RAD = math.radians(63.0)
FACE = reference_face()
WAYS = ("flat", "virtual", "virtual, facing", "relative z")


def lenses() -> dict[str, Camera]:
    """Return the cameras that are turned."""
    width, height = SIZE_WH
    focal = (width / 2) / math.radians(90.0)
    fisheye = [[focal, 0.0, (width - 1) / 2], [0.0, focal, (height - 1) / 2], [0.0, 0.0, 1.0]]
    plain = {f"{fov}°": Camera.from_fov(SIZE_WH, math.radians(fov)) for fov in (60, 90, 120)}
    atan = [7 / 9, 64 / 945, 0, 0, 0, 10 / 9, 5 / 21, 0]  # Padé's approximation of atan(r) / r: a fisheye lens
    return plain | {
        "90°, plumb_bob": Camera.from_matrix(plain["90°"].matrix, [-0.25, 0.06, 1e-3, -1e-3, 0.0], SIZE_WH),
        "150°, rational": Camera.from_matrix(
            np.array(fisheye) * [[1.2, 1, 1], [1, 1.2, 1], [1, 1, 1]], atan, SIZE_WH, "rational_polynomial"
        ),
        "180°, equidistant": Camera.from_matrix(fisheye, [-0.02, 0.003, -0.002, 0.0005], SIZE_WH, "equidistant"),
    }


def distorted(camera: Camera, plane: np.ndarray) -> np.ndarray:
    """Return the (N, 2) px of points on the plane at distance 1, by OpenCV."""
    spots, zero, matrix = np.column_stack([plane, np.ones(len(plane))]), np.zeros(3), np.asarray(camera.matrix)
    if camera.model == "equidistant":
        return cv2.fisheye.projectPoints(spots[None], zero, zero, matrix, np.asarray(camera.distortion))[0][0]
    return cv2.projectPoints(spots, zero, zero, matrix, np.asarray(camera.distortion))[0][:, 0]


def undistorted(camera: Camera, pixels: np.ndarray) -> np.ndarray:
    """Return the (N, 2) points on the plane at distance 1, by Newton's method on the distance from the axis.

    The distortion is nearly radial; what is tangential shrinks with each step.
    """
    (fx, fy), center = np.diag(camera.matrix)[:2], camera.matrix[:2, 2]
    wanted = (pixels - center) / [fx, fy]
    if not camera.distortion.any() and camera.model != "equidistant":
        return wanted
    plane = wanted.copy()
    for _ in range(12):
        radius = np.linalg.norm(plane, axis=1, keepdims=True) + 1e-12
        unit, step = plane / radius, 1e-6
        here, further = ((distorted(camera, p) - center) / [fx, fy] for p in (plane, plane + step * unit))
        slope = np.linalg.norm(further - here, axis=1, keepdims=True) / step
        missing = wanted - here
        along = (missing * unit).sum(axis=1, keepdims=True)
        across = missing - along * unit
        stretch = np.linalg.norm(here, axis=1, keepdims=True) / radius
        plane = plane + along / np.maximum(slope, 0.05) * unit + across / np.maximum(stretch, 0.05)
    return plane


@dataclass(frozen=True)
class Subject:
    """A face seen straight on."""

    picture: np.ndarray
    """(H, W, 3) uint8 RGB."""
    points: np.ndarray
    """(N, 3) its mesh, px of the picture."""

    @property
    def eye_distance_px(self) -> float:
        return float(np.linalg.norm(np.subtract(*self.points[list(EYE_CORNERS), :2])))

    def camera(self, distance_m: float) -> Camera:
        """Return the camera that stood before this face at a distance, its axis through the middle of the face."""
        focal = self.eye_distance_px * distance_m / float(np.linalg.norm(np.subtract(*FACE[list(EYE_CORNERS)])))
        x, y = roi_from_points(self.points).center_xy
        height, width = self.picture.shape[:2]
        return Camera.from_matrix([[focal, 0, x], [0, focal, y], [0, 0, 1]], None, (width, height))


def astronaut() -> np.ndarray:
    """Return the built-in face at twice its size."""
    return np.ascontiguousarray(
        render_bgr(similarity(2.0, 0.0, FACE_CENTRE_XY, (512.0, 512.0)), (1024, 1024))[..., ::-1]
    )


def subject(path: Path | None, net: MeshNet) -> Subject:
    """Mesh the picture's largest face flat, as often as everywhere else."""
    picture = astronaut() if path is None else cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    faces = FaceMesher().process_still(picture)
    largest = max(faces, key=lambda face: face.roi.size)
    return Subject(picture, settled(net, picture, largest.mesh.points, None))


def settled(net: MeshNet, picture: np.ndarray, points: np.ndarray, camera: Camera | None) -> np.ndarray:
    """Mesh a face a few times, each time where it was."""
    for _ in range(PASSES):
        (mesh,) = net.run(picture, [roi_from_points(points)], camera)
        assert mesh is not None
        points = mesh.points
    return points


def turn(bearing_rad: float, direction_rad: float) -> np.ndarray:
    """Return turned_from_straight, (3, 3): what was on the axis comes to lie at a bearing in a direction."""
    axis = np.array([-math.sin(direction_rad), math.cos(direction_rad), 0.0])
    return cv2.Rodrigues(bearing_rad * axis)[0]


def between(coarse: int, fine: int) -> np.ndarray:
    """Return the (fine, coarse) weights that interpolate from every COARSE_PX-th px to the parts of every px."""
    place = ((np.arange(fine) + 0.5) / SUPERSAMPLING - 0.5) / COARSE_PX
    return np.maximum(1.0 - np.abs(place[:, None] - np.arange(coarse)), 0.0).astype(np.float32)


@dataclass(frozen=True)
class Scene:
    """A subject, the camera that stood before it, and the one that is turned."""

    subject: Subject
    straight: Camera
    turned: Camera
    rotation: np.ndarray
    """turned_from_straight, (3, 3)."""

    def to_turned(self, points_xy: np.ndarray) -> np.ndarray:
        """Map (N, 2) px of the picture to those of the turned camera's."""
        rays = np.column_stack([undistorted(self.straight, points_xy), np.ones(len(points_xy))]) @ self.rotation.T
        return distorted(self.turned, rays[:, :2] / rays[:, 2:])

    def to_straight(self, points_xy: np.ndarray) -> np.ndarray:
        """Map (N, 2) px of the turned camera's picture to those of the subject's."""
        rays = np.column_stack([undistorted(self.turned, points_xy), np.ones(len(points_xy))]) @ self.rotation
        return distorted(self.straight, rays[:, :2] / rays[:, 2:])

    def truth(self) -> np.ndarray:
        """Return the (N, 3) mesh in the turned camera's picture; z has no truth there and is kept."""
        points = self.subject.points[:, :2].astype(np.float64)
        return np.column_stack([self.to_turned(points), self.subject.points[:, 2]]).astype(np.float32)

    def landmark_error(self, points: np.ndarray) -> float:
        """Return how far the (N, 3) points of the turned picture lie from the truth, mapped back, % of eye distance."""
        off = self.to_straight(points[:, :2].astype(np.float64)) - self.subject.points[:, :2]
        return float(100.0 * np.linalg.norm(off, axis=1).mean() / self.subject.eye_distance_px)

    def image(self, truth: np.ndarray) -> np.ndarray:
        """Render what lies within two face sizes of the face; black elsewhere."""
        width, height = SIZE_WH
        region = roi_from_points(truth)
        x0, y0 = np.maximum(region.center_xy - region.size, 0).astype(int).tolist()
        x1, y1 = np.minimum(region.center_xy + region.size, [width, height]).astype(int).tolist()
        xs, ys = np.arange(x0, x1 + COARSE_PX, COARSE_PX), np.arange(y0, y1 + COARSE_PX, COARSE_PX)
        grid = np.stack(np.meshgrid(xs, ys), axis=2).reshape(-1, 2).astype(np.float64)
        places = np.moveaxis(self.to_straight(grid).reshape(len(ys), len(xs), 2), 2, 0)
        right, down = between(len(xs), SUPERSAMPLING * (x1 - x0)), between(len(ys), SUPERSAMPLING * (y1 - y0))
        u, v = (down @ place @ right.T for place in places.astype(np.float32))
        patch = cv2.remap(self.subject.picture, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        image = np.zeros((height, width, 3), np.uint8)
        image[y0:y1, x0:x1] = cv2.resize(patch, (x1 - x0, y1 - y0), interpolation=cv2.INTER_AREA)
        return image


def solved(points: np.ndarray, camera: Camera) -> np.ndarray:
    """Return camera_from_head, (3, 4), by plain PnP: SQPNP, then Levenberg-Marquardt, on the plane at distance 1."""
    return solved_on_plane(undistorted(camera, points[RIGID, :2].astype(np.float64)))


def solved_facing(points: np.ndarray, camera: Camera) -> np.ndarray:
    """Return camera_from_head, (3, 4), by the same, but on a plane turned towards the face: errors count as angles."""
    plane = undistorted(camera, points[RIGID, :2].astype(np.float64))
    rays = np.column_stack([plane, np.ones(len(plane))])
    x, y, z = np.mean(rays / np.linalg.norm(rays, axis=1, keepdims=True), axis=0)
    camera_from_facing = turn(math.atan2(math.hypot(x, y), z), math.atan2(y, x))
    facing = rays @ camera_from_facing
    return camera_from_facing @ solved_on_plane(facing[:, :2] / facing[:, 2:])


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
    pose, facing = (scene.rotation @ solve(scene.subject.points, scene.straight) for solve in (solved, solved_facing))
    flat, virtual = (settled(net, image, truth, camera) for camera in (None, scene.turned))
    by_z = solved_by_z(flat, SIZE_WH)
    straight_by_z = by_z if straight_by_z is None else straight_by_z
    off_flat, off_virtual = scene.landmark_error(flat), scene.landmark_error(virtual)
    return {
        "flat": [off_flat, *pose_errors(solved(flat, scene.turned), pose)],
        "virtual": [off_virtual, *pose_errors(solved(virtual, scene.turned), pose)],
        "virtual, facing": [off_virtual, *pose_errors(solved_facing(virtual, scene.turned), facing)],
        "relative z": [off_flat, pose_errors(by_z, scene.rotation @ straight_by_z)[0], pose_errors(by_z, pose)[1]],
        "straight_by_z": straight_by_z,
    }


def cost_ms(camera: Camera | None) -> float:
    """Return the time that the maps of one crop and the way back of 478 points take, without sampling the image, ms."""
    width, height = SIZE_WH
    region = Roi(np.array([0.72 * width, 0.4 * height]), 0.2 * width, 0.1)
    points = np.random.default_rng(0).uniform(0.0, 192.0, (478, 2))

    def once() -> float:
        start = time.perf_counter()
        window = window_on(region, 192, camera)
        window.maps()
        window.to_image(points)
        return 1e3 * (time.perf_counter() - start)

    return float(np.median([once() for _ in range(500)]))


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
    costs = {"flat": cost_ms(None), **{lens: cost_ms(camera) for lens, camera in lenses().items()}}
    Console().print("ms a face:", ", ".join(f"{name} {cost:.2f}" for name, cost in costs.items()))
    arguments.json.write_text(json.dumps({"rows": rows, "ms": costs}, indent=1) + "\n", encoding="utf-8")


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
