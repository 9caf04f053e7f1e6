"""Run MediaPipe's FaceMesh for :mod:`facemesh_ros.tools.evaluation.peer`, inside MediaPipe's own environment.

Needs mediapipe and numpy alone, and nothing of facemesh_ros: it is started by its path. Over stdin come requests, a
line of JSON each, and after "process" the image's bytes (H, W, 3 uint8 RGB); over stdout goes an answer to each, a line
of JSON and, after one with "shape", float32 bytes:

    {"do": "open", "mode": "still" | "stream", "max_faces": 4}   → {"version": "0.10.21", ...}
    {"do": "process", "mode": ..., "shape": [H, W, 3]}           → {"shape": [faces, 478, 3], "ms": 9.5}
    either may be answered by {"error": "..."}; the end of stdin ends the worker.

Landmarks are the peer's x·width, y·height, z·width.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

POINTS = 478
CONFIDENCE = 0.5


class Peer:
    """One FaceMesh graph for stills and one for streams."""

    def __init__(self) -> None:
        self._graphs: dict[str, Any] = {}

    def open(self, mode: str, max_faces: int) -> dict[str, Any]:
        """Begin anew in a mode; the first image, blank, is not timed."""
        import mediapipe  # type: ignore[import-not-found]  # of the peer's environment, not of ours

        old = self._graphs.pop(mode, None)
        if old is not None:
            old.close()
        self._graphs[mode] = mediapipe.solutions.face_mesh.FaceMesh(
            static_image_mode=mode == "still",
            max_num_faces=max_faces,
            refine_landmarks=True,
            min_detection_confidence=CONFIDENCE,
            min_tracking_confidence=CONFIDENCE,
        )
        self._graphs[mode].process(np.zeros((64, 64, 3), np.uint8))
        versions = {"version": mediapipe.__version__, "python": platform.python_version(), "numpy": np.__version__}
        return {**versions, "threads": threads()}

    def process(self, mode: str, image_rgb: NDArray[np.uint8]) -> tuple[NDArray[np.float32], float]:
        """Return (faces, 478, 3) float32 px, and the time in ms from the image to the array."""
        start_s = time.perf_counter()
        landmarks = self._graphs[mode].process(image_rgb).multi_face_landmarks or []
        points = np.array([[(p.x, p.y, p.z) for p in face.landmark] for face in landmarks], np.float32)
        height, width = image_rgb.shape[:2]
        points = points.reshape(-1, POINTS, 3) * np.array([width, height, width], np.float32)
        return points, 1e3 * (time.perf_counter() - start_s)


def threads() -> int | None:
    """Return how many threads this process has, of Python and others; None where Linux does not tell."""
    tasks = Path("/proc/self/task")
    return len(list(tasks.iterdir())) if tasks.is_dir() else None


def answer(peer: Peer, request: dict[str, Any], source: BinaryIO) -> tuple[dict[str, Any], bytes]:
    """Carry out a request; return the line and the bytes to send."""
    if request["do"] == "open":
        return peer.open(request["mode"], request["max_faces"]), b""
    shape = request["shape"]
    pixels = source.read(int(np.prod(shape)))
    points, ms = peer.process(request["mode"], np.frombuffer(pixels, np.uint8).reshape(shape))
    return {"shape": points.shape, "ms": ms}, points.tobytes()


def main() -> None:
    """Answer requests until stdin ends."""
    target = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints goes to the log, not between the answers
    source = sys.stdin.buffer
    peer = Peer()
    for line in source:
        try:
            head, body = answer(peer, json.loads(line), source)
        except Exception as error:
            head, body = {"error": f"{type(error).__name__}: {error}"}, b""
        target.write(json.dumps(head).encode() + b"\n" + body)
        target.flush()


if __name__ == "__main__":
    main()
