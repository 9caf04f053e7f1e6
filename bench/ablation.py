"""What each part of the search and of the mesh contributes: annotated pictures with one part left out at a time.

    python bench/ablation.py DATA [--json ablation.json]

DATA is a folder as `facemesh evaluate` takes it (docs/evaluation.md). Every variant sees every picture in turn, in one
run; times are medians over pictures. "Same faces" are those that all variants with tiles have found, so that their
errors can be compared.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from facemesh_ros import Config, finder
from facemesh_ros.tools.evaluation.datasets import read_data
from facemesh_ros.tools.evaluation.examiner import Examiner
from facemesh_ros.tools.evaluation.figures import figures
from facemesh_ros.tools.evaluation.subjects import Library, Result
from facemesh_ros.types import UInt8

MOST_FACES = 32
LARGE_YAW_DEG = 30.0
VARIANTS: Mapping[str, Mapping[str, object]] = {
    "all parts": {},
    "no tiles": {"detector.min_face_px": 1000.0},
    "no tiles, short range only": {"detector.range": "short"},
    "no close look at new faces": {"detector.min_certainty": 0.0},
    "no test against the reference face": {},
    "no second pass": {"mesh.second_pass": False},
    "no mean of four": {"mesh.averaged": False},
    "neither of them": {"mesh.second_pass": False, "mesh.averaged": False},
}
WITHOUT_REFERENCE = "no test against the reference face"
FEWER_FACES = ("no tiles", "no tiles, short range only")


class Variant(Library):
    """The library with a part left out."""

    def __init__(self, name: str, changes: Mapping[str, object]) -> None:
        super().__init__(Config.from_dotted({"device": "cpu", **changes}), MOST_FACES, 1, "")
        self.name = name

    def still(self, image_rgb: UInt8) -> Result:
        """Look at a single picture."""
        with _misfit_limit(np.inf if self.name == WITHOUT_REFERENCE else finder.MOST_MISFIT):
            return super().still(image_rgb)


@contextmanager
def _misfit_limit(limit: float) -> Iterator[None]:
    before = finder.MOST_MISFIT
    finder.MOST_MISFIT = limit
    try:
        yield
    finally:
        finder.MOST_MISFIT = before


def errors_of(items: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Return the mean NME51 in % of the eye distance, of all and of strongly turned faces, by variant."""
    compared = [name for name in VARIANTS if name not in FEWER_FACES]
    faces = [face for item in items if not item["source"].startswith("YouTube") for face in item["faces"]]
    common = [face for face in faces if all(face["subjects"].get(name) is not None for name in compared)]
    turned = [face for face in common if face["yaw"] is not None and abs(face["yaw"]) >= LARGE_YAW_DEG]
    return {
        name: {
            "faces": len(common),
            "nme": _mean_percent(common, name),
            "turned_faces": len(turned),
            "turned_nme": _mean_percent(turned, name),
        }
        for name in compared
    }


def _mean_percent(faces: list[dict[str, Any]], name: str) -> float:
    return 100.0 * float(np.mean([face["subjects"][name]["nme51_iod"] for face in faces])) if faces else float("nan")


def main() -> None:
    """Evaluate every variant, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--json", type=Path, default=Path("ablation.json"))
    arguments = parser.parse_args()
    data = read_data(arguments.data, ("gt", "images"), None)
    subjects = [Variant(name, changes) for name, changes in VARIANTS.items()]
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("ablation", total=len(data.annotated) + len(data.counted))
        evaluation = Examiner(subjects, data, 0.0, None, lambda name: progress.advance(task, bool(name))).examine()
    measured = figures(evaluation, list(VARIANTS))
    errors = errors_of(measured["gt"]["items"])
    rows = [_row(name, measured, errors.get(name)) for name in VARIANTS]
    table = Table(title="Pictures of DATA, one part left out at a time")
    for heading in rows[0]:
        table.add_column(heading, justify="left" if heading == "variant" else "right")
    for row in rows:
        table.add_row(*row.values())
    Console(width=160).print(table)
    machine = platform.processor() or platform.machine()
    content = {"machine": machine, "rows": rows, "errors": errors, "figures": measured}
    arguments.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _row(name: str, measured: dict[str, Any], errors: Mapping[str, float] | None) -> dict[str, str]:
    (strong,) = (group for group in measured["gt"]["groups"] if group["group"] == "strong")
    annotated, counted = measured["gt"]["pictures"][name], measured["images"]["subjects"][name]
    return {
        "variant": name,
        "annotated found": f"{strong['subjects'][name]['found']}/{strong['faces']}",
        "counted found": f"{counted['found']}/{counted['faces']}",
        "false, doubled": str(annotated["false"] + annotated["duplicates"] + counted["extra"] + counted["duplicates"]),
        "of them without any face": str(counted["false_on_negatives"]),
        "NME51, same faces": f"{errors['nme']:.2f} %" if errors else "–",
        f"yaw ≥ {LARGE_YAW_DEG:.0f}°": f"{errors['turned_nme']:.2f} %" if errors else "–",
        "ms, annotated": f"{annotated['ms']['median']:.0f}",
        "ms, counted": f"{counted['ms']['median']:.0f}",
    }


if __name__ == "__main__":
    main()
