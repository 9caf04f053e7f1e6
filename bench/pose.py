"""How right is the head pose off the camera's axis? Rendered heads, ours beside the common solver's assumptions.

    python bench/pose.py [--heads 400] [--json pose.json]

Heads are the reference face, each with a shape of its own: a smooth random field in each direction, mostly alike on
both sides, as large as among real faces (``training/face_shapes.py``). They are drawn in true perspective through
cameras of 35 to 100 degrees of vertical field of view with barrel, rational and fisheye lenses, at 0.4 to 4 m, yaw
within 50° and pitch within 30° of the line of sight, with 0.5 px of noise in x, y and z. z is what the network gives:
relief along the line of sight, at the scale of x and y, turned by an error of its own (2° about each axis: twice what
the solver counts on). A face smaller than the detector's least (24 px) is not drawn: there would be no mesh.

The common solver is reimplemented from its description: it takes the camera to have 63° of vertical field of view and
no distortion, scales x, y and z alike (weak perspective), trusts z, and lays the metric face over that by a similarity
(MediaPipe's face geometry module; our reference face and points in its place).

Coverage: how often the true pose lies in the region that the covariance states for 95 %, over heads of their own shape
and size (5 %), and over heads of the reference shape and size. Needs no networks.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy.spatial.transform import Rotation

from facemesh_ros.head import HEAD_FROM_REFERENCE, head_points
from facemesh_ros.heads import head_pose
from facemesh_ros.lens import project, rays
from facemesh_ros.likelihood import NOISE_PX
from facemesh_ros.pose import Solution, solve
from facemesh_ros.procrustes import aligned
from facemesh_ros.scale import HEAD_SIZE_SD, assumed
from facemesh_ros.topology import RIGID, reference_face
from facemesh_ros.types import Camera

SIZE_WH = (1280, 720)
BEARINGS_DEG = (0, 5, 10, 15, 20, 25, 30, 35)
LEAST_FACE_PX = 24.0
ALIKE_SD_M, OPPOSITE_SD_M, SHAPE_LENGTH_M = 0.0012, 0.0005, 0.03
"""How far and how coarsely a person's face differs from the mean: alike on both sides, and opposite."""
RELIEF_TURN_SD = math.radians(2.0)
COMMON_FOV_RAD = math.radians(63.0)
CHI2_95_OF_6 = 12.592
LENSES = {
    "plumb_bob": [-0.1, 0.02, 0.001, -0.001, 0.0],
    "rational_polynomial": [0.5, 0.2, 0.001, -0.001, 0.03, 0.6, 0.25, 0.06],
    "equidistant": [0.03, -0.01, 0.002, -0.001],
}
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Head:
    """A drawn head."""

    camera: Camera
    rotation: Array
    position: Array
    mesh: Array
    """(468, 3) px."""


def camera_of(random: np.random.Generator, bearing_deg: float) -> Camera:
    """Return a camera that has room for a bearing, at a random field of view, with a random lens."""
    while True:
        focal = 0.5 * SIZE_WH[1] / math.tan(0.5 * math.radians(random.uniform(35.0, 100.0)))
        if math.degrees(math.atan(0.5 * SIZE_WH[0] / focal)) > bearing_deg + 3.0:
            break
    model = str(random.choice(list(LENSES)))
    matrix = [[focal, 0.0, 0.5 * (SIZE_WH[0] - 1)], [0.0, focal, 0.5 * (SIZE_WH[1] - 1)], [0.0, 0.0, 1.0]]
    return Camera.from_matrix(matrix, LENSES[model], SIZE_WH, model)


def persons_shape(random: np.random.Generator) -> Array:
    """Return the reference face (468, 3) with a smooth difference in each direction."""
    points, mirror = head_points(), np.array([1.0, -1.0, 1.0])
    shape = points.copy()
    for sd_m, sign in ((ALIKE_SD_M, 1.0), (OPPOSITE_SD_M, -1.0)):
        waves = random.normal(0.0, 1.0 / SHAPE_LENGTH_M, (3, 3, 24))
        phases = random.uniform(0.0, 2.0 * np.pi, (3, 1, 24))
        here, there = (np.cos(at @ waves + phases).sum(axis=2).T for at in (points, points * mirror))
        shape += sd_m * np.sqrt(1.0 / 24.0) * (here + sign * mirror * there)
    return shape


def heads(random: np.random.Generator, bearing_deg: float, count: int, own: bool = True) -> Iterator[Head]:
    """Yield heads at a bearing, to the sides, and up and down as far as the image reaches; with shapes of their own."""
    while count:
        camera = camera_of(random, bearing_deg)
        side, up = random.choice([-1.0, 1.0]), random.uniform(-5.0, 5.0)
        sight = Rotation.from_euler("YX", [side * bearing_deg, up], degrees=True).as_matrix()
        turn = random.uniform([-20.0, -50.0, -30.0], [20.0, 50.0, 30.0])
        rotation = sight @ Rotation.from_euler("ZYX", turn, degrees=True).as_matrix() @ HEAD_FROM_REFERENCE.T
        position = random.uniform(0.4, 4.0) * sight[:, 2]
        shape = persons_shape(random) if own else head_points()
        points = shape @ rotation.T + position
        drawn = project(camera, points)
        if np.isfinite(drawn).all() and np.ptp(drawn, axis=0).max() >= LEAST_FACE_PX:
            count -= 1
            noise = random.normal(0.0, NOISE_PX, (len(drawn), 3))
            yield Head(camera, rotation, position, np.column_stack([drawn, relief(points, drawn, random)]) + noise)


def relief(points: Array, drawn: Array, random: np.random.Generator) -> Array:
    """Return (468,) px: z as the network gives it."""
    spots = points[:, :2] / points[:, 2:]
    middle = points[:, 2].mean() * np.array([*0.5 * (spots.min(axis=0) + spots.max(axis=0)), 1.0])
    sight = middle / np.linalg.norm(middle)
    across = points - np.outer(points @ sight, sight)
    px_per_m = math.sqrt(drawn.var(axis=0).sum() / across.var(axis=0).sum())
    wrong = Rotation.from_rotvec(random.normal(0.0, RELIEF_TURN_SD, 3)).as_matrix()
    return px_per_m * ((points - middle) @ wrong.T @ sight)


def common_pose(mesh: Array) -> tuple[Array, Array]:
    """Return rotation and position as the common solver has them."""
    width, height = SIZE_WH
    focal = 0.5 * height / math.tan(0.5 * COMMON_FOV_RAD)
    middle = np.array([0.5 * (width - 1), 0.5 * (height - 1), 0.0])
    face = reference_face()[RIGID]
    seen = mesh[RIGID].copy()
    px_per_m = aligned(face, seen).scale  # a first estimate, from which the depth follows, then once more with it
    for _ in range(2):
        depth = focal / px_per_m + seen[:, 2] / px_per_m
        metric = np.column_stack([(seen - middle)[:, :2] * depth[:, np.newaxis] / focal, depth])
        laid = aligned(face, metric)
        px_per_m *= laid.scale
    rotation = laid.rotation
    position = metric.mean(axis=0) - laid.scale * rotation @ face.mean(axis=0)
    return rotation @ HEAD_FROM_REFERENCE.T, position / laid.scale


def errors(head: Head, rotation: Array, position: Array) -> tuple[float, float]:
    """Return the error of rotation, deg, and of distance, %."""
    turn = math.degrees(Rotation.from_matrix(rotation @ head.rotation.T).magnitude())
    return turn, 100.0 * abs(float(np.linalg.norm(position) / np.linalg.norm(head.position)) - 1.0)


def ours(head: Head) -> tuple[Solution | None, float]:
    """Return our solution, and how long it took from nothing, ms."""
    start = time.perf_counter()
    found = solve(head.mesh.astype(np.float32), rays(head.camera, head.mesh[:, :2]), head.camera)
    return found, 1e3 * (time.perf_counter() - start)


def row(bearing_deg: float, count: int, seed: int) -> dict[str, float]:
    """Return the figures at one bearing."""
    random = np.random.default_rng([seed, int(bearing_deg)])
    mine, common, missed = [], [], 0
    for head in heads(random, bearing_deg, count):
        found, _ = ours(head)
        missed += found is None
        if found is not None:
            mine.append(errors(head, found.rotation, found.position))
        common.append(errors(head, *common_pose(head.mesh)))
    figures: dict[str, float] = {"bearing_deg": bearing_deg, "missed": missed}
    for name, pairs in (("ours", mine), ("common", common)):
        for kind, values in zip(("rotation_deg", "distance_percent"), np.array(pairs).T, strict=True):
            figures |= {f"{name}_{kind}_median": float(np.median(values))}
            figures |= {f"{name}_{kind}_95": float(np.percentile(values, 95))}
    return figures


def coverage(count: int, seed: int, own: bool) -> float:
    """Return how often the true pose lies in the stated 95 % region, of heads with their own shape and size, or not."""
    random, inside = np.random.default_rng([seed, 99]), []
    for index in range(count):
        (head,) = heads(random, BEARINGS_DEG[index % len(BEARINGS_DEG)], 1, own)
        found, _ = ours(head)
        if found is not None:
            size = random.normal(1.0, HEAD_SIZE_SD) if own else 1.0  # so much nearer it looks the same
            covariance = head_pose(found, assumed(1.0)).covariance if own else found.covariance
            turn = Rotation.from_matrix(head.rotation @ found.rotation.T).as_rotvec()
            off = np.concatenate([size * head.position - found.position, turn])
            inside.append(float(off @ np.linalg.solve(covariance, off)) < CHI2_95_OF_6)
    return float(np.mean(inside))


def times_ms(count: int, seed: int) -> tuple[float, float]:
    """Return the median time of a pose from nothing and from the one before, ms, without distortion."""
    random, cold, warm = np.random.default_rng([seed, 98]), [], []
    camera = Camera.from_fov(SIZE_WH, 1.2)
    for _ in range(count):
        rotation = Rotation.from_euler("y", random.uniform(-40, 40), degrees=True).as_matrix() @ HEAD_FROM_REFERENCE.T
        points = persons_shape(random) @ rotation.T + [0.0, 0.0, 1.0]
        drawn = project(camera, points)
        mesh = np.column_stack([drawn, relief(points, drawn, random)])
        found, ms = ours(Head(camera, rotation, points[0], mesh))
        cold.append(ms)
        moved = mesh + random.normal(0.0, 0.5, mesh.shape) + [3.0, 1.0, 0.0]
        start = time.perf_counter()
        solve(moved, rays(camera, moved[:, :2]), camera, found)
        warm.append(1e3 * (time.perf_counter() - start))
    return float(np.median(cold)), float(np.median(warm))


def main() -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--heads", type=int, default=400, help="at each bearing")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, default=Path("pose.json"))
    arguments = parser.parse_args()
    todo = track(BEARINGS_DEG, "bearings", console=Console(stderr=True))
    rows = [row(bearing, arguments.heads, arguments.seed) for bearing in todo]
    table = Table(title="Error, median / 95 %; promised: rotation 1.5° / 4°, distance 3 %")
    for title in ("bearing", "rotation, ours", "common solver", "distance, ours", "common solver", "no pose"):
        table.add_column(title, justify="right")
    for one in rows:
        cells = [
            f"{one[f'{name}_{kind}_median']:.1f} / {one[f'{name}_{kind}_95']:.1f} {unit}"
            for kind, unit in (("rotation_deg", "°"), ("distance_percent", "%"))
            for name in ("ours", "common")
        ]
        table.add_row(f"{one['bearing_deg']}°", *cells, str(one["missed"]))
    Console().print(table)
    covered = {
        name: coverage(2 * arguments.heads, arguments.seed, own) for name, own in (("own", True), ("mean", False))
    }
    cold_ms, warm_ms = times_ms(200, arguments.seed)
    Console().print(
        f"true pose in the stated 95 % region: own shapes {100 * covered['own']:.1f} %, reference shape "
        f"{100 * covered['mean']:.1f} %; ms a face from nothing {cold_ms:.2f}, from the pose before {warm_ms:.2f}"
    )
    machine = {"machine": platform.processor() or platform.machine(), "python": platform.python_version()}
    content = {**machine, "rows": rows, "coverage": covered, "cold_ms": cold_ms, "warm_ms": warm_ms}
    arguments.json.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
