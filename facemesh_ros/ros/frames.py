"""One image message → one FaceMeshArray."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from facemesh_ros.config import Config
from facemesh_ros.msg import FaceMeshArray
from facemesh_ros.picture import AnyImage, Picture
from facemesh_ros.ros.companions import Companions
from facemesh_ros.ros.convert import array_message, compressed_picture, image_picture, stamp_seconds
from facemesh_ros.ros.headers import Headers, Order
from facemesh_ros.ros.quaternion import SteadySigns
from facemesh_ros.ros.timing import StageTimer
from facemesh_ros.target import Target
from facemesh_ros.types import Camera, Face, Float32, Roi, UInt8

ImageMessage: TypeAlias = Image | CompressedImage
Stage: TypeAlias = Callable[[str], AbstractContextManager[object]]

DECODERS: dict[type, Callable[[ImageMessage], Picture]] = {Image: image_picture, CompressedImage: compressed_picture}


class Mesher(Protocol):
    """What the node needs of :class:`facemesh_ros.FaceMesher`."""

    device: str
    fallback: str | None
    config: Config

    @property
    def next_id(self) -> int:
        """The id of the next new face."""

    @property
    def possible_rois(self) -> tuple[Roi, ...]:
        """Where in the last image faces may be that were not returned."""

    def camera_of(self, camera: Camera | None, size_wh: tuple[int, int]) -> Camera | None:
        """Return the camera by which an image gets its poses."""

    def process(
        self,
        image_rgb: AnyImage,
        stamp: float,
        camera: Camera | None = None,
        depth_m: Float32 | None = None,
        target_m: Target = None,
    ) -> tuple[Face, ...]:
        """Return the faces in the next image."""

    def configure(self, config: Config) -> None:
        """Go on with other live settings."""

    def reset(self) -> None:
        """Forget all tracks."""


class MakeMesher(Protocol):
    """What makes a mesher for the node, such as the class :class:`facemesh_ros.FaceMesher`."""

    def __call__(self, config: Config, stage: Stage, *, first_id: int) -> Mesher:
        """Load the networks; new faces are numbered from ``first_id`` on."""


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
    picture: Picture
    faces: Sequence[Face]
    target_m: Target = None
    camera: Camera | None = None
    """By which the faces have their poses; None where they have none."""
    possible_rois: Sequence[Roi] = ()
    """Where faces may be that are not among those found: covered where faces are to be covered."""

    @property
    def image_rgb(self) -> UInt8:
        """(H, W, 3) uint8 RGB, read-only; converted when it is first asked for."""
        return self.picture.rgb


class FrameProcessor:
    """A mesher that takes messages, from one thread at a time.

    The other methods may be called from any, at any time. They do not wait for an image that is worked on, which may
    never end, but leave word.
    """

    def __init__(self, mesher: Mesher, timer: StageTimer, companions: Companions, warn: Callable[[str], None]) -> None:
        """Wrap a mesher whose stages report to ``timer``; ``warn`` is told, once each, what is wrong with headers."""
        self._mesher = mesher
        self._timer = timer
        self._companions = companions
        self._headers = Headers(warn)
        self._signs: SteadySigns[int] = SteadySigns()
        self._config = mesher.config
        self._resets = self._resets_done = 0
        self._lock = threading.Lock()
        """Held by whoever uses the mesher."""

    @property
    def config(self) -> Config:
        """The library's settings from the next image on."""
        return self._config

    @property
    def device(self) -> str:
        """What the networks run on."""
        return self._mesher.device

    @property
    def fallback(self) -> str | None:
        """Why that is not what was asked for; None where it is."""
        return self._mesher.fallback

    @property
    def next_id(self) -> int:
        """The id of the next new face."""
        return self._mesher.next_id

    def process(self, frame: Frame, dropped: int) -> Result | None:
        """Find the faces; ``dropped`` is how many images were skipped so far. None for an image that came too late.

        Raises:
            InputError: the image cannot be read; the tracks stay as they were, unless its stamp begins a new stream.
        """
        self._timer.begin(frame.arrived_s)
        header = frame.message.header
        resets = self._resets
        if not self._is_next(header):
            return None
        with self._timer.stage("decode"):
            picture = DECODERS[type(frame.message)](frame.message)
        size_wh = picture.size_wh
        # Not under the lock: the thread that brings camera_info may be waiting for that.
        with self._timer.stage("queue"):
            camera = self._companions.cameras.camera_of(header.stamp, size_wh)
        depth_m = self._depth(header, camera, size_wh)
        target_m = self._companions.target.place_m(header)
        with self._lock:
            self._settle()
            if resets != self._resets:
                self._headers.order(header)  # of what came after the reset, the first
            faces = self._mesher.process(picture, stamp_seconds(header), camera, depth_m, target_m)
            used, possible_rois = self._mesher.camera_of(camera, size_wh), self._mesher.possible_rois
        self._settle_unless_held()
        with self._timer.stage("build"):
            array = array_message(faces, header, size_wh, self._timer.result_ms(), dropped)
            self._keep_signs(array)
        return Result(array, picture, faces, target_m, used, possible_rois)

    def _keep_signs(self, array: FaceMeshArray) -> None:
        """Give the quaternion of every head the sign that it had in the image before."""
        turns = {face.id: face.head_pose.pose.orientation for face in array.faces if face.pose_valid}
        kept = self._signs.kept({track_id: (q.x, q.y, q.z, q.w) for track_id, q in turns.items()})
        for track_id, turn in turns.items():
            turn.x, turn.y, turn.z, turn.w = kept[track_id]

    def _is_next(self, header: Header) -> bool:
        """Tell whether an image is to be looked at; the first of a new stream finds no tracks."""
        with self._lock:
            self._settle()
            order = self._headers.order(header)
            if order is Order.ANEW:
                self._mesher.reset()
            return order is not Order.LATE

    def _depth(self, header: Header, camera: Camera | None, size_wh: tuple[int, int]) -> Float32 | None:
        """Return the depth of an image, (H, W) float32, m; None where there is none, or no head pose to use it for."""
        config, depths = self._mesher.config, self._companions.depths
        has_pose = config.pose.enabled and (camera is not None or config.camera.assume_fov_deg > 0.0)
        if depths is None or not has_pose:
            return None
        with self._timer.stage("queue"):
            message = depths.partner_of(header.stamp)
        with self._timer.stage("decode"):
            return None if message is None else depths.metres(message, header, size_wh)

    def configure(self, config: Config) -> None:
        """Go on with other live settings, from the next image on."""
        self._config = config
        self._settle_unless_held()

    def reset(self) -> None:
        """Forget all tracks, and which stamp was the last, before the next image."""
        self._resets += 1
        self._settle_unless_held()

    def _settle_unless_held(self) -> None:
        """Do what was asked for, unless an image is worked on: then that is done after it."""
        if self._lock.acquire(blocking=False):
            try:
                self._settle()
            finally:
                self._lock.release()

    def _settle(self) -> None:
        if self._resets_done != self._resets:
            self._resets_done = self._resets
            self._mesher.reset()
            self._headers.forget()
        if self._mesher.config is not self._config:
            self._mesher.configure(self._config)
