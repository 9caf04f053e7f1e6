"""How many faces does privacy.mode blur leave uncovered, on clips of one's own?

    python bench/covers.py clip.mp4 ... [--step 3] [--json covers.json]

Each clip goes through the library as a stream, at its defaults and with config/blur.yaml, and the
covers of every third image are compared with the faces that a full search of that single picture finds. So it counts
what the stream finds late or loses, and not what the networks never see; how much of the images is covered stands
beside it, since a cover of everything leaves no face. Times are of the stream, with its covers.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml
from rich.console import Console
from rich.progress import track
from rich.table import Table

from facemesh_ros import Config, Face, FaceMesher
from facemesh_ros.anonymous import covered, face_hulls
from facemesh_ros.config import NodeConfig
from facemesh_ros.tools.sources import VideoFile

PRESET = Path(__file__).parents[1] / "config" / "blur.yaml"
MOST_FACES = 16
SEEN_SHARE, PARTLY_SHARE = 0.5, 0.05
"""A face of which more than this share is uncovered counts as seen, or as seen in part."""


def settings() -> dict[str, Config]:
    """Return the two to compare."""
    preset = yaml.safe_load(PRESET.read_text(encoding="utf-8"))["/**"]["ros__parameters"]
    flat: dict[str, Any] = {}
    for name, value in preset.items():
        flat |= {f"{name}.{leaf}": one for leaf, one in value.items()} if isinstance(value, dict) else {name: value}
    of_library = {name: value for name, value in flat.items() if name not in NodeConfig().to_dotted()}
    return {"defaults": Config(), "blur.yaml": Config.from_dotted(of_library)}


def frames(path: Path) -> Iterator[tuple[float, np.ndarray]]:
    """Yield stamp and (H, W, 3) uint8 RGB of every frame of a clip."""
    with VideoFile(path, None, None, loop=False) as source:
        for index, frame_bgr in enumerate(source):
            yield index / source.rate_hz, np.ascontiguousarray(frame_bgr[..., ::-1])


def filled(shape: Sequence[int], hull: np.ndarray) -> np.ndarray:
    """(H, W) bool: the pixels of a convex hull of (n, 2) px."""
    canvas = np.zeros(shape[:2], np.uint8)
    cv2.fillConvexPoly(canvas, cv2.convexHull(np.round(hull).astype(np.int32)), 1)
    return canvas.astype(bool)


def uncovered_share(face: Face, hidden: np.ndarray) -> float:
    """Return how much of a face's hull no cover hides ((H, W) bool); 0 for a face outside of the image."""
    own = filled(hidden.shape, face.mesh.points[:, :2])
    return float((own & ~hidden).sum() / max(own.sum(), 1))


def true_faces(path: Path, step: int) -> list[tuple[Face, ...]]:
    """Return the faces of every ``step``-th picture, searched in full."""
    mesher = FaceMesher(Config.from_dotted({"device": "cpu", "max_faces": MOST_FACES, "mesh.averaged": False}))
    chosen = [image for index, (_, image) in enumerate(frames(path)) if index % step == 0]
    return [mesher.process_still(image) for image in track(chosen, path.name, transient=True)]


def measured(path: Path, setting: str, config: Config, truth: Sequence[tuple[Face, ...]], step: int) -> dict[str, Any]:
    """Return the figures of one clip under one setting."""
    mesher = FaceMesher(config.with_dotted({"device": "cpu"}))
    shares, taken_ms, seen_at_s, hidden_shares = [], [], [], []
    for index, (stamp_s, image) in enumerate(frames(path)):
        start = time.perf_counter()
        faces = mesher.process(image, stamp_s)
        hulls = face_hulls(faces, mesher.possible_rois)
        covered(image, hulls)
        taken_ms.append(1e3 * (time.perf_counter() - start))
        if index % step == 0:
            hidden = np.any([np.zeros(image.shape[:2], bool), *(filled(image.shape, hull) for hull in hulls)], axis=0)
            hidden_shares.append(float(hidden.mean()))
            of_image = [uncovered_share(face, hidden) for face in truth[index // step]]
            shares += of_image
            seen_at_s += [stamp_s for share in of_image if share > SEEN_SHARE]
    return {
        "clip": path.name,
        "settings": setting,
        "faces": len(shares),
        "seen": sum(share > SEEN_SHARE for share in shares),
        "in_part": sum(PARTLY_SHARE < share <= SEEN_SHARE for share in shares),
        "seen_at_s": seen_at_s,
        "covered_share": float(np.mean(hidden_shares)),
        "most_covered_share": max(hidden_shares),
        "ms": float(np.median(taken_ms)),
    }


def main() -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--step", type=int, default=3)
    parser.add_argument("--json", type=Path, default=Path("covers.json"))
    arguments = parser.parse_args()
    rows = []
    for path in arguments.clips:
        truth = true_faces(path, arguments.step)
        rows += [measured(path, name, config, truth, arguments.step) for name, config in settings().items()]
    table = Table(title=f"Faces in every {arguments.step}. image that no cover hides")
    for title in ("clip", "settings", "faces", "seen", "in part", "% covered (most)", "ms an image"):
        table.add_column(title, justify="right")
    for row in rows:
        numbers = (str(row[name]) for name in ("faces", "seen", "in_part"))
        shares = f"{100 * row['covered_share']:.0f} ({100 * row['most_covered_share']:.0f})"
        table.add_row(row["clip"], row["settings"], *numbers, shares, f"{row['ms']:.1f}")
    Console().print(table)
    arguments.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
