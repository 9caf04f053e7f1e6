"""A listener on the node's output: what arrives, how late, and a few images with their faces."""

from __future__ import annotations

import posixpath
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from rclpy.subscription import Subscription
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, Image

from facemesh_ros.errors import InputError
from facemesh_ros.msg import FaceMeshArray, FaceMeshTiming
from facemesh_ros.ros.calibration import camera_of_info
from facemesh_ros.ros.convert import image_rgb, stamp_seconds
from facemesh_ros.ros.reading import faces_of
from facemesh_ros.types import Camera, Face, UInt8

T = TypeVar("T", Image, FaceMeshArray)
Stamp: TypeAlias = tuple[int, int]
"""s and ns."""

STAGES = tuple(FaceMeshTiming.get_fields_and_field_types())
"""Names of the fields of FaceMeshTiming."""

_MOST_WAITING = 60
"""Images that wait for their faces, and faces for their image; older ones go: 2 s at 30 Hz."""
_MOST_BYTES = 256 << 20
"""Of the images kept as sightings."""
_IMAGES_DEPTH, _FACES_DEPTH = 60, 100
"""Messages that wait while this process is busy, rather than be lost and counted against the node."""


@dataclass(frozen=True)
class Sample:
    """What is kept of one FaceMeshArray."""

    arrived_s: float
    """On this process's monotonic clock."""
    latency_ms: float
    """From the image's stamp to the call of the subscriber here."""
    presences: tuple[float, ...]
    """Of each face, 0..1."""
    stage_ms: Mapping[str, float]
    """By :data:`STAGES`, as the node measured."""
    dropped: int
    """Images skipped since the node became active."""


@dataclass(frozen=True, eq=False)
class Sighting:
    """An image and the faces that the node found in it."""

    image_rgb: UInt8
    """(H, W, 3) uint8 RGB, read-only."""
    faces: tuple[Face, ...]
    stamp_s: float
    info: CameraInfo | None = None
    """The newest calibration at the time."""

    @property
    def camera(self) -> Camera | None:
        """What took the image; None where there is no calibration of images of its size, or a bad one."""
        try:
            camera = None if self.info is None else camera_of_info(self.info)
        except InputError:
            return None
        height, width = self.image_rgb.shape[:2]
        return camera if camera is not None and camera.size_wh == (width, height) else None


class Monitor:
    """Subscribes to the faces and, until ``sightings_wanted`` are gathered, to the images and the calibration."""

    def __init__(self, faces_topic: str, image_topic: str, sightings_wanted: int) -> None:
        """Subscribe, in the domain that the environment names; nothing arrives before :meth:`spin`."""
        self.samples: list[Sample] = []
        self.sightings: list[Sighting] = []
        self._sightings_wanted = sightings_wanted
        self._images: OrderedDict[Stamp, Image] = OrderedDict()
        self._arrays: OrderedDict[Stamp, FaceMeshArray] = OrderedDict()
        self._context = Context()
        rclpy.init(context=self._context, signal_handler_options=SignalHandlerOptions.NO)
        self._node = Node("facemesh_monitor", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        reliable = QoSProfile(depth=_FACES_DEPTH, reliability=ReliabilityPolicy.RELIABLE)
        best_effort = QoSProfile(depth=_IMAGES_DEPTH, reliability=ReliabilityPolicy.BEST_EFFORT)
        self._node.create_subscription(FaceMeshArray, faces_topic, self._on_faces, reliable)
        self._image_subscription: Subscription | None = self._node.create_subscription(
            Image, image_topic, self._on_image, best_effort
        )
        self._info: CameraInfo | None = None
        info_topic = posixpath.join(posixpath.dirname(image_topic), "camera_info")
        self._info_subscription = self._node.create_subscription(CameraInfo, info_topic, self._on_info, best_effort)

    def spin(self, duration_s: float) -> None:
        """Receive for about ``duration_s``."""
        end_s = time.monotonic() + duration_s
        while (left_s := end_s - time.monotonic()) > 0.0:
            self._executor.spin_once(timeout_sec=left_s)
        if self._image_subscription is not None and not self._wants_sightings():
            self._node.destroy_subscription(self._image_subscription)
            self._node.destroy_subscription(self._info_subscription)
            self._image_subscription = None
            self._images.clear()
            self._arrays.clear()

    def close(self) -> None:
        """Unsubscribe and leave."""
        self._executor.shutdown()
        self._node.destroy_node()
        self._context.shutdown()

    def _wants_sightings(self) -> bool:
        held = sum(sighting.image_rgb.nbytes for sighting in self.sightings)
        return len(self.sightings) < self._sightings_wanted and held < _MOST_BYTES

    def _on_faces(self, message: FaceMeshArray) -> None:
        now = self._node.get_clock().now()
        latency_ns = (now - Time.from_msg(message.header.stamp)).nanoseconds
        self.samples.append(
            Sample(
                arrived_s=time.monotonic(),
                latency_ms=1e-6 * latency_ns,
                presences=tuple(face.presence for face in message.faces),
                stage_ms={stage: getattr(message.timing, stage) for stage in STAGES},
                dropped=message.dropped,
            )
        )
        self._wait_for_twin(message, self._arrays)

    def _on_image(self, message: Image) -> None:
        self._wait_for_twin(message, self._images)

    def _on_info(self, message: CameraInfo) -> None:
        self._info = message

    def _wait_for_twin(self, message: T, waiting: OrderedDict[Stamp, T]) -> None:
        """Join an image and its faces, of which either may come first."""
        if not self._wants_sightings():
            return
        stamp = message.header.stamp.sec, message.header.stamp.nanosec
        waiting[stamp] = message
        if stamp in self._images and stamp in self._arrays:
            picture, faces = image_rgb(self._images.pop(stamp)), faces_of(self._arrays.pop(stamp))
            self.sightings.append(Sighting(picture, faces, stamp_seconds(message.header), self._info))
        elif len(waiting) > _MOST_WAITING:
            waiting.popitem(last=False)
