"""What the annotated image and the anonymous one cost, by the size and the number of faces.

    python bench/draw.py [--repeats 100] [--json draw.json]

The astronaut picture is enlarged into images of 1280×720 and meshed with a calibration; then the faces are drawn, with
mesh, contours, irises, region, axes, gaze and label, again and again. Beside it stands what covering them costs, and
the JPEG of a compressed topic. Times are medians, and 95 % quantiles in brackets. Needs the networks. Exit status 1
where one face takes longer than promised.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from facemesh_ros import Camera, Config, Face, FaceMesher
from facemesh_ros.anonymous import covered, face_hulls
from facemesh_ros.draw import draw_faces
from facemesh_ros.errors import FaceMeshError
from facemesh_ros.tools.evaluation.machine import processor
from facemesh_ros.tools.moving_face import FACE_CENTRE_XY, picture_bgr

SIZE_WH = (1280, 720)
SCENES = ((1, 0.6), (1, 1.2), (1, 2.4), (1, 4.0), (2, 2.4), (4, 1.2), (8, 1.2))
"""How many faces side by side, and how many times as large as in the picture."""
FOV_RAD = math.radians(70.0)
JPEG_QUALITY = 95
PROMISED_MS, UP_TO_PX = 3.0, 500.0
"""For one face up to this long."""


def picture(count: int, scale: float) -> np.ndarray:
    """Return (720, 1280, 3) uint8 BGR: upright strips in a row, the face in the middle of each."""
    width, height = SIZE_WH
    strip_px = width // count
    shift = np.array([0.5 * strip_px, 0.5 * height]) - scale * np.array(FACE_CENTRE_XY)
    affine = np.array([[scale, 0.0, shift[0]], [0.0, scale, shift[1]]])
    strip = cv2.warpAffine(picture_bgr(), affine, (strip_px, height), borderMode=cv2.BORDER_REPLICATE)
    return np.ascontiguousarray(np.tile(strip, (1, count, 1)))


def times_ms(work: Callable[[], object], repeats: int) -> list[float]:
    """Return how long each of so many repetitions takes."""
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        taken.append(1e3 * (time.perf_counter() - start))
    return taken


def measured(mesher: FaceMesher, count: int, scale: float, repeats: int) -> dict[str, Any]:
    """Return the figures of one scene."""
    image, camera = picture(count, scale), Camera.from_fov(SIZE_WH, FOV_RAD)
    faces = mesher.process_still(np.ascontiguousarray(image[..., ::-1]), camera)
    if len(faces) != count or any(face.pose is None or face.gaze is None for face in faces):
        raise FaceMeshError(f"found {len(faces)} of {count} faces, or no pose of one: the scene does not serve")
    drawn = draw_faces(image, faces, order="bgr", camera=camera)
    return {
        "faces": count,
        "face_px": max(map(long_side_px, faces)),
        "draw_ms": times_ms(lambda: draw_faces(image, faces, order="bgr", camera=camera), repeats),
        "cover_ms": times_ms(lambda: covered(image, face_hulls(faces, ())), repeats),
        "jpeg_ms": times_ms(lambda: cv2.imencode(".jpg", drawn, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]), repeats),
    }


def long_side_px(face: Face) -> float:
    """Return the extent of the mesh."""
    return float(np.ptp(face.smoothed.points[:, :2], axis=0).max())


def misses(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Say which scenes of one face take longer than promised."""
    late = [(row["face_px"], float(np.median(row["draw_ms"]))) for row in rows if row["faces"] == 1]
    return [
        f"one face of {face_px:.0f} px: {ms:.1f} ms, promised {PROMISED_MS:g}"
        for face_px, ms in late
        if face_px <= UP_TO_PX and ms > PROMISED_MS
    ]


def table(rows: Sequence[dict[str, Any]]) -> Table:
    """Return the rows to be printed."""
    shown = Table(title=f"{SIZE_WH[0]}×{SIZE_WH[1]}, {processor()}", caption="median (95 %), ms")
    for title in ("faces", "px", "drawing", "covering", "JPEG"):
        shown.add_column(title, justify="right")
    for row in rows:
        taken = (row[name] for name in ("draw_ms", "cover_ms", "jpeg_ms"))
        cells = (f"{np.median(times):.1f} ({np.quantile(times, 0.95):.1f})" for times in taken)
        shown.add_row(str(row["faces"]), f"{row['face_px']:.0f}", *cells)
    return shown


def main() -> int:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=100)
    parser.add_argument("--json", type=Path, default=Path("draw.json"))
    arguments = parser.parse_args()
    mesher = FaceMesher(Config.from_dotted({"device": "cpu", "max_faces": max(count for count, _ in SCENES)}))
    rows = [measured(mesher, count, scale, arguments.repeats) for count, scale in SCENES]
    Console().print(table(rows))
    report = {"processor": processor(), "size_wh": SIZE_WH, "opencv": cv2.__version__, "rows": rows}
    arguments.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    for miss in misses(rows):
        print(miss)
    return 1 if misses(rows) else 0


if __name__ == "__main__":
    raise SystemExit(main())
