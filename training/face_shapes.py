"""How much and how smoothly do faces differ from the reference face? The figures behind facemesh_ros/shapes.py.

    python training/face_shapes.py PICTURES [PICTURES ...]

The meshes of faces that are seen nearly from the front, found as ``reference_face.py`` finds them, are laid over the
reference face by a similarity. What is left at the steady points is split into the part that is alike on both sides of
the face and the part that is opposite, and of each the covariance between points of the same side is averaged over
pairs by their distance. Place, turn and size of the face are taken out that way, and with them some of its shape; the
faces that fit worst, one in ten, are left out. Prints only.
"""

from __future__ import annotations

import argparse
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from reference_face import Points, meshes
from rich.console import Console
from rich.table import Table

from facemesh_ros.head import pose_points
from facemesh_ros.procrustes import aligned
from facemesh_ros.topology import mirror_points, reference_face

LEAST_FACING = 0.9
"""Cosine of the turn from which on a face counts as seen from the front: 26°."""
DISTANCES_M = (0.0, 0.003, 0.008, 0.015, 0.025, 0.04, 0.06)
AXES = ("across", "down", "deep")


def differences(shapes: list[Points]) -> NDArray[np.float64]:
    """Return (F, 468, 3) m: what frontal faces differ from the reference face by, in its axes."""
    found = [aligned(reference_face(), shape) for shape in shapes]
    frontal = np.array([one.points - reference_face() for one in found if one.rotation[2, 2] >= LEAST_FACING])
    off = (frontal[:, pose_points()] ** 2).sum(axis=(1, 2))
    return frontal[off <= np.quantile(off, 0.9)]


def covariances(part: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Return (3, D) mm² by axis and distance, the last one at distance 0, from (F, 468, 3) m."""
    index = pose_points()
    points, values = reference_face()[index], 1e3 * (part - part.mean(axis=0))[:, index]
    apart = np.linalg.norm(points[:, np.newaxis] - points, axis=2)
    apart[np.sign(points[:, np.newaxis, 0]) * np.sign(points[:, 0]) <= 0.0] = np.inf
    of_pairs = [values[:, :, axis].T @ values[:, :, axis] / len(values) for axis in range(3)]
    rows = []
    for one in of_pairs:
        bins = [one[(apart > low) & (apart <= high)].mean() for low, high in pairwise(DISTANCES_M)]
        rows.append(np.array([one.diagonal().mean(), *bins]))
    return rows


def main() -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("pictures", type=Path, nargs="+")
    faces = differences(list(meshes(parser.parse_args().pictures)))
    mirrored = faces[:, mirror_points()] * [-1.0, 1.0, 1.0]
    table = Table(title=f"Covariance of the differences of {len(faces)} faces, mm², by distance of two points, mm")
    for title in ("part", "along", "sd, mm", *(f"to {1e3 * high:g}" for high in DISTANCES_M[1:])):
        table.add_column(title, justify="right")
    for name, part in (("alike", 0.5 * (faces + mirrored)), ("opposite", 0.5 * (faces - mirrored))):
        for axis, row in zip(AXES, covariances(part), strict=True):
            table.add_row(name, axis, f"{np.sqrt(row[0]):.2f}", *(f"{value:.2f}" for value in row[1:]))
    Console().print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
