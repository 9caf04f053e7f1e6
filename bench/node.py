"""Our node against a plain rclpy node with MediaPipe, on the same images over real topics, in turn in one run.

    python bench/node.py --peer-python PEER/bin/python [--turns 4] [--seconds 4] [--json node.json] [--plot node.png]
                         [--quick]

PEER is a virtual environment with mediapipe 0.10.21 and rclpy, of the same minor version of Python as this one, which
our messages are built for. Where ROS is from wheels: ``python3.11 -m venv PEER && PEER/bin/pip install
mediapipe==0.10.21 'ros-rclpy[fastrtps]==7.1.6' ros-jazzy-sensor-msgs ros-jazzy-geometry-msgs``; where a ROS 2 is
sourced: ``python3 -m venv --system-site-packages PEER && PEER/bin/pip install mediapipe==0.10.21``.

Both nodes (ours by scripts/facemesh_node, the peer's is mediapipe_node.py) are processes of their own with one face
allowed, 478 points, and Fast DDS set up for large messages. One gets rgb8 images of the moving face while the other
idles, then the other. Latency goes from the publishing of an image to the receiving of its faces; CPU is that of the
node's whole process; ratios are peer over us by turn, then their median. Ends with status 1 when a target is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import plots
from node_sides import START_S, Film, Side, Turn, our_command, peer_command, row_of
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from facemesh_ros.ros.environment import with_large_messages
from facemesh_ros.tools.evaluation.machine import machine

CASES = [(size, rate) for size in ((640, 480), (1280, 720)) for rate in (30.0, 60.0)]
TARGET_CASE = ((1280, 720), 30.0)
TARGETS = {"cpu": 2.0, "latency": 1.5}
FRAMES = 30
TITLES = {"ours": "facemesh_ros", "peer": "MediaPipe"}


def measure(peer_python: Path, cases: list[tuple[tuple[int, int], float]], turns: int, seconds: float) -> list[dict]:
    """Start both nodes and let them take turns in every case; return a result a case."""
    import rclpy
    from rclpy.executors import SingleThreadedExecutor

    rclpy.init(args=[])
    ear = rclpy.create_node("bench")
    executor = SingleThreadedExecutor()
    executor.add_node(ear)
    sides: dict[str, Side] = {}
    with tempfile.TemporaryDirectory() as folder:
        try:
            for name, how in {"ours": our_command(), "peer": peer_command(peer_python)}.items():
                sides[name] = Side(ear, name, *how, Path(folder, f"{name}.log"))
            wait_for(sides, executor)
            return [one_case(sides, executor, case, turns, seconds) for case in cases]
        finally:
            for side in sides.values():
                side.close()
            executor.shutdown()
            rclpy.shutdown()


def wait_for(sides: dict[str, Side], executor: Any) -> None:
    """Return when both nodes listen; raise SystemExit where one does not."""
    deadline_s = time.monotonic() + START_S
    while waiting := [name for name, side in sides.items() if not side.is_ready]:
        if time.monotonic() > deadline_s:
            raise SystemExit(f"not ready after {START_S:.0f} s: {', '.join(waiting)}")
        executor.spin_once(timeout_sec=0.1)


def one_case(sides: dict[str, Side], executor: Any, case: tuple, turns: int, seconds: float) -> dict[str, Any]:
    """Let the nodes take turns."""
    size_wh, rate_hz = case
    film = Film(size_wh, FRAMES)
    taken: dict[str, list[Turn]] = {name: [] for name in sides}
    with Progress(transient=True) as progress:
        for _ in progress.track(range(turns), description=f"{size_wh[0]}×{size_wh[1]}, {rate_hz:g} Hz"):
            for name, side in sides.items():
                taken[name].append(side.play(executor, film, rate_hz, seconds))
    rows = {name: row_of(TITLES[name], of_side) for name, of_side in taken.items()}
    return {"size_wh": size_wh, "rate_hz": rate_hz, **rows, **ratios(taken), "is_target": case == TARGET_CASE}


def ratios(taken: dict[str, list[Turn]]) -> dict[str, float | None]:
    """Return peer over us, the medians over turns; None where one of them answered nothing."""
    pairs = list(zip(taken["peer"], taken["ours"], strict=True))
    if not all(turn.latencies_ms for pair in pairs for turn in pair):
        return {"cpu_ratio": None, "latency_ratio": None}
    middle = statistics.median
    return {
        "cpu_ratio": middle((peer.cpu_s / peer.sent) / (ours.cpu_s / ours.sent) for peer, ours in pairs),
        "latency_ratio": middle(middle(peer.latencies_ms) / middle(ours.latencies_ms) for peer, ours in pairs),
    }


COLUMNS = {
    "sent": "d",
    "dropped": "d",
    "without_face": "d",
    "cpu_ms": ".2f",
    "latency_median_ms": ".2f",
    "latency_p95_ms": ".2f",
    "latency_p99_ms": ".2f",
}
HEADINGS = ("images", "node", "sent", "dropped", "no face", "CPU ms", "latency ms", "p95", "p99", "CPU ×", "latency ×")


def table_rows(results: list[dict[str, Any]]) -> list[list[str]]:
    """Return the words of the table: two rows a case, the ratios in the second."""
    rows = []
    for result in results:
        width, height = result["size_wh"]
        for name in ("ours", "peer"):
            found = [(result[name][column], form) for column, form in COLUMNS.items()]
            numbers = ["–" if number is None else format(number, form) for number, form in found]
            verdicts = [verdict(result, measure) if name == "ours" else "" for measure in TARGETS]
            title = f"{width}×{height}, {result['rate_hz']:g} Hz"
            rows.append([title, result[name]["node"], *numbers, *verdicts])
    return rows


def verdict(result: dict[str, Any], measure: str) -> str:
    """Return a ratio and, in the case that has targets, whether its target is met."""
    ratio = result[f"{measure}_ratio"]
    if ratio is None:
        return "–"
    if not result["is_target"]:
        return f"{ratio:.2f}"
    return f"{ratio:.2f} ({TARGETS[measure]:g} {'met' if ratio >= TARGETS[measure] else 'missed'})"


def misses(results: list[dict[str, Any]]) -> list[str]:
    """Return the targets that were missed."""
    return [
        f"{measure}: {result[f'{measure}_ratio'] or 0.0:.2f} times less than the peer's, target {target:g}"
        for result in results
        if result["is_target"]
        for measure, target in TARGETS.items()
        if (result[f"{measure}_ratio"] or 0.0) < target
    ]


def plot(results: list[dict[str, Any]], path: Path) -> None:
    """Draw CPU, latencies and drops by case."""
    figure, axes = plots.sheet((1, 1, 1), (13.0, 4.2))
    labels = [f"{r['size_wh'][0]}×{r['size_wh'][1]}\n{r['rate_hz']:g} Hz" for r in results]
    panels = {
        "cpu_ms": "CPU, ms an image",
        "latency_median_ms": "median latency, ms",
        "latency_p99_ms": "latency p99, ms",
    }
    for one, (key, unit) in zip(axes, panels.items(), strict=True):
        plots.bars(one, labels, {TITLES[name]: [r[name][key] or 0.0 for r in results] for name in TITLES}, unit)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2, frameon=False)
    plots.save(figure, path)


def main() -> int:
    """Measure, print the table and the missed targets, write JSON and plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-python", type=Path, required=True, help="of an environment with the peer and rclpy")
    parser.add_argument("--turns", type=int, default=4, help="of each node in each case; default: %(default)s")
    parser.add_argument("--seconds", type=float, default=4.0, help="of a turn; default: %(default)s")
    parser.add_argument("--quick", action="store_true", help="only the case with targets, three turns of 3 s")
    parser.add_argument("--json", type=Path, default=Path("node.json"), help="default: %(default)s")
    parser.add_argument("--plot", type=Path, default=Path("node.png"), help="default: %(default)s")
    parser.add_argument("--no-plot", action="store_true", help="as where there is no matplotlib")
    args = parser.parse_args()
    if not args.peer_python.is_file():
        parser.error(f"--peer-python: there is no file {args.peer_python}; the head of this file says how to make it")
    if not args.no_plot:
        plots.sheet((1,), (1.0, 1.0))  # says at once what is missing
    cases, turns, seconds = ([TARGET_CASE], 3, 3.0) if args.quick else (CASES, args.turns, args.seconds)
    results = measure(args.peer_python, cases, turns, seconds)
    args.json.write_text(json.dumps({"machine": machine(), "cases": results}, indent=1) + "\n", encoding="utf-8")
    table = Table(*HEADINGS, title="medians over turns; ratios are MediaPipe / us")
    for cells in table_rows(results):
        table.add_row(*cells)
    Console(width=140).print(table)
    if not args.no_plot:
        plot(results, args.plot)
    missed = misses(results)
    print("\n".join(missed) if missed else "every target is met")
    return 1 if missed else 0


if __name__ == "__main__":
    os.environ.setdefault("ROS_DOMAIN_ID", str(60 + os.getpid() % 40))
    with_large_messages()
    raise SystemExit(main())
