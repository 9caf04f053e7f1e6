"""What FaceMesher costs over the number of faces, of cameras, and the size of the image, and whether its memory grows.

    python bench/scale.py [--blocks 12] [--frames 10000] [--json scale.json] [--plot scale.png] [--quick]

Faces: the moving face 1 to 32 times side by side in 1920×1080. Cameras: 1 to 8 FaceMeshers that share their networks,
one face each in 640×480, an image of each in turn; the time is that of all. Size: one face, as large in its image at
every size. Times are CPU time of the process, which other programs hardly disturb. All cases take turns block by
block; slopes are least squares through the medians over blocks. Memory: the resident memory over 10 000 images of one
face after a warm-up; its growth should stay within 2 MB. Everything at its defaults, on the CPU. Ends with status 1
where memory grows, or where not all faces are followed. Needs the networks.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import plots
from films import film_of
from library_worker import rss_mb
from rich.console import Console
from rich.progress import track
from rich.table import Table

from facemesh_ros import Config, FaceMesher, Networks
from facemesh_ros.tools.evaluation.machine import machine

RATE_HZ = 30.0
BLOCK = 20
"""Images of each camera in a block, and frames of a film."""
WARM_UP = 300
"""Images at most until all faces are followed; where that never happens, the case is told."""
FACES = (1, 2, 4, 8, 16, 32)
CAMERAS = (1, 2, 4, 8)
SIZES = ((320, 240), (640, 480), (1280, 720), (1920, 1080), (2560, 1440))
CROWD_WH, CAMERA_WH = (1920, 1080), (640, 480)
MOST_GROWTH_MB = 2.0
MEMORY_WARM_UP = 1000
SAMPLE_EVERY = 250


@dataclass
class Case:
    """FaceMeshers that get an image each in turn, and what that took."""

    axis: str
    """faces, cameras or megapixels: what grows."""
    value: float
    size_wh: tuple[int, int]
    meshers: list[FaceMesher]
    faces: int
    """In each image."""
    images: list[np.ndarray]
    """(H, W, 3) uint8 RGB, shown there and back."""
    index: int = 0
    short: int = 0
    """Images in which not all faces were found."""
    blocks_ms: list[float] = field(default_factory=list)
    """Time for one image of every camera, by block."""

    def warm_up(self) -> None:
        """Let it find all faces."""
        while self.index < WARM_UP:
            self.short = 0
            self.run(BLOCK)
            if not self.short:
                return
        self.short = 0

    def run(self, images: int) -> float:
        """Give every camera so many images; return the mean time for one of each, ms."""
        total_s, last = 0.0, len(self.images) - 1
        for _ in range(images):
            for camera, mesher in enumerate(self.meshers):
                place = (self.index + 5 * camera) % (2 * last)
                image = self.images[place if place <= last else 2 * last - place]
                start_s = time.process_time()
                found = mesher.process(image, self.index / RATE_HZ)
                total_s += time.process_time() - start_s
                self.short += len(found) != self.faces
            self.index += 1
        return 1e3 * total_s / images

    def row(self) -> dict[str, Any]:
        """Return what it comes to."""
        images = len(self.blocks_ms) * BLOCK * len(self.meshers)
        return {
            "axis": self.axis,
            "value": self.value,
            "size_wh": self.size_wh,
            "ms": statistics.median(self.blocks_ms),
            "least_ms": min(self.blocks_ms),
            "followed": 1.0 - self.short / images,
        }


def film(faces: int, size_wh: tuple[int, int]) -> list[np.ndarray]:
    """Return the frames of a film, RGB."""
    moving = film_of(faces, size_wh)
    return [np.ascontiguousarray(moving.frame_bgr(index)[..., ::-1]) for index in range(BLOCK)]


def cases(networks: Networks, config: Config, most_faces: int) -> list[Case]:
    """Return all cases; they share the networks."""

    def meshers(cameras: int, faces: int) -> list[FaceMesher]:
        own = config.with_dotted({"max_faces": faces})
        return [FaceMesher(own, networks=networks) for _ in range(cameras)]

    found = [
        Case("faces", count, CROWD_WH, meshers(1, count), count, film(count, CROWD_WH))
        for count in FACES
        if count <= most_faces
    ]
    images = film(1, CAMERA_WH)
    found += [Case("cameras", count, CAMERA_WH, meshers(count, 1), 1, images) for count in CAMERAS]
    return found + [
        Case("megapixels", 1e-6 * size[0] * size[1], size, meshers(1, 1), 1, film(1, size)) for size in SIZES
    ]


def measure(every: Sequence[Case], blocks: int) -> None:
    """Let all cases take turns."""
    for case in every:
        case.warm_up()
    for _ in track(range(blocks), description="cost"):
        for case in every:
            case.blocks_ms.append(case.run(BLOCK))


def slopes(rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Return by axis the line through the medians: ms for each more, and ms at none."""
    found = {}
    for axis in dict.fromkeys(row["axis"] for row in rows):
        of_axis = [row for row in rows if row["axis"] == axis]
        slope, at_none = np.polyfit([row["value"] for row in of_axis], [row["ms"] for row in of_axis], 1)
        found[axis] = {"ms_each": float(slope), "ms_at_none": float(at_none)}
    return found


def memory(frames: int, mesher: FaceMesher, size_wh: tuple[int, int] = CAMERA_WH) -> list[tuple[int, float]]:
    """Return (images so far, resident MB) along a stream, from the end of the warm-up on."""
    case = Case("memory", 0, size_wh, [mesher], 1, film(1, size_wh))
    case.run(MEMORY_WARM_UP)
    curve = [(0, rss_mb())]
    for done in track(range(SAMPLE_EVERY, frames + 1, SAMPLE_EVERY), description="memory"):
        case.run(SAMPLE_EVERY)
        curve.append((done, rss_mb()))
    return curve


def growth_mb(curve: Sequence[tuple[int, float]]) -> float:
    """Return by how much the memory was ever above where it began, MB."""
    return max(mb for _, mb in curve) - curve[0][1]


UNITS = {"faces": "face", "cameras": "camera", "megapixels": "megapixel"}


def table_rows(report: dict[str, Any]) -> list[list[str]]:
    """Return the words of the table."""
    rows = []
    for row in report["rows"]:
        width, height = row["size_wh"]
        value = f"{row['value']:.3g} {UNITS[row['axis']] if row['value'] == 1 else row['axis']}"
        each = f"{row['ms'] / row['value']:.2f}" if row["axis"] != "megapixels" else "–"
        rows.append([value, f"{width}×{height}", f"{row['ms']:.2f}", each, f"{100 * row['followed']:.0f} %"])
    return rows


HEADINGS = ("case", "image", "CPU ms", "ms for each", "all faces followed")


def slope_lines(report: dict[str, Any]) -> list[str]:
    """Return the fitted lines and the memory as sentences."""
    lines = [
        f"{axis}: {line['ms_each']:.2f} ms a {UNITS[axis]} and {line['ms_at_none']:.2f} ms besides"
        for axis, line in report["slopes"].items()
    ]
    curve = report["memory_mb"]
    return [
        *lines,
        f"memory: {growth_mb(curve):+.2f} MB at most over {curve[-1][0]} images (from {curve[0][1]:.0f} MB)",
    ]


def misses(report: dict[str, Any]) -> list[str]:
    """Return what is not as it should be."""
    grown = growth_mb(report["memory_mb"])
    found = [f"memory grows by {grown:.1f} MB, target {MOST_GROWTH_MB:g}"] if grown > MOST_GROWTH_MB else []
    lost = [row for row in report["rows"] if row["followed"] < 0.98]
    return found + [f"{row['value']:.3g} {row['axis']}: all faces in {100 * row['followed']:.0f} %" for row in lost]


def plot(report: dict[str, Any], path: Path) -> None:
    """Draw the time over each axis with its fitted line, and the memory."""
    figure, axes = plots.sheet((1, 1, 1, 1), (15.0, 3.8))
    titles = {"faces": "faces, 1920×1080", "cameras": "cameras, 640×480", "megapixels": "megapixels, one face"}
    for one, (axis, title) in zip(axes[:3], titles.items(), strict=True):
        points = [(row["value"], row["ms"]) for row in report["rows"] if row["axis"] == axis]
        line = report["slopes"][axis]
        ends = [0.0, max(value for value, _ in points)]
        fitted = [(x, line["ms_at_none"] + line["ms_each"] * x) for x in ends]
        fit = f"{line['ms_each']:.2f} ms a {UNITS[axis]}"
        plots.lines(one, {"measured": points}, title, "CPU ms for one image" + " of each" * (axis == "cameras"))
        one.plot(*zip(*fitted, strict=True), ls="--", color=plots.COLOURS[1], label=fit)
        plots.from_zero(one)
        one.legend(frameon=False, loc="upper left" if axis != "megapixels" else "lower right")
    start_mb = report["memory_mb"][0][1]
    curve = [(images, mb - start_mb) for images, mb in report["memory_mb"]]
    plots.lines(axes[3], {"resident memory": curve}, "images", "MB above the start")
    plots.limit(axes[3], MOST_GROWTH_MB, "allowed")
    axes[3].locator_params(axis="x", nbins=5)
    axes[3].set_ylim(min(0.0, *(mb for _, mb in curve)) - 0.2, max(2.4, *(mb for _, mb in curve)))
    axes[3].legend(frameon=False, loc="lower right")
    plots.save(figure, path)


def main() -> int:
    """Measure, print the table, the slopes and what is not as it should be, write JSON and plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=12, help="of each case; default: %(default)s")
    parser.add_argument("--frames", type=int, default=10_000, help="for the memory; default: %(default)s")
    parser.add_argument("--quick", action="store_true", help="three blocks, up to 8 faces, memory over 1500 images")
    parser.add_argument("--json", type=Path, default=Path("scale.json"), help="default: %(default)s")
    parser.add_argument("--plot", type=Path, default=Path("scale.png"), help="default: %(default)s")
    parser.add_argument("--no-plot", action="store_true", help="as where there is no matplotlib")
    args = parser.parse_args()
    if not args.no_plot:
        plots.sheet((1,), (1.0, 1.0))  # says at once what is missing
    blocks, frames, most_faces = (3, 1500, 8) if args.quick else (args.blocks, args.frames, max(FACES))
    config = Config.from_dotted({"device": "cpu"})
    networks = Networks.open(config)
    curve = memory(frames, FaceMesher(config, networks=networks))
    every = cases(networks, config, most_faces)
    measure(every, blocks)
    rows = [case.row() for case in every]
    report = {"machine": machine(), "rows": rows, "slopes": slopes(rows), "memory_mb": curve}
    args.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    table = Table(*HEADINGS, title="FaceMesher, 478 points, medians over blocks")
    for cells in table_rows(report):
        table.add_row(*cells)
    Console(width=120).print(table)
    print("\n".join(slope_lines(report)))
    if not args.no_plot:
        plot(report, args.plot)
    missed = misses(report)
    print("\n".join(missed) if missed else "every target is met")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
