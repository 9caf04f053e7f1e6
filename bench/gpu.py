"""Time the networks on an NVIDIA GPU: providers, precisions, IO binding, CUDA graphs and batches, against the CPU.

    python bench/gpu.py [--network attention] [--seconds 2] [--json gpu.json] [--plot gpu.png]
    python bench/gpu.py --device cpu --seconds 0.2 --most-rows 8     # a trial of this script where there is no GPU

Without a GPU it says so and stops. What cannot be opened is listed with the reason and left out. TensorRT builds its
engines first, for minutes; they are kept (docs/gpu.md). Every setup runs in every round; figures are medians of them.
``plain`` hands arrays to session.run, the others have bound buffers, of which TensorRT's graphs need a session each.
Exit status 1 where a target is missed. Needs the networks, and the extra ``demo`` for its picture and for Pillow.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
from gpu_plot import draw_times
from gpu_setups import TRIAL, Setup, gpu_setups, trial_setups
from rich.console import Console
from rich.progress import track
from rich.table import Table

from facemesh_ros import Config, FaceMesher, Networks
from facemesh_ros.buckets import BUCKETS
from facemesh_ros.errors import FaceMeshError
from facemesh_ros.nvidia import first_gpu, tensorrt_version
from facemesh_ros.runtime import check_usable, version
from facemesh_ros.session import Session
from facemesh_ros.tools.evaluation.machine import machine
from facemesh_ros.tools.moving_face import MovingFace

T = TypeVar("T")
Pictures = np.ndarray[Any, np.dtype[np.uint8]]

LEAST_ROUNDS = 3
FRAMES = 150
"""Of the film that is processed end to end, after a third of them to warm up."""
AGREEMENT_PX = {"fp32": 0.05, "fp16": 0.3}
"""Most that a point may be off from the CPU's."""
FRAME_MS, FACE_MS, FACE_ROWS = 1.0, 0.1, 64
"""Targets: one face in a 720p image from end to end, p50; a face in a batch of 64."""
CONSOLE = Console(width=max(Console().width, 120))


def usable(setups: list[Setup], rows: int) -> dict[str, tuple[Setup, Session]]:
    """Open what can be opened, and say why not of the rest."""
    opened = {}
    for setup in setups:
        session = attempt(setup.name, lambda setup=setup: setup.open(1 if setup.is_fixed else rows))
        if session is not None:
            opened[setup.name] = setup, session
    return opened


def attempt(name: str, make: Callable[[], T]) -> T | None:
    """Return what is opened; None where it cannot be, and say why."""
    CONSOLE.print(f"opening {name}", style="dim")
    try:
        return make()
    except FaceMeshError as error:
        CONSOLE.print(f"{name} is left out: {error}")
        return None


def ms_of(session: Session, images: Pictures) -> float:
    """Return the time of one run, ms."""
    start = time.perf_counter()
    session.run(images, *session.output_shapes)
    return 1e3 * (time.perf_counter() - start)


def measure(sessions: Mapping[str, Session], images: Pictures, seconds: float) -> dict[str, float]:
    """Return the median ms of a batch in each session; all run in every round, for so long."""
    times: dict[str, list[float]] = {name: [] for name in sessions}
    for session in sessions.values():
        ms_of(session, images)
    end, rounds = time.perf_counter() + seconds, 0
    while rounds < LEAST_ROUNDS or time.perf_counter() < end:
        for name, session in sessions.items():
            times[name].append(ms_of(session, images))
        rounds += 1
    return {name: statistics.median(values) for name, values in times.items()}


def film_rgb(size_wh: tuple[int, int], indices: Iterable[int]) -> list[Pictures]:
    """Return frames of the moving face."""
    film = MovingFace(size_wh)
    return [cv2.cvtColor(film.frame_bgr(index), cv2.COLOR_BGR2RGB) for index in indices]


def face_crops(size: int, count: int) -> Pictures:
    """Return (count, size, size, 3) RGB pictures of a face that moves, as the landmark network gets them."""
    return np.stack(film_rgb((size, size), range(0, 7 * count, 7)))


def by_batch(opened: Mapping[str, tuple[Setup, Session]], cpu: Session, args: argparse.Namespace) -> dict[str, Any]:
    """Return the median ms of every batch size: rows → setup → ms."""
    crops = face_crops(cpu.input_size, args.most_rows)
    results = {}
    for rows in track([size for size in BUCKETS if size <= args.most_rows], description="batches"):
        sessions = {"CPU": cpu}
        for name, (setup, session) in opened.items():
            sessions[name] = setup.open(rows) if setup.is_fixed else session
        results[rows] = measure(sessions, crops[:rows], args.seconds)
    return results


def agreement(opened: Mapping[str, tuple[Setup, Session]], cpu: Session) -> dict[str, float]:
    """Return by how much each setup's points are off from the CPU's at most, px."""
    crops = face_crops(cpu.input_size, 8)
    (expected,) = cpu.run(crops, "points")
    found = {}
    for name, (setup, session) in opened.items():
        batches = [crops] if not setup.is_fixed else np.split(crops, len(crops))
        points = np.concatenate([session.run(batch, "points")[0] for batch in batches])
        found[name] = float(np.abs(points - expected).max())
    return found


def end_to_end(networks: Mapping[str, Networks], frames: int) -> dict[str, dict[str, float]]:
    """Return p50 and p99 of the time of a 1280×720 image with one face, upload and all, ms."""
    film = film_rgb((1280, 720), range(frames))
    meshers = {name: FaceMesher(one.config, networks=one) for name, one in networks.items()}
    times: dict[str, list[float]] = {name: [] for name in meshers}
    for index in track(range(frames + frames // 3), description="end to end"):
        for name, mesher in meshers.items():
            start = time.perf_counter()
            faces = mesher.process(film[index % frames], index / 30.0)
            times[name].append(1e3 * (time.perf_counter() - start))
            if len(faces) != 1:
                raise FaceMeshError(f"{name} found {len(faces)} faces in frame {index}: there is one")
    kept = {name: values[frames // 3 :] for name, values in times.items()}
    return {
        name: {"p50": float(np.percentile(values, 50)), "p99": float(np.percentile(values, 99))}
        for name, values in kept.items()
    }


def whole_networks(args: argparse.Namespace) -> dict[str, Networks]:
    """Return the CPU's networks, and those of every device that can be used."""
    base = {"mesh.network": args.network, "max_faces": 1, "require_device": True}
    found = {"CPU": Networks.open(Config.from_dotted({**base, "device": "cpu"}))}
    if args.device == "cpu":
        mesh, *detectors = (Session.by(TRIAL, name) for name in (args.network, "detector_short", "detector_full"))
        found["trial"] = replace(
            found["CPU"], mesh=mesh, detectors=dict(zip(("short", "full"), detectors, strict=True))
        )
        return found
    for device, precision in (("cuda", "fp32"), ("tensorrt", "fp32"), ("tensorrt", "fp16")):
        config = Config.from_dotted({**base, "device": device, "precision": precision})
        opened = attempt(f"end to end, {device} {precision}", lambda config=config: Networks.open(config))
        if opened is not None:
            found[f"{device} {precision}"] = opened
    return found


def misses(report: Mapping[str, Any]) -> list[str]:
    """Return the targets that were missed."""
    found = []
    for name, off_px in report["agreement_px"].items():
        limit = AGREEMENT_PX["fp16" if "fp16" in name else "fp32"]
        if off_px > limit:
            found.append(f"{name}: {off_px:.3f} px from the CPU, target {limit:g}")
    frames = [values["p50"] for name, values in report["end_to_end_ms"].items() if name != "CPU"]
    if not frames or min(frames) > FRAME_MS:
        best = f"{min(frames):.2f} ms" if frames else "not measured"
        found.append(f"one face at 1280×720, end to end: {best}, target {FRAME_MS:g} ms")
    batch = report["batch_ms"].get(FACE_ROWS, {})
    faces = [ms / FACE_ROWS for name, ms in batch.items() if name != "CPU"]
    if not faces or min(faces) > FACE_MS:
        best = f"{min(faces):.3f} ms" if faces else "not measured"
        found.append(f"a face in a batch of {FACE_ROWS}: {best}, target {FACE_MS:g} ms")
    return found


def tables(report: Mapping[str, Any]) -> list[Table]:
    """Return the tables that are printed."""
    batches, frames = Table(title="ms a face, by faces in the batch"), Table(title="one face at 1280×720, ms")
    for heading in ("setup", *map(str, report["batch_ms"]), "off CPU, px"):
        batches.add_column(heading, justify="left" if heading == "setup" else "right")
    for name in next(iter(report["batch_ms"].values())):
        cells = [f"{row[name] / rows:.3f}" for rows, row in report["batch_ms"].items()]
        off_px = report["agreement_px"].get(name)
        batches.add_row(name, *cells, "–" if off_px is None else f"{off_px:.4f}")
    for heading in ("networks", "p50", "p99"):
        frames.add_column(heading)
    for name, values in report["end_to_end_ms"].items():
        frames.add_row(name, f"{values['p50']:.2f}", f"{values['p99']:.2f}")
    return [batches, frames]


def where(args: argparse.Namespace) -> dict[str, Any]:
    """Return what it was measured on."""
    gpu = first_gpu()
    return {
        **machine(),
        "onnxruntime": version(),
        "tensorrt": tensorrt_version(),
        "gpu": None if gpu is None else {"name": gpu.name, "capability": gpu.capability},
        "is_trial": args.device == "cpu",
    }


def run(args: argparse.Namespace) -> int:
    """Measure and tell; return the exit status."""
    with tempfile.TemporaryDirectory() as engines:
        setups = trial_setups(args.network) if args.device == "cpu" else gpu_setups(args.network, Path(engines))
        cpu, opened = Session.on("cpu", args.network), usable(setups, args.most_rows)
        report = {
            "machine": where(args),
            "network": args.network,
            "agreement_px": agreement(opened, cpu),
            "batch_ms": by_batch(opened, cpu, args),
        }
    report["end_to_end_ms"] = end_to_end(whole_networks(args), args.frames)
    report["misses"] = misses(report)
    args.json.write_text(json.dumps(report, indent=2))
    names = next(iter(report["batch_ms"].values()))
    curves = {name: [(rows, row[name] / rows) for rows, row in report["batch_ms"].items()] for name in names}
    gpu = report["machine"]["gpu"]
    title = f"{args.network} on {'a CPU: a trial of the script' if gpu is None else gpu['name']}"
    draw_times(args.plot, title, curves, (FACE_ROWS, FACE_MS))
    for table in tables(report):
        CONSOLE.print(table)
    CONSOLE.print("\n".join(report["misses"]) if report["misses"] else "every target is met")
    return 1 if report["misses"] and args.device != "cpu" else 0


def main() -> int:
    """Measure, print tables and missed targets, write JSON and plot; exit status 1 when a target was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("gpu", "cpu"), default="gpu", help="cpu: a trial; default: %(default)s")
    parser.add_argument("--network", choices=("attention", "mesh"), default="attention", help="default: %(default)s")
    parser.add_argument("--seconds", type=float, default=2.0, help="for each batch size; default: %(default)s")
    parser.add_argument("--most-rows", type=int, choices=BUCKETS, default=BUCKETS[-1], help="default: %(default)s")
    parser.add_argument("--frames", type=int, default=FRAMES, help="end to end; default: %(default)s")
    parser.add_argument("--json", type=Path, default=Path("gpu.json"), help="default: %(default)s")
    parser.add_argument("--plot", type=Path, default=Path("gpu.png"), help="default: %(default)s")
    args = parser.parse_args()
    try:
        check_usable("cpu" if args.device == "cpu" else "cuda")
    except FaceMeshError as error:
        CONSOLE.print(f"nothing to measure: {error} (docs/gpu.md; --device cpu tries this script out)")
        return 0
    return run(args)


if __name__ == "__main__":
    raise SystemExit(main())
