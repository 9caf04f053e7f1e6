"""One image message → one FaceMeshArray."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from sensor_msgs.msg import CompressedImage, Image

from facemesh_ros.config import Config
from facemesh_ros.msg import FaceMeshArray
from facemesh_ros.ros.cameras import Cameras
from facemesh_ros.ros.convert import array_message, compressed_rgb, image_rgb, stamp_seconds
from facemesh_ros.ros.timing import StageTimer
from facemesh_ros.types import Camera, Face, UInt8

ImageMessage: TypeAlias = Image | CompressedImage
Stage: TypeAlias = Callable[[str], AbstractContextManager[object]]

DECODERS: dict[type, Callable[[ImageMessage], UInt8]] = {Image: image_rgb, CompressedImage: compressed_rgb}


class Mesher(Protocol):
    """What the node needs of :class:`facemesh_ros.FaceMesher`."""

    device: str

    def process(self, image_rgb: UInt8, stamp: float, camera: Camera | None = None) -> tuple[Face, ...]:
        """Return the faces in the next image."""

    def configure(self, config: Config) -> None:
        """Go on with other live settings."""

    def reset(self) -> None:
        """Forget all tracks."""


@dataclass(frozen=True)
class Frame:
    """An image as it came in."""

    message: ImageMessage
    arrived_s: float
    """On the stage timer's clock."""


@dataclass(frozen=True)
class Result:
    """What came of it."""

    array: FaceMeshArray
    image_rgb: UInt8
    """(H, W, 3) uint8 RGB, read-only."""
    faces: Sequence[Face]


class FrameProcessor:
    """A mesher that takes messages. Its methods may be called from any thread: one at a time gets through."""

    def __init__(self, mesher: Mesher, timer: StageTimer, cameras: Cameras, warn: Callable[[str], None]) -> None:
        """Wrap a mesher whose stages report to ``timer``; ``warn`` is told, once, of stamps that jump back."""
        self._mesher = mesher
        self._timer = timer
        self._cameras = cameras
        self._warn = warn
        self._lock = threading.Lock()
        self._last_stamp_s: float | None = None
        self._warned_of_jump = False

    @property
    def device(self) -> str:
        """What the networks run on."""
        return self._mesher.device

    def process(self, frame: Frame, dropped: int) -> Result:
        """Find the faces; ``dropped`` is how many images were skipped so far.

        Raises:
            InputError: the image cannot be read; the tracks stay as they were.
        """
        with self._lock:
            self._timer.begin(frame.arrived_s)
            with self._timer.stage("decode"):
                image = DECODERS[type(frame.message)](frame.message)
            header, size_wh = frame.message.header, (image.shape[1], image.shape[0])
            camera = self._cameras.camera_of(header.stamp, size_wh)
            faces = self._mesher.process(image, self._stamp_s(frame), camera)
            array = array_message(faces, header, size_wh, self._timer.result_ms(), dropped)
        return Result(array, image, faces)

    def configure(self, config: Config) -> None:
        """Go on with other live settings, from the next image on.

        Raises:
            ConfigError: the setting is not live.
        """
        with self._lock:
            self._mesher.configure(config)

    def reset(self) -> None:
        """Forget all tracks, and which stamp was the last."""
        with self._lock:
            self._mesher.reset()
            self._last_stamp_s = None

    def _stamp_s(self, frame: Frame) -> float:
        """Return the image's time; a jump back, as at the end of a bag that loops, begins a new stream."""
        stamp_s, last_s = stamp_seconds(frame.message.header), self._last_stamp_s
        self._last_stamp_s = stamp_s
        if last_s is not None and stamp_s < last_s:
            self._mesher.reset()
            self._say_once(
                f"stamps jumped back by {last_s - stamp_s:.3f} s: all tracks are forgotten, now and whenever it "
                "happens again. Right for a bag that loops; otherwise look for two publishers on the image topic"
            )
        return stamp_s

    def _say_once(self, text: str) -> None:
        if not self._warned_of_jump:
            self._warned_of_jump = True
            self._warn(text)
