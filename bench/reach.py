"""How large and how far turned may a face be in the square that a detection network looks at?

    python bench/reach.py DATA [--json reach.json]

DATA is a folder with gt/gt.json as `facemesh evaluate` takes it (docs/evaluation.md). Each labelled face is put into
squares in which it has a given share (size of its 68 points over the side), four times at random places, and into
squares that are turned. A face counts as found when a detection near its centre, of about its size, scores 0.5 or more.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from facemesh_ros.detector import Detector
from facemesh_ros.errors import FaceMeshError, InputError
from facemesh_ros.session import Session
from facemesh_ros.tools.evaluation.datasets import read_data, read_image_rgb
from facemesh_ros.types import Roi, UInt8
from facemesh_ros.views import View

NETWORKS = ("short", "full")
SHARES = (0.04, 0.05, 0.06, 0.08, 0.1, 0.13, 0.17, 0.22, 0.3, 0.4, 0.55, 0.75)
ROLLS_DEG = tuple(range(-180, 180, 15))
SHARE_OF_TURNED = 0.3
LEAST_PX = 60.0
"""Only faces of this size are turned, and the sizes of smaller ones are told apart."""
PLACES = 4
SEED = 0


@dataclass(frozen=True, eq=False)
class Case:
    """A labelled face."""

    image_rgb: UInt8
    center_xy: NDArray[np.float64]
    size_px: float
    roll: float
    """rad."""


def cases(folder: Path) -> list[Case]:
    """Return the labelled faces of DATA."""
    found = []
    for item in read_data(folder, ("gt",), None).annotated:
        image_rgb = read_image_rgb(item.path)
        for face in item.faces:
            points = face.points68
            eyes = points[42:48].mean(axis=0) - points[36:42].mean(axis=0)
            found.append(Case(image_rgb, points[17:].mean(axis=0), face.size_px, math.atan2(eyes[1], eyes[0])))
    return found


def seen(detector: Detector, network: str, case: Case, square: Roi) -> tuple[bool, float]:
    """Return whether the network sees the face in the square, and how wrong its roll is, degrees."""
    candidates = detector.look(case.image_rgb, [View(network, square)])
    boxes = candidates.boxes_xyxy
    away = np.linalg.norm(0.5 * (boxes[:, :2] + boxes[:, 2:]) - case.center_xy, axis=1)
    size = boxes[:, 2] - boxes[:, 0]
    near = (away < 0.35 * case.size_px) & (size > 0.5 * case.size_px) & (size < 2.0 * case.size_px)
    if not near.any():
        return False, math.nan
    eyes = candidates.keypoints[(candidates.scores * near).argmax()]
    roll = math.atan2(*(eyes[1] - eyes[0])[::-1])
    return True, abs((math.degrees(roll - case.roll) + 180.0) % 360.0 - 180.0)


def by_share(detector: Detector, faces: Sequence[Case], network: str) -> dict[str, list[float | None]]:
    """Return recall by share, of large faces and of small ones; None of no faces."""
    rng = np.random.default_rng(SEED)
    recalls: dict[str, list[float | None]] = {"large": [], "small": []}
    for share in SHARES:
        hits: dict[str, list[bool]] = {"large": [], "small": []}
        for case in faces:
            side = case.size_px / share
            room = max(side - 1.6 * case.size_px, 0.0)
            for _ in range(PLACES):
                square = Roi(case.center_xy + rng.uniform(-0.3, 0.3, 2) * room, side, 0.0)
                kind = "large" if case.size_px >= LEAST_PX else "small"
                hits[kind].append(seen(detector, network, case, square)[0])
        for kind, found in hits.items():
            recalls[kind].append(float(np.mean(found)) if found else None)
    return recalls


def by_roll(detector: Detector, faces: Sequence[Case], network: str) -> dict[str, list[float | None]]:
    """Return recall and the median error of the roll, degrees, by the turn of the face in the square."""
    recalls, errors = [], []
    for degrees in ROLLS_DEG:
        squares = [Roi(c.center_xy, c.size_px / SHARE_OF_TURNED, c.roll - math.radians(degrees)) for c in faces]
        results = [seen(detector, network, case, square) for case, square in zip(faces, squares, strict=True)]
        recalls.append(float(np.mean([found for found, _ in results])))
        off = [error for found, error in results if found]
        errors.append(float(np.median(off)) if off else None)
    return {"recall": recalls, "roll_error_deg": errors}


def main() -> int:
    """Measure, print the tables, write the JSON; return 0."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--json", type=Path, default=Path("reach.json"))
    arguments = parser.parse_args()
    detector = Detector({name: Session.open(f"detector_{name}", "cpu") for name in NETWORKS}, 0.5)
    faces = cases(arguments.data)
    large = [case for case in faces if case.size_px >= LEAST_PX]
    if not large:
        raise InputError(f"{arguments.data}/gt/gt.json has no face of {LEAST_PX:.0f} px or more")
    shares, rolls = {}, {}
    for network in track(NETWORKS, "reach", console=Console(stderr=True)):
        shares[network], rolls[network] = by_share(detector, faces, network), by_roll(detector, large, network)
    sizes = Table("share of the side", *(f"{n}, {k} faces" for n in NETWORKS for k in ("large", "small")))
    for index, share in enumerate(SHARES):
        cells = [_cell(shares[n][k][index], 100.0, " %") for n in NETWORKS for k in ("large", "small")]
        sizes.add_row(f"{share:.2f}", *cells)
    turns = Table("turned by", *(f"{network}: found, roll off by" for network in NETWORKS))
    for index, degrees in enumerate(ROLLS_DEG):
        of = [(rolls[n]["recall"][index], rolls[n]["roll_error_deg"][index]) for n in NETWORKS]
        cells = [f"{_cell(recall, 100.0, ' %')}, {_cell(error, 1.0, '°')}" for recall, error in of]
        turns.add_row(f"{degrees}°", *cells)
    Console().print(sizes, turns)
    content = {"faces": len(faces), "shares": SHARES, "by_share": shares, "rolls_deg": ROLLS_DEG, "by_roll": rolls}
    arguments.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return 0


def _cell(value: float | None, scale: float, unit: str) -> str:
    return "–" if value is None else f"{scale * value:.0f}{unit}"


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except FaceMeshError as error:
        raise SystemExit(f"reach.py: {error}") from error
