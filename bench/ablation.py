"""What each part of the search and of the mesh contributes: annotated pictures with one part left out at a time.

    python bench/ablation.py DATA [--json ablation.json]

DATA is a folder as `facemesh evaluate` takes it (docs/evaluation.md). Every variant sees every picture in turn, in one
run; times are medians over pictures. "Same faces" are those annotated by hand that all variants with tiles have found,
so that their errors can be compared: mean / median. It needs gt/gt.json; images/images.json may be missing.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from facemesh_ros import Config, finder
from facemesh_ros.errors import FaceMeshError, InputError
from facemesh_ros.tools.evaluation.accuracy import mean_median
from facemesh_ros.tools.evaluation.datasets import read_data
from facemesh_ros.tools.evaluation.examiner import Examiner
from facemesh_ros.tools.evaluation.figures import figures, is_strong
from facemesh_ros.tools.evaluation.machine import processor
from facemesh_ros.tools.evaluation.subjects import Library, Result
from facemesh_ros.types import UInt8

MOST_FACES = 32
SMALL_YAW_DEG, LARGE_YAW_DEG = 15.0, 30.0
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
NOT_COUNTED = {**dict.fromkeys(("found", "faces", "extra", "duplicates", "false_on_negatives"), 0), "ms": None}
"""Of no counted pictures."""
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


GROUPS: Mapping[str, Callable[[float | None], bool]] = {
    "same faces": lambda _: True,
    f"|yaw| < {SMALL_YAW_DEG:.0f}°": lambda yaw: yaw is not None and abs(yaw) < SMALL_YAW_DEG,
    f"|yaw| ≥ {LARGE_YAW_DEG:.0f}°": lambda yaw: yaw is not None and abs(yaw) >= LARGE_YAW_DEG,
}
"""Of the faces that are compared, by their yaw in degrees."""


def errors_of(items: list[dict[str, Any]]) -> dict[str, dict[str, dict[str, Any]]]:
    """Return number of faces, and mean and median of their NME51/iod (None of no faces), by variant and group."""
    compared = [name for name in VARIANTS if name not in FEWER_FACES]
    faces = [face for item in items if is_strong(item["source"]) for face in item["faces"]]
    common = [face for face in faces if all(face["subjects"].get(name) is not None for name in compared)]
    members = {group: [face for face in common if holds(face["yaw"])] for group, holds in GROUPS.items()}
    return {name: {group: _errors(faces, name) for group, faces in members.items()} for name in compared}


def _errors(faces: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return {"faces": len(faces), "nme51_iod": mean_median([face["subjects"][name]["nme51_iod"] for face in faces])}


def main() -> int:
    """Evaluate every variant, print the table, write the JSON; return 0."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--json", type=Path, default=Path("ablation.json"))
    arguments = parser.parse_args()
    data = read_data(arguments.data, ("gt", "images"), None)
    if not any(is_strong(image.source) and image.faces for image in data.annotated):
        raise InputError(f"{arguments.data}/gt/gt.json has no face annotated by hand, so nothing can be compared")
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
    content = {"machine": processor(), "rows": rows, "errors": errors, "figures": measured}
    arguments.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return 0


def _row(name: str, measured: dict[str, Any], errors: Mapping[str, dict[str, Any]] | None) -> dict[str, str]:
    (strong,) = (group for group in measured["gt"]["groups"] if group["group"] == "strong")
    annotated = measured["gt"]["pictures"][name]
    counted = NOT_COUNTED if measured["images"] is None else measured["images"]["subjects"][name]
    return {
        "variant": name,
        "annotated found": f"{strong['subjects'][name]['found']}/{strong['faces']}",
        "counted found": f"{counted['found']}/{counted['faces']}",
        "false, doubled": str(annotated["false"] + annotated["duplicates"] + counted["extra"] + counted["duplicates"]),
        "of them without any face": str(counted["false_on_negatives"]),
        **{f"NME51 in %, {group}": _percent(errors and errors[group]["nme51_iod"]) for group in GROUPS},
        "ms, annotated": _ms(annotated["ms"]),
        "ms, counted": _ms(counted["ms"]),
    }


def _percent(errors: Mapping[str, float] | None) -> str:
    return "–" if errors is None else f"{100.0 * errors['mean']:.2f} / {100.0 * errors['median']:.2f}"


def _ms(timing: Mapping[str, float] | None) -> str:
    return "–" if timing is None else f"{timing['median']:.0f}"


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except FaceMeshError as error:
        raise SystemExit(f"ablation.py: {error}") from error
