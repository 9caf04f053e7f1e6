"""Who is evaluated: something that finds meshes in pictures and in streams, and says how long it took."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facemesh_ros.config import Config
from facemesh_ros.pipeline import FaceMesher
from facemesh_ros.tools.evaluation.mediapipe_worker import threads
from facemesh_ros.types import Camera, Face, UInt8

FOCAL_OVER_SIDE = 3.0
"""Focal length that is assumed of single pictures, which have no calibration, over the longer side. Pictures with
annotated head poses are cut around a face from larger ones, so it is long; their poses were fitted orthographically."""


@dataclass(frozen=True, eq=False)
class Found:
    """A face that a subject has found."""

    points: NDArray[np.float32]
    """(N, 3) px of the image, unsmoothed."""
    smoothed: NDArray[np.float32] | None = None
    """The same after smoothing over time; None for a subject that does none."""
    identity: int | None = None
    """None for a subject that gives no ids."""
    presence: float | None = None
    camera_from_head: NDArray[np.float64] | None = None
    """(4, 4): the subject's own head pose; None where it gives none."""

    def shifted(self, shift_px: float) -> Found:
        """Return the face moved by ``-shift_px`` in x and y."""
        by = np.array([shift_px, shift_px, 0.0], np.float32)
        smoothed = None if self.smoothed is None else self.smoothed - by
        return replace(self, points=self.points - by, smoothed=smoothed)


@dataclass(frozen=True)
class Result:
    """What a subject says of one image."""

    faces: tuple[Found, ...]
    ms: float
    """Time from the image to the arrays."""

    def shifted(self, shift_px: float) -> Result:
        """Return the faces moved by ``-shift_px`` in x and y."""
        return replace(self, faces=tuple(face.shifted(shift_px) for face in self.faces)) if shift_px else self


class Subject(ABC):
    """Finds faces. Images are (H, W, 3) uint8 RGB; a failure on one image is a FaceMeshError."""

    name: str

    @abstractmethod
    def still(self, image_rgb: UInt8) -> Result:
        """Look at a single picture."""

    @abstractmethod
    def begin_stream(self) -> None:
        """Forget the frames so far: a new clip begins."""

    @abstractmethod
    def frame(self, image_rgb: UInt8, stamp: float) -> Result:
        """Look at the next frame of the clip; its time in seconds from the clip's start."""

    @abstractmethod
    def about(self) -> Mapping[str, Any]:
        """Say what was evaluated: versions and settings."""

    def close(self) -> None:  # noqa: B027 (some hold nothing)
        """Give back what the subject holds."""


class Library(Subject):
    """This library."""

    name = "facemesh_ros"

    def __init__(self, config: Config, still_faces: int, stream_faces: int, version: str) -> None:
        """Load the networks.

        Args:
            config: settings beside the number of faces.
            still_faces: most faces in a single picture.
            stream_faces: most faces in a clip.
            version: for the report.
        """
        # The camera of a single picture is assumed, for its pose: it must not change how the face is looked at.
        self._still = FaceMesher(config.with_dotted({"max_faces": still_faces, "mesh.virtual_camera": False}))
        self._stream = FaceMesher(config.with_dotted({"max_faces": stream_faces}))
        self._version = version

    def still(self, image_rgb: UInt8) -> Result:
        """Look at a single picture."""
        start_s = time.perf_counter()
        faces = self._still.process_still(image_rgb, assumed_camera(image_rgb))
        return _result(faces, start_s)

    def begin_stream(self) -> None:
        """Forget the tracks."""
        self._stream.reset()

    def frame(self, image_rgb: UInt8, stamp: float) -> Result:
        """Look at the next frame of a clip."""
        start_s = time.perf_counter()
        faces = self._stream.process(image_rgb, stamp)
        return _result(faces, start_s)

    def about(self) -> Mapping[str, Any]:
        """Say the version, the device and every setting."""
        config = self._stream.config.to_dotted() | {"max_faces (stills)": self._still.config.max_faces}
        return {"version": self._version, "device": self._stream.device, "threads": threads(), "config": config}


def assumed_camera(image_rgb: UInt8) -> Camera:
    """Return a camera for a picture of unknown origin."""
    height, width = image_rgb.shape[:2]
    return Camera.from_fov((width, height), 2.0 * math.atan(0.5 * width / (FOCAL_OVER_SIDE * max(width, height))))


def _result(faces: tuple[Face, ...], start_s: float) -> Result:
    ms = 1e3 * (time.perf_counter() - start_s)
    return Result(tuple(_found(face) for face in faces), ms)


def _found(face: Face) -> Found:
    pose = None if face.pose is None else face.pose.camera_from_head
    return Found(face.mesh.points, face.smoothed.points, face.track_id, face.mesh.presence, pose)
