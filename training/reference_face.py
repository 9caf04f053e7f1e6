"""Derive facemesh_ros/data/reference_face.json: the mean shape of the face mesh, symmetric, in metres.

    python training/reference_face.py PICTURES [PICTURES ...]

PICTURES are folders that are searched for images of faces. Every face that the detector sees well and the landmark
network is sure of gives a mesh; the generalised Procrustes mean of their first 468 points is made symmetric and scaled
to adult eyes 63 mm apart. Only means are written: no picture and no single face enters the project.

Is its depth consistent? Each mesh's x and y alone, without its z, tell how its head is turned and what depth the mean
face has in that place, along the line of sight. The slope of that depth over the network's z would be 1 if z were at
the scale of x and y. It is so close to 1 that depth is left as the network gives it; the slopes stand in the file.
A free shape (structure from motion: the shape and the turns that fit x and y of all faces best) came out within 5 % of
the same depth and gave no better poses. How far a point of single faces lies from the mean is written as its spread.

Sources: Gower, "Generalized Procrustes analysis", Psychometrika 1975; similarity by Umeyama, PAMI 1991. Distance of the
eye centres: 63 mm, the mean interpupillary distance of adults (Dodgson, "Variation and extrema of human interpupillary
distance", SPIE 5291, 2004). Check, not fitted: sellion to chin and breadth at the cheekbones, against the length from
menton to sellion and the bizygomatic breadth of Zhuang and Bradtmiller, "Head-and-face anthropometric survey of U.S.
respirator users", J. Occup. Environ. Hyg. 2, 2005 (means of men and women: 118 and 139 mm).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from scipy.optimize import least_squares, linear_sum_assignment
from scipy.spatial.transform import Rotation

from facemesh_ros.detector import Detector
from facemesh_ros.errors import InputError
from facemesh_ros.geometry import roi_from_detection, roi_from_points
from facemesh_ros.mesh_net import MeshNet
from facemesh_ros.procrustes import aligned
from facemesh_ros.session import Session
from facemesh_ros.tools.sources import IMAGE_SUFFIXES
from facemesh_ros.topology import RIGID, SURFACE_POINTS, face_normals, face_topology
from facemesh_ros.views import whole

OUTPUT = Path(__file__).parents[1] / "facemesh_ros" / "data" / "reference_face.json"
EYE_CENTRES_M = 0.063
MIN_SCORE, MIN_PRESENCE = 0.7, 0.99
TURNED = 0.34
"""Sine of the yaw from which a head counts as turned: 20°."""
WORST_SPREAD_M = 0.01
"""A point farther off counts as if it were here: a hand or hair, not a shape."""
ROUNDS = 20
SELLION = 168
"""The origin, as in ROS REP 155: where the nose begins between the eyes."""

Points = NDArray[np.float64]


def meshes(folders: list[Path]) -> Iterator[Points]:
    """Yield (468, 3) px of every face that is seen well, from the second pass of the network."""
    sessions = {"short": Session.open("detector_short", "cpu"), "full": Session.open("detector_full", "cpu")}
    detector, net = Detector(sessions, MIN_SCORE), MeshNet(Session.open("attention", "cpu"))
    for path in sorted(p for folder in folders for p in folder.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES):
        image = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
        if image is None:
            continue
        image_rgb = np.ascontiguousarray(image[..., ::-1])
        size_wh = (image.shape[1], image.shape[0])
        for detection in detector.detect(image_rgb, [whole("short", size_wh), whole("full", size_wh)]):
            (first,) = net.run(image_rgb, [roi_from_detection(detection)])
            (mesh,) = net.run(image_rgb, [roi_from_points(first.points)]) if first is not None else (None,)
            if mesh is not None and mesh.presence >= MIN_PRESENCE:
                yield mesh.points[:SURFACE_POINTS].astype(np.float64)


def mean_shape(shapes: list[Points]) -> Points:
    """Return the generalised Procrustes mean, (468, 3), outer eye corners at unit distance, facing the camera."""
    topology = face_topology()
    right, left = topology.points["right_eye_outer"], topology.points["left_eye_outer"]
    mean = shapes[0]
    for _ in range(ROUNDS):
        mean = np.mean([aligned(mean, shape).points for shape in shapes], axis=0)
        mean = (mean - mean.mean(axis=0)) / np.linalg.norm(mean[left] - mean[right])
    return mean


def mirror_pairs(mean: Points) -> NDArray[np.intp]:
    """Return (468,) which point is the mirror image of each, found on the mean shape itself.

    Raises:
        InputError: the pairs do not match up: the mean is too crooked.
    """
    reflected = mean * [-1.0, 1.0, 1.0]
    for _ in range(ROUNDS):
        distances = np.linalg.norm(mean[:, np.newaxis] - reflected[np.newaxis], axis=2)
        pairs = linear_sum_assignment(np.minimum(distances, distances.T) ** 2)[1]
        reflected = aligned(mean, reflected, (np.arange(len(mean)), pairs)).points
    if not np.array_equal(pairs[pairs], np.arange(len(pairs))):
        raise InputError("the mirror pairs of the mean face do not match up: give more pictures")
    return pairs


def symmetric(mean: Points, pairs: NDArray[np.intp]) -> Points:
    """Return the mean of the shape and its mirror image, with the plane of symmetry at x = 0."""
    mirrored = (mean * [-1.0, 1.0, 1.0])[pairs]
    both = 0.5 * (mean + aligned(mean, mirrored).points)
    normal = (both - both[pairs]).sum(axis=0, where=(both - both[pairs])[:, :1] > 0)
    normal /= np.linalg.norm(normal)
    down = both[face_topology().points["chin"]] - both[face_topology().points["forehead"]]
    down -= normal * (down @ normal)
    down /= np.linalg.norm(down)
    upright = np.stack([normal, down, np.cross(normal, down)])
    turned = (both - both[SELLION]) @ upright.T
    return 0.5 * (turned + (turned * [-1.0, 1.0, 1.0])[pairs])


def in_metres(shape: Points) -> Points:
    """Scale to EYE_CENTRES_M between the middles of the corners of each eye."""
    named = face_topology().points
    right = shape[[named["right_eye_outer"], named["right_eye_inner"]]].mean(axis=0)
    left = shape[[named["left_eye_outer"], named["left_eye_inner"]]].mean(axis=0)
    return shape * (EYE_CENTRES_M / np.linalg.norm(left - right))


def fitted(face: Points, mesh: Points) -> tuple[Points, float]:
    """Return the face in the place of a mesh, (468, 3) px, and px per metre: by x and y of its rigid points alone."""
    start = aligned(face[RIGID], mesh[RIGID])
    middle, size = mesh[RIGID].mean(axis=0), start.scale

    def placed(by: Points) -> Points:
        turned = (face - face[RIGID].mean(axis=0)) @ (Rotation.from_rotvec(by[:3]).as_matrix() @ start.rotation).T
        return turned * size * np.exp(by[3]) + middle + size * np.array([by[4], by[5], 0.0])

    def off(by: Points) -> Points:
        return ((placed(by)[RIGID, :2] - mesh[RIGID, :2]) / size).ravel()

    found = least_squares(off, np.zeros(6), loss="huber", f_scale=0.002)
    return placed(found.x), float(size * np.exp(found.x[3]))


def spread(face: Points, shapes: list[Points], pairs: NDArray[np.intp]) -> tuple[Points, list[tuple[float, float]]]:
    """Return (468,) m, how far off a point of single faces is in x or y, and sine of yaw and slope of depth of each."""
    total, weight, slopes = np.zeros(len(face)), np.zeros(len(face)), []
    for mesh in shapes:
        seen, px_per_m = fitted(face, mesh)
        in_sight = np.clip(-face_normals(seen)[:, 2] / 0.35, 0.0, 1.0)
        off = np.linalg.norm(seen[:, :2] - mesh[:, :2], axis=1) / px_per_m
        total += in_sight * np.minimum(off, WORST_SPREAD_M) ** 2 / 2.0
        weight += in_sight
        depth = seen[RIGID, 2] - seen[RIGID, 2].mean()
        terms = mesh[RIGID] - mesh[RIGID].mean(axis=0)
        forward = -np.cross(seen[263] - seen[33], seen[152] - seen[10])
        slopes.append((abs(forward[0]) / np.linalg.norm(forward), np.linalg.lstsq(terms, depth, rcond=None)[0][2]))
    square = total / weight
    return np.sqrt(0.5 * (square + square[pairs])), slopes


def main() -> int:
    """Derive and write the face; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("pictures", nargs="+", type=Path, help="folders of pictures of faces")
    parser.add_argument("--out", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    shapes = list(meshes(arguments.pictures))
    if len(shapes) < 2:
        Console(stderr=True).print("reference_face: too few faces found: name folders with pictures of faces")
        return 1
    mean = mean_shape(shapes)
    pairs = mirror_pairs(mean)
    points = in_metres(symmetric(mean, pairs))
    spread_m, slopes = spread(points, shapes, pairs)
    frontal, turned = (np.median([k for s, k in slopes if (s > TURNED) == far]) for far in (False, True))
    named = face_topology().points
    length = np.linalg.norm(points[named["chin"]] - points[SELLION])
    content = {
        "provenance": "training/reference_face.py: symmetric generalised Procrustes mean of "
        f"{len(shapes)} network meshes, scaled to eye centres 63 mm apart (Dodgson, SPIE 5291, 2004); depth as the "
        f"network gives it: x and y alone say {frontal:.2f} of it for frontal faces, {turned:.2f} for turned ones; "
        f"sellion to chin {1e3 * length:.0f} mm and breadth {1e3 * np.ptp(points[:, 0]):.0f} mm (Zhuang and "
        "Bradtmiller, JOEH 2, 2005: 118 and 139)",
        "points_m": np.round(points, 5).tolist(),
        "spread_m": np.round(spread_m, 5).tolist(),
        "mirror": pairs.tolist(),
    }
    text = json.dumps(content, separators=(",", ":")).replace("],[", "],\n[")
    arguments.out.write_text(text + "\n", encoding="utf-8")
    Console().print(f"{arguments.out}: the mean of {len(shapes)} faces")
    return 0


if __name__ == "__main__":
    sys.exit(main())
