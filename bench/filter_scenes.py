"""Scenes for bench/filter.py: the built-in real face at rest and in known motions, as the pipeline sees it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from facemesh_ros import Config, FaceMesher
from facemesh_ros.tools.moving_face import FACE_CENTRE_XY, render_bgr, similarity
from facemesh_ros.topology import SURFACE_POINTS, face_topology

Array = NDArray[np.float64]

FRAME_SIZE_WH = (640, 480)
PICTURE_FACE_PX = 94.0
"""Width of the face in the picture."""
EYE_CORNERS = (33, 263)
"""Their distance, IOD, is the unit of every error."""
POINTS = sorted({*range(0, SURFACE_POINTS, 24), *face_topology().loops["face_oval"].tolist(), *EYE_CORNERS})
"""What is filtered and measured; the oval gives the filter the size of the whole face."""

STILL_SIZES_PX = (80, 160, 300)
STILL_NOISES = (2.0, 5.0, 10.0)
"""Standard deviation of the sensor's noise, grey levels."""
STILL_FRAMES = 180

MOVING_SIZE_PX = 160
MOVING_NOISE = 3.0
START_S, STOP_S, END_S = 0.5, 2.0, 3.0
"""Motions begin with a rest; the pans end with one."""
REST_FRAMES = 20
"""Noise-free frames, of which the later half says where the points are at rest."""

TRUTH_STEP_S = 1e-3
TRUTH_FROM_S = -2.0
SPEED_STEP_S = 0.01
LONGEST_DELAY_S = 1.0
DELAY_STEPS = 6


@dataclass(frozen=True)
class Placement:
    """Where the face is: an offset in face widths from the middle of the frame, a scale, and a roll in rad."""

    x: float = 0.0
    y: float = 0.0
    scale: float = 1.0
    roll: float = 0.0

    def frame_from_picture(self, size_px: float) -> Array:
        """Return the (2, 3) affine that shows the face so, ``size_px`` wide at scale 1."""
        middle = [0.5 * (side - 1) for side in FRAME_SIZE_WH]
        target = (middle[0] + self.x * size_px, middle[1] + self.y * size_px)
        return similarity(self.scale * size_px / PICTURE_FACE_PX, self.roll, FACE_CENTRE_XY, target)


Motion = Callable[[float], Placement]


def _pan(speed: float) -> Motion:
    """Return a pan about the middle at so many face widths a second, with an abrupt start and stop."""
    return lambda t: Placement(x=speed * (min(max(t, START_S), STOP_S) - 0.5 * (START_S + STOP_S)))


def _wave(hz: float, t: float) -> float:
    return math.sin(2 * math.pi * hz * max(t - START_S, 0.0))


DRIFT = "drift 0.03"
PANS: dict[str, Motion] = {
    DRIFT: _pan(0.03),
    "slow pan 0.1": _pan(0.1),
    "pan 0.3": _pan(0.3),
    "quick pan 1": _pan(1.0),
}
"""By face widths a second. Nobody sees the drift move, so it is left out where milliseconds of delay are judged."""
MOTIONS: dict[str, Motion] = {
    **PANS,
    "shake 0.5 Hz": lambda t: Placement(x=0.3 * _wave(0.5, t)),
    "shake 1 Hz": lambda t: Placement(x=0.15 * _wave(1.0, t)),
    "nod 2 Hz": lambda t: Placement(y=0.08 * _wave(2.0, t)),
    "zoom 0.5 Hz": lambda t: Placement(scale=1.0 + 0.2 * _wave(0.5, t)),
    "roll 0.5 Hz": lambda t: Placement(roll=math.radians(15.0) * _wave(0.5, t)),
}
"""Amplitudes are in face widths: peak speeds are about one face width a second."""


def mesher(max_faces: int = 1) -> FaceMesher:
    """Return the pipeline that is measured: everything but the filter, on the CPU."""
    return FaceMesher(Config.from_dotted({"max_faces": max_faces, "device": "cpu", "filter.enabled": False}))


def raw_meshes(placements: Sequence[Placement], rate_hz: float, size_px: float, noise: float) -> Array:
    """Return the raw (T, N, 2) points, px, of a stream that shows the face so, with fresh noise in every frame."""
    rng, one = np.random.default_rng(0), mesher()
    film, clean, shown = [], np.zeros(0, np.float32), None
    for i, placement in enumerate(placements):
        if placement != shown:
            clean = render_bgr(placement.frame_from_picture(size_px), FRAME_SIZE_WH)[..., ::-1].astype(np.float32)
            shown = placement
        noisy = clean + noise * rng.standard_normal(clean.shape, np.float32)
        (face,) = one.process(np.clip(np.rint(noisy), 0, 255).astype(np.uint8), i / rate_hz)
        film.append(face.mesh.points[POINTS, :2])
    return np.stack(film).astype(np.float64)


def eye_distance_px(points: Array) -> float:
    """Return the mean distance of the outer eye corners in (T, N, 2) points."""
    left, right = (points[:, POINTS.index(i)] for i in EYE_CORNERS)
    return float(np.linalg.norm(left - right, axis=-1).mean())


class Truth:
    """Where a motion takes the points that the network sees in the unmoved, noise-free face."""

    def __init__(self, motion: Motion) -> None:
        """Mesh the face at rest and carry its points along the motion."""
        rest = raw_meshes([motion(0.0)] * REST_FRAMES, 30.0, MOVING_SIZE_PX, 0.0)[REST_FRAMES // 2 :].mean(axis=0)
        self.iod_px = eye_distance_px(rest[np.newaxis])
        times = np.arange(TRUTH_FROM_S, END_S, TRUTH_STEP_S)
        self._affines = np.stack([motion(t).frame_from_picture(MOVING_SIZE_PX) for t in times])
        first = motion(0.0).frame_from_picture(MOVING_SIZE_PX)
        picture = np.linalg.solve(first[:, :2], (rest - first[:, 2]).T).T
        self._picture = np.column_stack([picture, np.ones(len(picture))])

    def at(self, times: Array) -> Array:
        """Return (..., N, 2) px at the (...) times, s."""
        index = np.clip((times - TRUTH_FROM_S) / TRUTH_STEP_S, 0, len(self._affines) - 1.001)
        whole = index.astype(int)
        part = (index - whole)[..., np.newaxis, np.newaxis]
        affine = (1 - part) * self._affines[whole] + part * self._affines[whole + 1]
        return np.asarray(self._picture @ affine.swapaxes(-1, -2))

    def delay_s(self, points: Array, stamps: Array) -> Array:
        """Return the (G,) delays after which the truth fits (T, G, N, 2) points best, by Gauss-Newton."""
        delay = np.zeros(points.shape[1])
        for _ in range(DELAY_STEPS):
            times = stamps[:, np.newaxis] - delay
            speed = (self.at(times + SPEED_STEP_S) - self.at(times - SPEED_STEP_S)) / (2 * SPEED_STEP_S)
            ahead = ((self.at(times) - points) * speed).sum(axis=(0, 2, 3)) / (speed**2).sum(axis=(0, 2, 3))
            delay = np.clip(delay + ahead, -LONGEST_DELAY_S, LONGEST_DELAY_S)
        return delay


def video_tracks(path: Path, max_faces: int, shortest_s: float) -> Iterator[tuple[Array, Array]]:
    """Yield the raw (T, N, 2) points, px, and (T,) stamps, s, of every long enough run of frames that show a face."""
    video, one = cv2.VideoCapture(str(path)), mesher(max_faces)
    if not video.isOpened():
        raise SystemExit(f"{path} is no video that OpenCV can read")
    rate_hz = video.get(cv2.CAP_PROP_FPS)
    tracks: dict[int, list[tuple[int, Array]]] = {}
    for index in itertools.count():
        read, frame_bgr = video.read()
        if not read:
            break
        for face in one.process(np.ascontiguousarray(frame_bgr[..., ::-1]), index / rate_hz):
            tracks.setdefault(face.track_id, []).append((index, face.mesh.points[POINTS, :2].astype(np.float64)))
    for frames in tracks.values():
        indices = np.array([index for index, _ in frames])
        gaps = np.flatnonzero(np.diff(indices) > 1) + 1
        for first, end in itertools.pairwise([0, *gaps, len(frames)]):
            if end - first >= shortest_s * rate_hz:
                yield np.stack([points for _, points in frames[first:end]]), indices[first:end] / rate_hz
