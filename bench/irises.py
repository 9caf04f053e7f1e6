"""How the size of a head by its irises changes when it turns, and differs from face to face, by several measures.

    python bench/irises.py DATA [--json irises.json]

DATA is the evaluation data, which is not part of the repository. In clips one person is seen turned by several angles:
what is wrong with a measure shows as a change from the median of the same track below FRONTAL_DEG, which needs no true
size. In single pictures every face is somebody else's: there the median should be the mean adult's in every row,
and the standard deviation holds heads (5 %), irises (4.3 %) and the error of one reading. Cameras are taken to have
FOV_DEG, which a ratio of sizes in the same place hardly notices. The portrait is shrunk as if its person walked off,
and moved by parts of a pixel: distance times SHRUNK should not change. Needs the networks.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from unittest import mock

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from facemesh_ros import Camera, Config, Face, FaceMesher, scale
from facemesh_ros.lens import rays
from facemesh_ros.pose import Solution, solve
from facemesh_ros.topology import face_topology

CLIPS = "video/*.mp4"
PICTURES = ("gt/*/*.jpg", "gt/*/*.png", "images/*.*g", "images/*.jpeg")
LEFT_OUT = ("portrait", "cartoon")
"""Words in the names of pictures that show the same person again, or a drawing."""
FOV_DEG, RATE_HZ = 50.0, 30.0
FRONTAL_DEG, LEAST_FRONTAL, LEAST_IN_TRACK, LEAST_IN_ROW = 20.0, 8, 20, 3
PORTRAIT, SHRUNK, SHIFTS = "mediapipe_expected/portrait.jpg", (1.0, 0.8, 0.6, 0.5, 0.4, 0.3, 0.25, 0.2, 0.15), 4
TURNS_DEG = (0, 10, 15, 20, 25, 30, 35, 40)


@dataclass(frozen=True)
class Reading:
    """Of one mesh."""

    turn_deg: float
    sizes: dict[str, float]
    """Measure → size over the reference face; where the measure refuses, it is not there."""


def mean_diameter(seen: np.ndarray, solution: Solution) -> float:
    """Return the size by the mean of width and height of both irises."""
    diameters = []
    for side in ("right", "left"):
        lids, rim = face_topology().loops[f"{side}_eye"], face_topology().loops[f"{side}_iris"]
        directions = np.column_stack([seen[rim], np.ones(4)])
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        across = np.linalg.norm(directions[:2] - directions[2:], axis=1)
        diameters.append(across.mean() * np.linalg.norm(solution.points()[lids].mean(axis=0)))
    return scale.IRIS_M / float(np.mean(diameters))


def reading(face: Face, camera: Camera) -> Reading | None:
    """Return what a face says; None where it is turned too far, or its eyes are too small or closed."""
    points = face.mesh.points
    seen = rays(camera, points[:, :2])
    solution = solve(points, seen, camera)
    if solution is None:
        return None
    sight = solution.position / np.linalg.norm(solution.position)
    turn_deg = float(np.degrees(np.arccos(np.clip(-solution.rotation[:, 0] @ sight, -1.0, 1.0))))
    with mock.patch.object(scale, "IRIS_WIDEST_TURN", np.cos(np.radians(TURNS_DEG[-1]))):
        shipped = scale.iris_factor(points, seen, solution)
        with mock.patch.object(scale, "IRIS_LARGEST_DIFFERENCE", np.inf):
            longest = scale.iris_factor(points, seen, solution)
    if longest is None:
        return None
    sizes = {"mean": mean_diameter(seen, solution), "longest": longest}
    return Reading(turn_deg, sizes if shipped is None else {**sizes, "as shipped": shipped})


def readings(faces: Iterable[Face], camera: Camera) -> dict[int, Reading]:
    """Return track → what its face says."""
    found = {face.track_id: reading(face, camera) for face in faces}
    return {track_id: one for track_id, one in found.items() if one is not None}


def camera_of(image: np.ndarray) -> Camera:
    return Camera.from_fov(image.shape[1::-1], np.radians(FOV_DEG))


def rgb(image_bgr: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(image_bgr[..., ::-1])


def frames(path: Path) -> Iterator[np.ndarray]:
    """Yield the frames of a clip, BGR."""
    clip = cv2.VideoCapture(str(path))
    while True:
        is_there, image = clip.read()
        if not is_there:
            return
        yield image


def tracks(data: Path) -> list[list[Reading]]:
    """Return the readings of every track of every clip that is long enough."""
    found: dict[tuple[str, int], list[Reading]] = defaultdict(list)
    for path in sorted(data.glob(CLIPS)):
        mesher = FaceMesher(Config.from_dotted({"device": "cpu", "max_faces": 4}))
        for index, image in enumerate(frames(path)):
            camera = camera_of(image)
            for track_id, one in readings(mesher.process(rgb(image), index / RATE_HZ, camera), camera).items():
                found[path.name, track_id].append(one)
    return [track for track in found.values() if len(track) >= LEAST_IN_TRACK]


def faces(data: Path) -> list[Reading]:
    """Return a reading of every face in the single pictures."""
    mesher = FaceMesher(Config.from_dotted({"device": "cpu", "max_faces": 10}))
    found: list[Reading] = []
    for path in sorted(path for pattern in PICTURES for path in data.glob(pattern)):
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if image is not None and not any(word in path.name for word in LEFT_OUT):
            camera = camera_of(image)
            found += readings(mesher.process_still(rgb(image), camera), camera).values()
    return found


def shrunk_distances_m(data: Path) -> np.ndarray:
    """Return (shrunk, shifts) distances of the portrait's face by its irises, times how far it is shrunk."""
    portrait, random = cv2.imread(str(data / PORTRAIT), cv2.IMREAD_COLOR), np.random.default_rng(0)
    mesher = FaceMesher(Config.from_dotted({"device": "cpu", "max_faces": 1, "pose.scale": "iris"}))
    camera, size_wh, distances = camera_of(portrait), portrait.shape[1::-1], []
    for shrunk in SHRUNK:
        small = cv2.resize(portrait, None, fx=shrunk, fy=shrunk, interpolation=cv2.INTER_AREA)
        for shift in random.uniform(-0.5, 0.5, (SHIFTS, 2)):
            corner = 0.5 * (np.array(size_wh) - small.shape[1::-1]) + shift
            moved = cv2.warpAffine(
                small, np.column_stack([np.eye(2), corner]), size_wh, borderMode=cv2.BORDER_REPLICATE
            )
            (face,) = mesher.process_still(rgb(moved), camera)
            is_read = face.pose is not None and face.pose.scale_source == "iris"
            distances.append(shrunk * np.linalg.norm(face.pose.camera_from_head[:3, 3]) if is_read else np.nan)
    return np.reshape(distances, (len(SHRUNK), SHIFTS))


def sizes(of: list[Reading], measure: str, low: float, high: float) -> np.ndarray:
    """Return the logarithms of the sizes of faces turned by low to high, deg."""
    return np.log([one.sizes[measure] for one in of if measure in one.sizes and low <= one.turn_deg < high])


def change_percent(clips: list[list[Reading]], measure: str, low: float, high: float) -> tuple[float, int]:
    """Return the mean change of the size from that of the same track below FRONTAL_DEG, and of how many tracks."""
    changes = []
    for track in clips:
        frontal, here = sizes(track, measure, 0.0, FRONTAL_DEG), sizes(track, measure, low, high)
        if len(frontal) >= LEAST_FRONTAL and len(here) >= LEAST_IN_ROW:
            changes.append(np.median(here) - np.median(frontal))
    return (100.0 * float(np.mean(changes)) if changes else float("nan")), len(changes)


def main() -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--json", type=Path, default=Path("irises.json"))
    arguments = parser.parse_args()
    clips, stills = tracks(arguments.data), faces(arguments.data)
    if not clips or not stills:
        raise SystemExit(
            f"bench/irises.py: no clips or pictures in {arguments.data}: name the evaluation data's folder"
        )
    table, rows = Table(title="Size by irises: change in the same track, and over all faces"), []
    for title in ("by", "turned", "change", "tracks", "median", "deviation", "faces"):
        table.add_column(title, justify="right")
    limits = [*pairwise(TURNS_DEG), (0, 30)]
    for measure in stills[0].sizes:
        for low, high in limits:
            change, count = change_percent(clips, measure, low, high)
            here = sizes(stills, measure, low, high)
            median, deviation = float(np.exp(np.median(here))), 100.0 * float(np.std(here))
            rows.append([measure, low, high, change, count, median, deviation, len(here)])
            cells = (f"{change:+.1f} %", str(count), f"{median:.3f}", f"{deviation:.1f} %", str(len(here)))
            table.add_row(measure, f"{low}-{high}°", *cells, end_section=(low, high) == limits[-1])
    distances = shrunk_distances_m(arguments.data)
    off = distances / np.nanmean(distances) - 1.0
    console = Console()
    console.print(table)
    console.print(
        f"the portrait, shrunk to {SHRUNK[-1]}: distances off their mean by {100 * np.nanstd(off):.1f} %, at worst "
        f"{100 * np.nanmax(np.abs(off)):.1f} %; irises read in {np.isfinite(off).sum()} of {off.size}"
    )
    report = {"rows": rows, "portrait_off": off.tolist()}
    arguments.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
