"""Where the time of an image goes in the library: networks, warps, and all the rest, one face followed.

    python bench/shares.py [--blocks 12] [--json shares.json]

The built-in moving face is followed with and without a camera, by both landmark networks, everything at its defaults.
The functions that do the work are wrapped with a clock; what they call that is wrapped as well does not count as
theirs. "Rest" is what is left of the whole: the tracker, the filter, checks, copies. The goal is that what is neither
network nor warp takes at most 12 % of an image of 640x480 px without a camera. Medians over blocks of 90 images, in
which all cases take turns. Needs the networks.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from facemesh_ros import Camera, Config, FaceMesher, detector, expressions, heads, mesh_net, picture, session
from facemesh_ros.tools.evaluation.machine import machine
from facemesh_ros.tools.moving_face import MovingFace

RATE_HZ = 30.0
BLOCK = 90
SIZES = ((640, 480), (1280, 720))
NETWORKS = ("mesh", "attention")
MOST_REST = 0.12
"""Share of an image's time that may be neither network nor warp, at 640x480, without a camera."""
PARTS: Mapping[str, Sequence[tuple[Any, str]]] = {
    "network": ((session.Session, "run"),),
    "warp": ((mesh_net, "crop"), (picture.Interleaved, "cut"), (detector, "_maps")),
    "aim": ((mesh_net, "window_on"),),
    "exposure": ((mesh_net, "exposed"), (detector, "exposed")),
    "pose": ((heads.Heads, "posed"),),
    "gaze": ((expressions.TrackExpressions, "read"),),
}
"""Part → the functions that are it."""


class Clock:
    """How long wrapped functions took, without what is wrapped in them."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._within = [0.0]
        """Time spent in wrapped functions, of each that is under way."""

    def wrapped(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, timed."""

        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            self._within.append(0.0)
            start = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                taken = time.perf_counter() - start
                self.seconds[part] += taken - self._within.pop()
                self._within[-1] += taken

        return timed

    def install(self) -> None:
        """Wrap all parts."""
        for part, functions in PARTS.items():
            for owner, name in functions:
                setattr(owner, name, self.wrapped(part, getattr(owner, name)))


class Case:
    """A stream of images through one mesher, played there and back so that nothing jumps."""

    def __init__(self, size_wh: tuple[int, int], network: str, with_camera: bool) -> None:
        self.size_wh, self.network, self.with_camera = size_wh, network, with_camera
        self._mesher = FaceMesher(Config.from_dotted({"mesh.network": network, "device": "cpu"}))
        self._camera = Camera.from_fov(size_wh, math.radians(60.0)) if with_camera else None
        film = MovingFace(size_wh)
        self._images = [np.ascontiguousarray(film.frame_bgr(index)[..., ::-1]) for index in range(BLOCK)]
        self._image = np.empty_like(self._images[0])
        """Where every image is put before it is processed, as by a driver: it lies in the cache."""
        self._index = 0

    def block_us(self, clock: Clock) -> dict[str, float]:
        """Process a block; return the time of each part of an image, us."""
        clock.seconds.clear()
        total = 0.0
        for _ in range(BLOCK):
            lap, place = divmod(self._index, BLOCK)
            np.copyto(self._image, self._images[place if lap % 2 == 0 else BLOCK - 1 - place])
            start = time.perf_counter()
            self._mesher.process(self._image, self._index / RATE_HZ, self._camera)
            total += time.perf_counter() - start
            self._index += 1
        parts = {part: clock.seconds[part] for part in PARTS}
        parts["rest"] = total - sum(parts.values())
        return {part: 1e6 * seconds / BLOCK for part, seconds in {**parts, "total": total}.items()}


def measure(blocks: int) -> list[dict[str, Any]]:
    """Run all cases in turn, block by block."""
    clock = Clock()
    clock.install()
    cases = [Case(size, network, camera) for size in SIZES for network in NETWORKS for camera in (False, True)]
    for case in cases:
        case.block_us(clock)  # warm up
    times: list[list[dict[str, float]]] = [[] for _ in cases]
    for _ in track(range(blocks), description="profiling"):
        for case, of_case in zip(cases, times, strict=True):
            of_case.append(case.block_us(clock))
    return [summary(case, of_case) for case, of_case in zip(cases, times, strict=True)]


def summary(case: Case, blocks: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Return the medians of one case."""
    part_us = {part: statistics.median(block[part] for block in blocks) for part in blocks[0]}
    share = statistics.median(1.0 - (block["network"] + block["warp"]) / block["total"] for block in blocks)
    return {
        "size_wh": case.size_wh,
        "network": case.network,
        "camera": case.with_camera,
        "us": part_us,
        "neither_network_nor_warp": share,
    }


def result_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return the table that is printed."""
    table = Table(title="us of an image, one face followed, one thread")
    for heading in ("image", "network", "camera", *rows[0]["us"], "neither network nor warp"):
        table.add_column(heading, justify="right")
    for row in rows:
        cells = [f"{us:.0f}" for us in row["us"].values()]
        size = "x".join(map(str, row["size_wh"]))
        table.add_row(
            size, row["network"], "yes" if row["camera"] else "no", *cells, f"{row['neither_network_nor_warp']:.1%}"
        )
    return table


def misses(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the goals that were missed."""
    judged = [row for row in rows if row["size_wh"] == SIZES[0] and not row["camera"]]
    return [
        f"{row['network']}: {row['neither_network_nor_warp']:.1%} is neither network nor warp, goal {MOST_REST:.0%}"
        for row in judged
        if row["neither_network_nor_warp"] > MOST_REST
    ]


def main() -> int:
    """Measure, print the table and the missed goals, write the JSON; exit status 1 when one was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=12, help="default: %(default)s")
    parser.add_argument("--json", type=Path, default=Path("shares.json"), help="default: %(default)s")
    args = parser.parse_args()
    rows = measure(args.blocks)
    args.json.write_text(json.dumps({"machine": machine(), "cases": rows}, indent=2))
    console = Console()
    console.print(result_table(rows))
    missed = misses(rows)
    console.print("\n".join(missed) if missed else "every goal is met")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
