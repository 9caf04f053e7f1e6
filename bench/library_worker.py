"""One side of bench/library.py: a process that follows faces in films and tells what that took.

Started by its path in the environment of the side it is for; needs numpy, and there mediapipe or facemesh_ros. Over
stdin come requests, a line of JSON each, over stdout goes an answer to each:

    {"do": "open", "kind": "mesh" | "short" | "full", "points": 478, "allowed": 4, "film": "x.npy",
     "intra_op_threads": 2, which only we have}   → {"version": ...}
    {"do": "run", "frames": 30}   → {"wall_ms": [...], "cpu_ms": [...], "faces": [...], "rss_mb": 93.0}
    either may be answered by {"error": "..."}; the end of stdin ends the worker.

A frame's time goes from the image in memory to an array of the landmarks (faces, 468 | 478, 3), px, or of the
detections. Reading the film is not timed; all frames are put into the same buffer, as by a camera driver.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import numpy as np

RATE_HZ = 30.0


class Ours:
    """FaceMesher, or its detector alone, everything else at its defaults."""

    def __init__(
        self, kind: str, points: int, allowed: int, size_wh: tuple[int, int], intra_op_threads: int = 1
    ) -> None:
        from facemesh_ros import Config, FaceMesher
        from facemesh_ros.detector import Detector
        from facemesh_ros.networks import Networks
        from facemesh_ros.views import whole

        network = {468: "mesh", 478: "attention"}[points]
        settings = {
            "max_faces": allowed,
            "mesh.network": network,
            "intra_op_threads": intra_op_threads,
            "device": "cpu",
        }
        if kind == "mesh":
            self._mesher = FaceMesher(Config.from_dotted(settings))
            self.process = self._landmarks
        else:
            config = Config.from_dotted({**settings, "detector.range": kind})
            self._detector = Detector(Networks.open(config).detectors, config.detector.min_score)
            self._views = (whole(kind, size_wh),)
            self.process = self._detections

    def _landmarks(self, image_rgb: np.ndarray, stamp: float) -> np.ndarray:
        faces = self._mesher.process(image_rgb, stamp)
        return np.stack([face.smoothed.points for face in faces]) if faces else np.zeros((0, 0, 3), np.float32)

    def _detections(self, image_rgb: np.ndarray, stamp: float) -> np.ndarray:  # noqa: ARG002
        return np.array([found.keypoints for found in self._detector.detect(image_rgb, self._views)])

    @staticmethod
    def version() -> str:
        import onnxruntime

        return f"onnxruntime {onnxruntime.__version__}"


class MediaPipe:
    """The peer's solutions as their documentation shows them, landmarks turned into arrays of pixels."""

    def __init__(self, kind: str, points: int, allowed: int, size_wh: tuple[int, int]) -> None:
        import mediapipe  # type: ignore[import-not-found]  # of the peer's environment, not of ours

        self._scale = np.array([*size_wh, size_wh[0]], np.float32)
        solutions = mediapipe.solutions
        if kind == "mesh":
            self._graph = solutions.face_mesh.FaceMesh(max_num_faces=allowed, refine_landmarks=points == 478)
            self.process = self._landmarks
        else:
            self._graph = solutions.face_detection.FaceDetection(model_selection=("short", "full").index(kind))
            self.process = self._detections

    def _landmarks(self, image_rgb: np.ndarray, stamp: float) -> np.ndarray:  # noqa: ARG002
        faces = self._graph.process(image_rgb).multi_face_landmarks or []
        points = np.array([[(p.x, p.y, p.z) for p in face.landmark] for face in faces], np.float32)
        return points.reshape(len(faces), -1, 3) * self._scale if faces else points

    def _detections(self, image_rgb: np.ndarray, stamp: float) -> np.ndarray:  # noqa: ARG002
        found = self._graph.process(image_rgb).detections or []
        keypoints = [[(p.x, p.y) for p in one.location_data.relative_keypoints] for one in found]
        return np.array(keypoints, np.float32).reshape(len(found), -1, 2) * self._scale[:2]

    @staticmethod
    def version() -> str:
        import mediapipe

        return f"mediapipe {mediapipe.__version__}"


SIDES = {"ours": Ours, "peer": MediaPipe}


class Run:
    """A subject and the film that it is shown, there and back so that nothing jumps."""

    def __init__(self, side: str, kind: str, points: int, allowed: int, film: str, **settings: int) -> None:
        self._images = np.load(film, mmap_mode="r")
        height, width = self._images.shape[1:3]
        self._subject = SIDES[side](kind, points, allowed, (width, height), **settings)
        self._buffer = np.empty((height, width, 3), np.uint8)
        self._file = os.open(film, os.O_RDONLY)
        self._index = 0

    def frames(self, count: int) -> dict[str, object]:
        """Show so many frames; return the times of each, ms, and how many faces it had."""
        wall_ms, cpu_ms, faces = [], [], []
        for _ in range(count):
            self._read()
            cpu, wall = time.process_time_ns(), time.perf_counter_ns()
            array = self._subject.process(self._buffer, self._index / RATE_HZ)
            wall_ms.append(1e-6 * (time.perf_counter_ns() - wall))
            cpu_ms.append(1e-6 * (time.process_time_ns() - cpu))
            faces.append(len(array))
            self._index += 1
        return {"wall_ms": wall_ms, "cpu_ms": cpu_ms, "faces": faces, "rss_mb": rss_mb()}

    def _read(self) -> None:
        """Put the next frame into the buffer; the file is in the page cache and counts for no process."""
        last = len(self._images) - 1
        place = self._index % (2 * last) if last else 0
        place = place if place <= last else 2 * last - place
        os.preadv(self._file, [self._buffer], self._images.offset + place * self._buffer.nbytes)


def rss_mb() -> float:
    """Return the resident memory of this process, MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> None:
    """Answer requests until stdin ends."""
    side = sys.argv[1]
    target = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints goes to the log, not between the answers
    run = None
    for line in sys.stdin:
        request = json.loads(line)
        do = request.pop("do")
        try:
            if do == "open":
                run = None  # the memory of the one before is free
                run = Run(side, **request)
                answer = {"version": SIDES[side].version(), "python": sys.version.split()[0]}
            else:
                answer = run.frames(request["frames"])
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        target.write(json.dumps(answer) + "\n")
        target.flush()


if __name__ == "__main__":
    main()
