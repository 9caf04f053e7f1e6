"""A camera on ROS topics: images, raw or compressed, each with the camera_info of the same stamp."""

from __future__ import annotations

import posixpath
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import cv2
import numpy as np
import rclpy
from rclpy.context import Context
from rclpy.duration import Duration
from rclpy.exceptions import InvalidNamespaceException, InvalidTopicNameException
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from facemesh_ros.errors import InputError
from facemesh_ros.types import UInt8

RELIABILITIES = {"reliable": ReliabilityPolicy.RELIABLE, "best_effort": ReliabilityPolicy.BEST_EFFORT}
TRANSPORTS = {"raw": (Image,), "compressed": (CompressedImage,), "both": (Image, CompressedImage)}
DEPTH = 5
FAREWELL_S = 1.0
"""How long close() waits for reliable subscribers to get the last image."""


@dataclass(frozen=True)
class CameraTopics:
    """Where and how a camera publishes."""

    image: str
    """The compressed images are on ``<image>/compressed``, the camera_info beside it."""
    namespace: str
    """Of the node, for an ``image`` without a leading slash."""
    frame_id: str
    transport: str
    """One of :data:`TRANSPORTS`."""
    reliability: str
    """One of :data:`RELIABILITIES`; a reliable publisher suits subscribers of both kinds."""
    jpeg_quality: int
    """0..100, of compressed images."""


class CameraPublisher:
    """A node of its own that publishes what it is given.

    :meth:`prepare` does the work, at leisure; :meth:`publish` then costs no more than the sending.
    """

    def __init__(self, topics: CameraTopics, info_of: Callable[[tuple[int, int]], CameraInfo]) -> None:
        """Start the node.

        Args:
            topics: where to publish.
            info_of: the calibration for images of a width and height; asked again when the size changes.

        Raises:
            InputError: a topic or the namespace is no ROS name.
        """
        self._info_of = info_of
        self._jpeg = [cv2.IMWRITE_JPEG_QUALITY, topics.jpeg_quality]
        self._context = Context()
        rclpy.init(context=self._context, signal_handler_options=SignalHandlerOptions.NO)
        try:
            self._start(topics)
        except (InvalidNamespaceException, InvalidTopicNameException) as error:
            self._context.try_shutdown()
            reason = str(error).splitlines()[0].rstrip(":")
            raise InputError(f"{topics.image!r} in namespace {topics.namespace!r}: {reason}") from error
        self._header = Header(frame_id=topics.frame_id)
        self._info = CameraInfo()
        self._pixels = np.zeros((0, 0, 3), np.uint8)
        """(H, W, 3) uint8 BGR: a view of the image message's data."""
        self._image = Image(encoding="bgr8", header=self._header)
        self._compressed = CompressedImage(format="bgr8; jpeg compressed bgr8", header=self._header)

    def _start(self, topics: CameraTopics) -> None:
        self._node = rclpy.create_node(
            "facemesh_play", namespace=topics.namespace, context=self._context, start_parameter_services=False
        )
        names = {
            Image: topics.image,
            CompressedImage: f"{topics.image}/compressed",
            CameraInfo: posixpath.join(posixpath.dirname(topics.image), "camera_info"),
        }
        qos = QoSProfile(depth=DEPTH, reliability=RELIABILITIES[topics.reliability])
        kinds = (CameraInfo, *TRANSPORTS[topics.transport])
        self._publishers: dict[Any, Any] = {kind: self._node.create_publisher(kind, names[kind], qos) for kind in kinds}

    def __enter__(self) -> CameraPublisher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def topic_names(self) -> tuple[str, ...]:
        """Fully qualified, the images' first."""
        return tuple(publisher.topic_name for publisher in reversed(self._publishers.values()))

    def prepare(self, image_bgr: UInt8) -> None:
        """Make the messages of an (H, W, 3) uint8 BGR image.

        Raises:
            InputError: ``info_of`` has no calibration for an image of this size.
        """
        size_wh = (image_bgr.shape[1], image_bgr.shape[0])
        if size_wh != (self._image.width, self._image.height):
            self._resize(size_wh)
        if Image in self._publishers:
            np.copyto(self._pixels, image_bgr)
        if CompressedImage in self._publishers:
            self._compressed.data = array("B", cv2.imencode(".jpg", image_bgr, self._jpeg)[1].tobytes())

    def _resize(self, size_wh: tuple[int, int]) -> None:
        """Make the messages that are filled in place from now on."""
        self._info = self._info_of(size_wh)
        self._info.header = self._header
        width, height = size_wh
        self._image.width, self._image.height, self._image.step = width, height, 3 * width
        self._image.data = array("B", bytes(3 * width * height))
        self._pixels = np.frombuffer(self._image.data, np.uint8).reshape(height, width, 3)

    def publish(self) -> None:
        """Send what was prepared, stamped with the present time."""
        self._header.stamp = self._node.get_clock().now().to_msg()
        messages = {CameraInfo: self._info, Image: self._image, CompressedImage: self._compressed}
        for kind, publisher in self._publishers.items():
            publisher.publish(messages[kind])

    def close(self) -> None:
        """Leave, after reliable subscribers have got the last image."""
        for publisher in self._publishers.values():
            publisher.wait_for_all_acked(Duration(seconds=FAREWELL_S))
        self._node.destroy_node()
        self._context.try_shutdown()
