"""Time FaceMesher against MediaPipe's FaceMesh, as their users get them, alternating in one run.

    python bench/library.py --peer-python PEER/bin/python [--seconds 5] [--json library.json] [--plot library.png]
                            [--quick]

PEER is a virtual environment with mediapipe 0.10.21: ``python3.11 -m venv PEER && PEER/bin/pip install
mediapipe==0.10.21``; without the option one is made in the user's cache. Each side is a process of its own
(library_worker.py) that sees the same frames of the moving face, block by block in turn; the other one waits
meanwhile. A frame's time goes from the image to an array of landmarks, by all defaults of both: ours with filter, eyes,
mouth and gaze. The cases of one face that have targets are run with ``intra_op_threads`` at 2 as well. Ratios are peer
over us by block, then their median: above 1 we are faster. A case counts only where both follow all its faces. Needs
the networks; ends with status 1 when a target is missed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import plots
from films import write_film
from rich.console import Console
from rich.progress import track
from rich.table import Table

from facemesh_ros.errors import FaceMeshError
from facemesh_ros.tools.evaluation.machine import machine
from facemesh_ros.tools.evaluation.peer import peer_python
from facemesh_ros.tools.evaluation.worker import Worker

WORKER = Path(__file__).with_name("library_worker.py")
SIZES = ((640, 480), (1280, 720), (1920, 1080))
HD = (1280, 720)
FRAMES = 30
"""Of a film and of a block."""
WARM_UP = 60
"""Frames in which both find all faces."""
LEAST_BLOCKS, MOST_BLOCKS = 5, 20
SHARE_FOLLOWED = 0.98
"""Of the frames of a case that must show all faces."""


@dataclass(frozen=True)
class Case:
    """What both sides are asked to do."""

    kind: str
    """mesh, or a detector alone: short, full."""
    points: int
    faces: int
    allowed: int
    size_wh: tuple[int, int]
    intra_op: int = 1
    """``intra_op_threads`` of ours; the peer has no such choice."""

    def __str__(self) -> str:
        width, height = self.size_wh
        what = f"{self.points} points" if self.kind == "mesh" else f"detector {self.kind}"
        allowed = f" of {self.allowed}" if self.allowed != self.faces else ""
        threads = f", intra_op_threads {self.intra_op}" if self.intra_op > 1 else ""
        return f"{what}, {self.faces}{allowed}, {width}×{height}{threads}"


TARGETS = {
    Case("mesh", 468, 1, 1, HD): 1.7,
    Case("mesh", 478, 1, 1, HD): 1.45,
    Case("mesh", 468, 4, 4, HD): 1.45,
    Case("mesh", 478, 4, 4, HD): 1.25,
    Case("mesh", 468, 1, 4, HD): 2.5,
    Case("mesh", 478, 1, 4, HD): 2.5,
    Case("short", 478, 1, 1, HD): 1.7,
    Case("full", 478, 1, 1, HD): 1.4,
}
"""How many times faster than the peer we want to be."""
TARGETS |= {replace(case, intra_op=2): target for case, target in TARGETS.items() if case.faces == 1}


def cases() -> list[Case]:
    """Return all cases; those with targets are among them."""
    crowds = [(count, count) for count in (1, 2, 4, 8)] + [(1, 4)]
    found = [Case("mesh", points, *crowd, size) for size in SIZES for points in (468, 478) for crowd in crowds]
    found += [Case(kind, 478, 1, 1, size) for kind in ("short", "full") for size in SIZES]
    return found + [case for case in TARGETS if case.intra_op > 1]


class Duel:
    """Both sides, each a fresh process for every case, so that the memory is that of the case."""

    def __init__(self, python: Path, folder: Path) -> None:
        self._folder = folder
        self._commands = {"ours": [sys.executable], "peer": [str(python), "-I"]}
        self.versions: dict[str, Any] = {}

    def run(self, case: Case, seconds: float) -> dict[str, Any]:
        """Return what a case comes to."""
        film = write_film(self._folder, case.faces, case.size_wh, FRAMES)
        opening = {"kind": case.kind, "points": case.points, "allowed": case.allowed, "film": str(film)}
        openings = {"ours": {**opening, "intra_op_threads": case.intra_op}, "peer": opening}
        with ExitStack() as stack:
            workers = {side: stack.enter_context(self._started(side)) for side in self._commands}
            with ThreadPoolExecutor() as both:  # nothing is timed yet
                answers = both.map(lambda side: opened(workers[side], openings[side]), workers)
                self.versions.update(zip(workers, answers, strict=True))
            blocks = in_turn(workers, seconds)
        return {"case": asdict(case), "name": str(case), **summary(case, blocks), "target": TARGETS.get(case)}

    def _started(self, side: str) -> Worker:
        command = self._commands[side]
        return Worker(f"{side} ({command[0]})", [*command, str(WORKER), side], self._folder / f"{side}.log")


def opened(worker: Worker, opening: dict[str, Any]) -> dict[str, Any]:
    """Have a worker open what it is to run, and warm up; return what it says of itself."""
    answer = worker.ask({"do": "open", **opening})
    worker.ask({"do": "run", "frames": WARM_UP})
    return answer


def in_turn(workers: dict[str, Worker], seconds: float) -> dict[str, list[dict[str, Any]]]:
    """Let each side have a block in turn; return all blocks by side."""
    blocks: dict[str, list[dict[str, Any]]] = {side: [] for side in workers}
    end_s, count = time.monotonic() + seconds, 0
    while count < LEAST_BLOCKS or (count < MOST_BLOCKS and time.monotonic() < end_s):
        for side, worker in workers.items():
            blocks[side].append(worker.ask({"do": "run", "frames": FRAMES}))
        count += 1
    return blocks


def summary(case: Case, blocks: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Return by side the medians over blocks of their mean times, and the medians of the ratios by block."""
    result: dict[str, Any] = {}
    for side, of_side in blocks.items():
        counts = [count for block in of_side for count in block["faces"]]
        result[side] = {
            **{ms: statistics.median(statistics.fmean(block[ms]) for block in of_side) for ms in ("wall_ms", "cpu_ms")},
            "rss_mb": of_side[-1]["rss_mb"],
            "followed": sum(count == case.faces for count in counts) / len(counts),
        }
    for measure in ("wall_ms", "cpu_ms"):
        means = {side: [statistics.fmean(block[measure]) for block in of_side] for side, of_side in blocks.items()}
        ratios = [peer / ours for peer, ours in zip(means["peer"], means["ours"], strict=True)]
        result[measure.replace("_ms", "_ratio")] = statistics.median(ratios)
        result[measure.replace("_ms", "_ratios")] = [round(ratio, 4) for ratio in ratios]
    result["comparable"] = all(result[side]["followed"] >= SHARE_FOLLOWED for side in blocks)
    return result


HEADINGS = ("case", "ms", "peer ms", "CPU ms", "peer CPU ms", "MB", "peer MB", "wall ×", "CPU ×", "target")
FORMS = {"wall_ms": ".2f", "cpu_ms": ".2f", "rss_mb": ".0f"}


def result_table(rows: list[dict[str, Any]]) -> Table:
    """Return the table that is printed."""
    table = Table(title="us against MediaPipe, one image; ratios are MediaPipe / us, medians over blocks")
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading == "case" else "right")
    for row in rows:
        table.add_row(*cells(row))
    return table


def cells(row: dict[str, Any]) -> list[str]:
    """Return the words of one row."""
    sides = (row["ours"], row["peer"])
    numbers = [f"{side[key]:{form}}" for key, form in FORMS.items() for side in sides]
    if not row["comparable"]:
        found = " / ".join(f"{100 * side['followed']:.0f} %" for side in sides)
        return [row["name"], *numbers, f"all faces in {found}", "–", "–"]
    return [row["name"], *numbers, f"{row['wall_ratio']:.2f}", f"{row['cpu_ratio']:.2f}", verdict(row)]


def verdict(row: dict[str, Any]) -> str:
    """Return the target and whether it is met."""
    if row["target"] is None:
        return ""
    if not row["comparable"]:
        return f"{row['target']:g} uncompared"
    return f"{row['target']:g} {'met' if row['wall_ratio'] >= row['target'] else 'missed'}"


def misses(rows: list[dict[str, Any]]) -> list[str]:
    """Return the targets that were missed, and those that could not be compared."""
    found = []
    for row in rows:
        if row["target"] is None:
            continue
        if not row["comparable"]:
            found.append(f"{row['name']}: one side does not follow all faces, target {row['target']:g}")
        elif row["wall_ratio"] < row["target"]:
            found.append(f"{row['name']}: {row['wall_ratio']:.2f} times faster, target {row['target']:g}")
    return found


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw what an image of 720p takes, and the ratios over the number of faces."""
    figure, (left, right) = plots.sheet((5, 3), (13.5, 4.8))
    shown = [row for row in rows if row["comparable"] and tuple(row["case"]["size_wh"]) == HD]
    shown = [row for row in shown if row["case"]["intra_op"] == 1]
    labels = [row["name"].removesuffix(", 1280×720").replace(" points, ", "\n").replace(", ", "\n") for row in shown]
    labels = [label.replace("detector ", "det.\n") for label in labels]
    sides = {"facemesh_ros": "ours", "MediaPipe 0.10.21": "peer"}
    plots.bars(left, labels, {n: [row[s]["wall_ms"] for row in shown] for n, s in sides.items()}, "ms an image")
    left.set_title("1280×720: points, faces (of those allowed)")
    left.tick_params(axis="x", labelsize=8)
    left.legend(frameon=False)
    series = {
        f"{points} points, {size[0]}×{size[1]}": curve
        for points in (468, 478)
        for size in SIZES
        if (curve := ratios_by_faces(rows, points, size))
    }
    plots.lines(right, series, "faces", "times faster than MediaPipe")
    right.set_xscale("log", base=2)
    right.set_xticks([1, 2, 4, 8], ["1", "2", "4", "8"])
    plots.limit(right, 1.0)
    right.set_title("ratio of the times of an image")
    right.legend(frameon=False, fontsize=8, loc="lower right")
    plots.save(figure, path)


def ratios_by_faces(rows: list[dict[str, Any]], points: int, size_wh: tuple[int, int]) -> list[tuple[int, float]]:
    """Return (faces, ratio) of the comparable cases in which as many faces are in view as allowed."""
    return [
        (case["faces"], row["wall_ratio"])
        for row in rows
        if (case := row["case"])["kind"] == "mesh"
        and (case["points"], tuple(case["size_wh"])) == (points, size_wh)
        and case["faces"] == case["allowed"]
        and case["intra_op"] == 1
        and row["comparable"]
    ]


def main() -> int:
    """Measure, print the table and the missed targets, write JSON and plot; exit status 1 when one was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-python", type=Path, help="of an environment with the peer; default: one is made")
    parser.add_argument("--seconds", type=float, default=5.0, help="for each case; default: %(default)s")
    parser.add_argument("--quick", action="store_true", help="only the cases with targets, 2.5 s each")
    parser.add_argument("--json", type=Path, default=Path("library.json"), help="default: %(default)s")
    parser.add_argument("--plot", type=Path, default=Path("library.png"), help="default: %(default)s")
    parser.add_argument("--no-plot", action="store_true", help="as where there is no matplotlib")
    args = parser.parse_args()
    if not args.no_plot:
        plots.sheet((1,), (1.0, 1.0))  # says at once what is missing
    with tempfile.TemporaryDirectory() as folder:
        try:
            duel = Duel(peer_python(args.peer_python), Path(folder))
            asked = list(TARGETS) if args.quick else cases()
            rows = [duel.run(case, 2.5 if args.quick else args.seconds) for case in track(asked)]
        except FaceMeshError as error:
            print(f"library.py: {error}", file=sys.stderr)
            return 1
    args.json.write_text(json.dumps({"machine": machine(), "sides": duel.versions, "rows": rows}, indent=1) + "\n")
    Console(width=140).print(result_table(rows))
    if not args.no_plot:
        plot(rows, args.plot)
    missed = misses(rows)
    print("\n".join(missed) if missed else "every target is met")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
