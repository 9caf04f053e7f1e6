"""What the search for new faces costs a stream in which one face is followed, and one in which nobody is in view.

    python bench/search.py [--blocks 12] [--json search.json]

One face in view: blocks of 90 images of the built-in moving face with one face allowed, where nothing is ever looked
for, alternate with blocks with four allowed, where the search runs at its defaults. The figure is the median over
blocks of the ratio of their times. Nobody in view: the time an image of a street of noise takes. Needs the networks.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from facemesh_ros import Config, FaceMesher
from facemesh_ros.errors import FaceMeshError
from facemesh_ros.tools.evaluation.machine import processor
from facemesh_ros.tools.moving_face import MovingFace

RATE_HZ = 30.0
BLOCK = 90
SIZES = ((640, 480), (1280, 720))
NETWORKS = ("mesh", "attention")
ALLOWED_RATIO = 1.15
"""What the project promises for one followed face."""


def frames(size_wh: tuple[int, int], count: int) -> list[np.ndarray]:
    """Return the first frames of the moving face as RGB."""
    film = MovingFace(size_wh)
    return [np.ascontiguousarray(film.frame_bgr(index)[..., ::-1]) for index in range(count)]


class Stream:
    """One mesher and its clock; frames are played there and back, so that nothing jumps."""

    def __init__(self, max_faces: int, network: str) -> None:
        self.mesher = FaceMesher(Config.from_dotted({"max_faces": max_faces, "mesh.network": network, "device": "cpu"}))
        self.index = 0

    def block_ms(self, images: list[np.ndarray]) -> float:
        """Process a block; return the time an image took, ms."""
        start = time.perf_counter()
        for _ in range(BLOCK):
            lap, place = divmod(self.index, len(images))
            self.mesher.process(images[place if lap % 2 == 0 else len(images) - 1 - place], self.index / RATE_HZ)
            self.index += 1
        return 1e3 * (time.perf_counter() - start) / BLOCK


def measure(size_wh: tuple[int, int], network: str, blocks: int) -> dict[str, Any]:
    """Alternate blocks with and without the search."""
    images = frames(size_wh, BLOCK)
    alone, searching = Stream(1, network), Stream(4, network)
    for stream in (alone, searching):
        stream.block_ms(images)
    pairs = [(alone.block_ms(images), searching.block_ms(images)) for _ in range(blocks)]
    noise = np.random.default_rng(0).integers(0, 256, (size_wh[1], size_wh[0], 3), np.uint8)
    return {
        "size_wh": size_wh,
        "network": network,
        "tracking_ms": statistics.median(a for a, _ in pairs),
        "with_search_ms": statistics.median(b for _, b in pairs),
        "ratio": statistics.median(b / a for a, b in pairs),
        "nobody_ms": statistics.median(Stream(4, network).block_ms([noise]) for _ in range(3)),
    }


def misses(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the cases in which the promise is not kept."""
    return [
        f"{row['size_wh'][0]}×{row['size_wh'][1]}, {row['network']}: {row['ratio']:.2f}, promised {ALLOWED_RATIO:.2f}"
        for row in rows
        if row["ratio"] > ALLOWED_RATIO
    ]


def _natural(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1")
    return int(text)


def main() -> int:
    """Measure, print the table and the broken promises, write the JSON; 1 when one was broken."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--blocks", type=_natural, default=12)
    parser.add_argument("--json", type=Path, default=Path("search.json"))
    arguments = parser.parse_args()
    cases = [(size_wh, network) for size_wh in SIZES for network in NETWORKS]
    rows = [measure(*case, arguments.blocks) for case in track(cases, "search", console=Console(stderr=True))]
    table = Table(title=f"One face followed, {RATE_HZ:.0f} Hz; at most {ALLOWED_RATIO:.2f} is promised")
    for title in ("image", "network", "tracking alone, ms", "with the search, ms", "ratio", "nobody in view, ms"):
        table.add_column(title, justify="right")
    for row in rows:
        width, height = row["size_wh"]
        figures = [f"{row[key]:.2f}" for key in ("tracking_ms", "with_search_ms", "ratio", "nobody_ms")]
        table.add_row(f"{width}×{height}", str(row["network"]), *figures)
    missed = misses(rows)
    console = Console()
    console.print(table)
    console.print("\n".join(missed) if missed else "the promise is kept")
    machine = {"machine": processor(), "python": platform.python_version()}
    arguments.json.write_text(json.dumps({**machine, "rows": rows}, indent=2) + "\n", encoding="utf-8")
    return 1 if missed else 0


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except FaceMeshError as error:
        raise SystemExit(f"search.py: {error}") from error
